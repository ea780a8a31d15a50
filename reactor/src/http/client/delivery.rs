//! [`Delivery`]: what becomes of a body that comes before, while or after the program asks for it.
//!
//! ```text
//!   Undelivered --(deliver)--> Delivered --(end, or given up)--> Away
//!        +-------(end)-------> Ended -----(deliver, take_end)--> Away
//! ```
//!
//! Next: `body.rs`, how the program takes a body.

use super::body::{BodyEnd, BodyProtocol, BodyTransport};
use crate::Context;
use std::cell::RefCell;

/// The state of a body as the program sees it.
pub(super) struct Delivery(RefCell<State>);

enum State {
    /// Nothing takes it yet.
    Undelivered,
    /// With the context of the code that asked for it.
    Delivered(Box<dyn BodyProtocol>, Context),
    /// Its protocol is being called, or is gone.
    Away,
    /// It has ended before anything took it.
    Ended(BodyEnd),
}

impl Delivery {
    pub(super) fn new() -> Delivery {
        Delivery(RefCell::new(State::Undelivered))
    }

    /// Whether the body has not ended and nothing takes it yet.
    pub(super) fn is_undelivered(&self) -> bool {
        matches!(*self.0.borrow(), State::Undelivered)
    }

    /// Whether a protocol takes the body, or has taken it.
    pub(super) fn is_delivered(&self) -> bool {
        matches!(*self.0.borrow(), State::Delivered(..) | State::Away)
    }

    /// Gives a piece of the body to its protocol, if there is one.
    ///
    /// The protocol is taken out while it runs, as it may end the exchange, which changes this state. It is put back
    /// only if `goes_on` says afterwards that the body is still wanted.
    pub(super) fn give(&self, data: &[u8], transport: &BodyTransport, goes_on: impl FnOnce() -> bool) {
        match self.0.replace(State::Away) {
            State::Delivered(mut protocol, context) => {
                context.run(|| protocol.data_received(transport, data));
                if goes_on() {
                    self.0.replace(State::Delivered(protocol, context));
                }
            }
            other => drop(self.0.replace(other)),
        }
    }

    /// The body has ended: tells its protocol. If there is none yet, keeps the end for it.
    pub(super) fn end(&self, end: BodyEnd) {
        match self.0.replace(State::Away) {
            State::Delivered(mut protocol, context) => context.run(|| protocol.body_ended(end)),
            State::Undelivered => drop(self.0.replace(State::Ended(end))),
            State::Away => {}
            ended @ State::Ended(_) => drop(self.0.replace(ended)),
        }
    }

    /// From now on `protocol` takes the body. Returns the end if the body has ended already: then the caller must call
    /// [`end`](Delivery::end) with it, from the loop.
    pub(super) fn deliver(&self, protocol: Box<dyn BodyProtocol>) -> Option<BodyEnd> {
        match self.0.replace(State::Delivered(protocol, Context::current())) {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// The end of a body that has ended before anything took it.
    pub(super) fn take_end(&self) -> Option<BodyEnd> {
        match self.0.replace(State::Away) {
            State::Ended(end) => Some(end),
            other => {
                self.0.replace(other);
                None
            }
        }
    }

    /// The body is not wanted any more: its protocol is dropped and hears nothing.
    pub(super) fn give_up(&self) {
        drop(self.0.replace(State::Away));
    }
}
