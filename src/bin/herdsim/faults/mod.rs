//! What goes wrong in the first part of a run: everything that the simulated world can do, as the seed says. Then
//! everything heals.
//!
//! Next: `kinds.rs`, the kinds of faults.

use crate::book::Book;
use crate::book::invariants::Invariant;
use crate::clients::workload;
use crate::clients::{self, Ending, Visit};
use crate::herd::topology::Graph;
use crate::herd::{Member, PORT, ask};
use reactor::sim::{Host, HostState, Latency, LinkSettings, Random, Resolution, World, WorldSettings};
use reactor::{Connector, Protocol, Transport};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

mod by_hand;
mod frozen;
mod kinds;
mod last_words;
pub(crate) mod store;

use kinds::{COMMON, Fault};

/// Descriptors that a server needs to start at all.
const MIN_DESCRIPTORS: usize = 12;

/// Descriptors without a fault.
const PLENTY_OF_DESCRIPTORS: usize = 65_536;

/// An address that no host has.
const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9));

/// Maximum by which a clock is set forward or back: less than the day by which a client may be ahead of a server.
const JUMP: Duration = Duration::from_secs(12 * 3600);

/// One run in this number has a crowd.
const RUNS_A_CROWD: u64 = 24;

/// One kind of fault in this number also has a fault of about a minute that ends when everything heals.
const KINDS_A_LONG_FAULT: u64 = 12;
const A_MINUTE: Range<Duration> = Duration::from_secs(30)..Duration::from_secs(90);

/// How many connections a crowd makes: more than the backlog of a server holds.
const CROWD: usize = 1_100;

/// How long an impostor stays connected.
const FORGER_STAYS: Duration = Duration::from_secs(8);

/// How long a crowd stays connected.
const CROWD_STAYS: Duration = Duration::from_secs(20);

/// The time between two cuts of the same client and server. A server waits ten minutes for a client, and TCP
/// retransmits after as long as it has waited already: it must have retransmitted before the run ends.
const CLIENT_CUT_REST: Duration = Duration::from_secs(60);

/// How long a fault lasts: some seconds, or up to a minute.
fn some_time(random: &mut Random) -> Duration {
    let longest = Duration::from_secs(if random.chance(1, 2) { 4 } else { 60 });
    random.between(Duration::from_millis(1), longest)
}

/// Lets the name of a host be looked up again.
fn restore_name(world: &World, host: &Host) {
    world.set_name(host.name(), Resolution::Addresses(vec![host.address()]));
}

/// One connection of a crowd. It says nothing.
struct Onlooker;

impl Protocol for Onlooker {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// What faults happen to.
pub(crate) struct Victims {
    members: Vec<Rc<Member>>,
    book: Rc<Book>,
    names: Rc<Vec<String>>,
    /// The pairs of servers that are neighbors.
    pairs: Vec<(usize, usize)>,
    /// The clients' hosts.
    client_hosts: Vec<Host>,
    /// A link without faults.
    link: LinkSettings,
    broken: RefCell<Broken>,
    /// How often each server has been suspended, or has gone on after that.
    suspensions: RefCell<Vec<u32>>,
}

/// What does not work now.
#[derive(Default)]
struct Broken {
    /// How many faults cut this direction at once.
    cuts: BTreeMap<(HostNumber, HostNumber), u32>,
    slow: BTreeSet<(HostNumber, HostNumber)>,
}

/// The number of a host: first the servers, then the clients.
type HostNumber = usize;

/// One fault, and its victims.
#[derive(Debug, Clone, Copy)]
struct Planned {
    fault: Fault,
    server: usize,
    /// Two neighbors, or a client and a server.
    pair: (HostNumber, HostNumber),
    number: u64,
}

impl Victims {
    pub(crate) fn new(
        members: &[Rc<Member>],
        book: &Rc<Book>,
        graph: &Graph,
        client_hosts: &[Host],
        link: LinkSettings,
    ) -> Rc<Victims> {
        Rc::new(Victims {
            members: members.to_vec(),
            book: book.clone(),
            names: Rc::new(graph.names.clone()),
            pairs: graph.pairs.clone(),
            client_hosts: client_hosts.to_vec(),
            link,
            broken: RefCell::default(),
            suspensions: RefCell::new(vec![0; members.len()]),
        })
    }

