//! The queue alone, with moments that the tests make up.

use super::heap::{MIN_ROOM, REBUILD_AT};
use super::*;
use std::cell::RefCell;

const MS: Duration = Duration::from_millis(1);

struct Rig {
    timers: Rc<Timers>,
    log: Rc<RefCell<Vec<&'static str>>>,
    start: Instant,
}

impl Rig {
    fn new() -> Rig {
        let start = Instant::now();
        Rig { timers: Timers::new(start, None), log: Rc::default(), start }
    }
    fn later(&self, ms: u32, name: &'static str) -> DelayedCall {
        let log = self.log.clone();
        self.timers.call_later(MS * ms, Box::new(move || log.borrow_mut().push(name)))
    }
    /// One turn at `ms` after the start; what ran.
    fn turn(&self, ms: u32) -> Vec<&'static str> {
        self.timers.set_now(self.start + MS * ms);
        let mut due = VecDeque::new();
        self.timers.take_due(&mut due);
        for call in due {
            if let Some(begun) = self.timers.begin(call) {
                begun.make();
            }
        }
        self.log.take()
    }
}

#[test]
fn calls_run_by_time_and_equal_times_in_the_order_asked_for() {
    let rig = Rig::new();
    rig.later(5, "c");
    rig.later(2, "a");
    rig.later(5, "d");
    rig.later(2, "b");
    assert_eq!(rig.turn(1), [""; 0]);
    assert_eq!(rig.turn(5), ["a", "b", "c", "d"]);
    assert_eq!(rig.timers.next_time(), None);
}

#[test]
fn cancel_reset_and_delay_move_only_active_calls() {
    let rig = Rig::new();
    let (a, b, c) = (rig.later(10, "a"), rig.later(10, "b"), rig.later(10, "c"));
    assert!(a.cancel());
    assert_eq!((a.cancel(), a.state(), a.reset(MS)), (false, CallState::Cancelled, Err(NotActive::AlreadyCancelled)));
    b.reset(MS * 3).unwrap();
    c.delay(MS * 5).unwrap();
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 3));
    assert_eq!(rig.turn(3), ["b"]);
    assert_eq!(b.reset(MS), Err(NotActive::AlreadyCalled));
    assert_eq!(rig.turn(14), [""; 0]);
    assert_eq!(rig.turn(15), ["c"]);
    assert!(!c.active());
}

#[test]
fn reset_counts_from_now_and_delay_from_the_due_time() {
    let rig = Rig::new();
    let (a, b) = (rig.later(10, "a"), rig.later(10, "b"));
    rig.turn(4);
    a.reset(MS * 10).unwrap();
    b.delay(MS * 1).unwrap();
    assert_eq!(a.time(), rig.start + MS * 14);
    assert_eq!(b.time(), rig.start + MS * 11);
}

#[test]
fn a_call_may_cancel_one_that_is_due_in_the_same_turn() {
    let rig = Rig::new();
    let victim = rig.later(2, "victim");
    let stop = victim.clone();
    rig.timers.call_later(MS, Box::new(move || assert!(stop.cancel())));
    assert_eq!(rig.turn(2), [""; 0]);
}

