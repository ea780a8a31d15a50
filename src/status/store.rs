//! [`StoreStatus`]: the store beside a herd, as one server sees it.
//!
//! Next: [`control.rs`](mod@crate::control), the socket by which the operator asks.

use crate::server::Storing;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How the store is.
#[derive(Debug, Clone)]
pub struct StoreStatus {
    /// Whether there is a connection to each server of it.
    pub is_connected: bool,
    /// Into how many buckets the clients are divided.
    pub buckets: u16,
    /// How many of them the store does not take.
    pub lost: usize,
    /// For how long that has been so, and why; or why there is no connection, if nothing is lost yet.
    pub trouble: Option<(Duration, String)>,
    /// How many clients the table has that the store has not got.
    pub owed: usize,
    /// How many of them the store refuses, because their keys have something else.
    pub foreign_keys: usize,
    /// How many clients are remembered from the store.
    pub remembered: usize,
    /// How many commands the store has not answered yet.
    pub waiting: usize,
    /// The numbers that only grow, by name.
    pub counters: Vec<(&'static str, u64)>,
}

impl StoreStatus {
    pub(super) fn of(storing: &Storing, now: Instant) -> StoreStatus {
        let (store, counters) = (storing.store(), storing.store().counters());
        let trouble = store.trouble().map(|(since, why)| (now.saturating_duration_since(since), why));
        // Nothing is lost before an attempt to connect has failed.
        let not_yet = || store.why_not_connected().map(|why| (Duration::ZERO, why));
        StoreStatus {
            is_connected: store.is_connected(),
            buckets: store.config().buckets,
            lost: store.lost_count(),
            trouble: trouble.or_else(not_yet),
            owed: storing.owed_count(),
            foreign_keys: storing.foreign_key_count(),
            remembered: store.remembered_count(),
            waiting: store.waiting_count(),
            counters: vec![
                ("stored", counters.stored.get()),
                ("known", counters.known.get()),
                ("failed", counters.failed.get()),
                ("flooded", storing.counters().flooded.get()),
                ("refused", storing.counters().refused.get()),
                ("caught_up", storing.counters().caught_up.get()),
                ("looked_up", counters.looked_up.get()),
                ("remembered", counters.remembered.get()),
                ("not_answered", counters.not_answered.get()),
                ("nonsense", counters.nonsense.get()),
            ],
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let counters: serde_json::Map<_, _> =
            self.counters.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
        json!({
            "connected": self.is_connected,
            "buckets": self.buckets,
            "lost": self.lost,
            "seconds": self.trouble.as_ref().map(|(lasts, _)| lasts.as_secs_f64()),
            "why": self.trouble.as_ref().map(|(_, why)| why),
            "owed": self.owed,
            "foreign_keys": self.foreign_keys,
            "remembered": self.remembered,
            "waiting": self.waiting,
            "counters": counters,
        })
    }
}