    /// Plans faults for `during`, as scripts of the world. One run in five has none. The others have only some kinds of
    /// faults, so that each kind also occurs without the others.
    /// Clocks stay true if `true_clocks` says so.
    pub(crate) fn plan(
        self: &Rc<Self>,
        world: &World,
        random: &mut Random,
        during: Range<Duration>,
        true_clocks: bool,
    ) {
        if random.chance(1, 5) {
            return;
        }
        let mut kinds: Vec<Fault> = if true_clocks {
            COMMON.into_iter().filter(|fault| *fault != Fault::ClockJump && random.chance(1, 2)).collect()
        } else {
            self.skew_clocks(random);
            COMMON.into_iter().filter(|_| random.chance(1, 2)).collect()
        };
        if self.pairs.is_empty() {
            kinds.retain(|fault| !fault.is_between_servers());
        }
        let often = random.between(Duration::from_secs(4), Duration::from_secs(55));
        let mut rests: BTreeMap<(HostNumber, HostNumber), Duration> = BTreeMap::new();
        if let Some(fault) = kinds.iter().find(|fault| random.chance(1, KINDS_A_LONG_FAULT) && fault.may_last()) {
            let lasts = random.between(A_MINUTE.start, A_MINUTE.end).min(during.end - during.start);
            self.plan_one(world, random, *fault, during.end - lasts..during.end, lasts, &mut rests);
        }
        let mut at = during.start;
        let crowd = random.chance(1, RUNS_A_CROWD).then(|| random.between(during.start, during.end));
        if let Some(at) = crowd {
            let lasts = some_time(random);
            self.plan_one(world, random, Fault::Crowd, at..during.end, lasts, &mut rests);
        }
        loop {
            at += random.between(Duration::ZERO, 2 * often);
            if at >= during.end || kinds.is_empty() {
                return;
            }
            let fault = kinds[random.below(kinds.len() as u64) as usize];
            let lasts = some_time(random);
            self.plan_one(world, random, fault, at..during.end, lasts, &mut rests);
        }
    }

    /// Plans one fault and its end.
    fn plan_one(
        self: &Rc<Self>,
        world: &World,
        random: &mut Random,
        fault: Fault,
        during: Range<Duration>,
        lasts: Duration,
        rests: &mut BTreeMap<(HostNumber, HostNumber), Duration>,
    ) {
        let lasts = lasts.min(during.end - during.start);
        let server = random.below(self.members.len() as u64) as usize;
        let pair = if fault.is_between_servers() {
            self.pairs[random.below(self.pairs.len() as u64) as usize]
        } else {
            (self.members.len() + random.below(self.client_hosts.len() as u64) as usize, server)
        };
        if fault == Fault::ClientCut {
            let rests = rests.entry(pair).or_default();
            if *rests > during.start {
                return;
            }
            *rests = during.start + lasts + CLIENT_CUT_REST;
        }
        let pair = if random.chance(1, 2) { pair } else { (pair.1, pair.0) };
        let planned = Planned { fault, server, pair, number: random.next_u64() };
        let (begin, end) = (self.clone(), self.clone());
        world.call_later(during.start, move |world| begin.begin(world, planned));
        world.call_later(during.start + lasts, move |world| end.end(world, planned));
    }

    /// Sets the clocks of a herd apart: some by seconds, some by hours.
    fn skew_clocks(&self, random: &mut Random) {
        for server in 0..self.members.len() {
            let most = if random.chance(1, 2) { Duration::from_secs(2) } else { JUMP };
            if random.chance(1, 2) {
                let by = random.between(Duration::ZERO, most);
                let start = WorldSettings::default().start;
                let clock = if random.chance(1, 2) { start + by } else { start - by };
                self.host(server).set_clock(clock);
            }
        }
    }

    fn host(&self, number: HostNumber) -> Host {
        match number.checked_sub(self.members.len()) {
            None => self.members[number].host(),
            Some(client) => self.client_hosts[client].clone(),
        }
    }

    /// Cuts one direction between two hosts. It stays cut until each fault that cuts it has ended.
    fn cut(&self, world: &World, (from, to): (HostNumber, HostNumber)) {
        let times = &mut *self.broken.borrow_mut();
        let times = times.cuts.entry((from, to)).or_default();
        *times += 1;
        if *times == 1 {
            world.cut(&self.host(from), &self.host(to));
        }
    }

