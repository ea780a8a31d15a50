//! [`Newcomers`]: how many clients that nobody knew each address has brought. A peer that invents clients fills the
//! table of every server, so an address has a share of them. Clients that are known report their locations as often as
//! they like.
//!
//! An address may bring its whole share at once. Then it gets the share back bit by bit, within the time after which a
//! client is forgotten. So the table never holds more than two shares of clients that one address has brought to this
//! server.
//!
//! Next: [`connections.rs`](mod@crate::connections), the connections that peers have made to a server.

use crate::address_group::AddressGroup;
use crate::config::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Maximum number of addresses that are remembered. Beyond it, the one that is nearest to its full share is forgotten,
/// so a peer with very many addresses gains next to nothing.
const MAX_ADDRESSES: usize = 1 << 16;

/// One address has at most this part of the clients for which `[limits] memory` has room.
const PART_OF_MEMORY: usize = 16;

/// What a client usually takes of `[limits] memory`, in bytes.
const USUAL_SIZE: usize = 436;

/// The addresses that have brought new clients.
#[derive(Debug, Default)]
pub struct Newcomers {
    /// When each address will have its full share again.
    whole_at: BTreeMap<AddressGroup, Instant>,
    by_time: BTreeSet<(Instant, AddressGroup)>,
}

/// The share of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many clients an address may bring at once.
    pub clients: usize,
    /// Within this time it has its share back.
    pub within: Duration,
}

impl Share {
    /// The share that these limits give.
    pub fn of(limits: &Limits) -> Share {
        let most = limits.memory / USUAL_SIZE / PART_OF_MEMORY;
        Share { clients: limits.clients_per_address.min(most).max(1), within: limits.forget }
    }
}

impl Newcomers {
    /// Whether the share of an address has room for a new client.
    pub fn has_room(&self, from: AddressGroup, share: Share, now: Instant) -> bool {
        let each = share.within / u32::try_from(share.clients).unwrap_or(u32::MAX);
        let owed = self.whole_at.get(&from).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        owed + each <= share.within
    }

    /// Counts a new client from an address. Returns whether its share has room for it; if not, nothing is counted.
    pub fn admit(&mut self, from: AddressGroup, share: Share, now: Instant) -> bool {
        let each = share.within / u32::try_from(share.clients).unwrap_or(u32::MAX);
        let before = self.whole_at.get(&from).copied();
        let owed = before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if owed + each > share.within {
            return false;
        }
        let Some(at) = now.checked_add(owed + each) else { return true }; // Later than a clock can say.
        if let Some(before) = before {
            self.by_time.remove(&(before, from));
        }
        self.whole_at.insert(from, at);
        self.by_time.insert((at, from));
        while self.by_time.first().is_some_and(|(at, _)| *at <= now || self.by_time.len() > MAX_ADDRESSES) {
            if let Some((_, address)) = self.by_time.pop_first() {
                self.whole_at.remove(&address);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const SHARE: Share = Share { clients: 10, within: Duration::from_secs(100) };

    fn address(number: u32) -> AddressGroup {
        AddressGroup::from(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn an_address_has_its_share_at_once_and_then_bit_by_bit() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        let mut admitted = |from, after| {
            let now = start + Duration::from_secs(after);
            (0..).take_while(|_| newcomers.admit(address(from), SHARE, now)).count()
        };
        assert_eq!((admitted(1, 0), admitted(1, 9)), (10, 0));
        assert_eq!(admitted(2, 9), 10, "another address has its own");
        assert_eq!((admitted(1, 10), admitted(1, 39), admitted(1, 1000)), (1, 2, 10));
    }

    #[test]
    fn addresses_that_have_their_share_again_are_not_remembered_and_the_others_are_limited() {
        let (mut newcomers, start) = (Newcomers::default(), Instant::now());
        let count = |newcomers: &Newcomers| (newcomers.whole_at.len(), newcomers.by_time.len());
        for _ in 0..10 {
            newcomers.admit(address(0), SHARE, start);
        }
        for number in 1..=MAX_ADDRESSES as u32 + 10 {
            assert!(newcomers.admit(address(number), SHARE, start));
        }
        assert_eq!(count(&newcomers), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert!(!newcomers.admit(address(0), SHARE, start), "what owes most is remembered");
        assert!(newcomers.admit(address(1), SHARE, start + Duration::from_secs(50)));
        assert_eq!(count(&newcomers), (2, 2));
    }

    #[test]
    fn no_address_has_more_than_a_sixteenth_of_the_memory() {
        let limits = |memory, clients_per_address| Limits { memory, clients_per_address, ..Limits::default() };
        assert_eq!(Share::of(&limits(1 << 30, 100)).clients, 100);
        assert_eq!(Share::of(&limits(16 * 436 * 50, 100)).clients, 50);
        assert_eq!(Share::of(&limits(1000, 100)).clients, 1);
    }
}
