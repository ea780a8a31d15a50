//! What goes wrong in the first part of a run: anything that the world can do, as the seed says. Then all of it heals.

use super::book::Book;
use super::herd::Member;
use super::invariants::Invariant;
use reactor::sim::{Host, HostState, Law, Link, Random, World, WorldSettings};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// Descriptors that a server needs to start at all.
const FEWEST_DESCRIPTORS: usize = 12;

/// Descriptors without a fault.
const MANY_DESCRIPTORS: usize = 65_536;

/// How far a clock is set forth or back, at most: less than the day by which a client may be ahead of a server.
const JUMP: Duration = Duration::from_secs(12 * 3600);

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing gets from one server to another; the other way is open.
    CutOneWay,
    /// Nothing gets through between two servers.
    CutBothWays,
    /// The herd falls into two parts.
    Partition,
    /// All connections between two servers are reset.
    Reset,
    /// A machine fails, and comes back later.
    Crash,
    /// A program is killed, and started again later.
    Kill,
    /// A program is asked to stop, and started again later.
    Stop,
    /// A program stands still.
    Pause,
    /// A clock is set to another time.
    ClockJump,
    /// A link becomes slow, narrow and lossy.
    SlowLink,
    /// A server runs out of descriptors.
    FewDescriptors,
}

const ALL: [Fault; 11] = [
    Fault::CutOneWay,
    Fault::CutBothWays,
    Fault::Partition,
    Fault::Reset,
    Fault::Crash,
    Fault::Kill,
    Fault::Stop,
    Fault::Pause,
    Fault::ClockJump,
    Fault::SlowLink,
    Fault::FewDescriptors,
];

/// What faults happen to.
pub(super) struct Victims {
    pub(super) members: Vec<Rc<Member>>,
    pub(super) book: Rc<Book>,
    pub(super) pairs: Vec<(usize, usize)>,
    /// A link without faults.
    pub(super) link: Link,
}

/// One fault, and which of the victims.
#[derive(Debug, Clone, Copy)]
struct Planned {
    fault: Fault,
    server: usize,
    pair: (usize, usize),
    number: u64,
}

impl Victims {
    /// Plans faults for `during` and has the world do them. One run in five has none; the others have some kinds of
    /// them, so that each kind is also met without the others.
    pub(super) fn plan(self: &Rc<Self>, world: &World, random: &mut Random, during: Range<Duration>) {
        if random.chance(1, 5) {
            return;
        }
        let kinds: Vec<Fault> = ALL.into_iter().filter(|_| random.chance(1, 2)).collect();
        let often = random.between(Duration::from_secs(5), Duration::from_secs(80));
        let mut at = during.start;
        loop {
            at += random.between(Duration::ZERO, 2 * often);
            if at >= during.end || kinds.is_empty() {
                return;
            }
            let fault = kinds[random.below(kinds.len() as u64) as usize];
            let longest = Duration::from_secs(if random.chance(1, 2) { 4 } else { 60 });
            let lasts = random.between(Duration::from_millis(1), longest).min(during.end - at);
            let server = random.below(self.members.len() as u64) as usize;
            let pair = match self.pairs.len() {
                0 => continue,
                pairs => self.pairs[random.below(pairs as u64) as usize],
            };
            let pair = if random.chance(1, 2) { pair } else { (pair.1, pair.0) };
            let planned = Planned { fault, server, pair, number: random.next_u64() };
            let (begin, end) = (self.clone(), self.clone());
            world.call_later(at, move |world| begin.begin(world, planned));
            world.call_later(at + lasts, move |world| end.end(world, planned));
        }
    }

    fn host(&self, server: usize) -> Host {
        self.members[server].host()
    }

    fn hosts(&self, wanted: impl Fn(usize) -> bool) -> Vec<Host> {
        (0..self.members.len()).filter(|server| wanted(*server)).map(|server| self.host(server)).collect()
    }

    fn begin(&self, world: &World, planned: Planned) {
        let Planned { server, number, .. } = planned;
        let host = self.host(server);
        let (one, other) = (self.host(planned.pair.0), self.host(planned.pair.1));
        match planned.fault {
            Fault::CutOneWay => world.cut(&one, &other),
            Fault::CutBothWays => world.partition(&[one], &[other]),
            Fault::Partition => {
                let is_here = |server: usize| number >> (server % 64) & 1 == 1;
                world.partition(&self.hosts(is_here), &self.hosts(|server| !is_here(server)));
            }
            Fault::Reset => world.reset_connections(&one, &other),
            Fault::Crash => {
                self.book.died(server);
                host.crash();
            }
            Fault::Kill => {
                self.book.died(server);
                host.kill();
            }
            Fault::Stop if host.state() == HostState::Running => {
                self.book.died(server);
                host.terminate();
            }
            Fault::Pause => host.pause(),
            Fault::ClockJump => {
                let jump = Duration::from_nanos(number % JUMP.as_nanos() as u64);
                let forth = number >> 63 == 1;
                let clock = WorldSettings::default().start + world.now();
                host.set_clock(if forth { clock + jump } else { clock - jump });
            }
            Fault::SlowLink => {
                let law = Law::LogNormal { median: Duration::from_millis(1 + number % 1000), sigma: 100 };
                let bytes = 200 + number % 10_000;
                let link = Link::new(law).bandwidth(bytes).segment(64).loss(50_000).cuts(50);
                world.set_link(&one, &other, link);
            }
            Fault::FewDescriptors => {
                let open = host.descriptors().max(FEWEST_DESCRIPTORS);
                host.set_descriptor_limit(open + (number % 3) as usize);
            }
            Fault::Stop => {}
        }
    }

    fn end(&self, world: &World, planned: Planned) {
        let host = self.host(planned.server);
        let (one, other) = (self.host(planned.pair.0), self.host(planned.pair.1));
        match planned.fault {
            Fault::CutOneWay => world.mend(&one, &other),
            Fault::CutBothWays => {
                world.mend(&one, &other);
                world.mend(&other, &one);
            }
            Fault::Partition => world.heal(),
            Fault::Crash | Fault::Kill | Fault::Stop => self.restart(planned.server),
            Fault::Pause => host.resume(),
            Fault::SlowLink => world.set_link(&one, &other, self.link),
            Fault::FewDescriptors => host.set_descriptor_limit(MANY_DESCRIPTORS),
            Fault::Reset | Fault::ClockJump => {}
        }
    }

    /// Starts a server again that is down. One that is still stopping is killed first.
    fn restart(&self, server: usize) {
        let host = self.host(server);
        if self.book.life(server).is_none() {
            host.set_descriptor_limit(MANY_DESCRIPTORS);
            host.restart();
        }
    }

    /// Everything works from now on.
    pub(super) fn heal(&self, world: &World) {
        world.heal();
        for (one, other) in &self.pairs {
            let (one, other) = (self.host(*one), self.host(*other));
            world.set_link(&one, &other, self.link);
            world.set_link(&other, &one, self.link);
        }
        for server in 0..self.members.len() {
            let host = self.host(server);
            host.set_descriptor_limit(MANY_DESCRIPTORS);
            host.resume();
            self.restart(server);
        }
    }

    /// Servers that have stopped in good order have left nothing behind.
    pub(super) fn check_stopped(&self) {
        for member in &self.members {
            let host = member.host();
            if host.state() != HostState::Idle {
                self.book.fail(Invariant::NothingLeft, || format!("{} does not stop", host.name()));
            }
            if host.calls_left() > 0 {
                let left = host.calls_left();
                self.book.fail(Invariant::NothingLeft, || format!("{left} delayed calls of {} are left", host.name()));
            }
        }
    }
}
