//! [`Pacing`]: a turn of the loop answers a few WHATSATs, whatever number of them has come.
//!
//! An answer that is kept needs no question to the service, and so no turn in its queue. But to cut it costs as much as
//! hundreds of IAMATs, and a crowd that asks for it would hold everybody up. So those who ask take turns here, one
//! address after the other: an address that asks a thousand times waits behind its own questions.
//!
//! Next: `changing.rs`, what of a server can be replaced while it runs.

use crate::address_group::AddressGroup;
use crate::next_turn::NextTurn;
use reactor::deferred::succeed;
use reactor::{Deferred, Firer, Reactor};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

/// Maximum number of WHATSATs that are answered in one turn of the loop: some two milliseconds' work.
const MAX_ANSWERS: usize = 4;

/// Whose turn it is.
pub(super) struct Pacing {
    this: Weak<Pacing>,
    reactor: Reactor,
    /// How many may still be answered in this turn of the loop.
    left: Cell<usize>,
    next_turn: NextTurn,
    lines: RefCell<Lines>,
}

/// Those who wait, in one line for each address. There are no more of them than a connection may have replies that are
/// worked out, for each connection.
#[derive(Default)]
struct Lines {
    /// None of them is empty.
    by_address: BTreeMap<AddressGroup, VecDeque<Firer<()>>>,
    /// Each address that has a line, once. The first is next.
    turns: VecDeque<AddressGroup>,
}

impl Lines {
    fn push(&mut self, from: AddressGroup, firer: Firer<()>) {
        let line = self.by_address.entry(from).or_default();
        if line.is_empty() {
            self.turns.push_back(from);
        }
        line.push_back(firer);
    }

    /// The next one that still waits for its answer.
    fn pop(&mut self) -> Option<Firer<()>> {
        loop {
            let from = self.turns.pop_front()?;
            let line = self.by_address.get_mut(&from)?;
            let next = line.pop_front();
            match line.is_empty() {
                true => drop(self.by_address.remove(&from)),
                false => self.turns.push_back(from),
            }
            // Its client may have gone.
            if let Some(firer) = next.filter(|firer| !firer.is_abandoned()) {
                return Some(firer);
            }
        }
    }
}

impl Pacing {
    pub(super) fn new(reactor: &Reactor) -> Rc<Pacing> {
        Rc::new_cyclic(|this| Pacing {
            this: this.clone(),
            reactor: reactor.clone(),
            left: Cell::new(MAX_ANSWERS),
            next_turn: NextTurn::default(),
            lines: RefCell::default(),
        })
    }

    /// Fires when it is the turn of this address: at once, unless this turn of the loop has answered enough.
    pub(super) fn turn_of(&self, from: AddressGroup) -> Deferred<()> {
        self.call();
        if self.left.get() > 0 && self.lines.borrow().turns.is_empty() {
            self.left.set(self.left.get() - 1);
            return succeed(());
        }
        let (turn, firer) = Deferred::new();
        self.lines.borrow_mut().push(from, firer);
        turn
    }

    fn call(&self) {
        let this = self.this.clone();
        self.next_turn.ask(&self.reactor, move || {
            if let Some(me) = this.upgrade() {
                me.begin_turn();
            }
        });
    }

    /// The server has stopped: there is no next turn.
    pub(super) fn stop(&self) {
        self.next_turn.cancel();
    }

    fn begin_turn(&self) {
        self.left.set(MAX_ANSWERS);
        while self.left.get() > 0 {
            let next = self.lines.borrow_mut().pop(); // Apart from the call: the answer may lead to another question.
            let Some(firer) = next else { return };
            self.left.set(self.left.get() - 1);
            self.call();
            let _ = firer.callback(()); // It fails only if nobody waits any more.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::time::Duration;

    struct Asked {
        reactor: Reactor,
        pacing: Rc<Pacing>,
        done: Rc<RefCell<Vec<&'static str>>>,
    }

    impl Asked {
        fn new() -> Asked {
            let reactor = Reactor::new().unwrap();
            Asked { pacing: Pacing::new(&reactor), reactor, done: Rc::default() }
        }

        fn ask(&self, from: u8, name: &'static str) -> Deferred<()> {
            let done = self.done.clone();
            let from = AddressGroup::from(IpAddr::from([192, 0, 2, from]));
            self.pacing.turn_of(from).add_callback(move |()| done.borrow_mut().push(name))
        }

        /// What is answered in one turn.
        fn turn(&self) -> String {
            self.reactor.iterate(Duration::ZERO).unwrap();
            self.done.take().join(" ")
        }
    }

    #[test]
    fn a_turn_answers_a_few_and_addresses_take_turns() {
        let asked = Asked::new();
        for name in ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"] {
            asked.ask(1, name).detach();
        }
        assert_eq!(asked.done.take().join(" "), "a0 a1 a2 a3", "at once");
        asked.ask(2, "b0").detach();
        asked.ask(2, "b1").detach();
        assert_eq!(asked.turn(), "a4 b0 a5 b1");
        assert_eq!([asked.turn(), asked.turn()], ["a6 a7 a8", ""]);
        asked.ask(1, "again").detach();
        assert_eq!(asked.done.take().join(" "), "again", "nobody waits for nothing");
    }

    #[test]
    fn those_whose_client_has_gone_take_no_turn() {
        let asked = Asked::new();
        (0..4).for_each(|_| asked.ask(1, "first").detach());
        let gone: Vec<Deferred<()>> = (0..100).map(|_| asked.ask(1, "gone")).collect();
        asked.ask(1, "last").detach();
        gone.iter().for_each(Deferred::cancel);
        drop(gone);
        asked.done.take();
        assert_eq!(asked.turn(), "last");
        assert!(asked.pacing.lines.borrow().by_address.is_empty());
    }
}