    fn mend(&self, world: &World, (from, to): (HostNumber, HostNumber)) {
        let broken = &mut *self.broken.borrow_mut();
        let Some(times) = broken.cuts.get_mut(&(from, to)) else { return };
        *times -= 1;
        if *times == 0 {
            broken.cuts.remove(&(from, to));
            world.mend(&self.host(from), &self.host(to));
        }
    }

    /// The directions that a fault cuts.
    fn ways(&self, planned: Planned) -> Vec<(HostNumber, HostNumber)> {
        let Planned { fault, pair, number, .. } = planned;
        let back = (pair.1, pair.0);
        match fault {
            Fault::CutOneWay => vec![pair],
            Fault::CutBothWays => vec![pair, back],
            // Both directions, or one.
            Fault::ClientCut if number % 2 == 0 => vec![pair, back],
            Fault::ClientCut => vec![pair],
            Fault::Partition => {
                let is_here = |server: HostNumber| number >> (server % 64) & 1 == 1;
                let servers = 0..self.members.len();
                let (here, there): (Vec<HostNumber>, Vec<HostNumber>) = servers.partition(|server| is_here(*server));
                let ways = here.iter().flat_map(|one| there.iter().map(move |other| (*one, *other)));
                ways.flat_map(|(one, other)| [(one, other), (other, one)]).collect()
            }
            _ => Vec::new(),
        }
    }

    fn begin(self: &Rc<Self>, world: &World, planned: Planned) {
        let Planned { server, number, .. } = planned;
        let host = self.host(server);
        let (one, other) = (self.host(planned.pair.0), self.host(planned.pair.1));
        match planned.fault {
            Fault::CutOneWay | Fault::CutBothWays | Fault::Partition | Fault::ClientCut => {
                self.ways(planned).into_iter().for_each(|way| self.cut(world, way));
            }
            Fault::Reset | Fault::ClientReset => world.reset_connections(&one, &other),
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
            Fault::Pause => {
                host.pause();
                self.expect_notice(world, server);
            }
            Fault::ClockJump => {
                let jump = Duration::from_nanos(number % JUMP.as_nanos() as u64);
                let forth = number >> 63 == 1;
                let clock = WorldSettings::default().start + world.now();
                host.set_clock(if forth { clock + jump } else { clock - jump });
            }
            Fault::SlowLink => {
                let latency = Latency::LogNormal { median: Duration::from_millis(1 + number % 1000), sigma: 100 };
                let bytes = 200 + number % 10_000;
                let link = LinkSettings::new(latency).bandwidth(bytes).max_segment(64).loss(50_000).split(50);
                world.set_link(&one, &other, link);
            }
            Fault::ClientSlow => {
                // A long reply must get through before the run ends, so the link is less slow than one between servers.
                let latency = Latency::LogNormal { median: Duration::from_millis(1 + number % 1000), sigma: 60 };
                let bytes = 5_000 + number % 50_000;
                let link = LinkSettings::new(latency).bandwidth(bytes).max_segment(512).loss(20_000).split(50);
                world.set_link(&one, &other, link);
                self.broken.borrow_mut().slow.insert(planned.pair);
            }
            Fault::Names => {
                let failures = [ErrorKind::NotFound, ErrorKind::TimedOut, ErrorKind::Other];
                let name = match failures.get((number % 5) as usize) {
                    Some(kind) => Resolution::Fails(*kind),
                    None if number % 5 == 3 => Resolution::Silent,
                    None => Resolution::Addresses(vec![NOBODYS]), // A name server with outdated data.
                };
                world.set_name(host.name(), name);
            }
            Fault::Forger => self.forge(planned),
            Fault::Crowd => self.crowd(&host, &one, &other),
            Fault::FewDescriptors => {
                let open = host.descriptor_count().max(MIN_DESCRIPTORS);
                host.set_max_descriptors(open + (number % 3) as usize);
            }
            Fault::Stop => {}
        }
    }

