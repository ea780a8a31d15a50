//! What a store loses, and how it is found again.
//!
//! A failure loses the bucket that it came from. If there are replicas to wait for, a missing one and a late reply lose
//! all buckets of that server: see `confirming.rs`. Once a second, one lost bucket of each server is written into. If
//! that succeeds, the others are tried at once. While only replicas are missing, what is lost can be read.
//!
//! Next: `cache.rs`, what is remembered.

use super::confirming::Unconfirmed;
use super::{PROBE_EVERY, Store, StoreError, contract, library};
use reactor::resp::{CommandError, ServerError, Value};
use reactor::{CancelledError, Deferred, DelayedCall, Failure, TimeoutError};
use std::collections::BTreeSet;
use std::time::Duration;

impl Store {
    /// What follows from a failure for the bucket.
    pub(super) fn judge(&self, bucket: u16, failure: &Failure) {
        if failure.check::<CancelledError>().is_some() || !self.is_running.get() {
            return;
        }
        // Errors about one key are nothing that others must suffer from.
        let code = failure.check::<ServerError>().map_or("", ServerError::code);
        if failure.check::<StoreError>().is_some() || matches!(code, "WRONGTYPE" | "NOTOURS") {
            self.counters.nonsense.add();
            return log::warn!("a reply of the store is not believed: {}", failure.value());
        }
        if library::is_missing(failure) {
            self.check_within(Duration::ZERO);
        }
        let (why, now) = (library::in_short(failure), self.reactor.now());
        if code == "MOVED" {
            self.is_part.set(true);
            self.health.bar(Some(library::IS_PART.to_owned()), now);
        }
        let is_unconfirmed = failure.check::<Unconfirmed>().is_some();
        let lost = if is_unconfirmed || self.confirming.is_some() && is_late(failure) {
            self.beside(bucket)
        } else {
            vec![bucket]
        };
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

    /// The buckets of the server that has this one.
    fn beside(&self, bucket: u16) -> Vec<u16> {
        let server = self.nodes.primary_of(bucket);
        (0..self.config.buckets).filter(|other| self.nodes.primary_of(*other) == server).collect()
    }

    fn probe_later(&self) {
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
        let command = contract::probe(bucket);
        let sent = match &self.confirming {
            Some(confirming) => confirming.probe(command),
            None => self.nodes.command(command),
        };
        self.when_probed(sent, move |store, reply| match reply {
            Ok(_) => {
                store.regain(bucket);
                // The server is there, and so are its replicas.
                for other in store.beside(bucket).into_iter().filter(|other| store.health.is_lost(*other)) {
                    let sent = store.nodes.command(contract::probe(other));
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
            Err(_) => {}
        });
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

/// Whether the reply did not come in time.
fn is_late(failure: &Failure) -> bool {
    failure.check::<CommandError>().is_some_and(|error| error.reason().check::<TimeoutError>().is_some())
}
