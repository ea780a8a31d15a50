//! What a store loses, and how it is found again.
//!
//! A failure loses the bucket that it came from. A late reply and a missing replica lose all buckets of that server:
//! replies come in order, so all that was asked after it would be late, too. Once a second, one lost bucket of each
//! server is offered something. If that succeeds, the others are tried, [`MAX_PROBES`] at a time. While only writes are
//! refused, or replicas are missing, what is lost can be read.
//!
//! Next: `looking.rs`, servers that are gone.

use super::confirming::Unconfirmed;
use super::doubt::probed;
use super::why::{concerns_writes, is_late, of_offer};
use super::{PROBE_EVERY, Store, contract, library};
use reactor::resp::{ServerError, Value};
use reactor::{CancelledError, Deferred, DelayedCall, Failure};
use std::collections::BTreeSet;
use std::time::Duration;

/// Maximum number of probes that have no answer. A server carries them out within a few milliseconds, so the offers of
/// clients behind them are in time; and thousands of buckets are there again within seconds.
const MAX_PROBES: usize = 64;

impl Store {
    /// What follows from the failure of an offer, or of a question, for the bucket.
    pub(super) fn judge(&self, bucket: u16, failure: &Failure, was_offered: bool) {
        if failure.check::<CancelledError>().is_some() || !self.is_running.get() {
            return;
        }
        // The whole server is lost, and why is known better than from a command that was not sent. What is lost
        // already has been looked at: this looks at all buckets.
        if !self.cannot_read(bucket) {
            self.lose_away();
        }
        let code = failure.check::<ServerError>().map_or("", ServerError::code);
        if library::is_missing(failure) {
            self.check_within(Duration::ZERO);
        }
        let (why, now) = (self.reason(bucket, failure), self.reactor.now());
        if code == "MOVED" {
            self.is_part.set(true);
            self.health.bar(Some(library::IS_PART.to_owned()), now);
        }
        let is_unconfirmed = failure.check::<Unconfirmed>().is_some();
        // Once for all replies that were on their way: each bucket is looked up on the cluster's map.
        let is_news = !self.health.is_lost(bucket) || is_late(failure) && !self.cannot_read(bucket);
        let is_of_server = (is_unconfirmed || is_late(failure)) && is_news;
        let lost = if is_of_server { self.beside(bucket) } else { vec![bucket] };
        lost.iter().for_each(|bucket| self.health.lose(*bucket, &why, now));
        self.set_readable(&lost, was_offered && concerns_writes(failure));
        self.probe_later();
    }

    /// Why the store has not taken an offer. That a function is missing has a reason of its own.
    pub(super) fn reason(&self, bucket: u16, failure: &Failure) -> String {
        let lacks = self.lacks_functions.borrow();
        match &*lacks {
            Some(why) if library::is_missing(failure) => why.clone(),
            _ => of_offer(failure, bucket, &self.config),
        }
    }

    /// Whether these buckets can be read while they are lost.
    pub(super) fn set_readable(&self, buckets: &[u16], is_readable: bool) {
        let mut readable = self.readable.borrow_mut();
        buckets.iter().for_each(|bucket| readable[usize::from(*bucket)] = is_readable);
    }

    /// The buckets of the server that has this one.
    fn beside(&self, bucket: u16) -> Vec<u16> {
        let server = self.nodes.place_of(bucket);
        (0..self.config.buckets).filter(|other| self.nodes.place_of(*other) == server).collect()
    }

    pub(super) fn probe_later(&self) {
        if self.next_probe.borrow().as_ref().is_some_and(DelayedCall::active) || !self.is_running.get() {
            return;
        }
        let this = self.this.clone();
        let call = self.reactor.call_later(PROBE_EVERY, move || {
            if let Some(store) = this.upgrade() {
                store.probe();
            }
        });
        self.next_probe.replace(Some(call));
    }

    /// Writes into a lost bucket of each server: another one each time, in case only that one cannot be written.
    pub(super) fn probe(&self) {
        if self.probes.get() == 0 && !self.health.is_barred() {
            let (lost, last) = (self.health.lost(), self.probed_last.get());
            let (before, after): (Vec<u16>, Vec<u16>) = lost.into_iter().partition(|bucket| *bucket <= last);
            let mut servers = BTreeSet::new();
            for bucket in after.into_iter().chain(before) {
                if servers.insert(self.nodes.place_of(bucket)) {
                    self.probed_last.set(bucket);
                    self.probe_one(bucket);
                }
            }
        }
        if self.lost_count() > 0 {
            self.probe_later();
        }
    }

    fn probe_one(&self, bucket: u16) {
        let sent = self.send_probe(bucket);
        self.when_probed(sent, move |store, reply| match reply {
            Ok(_) => {
                store.regain(bucket);
                // The server is there, and so are its replicas: each bucket is probed without a wait.
                store.to_regain.borrow_mut().extend(store.beside(bucket));
            }
            Err(failure) => {
                if concerns_writes(&failure) {
                    store.set_readable(&store.beside(bucket), true);
                }
                // While there is no connection, the reason is known better.
                if store.is_connected() {
                    store.health.explain(&store.reason(bucket, &failure));
                }
            }
        });
    }

    /// Probes some of the buckets whose server takes offers again.
    fn regain_more(&self) {
        while self.probes.get() < MAX_PROBES && self.is_running.get() {
            let next = self.to_regain.borrow_mut().pop_front();
            let Some(bucket) = next else { return };
            if !self.health.is_lost(bucket) || self.health.is_barred() {
                continue;
            }
            let sent = self.send_probe_without_wait(bucket);
            self.when_probed(sent, move |store, reply| match reply {
                Ok(_) => store.regain(bucket),
                // The others of that server would be late, too. The next probe is a second away.
                Err(failure) if is_late(&failure) => {
                    let server = store.nodes.place_of(bucket);
                    store.to_regain.borrow_mut().retain(|other| store.nodes.place_of(*other) != server);
                }
                Err(_) => {}
            });
        }
    }

    /// Offers a bucket something; its replicas must have it within a short time, if they must have anything.
    fn send_probe(&self, bucket: u16) -> Deferred<Value> {
        match &self.confirming {
            Some(confirming) => confirming.probe(contract::probe(bucket)).add_callback(probed),
            None => self.send_probe_without_wait(bucket),
        }
    }

    /// The same, but the replicas need not have it.
    pub(super) fn send_probe_without_wait(&self, bucket: u16) -> Deferred<Value> {
        self.nodes.command_within(self.config.timeout, contract::probe(bucket)).add_callback(probed)
    }

    fn when_probed(&self, sent: Deferred<Value>, then: impl FnOnce(&Store, Result<Value, Failure>) + 'static) {
        self.probes.set(self.probes.get() + 1);
        let this = self.this.clone();
        sent.add_both(move |reply| {
            let Some(store) = this.upgrade() else { return };
            store.probes.set(store.probes.get() - 1);
            then(&store, reply);
            store.regain_more();
        })
        .detach();
    }

    fn regain(&self, bucket: u16) {
        if self.health.regain(bucket, self.reactor.now()) {
            self.regained();
        }
    }
}
