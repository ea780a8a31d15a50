//! [`World`]: hosts, the network between them and the virtual clock, and the loop that runs them all.
//!
//! ```text
//!   run_until:  until the limit, or until `done` says so:
//!     step:         take the first event from the queue and set the clock to its time
//!                   the network handles it, or work of a program or of the script runs
//!                   run the commands that wait (crash, kill, restart)
//!                   take_due_turns: each host for which something has changed lets its loop take a turn
//! ```
//!
//! A host's turn ends before the next host's begins, and before the next event. So a callback takes no virtual time,
//! and the whole world runs in one order.
//!
//! Next: `environment.rs`, what the hosts of a world share.

use super::environment::{Environment, Scheduled, Work};
use super::host::Host;
use super::network::{DirectedLink, Network};
use super::program::{Boot, Command, Program};
use super::queue::Event;
use super::random::{Random, nanoseconds};
use super::settings::{HostSettings, LinkSettings, Resolution, WorldSettings};
use super::trace::{Action, line};
use crate::Reactor;
use crate::event_loop::TurnMemory;
use crate::trace::{self, Kind, Network as NetworkEvent, Scope, Trace};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of turns at one moment of virtual time. Programs that keep each other busy without ever waiting would
/// hold the world for ever; no honest program comes near this.
const MAX_TURNS_AT_ONE_MOMENT: u64 = 1_000_000;

/// Hosts, a network and a virtual clock; a seed decides everything that happens. See [the module](super).
///
/// A world belongs to one thread. Many worlds may run side by side, each on a thread of its own. When a world is
/// dropped, the reactors of its programs and everything in them are dropped, too.
pub struct World(Rc<WorldInner>);

pub(super) struct WorldInner {
    pub(super) seed: u64,
    pub(super) environment: Rc<Environment>,
    pub(super) programs: RefCell<Vec<Program>>,
    pub(super) commands: RefCell<Vec<(u32, Command)>>,
    /// Code of some program runs now.
    pub(super) is_in_program: Cell<bool>,
    /// Memory that a loop needs only during its turn. One piece serves all hosts, because only one takes a turn.
    pub(super) turn_memory: Cell<TurnMemory>,
    random: RefCell<Random>,
    is_running: Cell<bool>,
    event_count: Cell<u64>,
    turn_count: Cell<u64>,
    /// Turns since the clock last moved.
    turns_at_this_moment: Cell<u64>,
}

impl World {
    /// A world without hosts, with the default settings.
    pub fn new(seed: u64) -> World {
        World::with_settings(seed, WorldSettings::default())
    }

    /// A world without hosts, with these settings.
    pub fn with_settings(seed: u64, settings: WorldSettings) -> World {
        let world = World::untraced(seed, settings);
        if let Some(trace) = trace::from_environment() {
            world.trace_to(trace);
        }
        world
    }

    fn untraced(seed: u64, settings: WorldSettings) -> World {
        World(Rc::new(WorldInner {
            seed,
            environment: Environment::new(Network::new(seed, settings)),
            programs: RefCell::default(),
            commands: RefCell::default(),
            is_in_program: Cell::new(false),
            turn_memory: Cell::default(),
            random: RefCell::new(Random::stream(seed, 1)),
            is_running: Cell::new(false),
            event_count: Cell::new(0),
            turn_count: Cell::new(0),
            turns_at_this_moment: Cell::new(0),
        }))
    }

    /// The seed that decides what happens.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Adds a host with default settings and starts its program: see [`host_with`](World::host_with).
    pub fn host(&self, name: &str, boot: impl FnMut(&Reactor) + 'static) -> Host {
        self.host_with(name, HostSettings::default(), boot)
    }

    /// Adds a host and starts its program. Programs on all hosts find it by looking up `name`.
    ///
    /// `boot` is what the program's `main` does with its reactor before it runs it. It is called once before this
    /// returns, and again at each [`restart`](Host::restart). It must not run the reactor: the world does. When the
    /// reactor stops, the program has ended, unless [`HostSettings::runs`] says that it runs the reactor again.
    ///
    /// # Panics
    /// If an address is taken, or if `boot` panics.
    pub fn host_with(&self, name: &str, settings: HostSettings, boot: impl FnMut(&Reactor) + 'static) -> Host {
        let inner = &self.0;
        let host = inner.environment.network.borrow_mut().add_host(name, &settings);
        let boot: Boot = Box::new(boot);
        inner.programs.borrow_mut().push(Program::new(boot, settings.reactor, settings.runs));
        let handle = Host::new(inner, host);
        let addresses = inner.environment.network.borrow().host(host).addresses.clone();
        self.set_name(name, Resolution::Addresses(addresses));
        inner.start(host);
        inner.run_commands();
        handle
    }

