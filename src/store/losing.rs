//! What a store loses, and how it is found again.
//!
//! A failure loses the bucket that it came from. A late reply and a missing replica lose all buckets of that server:
//! replies come in order, so all that was asked after it would be late, too. Once a second, one lost bucket of each
//! server is offered something. If that succeeds, the others are tried at once. While only replicas are missing, what
//! is lost can be read.
//!
//! Next: `looking.rs`, servers that are gone.

use super::confirming::Unconfirmed;
use super::doubt::probed;
use super::why::{is_late, of_offer};
use super::{PROBE_EVERY, Store, contract, library};
use reactor::resp::{ServerError, Value};
use reactor::{CancelledError, Deferred, DelayedCall, Failure};
use std::collections::BTreeSet;
use std::time::Duration;

impl Store {
    /// What follows from a failure for the bucket.
    pub(super) fn judge(&self, bucket: u16, failure: &Failure) {
        if failure.check::<CancelledError>().is_some() || !self.is_running.get() {
            return;
        }
        // The whole server is lost, and why is known better than from a command that was not sent.
        self.lose_away();
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
        let is_of_server = (is_unconfirmed || is_late(failure)) && !self.health.is_lost(bucket);
        let lost = if is_of_server { self.beside(bucket) } else { vec![bucket] };
        for bucket in lost {
            self.health.lose(bucket, &why, now);
            if is_unconfirmed {
                self.unconfirmed.borrow_mut().insert(bucket);
            } else {
                self.unconfirmed.borrow_mut().remove(&bucket);
            }
        }
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

    /// The buckets of the server that has this one.
    fn beside(&self, bucket: u16) -> Vec<u16> {
        let server = self.nodes.primary_of(bucket);
        (0..self.config.buckets).filter(|other| self.nodes.primary_of(*other) == server).collect()
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
                if servers.insert(self.nodes.primary_of(bucket)) {
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
                // The server is there, and so are its replicas.
                for other in store.beside(bucket).into_iter().filter(|other| store.health.is_lost(*other)) {
                    let sent = store.nodes.command(contract::probe(other)).add_callback(probed);
                    store.when_probed(sent, move |store, reply| {
                        if reply.is_ok() {
                            store.regain(other);
                        }
                    });
                }
            }
            // It was written.
            Err(failure) if failure.check::<Unconfirmed>().is_some() => {
                store.unconfirmed.borrow_mut().extend(store.beside(bucket));
            }
            // While there is no connection, the reason is known better.
            Err(failure) if store.is_connected() => store.health.explain(&store.reason(bucket, &failure)),
            Err(_) => {}
        });
    }

    pub(super) fn send_probe(&self, bucket: u16) -> Deferred<Value> {
        let command = contract::probe(bucket);
        let sent = match &self.confirming {
            Some(confirming) => confirming.probe(command),
            None => self.nodes.command(command),
        };
        sent.add_callback(probed)
    }

    fn when_probed(&self, sent: Deferred<Value>, then: impl FnOnce(&Store, Result<Value, Failure>) + 'static) {
        self.probes.set(self.probes.get() + 1);
        let this = self.this.clone();
        sent.add_both(move |reply| {
            let Some(store) = this.upgrade() else { return };
            store.probes.set(store.probes.get() - 1);
            then(&store, reply);
        })
        .detach();
    }

    fn regain(&self, bucket: u16) {
        self.unconfirmed.borrow_mut().remove(&bucket);
        if self.health.regain(bucket, self.reactor.now()) {
            self.regained();
        }
    }
}
