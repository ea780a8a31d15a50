//! The queue alone, with moments that the tests make up.

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Rig {
    timers: Rc<Timers>,
    log: Rc<RefCell<Vec<&'static str>>>,
    start: Instant,
}

impl Rig {
    fn new() -> Rig {
        let start = Instant::now();
        Rig { timers: Timers::new(start), log: Rc::default(), start }
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
            if let Some((action, _)) = self.timers.begin(call) {
                action();
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
fn a_call_made_by_a_call_waits_for_the_next_turn_and_holds_nobody_up() {
    let rig = Rig::new();
    let (timers, log) = (rig.timers.clone(), rig.log.clone());
    let late = rig.later(9, "late");
    rig.timers.call_later(
        MS,
        Box::new(move || {
            log.borrow_mut().push("first");
            let log = log.clone();
            timers.call_later(Duration::ZERO, Box::new(move || log.borrow_mut().push("next turn")));
        }),
    );
    late.reset(MS * 5).unwrap();
    rig.later(6, "due too");
    assert_eq!(rig.turn(6), ["first", "late", "due too"]);
    assert_eq!(rig.turn(6), ["next turn"]);
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
fn cancelled_calls_hold_no_memory() {
    let rig = Rig::new();
    let kept = rig.later(50, "kept");
    for _ in 0..10_000 {
        assert!(rig.later(60, "never").cancel());
    }
    assert!(rig.timers.heap.borrow().len() < 2 * REBUILD_AT);
    assert!(kept.active());
    assert_eq!(rig.timers.len(), 1);
    assert_eq!(rig.turn(70), ["kept"]);
}

#[test]
fn a_call_moved_earlier_again_and_again_runs_once() {
    let rig = Rig::new();
    let call = rig.later(1000, "once");
    for ms in (1..500).rev() {
        call.reset(MS * ms).unwrap();
    }
    assert!(rig.timers.heap.borrow().len() <= 2 * REBUILD_AT + 1);
    assert_eq!(rig.timers.len(), 1);
    assert_eq!(rig.turn(2000), ["once"]);
}

#[test]
fn a_delay_beyond_all_times_is_never() {
    let rig = Rig::new();
    let call = rig.timers.call_later(Duration::MAX, Box::new(|| {}));
    assert!(call.time() > rig.start + Duration::from_secs(3600));
}
