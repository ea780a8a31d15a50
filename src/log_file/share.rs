//! [`Share`]: how much one peer may write into the log.
//!
//! Any client can make the server log. Without a limit, one client fills the disk and the buffer, and the lines of all
//! others are lost. So each peer has a budget of bytes a second, with a burst. What is beyond it is not written but
//! counted, and the log says each second how much that was.
//!
//! A peer is an address ([`AddressGroup`]), and not a connection: a client could open a thousand.
//!
//! Next: `files.rs`, the files.

use crate::address_group::AddressGroup;
use crate::config::LogConfig;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The maximum number of shares that are kept. More peers than that at once have one share together: they are most
/// likely one attacker with many addresses.
const MAX_SHARES: usize = 65_536;

/// The share of one peer, of one neighbor, or of one place in the program.
///
/// It is a virtual queue (GCRA): each byte takes some nanoseconds of a timeline, and `paid` is the moment up to which
/// the timeline is taken. A line is admitted while that moment is at most one burst ahead of now. So nothing has to be
/// refilled.
///
/// The timeline is the time of day, which each line has anyway: to read another clock would cost more than all of this.
/// If the time of day is set back, `paid` lies further ahead than any line can have put it, and the share begins anew.
///
/// Two threads hardly ever use one share. If they do at the same moment, one of their lines may cost nothing.
#[derive(Debug)]
pub(super) struct Share {
    owner: String,
    /// In nanoseconds since 1970.
    paid: AtomicU64,
    /// The number of lines that were not admitted since the last report.
    beyond: AtomicU64,
}

/// The shares of everybody who has written lately.
#[derive(Debug)]
pub(super) struct Shares {
    /// What one byte takes, in 1/1024 of a nanosecond.
    per_byte: u64,
    /// In nanoseconds.
    burst: u64,
    /// What a burst and the longest line take: `paid` is never further ahead than this.
    furthest: u64,
    known: Mutex<HashMap<Owner, Arc<Share>>>,
    /// Whether some share has something to report.
    pending: AtomicBool,
    /// The lines of all shares that were not admitted, as far as they were reported.
    pub(super) beyond: AtomicU64,
}

/// More than the longest line takes in the log, however it is escaped.
const MAX_LINE: u64 = 1 << 20;

/// The owner of a share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// All connections from this address.
    Address(AddressGroup),
    /// A neighbor, which an attacker at the same address must not silence.
    Neighbor(String),
    /// The messages that one place in the program makes, whatever makes it do so.
    Place(&'static str, u32),
    /// Everybody for whom there was no room.
    Rest,
}

impl Owner {
    /// The owner of the lines of this peer.
    pub(super) fn peer(address: Option<IpAddr>) -> Owner {
        address.map_or(Owner::Rest, |address| Owner::Address(address.into()))
    }

    fn name(&self) -> String {
        match self {
            Owner::Address(group) => group.to_string(),
            Owner::Neighbor(name) => format!("the neighbor {name}"),
            Owner::Place(file, line) => format!("{file}:{line}"),
            Owner::Rest => "other peers".to_owned(),
        }
    }
}

impl Share {
    /// Whether there is room for a line now. If not, the line counts as beyond the share.
    pub(super) fn admits(&self, shares: &Shares, now: Duration) -> bool {
        let ahead = self.paid.load(Ordering::Relaxed).saturating_sub(nanoseconds(now));
        if ahead <= shares.burst {
            return true;
        }
        if ahead > shares.furthest {
            self.paid.store(0, Ordering::Relaxed); // The time of day was set back.
            return true;
        }
        self.beyond.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Pays for a line that was written.
    pub(super) fn charge(&self, shares: &Shares, now: Duration, bytes: usize) {
        let start = self.paid.load(Ordering::Relaxed).max(nanoseconds(now));
        let cost = (bytes as u64).saturating_mul(shares.per_byte) >> 10;
        self.paid.store(start.saturating_add(cost), Ordering::Relaxed);
    }
}

impl Shares {
    pub(super) fn new(config: &LogConfig) -> Shares {
        let per_byte = (1_000_000_000u64 << 10) / config.share as u64;
        let burst = (config.burst as u64).saturating_mul(per_byte) >> 10;
        let furthest = burst.saturating_add(MAX_LINE.saturating_mul(per_byte) >> 10);
        Shares {
            per_byte,
            burst,
            furthest,
            known: Mutex::default(),
            pending: AtomicBool::new(false),
            beyond: AtomicU64::new(0),
        }
    }

    /// Nothing panics while this is locked; if it did, the map would still be sound.
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Arc<Share>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share of this owner.
    pub(super) fn of(&self, owner: Owner) -> Arc<Share> {
        let mut known = self.lock();
        let owner = if known.len() < MAX_SHARES || known.contains_key(&owner) { owner } else { Owner::Rest };
        let share = |owner: &Owner| Share { owner: owner.name(), paid: AtomicU64::new(0), beyond: AtomicU64::new(0) };
        known.entry(owner).or_insert_with_key(|owner| Arc::new(share(owner))).clone()
    }

