//! [`Pipeline`]: the commands without a reply. Pure: it neither writes nor fires.
//!
//! ```text
//!   command ---> [ waiting ] --- the connection is there ---> [ owed ] --- replies, in this order --->
//!                 ^ bytes to be written                        ^ written: only who gets the reply
//! ```
//!
//! A server answers in the order of the commands, and nothing in a reply says to which it belongs. So a command that
//! was cancelled after it was sent stays in its place, and its reply goes to nobody; before that, it is taken out.
//!
//! Next: `machine.rs`, what the client does.

use super::error::TooManyWaiting;
use crate::resp::value::Value;
use crate::{Deferred, Firer};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The commands without a reply, on the present connection and before it.
#[derive(Default)]
pub(super) struct Pipeline {
    /// Not written yet, by their numbers.
    waiting: VecDeque<Entry>,
    /// Written, by their numbers.
    owed: VecDeque<Entry>,
    /// What the program has put into both.
    load: Load,
    next: u64,
}

/// A command, or a batch of them, without a reply.
pub(super) struct Entry {
    number: u64,
    pub(super) name: Name,
    deadline: Instant,
    /// How long it had, for messages.
    pub(super) time: Duration,
    /// What the limits count. Zero for the client's own commands.
    load: Load,
    pub(super) answer: Answer,
    /// To be written. Empty as soon as they are.
    pub(super) bytes: Vec<u8>,
}

/// What one call puts on the server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) commands: usize,
    /// On the wire.
    pub(super) bytes: usize,
}

/// What becomes of a reply.
pub(super) enum Answer {
    /// Nobody waits for it any more; this many replies are to come.
    Nobody(usize),
    One(Firer<Value>),
    Batch(Box<Batch>),
    /// The server confirms it by a push, and answers only if it refuses.
    Confirmation(Firer<()>),
}

pub(super) struct Batch {
    pub(super) firer: Firer<Vec<Value>>,
    pub(super) replies: Vec<Value>,
    pub(super) left: usize,
}

/// A reply that is complete, and where it goes.
pub(super) enum Due {
    Nothing,
    One(Firer<Value>, Value),
    Batch(Firer<Vec<Value>>, Vec<Value>),
    Confirmed(Firer<()>, Option<Value>),
}

/// The beginning of a command's name, for messages.
#[derive(Clone, Copy)]
pub(super) struct Name {
    bytes: [u8; 23],
    length: u8,
}

impl Name {
    pub(super) fn new(name: &[u8]) -> Name {
        let mut bytes = [0; 23];
        let length = name.len().min(bytes.len());
        bytes[..length].copy_from_slice(&name[..length]);
        Name { bytes, length: length as u8 }
    }

    pub(super) fn text(&self) -> String {
        self.bytes[..usize::from(self.length)].escape_ascii().to_string().to_ascii_uppercase()
    }
}

impl Entry {
    pub(super) fn new(number: u64, name: Name, deadline: Instant, time: Duration, load: Load, answer: Answer) -> Entry {
        Entry { number, name, deadline, time, load, answer, bytes: Vec::new() }
    }
}

impl Answer {
    /// Number of replies that are still to come.
    fn left(&self) -> usize {
        match self {
            Answer::Nobody(left) => *left,
            Answer::One(_) | Answer::Confirmation(_) => 1,
            Answer::Batch(batch) => batch.left,
        }
    }

    /// Gives the answer away: what still comes goes to nobody.
    fn take(&mut self) -> Answer {
        let left = self.left();
        std::mem::replace(self, Answer::Nobody(left))
    }

    fn is_nobody(&self) -> bool {
        matches!(self, Answer::Nobody(_))
    }
}

impl Pipeline {
    /// The number of the next command. A program's command is cancelled by it.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether `size` bytes more are allowed. A batch that begins below the maximum number is taken whole.
    pub(super) fn check_room(&self, size: usize, max_commands: usize, max_bytes: usize) -> Result<(), TooManyWaiting> {
        if self.load.commands < max_commands && self.load.bytes.saturating_add(size) <= max_bytes {
            return Ok(());
        }
        Err(TooManyWaiting { commands: self.load.commands, bytes: self.load.bytes })
    }

    pub(super) fn commands(&self) -> usize {
        self.load.commands
    }

