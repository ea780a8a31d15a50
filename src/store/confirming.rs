//! [`Confirming`]: offers that count only when replicas have them.
//!
//! ```text
//!   offer, offer, offer, WAIT 1        one batch for each server is under way at a time;
//!   offer, offer ...                   what comes meanwhile is the next one, with a WAIT of its own
//! ```
//!
//! `WAIT` answers for all writes before it on its connection, whatever their buckets are. So a server gets one for each
//! journey to its replicas, and not one for each bucket. It stands in one piece with its offers: after a connection
//! that was lost, it would confirm what never happened. An offer that the server has redirected has not been carried
//! out, and that `WAIT` says nothing about it: it goes where it was sent to with a `WAIT` of its own.
//!
//! While a `WAIT` waits, the server carries out nothing else of its connection. With all replicas there, that is the
//! time to a replica and back. But when one is missing, each `WAIT` takes its whole time, and everything behind it is
//! late. So after the first one that is not confirmed, all buckets of that server count as lost; only a probe waits.
//!
//! Next: [`server.rs`](mod@crate::server), which decides where an AT goes.

use super::StoreError;
use super::nodes::Nodes;
use super::why::{is_cut, is_not_sent};
use crate::next_turn::NextTurn;
use reactor::resp::{Command, Value};
use reactor::{Deferred, Failure, Firer, Reactor};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Maximum number of offers that share a `WAIT`: a server carries them out in some 20 ms, and a question that comes
/// meanwhile waits for that time. With replicas that are 10 ms away it makes 50,000 offers a second.
const MAX_BATCH: usize = 1024;

/// Maximum number of replies that are handed on in one turn of the loop: some milliseconds' work.
const MAX_HANDED_ON: usize = 128;

/// How late the answer to a `WAIT` may be that is not confirmed. Redis looks for waits that are over ten times a second
/// (`hz`) while nothing else happens.
const ANSWER_IS_LATE: Duration = Duration::from_millis(120);

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
    /// What waits for each server. `None` is the only one, or not known.
    lines: RefCell<BTreeMap<Option<u16>, Line>>,
    /// For each bucket, how many commands stand in a line.
    unsent: RefCell<Vec<u32>>,
    /// How many offers wait for their batch.
    waiting: Cell<usize>,
    /// What one turn of the loop says leaves together.
    begin: NextTurn,
    /// Replies that have come, and have not been handed on.
    replies: RefCell<VecDeque<Replied>>,
    hand_on: NextTurn,
    is_stopped: Cell<bool>,
}

/// Who waits for a reply, and the reply.
type Replied = (Firer<Value>, Result<Value, Failure>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    is_under_way: bool,
}

struct Waiting {
    bucket: u16,
    command: Command<'static>,
    kind: Kind,
    since: Instant,
    firer: Firer<Value>,
}

