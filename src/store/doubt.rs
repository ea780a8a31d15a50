//! [`Doubts`]: replies of the store that are not believed, and what follows from one.
//!
//! ```text
//!   a reply makes no sense --> counted; the log says it, once a minute
//!                         \--> its bucket is probed --> good: only that client's key is concerned
//!                                                   \-> not: the bucket is lost
//! ```
//!
//! Next: `why.rs`, the words for a failure.

use super::confirming::Unconfirmed;
use super::why::{concerns_writes, is_late, of_offer};
use super::{Store, StoreError, contract};
use reactor::Failure;
use reactor::resp::{ServerError, Value};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The log says at most this often that a reply is not believed: there may be one for each command.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// A name may have this many bytes in a message.
const MAX_SHOWN: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Doubts {
    said: Option<Instant>,
    /// The last one since, and how many there were.
    unsaid: Option<(String, u64)>,
    /// Buckets that are being probed because of one.
    probed: BTreeSet<u16>,
}

impl Doubts {
    fn add(&mut self, what: String, now: Instant) {
        let count = self.unsaid.take().map_or(0, |(_, count)| count);
        self.unsaid = Some((what, count + 1));
        self.tell(now);
    }

    /// Says what is due. To be called each second.
    pub(super) fn tell(&mut self, now: Instant) {
        if let Some(line) = self.due(now) {
            log::warn!("a reply of the store is not believed: {line}");
        }
    }

    fn due(&mut self, now: Instant) -> Option<String> {
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < QUIET_FOR) {
            return None;
        }
        let (what, count) = self.unsaid.take()?;
        self.said = Some(now);
        Some(match count {
            1 => what,
            count => format!("{what}; {} more since the last such line", count - 1),
        })
    }
}

/// A reply that makes no sense.
pub(super) fn nonsense(reply: &Value) -> Failure {
    StoreError::Nonsense(in_short(reply)).into()
}

/// Whether a reply to [`probe`](contract::probe) is good. An error may stand in it, if it comes from a batch.
pub(super) fn probed(reply: Value) -> Result<Value, Failure> {
    match reply {
        Value::Integer(1 | 2) => Ok(reply),
        Value::Error(error) => Err(error.into()),
        lie => Err(nonsense(&lie)),
    }
}

/// A reply, for a message. It may be long.
fn in_short(reply: &Value) -> String {
    const MAX_SHOWN: usize = 100;
    let mut text = format!("{reply:?}");
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
    }
    text
}

/// Whether a failure is about a reply that is not believed, or about a key with something else.
fn is_doubtful(failure: &Failure) -> bool {
    let code = failure.check::<ServerError>().map_or("", ServerError::code);
    matches!(failure.check(), Some(StoreError::Nonsense(_))) || matches!(code, "WRONGTYPE" | "NOTOURS")
}

/// What a failure says about the store, for those who would offer the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing: the key of this client has something else, or the reply about it is not believed.
    ForeignKey,
    /// It does not take everything in time.
    Slow,
    /// Anything else.
    Other,
}

impl Trouble {
    /// What the failure of an offer says.
    pub fn of(failure: &Failure) -> Trouble {
        match is_doubtful(failure) {
            true => Trouble::ForeignKey,
            false if is_late(failure) || failure.check::<Unconfirmed>().is_some() => Trouble::Slow,
            false => Trouble::Other,
        }
    }
}

impl Store {
    /// An offer of this client has failed, or a question about it.
    pub(super) fn failed(&self, bucket: u16, client: &[u8], failure: &Failure, was_offered: bool) {
        match is_doubtful(failure) {
            true => self.doubt(bucket, client, failure, was_offered),
            false => self.judge(bucket, failure, was_offered),
        }
    }

    /// The reply about a client is not believed. It may be so for all of its bucket if it is about an offer, which
    /// touches more than the key of the client.
    fn doubt(&self, bucket: u16, client: &[u8], failure: &Failure, was_offered: bool) {
        self.counters.nonsense.add();
        let now = self.reactor.now();
        let mut what = of_offer(failure, bucket, &self.config);
        if !what.starts_with(&contract::places_of(bucket)) {
            let mut key = contract::key_of(client, bucket);
            key.truncate(MAX_SHOWN);
            what = format!("{}: {what}", key.escape_ascii());
        }
        self.doubts.borrow_mut().add(what, now);
        if !was_offered || self.has_lost(bucket) || !self.doubts.borrow_mut().probed.insert(bucket) {
            return;
        }
        let this = self.this.clone();
        // Its replicas are not in doubt, and may need longer than a probe waits.
        self.send_probe_without_wait(bucket)
            .add_both(move |reply| {
                let Some(store) = this.upgrade() else { return };
                store.doubts.borrow_mut().probed.remove(&bucket);
                if let Err(failure) = reply {
                    store.lose_doubted(bucket, &failure);
                }
            })
            .detach();
    }

    fn lose_doubted(&self, bucket: u16, failure: &Failure) {
        if self.is_running() {
            self.health.lose(bucket, &self.reason(bucket, failure), self.reactor.now());
            // It has answered, and a question needs neither the index nor the function.
            self.set_readable(&[bucket], is_doubtful(failure) || concerns_writes(failure));
            self.probe_later();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_told_once_a_minute_with_their_number() {
        let (start, mut doubts) = (Instant::now(), Doubts::default());
        let mut lines = Vec::new();
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            if second < 100 {
                let count = doubts.unsaid.take().map_or(0, |(_, count)| count);
                doubts.unsaid = Some((format!("kiwi {second}"), count + 1));
            }
            lines.extend(doubts.due(now).map(|line| (second, line)));
        }
        let more = |second: u64, count: u64| format!("kiwi {second}; {count} more since the last such line");
        assert_eq!(lines, [(0, "kiwi 0".to_owned()), (60, more(60, 59)), (120, more(99, 38))]);
    }
}
