//! [`Comparison`]: what a neighbor lacks of all that we knew when our link to it came up. Pure.
//!
//! It goes down the tree of [`crate::digest`]: the neighbor is asked for the sums of the children of a node, and only
//! where they differ from ours does it go on. So two equal tables take one question and one answer, and each difference
//! takes at most four of them.
//!
//! The neighbor's table changes meanwhile. That does no harm: if a sum of the neighbor's at one moment is that of ours
//! at a later one, the neighbor had then all that we have now, and it only ever takes newer versions.
//!
//! Next: `marks.rs`, a set of clients.

use crate::digest::{CHILDREN, LEAVES, Node};
use std::collections::VecDeque;

/// Maximum number of questions that wait for their answer.
const MAX_ASKED: usize = 32;

/// If fewer clients than this are in a node of our table, they are told: asking would cost as many bytes.
const WORTH_ASKING: usize = 16;

/// A comparison under way.
pub(super) struct Comparison {
    to_ask: VecDeque<Node>,
    /// In the order of the questions.
    asked: VecDeque<Node>,
    differing: Leaves,
}

/// A set of leaves.
#[derive(Clone)]
pub(super) struct Leaves(Vec<u64>);

impl Leaves {
    pub(super) fn none() -> Leaves {
        Leaves(vec![0; LEAVES / 64])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn contains(&self, leaf: usize) -> bool {
        self.0[leaf / 64] >> (leaf % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, leaf: usize) {
        self.0[leaf / 64] |= 1 << (leaf % 64);
    }
}

impl Comparison {
    /// Nothing has been asked yet.
    pub(super) fn new() -> Comparison {
        Comparison { to_ask: VecDeque::from([Node::ROOT]), asked: VecDeque::new(), differing: Leaves::none() }
    }

    /// The next question to the neighbor, if it may be asked now.
    pub(super) fn ask(&mut self) -> Option<Node> {
        let node = (self.asked.len() < MAX_ASKED).then(|| self.to_ask.pop_front()).flatten()?;
        self.asked.push_back(node);
        Some(node)
    }

    /// The node of the question that is to be answered next.
    pub(super) fn next_asked(&self) -> Option<Node> {
        self.asked(0)
    }

    /// The node of the question that is to be answered after that many others.
    pub(super) fn asked(&self, others: usize) -> Option<Node> {
        self.asked.get(others).copied()
    }

    /// The neighbor has answered that question with the sums `theirs`. `ours` are the same of our table, which has
    /// `clients` clients.
    pub(super) fn answered(&mut self, theirs: &[u64; CHILDREN], ours: &[u64; CHILDREN], clients: usize) {
        let Some(node) = self.asked.pop_front() else { return };
        for ((child, theirs), ours) in node.children().zip(theirs).zip(ours) {
            if theirs == ours {
                continue;
            }
            match child.has_children() && clients / child.part() >= WORTH_ASKING {
                true => self.to_ask.push_back(child),
                false => child.leaves().for_each(|leaf| self.differing.insert(leaf)),
            }
        }
    }

    /// The leaves that differ, if all questions have been answered.
    pub(super) fn result(&self) -> Option<&Leaves> {
        (self.to_ask.is_empty() && self.asked.is_empty()).then_some(&self.differing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locations::Locations;
    use crate::message::{Command, parse};

    fn says(locations: &mut Locations, client: usize, time: usize) {
        let line = format!("AT A +1.000000000 client{client} +1+1 {time}");
        let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
        locations.offer(&at, None);
    }

    /// Compares two tables. Returns the number of questions, and of the lines that the first would tell the other.
    fn compare(ours: &mut Locations, theirs: &mut Locations) -> (usize, usize) {
        assert!(ours.hash_some(usize::MAX) && theirs.hash_some(usize::MAX));
        let (mut comparison, mut questions) = (Comparison::new(), 0);
        while comparison.result().is_none() {
            while comparison.ask().is_some() {
                questions += 1;
            }
            let node = comparison.next_asked().unwrap();
            comparison.answered(&theirs.sums(node), &ours.sums(node), ours.len());
        }
        let leaves = comparison.result().unwrap();
        let told: Vec<_> = ours.iter().filter(|known| leaves.contains(known.leaf().unwrap())).collect();
        for known in ours.iter() {
            let is_told = told.iter().any(|told| *told.client == *known.client);
            let has_it = theirs.get(&known.client).is_some_and(|theirs| *theirs.line == *known.line);
            assert!(is_told || has_it, "{known:?} would be missing");
        }
        (questions, told.len())
    }

    #[test]
    fn equal_tables_take_one_question_and_nothing_is_told() {
        for clients in [1, 100, 3000] {
            let [mut one, mut other] = [(); 2].map(|()| Locations::new(1 << 30));
            (0..clients).for_each(|client| says(&mut one, client, 5));
            (0..clients).rev().for_each(|client| says(&mut other, client, 5));
            assert_eq!(compare(&mut one, &mut other), (1, 0));
        }
    }

    #[test]
    fn what_is_told_grows_with_what_differs() {
        let [mut one, mut other] = [(); 2].map(|()| Locations::new(1 << 30));
        (0..3000).for_each(|client| says(&mut one, client, 5));
        (0..3000).for_each(|client| says(&mut other, client, 5));
        says(&mut one, 17, 6);
        let (questions, told) = compare(&mut one, &mut other);
        // Its old version stands in one leaf, its new one in another.
        assert!(questions <= 5 && told < 40, "{questions} questions, {told} told");
        let (questions, told) = compare(&mut other, &mut one);
        assert!(questions <= 5 && told < 40, "{questions} questions, {told} told");
        (0..3000).step_by(3).for_each(|client| says(&mut other, client, 7));
        let (questions, told) = compare(&mut other, &mut one);
        assert!(questions <= 1 + 16 + 256 && told >= 1000, "{questions} questions, {told} told");
        let (questions, told) = compare(&mut one, &mut Locations::new(1 << 20));
        assert!(questions <= 1 + 16 + 256 && told == 3000, "{questions} questions, {told} told");
    }

    #[test]
    fn a_limited_number_of_questions_waits_for_an_answer() {
        let mut comparison = Comparison::new();
        assert_eq!((comparison.ask(), comparison.ask()), (Some(Node::ROOT), None));
        let (theirs, ours) = ([1; CHILDREN], [0; CHILDREN]);
        comparison.answered(&theirs, &ours, 1 << 30);
        for _ in 0..CHILDREN {
            assert!(comparison.ask().is_some());
            comparison.answered(&theirs, &ours, 1 << 30);
        }
        assert_eq!(std::iter::from_fn(|| comparison.ask()).count(), MAX_ASKED);
        assert!(comparison.result().is_none());
    }
}