#[test]
fn a_cancelled_call_drops_what_it_held_at_once() {
    let rig = Rig::new();
    let held = Rc::new(());
    let holds = held.clone();
    let call = rig.timers.call_later(MS, Box::new(move || drop(holds)));
    assert!(call.cancel());
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn cancelled_calls_hold_no_memory() {
    let rig = Rig::new();
    let kept = rig.later(50, "kept");
    for _ in 0..10_000 {
        assert!(rig.later(60, "never").cancel());
    }
    assert!(entries(&rig) < 2 * REBUILD_AT);
    assert!(kept.active());
    assert_eq!(rig.timers.len(), 1);
    assert_eq!(rig.turn(70), ["kept"]);
}

/// Room in the heaps for entries.
fn room(rig: &Rig) -> usize {
    [&rig.timers.young, &rig.timers.old].map(|heap| heap.entries.borrow().capacity()).iter().sum()
}

/// Number of entries in the heaps.
fn entries(rig: &Rig) -> usize {
    rig.timers.young.entry_count() + rig.timers.old.entry_count()
}

/// Number of entries in the heaps that are dead.
fn dead(rig: &Rig) -> usize {
    rig.timers.young.dead.get() + rig.timers.old.dead.get()
}

#[test]
fn the_memory_of_a_burst_is_given_back_however_it_ends() {
    const BURST: usize = 100_000;
    let burst = |rig: &Rig| (0..BURST).map(|_| rig.later(60, "burst")).collect::<Vec<_>>();
    let rig = Rig::new();
    let kept = rig.later(70, "kept");
    let calls = burst(&rig);
    assert!(room(&rig) > BURST);
    calls.iter().for_each(|call| assert!(call.cancel()));
    assert_eq!((room(&rig) <= 2 * MIN_ROOM, rig.timers.len()), (true, 1), "{}", room(&rig));
    burst(&rig);
    assert_eq!(rig.turn(60).len(), BURST);
    assert_eq!((room(&rig) <= 2 * MIN_ROOM, rig.timers.len()), (true, 1), "{}", room(&rig));
    assert!(kept.active());
}

#[test]
fn a_burst_that_ends_slowly_keeps_room_for_at_most_four_times_what_waits() {
    let rig = Rig::new();
    let calls: Vec<_> = (0..20_000).map(|at| rig.later(1 + at, "call")).collect();
    for ms in 1..=15_000 {
        assert_eq!(rig.turn(ms).len(), 1);
        let waiting = rig.timers.len();
        assert!(room(&rig) <= (2 * MIN_ROOM).max(4 * waiting), "{} for {waiting}", room(&rig));
    }
    calls.iter().skip(15_000).for_each(|call| assert!(call.cancel()));
    assert_eq!(rig.timers.len(), 0);
}

#[test]
fn a_call_that_is_moved_or_cancelled_while_it_is_due_keeps_the_count_right() {
    let rig = Rig::new();
    let (later, twice, cancelled) = (rig.later(2, "later"), rig.later(2, "twice"), rig.later(2, "cancelled"));
    let moves = move || {
        later.reset(MS * 8).unwrap();
        twice.reset(MS * 9).unwrap();
        twice.reset(MS * 3).unwrap(); // Earlier again: it has no entry to leave behind.
        assert!(cancelled.cancel());
    };
    rig.timers.call_later(MS, moves);
    assert_eq!(rig.turn(2), [""; 0]);
    assert_eq!((rig.timers.len(), rig.timers.waiting().len(), dead(&rig)), (2, 2, 0));
    assert_eq!(rig.turn(5), ["twice"]);
    assert_eq!(rig.turn(10), ["later"]);
    assert_eq!((rig.timers.len(), dead(&rig)), (0, 0));
}

#[test]
fn a_call_moved_earlier_again_and_again_runs_once() {
    let rig = Rig::new();
    let call = rig.later(1000, "once");
    for ms in (1..500).rev() {
        call.reset(MS * ms).unwrap();
    }
    assert!(entries(&rig) <= 2 * REBUILD_AT + 1);
    assert_eq!(rig.timers.len(), 1);
    assert_eq!(rig.turn(2000), ["once"]);
}

#[test]
fn a_delay_beyond_all_times_is_a_hundred_years() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let rig = Rig::new();
    let call = rig.timers.call_later(Duration::MAX, Box::new(|| {}));
    assert_eq!(call.time(), rig.start + DAY * 365 * 100);
}

#[test]
fn a_hundred_calls_for_one_moment_run_in_the_order_asked_for() {
    let rig = Rig::new();
    let ran: Rc<RefCell<Vec<usize>>> = Rc::default();
    for number in 0..100 {
        let ran = ran.clone();
        rig.timers.call_later(MS, Box::new(move || ran.borrow_mut().push(number)));
    }
    rig.turn(1);
    assert!(ran.take().into_iter().eq(0..100));
}

#[test]
fn the_next_time_is_that_of_a_call_that_still_waits() {
    let rig = Rig::new();
    let (cancelled, moved) = (rig.later(1, "cancelled"), rig.later(2, "moved"));
    rig.later(9, "last");
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS));
    assert!(cancelled.cancel());
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 2));
    moved.delay(MS * 3).unwrap();
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 5));
    rig.later(3, "earlier");
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 3));
    rig.later(4, "later");
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 3));
    assert_eq!(rig.turn(3), ["earlier"]);
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 4));
    moved.reset(MS * 2).unwrap();
    assert_eq!(rig.turn(4), ["later"]);
    assert_eq!(rig.turn(9), ["moved", "last"]);
}

#[test]
fn delays_count_from_the_time_on_the_clock() {
    let rig = Rig::new();
    let (timers, now) = (Rc::downgrade(&rig.timers), rig.start + MS * 5);
    rig.timers.set_clock(Box::new(move || timers.upgrade().unwrap().set_now(now)));
    let call = rig.later(1, "call");
    assert_eq!(call.time(), rig.start + MS * 6);
    rig.timers.set_now(rig.start);
    call.reset(MS * 2).unwrap();
    assert_eq!(call.time(), rig.start + MS * 7);
}

#[test]
fn a_call_moved_to_the_time_that_it_has_costs_no_entry() {
    let rig = Rig::new();
    let call = rig.later(5, "call");
    call.reset(MS * 5).unwrap();
    assert_eq!(entries(&rig), 1);
}

/// A queue of `calls` calls, `cancelled` of which have been cancelled: how many entries its heap holds.
fn entries_after(calls: usize, cancelled: usize) -> usize {
    let rig = Rig::new();
    let calls: Vec<DelayedCall> = (0..calls).map(|_| rig.later(5, "call")).collect();
    calls[..cancelled].iter().for_each(|call| assert!(call.cancel()));
    entries(&rig)
}

