//! [`World`]: runs hosts and the network between them.

use super::driver::{Shared, Waiting, What};
use super::host::{Boot, Deed, Host, Program};
use super::network::{Network, Power, Way};
use super::queue::Event;
use super::random::{Random, nanoseconds};
use super::settings::{HostSettings, LinkSettings, WorldSettings};
use super::trace::{Did, excerpt, line};
use crate::Reactor;
use crate::event_loop::Spare;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// So many turns may be taken without any time going by. Programs that keep each other busy without ever waiting would
/// hold the world for ever; no honest one comes near.
const TURNS_AT_ONE_MOMENT: u64 = 1_000_000;

/// What a name means to those who look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It has these addresses.
    Addresses(Vec<IpAddr>),
    /// The look-up fails.
    Fails(io::ErrorKind),
    /// No answer ever comes.
    Silent,
}

impl Resolution {
    /// What it means, in words.
    fn meaning(&self, name: &str) -> String {
        let mut text = excerpt(name.bytes()) + " means ";
        // Writing to a String cannot fail.
        let _ = match self {
            Resolution::Addresses(addresses) => addresses.iter().enumerate().try_for_each(|(at, address)| {
                let separator = if at == 0 { "" } else { ", " };
                write!(text, "{separator}{address}")
            }),
            Resolution::Fails(error) => write!(text, "{error:?}"),
            Resolution::Silent => write!(text, "silence"),
        };
        text
    }
}

/// Hosts, a network and a time, all decided by a seed. See [the module](super).
///
/// It belongs to one thread; many may run side by side, each on a thread of its own. Dropping it drops its programs.
pub struct World(Rc<Inner>);

pub(super) struct Inner {
    pub(super) seed: u64,
    pub(super) shared: Rc<Shared>,
    pub(super) programs: RefCell<Vec<Program>>,
    pub(super) deeds: RefCell<Vec<(u32, Deed)>>,
    /// Code of some program runs now.
    pub(super) is_in_program: Cell<bool>,
    /// Memory that a loop only needs in its turn.
    pub(super) spare: Cell<Spare>,
    random: RefCell<Random>,
    is_running: Cell<bool>,
    events: Cell<u64>,
    turns: Cell<u64>,
    turns_now: Cell<u64>,
}

impl World {
    /// A world in which nothing is yet.
    pub fn new(seed: u64) -> World {
        World::with_settings(seed, WorldSettings::default())
    }

    /// A world with other settings.
    pub fn with_settings(seed: u64, settings: WorldSettings) -> World {
        World(Rc::new(Inner {
            seed,
            shared: Shared::new(Network::new(seed, settings)),
            programs: RefCell::default(),
            deeds: RefCell::default(),
            is_in_program: Cell::new(false),
            spare: Cell::default(),
            random: RefCell::new(Random::stream(seed, 1)),
            is_running: Cell::new(false),
            events: Cell::new(0),
            turns: Cell::new(0),
            turns_now: Cell::new(0),
        }))
    }

    /// The seed that decides it.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Adds a host with default settings, and starts it: see [`host_with`](World::host_with).
    pub fn host(&self, name: &str, boot: impl FnMut(&Reactor) + 'static) -> Host {
        self.host_with(name, HostSettings::default(), boot)
    }

    /// Adds a host and starts its program: `boot` is what its `main` does with the reactor before it runs it, and is
    /// called now, and again at each [`restart`](Host::restart). When the reactor stops, the program has ended.
    ///
    /// Others find it under `name` when they look that up.
    ///
    /// # Panics
    /// If an address is taken; and as `boot` does.
    pub fn host_with(&self, name: &str, settings: HostSettings, boot: impl FnMut(&Reactor) + 'static) -> Host {
        let inner = &self.0;
        let host = inner.shared.network.borrow_mut().add_host(name, &settings);
        let boot: Boot = Box::new(boot);
        inner.programs.borrow_mut().push(Program::new(boot, settings.reactor));
        let handle = Host::new(inner, host);
        let addresses = inner.shared.network.borrow().host(host).addresses.clone();
        self.set_name(name, Resolution::Addresses(addresses));
        inner.start(host);
        inner.do_deeds();
        handle
    }

    /// How long this world has gone on.
    pub fn now(&self) -> Duration {
        self.0.shared.network.borrow().elapsed()
    }

    /// A number that the seed decides, for workloads and faults; apart from what the hosts and the network draw.
    pub fn random(&self) -> u64 {
        self.0.random.borrow_mut().next_u64()
    }

    /// A source of such numbers for somebody who draws many.
    pub fn new_random(&self) -> Random {
        Random::new(self.random())
    }