    /// How much virtual time has gone by since the world began.
    pub fn now(&self) -> Duration {
        self.0.environment.network.borrow().elapsed()
    }

    /// The next number that the seed decides, for workloads and faults. The hosts and the network draw from streams of
    /// their own, so calling this more or less often changes nothing for them.
    pub fn random(&self) -> u64 {
        self.0.random.borrow_mut().next_u64()
    }

    /// A new source of such numbers, for a part of a test that draws many. It draws one number to seed it.
    pub fn new_random(&self) -> Random {
        Random::new(self.random())
    }

    /// Calls `f` after `delay` of virtual time, outside of all hosts: a step of a test's script.
    pub fn call_later(&self, delay: Duration, f: impl FnOnce(&World) + 'static) {
        self.0.environment.later(nanoseconds(delay), None, Work::Script(Box::new(f)));
    }

    /// Lets `time` go by, with everything that happens in it. Callbacks of programs and of the script run inside this
    /// call.
    ///
    /// # Panics
    /// If it is called from inside the world; if programs keep each other busy without any time going by; if the script
    /// panics. (A panic of a protocol ends its connection and goes no further, as on a real reactor.)
    pub fn run_for(&self, time: Duration) {
        self.run_until(time, || false);
    }

    /// Lets time go by until `done` returns true, but no longer than `limit`. `done` is called first and then after
    /// each event. Returns whether it was true.
    ///
    /// # Panics
    /// As [`run_for`](World::run_for).
    pub fn run_until(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let inner = &self.0;
        assert!(!inner.is_running.get() && !inner.is_in_program.get(), "a world is run from outside of it");
        inner.is_running.set(true);
        let not_running = ClearOnDrop(&inner.is_running);
        let end = inner.environment.network.borrow().now.saturating_add(nanoseconds(limit));
        // Since the last run, a test may have given commands, written to transports or set up delayed calls.
        inner.run_commands();
        inner.schedule_all();
        inner.take_due_turns();
        let mut is_done = done();
        while !is_done && self.step(end) {
            is_done = done();
        }
        // No event is left before the limit. Without this, the next run would begin at the last event's time, and how a
        // run is cut into pieces would matter.
        if !is_done {
            inner.environment.set_now(end);
        }
        drop(not_running);
        is_done
    }

    /// Lets the next event happen, unless its time is after `end`. Returns whether there was one.
    fn step(&self, end: u64) -> bool {
        let inner = &self.0;
        let Some((time, event)) = inner.environment.network.borrow_mut().queue.pop(end) else { return false };
        if time > inner.environment.network.borrow().now {
            inner.turns_at_this_moment.set(0);
            inner.environment.set_now(time);
        }
        inner.event_count.set(inner.event_count.get() + 1);
        match event {
            Event::Scheduled(key) => self.run_scheduled(key),
            event => inner.environment.network.borrow_mut().handle(event),
        }
        // Commands before turns: a host that the event made crash must not take a turn first.
        inner.run_commands();
        inner.take_due_turns();
        true
    }

    /// Runs work that is due, unless the process that asked for it has ended.
    fn run_scheduled(&self, key: usize) {
        let environment = &self.0.environment;
        let Scheduled { process, work } = environment.scheduled.borrow_mut().remove(key);
        if let Some((host, pid)) = process {
            let network = &mut *environment.network.borrow_mut();
            let kernel = network.host(host);
            if kernel.pid != pid || !kernel.state.has_program() {
                return;
            }
            if let Work::Answer(_, answer, name) = &work {
                let meaning = network.detail(|| match answer {
                    Ok(addresses) => Resolution::Addresses(addresses.clone()).words(name),
                    Err(error) => Resolution::Fails(error.kind()).words(name),
                });
                network.note_with(host, Action::Answer, &meaning);
            }
        }
        // The borrow of the network has ended here: the work may ask anything of it.
        match work {
            Work::Answer(reply, answer, _) => {
                let answer = answer.map(|found| found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect());
                self.0.in_program(|| reply(answer));
            }
            Work::Job(job) => self.0.in_program(job),
            Work::Script(f) => f(self),
        }
    }

