//! What goes wrong with a store beside the herd: one thing after the other, as the seed says, while the herd has faults
//! of its own.
//!
//! Next: `run/mod.rs`, one seed from start to end.

use crate::herd::Member;
use crate::herd::store::{REPLICAS, SimulatedStore};
use reactor::sim::{Host, HostState, Random, World};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// Maximum time that one fault lasts.
const LASTS: Duration = Duration::from_secs(12);

/// Maximum time between two faults.
const RESTS: Duration = Duration::from_secs(20);

/// One run in this number has a store that is always well.
const RUNS_WITHOUT: u64 = 6;

/// Something that goes wrong with a store for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The primary dies, and perhaps replicas with it. A replica takes its place, if one is left.
    Dies,
    /// The replicas hear of nothing.
    Lags,
    /// The replicas hear of nothing, and then the primary dies.
    LagsAndDies,
    /// The machine of the primary fails, and comes back with everything.
    Crashes,
    /// It is suspended.
    Hangs,
    /// Nothing gets through between it and one server of the herd.
    IsCutOff,
    /// Its connections to one server are reset.
    Resets,
    /// It takes no more writes.
    IsFull,
    /// Somebody removes its functions.
    LosesFunctions,
}

const FAULTS: [Fault; 9] = [
    Fault::Dies,
    Fault::Lags,
    Fault::LagsAndDies,
    Fault::Crashes,
    Fault::Hangs,
    Fault::IsCutOff,
    Fault::Resets,
    Fault::IsFull,
    Fault::LosesFunctions,
];

#[derive(Debug, Clone, Copy)]
struct Planned {
    fault: Fault,
    /// The server of the herd that it is about.
    server: usize,
    /// How many replicas die with the primary.
    replicas: usize,
}

/// A store to which things happen.
pub(crate) struct Unlucky {
    store: Rc<SimulatedStore>,
    members: Vec<Rc<Member>>,
}

impl Unlucky {
    pub(crate) fn new(store: &Rc<SimulatedStore>, members: &[Rc<Member>]) -> Rc<Unlucky> {
        Rc::new(Unlucky { store: store.clone(), members: members.to_vec() })
    }

    /// Plans faults for `during`, as scripts of the world.
    pub(crate) fn plan(self: &Rc<Self>, world: &World, random: &mut Random, during: Range<Duration>) {
        if random.chance(1, RUNS_WITHOUT) {
            return;
        }
        let mut at = during.start + random.between(Duration::ZERO, RESTS);
        while at + LASTS < during.end {
            let fault = FAULTS[random.below(FAULTS.len() as u64) as usize];
            let server = random.below(self.members.len() as u64) as usize;
            // Mostly none: all of them together lose everything.
            let replicas = if random.chance(1, 3) { 1 + random.below(REPLICAS as u64) as usize } else { 0 };
            let (planned, lasts) = (Planned { fault, server, replicas }, random.between(LASTS / 200, LASTS));
            let (begin, end) = (self.clone(), self.clone());
            world.call_later(at, move |world| begin.begin(world, planned));
            world.call_later(at + lasts, move |world| end.end(world, planned));
            at += lasts + random.between(Duration::ZERO, RESTS);
        }
    }

    fn begin(&self, world: &World, planned: Planned) {
        let Planned { fault, server, replicas } = planned;
        let host = self.member(server);
        match fault {
            Fault::Dies => world.note(&self.store.fail_over(replicas)),
            Fault::Lags | Fault::LagsAndDies => {
                world.note("the store's replicas hear of nothing");
                self.store.set_replicating(false);
            }
            Fault::Crashes => self.store.host.crash(),
            Fault::Hangs => self.store.host.pause(),
            Fault::IsCutOff => {
                world.cut(&host, &self.store.host);
                world.cut(&self.store.host, &host);
            }
            Fault::Resets => world.reset_connections(&host, &self.store.host),
            Fault::IsFull => {
                world.note("the store is full");
                self.store.set_full(true);
            }
            Fault::LosesFunctions => {
                world.note("the store's functions are removed");
                self.store.remove_functions();
            }
        }
    }

    fn end(&self, world: &World, planned: Planned) {
        let host = self.member(planned.server);
        match planned.fault {
            Fault::Dies | Fault::Crashes => self.store.host.restart(),
            Fault::LagsAndDies => {
                world.note(&self.store.fail_over(planned.replicas));
                self.store.set_replicating(true);
                self.store.host.restart();
            }
            Fault::Lags => {
                world.note("the store's replicas hear of everything");
                self.store.set_replicating(true);
            }
            Fault::Hangs => self.store.host.resume(),
            Fault::IsCutOff => {
                world.mend(&host, &self.store.host);
                world.mend(&self.store.host, &host);
            }
            Fault::IsFull => {
                world.note("the store has room");
                self.store.set_full(false);
            }
            Fault::Resets | Fault::LosesFunctions => {}
        }
    }

    fn member(&self, server: usize) -> Host {
        self.members[server].host()
    }

    /// Ends all faults. The world itself is healed already.
    pub(crate) fn heal(&self) {
        self.store.host.resume();
        if self.store.host.state() != HostState::Running {
            self.store.host.restart();
        }
        self.store.set_full(false);
        self.store.set_replicating(true);
    }
}
