//! How a link finds out what its neighbor lacks when it comes up, before it tells the neighbor anything that is not
//! news.
//!
//! ```text
//!   link comes up --DIGEST--> Comparing --answers, until all is compared--> what differs is told
//!                                |
//!                                +--a question mark, or nothing in time---> everything is told
//! ```
//!
//! Next: `pending.rs`, what waits for the neighbor.

use super::Link;
use super::comparison::Comparison;
use super::pending::Lacks;
use crate::digest::{CHILDREN, Node, parse_sum};
use crate::next_turn::NextTurn;
use crate::server::Server;
use reactor::{DelayedCall, Transport};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

/// A neighbor that says nothing for this long speaks the paper's protocol, and knows no DIGEST. Another one answers, or
/// says PING.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// With fewer clients than this, to tell them takes fewer bytes than to compare.
const WORTH_COMPARING: usize = 4;

/// What a link needs for it.
#[derive(Default)]
pub(super) struct CatchingUp {
    comparison: RefCell<Option<Comparison>>,
    /// Answers that wait until our own table has its hashes. There are no more of them than questions.
    answers: RefCell<VecDeque<[u64; CHILDREN]>>,
    /// Goes on in a later turn.
    later: NextTurn,
    /// Gives up waiting.
    unanswered: RefCell<Option<DelayedCall>>,
}

impl CatchingUp {
    pub(super) fn forget(&self) {
        self.comparison.take();
        self.answers.take();
        self.later.cancel();
        if let Some(call) = self.unanswered.take() {
            call.cancel();
        }
    }
}

impl Link {
    /// The link has come up: holds the old clients back, if it is worth a comparison.
    pub(super) fn hold_back(&self, server: &Server) {
        if server.locations().borrow().len() >= WORTH_COMPARING {
            self.catching_up.comparison.replace(Some(Comparison::new()));
            self.pending.borrow_mut().set_lacks(Lacks::Unknown);
        }
    }

    /// Begins the comparison, if there is to be one.
    pub(super) fn begin_to_compare(&self, server: &Server, transport: &Transport) {
        if self.catching_up.comparison.borrow().is_none() {
            return;
        }
        self.ask(transport);
        let this = self.this.clone();
        let unanswered = server.reactor().call_later(ANSWER_WITHIN, move || {
            if let Some(link) = this.upgrade() {
                link.hearing.missed();
                link.tell_all();
            }
        });
        self.catching_up.unanswered.replace(Some(unanswered));
        self.compare(server, transport); // Our own table gets its hashes meanwhile.
    }

    fn ask(&self, transport: &Transport) {
        let mut comparison = self.catching_up.comparison.borrow_mut();
        while let Some(node) = comparison.as_mut().and_then(Comparison::ask) {
            let question = format!("DIGEST {node}");
            self.traffic.line_out(question.as_bytes());
            transport.write_vectored(&[question.as_bytes(), b"\n"]);
        }
    }

    /// The neighbor is there, and knows PING and DIGEST: its answer will come.
    pub(super) fn expect_answer(&self) {
        if let Some(call) = self.catching_up.unanswered.take() {
            call.cancel();
        }
    }

    /// The neighbor has refused what only our servers say, or has not answered.
    pub(super) fn tell_all(&self) {
        if self.catching_up.comparison.borrow().is_some() {
            self.tell_what_differs(Lacks::All);
        }
    }

    /// The neighbor has answered: `fields` are those after the word. Returns whether that was an answer to a question.
    pub(super) fn heard_digest(&self, fields: &[u8]) -> bool {
        let waiting = self.catching_up.answers.borrow().len();
        let asked = self.catching_up.comparison.borrow().as_ref().and_then(|comparison| comparison.asked(waiting));
        let Some((_, sums)) = read_answer(fields).filter(|(node, _)| Some(*node) == asked) else { return false };
        self.catching_up.answers.borrow_mut().push_back(sums);
        self.expect_answer();
        if let Some((server, transport)) = self.server.upgrade().zip(self.transport()) {
            self.compare(&server, &transport);
        }
        true
    }

    /// Goes on as far as it can without a long callback.
    fn compare(&self, server: &Server, transport: &Transport) {
        if self.catching_up.later.is_asked() {
            return; // Answers that came since wait for that.
        }
        let asked = self.catching_up.comparison.borrow().as_ref().and_then(Comparison::next_asked);
        let Some(mut node) = asked else { return };
        loop {
            let Some(ours) = server.comparing().sums(node) else { return self.compare_later(server) };
            let Some(theirs) = self.catching_up.answers.borrow_mut().pop_front() else { return };
            let clients = server.locations().borrow().len();
            let mut comparison = self.catching_up.comparison.borrow_mut();
            let Some(under_way) = comparison.as_mut() else { return };
            under_way.answered(&theirs, &ours, clients);
            if let Some(leaves) = under_way.result() {
                let lacks = Lacks::Only(leaves.clone());
                drop(comparison);
                return self.tell_what_differs(lacks);
            }
            drop(comparison);
            self.ask(transport);
            match self.catching_up.comparison.borrow().as_ref().and_then(Comparison::next_asked) {
                Some(next) => node = next,
                None => return,
            }
        }
    }

    fn compare_later(&self, server: &Server) {
        let this = self.this.clone();
        self.catching_up.later.ask(server.reactor(), move || {
            let Some(link) = this.upgrade() else { return };
            if let Some((server, transport)) = link.server.upgrade().zip(link.transport()) {
                link.compare(&server, &transport);
            }
        });
    }

    fn tell_what_differs(&self, lacks: Lacks) {
        self.catching_up.forget();
        self.pending.borrow_mut().set_lacks(lacks);
        self.write_on();
        if let Some(server) = self.server.upgrade() {
            server.watch().done();
        }
    }
}

/// Reads the name of a node and sixteen sums.
fn read_answer(fields: &[u8]) -> Option<(Node, [u64; CHILDREN])> {
    let mut fields = fields.split(|byte| *byte == b' ');
    let node = Node::parse(fields.next()?)?;
    let mut sums = [0; CHILDREN];
    for sum in &mut sums {
        *sum = parse_sum(fields.next()?)?;
    }
    fields.next().is_none().then_some((node, sums))
}
