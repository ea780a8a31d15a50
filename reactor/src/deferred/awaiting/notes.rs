//! [`Notes`]: what wakers leave for the coroutines of a thread, until its reactor reads it.
//!
//! Next: `../several/mod.rs`.

use std::collections::HashSet;

/// A note from a waker about the coroutine with this number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Note {
    Wake(u64),
    /// Its last waker is gone: nothing can wake it any more.
    Forget(u64),
}

/// Notes in the order in which they came, each once: so there are at most two for each coroutine, however often it is
/// woken. Where no reactor runs, nothing reads them.
#[derive(Default)]
pub(super) struct Notes {
    list: Vec<Note>,
    known: HashSet<Note>,
}

/// With fewer notes than this, nothing is cleared away.
const CLEARED_FROM: usize = 256;

impl Notes {
    /// Adds a note, unless the same one is there. Returns whether it is the first since the notes were read.
    pub(super) fn push(&mut self, note: Note) -> bool {
        let is_first = self.list.is_empty();
        if self.known.insert(note) {
            self.list.push(note);
        }
        is_first
    }

    /// Drops notes for coroutines that do not rest: they went on or ended. (One that is running at this moment has its
    /// own flag that says it was woken.)
    ///
    /// Does nothing unless there are many more notes than `resting` coroutines can need. So the cost of clearing is
    /// amortized over the notes that are left.
    pub(super) fn clear_away(&mut self, resting: usize, rests: impl Fn(u64) -> bool) {
        if self.list.len() >= CLEARED_FROM.max(4 * resting) {
            self.list.retain(|(Note::Wake(id) | Note::Forget(id))| rests(*id));
            self.known = self.list.iter().copied().collect();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Note> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_is_kept_once_in_the_order_of_the_first_ones() {
        let mut notes = Notes::default();
        for round in 0..20 {
            for id in 0..100 {
                assert_eq!(notes.push(Note::Wake(1000 - id)), round == 0 && id == 0, "only the first is the first");
            }
        }
        notes.push(Note::Forget(1000));
        let expected = (0..100).map(|id| Note::Wake(1000 - id)).chain([Note::Forget(1000)]);
        assert!(notes.into_list().into_iter().eq(expected));
    }

    #[test]
    fn notes_for_coroutines_that_do_not_rest_are_cleared_away_once_there_are_many() {
        let mut notes = Notes::default();
        (1..CLEARED_FROM as u64).for_each(|id| assert_eq!(notes.push(Note::Forget(id)), id == 1));
        notes.clear_away(1, |_| false);
        notes.push(Note::Wake(0));
        notes.clear_away(1, |id| id == 0 || id == 7);
        assert_eq!(notes.into_list(), [Note::Forget(7), Note::Wake(0)]);
    }
}
