//! [`Notes`]: what has happened, as JSON, between two looks. Pure.
//!
//! A herd may take a hundred thousand locations a second. No person can follow that, and to write it all down would
//! slow the herd. So there is a budget for what happens often, which a burst may use up and each look refills a little,
//! and a maximum number of bytes between two looks. What is beyond them is counted, and not even written. What is rarer
//! has room of its own.
//!
//! Next: `reporter.rs`, which takes the notes.

use serde_json::{Value, json};
use std::cell::{Cell, RefCell};

/// The maximum number of notes about locations (heard, told, forgotten) at once: the flood of some sixty IAMATs.
const BURST: usize = 400;

/// How many of those each look gives back: 500 a second.
const REFILL: usize = 50;

/// The maximum number of other notes between two looks.
const MAX_RARE: usize = 40;

/// The maximum number of bytes between two looks. A client's name may be as long as a line.
const MAX_BYTES: usize = 128 * 1024;

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For each location of each client.
    Frequent,
    /// For each question, each mistake, each link.
    Rare,
}

/// Where a [`Reporter`](super::Reporter) writes what happens.
pub trait Notebook {
    /// Adds a note, a JSON object, if there is room for it. `make` is called only then.
    fn add(&self, kind: Kind, make: impl FnOnce() -> Value);

    /// The same for a note that need not be written until somebody reads it: `keep` takes what it will be made of, and
    /// is called only if there is room. A notebook that drops most of its notes unread has its own way; by default, the
    /// note is written at once.
    fn add_unwritten(&self, kind: Kind, keep: impl FnOnce() -> Unwritten) {
        self.add(kind, || keep()());
    }
}

/// Writes a note.
pub type Unwritten = Box<dyn Fn() -> Value>;

/// What has happened since the last look.
#[derive(Debug)]
pub(super) struct Notes {
    list: RefCell<Vec<String>>,
    /// How many more notes may be about what happens often.
    frequent: Cell<usize>,
    rare: Cell<usize>,
    bytes: Cell<usize>,
    left_out: Cell<u64>,
}

impl Default for Notes {
    fn default() -> Notes {
        Notes {
            list: RefCell::default(),
            frequent: Cell::new(BURST),
            rare: Cell::new(MAX_RARE),
            bytes: Cell::new(0),
            left_out: Cell::new(0),
        }
    }
}

impl Notebook for Notes {
    fn add(&self, kind: Kind, make: impl FnOnce() -> Value) {
        let room = if kind == Kind::Frequent { &self.frequent } else { &self.rare };
        if room.get() == 0 || self.bytes.get() >= MAX_BYTES {
            return self.left_out.set(self.left_out.get() + 1);
        }
        room.set(room.get() - 1);
        let text = make().to_string();
        self.bytes.set(self.bytes.get() + text.len());
        self.list.borrow_mut().push(text);
    }
}

impl Notes {
    /// How many notes were left out since the last look.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    /// There is room again: the time between two looks has passed.
    pub(super) fn refill(&self) {
        self.frequent.set((self.frequent.get() + REFILL).min(BURST));
        self.rare.set(MAX_RARE);
        self.bytes.set(0);
    }

    /// All of them as a JSON list, and how many were left out as the last of them. `None` if nothing has happened.
    pub(super) fn take(&self, by: &str) -> Option<String> {
        let mut list = self.list.take();
        let left_out = self.left_out.take();
        if left_out > 0 {
            list.push(json!({ "kind": "left_out", "by": by, "count": left_out }).to_string());
        }
        (!list.is_empty()).then(|| format!("[{}]", list.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_locations_leaves_room_for_what_is_rare() {
        let notes = Notes::default();
        assert_eq!(notes.take("A"), None);
        let mut made = 0;
        for number in 0..1000 {
            notes.add(Kind::Frequent, || {
                made += 1;
                json!(number)
            });
        }
        assert_eq!(made, BURST, "what is left out is not even written");
        for _ in 0..=MAX_RARE {
            notes.add(Kind::Rare, || json!("rare"));
        }
        let list = |notes: &Notes| -> Vec<Value> {
            let list = serde_json::from_str(&notes.take("A").unwrap()).unwrap();
            assert_eq!(notes.take("A"), None, "taking them gives no room");
            notes.refill();
            list
        };
        let all = list(&notes);
        assert_eq!((all.len(), &all[BURST]), (BURST + MAX_RARE + 1, &json!("rare")));
        let left_out = 1000 - BURST + 1;
        assert_eq!(all[BURST + MAX_RARE], json!({ "kind": "left_out", "by": "A", "count": left_out }));
        (0..1000).for_each(|number| notes.add(Kind::Frequent, || json!(number)));
        assert_eq!(list(&notes).len(), REFILL + 1, "a burst is paid back");
        (0..BURST / REFILL).for_each(|_| notes.refill());
        (0..1000).for_each(|number| notes.add(Kind::Frequent, || json!(number)));
        assert_eq!(list(&notes).len(), BURST + 1);
        notes.add(Kind::Rare, || json!("x".repeat(2 * MAX_BYTES)));
        notes.add(Kind::Rare, || json!("no room"));
        assert!(notes.take("A").unwrap().ends_with(r#","count":1,"kind":"left_out"}]"#));
    }
}