#[test]
fn the_heap_is_rebuilt_when_at_least_64_entries_and_more_than_half_are_dead() {
    assert_eq!(entries_after(64, 63), 64);
    assert_eq!(entries_after(64, 64), 0);
    assert_eq!(entries_after(128, 64), 128);
    assert_eq!(entries_after(128, 65), 63);
}

#[test]
fn a_call_that_is_cancelled_soon_costs_the_same_however_many_wait() {
    let rig = Rig::new();
    (0..10 * YOUNG).for_each(|_| drop(rig.later(60, "waits")));
    let waiting = rig.timers.old.entry_count();
    assert!(waiting > 8 * YOUNG);
    for _ in 0..3 * YOUNG {
        assert!(rig.later(30, "never").cancel());
        assert!(rig.timers.young.entry_count() <= YOUNG);
    }
    assert_eq!(rig.timers.old.entry_count(), waiting);
    assert_eq!(rig.timers.len(), 10 * YOUNG);
}

#[test]
fn a_call_whose_move_fills_the_young_heap_is_counted_once() {
    let rig = Rig::new();
    let calls: Vec<_> = (1..YOUNG).map(|_| rig.later(20, "call")).collect();
    calls[0].reset(MS * 10).unwrap();
    assert_eq!((rig.timers.len(), dead(&rig)), (YOUNG - 1, 0));
    assert_eq!((rig.turn(10).len(), rig.turn(20).len()), (1, YOUNG - 2));
}

#[test]
fn calls_of_both_heaps_run_in_order_and_can_be_moved_and_cancelled() {
    let rig = Rig::new();
    let old: Vec<_> = (0..YOUNG).map(|_| rig.later(20, "old")).collect();
    assert_eq!((rig.timers.young.len(), rig.timers.old.len()), (0, YOUNG));
    let young = [rig.later(10, "young"), rig.later(20, "last"), rig.later(30, "young")];
    young[2].reset(MS * 15).unwrap();
    old[1].reset(MS * 5).unwrap();
    old[2..].iter().for_each(|call| assert!(call.cancel()));
    young[0].cancel();
    assert_eq!(rig.timers.len(), 4);
    let order: Vec<Instant> = rig.timers.waiting().iter().map(DelayedCall::time).collect();
    assert_eq!(order, [5, 15, 20, 20].map(|ms| rig.start + MS * ms));
    assert_eq!(rig.timers.next_time(), Some(rig.start + MS * 5));
    assert_eq!(rig.turn(20), ["old", "young", "old", "last"]);
    assert_eq!((entries(&rig), dead(&rig)), (0, 0));
}

#[test]
fn each_call_that_waits_is_listed_once_in_the_order_in_which_they_run() {
    let rig = Rig::new();
    assert_eq!((rig.timers.waiting().len(), rig.timers.len()), (0, 0));
    let (cancelled, later, sooner) = (rig.later(1, "cancelled"), rig.later(2, "later"), rig.later(9, "sooner"));
    rig.later(4, "unmoved");
    assert!(cancelled.cancel());
    later.delay(MS * 5).unwrap();
    sooner.reset(MS * 3).unwrap();
    let listed = rig.timers.waiting();
    let times: Vec<Instant> = listed.iter().map(DelayedCall::time).collect();
    assert_eq!(times, [3, 4, 7].map(|ms| rig.start + MS * ms));
    assert_eq!(rig.timers.len(), 3);
    assert!(listed[0].cancel());
    assert!(!sooner.active(), "the list has handles of the calls, not copies");
    assert_eq!(rig.turn(9), ["unmoved", "later"]);
}

#[test]
fn a_queue_that_is_cleared_or_dropped_drops_what_its_calls_hold() {
    for clear in [|rig: Rig| rig.timers.clear(), |rig: Rig| drop(rig)] {
        let rig = Rig::new();
        let held: Rc<RefCell<Option<DelayedCall>>> = Rc::default();
        let holds = held.clone();
        let call = rig.timers.call_later(MS, Box::new(move || drop(holds)));
        // A call that holds its own handle: a timeout and the chain that it would cancel are such a circle.
        *held.borrow_mut() = Some(call.clone());
        clear(rig);
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(call.state(), CallState::Cancelled);
    }
}

#[test]
fn handles_and_errors_say_what_became_of_the_call() {
    let rig = Rig::new();
    let call = rig.later(1, "call");
    let asked = "DelayedCall(Waiting, asked for at ";
    assert!(format!("{call:?}").starts_with(asked) && format!("{call:?}").contains("tests.rs:"), "{call:?}");
    rig.turn(1);
    assert!(format!("{call:?}").starts_with("DelayedCall(Called, "), "{call:?}");
    assert_eq!(NotActive::AlreadyCalled.to_string(), "the call has already been made");
    assert_eq!(NotActive::AlreadyCancelled.to_string(), "the call has already been cancelled");
}