    /// Sets what the link from `from` to `to` is like, in that direction only.
    pub fn set_link(&self, from: &Host, to: &Host, settings: LinkSettings) {
        let words = settings.words();
        self.change_link(from, to, Action::ChangeLink, &words, |link| link.own_settings = Some(settings));
    }

    /// Sets what all links between hosts are like, except those set by [`set_link`](World::set_link).
    pub fn set_links(&self, settings: LinkSettings) {
        let network = &mut *self.0.environment.network.borrow_mut();
        network.settings.link = settings;
        network.say(&format!("all other links: {}", settings.words()));
    }

    /// Cuts the link from `from` to `to`: nothing gets through any more, and what is on the link is lost. What `to`
    /// sends still arrives. TCP retransmits, so after [`mend`](World::mend) the bytes arrive, unless the sender has
    /// given up.
    pub fn cut(&self, from: &Host, to: &Host) {
        self.change_link(from, to, Action::CutLink, "", |link| link.is_cut = true);
    }

    /// Makes the link from `from` to `to` work again.
    pub fn mend(&self, from: &Host, to: &Host) {
        self.change_link(from, to, Action::MendLink, "", |link| link.is_cut = false);
    }

    /// Cuts all links between these hosts and those, in both directions: a network partition.
    pub fn partition(&self, these: &[Host], those: &[Host]) {
        for (this, that) in pairs(these, those) {
            self.cut(this, that);
            self.cut(that, this);
        }
    }

    /// Mends all links.
    pub fn heal(&self) {
        let network = &mut *self.0.environment.network.borrow_mut();
        for link in 0..network.links.len() {
            let link = &mut network.links[link];
            if std::mem::take(&mut link.is_cut) {
                let (from, to) = (link.from, link.to);
                network.note(from, Action::MendLink.to(to));
            }
        }
    }

    /// Changes a link, and notes it. The hash covers the whole `detail`.
    fn change_link(
        &self,
        from: &Host,
        to: &Host,
        action: Action,
        detail: &str,
        change: impl FnOnce(&mut DirectedLink),
    ) {
        let network = &mut *self.0.environment.network.borrow_mut();
        let link = network.link_between(from.index(), to.index());
        change(&mut network.links[link as usize]);
        network.trace.mix_bytes(detail.as_bytes());
        network.note_with(from.index(), action.to(to.index()), detail);
    }

    /// Breaks all connections between two hosts at once, as a firewall between them does that loses its state: both
    /// ends get a reset.
    pub fn reset_connections(&self, one: &Host, other: &Host) {
        self.0.environment.network.borrow_mut().break_connections(one.index(), other.index());
    }

    /// Sets how a name resolves, for programs on all hosts and from now on. A program that has just looked the name up
    /// may use that answer for [`Settings::lookup_kept`](crate::Settings::lookup_kept) more. Every host can be found
    /// under its own name unless this says otherwise; `localhost` is always the host that looks it up.
    pub fn set_name(&self, name: &str, resolution: Resolution) {
        self.0.environment.network.borrow_mut().say(&format!("the name {}", resolution.words(name)));
        self.0.environment.names.borrow_mut().insert(name.to_owned(), resolution);
    }

