//! [`Comparing`]: how a server answers a neighbor that compares its table with ours. See [`crate::digest`].
//!
//! Versions that have changed since the last comparison have no hash yet. They get one in slices, and the answer waits
//! for that.
//!
//! Next: `forgetting.rs`, how a server forgets.

use crate::digest::{CHILDREN, Node};
use crate::locations::Locations;
use crate::next_turn::NextTurn;
use reactor::{Deferred, Firer, Reactor};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// Maximum number of versions that get their hash before others have their turn: half a millisecond's work.
pub(crate) const MAX_HASHED: usize = 1024;

/// The sums of a server's table, at once or later.
pub(crate) struct Comparing {
    this: Weak<Comparing>,
    reactor: Reactor,
    locations: Rc<RefCell<Locations>>,
    /// Questions that wait until all versions have their hash. There are no more of them than a connection may have
    /// replies that are worked out, for each neighbor's connection.
    questions: RefCell<VecDeque<(Node, Firer<[u64; CHILDREN]>)>>,
    next_turn: NextTurn,
}

impl Comparing {
    pub(super) fn new(reactor: &Reactor, locations: Rc<RefCell<Locations>>) -> Rc<Comparing> {
        Rc::new_cyclic(|this| Comparing {
            this: this.clone(),
            reactor: reactor.clone(),
            locations,
            questions: RefCell::default(),
            next_turn: NextTurn::default(),
        })
    }

    /// The sums of the children of a node, when all versions have their hash. `None` if they can be had at once only by
    /// a long callback: then [`sums_later`](Comparing::sums_later) has them.
    pub(crate) fn sums(&self, node: Node) -> Option<[u64; CHILDREN]> {
        let mut locations = self.locations.borrow_mut();
        locations.hash_some(MAX_HASHED).then(|| locations.sums(node))
    }

    /// The same, in a later turn.
    pub(crate) fn sums_later(&self, node: Node) -> Deferred<[u64; CHILDREN]> {
        let (sums, firer) = Deferred::new();
        self.questions.borrow_mut().push_back((node, firer));
        self.go_on_later();
        sums
    }

    /// The server has stopped: nobody waits any more.
    pub(super) fn stop(&self) {
        self.next_turn.cancel();
        drop(self.questions.take());
    }

    fn go_on_later(&self) {
        let this = self.this.clone();
        self.next_turn.ask(&self.reactor, move || {
            if let Some(me) = this.upgrade() {
                me.go_on();
            }
        });
    }

    fn go_on(&self) {
        let next = || self.questions.borrow_mut().pop_front();
        while let Some((node, firer)) = next() {
            if firer.is_abandoned() {
                continue; // Its connection has ended meanwhile.
            }
            let Some(sums) = self.sums(node) else {
                self.questions.borrow_mut().push_front((node, firer));
                return self.go_on_later();
            };
            let _ = firer.callback(sums); // It fails only if nobody waits any more.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Command, parse};
    use std::cell::Cell;
    use std::time::Duration;

    /// A table whose versions have no hash yet: it takes three turns to give them one.
    fn comparing() -> Rc<Comparing> {
        let mut locations = Locations::new(1 << 30);
        for client in 0..3 * MAX_HASHED {
            let line = format!("AT Alford +1.000000000 client{client} +1+1 1");
            let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
            locations.offer(&at, None);
        }
        Comparing::new(&Reactor::new().unwrap(), Rc::new(RefCell::new(locations)))
    }

    #[test]
    fn questions_are_answered_in_order_when_all_versions_have_their_hash() {
        let comparing = comparing();
        assert!(comparing.sums(Node::ROOT).is_none());
        let answered = Rc::new(Cell::new(0));
        let ask = |number| {
            let answered = answered.clone();
            comparing.sums_later(Node::ROOT).add_callback(move |_| assert_eq!(answered.replace(number + 1), number))
        };
        let [first, gone, second] = [0, 9, 1].map(ask);
        gone.cancel();
        for done in [0, 2] {
            comparing.reactor.iterate(Duration::ZERO).unwrap();
            assert_eq!(answered.get(), done);
        }
        assert_eq!(comparing.reactor.delayed_call_count(), 0);
        drop((first, second));
    }

    #[test]
    fn a_server_that_has_stopped_answers_no_question() {
        let comparing = comparing();
        comparing.sums_later(Node::ROOT).detach();
        comparing.stop();
        assert_eq!(comparing.reactor.delayed_call_count(), 0);
    }
}