/// What a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its reply counts when the replicas have what it wrote.
    Offer,
    /// It only has to stand behind the offers.
    Question,
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
            lines: RefCell::default(),
            unsent: RefCell::new(vec![0; buckets.into()]),
            waiting: Cell::new(0),
            begin: NextTurn::default(),
            replies: RefCell::default(),
            hand_on: NextTurn::default(),
            is_stopped: Cell::new(false),
        })
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.get()
    }

    /// Fires with the reply to the command; if it is an offer, when the replicas have what it wrote.
    pub(super) fn send(&self, bucket: u16, kind: Kind, command: Command<'static>) -> Deferred<Value> {
        let (deferred, firer) = Deferred::new();
        if self.is_stopped.get() {
            let _ = firer.errback(StoreError::Lost); // It has just been made.
            return deferred;
        }
        let waiting = Waiting { bucket, command, kind, since: self.reactor.now(), firer };
        self.waiting.set(self.waiting.get() + 1);
        self.unsent.borrow_mut()[usize::from(bucket)] += 1;
        self.lines.borrow_mut().entry(self.nodes.place_of(bucket)).or_default().waiting.push_back(waiting);
        let this = self.this.clone();
        self.begin.ask(&self.reactor, move || this.upgrade().into_iter().for_each(|it| it.begin_batches()));
        deferred
    }

    /// Whether offers of this bucket have not been sent yet: a question must not overtake them, or a client could be
    /// told something older than what it has just said.
    pub(super) fn holds_back(&self, bucket: u16) -> bool {
        self.unsent.borrow()[usize::from(bucket)] > 0
    }

    /// The wait that stands behind writes, for a command that may take this long.
    fn wait(&self, within: Duration) -> Command<'static> {
        Command::new("WAIT").arg(self.replicas).arg(milliseconds_to_wait(within))
    }

    /// Sends a probe with a wait of its own: a short one, because all other commands to that server wait behind it.
    pub(super) fn probe(&self, command: Command<'static>) -> Deferred<Value> {
        let (want, wait) = (self.replicas, self.wait(self.timeout / PROBE_PART));
        self.nodes.batch(self.timeout, vec![command, wait]).add_callback(move |mut replies| {
            confirmed(&mut replies, want)?;
            replies.pop().ok_or_else(missing)
        })
    }

    /// Nothing waits any more. What is under way ends with its connection.
    pub(super) fn stop(&self) {
        self.is_stopped.set(true);
        self.begin.cancel();
        let lines = self.lines.take();
        for waiting in lines.into_values().flat_map(|line| line.waiting) {
            self.count_sent(&waiting);
            let _ = waiting.firer.errback(StoreError::Lost); // It fails only if nobody waits any more.
        }
        self.hand_on();
    }

    fn begin_batches(&self) {
        let is_free = |line: &Line| !line.is_under_way && !line.waiting.is_empty();
        let lines = self.lines.borrow();
        let free: Vec<_> = lines.iter().filter(|(_, line)| is_free(line)).map(|(server, _)| *server).collect();
        drop(lines);
        free.into_iter().for_each(|server| self.send_batch(server));
    }

    fn send_batch(&self, server: Option<u16>) {
        let batch: Vec<Waiting> = {
            let mut lines = self.lines.borrow_mut();
            let Some(line) = lines.get_mut(&server) else { return };
            let count = line.waiting.len().min(MAX_BATCH);
            line.is_under_way = count > 0;
            if count == 0 {
                lines.remove(&server); // The server may be one that the cluster has no more.
                return;
            }
            line.waiting.drain(..count).collect()
        };
        batch.iter().for_each(|waiting| self.count_sent(waiting));
        let this = self.this.clone();
        self.send_together(&batch)
            .add_both(move |replies| {
                let Some(confirming) = this.upgrade() else { return };
                // The next batch first: who hears of this one may make further offers.
                confirming.send_batch(server);
                confirming.answered(batch, replies, true);
            })
            .detach();
    }

    fn count_sent(&self, waiting: &Waiting) {
        self.waiting.set(self.waiting.get() - 1);
        self.unsent.borrow_mut()[usize::from(waiting.bucket)] -= 1;
    }

    /// Sends commands of one server, and a wait.
    fn send_together(&self, batch: &[Waiting]) -> Deferred<Vec<Value>> {
        let commands = batch.iter().map(|waiting| waiting.command.clone());
        match batch.first() {
            Some(oldest) => {
                let left = self.left(oldest);
                self.nodes.batch_at(oldest.bucket, left, commands.chain([self.wait(left)]).collect())
            }
            None => reactor::deferred::succeed(Vec::new()),
        }
    }

    fn left(&self, waiting: &Waiting) -> Duration {
        self.timeout.saturating_sub(self.reactor.now().saturating_duration_since(waiting.since))
    }

    /// The replies to a batch are here, and what its wait says. What has not been carried out follows its bucket, if
    /// it `may_go_on`. So does a batch whose connection was cut: whatever of it has been carried out, it writes again.
    fn answered(&self, batch: Vec<Waiting>, replies: Result<Vec<Value>, Failure>, may_go_on: bool) {
        let replies = replies.and_then(|mut replies| {
            let waited = confirmed(&mut replies, self.replicas);
            (replies.len() == batch.len()).then_some((replies, waited)).ok_or_else(missing)
        });
        let mut elsewhere = BTreeMap::<u16, Vec<Waiting>>::new();
        match replies {
            Ok((replies, waited)) => {
                for (waiting, reply) in batch.into_iter().zip(replies) {
                    let result = match (reply, &waited) {
                        (Value::Error(error), _) if may_go_on && self.nodes.is_elsewhere(&error) => {
                            elsewhere.entry(self.piece_of(&waiting)).or_default().push(waiting);
                            continue;
                        }
                        (Value::Error(error), _) => Err(error.into()),
                        (_, Err(failure)) if waiting.kind == Kind::Offer => Err(failure.clone()),
                        (reply, _) => Ok(reply),
                    };
                    self.replies.borrow_mut().push_back((waiting.firer, result));
                }
            }
            Err(failure) => {
                let goes_on = may_go_on && (self.nodes.is_cluster() && is_not_sent(&failure) || is_cut(&failure));
                for waiting in batch {
                    match goes_on {
                        true => elsewhere.entry(self.piece_of(&waiting)).or_default().push(waiting),
                        false => self.replies.borrow_mut().push_back((waiting.firer, Err(failure.clone()))),
                    }
                }
            }
        }
        elsewhere.into_values().for_each(|waiting| self.send_on(waiting));
        self.hand_on();
    }

    /// Commands with the same number can leave in one piece, whatever has become of the cluster.
    fn piece_of(&self, waiting: &Waiting) -> u16 {
        if self.nodes.is_cluster() { waiting.bucket } else { 0 }
    }

    /// Sends commands of one bucket to wherever the cluster has it, with a wait of their own.
    fn send_on(&self, batch: Vec<Waiting>) {
        let Some(left) = batch.first().map(|oldest| self.left(oldest)) else { return };
        let commands = batch.iter().map(|waiting| waiting.command.clone()).chain([self.wait(left)]).collect();
        let this = self.this.clone();
        self.nodes
            .batch(left, commands)
            .add_both(move |replies| {
                if let Some(confirming) = this.upgrade() {
                    confirming.answered(batch, replies, false);
                }
            })
            .detach();
    }

    /// Hands some replies on, and the others in the next turns.
    fn hand_on(&self) {
        if self.hand_on.is_asked() && !self.is_stopped.get() {
            return;
        }
        let most = if self.is_stopped.get() { usize::MAX } else { MAX_HANDED_ON };
        for _ in 0..most {
            let next = self.replies.borrow_mut().pop_front();
            let Some((firer, result)) = next else { return };
            let _ = firer.fire(result); // It fails only if nobody waits any more.
        }
        if !self.replies.borrow().is_empty() {
            let this = self.this.clone();
            self.hand_on.ask(&self.reactor, move || this.upgrade().into_iter().for_each(|it| it.hand_on()));
        }
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

/// How long a `WAIT` of a command may wait that may take this long. Its answer has to come before that time is over: an
/// answer that is late counts against the server, and not against the replica. Zero would wait for ever.
fn milliseconds_to_wait(within: Duration) -> u64 {
    let spared = ANSWER_IS_LATE.max(within / 10).min(within / 2);
    ((within - spared).as_millis() as u64).max(1)
}

fn missing() -> Failure {
    Failure::msg("the store has left out a reply")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_that_nobody_has_confirmed_comes_before_the_time_of_the_command_is_over() {
        for (within, wait) in [(0, 1), (1, 1), (100, 50), (300, 180), (500, 380), (1000, 880), (5000, 4500)] {
            assert_eq!(milliseconds_to_wait(Duration::from_millis(within)), wait, "{within} ms");
        }
    }
}