    fn end(&self, world: &World, planned: Planned) {
        let host = self.host(planned.server);
        let (one, other) = (self.host(planned.pair.0), self.host(planned.pair.1));
        match planned.fault {
            Fault::CutOneWay | Fault::CutBothWays | Fault::Partition | Fault::ClientCut => {
                self.ways(planned).into_iter().for_each(|way| self.mend(world, way));
            }
            Fault::Crash | Fault::Kill | Fault::Stop => self.restart(world, planned.server),
            Fault::Pause | Fault::Crowd => {
                host.resume();
                self.note_suspension(planned.server);
            }
            Fault::Names => restore_name(world, &host),
            Fault::ClientSlow => {
                world.set_link(&one, &other, self.link);
                self.broken.borrow_mut().slow.remove(&planned.pair);
            }
            Fault::SlowLink => world.set_link(&one, &other, self.link),
            Fault::FewDescriptors => host.set_max_descriptors(PLENTY_OF_DESCRIPTORS),
            Fault::Reset | Fault::ClientReset | Fault::ClockJump | Fault::Forger => {}
        }
    }

    /// Restarts a server that is down. One that is still stopping is killed first.
    fn restart(&self, world: &World, server: usize) {
        let host = self.host(server);
        if self.book.life(server).is_none() {
            host.set_max_descriptors(PLENTY_OF_DESCRIPTORS);
            // A machine can look its own name up.
            restore_name(world, &host);
            host.restart();
        }
    }

    /// Has an impostor on a neighbor's machine speak with a server.
    fn forge(&self, planned: Planned) {
        let Planned { pair: (from, to), number, .. } = planned;
        let host = self.host(from);
        let Some(reactor) = host.reactor().filter(|_| host.state() == HostState::Running) else { return };
        let says = workload::forged(&mut Random::new(number), host.name(), self.client_hosts.len());
        let says = says.into_iter().map(|say| (Duration::ZERO, say)).collect();
        // The machine's own program may be stopped meanwhile, which ends the impostor's connection, too: so no reply is
        // required.
        let ending = Ending::BreakOff(FORGER_STAYS);
        let visit = Visit { at: Duration::ZERO, server: to, says, ending, reads_after: Duration::ZERO, is_calm: false };
        let (names, book) = (self.names.clone(), self.book.clone());
        ask(&reactor, move |reactor| clients::call_on(reactor, visit, &names, &book));
    }

    /// Has a client's machine connect to a server so often that the backlog is full. All connections are closed later.
    fn crowd(&self, host: &Host, one: &Host, other: &Host) {
        host.pause();
        let from = if one.name() == host.name() { other } else { one };
        let Some(reactor) = from.reactor() else { return };
        let name = host.name().to_owned();
        ask(&reactor, move |reactor| {
            let all: Vec<Connector> =
                (0..CROWD).map(|_| reactor.connect_tcp((name.as_str(), PORT), |_| Onlooker)).collect();
            reactor.call_later(CROWD_STAYS, move || all.iter().for_each(Connector::disconnect));
        });
    }

    /// Ends all faults: everything works from now on.
    pub(crate) fn heal(&self, world: &World) {
        world.heal();
        let broken = self.broken.take();
        for (one, other) in broken.slow {
            world.set_link(&self.host(one), &self.host(other), self.link);
        }
        for (one, other) in &self.pairs {
            let (one, other) = (self.host(*one), self.host(*other));
            world.set_link(&one, &other, self.link);
            world.set_link(&other, &one, self.link);
        }
        for server in 0..self.members.len() {
            let host = self.host(server);
            restore_name(world, &host);
            host.set_max_descriptors(PLENTY_OF_DESCRIPTORS);
            host.resume();
            self.note_suspension(server);
            self.restart(world, server);
        }
    }

    /// Sets all clocks to the time of day.
    pub(crate) fn set_clocks_right(&self, world: &World) {
        for member in &self.members {
            member.host().set_clock(WorldSettings::default().start + world.now());
        }
    }

    /// Checks that servers that were asked to stop have stopped, and have left no delayed calls behind.
    pub(crate) fn check_stopped(&self) {
        for member in &self.members {
            let host = member.host();
            if host.state() != HostState::Idle {
                self.book.fail(Invariant::NothingLeft, || format!("{} does not stop", host.name()));
            }
            if host.delayed_calls_left() > 0 {
                let left = host.delayed_calls_left();
                self.book.fail(Invariant::NothingLeft, || format!("{left} delayed calls of {} are left", host.name()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
