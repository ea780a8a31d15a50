//! [`Turns`]: how many requests a server begins before the loop has looked at everything else.
//!
//! A crowd of connections that all have a request ready would otherwise be answered in one turn of the loop, while
//! other ports and timers wait. Beyond the maximum a connection keeps its bytes and waits in line; a call in the next
//! turn lets as many go on as may. Connections that have waited go first.
//!
//! Next: `connection.rs`, one of them.

use super::connection::Connection;
use super::shared::Shared;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Turns {
    /// Number of requests begun since others had their turn last, and of those that may begin now.
    begun: Cell<usize>,
    /// Connections with a request that has not begun; each is here once.
    line: RefCell<VecDeque<Weak<Connection>>>,
    is_call_pending: Cell<bool>,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is not in line.
    Free,
    Waits,
    /// It has waited, and may begin one request.
    Granted,
}

impl Turns {
    /// Whether a connection may begin a request now. If not, it is in line, and its
    /// [`go_on`](Connection::go_on) will be called.
    pub(super) fn may_begin(&self, connection: &Connection) -> bool {
        match connection.turn.get() {
            Turn::Granted => {
                connection.turn.set(Turn::Free);
                true
            }
            Turn::Waits => false,
            Turn::Free if self.begun.get() < connection.shared.settings.max_requests_at_once => {
                self.begun.set(self.begun.get() + 1);
                true
            }
            Turn::Free => {
                connection.turn.set(Turn::Waits);
                self.line.borrow_mut().push_back(connection.this());
                self.call_in_next_turn(&connection.shared);
                false
            }
        }
    }

    fn call_in_next_turn(&self, shared: &Rc<Shared>) {
        if self.is_call_pending.replace(true) {
            return;
        }
        let weak = Rc::downgrade(shared);
        // Without a loop there are no connections either.
        let _ = shared.clock.call_later(Duration::ZERO, move || {
            if let Some(shared) = weak.upgrade() {
                shared.turns.next_turn(&shared);
            }
        });
    }

    fn next_turn(&self, shared: &Rc<Shared>) {
        self.is_call_pending.set(false);
        self.begun.set(0);
        while self.begun.get() < shared.settings.max_requests_at_once.max(1) {
            let Some(next) = self.line.borrow_mut().pop_front() else { return };
            if let Some(connection) = next.upgrade() {
                self.begun.set(self.begun.get() + 1);
                connection.turn.set(Turn::Granted);
                connection.go_on();
            }
        }
        self.call_in_next_turn(shared);
    }
}
