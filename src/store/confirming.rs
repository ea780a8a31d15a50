//! [`Confirming`]: offers that count only when replicas have them.
//!
//! ```text
//!   offer, offer, offer, WAIT 1        one batch of a bucket is under way at a time;
//!   offer, offer ...                   what comes meanwhile is the next one, with a WAIT of its own
//! ```
//!
//! `WAIT` answers for all writes before it on its connection, so it stands in one batch with them: after a connection
//! that was lost, it would confirm what never happened.
//!
//! While a `WAIT` waits, the server carries out nothing else of its connection. With all replicas there, that is the
//! time to a replica and back. But when one is missing, each `WAIT` takes its whole time, and everything behind it is
//! late. So after the first one that is not confirmed, all buckets of that server count as lost; only a probe waits.
//!
//! Next: [`server.rs`](mod@crate::server), which decides where an AT goes.

use super::nodes::Nodes;
use reactor::resp::{Command, Value};
use reactor::{Deferred, Failure, Firer, Reactor};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Maximum number of offers that share a `WAIT`.
const MAX_BATCH: usize = 256;

/// A probe waits for replicas for `timeout` divided by this, at most. There is one a second.
const PROBE_PART: u32 = 4;

/// Fewer replicas have a location than `wait_replicas` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unconfirmed {
    have: i64,
    want: u32,
}

impl fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} replicas have confirmed a write in time", self.have, self.want)
    }
}

impl std::error::Error for Unconfirmed {}

pub(super) struct Confirming {
    this: Weak<Confirming>,
    nodes: Rc<Nodes>,
    reactor: Reactor,
    replicas: u32,
    timeout: Duration,
    buckets: RefCell<Vec<Bucket>>,
    /// How many offers wait for their batch.
    waiting: Cell<usize>,
}

#[derive(Default)]
struct Bucket {
    waiting: Vec<Waiting>,
    is_under_way: bool,
}

struct Waiting {
    command: Command<'static>,
    since: Instant,
    firer: Firer<Value>,
}

impl Confirming {
    pub(super) fn new(
        nodes: &Rc<Nodes>,
        reactor: &Reactor,
        replicas: u32,
        timeout: Duration,
        buckets: u16,
    ) -> Rc<Confirming> {
        Rc::new_cyclic(|this| Confirming {
            this: this.clone(),
            nodes: nodes.clone(),
            reactor: reactor.clone(),
            replicas,
            timeout,
            buckets: RefCell::new((0..buckets).map(|_| Bucket::default()).collect()),
            waiting: Cell::new(0),
        })
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.get()
    }

    /// Fires with the reply to the command when the replicas have what it wrote.
    pub(super) fn send(&self, bucket: u16, command: Command<'static>) -> Deferred<Value> {
        let (deferred, firer) = Deferred::new();
        let since = self.reactor.now();
        let is_free = {
            let bucket = &mut self.buckets.borrow_mut()[usize::from(bucket)];
            bucket.waiting.push(Waiting { command, since, firer });
            !bucket.is_under_way
        };
        self.waiting.set(self.waiting.get() + 1);
        if is_free {
            self.send_batch(bucket);
        }
        deferred
    }

    /// Whether offers of this bucket have not been sent yet: a question must not overtake them, or a client could be
    /// told something older than what it has just said.
    pub(super) fn holds_back(&self, bucket: u16) -> bool {
        !self.buckets.borrow()[usize::from(bucket)].waiting.is_empty()
    }

    /// The wait that stands behind writes, for a command that may take this long.
    fn wait(&self, within: Duration) -> Command<'static> {
        // Its answer has to come before the command's time is over. Zero would wait for ever.
        let milliseconds = (within.as_millis() as u64 * 9 / 10).max(1);
        Command::new("WAIT").arg(self.replicas).arg(milliseconds)
    }

    /// Sends a probe with a wait of its own: a short one, because all other commands to that server wait behind it.
    pub(super) fn probe(&self, command: Command<'static>) -> Deferred<Value> {
        let (want, wait) = (self.replicas, self.wait(self.timeout / PROBE_PART));
        self.nodes.batch(self.timeout, vec![command, wait]).add_callback(move |mut replies| {
            confirmed(&mut replies, want)?;
            replies.pop().ok_or_else(missing)
        })
    }

    fn send_batch(&self, bucket: u16) {
        let batch: Vec<Waiting> = {
            let bucket = &mut self.buckets.borrow_mut()[usize::from(bucket)];
            let count = bucket.waiting.len().min(MAX_BATCH);
            bucket.is_under_way = count > 0;
            bucket.waiting.drain(..count).collect()
        };
        let Some(oldest) = batch.first().map(|first| first.since) else { return };
        self.waiting.set(self.waiting.get() - batch.len());
        let left = self.timeout.saturating_sub(self.reactor.now().saturating_duration_since(oldest));
        let (mut commands, firers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.command, waiting.firer)).unzip();
        commands.push(self.wait(left));
        let (this, want) = (self.this.clone(), self.replicas);
        let sent = self.nodes.batch(left, commands);
        sent.add_both(move |replies| {
            let replies = replies.and_then(|mut replies| {
                confirmed(&mut replies, want)?;
                (replies.len() == firers.len()).then_some(replies).ok_or_else(missing)
            });
            // The next batch first: who hears of this one may make further offers.
            if let Some(confirming) = this.upgrade() {
                confirming.send_batch(bucket);
            }
            // A Firer fails only if nobody waits for it any more.
            match replies {
                Ok(replies) => firers.into_iter().zip(replies).for_each(|(firer, reply)| {
                    let _ = match reply {
                        Value::Error(error) => firer.errback(error),
                        reply => firer.callback(reply),
                    };
                }),
                Err(failure) => firers.into_iter().for_each(|firer| {
                    let _ = firer.errback(failure.clone());
                }),
            }
        })
        .detach();
    }
}

/// Takes the reply to the `WAIT` off the end.
fn confirmed(replies: &mut Vec<Value>, want: u32) -> Result<(), Failure> {
    match replies.pop() {
        Some(Value::Integer(have)) if have >= i64::from(want) => Ok(()),
        Some(Value::Integer(have)) => Err(Unconfirmed { have, want }.into()),
        Some(Value::Error(error)) => Err(error.into()),
        _ => Err(Failure::msg("the store's answer to WAIT makes no sense")),
    }
}

fn missing() -> Failure {
    Failure::msg("the store has left out a reply")
}
