//! [`ForeignKeys`]: clients whose key in the store has something else, which is not ours. Pure.
//!
//! ```text
//!   refused --- FIRST_PAUSE ---> offered again --- refused ---> twice the pause, at most LONGEST_PAUSE
//!                                      '---------- taken -----> forgotten here
//! ```
//!
//! Such a key does not mean that the store is slow, and nobody else waits for it. The client stays in the table, and so
//! with the neighbors.
//!
//! Next: `../newcomers.rs`, how many new clients an address may bring.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Somebody may mend the key at once.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Nobody may ever mend it: then it costs the store one offer in this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// Clients by their numbers. There are no more of them than the table has.
#[derive(Debug, Default)]
pub(super) struct ForeignKeys {
    clients: BTreeMap<u32, Refused>,
    /// Those that wait, the next one first.
    waiting: BTreeSet<(Instant, u32)>,
}

#[derive(Debug)]
struct Refused {
    pause: Duration,
    /// `None` while it is offered again.
    until: Option<Instant>,
}

impl ForeignKeys {
    /// The store has refused a client for its key. Returns whether it is the first one of all.
    pub(super) fn refused(&mut self, client: u32, now: Instant) -> bool {
        let is_first = self.clients.is_empty();
        let before = self.remove(client);
        let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.clients.insert(client, Refused { pause, until: Some(now + pause) });
        self.waiting.insert((now + pause, client));
        is_first
    }

    /// Takes at most `most` clients that shall be offered again.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<u32> {
        let due: Vec<(Instant, u32)> =
            self.waiting.iter().take_while(|(at, _)| *at <= now).take(most).copied().collect();
        for (at, client) in &due {
            self.waiting.remove(&(*at, *client));
            if let Some(refused) = self.clients.get_mut(client) {
                refused.until = None;
            }
        }
        due.into_iter().map(|(_, client)| client).collect()
    }

    /// The store has taken the client, or nobody knows the client any more. Returns its last pause.
    pub(super) fn remove(&mut self, client: u32) -> Option<Duration> {
        let Refused { pause, until } = self.clients.remove(&client)?;
        if let Some(until) = until {
            self.waiting.remove(&(until, client));
        }
        Some(pause)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// How many of them wait until they are offered again.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn waits(&self, client: u32) -> bool {
        self.clients.get(&client).is_some_and(|refused| refused.until.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_offered_again_ever_more_seldom_until_its_key_is_mended() {
        let (start, mut keys) = (Instant::now(), ForeignKeys::default());
        assert!(keys.refused(7, start));
        let mut offered = Vec::new();
        for second in 1..=200 {
            let now = start + Duration::from_secs(second);
            for client in keys.take_due(now, 64) {
                assert!(!keys.waits(client) && keys.len() == 1);
                offered.push(second);
                keys.refused(client, now);
            }
        }
        assert_eq!(offered, [1, 3, 7, 15, 31, 63, 127, 191]);
        assert!(keys.remove(7).is_some() && keys.remove(7).is_none());
        assert_eq!((keys.len(), keys.waiting_count()), (0, 0));
    }

    #[test]
    fn only_some_are_taken_at_once() {
        let (start, mut keys) = (Instant::now(), ForeignKeys::default());
        for client in 0..100 {
            keys.refused(client, start);
        }
        let now = start + FIRST_PAUSE;
        assert_eq!((keys.take_due(now, 64).len(), keys.take_due(now, 64).len(), keys.len()), (64, 36, 100));
    }
}
