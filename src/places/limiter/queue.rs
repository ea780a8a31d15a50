//! [`FairQueue`]: the questions that wait, in one line for each asker. The lines take turns.
//!
//! An asker that asks a thousand times waits behind its own questions. It delays another asker by one question at most.
//!
//! Next: `budget.rs`, how many questions may be asked at all.

use crate::address_group::AddressGroup;
use std::collections::{BTreeMap, VecDeque};

/// Maximum number of askers of one question. For those that come later it keeps the turns that it has.
const MAX_ASKERS: usize = 64;

/// Names a question that waits.
pub(super) type Ticket = u64;

/// What waits, and in which lines.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    max: usize,
    next: Ticket,
    waiting: BTreeMap<Ticket, Queued<T>>,
    /// None of them is empty.
    lines: BTreeMap<AddressGroup, VecDeque<Ticket>>,
    /// Each asker that has a line, once. The first is next.
    turns: VecDeque<AddressGroup>,
}

#[derive(Debug)]
struct Queued<T> {
    value: T,
    /// It stands in the lines of all these.
    askers: Vec<AddressGroup>,
}

impl<T> FairQueue<T> {
    /// A queue for at most `max` questions.
    pub(super) fn new(max: usize) -> FairQueue<T> {
        FairQueue { max, next: 0, waiting: BTreeMap::new(), lines: BTreeMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The ticket for the next [`push`](FairQueue::push).
    pub(super) fn new_ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Appends to the asker's line. If there is no room, a question has to go, and it is returned: the newest of the
    /// longest line, so that a crowd from one address cannot keep others out. It may be this one.
    pub(super) fn push(&mut self, ticket: Ticket, asker: AddressGroup, value: T) -> Option<T> {
        self.waiting.insert(ticket, Queued { value, askers: Vec::new() });
        self.enter(ticket, asker);
        if self.waiting.len() <= self.max {
            return None;
        }
        let longest = self.lines.values().map(VecDeque::len).max().unwrap_or(0);
        // Of two lines of the same length, the newcomer's loses: otherwise each newcomer would push another one out.
        let is_own = self.lines.get(&asker).is_some_and(|line| line.len() == longest);
        let line = if is_own { self.lines.get(&asker) } else { self.lines.values().find(|line| line.len() == longest) };
        // A question of several askers stays: it waits in another, shorter line, too.
        let of_one = |ticket: &&Ticket| self.waiting.get(ticket).is_some_and(|waiting| waiting.askers.len() == 1);
        let loser = line.and_then(|line| line.iter().rev().find(of_one)).copied().unwrap_or(ticket);
        self.remove(loser)
    }

    /// Another asker wants the answer to the first question for which `is_it` holds. So the question gets a place in
    /// that asker's line too, and its turn comes as soon as the turn of either.
    pub(super) fn join(&mut self, asker: AddressGroup, is_it: impl Fn(&T) -> bool) {
        let found = self.waiting.iter().find(|(_, waiting)| is_it(&waiting.value));
        if let Some((ticket, waiting)) = found
            && waiting.askers.len() < MAX_ASKERS
            && !waiting.askers.contains(&asker)
        {
            self.enter(*ticket, asker);
        }
    }

    fn enter(&mut self, ticket: Ticket, asker: AddressGroup) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else { return };
        waiting.askers.push(asker);
        let line = self.lines.entry(asker).or_default();
        if line.is_empty() {
            self.turns.push_back(asker);
        }
        line.push_back(ticket);
    }

    /// The question that is next, and the asker that takes its turn with it.
    pub(super) fn pop(&mut self) -> Option<(AddressGroup, T)> {
        let asker = self.next_asker()?;
        let ticket = *self.lines.get(&asker)?.front()?;
        self.turns.rotate_left(1);
        Some((asker, self.remove(ticket)?))
    }

    /// The asker whose turn it is.
    pub(super) fn next_asker(&self) -> Option<AddressGroup> {
        self.turns.front().copied()
    }

    /// The asker whose turn it is may not ask: its first question leaves its line. `None` if the question still waits,
    /// in the line of another.
    pub(super) fn decline(&mut self) -> Option<T> {
        let asker = self.next_asker()?;
        let ticket = *self.lines.get(&asker)?.front()?;
        let waiting = self.waiting.get_mut(&ticket)?;
        if waiting.askers.len() == 1 {
            return self.remove(ticket);
        }
        waiting.askers.retain(|other| *other != asker);
        self.leave_line(asker, ticket);
        None
    }

    fn leave_line(&mut self, asker: AddressGroup, ticket: Ticket) {
        let Some(line) = self.lines.get_mut(&asker) else { return };
        line.retain(|other| *other != ticket);
        if line.is_empty() {
            self.lines.remove(&asker);
            self.turns.retain(|other| *other != asker);
        }
    }

    /// Takes a question out.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let waiting = self.waiting.remove(&ticket)?;
        waiting.askers.iter().for_each(|asker| self.leave_line(*asker, ticket));
        Some(waiting.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn asker(last: u8) -> AddressGroup {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn push(queue: &mut FairQueue<&'static str>, from: u8, value: &'static str) -> Option<&'static str> {
        let ticket = queue.new_ticket();
        queue.push(ticket, asker(from), value)
    }

    fn all(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).map(|(_, value)| value).collect()
    }

    #[test]
    fn askers_take_turns_and_each_has_its_own_order() {
        let mut queue = FairQueue::new(10);
        for (from, value) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert_eq!(push(&mut queue, from, value), None);
        }
        assert_eq!(all(&mut queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!((queue.len(), queue.lines.len(), queue.turns.len()), (0, 0, 0));
    }

    #[test]
    fn a_newcomer_is_next_after_those_that_wait_already() {
        let mut queue = FairQueue::new(10);
        for value in ["a1", "a2", "a3"] {
            push(&mut queue, 1, value);
        }
        assert_eq!(queue.pop(), Some((asker(1), "a1")));
        push(&mut queue, 2, "b1");
        assert_eq!(all(&mut queue), ["a2", "b1", "a3"]);
    }

    #[test]
    fn a_full_queue_refuses_the_crowd_and_not_the_newcomer() {
        let mut queue = FairQueue::new(3);
        for value in ["a1", "a2", "a3"] {
            push(&mut queue, 1, value);
        }
        assert_eq!(push(&mut queue, 1, "a4"), Some("a4"));
        assert_eq!(push(&mut queue, 2, "b1"), Some("a3"));
        assert_eq!(push(&mut queue, 3, "c1"), Some("a2"));
        assert_eq!(push(&mut queue, 4, "d1"), Some("d1"), "nobody has more than one");
        assert_eq!(push(&mut queue, 2, "b2"), Some("b2"));
        assert_eq!(all(&mut queue), ["a1", "b1", "c1"]);
    }

    #[test]
    fn a_question_that_another_asker_shares_has_the_better_turn_of_the_two() {
        let mut queue = FairQueue::new(10);
        for value in ["a1", "a2", "a3"] {
            push(&mut queue, 1, value);
        }
        queue.join(asker(2), |value| *value == "a3");
        queue.join(asker(2), |value| *value == "a3");
        queue.join(asker(2), |value| *value == "nobody asks this");
        assert_eq!(queue.pop(), Some((asker(1), "a1")));
        assert_eq!(queue.pop(), Some((asker(2), "a3")));
        assert_eq!(all(&mut queue), ["a2"]);
        assert_eq!((queue.len(), queue.lines.len(), queue.turns.len()), (0, 0, 0));
    }

    #[test]
    fn a_full_queue_keeps_a_question_that_several_wait_for() {
        let mut queue = FairQueue::new(2);
        for value in ["a1", "a2"] {
            push(&mut queue, 1, value);
        }
        queue.join(asker(2), |value| *value == "a2");
        assert_eq!(push(&mut queue, 3, "c1"), Some("a1"));
    }

    #[test]
    fn a_question_that_one_asker_may_not_ask_waits_for_the_turn_of_another() {
        let mut queue = FairQueue::new(10);
        for value in ["a1", "a2"] {
            push(&mut queue, 1, value);
        }
        queue.join(asker(2), |value| *value == "a1");
        assert_eq!(queue.decline(), None);
        assert_eq!((queue.next_asker(), queue.decline()), (Some(asker(1)), Some("a2")));
        assert_eq!(queue.pop(), Some((asker(2), "a1")));
        assert_eq!((queue.len(), queue.lines.len(), queue.turns.len()), (0, 0, 0));
    }

    #[test]
    fn a_question_that_is_taken_out_leaves_nothing() {
        let mut queue = FairQueue::new(10);
        let ticket = queue.new_ticket();
        queue.push(ticket, asker(1), "a1");
        queue.join(asker(2), |value| *value == "a1");
        assert_eq!((queue.remove(ticket), queue.remove(ticket)), (Some("a1"), None));
        assert_eq!((queue.len(), queue.lines.len(), queue.turns.len()), (0, 0, 0));
    }
}
