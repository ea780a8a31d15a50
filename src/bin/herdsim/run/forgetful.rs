//! Forgetful runs: herds that forget clients soon, or that have little room for them; clients that invent others, and
//! operators that have some forgotten.
//!
//! Next: `many.rs`, many seeds.

use crate::clients::workload::{self, Workload};
use crate::clients::{Ending, Say, Visit};
use crate::herd::Herd;
use crate::run::Scenario;
use proxyherd::config::Limits;
use proxyherd::connections::Turns;
use reactor::Reactor;
use reactor::sim::Random;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// One seed in 20, those with remainder 7, is forgetful: every other of them has little room, the rest forgets soon.
const SEEDS: (u64, u64) = (20, 7);

/// When a herd forgets that forgets soon.
const FORGET: Duration = Duration::from_secs(60);

/// How many clients a herd has room for that has little, with names of usual length.
const ROOM: usize = 20;

/// The number of invented clients.
const INVENTED: usize = 60;

/// How often somebody invents clients, or has one forgotten, on average.
const EVERY: Duration = Duration::from_secs(5);

/// What is forgotten in a run, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgets {
    Nothing,
    /// What was heard a minute ago.
    Soon,
    /// What there is no room for.
    WhatDoesNotFit,
}

impl Forgets {
    pub(crate) fn of(seed: u64, scenario: &Scenario) -> Forgets {
        match seed % SEEDS.0 == SEEDS.1 {
            _ if scenario.forget => Forgets::Soon,
            false => Forgets::Nothing,
            true if (seed / SEEDS.0).is_multiple_of(2) => Forgets::WhatDoesNotFit,
            true => Forgets::Soon,
        }
    }

    /// The limits of the servers.
    pub(crate) fn limits(self) -> Limits {
        // Nothing is forgotten by its age unless a run is about that: clocks jump by half a day.
        let limits = Limits { forget: Duration::MAX, ..Limits::default() };
        match self {
            Forgets::Nothing => limits,
            Forgets::Soon => Limits { forget: FORGET, ..limits },
            Forgets::WhatDoesNotFit => Limits { memory: ROOM * 436, ..limits },
        }
    }

    /// The names of all clients: those with hosts first, then the invented ones.
    pub(crate) fn names(self, clients: usize) -> Vec<Vec<u8>> {
        workload::names(match self {
            Forgets::Nothing => clients,
            Forgets::Soon | Forgets::WhatDoesNotFit => clients + INVENTED,
        })
    }

    /// Has clients invent others.
    pub(crate) fn plan_fillers(
        self,
        random: &mut Random,
        workload: &Workload,
        during: Range<Duration>,
        plan: &mut [Vec<Visit>],
    ) {
        if self == Forgets::Nothing {
            return;
        }
        let names: Vec<Rc<[u8]>> = self.names(plan.len()).into_iter().map(Rc::from).collect();
        let mut at = during.start;
        while at < during.end {
            let filler = random.below(plan.len() as u64) as usize;
            let server = workload.server(random);
            let say = |random: &mut Random| {
                let invented = plan.len() + random.below(INVENTED as u64) as usize;
                (Duration::ZERO, workload.report(random, &names[invented], at))
            };
            let says: Vec<(Duration, Say)> = (0..1 + random.below(8)).map(|_| say(random)).collect();
            let (ending, reads_after) = (Ending::WhenAnswered, Duration::ZERO);
            plan[filler].push(Visit { at, server, says, ending, reads_after, is_calm: false });
            at += random.between(Duration::ZERO, 2 * EVERY);
        }
    }

    /// Has operators remove clients, each at one server.
    pub(crate) fn plan_operators(self, random: &mut Random, herd: &Herd, clients: usize, during: Range<Duration>) {
        if self == Forgets::Nothing {
            return;
        }
        let names = self.names(clients);
        let mut at = during.start;
        while at < during.end {
            let client = names[random.below(names.len() as u64) as usize].clone();
            let member = herd.servers[random.below(herd.servers.len() as u64) as usize].clone();
            herd.world.call_later(at, move |_| {
                let Some(reactor) = member.host().reactor() else { return };
                let remove = move |_: &Reactor| {
                    let Some(server) = member.server() else { return };
                    // It may not know the client.
                    match server.storing() {
                        Some(storing) => {
                            server.forget_with_store(storing, &Turns::default(), &client).add_both(|_| ()).detach()
                        }
                        None => drop(server.forget(&client)),
                    }
                };
                crate::herd::ask(&reactor, remove);
            });
            at += random.between(Duration::ZERO, 2 * EVERY);
        }
    }
}
