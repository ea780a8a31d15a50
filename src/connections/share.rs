//! [`Share`]: what the connections of one address may have at once, while others are connected too.
//!
//! Each connection has its part of the address's lines and commands, so that a connection that sends all it can leaves
//! something to the others. A store works on fewer commands of an address than its connections may have: the others
//! wait here, first come, first served.
//!
//! Next: [`protocol.rs`](mod@crate::protocol), one connection to a server.

use crate::replies::MAX_OWED;
use reactor::deferred::DeferredSemaphore;
use reactor::{Deferred, Reactor};
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

/// The maximum number of lines of one connection that are handled before the others have their turn: some hundred
/// microseconds of work. With a quarter of it, a client that sends 64 commands at once costs twice as much for each,
/// because they take four turns and four writes.
pub(crate) const MAX_LINES_AT_ONCE: usize = 64;

/// The maximum number of lines of all connections of one address, while others are connected too. Two hundred
/// connections that send all they can would otherwise keep everybody waiting for fifteen milliseconds, in each turn of
/// the loop. Each connection has at least one line.
const LINES_OF_AN_ADDRESS: usize = 256;

/// The maximum number of commands of all connections of one address that wait for a store, while others are connected
/// too. Each connection has at least one.
const WAITING_OF_AN_ADDRESS: usize = 256;

/// The maximum number of those that the store works on. It answers one after the other, so the commands of everybody
/// else wait behind them: some milliseconds. It is enough to keep a store busy.
const AT_STORE_OF_AN_ADDRESS: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");

/// How many bytes behind a line that is too long are thrown away as fast as they come: they were on their way.
const DISCARDED_AT_ONCE: usize = 256 * 1024;

/// The maximum number of such bytes for all connections of one address, while others are connected too.
const DISCARDED_OF_AN_ADDRESS: usize = 4 * 1024 * 1024;

/// Beyond that, this is the pause between two reads of what is thrown away. Otherwise a few clients that go on sending
/// take most of a server's time.
const PAUSE_OF_DISCARDED: Duration = Duration::from_millis(100);

/// The number of connections of one address for which that pause is enough, while others are connected too. With more
/// of them it grows.
const READ_IN_THAT_PAUSE: usize = 16;

/// What each connection of an address may have at once.
#[derive(Debug)]
pub(super) struct Share {
    /// Lines in a turn of the loop.
    lines: Cell<usize>,
    /// Commands that wait for a store.
    waiting: Cell<usize>,
    /// Bytes behind a line that is too long.
    discarded: Cell<usize>,
    /// The pause after these.
    pause: Cell<Duration>,
    turns: Rc<Turns>,
}

/// How the commands of an address take turns at a store.
#[derive(Debug)]
pub struct Turns {
    /// Whether nobody is connected from elsewhere.
    is_alone: Cell<bool>,
    at_store: DeferredSemaphore,
}

impl Share {
    /// Divides what an address may have by its number of connections. If nobody else is connected, there is no need to.
    pub(super) fn divide(&self, connections: usize, is_alone: bool) {
        let part = |of_address: usize, most: usize| match is_alone {
            true => most,
            false => (of_address / connections.max(1)).clamp(1, most),
        };
        self.lines.set(part(LINES_OF_AN_ADDRESS, MAX_LINES_AT_ONCE));
        self.waiting.set(part(WAITING_OF_AN_ADDRESS, MAX_OWED));
        self.discarded.set(part(DISCARDED_OF_AN_ADDRESS, DISCARDED_AT_ONCE));
        let pauses = if is_alone { 1 } else { connections.div_ceil(READ_IN_THAT_PAUSE).max(1) };
        self.pause.set(PAUSE_OF_DISCARDED * u32::try_from(pauses).unwrap_or(u32::MAX));
        self.turns.is_alone.set(is_alone);
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.get()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// How long to wait before the next read when `discarded` bytes have been thrown away. `None`: not at all.
    pub(super) fn pause_after(&self, discarded: usize) -> Option<Duration> {
        (discarded > self.discarded.get()).then(|| self.pause.get())
    }

    pub(super) fn turns(&self) -> Rc<Turns> {
        self.turns.clone()
    }
}

impl Default for Share {
    fn default() -> Share {
        Share {
            lines: Cell::new(MAX_LINES_AT_ONCE),
            waiting: Cell::new(MAX_OWED),
            discarded: Cell::new(DISCARDED_AT_ONCE),
            pause: Cell::new(PAUSE_OF_DISCARDED),
            turns: Rc::default(),
        }
    }
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { is_alone: Cell::new(true), at_store: DeferredSemaphore::new(AT_STORE_OF_AN_ADDRESS) }
    }
}