    pub(super) fn network(&self) -> std::cell::Ref<'_, Network> {
        self.0.environment.network.borrow()
    }

    /// How many connections there are, including those that no program holds and only a kernel still knows.
    pub fn connection_count(&self) -> usize {
        self.0.environment.network.borrow().connections.len()
    }

    /// How many events have happened: arrivals, time-outs, answers and so on.
    pub fn event_count(&self) -> u64 {
        self.0.event_count.get()
    }

    /// How many turns the loops of all hosts have taken.
    pub fn turn_count(&self) -> u64 {
        self.0.turn_count.get()
    }

    /// A hash of everything that has happened: two runs that differ in anything have different hashes, but for a
    /// collision of 64 bits. From where a stream looks like TLS, it covers the lengths, not the contents.
    pub fn trace_hash(&self) -> u64 {
        self.0.environment.network.borrow().trace.hash()
    }

    /// Writes a line into the trace. The [hash](World::trace_hash) covers it.
    pub fn note(&self, text: &str) {
        let network = &mut *self.0.environment.network.borrow_mut();
        network.trace.say(network.now, "--", text);
    }

    /// Keeps the last `lines` lines of the trace from now on, for [`trace`](World::trace). A line about a write shows
    /// its first hundred bytes, unless the stream began like TLS.
    ///
    /// If you call this before you add a host, the trace is complete: it begins with the seed and the world's settings.
    /// Keeping it changes nothing in the world, nor the [hash](World::trace_hash).
    pub fn keep_trace(&self, lines: usize) {
        let opening = self.0.opening();
        self.0.environment.network.borrow_mut().trace.keep(lines, &opening);
    }

    /// The lines kept. Each shows the time in seconds, the host, and what happened.
    pub fn trace(&self) -> Vec<String> {
        self.0.environment.network.borrow().trace.lines().map(str::to_owned).collect()
    }

    /// Reports everything that happens from now on to `trace`: what the network does, and what happens in the reactors
    /// of the programs that start from now on. The trace has virtual time, and the host of each event. It is complete
    /// if you call this before you add a host. It changes nothing in the world, nor the [hash](World::trace_hash).
    ///
    /// The environment may ask for it, too: see [`trace::VARIABLE`](crate::trace::VARIABLE). The observer must not call
    /// the world.
    pub fn trace_to(&self, trace: Trace) {
        let environment = &self.0.environment;
        let clock = environment.clone();
        let scope = Scope::new(trace, None, Box::new(move || clock.now()), Some(environment.begin()));
        for words in self.0.opening_words() {
            scope.emit(Kind::Network(NetworkEvent {
                at: "--",
                what: "say",
                link: None,
                datagram: None,
                count: 0,
                other: None,
                words: &words,
            }));
        }
        environment.network.borrow_mut().trace.report_to(Rc::new(scope));
    }

    /// Writes each line of the trace to `sink` as well from now on. As with [`keep_trace`](World::keep_trace), the
    /// trace is complete if you call this before you add a host.
    ///
    /// The sink must not call the world. If it fails, a warning is logged, and it is dropped; otherwise it is dropped
    /// with the world.
    pub fn write_trace_to(&self, sink: impl io::Write + 'static) {
        let opening = self.0.opening();
        let before = self.0.environment.network.borrow_mut().trace.write_to(Box::new(sink), &opening);
        // The old sink's destructor may run any code, so the network must not be borrowed here.
        drop(before);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World(seed {}, {:?} old)", self.0.seed, self.now())
    }
}

/// Clears a flag, also if a panic goes through.
struct ClearOnDrop<'a>(&'a Cell<bool>);

impl Drop for ClearOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn pairs<'a>(these: &'a [Host], those: &'a [Host]) -> impl Iterator<Item = (&'a Host, &'a Host)> {
    these.iter().flat_map(move |this| those.iter().map(move |that| (this, that)))
}

impl WorldInner {
    /// The first lines of a trace that begins before there is any host; none for a trace that begins later.
    fn opening(&self) -> Vec<String> {
        let now = self.environment.network.borrow().now;
        self.opening_words().iter().map(|words| line(now, "--", words)).collect()
    }

    fn opening_words(&self) -> Vec<String> {
        let network = self.environment.network.borrow();
        if !network.hosts.is_empty() {
            return Vec::new();
        }
        let seed = format!("a world with seed {}", self.seed);
        std::iter::once(seed).chain(network.settings.words()).collect()
    }

    fn take_due_turns(&self) {
        loop {
            let Some(host) = self.next_due() else { return };
            self.take_turn(host);
            self.run_commands();
        }
    }

    fn next_due(&self) -> Option<u32> {
        let network = &mut *self.environment.network.borrow_mut();
        for host in self.environment.woken.take() {
            network.make_due(host);
        }
        network.next_due()
    }

    pub(super) fn count_turn(&self, host: u32) {
        self.turn_count.set(self.turn_count.get() + 1);
        self.turns_at_this_moment.set(self.turns_at_this_moment.get() + 1);
        if self.turns_at_this_moment.get() > MAX_TURNS_AT_ONE_MOMENT {
            let name = self.environment.network.borrow().host(host).name.clone();
            panic!("no time goes by: {MAX_TURNS_AT_ONE_MOMENT} turns at one moment, the last one of {name}");
        }
    }
}
