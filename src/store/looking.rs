//! What a store does each second: it looks whether its servers are there, and has the log say what has changed.
//!
//! Without this, a store that is gone would be noticed by the next client that reports, for its bucket alone.
//!
//! Next: `doubt.rs`, replies that are not believed.

use super::Store;
use super::nodes::Away;
use super::why::in_words;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Store {
    /// Whether there is a connection to each server of the store that has a bucket.
    pub fn is_connected(&self) -> bool {
        self.nodes.is_connected(self.config.buckets)
    }

    /// What is known of a connection that is not there while no bucket is lost yet.
    pub fn why_not_connected(&self) -> Option<String> {
        let away = self.nodes.away(self.config.buckets).into_iter().next()?;
        let why =
            away.failure.map_or_else(|| "it is being made".to_owned(), |failure| in_words(&failure, &self.config));
        Some(format!("no connection to {}: {why}", away.address))
    }

    /// Whether a question about a client of this bucket would fail at once. A bucket of which only writes are lost can
    /// be read.
    pub fn cannot_read(&self, bucket: u16) -> bool {
        self.has_lost(bucket) && (self.health.is_barred() || !self.readable.borrow()[usize::from(bucket)])
    }

    pub(super) fn look_later(&self) {
        let this = self.this.clone();
        let call = self.reactor.call_later(LOOK_EVERY, move || {
            if let Some(store) = this.upgrade().filter(|store| store.is_running()) {
                store.look();
                store.look_later();
            }
        });
        self.next_look.replace(Some(call));
    }

    fn look(&self) {
        let mut connecting = BTreeSet::new();
        for Away { address, buckets, .. } in self.lose_away() {
            // It has had this time since the last look.
            if self.connecting.borrow().contains(&address) {
                let why = format!("no connection to {address}: it does not answer");
                self.health.lose_all(&buckets, &why, self.reactor.now());
                self.set_readable(&buckets, false);
            }
            connecting.insert(address);
        }
        *self.connecting.borrow_mut() = connecting;
        if self.lost_count() > 0 {
            self.probe_later();
        }
        self.health.tell(self.reactor.now());
        self.doubts.borrow_mut().tell(self.reactor.now());
    }

    /// The servers to which no connection was made lose their buckets. Returns those to which the first attempt lasts.
    pub(super) fn lose_away(&self) -> Vec<Away> {
        let away = self.nodes.away(self.config.buckets);
        let (failed, connecting): (Vec<Away>, Vec<Away>) = away.into_iter().partition(|it| it.failure.is_some());
        for Away { address, failure, buckets } in failed {
            let why = failure.map(|failure| in_words(&failure, &self.config)).unwrap_or_default();
            // An error of the system has the address, too.
            let why = why.strip_prefix(&format!("cannot connect to {address}: ")).unwrap_or(&why);
            self.health.lose_all(&buckets, &format!("no connection to {address}: {why}"), self.reactor.now());
            self.set_readable(&buckets, false);
        }
        connecting
    }
}