    /// Has `f` called after `delay`, outside of all hosts: a step of a script.
    pub fn call_later(&self, delay: Duration, f: impl FnOnce(&World) + 'static) {
        self.0.shared.later(nanoseconds(delay), None, What::Script(Box::new(f)));
    }

    /// Lets `time` go by, with all that happens in it.
    ///
    /// # Panics
    /// If it is called from inside the world; if programs keep each other busy without any time going by; and as the
    /// script does. (A panic of a protocol ends its connection, as always.)
    pub fn run_for(&self, time: Duration) {
        self.run_until(time, || false);
    }

    /// Lets time go by until `done`, which is asked after each event, but no longer than `limit`; whether it was done.
    ///
    /// # Panics
    /// As [`run_for`](World::run_for).
    pub fn run_until(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let inner = &self.0;
        assert!(!inner.is_running.get() && !inner.is_in_program.get(), "a world is run from outside of it");
        inner.is_running.set(true);
        let ended = Ended(&inner.is_running);
        let end = inner.shared.network.borrow().now.saturating_add(nanoseconds(limit));
        inner.do_deeds();
        inner.schedule_all();
        inner.take_due_turns();
        let mut is_done = done();
        while !is_done && self.step(end) {
            is_done = done();
        }
        if !is_done {
            inner.shared.set_now(end);
        }
        drop(ended);
        is_done
    }

    /// Lets the next thing happen, if it does so until `end`.
    fn step(&self, end: u64) -> bool {
        let inner = &self.0;
        let Some((time, event)) = inner.shared.network.borrow_mut().queue.pop(end) else { return false };
        if time > inner.shared.network.borrow().now {
            inner.turns_now.set(0);
            inner.shared.set_now(time);
        }
        inner.events.set(inner.events.get() + 1);
        match event {
            Event::Program(key) => self.go_on(key),
            event => inner.shared.network.borrow_mut().handle(event),
        }
        inner.do_deeds();
        inner.take_due_turns();
        true
    }

    /// Something of a program's has its time.
    fn go_on(&self, key: usize) {
        let shared = &self.0.shared;
        let Waiting { whose, what } = shared.programs.borrow_mut().remove(key);
        if let Some((host, life)) = whose {
            let network = &mut *shared.network.borrow_mut();
            let kernel = network.host(host);
            if kernel.life != life || !matches!(kernel.power, Power::Running | Power::Paused) {
                return; // The program that asked is no more.
            }
            if let What::Answer(_, answer, name) = &what {
                let meaning = network.detail(|| match answer {
                    Ok(addresses) => Resolution::Addresses(addresses.clone()).meaning(name),
                    Err(error) => Resolution::Fails(error.kind()).meaning(name),
                });
                network.note_with(host, Did::Answer, &meaning);
            }
        }
        match what {
            What::Answer(reply, answer, _) => self.0.in_program(|| reply(answer)),
            What::Job(job) => self.0.in_program(job),
            What::Script(f) => f(self),
        }
    }

    /// Sets the link from `from` to `to`, that way only.
    pub fn set_link(&self, from: &Host, to: &Host, link: LinkSettings) {
        let words = link.words();
        self.change_way(from, to, Did::Change, &words, |way| way.own = Some(link));
    }

    /// Sets the links that have not been set one by one.
    pub fn set_links(&self, link: LinkSettings) {
        let network = &mut *self.0.shared.network.borrow_mut();
        network.settings.link = link;
        network.say(&format!("all other links: {}", link.words()));
    }

    /// Cuts the way from `from` to `to`: nothing gets through any more. What `to` sends still arrives. TCP sends what
    /// is lost again and again, so that it arrives after [`mend`](World::mend), unless it has been given up.
    pub fn cut(&self, from: &Host, to: &Host) {
        self.change_way(from, to, Did::Cut, "", |way| way.is_cut = true);
    }

    /// Makes the way from `from` to `to` work again.
    pub fn mend(&self, from: &Host, to: &Host) {
        self.change_way(from, to, Did::Mend, "", |way| way.is_cut = false);
    }

    /// Cuts all ways between these hosts and those, in both directions.
    pub fn partition(&self, these: &[Host], those: &[Host]) {
        for (this, that) in pairs(these, those) {
            self.cut(this, that);
            self.cut(that, this);
        }
    }

    /// Mends all ways.
    pub fn heal(&self) {
        let network = &mut *self.0.shared.network.borrow_mut();
        for way in 0..network.links.len() {
            let way = &mut network.links[way];
            if std::mem::take(&mut way.is_cut) {
                let (from, to) = (way.from, way.to);
                network.note(from, Did::Mend.to(to));
            }
        }
    }

