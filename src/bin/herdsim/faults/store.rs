//! What goes wrong with a store beside the herd: one thing after the other, as the seed says, while the herd has faults
//! of its own.
//!
//! Next: `run/mod.rs`, one seed from start to end.

use crate::herd::Member;
use crate::herd::store::{REPLICAS, SimulatedStore};
use reactor::sim::{Host, Random, World};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// Maximum time that one fault lasts.
const LASTS: Duration = Duration::from_secs(12);

/// Maximum time between two faults.
const RESTS: Duration = Duration::from_secs(20);

/// One run in this number has a store that is always well.
const RUNS_WITHOUT: u64 = 6;

/// Something that goes wrong with a store for a while. A store that is alone is one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The primary of a shard dies, and perhaps replicas with it. A replica takes its place, if one is left.
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
    /// It is suspended, a replica takes its place, and then it goes on.
    IsPassedOver,
    /// A part of the slots moves to another shard.
    SlotsMove,
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

/// Those that only a cluster has. They stand twice in its list: a cluster is there for them.
const FAULTS_OF_CLUSTER: [Fault; 2] = [Fault::IsPassedOver, Fault::SlotsMove];

#[derive(Debug, Clone, Copy)]
struct Planned {
    fault: Fault,
    /// The server of the herd that it is about.
    server: usize,
    /// The shard, and the part of the slots.
    shard: usize,
    part: usize,
    /// How many replicas die with the primary.
    replicas: usize,
}

/// A store to which things happen.
pub(crate) struct Unlucky {
    store: Rc<SimulatedStore>,
    members: Vec<Rc<Member>>,
    /// A primary that is suspended, while another one has its place.
    passed_over: RefCell<Option<Host>>,
}

impl Unlucky {
    pub(crate) fn new(store: &Rc<SimulatedStore>, members: &[Rc<Member>]) -> Rc<Unlucky> {
        Rc::new(Unlucky { store: store.clone(), members: members.to_vec(), passed_over: RefCell::default() })
    }

    /// Plans faults for `during`, as scripts of the world.
    pub(crate) fn plan(self: &Rc<Self>, world: &World, random: &mut Random, during: Range<Duration>) {
        if random.chance(1, RUNS_WITHOUT) {
            return;
        }
        let mut faults = FAULTS.to_vec();
        if self.store.shard_count() > 1 {
            faults.extend([FAULTS_OF_CLUSTER; 2].concat());
        }
        let mut at = during.start + random.between(Duration::ZERO, RESTS);
        while at + LASTS < during.end {
            let fault = faults[random.below(faults.len() as u64) as usize];
            let server = random.below(self.members.len() as u64) as usize;
            // Mostly none: all of them together lose everything.
            let replicas = if random.chance(1, 3) { 1 + random.below(REPLICAS as u64) as usize } else { 0 };
            let (shard, part) = match self.store.shard_count() {
                1 => (0, 0),
                shards => (random.below(shards as u64) as usize, random.below(self.store.part_count() as u64) as usize),
            };
            let (planned, lasts) =
                (Planned { fault, server, shard, part, replicas }, random.between(LASTS / 200, LASTS));
            let (begin, middle, end) = (self.clone(), self.clone(), self.clone());
            world.call_later(at, move |world| begin.begin(world, planned));
            world.call_later(at + lasts / 2, move |_| middle.go_on(planned));
            world.call_later(at + lasts, move |world| end.end(world, planned));
            at += lasts + random.between(Duration::ZERO, RESTS);
        }
    }

    fn begin(&self, world: &World, planned: Planned) {
        let Planned { fault, server, shard, part, replicas } = planned;
        let (host, primary) = (self.member(server), self.store.host(shard).clone());
        match fault {
            Fault::Dies => world.note(&self.store.kill(shard, replicas)),
            Fault::Lags | Fault::LagsAndDies => {
                world.note("the store's replicas hear of nothing");
                self.store.set_replicating(shard, false);
            }
            Fault::Crashes => primary.crash(),
            Fault::Hangs => primary.pause(),
            Fault::IsCutOff => {
                world.cut(&host, &primary);
                world.cut(&primary, &host);
            }
            Fault::Resets => world.reset_connections(&host, &primary),
            Fault::IsFull => {
                world.note("the store is full");
                self.store.set_full(shard, true);
            }
            Fault::LosesFunctions => {
                world.note("the store's functions are removed");
                self.store.remove_functions(shard);
            }
            Fault::IsPassedOver => {
                let (text, old) = self.store.pass_over(shard);
                world.note(&text);
                self.passed_over.replace(Some(old));
            }
            Fault::SlotsMove => world.note(&self.store.begin_move(part)),
        }
    }

    /// Half of the time is over.
    fn go_on(&self, planned: Planned) {
        if planned.fault == Fault::SlotsMove {
            self.store.move_half();
        }
    }

    fn end(&self, world: &World, planned: Planned) {
        let Planned { fault, server, shard, replicas, .. } = planned;
        let (host, primary) = (self.member(server), self.store.host(shard).clone());
        match fault {
            Fault::Dies => self.store.take_over(shard),
            Fault::Crashes => primary.restart(),
            Fault::LagsAndDies => {
                world.note(&self.store.kill(shard, replicas));
                self.store.set_replicating(shard, true);
                self.store.take_over(shard);
            }
            Fault::Lags => {
                world.note("the store's replicas hear of everything");
                self.store.set_replicating(shard, true);
            }
            Fault::Hangs => primary.resume(),
            Fault::IsCutOff => {
                world.mend(&host, &primary);
                world.mend(&primary, &host);
            }
            Fault::IsFull => {
                world.note("the store has room");
                self.store.set_full(shard, false);
            }
            Fault::Resets | Fault::LosesFunctions => {}
            Fault::IsPassedOver => self.passed_over.take().iter().for_each(Host::resume),
            Fault::SlotsMove => {
                self.store.end_move();
                world.note("the store's slots have moved");
            }
        }
    }

    fn member(&self, server: usize) -> Host {
        self.members[server].host()
    }

    /// Ends all faults. The world itself is healed already.
    pub(crate) fn heal(&self) {
        self.store.heal();
    }
}