    /// Notes that some share has something to report. True for the first one since the last report.
    pub(super) fn note_pending(&self) -> bool {
        !self.pending.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// A line for each share that had lines beyond it since the last report. Forgets the shares that nobody holds any
    /// more and that have paid for everything: a peer that comes again finds a fresh share, and has no more than it
    /// would have had.
    pub(super) fn report(&self, now: Duration) -> Vec<String> {
        // First: what is noted from here on belongs to the next report.
        self.pending.store(false, Ordering::Relaxed);
        let mut lines = Vec::new();
        self.lock().retain(|_, share| {
            match share.beyond.swap(0, Ordering::Relaxed) {
                0 => {}
                beyond => {
                    self.beyond.fetch_add(beyond, Ordering::Relaxed);
                    let owner = &share.owner;
                    lines.push(format!("{beyond} lines of {owner} are not here: they are beyond its share of the log"));
                }
            }
            Arc::strong_count(share) > 1 || share.paid.load(Ordering::Relaxed) > nanoseconds(now)
        });
        lines.sort();
        lines
    }
}

/// A time since 1970 on the timeline of the shares.
#[inline]
fn nanoseconds(time: Duration) -> u64 {
    time.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each test begins.
    const BEGAN: Duration = Duration::from_secs(1_795_357_620);

    /// 1000 bytes a second, 5000 at once.
    fn shares() -> Shares {
        Shares::new(&LogConfig { share: 1000, burst: 5000, ..LogConfig::default() })
    }

    fn address(text: &str) -> Owner {
        Owner::peer(Some(text.parse().unwrap()))
    }

    /// The number of lines of 100 bytes that are admitted, of a thousand.
    fn admitted(share: &Share, shares: &Shares, now: Duration) -> usize {
        let admit = |_: &usize| {
            let admits = share.admits(shares, now);
            if admits {
                share.charge(shares, now, 100);
            }
            admits
        };
        (0..1000).filter(admit).count()
    }

    #[test]
    fn a_share_is_a_burst_and_then_its_rate() {
        let shares = shares();
        let share = shares.of(address("192.0.2.1"));
        assert_eq!(admitted(&share, &shares, BEGAN), 51); // The last may begin in the burst and end beyond it.
        assert_eq!(admitted(&share, &shares, BEGAN + Duration::from_secs(1)), 10);
        assert_eq!(admitted(&share, &shares, BEGAN + Duration::from_secs(100)), 51);
        assert_eq!(
            shares.report(BEGAN),
            ["2888 lines of 192.0.2.1 are not here: they are beyond its share of the log"]
        );
        assert_eq!(shares.report(BEGAN), [""; 0]);
    }

    #[test]
    fn connections_of_one_address_have_one_share_and_other_addresses_have_others() {
        let shares = shares();
        let first = shares.of(address("2001:db8::1"));
        admitted(&first, &shares, BEGAN);
        for same in ["2001:db8::2", "2001:db8::ffff:0:0:1"] {
            assert!(!shares.of(address(same)).admits(&shares, BEGAN), "{same}");
        }
        for other in [address("2001:db8:0:1::1"), address("192.0.2.1"), Owner::Neighbor("Alford".to_owned())] {
            assert!(shares.of(other.clone()).admits(&shares, BEGAN), "{other:?}");
        }
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert!(shares.report(BEGAN)[0].contains("2001:db8::/64"));
    }

    #[test]
    fn a_peer_that_comes_again_has_not_got_a_fresh_share() {
        let shares = shares();
        admitted(&shares.of(address("192.0.2.1")), &shares, BEGAN);
        shares.report(BEGAN);
        assert!(!shares.of(address("192.0.2.1")).admits(&shares, BEGAN));
        shares.report(BEGAN + Duration::from_secs(60));
        assert_eq!(shares.lock().len(), 0, "a share that is paid for is forgotten");
    }

    #[test]
    fn peers_beyond_the_maximum_have_one_share_together() {
        let shares = shares();
        for number in 0..MAX_SHARES as u32 + 10 {
            shares.of(Owner::peer(Some(IpAddr::V4(number.into()))));
        }
        assert_eq!(shares.lock().len(), MAX_SHARES + 1);
        assert_eq!(shares.of(address("2001:db8::1")).owner, "other peers");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_a_peer() {
        let shares = shares();
        let share = shares.of(address("192.0.2.1"));
        assert_eq!(admitted(&share, &shares, BEGAN), 51);
        assert_eq!(admitted(&share, &shares, BEGAN - Duration::from_secs(24 * 3600)), 51);
    }
}