    /// Changes a way; the hash covers all of `detail`.
    fn change_way(&self, from: &Host, to: &Host, did: Did, detail: &str, change: impl FnOnce(&mut Way)) {
        let network = &mut *self.0.shared.network.borrow_mut();
        let way = network.way(from.index(), to.index());
        change(&mut network.links[way as usize]);
        network.trace.mix_bytes(detail.as_bytes());
        network.note_with(from.index(), did.to(to.index()), detail);
    }

    /// Breaks all connections between two hosts, as a box between them does that forgets them: both ends meet a reset.
    pub fn reset_connections(&self, one: &Host, other: &Host) {
        self.0.shared.network.borrow_mut().break_between(one.index(), other.index());
    }

    /// Sets what a name means. Hosts are found under their own names unless this says otherwise, and `localhost` is
    /// everybody's own.
    pub fn set_name(&self, name: &str, meaning: Resolution) {
        self.0.shared.network.borrow_mut().say(&format!("the name {}", meaning.meaning(name)));
        self.0.shared.names.borrow_mut().insert(name.to_owned(), meaning);
    }

    /// How many connections there are, also those that only a kernel still knows of.
    pub fn connection_count(&self) -> usize {
        self.0.shared.network.borrow().connections.len()
    }

    /// How many events there have been: arrivals, time-outs, answers and so on.
    pub fn event_count(&self) -> u64 {
        self.0.events.get()
    }

    /// How many turns loops have taken.
    pub fn turn_count(&self) -> u64 {
        self.0.turns.get()
    }

    /// A number that covers all that has happened: two runs that differ in anything have other ones. Of streams that
    /// begin like TLS it covers the lengths, not the contents.
    pub fn trace_hash(&self) -> u64 {
        self.0.shared.network.borrow().trace.hash()
    }

    /// Says something in the trace.
    pub fn note(&self, text: &str) {
        let network = &mut *self.0.shared.network.borrow_mut();
        network.trace.say(network.now, "--", text);
    }

    /// Keeps the last `lines` lines of the trace from now on. A line about a write shows its first hundred bytes,
    /// unless the stream began like TLS.
    ///
    /// Asked for before there is any host, the trace is whole: it begins with the seed and the world's settings.
    /// Whether it is kept changes nothing in the world, nor the [hash](World::trace_hash).
    pub fn keep_trace(&self, lines: usize) {
        let opening = self.0.opening();
        self.0.shared.network.borrow_mut().trace.keep(lines, &opening);
    }

    /// The lines kept: time in seconds, host, what happened.
    pub fn trace(&self) -> Vec<String> {
        self.0.shared.network.borrow().trace.lines().map(str::to_owned).collect()
    }

    /// Writes each line of the trace to `sink` as well from now on; as with [`keep_trace`](World::keep_trace), it is
    /// whole if this is asked for before there is any host. The sink may not ask anything of the world. It is dropped
    /// with the world, or when it has failed.
    pub fn write_trace_to(&self, sink: impl io::Write + 'static) {
        let opening = self.0.opening();
        let before = self.0.shared.network.borrow_mut().trace.write_to(Box::new(sink), &opening);
        drop(before);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World(seed {}, {:?} old)", self.0.seed, self.now())
    }
}

/// Ends a run, also if it panics.
struct Ended<'a>(&'a Cell<bool>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn pairs<'a>(these: &'a [Host], those: &'a [Host]) -> impl Iterator<Item = (&'a Host, &'a Host)> {
    these.iter().flat_map(move |this| those.iter().map(move |that| (this, that)))
}

impl Inner {
    /// What a trace begins with that begins before there is any host.
    fn opening(&self) -> Vec<String> {
        let network = self.shared.network.borrow();
        if !network.hosts.is_empty() {
            return Vec::new();
        }
        let seed = format!("a world with seed {}", self.seed);
        let words = std::iter::once(seed).chain(network.settings.words());
        words.map(|words| line(network.now, "--", &words)).collect()
    }

    fn take_due_turns(&self) {
        loop {
            let Some(host) = self.next_due() else { return };
            self.take_turn(host);
            self.do_deeds();
        }
    }

    fn next_due(&self) -> Option<u32> {
        let network = &mut *self.shared.network.borrow_mut();
        for host in self.shared.woken.take() {
            network.make_due(host);
        }
        network.next_due()
    }

    pub(super) fn count_turn(&self, host: u32) {
        self.turns.set(self.turns.get() + 1);
        self.turns_now.set(self.turns_now.get() + 1);
        if self.turns_now.get() > TURNS_AT_ONE_MOMENT {
            let name = self.shared.network.borrow().host(host).name.clone();
            panic!("no time goes by: {TURNS_AT_ONE_MOMENT} turns at one moment, the last one of {name}");
        }
    }
}
