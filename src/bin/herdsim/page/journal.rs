//! [`Journal`]: what has happened lately in a run, note by note, as JSON. What the page shows of it when a run stands
//! still must not depend on how it came there, so the journal is decided by the run alone: it has the notes of the last
//! minute, and of those at most a fixed number. Most notes of a run that goes fast are dropped unread, so a note is
//! written only when somebody reads it.
//!
//! Next: `show.rs`, one run.

use proxyherd::page::{Kind, Notebook, Unwritten};
use reactor::Reactor;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back the journal goes.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The maximum number of notes about locations.
const MAX_FREQUENT: usize = 1500;

/// The maximum number of other notes.
const MAX_RARE: usize = 200;

/// The maximum number of notes that are sent at once while a run goes on. No person can follow more.
const MAX_SENT: usize = 300;

/// The notes of a run.
#[derive(Default)]
pub(crate) struct Journal {
    frequent: RefCell<VecDeque<Entry>>,
    rare: RefCell<VecDeque<Entry>>,
    /// A reactor whose program runs as long as the world, and what it said of the time when the world began.
    clock: RefCell<Option<(Reactor, Instant)>>,
    next: Cell<u64>,
    /// The number of the first note that has not been sent.
    unsent: Cell<u64>,
    reader: RefCell<Option<Reader>>,
}

/// Gets each note as it is made, with its time.
type Reader = Box<dyn Fn(Duration, &Value)>;

struct Entry {
    number: u64,
    time: Duration,
    note: Unwritten,
}

impl Entry {
    fn write(&self) -> Value {
        let mut note = (self.note)();
        // The servers' own clocks may be wrong here.
        note["at"] = json!(self.time.as_secs_f64());
        note
    }
}

impl Journal {
    /// The world has begun; this reactor tells the time.
    pub(crate) fn set_clock(&self, reactor: Reactor) {
        let begin = reactor.now();
        *self.clock.borrow_mut() = Some((reactor, begin));
    }

    /// This one gets each note from now on.
    pub(crate) fn read_by(&self, reader: impl Fn(Duration, &Value) + 'static) {
        *self.reader.borrow_mut() = Some(Box::new(reader));
    }

    /// The time since the world began.
    pub(crate) fn now(&self) -> Duration {
        let clock = self.clock.borrow();
        clock.as_ref().map_or(Duration::ZERO, |(reactor, begin)| reactor.now().saturating_duration_since(*begin))
    }

    /// Forgets everything, because nothing is noted for a while.
    pub(crate) fn clear(&self) {
        self.frequent.borrow_mut().clear();
        self.rare.borrow_mut().clear();
        self.unsent.set(self.next.get());
    }

    /// Everything that is kept, oldest first, in JSON.
    pub(crate) fn all(&self) -> Vec<String> {
        self.forget_old();
        self.unsent.set(self.next.get());
        self.since(0)
    }

    /// What has not been sent yet, and how many notes are left out because there were too many.
    pub(crate) fn unsent(&self) -> (Vec<String>, u64) {
        let (first, next) = (self.unsent.replace(self.next.get()), self.next.get());
        let mut notes = self.since(first);
        let surplus = notes.len().saturating_sub(MAX_SENT);
        notes.drain(..surplus);
        let left_out = next - first - notes.len() as u64;
        (notes, left_out)
    }

    fn since(&self, first: u64) -> Vec<String> {
        let (frequent, rare) = (self.frequent.borrow(), self.rare.borrow());
        let mut all: Vec<&Entry> = frequent.iter().chain(rare.iter()).filter(|entry| entry.number >= first).collect();
        all.sort_unstable_by_key(|entry| entry.number);
        all.into_iter().map(|entry| entry.write().to_string()).collect()
    }

    fn forget_old(&self) {
        let Some(oldest) = self.now().checked_sub(WINDOW) else { return };
        for list in [&self.frequent, &self.rare] {
            let list = &mut *list.borrow_mut();
            while list.front().is_some_and(|entry| entry.time <= oldest) {
                list.pop_front();
            }
        }
    }
}

impl Notebook for Journal {
    fn add(&self, kind: Kind, make: impl FnOnce() -> Value) {
        let note = make();
        self.add_unwritten(kind, || Box::new(move || note.clone()));
    }

    fn add_unwritten(&self, kind: Kind, keep: impl FnOnce() -> Unwritten) {
        let number = self.next.get();
        let entry = Entry { number, time: self.now(), note: keep() };
        if let Some(reader) = &*self.reader.borrow() {
            reader(entry.time, &entry.write());
        }
        self.next.set(number + 1);
        let (list, most) = match kind {
            Kind::Frequent => (&self.frequent, MAX_FREQUENT),
            Kind::Rare => (&self.rare, MAX_RARE),
        };
        let list = &mut *list.borrow_mut();
        if list.len() >= most {
            list.pop_front();
        }
        list.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_keeps_a_fixed_number_and_sends_what_is_new() {
        let journal = Journal::default();
        journal.add(Kind::Rare, || json!({ "kind": "first" }));
        for number in 0..MAX_FREQUENT + 5 {
            journal.add(Kind::Frequent, || json!({ "number": number }));
        }
        let (notes, left_out) = journal.unsent();
        assert_eq!((notes.len(), left_out), (MAX_SENT, (MAX_FREQUENT + 6 - MAX_SENT) as u64));
        assert_eq!(journal.unsent(), (Vec::new(), 0));
        let all = journal.all();
        assert_eq!((all.len(), &all[0][..]), (MAX_FREQUENT + 1, r#"{"at":0.0,"kind":"first"}"#));
        assert!(all[1].contains(r#""number":5"#), "{}", all[1]);
        journal.clear();
        assert_eq!(journal.all().len(), 0);
    }
}
