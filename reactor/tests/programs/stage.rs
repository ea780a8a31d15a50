//! [`Stage`]: where a program runs: its hosts, the handles that they have, and the contract that looks on.

use crate::actors::Dropped;
use crate::contract::{Contract, EndId, Limits, Seen, Subject};
use crate::mistakes::Mistake;
use crate::program::{HOSTS, Kind, Program, Which};
use reactor::deferred::Canceller;
use reactor::sim::Host;
use reactor::tls::{TlsClient, TlsServer};
use reactor::{Connector, DatagramTransport, DelayedCall, Firer, LineTransport, ListeningPort, Reactor, Transport};
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Stage {
    pub(crate) program: Rc<Program>,
    contract: RefCell<Contract>,
    pub(crate) hosts: [HostStage; HOSTS],
    /// The time at which the world began.
    begin: Cell<Option<Instant>>,
    /// Nobody looks on any more.
    pub(crate) is_over: Cell<bool>,
    /// The mistake that the reactors seem to make.
    mistake: Option<Mistake>,
    /// What is dropped too late, for a mistake.
    pub(crate) kept: RefCell<Vec<Dropped>>,
    /// Number of values in the hands of the reactors whose drop would be noticed.
    pub(crate) value_count: Cell<usize>,
}

/// What the program of one host has in its hands.
#[derive(Default)]
pub(crate) struct HostStage {
    pub(crate) reactor: RefCell<Option<Reactor>>,
    pub(crate) handle: RefCell<Option<Host>>,
    counts: RefCell<HashMap<Kind, u32>>,
    pub(crate) transports: Handles<Transport>,
    pub(crate) lines: Handles<LineTransport>,
    pub(crate) connectors: Handles<Connector>,
    pub(crate) onces: Handles<Canceller>,
    pub(crate) ports: Handles<ListeningPort>,
    pub(crate) udp: Handles<DatagramTransport>,
    pub(crate) timers: Handles<DelayedCall>,
    pub(crate) deferreds: Handles<(Firer<()>, Canceller)>,
    pub(crate) triggers: Handles<reactor::event_loop::TriggerId>,
    /// What the host speaks TLS with, if it does.
    pub(crate) tls: RefCell<Option<(TlsServer, TlsClient)>>,
    /// The running `build_protocol` is to return `None`.
    pub(crate) refuses: Cell<bool>,
}

/// The handles of one kind, each with the number that the contract knows it by.
pub(crate) struct Handles<T>(RefCell<Vec<(usize, T)>>);

impl<T> Default for Handles<T> {
    fn default() -> Handles<T> {
        Handles(RefCell::default())
    }
}

impl<T: Clone> Handles<T> {
    pub(crate) fn add(&self, id: usize, handle: T) {
        self.0.borrow_mut().push((id, handle));
    }

    /// Which one an action means; `own` is what the running callback is about.
    pub(crate) fn pick(&self, which: Which, own: Option<usize>) -> Option<(usize, T)> {
        let handles = self.0.borrow();
        match which {
            Which::Own => match own.and_then(|own| handles.iter().find(|(id, _)| *id == own)) {
                Some(found) => Some(found.clone()),
                None => handles.last().cloned(),
            },
            Which::Nth(nth) if !handles.is_empty() => Some(handles[usize::from(nth) % handles.len()].clone()),
            Which::Nth(_) => None,
        }
    }

    fn all(&self) -> Vec<(usize, T)> {
        self.0.borrow().clone()
    }

    fn clear(&self) {
        drop(self.0.take());
    }
}

impl Stage {
    pub(crate) fn new(program: Rc<Program>, limits: Limits, keeps_log: bool, mistake: Option<Mistake>) -> Rc<Stage> {
        Rc::new(Stage {
            program,
            contract: RefCell::new(Contract::new(limits, keeps_log)),
            hosts: Default::default(),
            begin: Cell::new(None),
            is_over: Cell::new(false),
            mistake,
            kept: RefCell::default(),
            value_count: Cell::new(0),
        })
    }