    /// Whether less than half of what is allowed waits.
    pub(super) fn is_half_empty(&self, max_commands: usize, max_bytes: usize) -> bool {
        self.load.commands <= max_commands / 2 && self.load.bytes <= max_bytes / 2
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn owes_nothing(&self) -> bool {
        self.owed.is_empty()
    }

    /// A command of the program: one that waits, or one that is being written.
    pub(super) fn push(&mut self, entry: Entry, waits: bool) {
        self.load.commands += entry.load.commands;
        self.load.bytes += entry.load.bytes;
        let queue = if waits { &mut self.waiting } else { &mut self.owed };
        queue.push_back(entry);
    }

    /// The bytes of the command that was pushed last.
    pub(super) fn last_waiting(&mut self) -> Option<&mut Vec<u8>> {
        self.waiting.back_mut().map(|entry| &mut entry.bytes)
    }

    /// A command of the client's own, which is being written.
    pub(super) fn push_own(&mut self, name: Name, deadline: Instant, answer: Answer) {
        let number = self.number();
        self.owed.push_back(Entry::new(number, name, deadline, Duration::ZERO, Load::default(), answer));
    }

    /// The next command that waits, from here on owed. Its bytes are the caller's, to be written now.
    pub(super) fn next_to_write(&mut self) -> Option<Vec<u8>> {
        let mut entry = self.waiting.pop_front()?;
        let bytes = std::mem::take(&mut entry.bytes);
        self.owed.push_back(entry);
        Some(bytes)
    }

    /// Takes in a reply. `None` if nobody asked for it.
    pub(super) fn reply(&mut self, value: Value) -> Option<Due> {
        let first = self.owed.front_mut()?;
        match &mut first.answer {
            Answer::Nobody(left) if *left > 1 => {
                *left -= 1;
                return Some(Due::Nothing);
            }
            Answer::Batch(batch) => {
                batch.replies.push(value);
                batch.left -= 1;
                if batch.left > 0 {
                    return Some(Due::Nothing);
                }
                let Answer::Batch(batch) = self.answered()? else { return None };
                return Some(Due::Batch(batch.firer, batch.replies));
            }
            // Only a refusal comes as a reply.
            Answer::Confirmation(_) if !matches!(value, Value::Error(_)) => return None,
            Answer::Nobody(_) | Answer::One(_) | Answer::Confirmation(_) => {}
        }
        Some(match self.answered()? {
            Answer::One(firer) => Due::One(firer, value),
            Answer::Confirmation(firer) => Due::Confirmed(firer, Some(value)),
            Answer::Nobody(_) | Answer::Batch(_) => Due::Nothing,
        })
    }

    /// Takes in a confirmation. `None` if nobody asked for it.
    pub(super) fn confirmation(&mut self) -> Option<Due> {
        if !matches!(self.owed.front()?.answer, Answer::Confirmation(_)) {
            return None;
        }
        match self.answered()? {
            Answer::Confirmation(firer) => Some(Due::Confirmed(firer, None)),
            _ => None,
        }
    }

    /// The oldest command is over.
    fn answered(&mut self) -> Option<Answer> {
        let entry = self.owed.pop_front()?;
        self.discount(&entry);
        Some(entry.answer)
    }

    fn discount(&mut self, entry: &Entry) {
        self.load.commands -= entry.load.commands;
        self.load.bytes -= entry.load.bytes;
    }

    /// The command of this number is cancelled. Returns what is to be dropped, outside of any borrow.
    pub(super) fn cancel(&mut self, number: u64) -> Option<Answer> {
        if let Ok(at) = self.waiting.binary_search_by_key(&number, |entry| entry.number) {
            let entry = self.waiting.remove(at)?;
            self.discount(&entry);
            return Some(entry.answer);
        }
        let at = self.owed.binary_search_by_key(&number, |entry| entry.number).ok()?;
        Some(self.owed[at].answer.take())
    }

    /// Everything that has been written: the connection is gone.
    pub(super) fn take_owed(&mut self) -> Vec<Entry> {
        let taken: Vec<Entry> = self.owed.drain(..).collect();
        taken.iter().for_each(|entry| self.discount(entry));
        taken
    }

    /// Everything that has not been written.
    pub(super) fn take_waiting(&mut self) -> Vec<Entry> {
        let taken: Vec<Entry> = self.waiting.drain(..).collect();
        taken.iter().for_each(|entry| self.discount(entry));
        taken
    }

    /// What has run out of time: first what was written, which stays in its place for nobody, then what was not.
    pub(super) fn take_expired(&mut self, now: Instant) -> (Vec<(Name, Duration, Answer)>, Vec<Entry>) {
        let is_over = |entry: &Entry| entry.deadline <= now && !entry.answer.is_nobody();
        let written = self.owed.iter_mut().filter(|entry| is_over(entry));
        let written = written.map(|entry| (entry.name, entry.time, entry.answer.take())).collect();
        let mut over = Vec::new();
        if self.waiting.iter().any(is_over) {
            for entry in std::mem::take(&mut self.waiting) {
                if is_over(&entry) {
                    self.discount(&entry);
                    over.push(entry);
                } else {
                    self.waiting.push_back(entry);
                }
            }
        }
        (written, over)
    }

    /// When the next command runs out of time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let all = self.owed.iter().chain(&self.waiting);
        all.filter(|entry| !entry.answer.is_nobody()).map(|entry| entry.deadline).min()
    }

    /// Until when the oldest written command should have been answered, even if nobody waits for it any more.
    pub(super) fn oldest_deadline(&self) -> Option<Instant> {
        self.owed.front().map(|entry| entry.deadline)
    }
}

/// A Deferred for the reply of the client's own command.
pub(super) fn own_answer() -> (Deferred<Value>, Answer) {
    let (deferred, firer) = Deferred::unwatched();
    (deferred, Answer::One(firer))
}
