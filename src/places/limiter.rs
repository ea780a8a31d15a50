//! [`Limiter`]: no more than so many questions under way at once; the others wait their turn, up to a limit.

use super::{Nearby, Places};
use reactor::{Deferred, Failure, Firer};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};

/// Questions that may wait; more are refused at once. A client that asks may pipeline, and there may be many.
const MAX_WAITING: usize = 1024;

/// Too many questions wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many questions are waiting for the Places service; ask again later")
    }
}

impl std::error::Error for TooMany {}

/// Stands before a provider and keeps the rush away from it.
pub struct Limiter {
    gate: Rc<Gate>,
    inner: Rc<dyn Places>,
}

struct Gate {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<Firer<Pass>>>,
    /// Somebody is being let through.
    busy: Cell<bool>,
}

/// The right to ask one question; dropping it lets the next one through.
struct Pass(Weak<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(gate) = self.0.upgrade() {
            gate.free.set(gate.free.get() + 1);
            gate.let_through();
        }
    }
}

impl Gate {
    /// A loop, not a recursion, even if each question is answered at once.
    fn let_through(self: &Rc<Self>) {
        if self.busy.replace(true) {
            return;
        }
        while self.free.get() > 0 {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(firer) = next else { break };
            if firer.called() {
                continue; // Cancelled while it waited.
            }
            self.free.set(self.free.get() - 1);
            let _ = firer.callback(Pass(Rc::downgrade(self)));
        }
        self.busy.set(false);
    }
}

impl Limiter {
    /// At most `at_once` questions to `inner` at any time.
    pub fn new(inner: Rc<dyn Places>, at_once: usize) -> Limiter {
        Limiter {
            gate: Rc::new(Gate { free: Cell::new(at_once), waiting: RefCell::default(), busy: Cell::new(false) }),
            inner,
        }
    }
}

impl Places for Limiter {
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>> {
        if self.gate.waiting.borrow().len() >= MAX_WAITING {
            // Those who have given up waiting do not count.
            self.gate.waiting.borrow_mut().retain(|firer| !firer.called());
        }
        if self.gate.waiting.borrow().len() >= MAX_WAITING {
            return reactor::deferred::fail(Failure::new(TooMany));
        }
        let (turn, firer) = Deferred::new();
        self.gate.waiting.borrow_mut().push_back(firer);
        let (inner, question) = (self.inner.clone(), question.clone());
        let answer = turn.add_callback(move |pass: Pass| {
            inner.nearby(&question).add_both(move |answer| {
                drop(pass);
                answer
            })
        });
        self.gate.let_through();
        answer
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limiter({} free, {} waiting)", self.gate.free.get(), self.gate.waiting.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reactor::CancelledError;

    /// Answers when it is told to.
    #[derive(Default)]
    struct Slow(RefCell<VecDeque<Firer<Vec<u8>>>>);

    impl Places for Slow {
        fn nearby(&self, _question: &Nearby) -> Deferred<Vec<u8>> {
            let (deferred, firer) = Deferred::new();
            self.0.borrow_mut().push_back(firer);
            deferred
        }
        fn describe(&self) -> String {
            String::new()
        }
    }

    fn question() -> Nearby {
        Nearby { latitude: "0".to_owned(), longitude: "0".to_owned(), radius: "1".to_owned() }
    }

    #[test]
    fn questions_wait_their_turn_and_a_cancelled_one_gives_its_place_up() {
        let slow = Rc::new(Slow::default());
        let limiter = Limiter::new(slow.clone(), 2);
        let mut asked: Vec<_> = (0..5).map(|_| limiter.nearby(&question())).collect();
        assert_eq!(slow.0.borrow().len(), 2);
        asked[2].cancel(); // It waits.
        asked[1].cancel(); // It is under way: its place goes to the fourth.
        assert_eq!(slow.0.borrow().len(), 3);
        let first = slow.0.borrow_mut().pop_front().unwrap();
        first.callback(b"one".to_vec()).unwrap();
        assert_eq!(slow.0.borrow().len(), 3, "the fifth is under way now");
        assert_eq!(asked.remove(0).result(), Some(b"one".to_vec()));
        for deferred in asked {
            drop(deferred.add_errback(|failure| failure.trap::<CancelledError>().map(|_| Vec::new())));
        }
    }

    #[test]
    fn beyond_the_limit_nobody_waits() {
        let limiter = Limiter::new(Rc::new(Slow::default()), 1);
        let waiting: Vec<_> = (0..=MAX_WAITING).map(|_| limiter.nearby(&question())).collect();
        let refused = Rc::new(Cell::new(false));
        let seen = refused.clone();
        drop(limiter.nearby(&question()).add_errback(move |failure| {
            seen.set(failure.check::<TooMany>().is_some());
            Ok(Vec::new())
        }));
        assert!(refused.get());
        drop(waiting);
    }
}
