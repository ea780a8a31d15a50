//! [`NextTurn`]: work that goes on in the next turn of the loop, so that no callback takes long.
//!
//! It is asked for once, however often more work comes meanwhile, and it ends with its owner: a server that has stopped
//! leaves no call behind.
//!
//! Next: `server/pacing.rs`, how many WHATSATs are answered in one turn.

use reactor::{DelayedCall, Reactor};
use std::cell::RefCell;
use std::time::Duration;

/// The call in the next turn, if it is asked for.
#[derive(Default)]
pub(crate) struct NextTurn(RefCell<Option<DelayedCall>>);

impl NextTurn {
    /// Calls this in the next turn, unless a call is asked for already. The call itself may ask for another one.
    pub(crate) fn ask(&self, reactor: &Reactor, call: impl FnOnce() + 'static) {
        if !self.is_asked() {
            self.0.replace(Some(reactor.call_later(Duration::ZERO, call)));
        }
    }

    /// Whether a call is still to come.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(DelayedCall::active)
    }

    /// There is nothing left to do.
    pub(crate) fn cancel(&self) {
        if let Some(call) = self.0.take() {
            call.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn the_next_turn_is_asked_for_once_and_may_ask_for_the_one_after_it() {
        let (reactor, calls) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
        let turn = Rc::new(NextTurn::default());
        let ask = |turn: &Rc<NextTurn>| {
            let (calls, reactor_too, again) = (calls.clone(), reactor.clone(), turn.clone());
            turn.ask(&reactor, move || {
                calls.set(calls.get() + 1);
                assert!(!again.is_asked());
                again.ask(&reactor_too, move || calls.set(calls.get() + 10));
            });
        };
        (0..3).for_each(|_| ask(&turn));
        assert_eq!((calls.get(), turn.is_asked()), (0, true));
        for (called, is_asked) in [(1, true), (11, false), (11, false)] {
            reactor.iterate(Duration::ZERO).unwrap();
            assert_eq!((calls.get(), turn.is_asked()), (called, is_asked));
        }
        ask(&turn);
        turn.cancel();
        reactor.iterate(Duration::ZERO).unwrap();
        assert_eq!((calls.get(), turn.is_asked(), reactor.delayed_call_count()), (11, false, 0));
    }
}