impl Turns {
    /// Has a store do `work` when it is this address's turn: now, if nobody else is connected. Fails if this, with the
    /// wait for the turn, takes longer than `timeout`.
    pub fn run<T: 'static>(
        &self,
        clock: &Reactor,
        timeout: Duration,
        work: impl FnOnce() -> Deferred<T> + 'static,
    ) -> Deferred<T> {
        // Not past those that wait: they came when somebody else was connected.
        if self.is_alone.get() && self.at_store.waiting_count() == 0 {
            return work();
        }
        let has_to_wait = self.at_store.free_tokens() == 0;
        let done = self.at_store.run(work);
        if has_to_wait { done.add_timeout(timeout, clock) } else { done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reactor::Firer;
    use std::cell::RefCell;

    const TIMEOUT: Duration = Duration::from_secs(3600);

    /// Works that end when they are told to.
    #[derive(Default)]
    struct Works {
        under_way: Rc<RefCell<Vec<Firer<()>>>>,
        done: RefCell<Vec<Deferred<()>>>,
    }

    impl Works {
        fn begin(&self, share: &Share, reactor: &Reactor, count: usize) {
            for _ in 0..count {
                let under_way = self.under_way.clone();
                let work = move || {
                    let (done, firer) = Deferred::new();
                    under_way.borrow_mut().push(firer);
                    done
                };
                self.done.borrow_mut().push(share.turns().run(reactor, TIMEOUT, work));
            }
        }

        fn end_one(&self) {
            let first = self.under_way.borrow_mut().remove(0);
            first.callback(()).unwrap();
        }

        fn under_way(&self) -> usize {
            self.under_way.borrow().len()
        }
    }

    #[test]
    fn connections_of_one_address_that_send_without_end_are_read_ever_more_seldom_the_more_they_are() {
        const KIB: usize = 1024;
        let share = Share::default();
        for (connections, is_alone, at_once, pause) in [
            (1, false, 256, 100),
            (16, false, 256, 100),
            (45, false, 91, 300),
            (1000, false, 4, 6300),
            (1000, true, 256, 100),
        ] {
            share.divide(connections, is_alone);
            assert_eq!(share.pause_after(at_once * KIB), None, "{connections}");
            let paused = share.pause_after((at_once + 1) * KIB);
            assert_eq!(paused, Some(Duration::from_millis(pause)), "{connections}");
        }
    }

    #[test]
    fn a_store_works_on_some_commands_of_an_address_and_the_others_wait() {
        let (share, works, reactor) = (Share::default(), Works::default(), Reactor::new().unwrap());
        share.divide(200, false);
        works.begin(&share, &reactor, 100);
        assert_eq!(works.under_way(), AT_STORE_OF_AN_ADDRESS.get());
        works.end_one();
        assert_eq!(works.under_way(), AT_STORE_OF_AN_ADDRESS.get(), "the next one has begun");
        (0..99).for_each(|_| works.end_one());
        assert!(works.done.borrow().iter().all(Deferred::has_fired));
    }

    #[test]
    fn an_address_that_is_alone_waits_for_nobody_but_its_own_earlier_commands() {
        let (share, works, reactor) = (Share::default(), Works::default(), Reactor::new().unwrap());
        works.begin(&share, &reactor, 100);
        assert_eq!(works.under_way(), 100);
        share.divide(1, false);
        works.begin(&share, &reactor, 65);
        assert_eq!(works.under_way(), 164);
        share.divide(1, true);
        works.begin(&share, &reactor, 1);
        assert_eq!(works.under_way(), 164, "one waits already");
        (0..102).for_each(|_| works.end_one());
        assert_eq!(works.under_way(), 64, "both have begun");
    }

    #[test]
    fn the_wait_for_a_turn_is_a_part_of_the_timeout() {
        let (share, reactor) = (Share::default(), Reactor::new().unwrap());
        share.divide(2, false);
        let works = Works::default();
        works.begin(&share, &reactor, AT_STORE_OF_AN_ADDRESS.get());
        let late = share.turns().run(&reactor, Duration::ZERO, || -> Deferred<()> { unreachable!("it gave up") });
        let failed = late.add_errback(|failure| {
            assert!(failure.check::<reactor::error::TimeoutError>().is_some(), "{failure}");
            Ok(())
        });
        reactor.run_until(failed).unwrap();
    }
}
