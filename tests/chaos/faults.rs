//! What goes wrong: drawn at random, for a while, on links and on servers.

use crate::links::{Link, Passing};
use crate::random::Random;
use crate::servers::{Grant, Server};
use crate::store::Store;
use reactor::Reactor;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// A round kills at most this many servers, so that what all five had known is always known by somebody.
const MAX_KILLED: usize = 2;

/// The faults of one round.
pub(crate) struct Faults {
    pub(crate) reactor: Reactor,
    pub(crate) servers: Rc<Vec<Server>>,
    pub(crate) links: Vec<Rc<Link>>,
    pub(crate) store: Option<Store>,
    pub(crate) random: Rc<Random>,
    pub(crate) kills: bool,
    pub(crate) has_cables: bool,
    /// How often each kind has happened.
    pub(crate) counts: RefCell<BTreeMap<&'static str, u64>>,
}

impl Faults {
    /// Begins the faults of a round, over `span`. All of them are over at its end.
    pub(crate) fn begin(self: &Rc<Self>, span: Duration) {
        let mut killed = Vec::new();
        for _ in 0..2 + self.random.below(5) {
            let begin = self.random.millis(0, span.as_millis() as usize * 2 / 3);
            let rest = (span - begin).as_millis() as usize;
            let lasts = self.random.millis(rest / 8, rest.max(8));
            let this = self.clone();
            if self.store.is_some() && self.random.once_in(5) {
                self.reactor.call_later(begin, move || this.strike_store(lasts));
                continue;
            }
            if self.random.once_in(2) {
                let link = self.links[self.random.below(self.links.len())].clone();
                self.reactor.call_later(begin, move || this.strike_link(&link, lasts));
                continue;
            }
            let server = self.random.below(self.servers.len());
            let may_kill = self.kills && (killed.contains(&server) || killed.len() < MAX_KILLED);
            let kind = self.random.below(if may_kill { 5 } else { 1 });
            if kind > 0 && !killed.contains(&server) {
                killed.push(server);
            }
            self.reactor.call_later(begin, move || this.strike_server(server, kind, lasts));
        }
    }

    fn count(&self, kind: &'static str) {
        *self.counts.borrow_mut().entry(kind).or_default() += 1;
    }

    fn strike_link(self: &Rc<Self>, link: &Rc<Link>, lasts: Duration) {
        let passing = match self.random.below(5) {
            0 => {
                self.count("reset");
                return link.reset();
            }
            1 => {
                self.count("half-close");
                return link.half_close();
            }
            2 => {
                self.count("stall");
                Passing::Nothing
            }
            3 => {
                self.count("drip");
                Passing::Drops
            }
            _ => {
                self.count("cut");
                Passing::Cut
            }
        };
        link.set(passing);
        let link = link.clone();
        self.reactor.call_later(lasts, move || link.set(Passing::All));
    }

    fn strike_store(self: &Rc<Self>, lasts: Duration) {
        let Some(store) = &self.store else { return };
        if self.random.once_in(2) {
            self.count("store: SIGSTOP");
            store.freeze(true);
        } else {
            self.count("store: kill -9");
            store.kill();
        }
        let this = self.clone();
        self.reactor.call_later(lasts, move || this.mend_store());
    }

    fn mend_store(&self) {
        if let Some(store) = &self.store {
            store.freeze(false);
            store.run();
        }
    }

    fn strike_server(self: &Rc<Self>, number: usize, kind: usize, lasts: Duration) {
        let server = &self.servers[number];
        if server.life().is_none() {
            return;
        }
        let this = self.clone();
        let grant = match kind {
            0 if self.has_cables && self.random.once_in(2) => {
                self.count("pulled cable");
                server.plug(false);
                self.reactor.call_later(lasts, move || this.servers[number].plug(true));
                return;
            }
            0 => {
                self.count("SIGSTOP");
                server.freeze(true);
                self.reactor.call_later(lasts, move || this.servers[number].freeze(false));
                return;
            }
            1 => {
                self.count("SIGTERM");
                // It is started again when it has ended: see `mend`.
                server.freeze(false);
                return server.signal("TERM");
            }
            2 => {
                self.count("kill -9");
                Grant::Everything
            }
            3 => {
                self.count("kill -9, then few descriptors");
                Grant::FewDescriptors
            }
            _ => {
                self.count("kill -9, then a full disk");
                Grant::FullDisk
            }
        };
        server.kill();
        self.reactor.call_later(lasts / 2, move || this.servers[number].start(grant));
    }

    /// Ends all faults that last.
    pub(crate) fn mend(&self) {
        self.links.iter().for_each(|link| link.set(Passing::All));
        self.mend_store();
        for server in self.servers.iter() {
            server.freeze(false);
            server.plug(true);
            server.start(Grant::Everything);
        }
    }
}