    /// Whether the reactors seem to make this mistake.
    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    pub(crate) fn contract(&self) -> RefMut<'_, Contract> {
        self.contract.borrow_mut()
    }

    pub(crate) fn look(&self) -> Ref<'_, Contract> {
        self.contract.borrow()
    }

    pub(crate) fn reactor(&self, host: usize) -> Reactor {
        self.hosts[host].reactor.borrow().clone().expect("it has booted")
    }

    pub(crate) fn begins_with(&self, reactor: &Reactor) {
        if self.begin.get().is_none() {
            self.begin.set(Some(reactor.now()));
        }
    }

    /// A callback begins. `None` when nobody looks on any more.
    pub(crate) fn enter(self: &Rc<Self>, host: usize, kind: Kind, subject: Subject) -> Option<Inside> {
        if self.is_over.get() || self.is_forgotten(kind) {
            return None;
        }
        self.catch_up(host);
        self.contract().begin(host, kind, subject);
        Some(Inside { stage: self.clone(), host, kind, subject, was_panicking: thread::panicking() })
    }

    /// Whether a callback of this kind does not come, for a mistake.
    fn is_forgotten(&self, kind: Kind) -> bool {
        let forgotten = match self.mistake {
            Some(Mistake::ForgetsConnectionLost) => Kind::ConnectionLost,
            Some(Mistake::ForgetsReadEnd) => Kind::ReadConnectionLost,
            Some(Mistake::ForgetsReadingResumed) => Kind::ReadingResumed,
            Some(Mistake::ForgetsResumeOfProducer) => Kind::ResumeProducing,
            Some(Mistake::ForgetsStopOfProducer) => Kind::StopProducing,
            Some(Mistake::ForgetsTimer) => Kind::Timer,
            Some(Mistake::ForgetsCallback) => Kind::Deferred,
            Some(Mistake::ForgetsFailure) => Kind::ConnectionFailed,
            Some(Mistake::ForgetsClientLost) => Kind::ClientLost,
            Some(Mistake::ForgetsStopFactory) => Kind::StopFactory,
            _ => return false,
        };
        kind == forgotten
    }

    /// Tells the contract the time, and what is to be seen from outside.
    pub(crate) fn catch_up(&self, host: usize) {
        let reactor = self.reactor(host);
        let begin = self.begin.get().unwrap_or_else(|| reactor.now());
        let now = reactor.now() - begin;
        let state = self.hosts[host].handle.borrow().as_ref().map(Host::state);
        let mut contract = self.contract();
        contract.now = now;
        if let Some(state) = state {
            contract.sees_state(host, state);
        }
        if contract.is_dead(host) {
            return;
        }
        drop(contract);
        for (end, lines) in self.hosts[host].lines.all() {
            self.contract().ends[end].undelivered = lines.undelivered() as u64;
        }
        for (end, transport) in self.hosts[host].transports.all() {
            self.contract().see(end, self.seen(&transport));
        }
        let expected = self.look().runs[host].is_running();
        let is_running = reactor.running();
        self.contract().expect(is_running == expected, format_args!("host {host}: running() is {is_running}"));
    }

    /// Looks at one connection again, after an action on it.
    pub(crate) fn look_at(&self, end: EndId, transport: &Transport) {
        self.contract().see(end, self.seen(transport));
    }

    /// A request, during which only these may be called.
    pub(crate) fn request<T>(self: &Rc<Self>, host: usize, permitted: &'static [Kind], f: impl FnOnce() -> T) -> T {
        struct Requesting<'a>(&'a Stage, usize);
        impl Drop for Requesting<'_> {
            fn drop(&mut self) {
                self.0.contract().end_request(self.1);
            }
        }
        self.contract().begin_request(host, permitted);
        let _requesting = Requesting(self, host);
        f()
    }

    /// What a transport says about itself.
    pub(crate) fn seen(&self, transport: &Transport) -> Seen {
        Seen {
            is_paused: transport.is_paused(),
            is_disconnecting: transport.is_disconnecting(),
            buffered: transport.buffered() as u64,
            backlog: self.backlog(transport),
            bytes_sent: transport.bytes_sent(),
        }
    }

    pub(crate) fn backlog(&self, transport: &Transport) -> u64 {
        match self.mistake {
            Some(Mistake::CountsAtOnce) => transport.buffered() as u64,
            Some(Mistake::CountsNothing) => 0,
            _ => transport.backlog() as u64,
        }
    }

    /// A value to give away, whose drop is a callback of this kind.
    pub(crate) fn dropped(self: &Rc<Self>, host: usize, kind: Kind, subject: Subject) -> Dropped {
        self.value_count.set(self.value_count.get() + 1);
        Dropped { stage: self.clone(), host, kind, subject }
    }

    /// Lets go of everything that the programs have in their hands.
    pub(crate) fn clear(&self) {
        drop(self.kept.take());
        for host in &self.hosts {
            host.transports.clear();
            host.lines.clear();
            host.connectors.clear();
            host.onces.clear();
            host.ports.clear();
            host.udp.clear();
            host.timers.clear();
            host.deferreds.clear();
            host.triggers.clear();
            host.tls.take();
            host.reactor.take();
            host.handle.take();
        }
    }
}

/// While it lives, a callback runs.
pub(crate) struct Inside {
    pub(crate) stage: Rc<Stage>,
    pub(crate) host: usize,
    kind: Kind,
    subject: Subject,
    was_panicking: bool,
}

impl Inside {
    /// Does what the program says for this callback. Returns whether it says anything.
    pub(crate) fn act(&self) -> bool {
        let host = &self.stage.hosts[self.host];
        let nth = {
            let mut counts = host.counts.borrow_mut();
            let count = counts.entry(self.kind).or_default();
            *count += 1;
            *count - 1
        };
        let program = self.stage.program.clone();
        let Some(actions) = program.actions(self.host, self.kind, nth) else { return false };
        for action in actions {
            if self.stage.is_over.get() || self.stage.look().difference().is_some() {
                break;
            }
            self.stage.contract().note(|| format!("  does {action:?}"));
            self.do_one(*action);
        }
        true
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn subject(&self) -> Subject {
        self.subject
    }

    /// The connection that the callback is about.
    pub(crate) fn own_end(&self) -> Option<EndId> {
        match self.subject {
            Subject::End(end) => Some(end),
            Subject::Producer(producer) => Some(self.stage.look().producers[producer].end),
            Subject::Connector(connector) => self.stage.look().connectors[connector].end,
            Subject::Once(once) => self.stage.look().onces[once].end,
            _ => None,
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let has_panicked = thread::panicking() && !self.was_panicking;
        self.stage.contract().end(self.host, has_panicked);
    }
}

/// The time from the beginning of the world.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
