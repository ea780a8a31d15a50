//! What is promised about delayed calls, about `call_when_running`, and about Deferreds.
//!
//! Of Deferreds only what matters from inside callbacks: `reactor/oracle` has the rest.

use super::Contract;
use crate::program::Kind;
use std::time::Duration;

/// A delayed call, as its program may expect it to be.
#[derive(Debug)]
pub(crate) struct Timer {
    pub(crate) host: usize,
    pub(crate) due: Duration,
    pub(crate) state: TimerState,
    /// It has been moved: then calls that are due at the same moment have no promised order.
    pub(crate) was_moved: bool,
    pub(crate) is_dropped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerState {
    Waiting,
    Called,
    Cancelled,
}

/// A Deferred with some callbacks, all added when it was made.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) host: usize,
    pub(crate) callback_count: usize,
    pub(crate) called_count: usize,
    /// What the next callback gets, once the Deferred has fired.
    pub(crate) next: Option<bool>,
    pub(crate) was_cancelled: bool,
    pub(crate) canceller_ran: bool,
}

impl Deferred {
    pub(crate) fn has_fired(&self) -> bool {
        self.next.is_some()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.has_fired() && self.called_count == self.callback_count
    }
}

impl Contract {
    pub(super) fn begin_timer(&mut self, id: usize, kind: Kind) {
        let now = self.now;
        let timer = &mut self.timers[id];
        if kind == Kind::TimerDropped {
            let is_first = !std::mem::replace(&mut timer.is_dropped, true);
            let holds = is_first && timer.state != TimerState::Waiting;
            return self.expect(holds, format_args!("what call {id} captured is dropped"));
        }
        let (host, due, was_moved) = (timer.host, timer.due, timer.was_moved);
        let was_waiting = std::mem::replace(&mut timer.state, TimerState::Called) == TimerState::Waiting;
        self.expect(was_waiting, format_args!("the delayed call {id} is made, which does not wait"));
        self.expect(due <= now, format_args!("the delayed call {id} is made before its time"));
        let comes_first = |(other, timer): (usize, &Timer)| {
            let is_before = timer.due < due || (timer.due == due && other < id && !timer.was_moved && !was_moved);
            timer.host == host && timer.state == TimerState::Waiting && is_before
        };
        let other = self.timers.iter().enumerate().position(comes_first);
        if let Some(other) = other {
            self.differ(format_args!("the delayed call {id} is made before {other}"));
        }
    }

    pub(crate) fn later(&mut self, host: usize, delay: Duration) -> usize {
        let due = self.now + delay;
        self.timers.push(Timer { host, due, state: TimerState::Waiting, was_moved: false, is_dropped: false });
        self.timers.len() - 1
    }

    /// Whether `cancel` takes something back.
    pub(crate) fn cancel_timer(&mut self, id: usize) -> bool {
        let timer = &mut self.timers[id];
        let was_waiting = timer.state == TimerState::Waiting;
        if was_waiting {
            timer.state = TimerState::Cancelled;
        }
        was_waiting
    }

    /// Whether the call can be moved.
    pub(crate) fn move_timer(&mut self, id: usize, to: impl FnOnce(Duration, Duration) -> Duration) -> bool {
        let now = self.now;
        let timer = &mut self.timers[id];
        let is_waiting = timer.state == TimerState::Waiting;
        if is_waiting {
            timer.due = to(now, timer.due);
            timer.was_moved = true;
        }
        is_waiting
    }

    pub(crate) fn waiting_timer_count(&self, host: usize) -> usize {
        self.timers.iter().filter(|timer| timer.host == host && timer.state == TimerState::Waiting).count()
    }

    pub(super) fn begin_soon(&mut self, host: usize, call: usize) {
        let next = self.soon[host].pop_front();
        self.expect(next == Some(call), format_args!("call {call} is made, and {next:?} was the next"));
    }

    pub(super) fn begin_deferred(&mut self, id: usize, kind: Kind) {
        let deferred = &mut self.deferreds[id];
        let holds = if kind == Kind::Canceller {
            let is_first = !std::mem::replace(&mut deferred.canceller_ran, true);
            is_first && deferred.was_cancelled && !deferred.has_fired()
        } else {
            deferred.called_count += 1;
            deferred.has_fired() && deferred.called_count <= deferred.callback_count
        };
        let text = format!("{kind:?} of {:?}", self.deferreds[id]);
        self.expect(holds, text);
    }

    pub(super) fn end_deferred(&mut self, id: usize, kind: Kind, has_panicked: bool) {
        let deferred = &mut self.deferreds[id];
        match kind {
            Kind::Deferred => deferred.next = Some(!has_panicked),
            // A canceller that does not fire leaves it to the Deferred, which fails.
            _ => deferred.next = deferred.next.or(Some(false)),
        }
    }

    /// A callback gets a value, or a failure.
    pub(crate) fn result(&mut self, id: usize, is_value: bool) {
        let next = self.deferreds[id].next;
        if !self.is_dead(self.deferreds[id].host) {
            self.expect(next == Some(is_value), format_args!("a callback of Deferred {id} gets {is_value}: {next:?}"));
        }
    }

    /// Whether a firing is the first.
    pub(crate) fn fire(&mut self, id: usize, is_value: bool) -> bool {
        let deferred = &mut self.deferreds[id];
        let is_first = !deferred.has_fired();
        if is_first {
            deferred.next = Some(is_value);
        }
        is_first
    }

    /// `fire` or `cancel` has returned: the callbacks have run.
    pub(crate) fn has_run(&mut self, id: usize) {
        let deferred = &self.deferreds[id];
        // Not if the running callback is one of its own.
        let is_running = self.frames[deferred.host].iter().any(|frame| {
            matches!(frame, super::Frame::Callback(Kind::Deferred | Kind::Canceller, super::Subject::Deferred(other))
                if *other == id)
        });
        let holds = deferred.is_over() || is_running || self.is_dead(deferred.host);
        let text = format!("it is fired, and not all its callbacks have run: {deferred:?}");
        self.expect(holds, text);
    }
}
