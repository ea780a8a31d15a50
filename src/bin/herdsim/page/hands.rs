//! How an act is done to a run.
//!
//! Next: `lessons.rs`, runs to begin with.

use super::act::{Act, LinkAct, ServerAct};
use super::show::{LinkState, Quality, Show, link};
use proxyherd::page::{Kind, Notebook};
use serde_json::json;

/// A slow link takes this many times as long as others.
const SLOWER: u32 = 10;

/// How many segments of a million a lossy link loses.
const LOSS: u32 = 330_000;

impl Show {
    /// Does it, here and now.
    pub(super) fn perform(&mut self, act: &Act) {
        let world = &self.herd.world;
        world.note(&act.to_string());
        self.journal.add(Kind::Rare, || json!({ "kind": "act", "text": act.to_string() }));
        let Some(number) = self.numbers(act) else { return };
        match act {
            Act::Server(act, _) => self.to_server(*act, number[0]),
            Act::Clock(_, seconds) => self.victims.set_clock(number[0], *seconds),
            Act::Link(act, _, _) => self.to_link(*act, number[0], number[1]),
            Act::Split(_) => {
                let parted = |(one, other): &&(usize, usize)| number.contains(one) != number.contains(other);
                for (one, other) in self.graph.pairs.iter().filter(parted) {
                    self.to_link(LinkAct::Cut, *one, *other);
                }
            }
            Act::Heal => {
                self.links.borrow_mut().clear();
                self.victims.heal(world);
            }
            Act::Rule(rule) => self.rule.set(*rule),
            Act::IamAt { client, location, .. } => self.people.say_where(world, client, number[0], location),
            Act::Twice { client, locations, .. } => self.people.say_twice(world, client, number[0], locations),
            Act::WhatsAt { client, radius, bound, .. } => {
                self.people.ask_around(world, client, number[0], *radius, *bound);
            }
            Act::Wander(client, is_on) => self.people.set_wandering(world, client, *is_on),
        }
    }

    /// The numbers of the servers that an act names.
    fn numbers(&self, act: &Act) -> Option<Vec<usize>> {
        let number = |name: &String| self.graph.names.iter().position(|own| own == name);
        match act {
            Act::Server(_, server) | Act::Clock(server, _) => Some(vec![number(server)?]),
            Act::IamAt { server, .. } | Act::Twice { server, .. } | Act::WhatsAt { server, .. } => {
                Some(vec![number(server)?])
            }
            Act::Link(_, one, other) => Some(vec![number(one)?, number(other)?]),
            Act::Split(names) => names.iter().map(number).collect(),
            Act::Heal | Act::Rule(_) | Act::Wander(..) => Some(Vec::new()),
        }
    }

    fn to_server(&self, act: ServerAct, server: usize) {
        match act {
            ServerAct::Kill => self.victims.kill(server),
            ServerAct::Crash => self.victims.crash(server),
            ServerAct::Restart => self.victims.start_again(&self.herd.world, server),
            ServerAct::Freeze => self.victims.freeze(&self.herd.world, server),
            ServerAct::Thaw => self.victims.thaw(server),
        }
    }

    fn to_link(&self, act: LinkAct, one: usize, other: usize) {
        let both = [(one, other), (other, one)];
        match act {
            LinkAct::Cut => both.iter().for_each(|way| self.cut(*way)),
            LinkAct::CutOneWay => self.cut((one, other)),
            LinkAct::Slow => both.iter().for_each(|way| self.set_quality(*way, Quality::Slow)),
            LinkAct::Lossy => both.iter().for_each(|way| self.set_quality(*way, Quality::Lossy)),
            LinkAct::Mend => both.iter().for_each(|way| {
                self.set_quality(*way, Quality::Good);
                self.mend(*way);
            }),
        }
    }

    fn cut(&self, (from, to): (usize, usize)) {
        self.links.borrow_mut().entry((from, to)).or_default().is_cut = true;
        self.herd.world.cut(&self.host(from), &self.host(to));
    }

    fn mend(&self, (from, to): (usize, usize)) {
        self.links.borrow_mut().remove(&(from, to));
        self.herd.world.mend(&self.host(from), &self.host(to));
    }

    fn set_quality(&self, (from, to): (usize, usize), quality: Quality) {
        let links = &mut *self.links.borrow_mut();
        let LinkState { quality: now, .. } = links.entry((from, to)).or_default();
        *now = quality;
        let settings = match quality {
            Quality::Good => link(&self.settings, 1),
            Quality::Slow => link(&self.settings, SLOWER),
            Quality::Lossy => link(&self.settings, 1).loss(LOSS),
        };
        self.herd.world.set_link(&self.host(from), &self.host(to), settings);
    }

    fn host(&self, server: usize) -> reactor::sim::Host {
        self.herd.servers[server].host()
    }
}
