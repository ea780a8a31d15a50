use super::*;
use crate::error::CancelledError;
use crate::task::sleep;
use crate::testing::{ManualClock, failure_result_of};

const SECOND: Duration = Duration::from_secs(1);

/// When the body ran, in milliseconds, and what each call was told as its count.
type Calls = Rc<RefCell<Vec<(u128, u64)>>>;

/// A body that notes its calls.
fn note(clock: &ManualClock, calls: &Calls) -> impl FnMut(Tick<'_>) + 'static {
    let (clock, calls) = (clock.clone(), calls.clone());
    move |tick| calls.borrow_mut().push((clock.elapsed().as_millis(), tick.count()))
}

#[test]
fn the_first_call_comes_at_once_and_the_others_on_the_grid() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (_looping, ended) = LoopingCall::start(&clock, SECOND, note(&clock, &calls));
    assert_eq!(*calls.borrow(), [(0, 1)]);
    clock.advance(SECOND * 2);
    assert_eq!(*calls.borrow(), [(0, 1), (1000, 1), (2000, 1)]);
    assert!(!ended.has_fired());
}

#[test]
fn start_later_waits_for_one_interval() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (_looping, _ended) = LoopingCall::start_later(&clock, SECOND, note(&clock, &calls));
    assert!(calls.borrow().is_empty());
    clock.advance(SECOND);
    assert_eq!(*calls.borrow(), [(1000, 1)]);
}

#[test]
fn a_body_that_takes_longer_skips_ticks_keeps_the_grid_and_is_told_how_many() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (inside, mut noting) = (clock.clone(), note(&clock, &calls));
    let (_looping, _ended) = LoopingCall::start(&clock, SECOND, move |tick| {
        let is_second = inside.elapsed() == SECOND;
        noting(tick);
        sleep(&inside, if is_second { SECOND * 5 / 2 } else { SECOND / 10 })
    });
    clock.advance(SECOND * 5);
    assert_eq!(*calls.borrow(), [(0, 1), (1000, 1), (4000, 3), (5000, 1)]);
}

#[test]
fn a_body_that_ends_exactly_on_a_tick_waits_for_the_next_one() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (inside, mut noting) = (clock.clone(), note(&clock, &calls));
    let (_looping, _ended) = LoopingCall::start(&clock, SECOND, move |tick| {
        noting(tick);
        sleep(&inside, SECOND)
    });
    clock.advance(SECOND * 4);
    assert_eq!(*calls.borrow(), [(0, 1), (2000, 2), (4000, 2)]);
}

#[test]
fn an_interval_of_zero_calls_once_in_each_turn() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let mut noting = note(&clock, &calls);
    let mut left = 3;
    let (_looping, ended) = LoopingCall::start(&clock, Duration::ZERO, move |tick| {
        left -= 1;
        if left == 0 {
            tick.stop();
        }
        noting(tick);
    });
    assert_eq!(calls.borrow().len(), 1, "the others are made by the clock");
    clock.advance(Duration::ZERO);
    assert_eq!(*calls.borrow(), [(0, 1); 3]);
    assert_eq!(ended.result(), Some(()));
}

#[test]
fn a_stop_while_it_waits_ends_it_at_once_and_leaves_no_timer() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (looping, ended) = LoopingCall::start(&clock, SECOND, note(&clock, &calls));
    assert!(looping.running() && looping.stop());
    assert!(!looping.running() && !looping.stop(), "it has ended");
    assert!(clock.pending().is_empty());
    assert_eq!(ended.result(), Some(()));
    assert_eq!(Rc::strong_count(&calls), 1, "the body is dropped, though a handle lives");
}

#[test]
fn a_stop_while_the_body_waits_ends_it_when_the_body_has_finished() {
    let clock = ManualClock::new();
    let inside = clock.clone();
    let (looping, ended) = LoopingCall::start(&clock, SECOND, move |_| sleep(&inside, SECOND * 3));
    assert!(looping.stop());
    assert!(!looping.stop(), "it is stopping already");
    clock.advance(SECOND * 2);
    assert!(!ended.has_fired());
    clock.advance(SECOND);
    assert_eq!(ended.result(), Some(()));
    assert!(clock.pending().is_empty());
}

#[test]
fn a_failure_of_the_body_ends_the_loop_and_is_its_result() {
    let clock = ManualClock::new();
    let (looping, ended) = LoopingCall::start(&clock, SECOND, |_| Err(Failure::msg("enough")));
    assert!(!looping.running());
    assert_eq!(failure_result_of(ended).to_string(), "enough");
    assert!(clock.pending().is_empty());
}

#[test]
fn a_later_failure_of_what_the_body_returned_ends_the_loop_too() {
    let clock = ManualClock::new();
    let inside = clock.clone();
    let body = move |_: Tick<'_>| sleep(&inside, SECOND).add_callback(|()| Err::<(), _>(Failure::msg("later")));
    let (looping, ended) = LoopingCall::start(&clock, SECOND, body);
    assert!(looping.running());
    clock.advance(SECOND);
    assert_eq!(failure_result_of(ended).to_string(), "later");
}

#[test]
fn cancelling_the_deferred_stops_the_loop_and_what_it_waits_for() {
    let clock = ManualClock::new();
    let (_looping, ended) = LoopingCall::start(&clock, SECOND, |_| ());
    ended.cancel();
    assert!(failure_result_of(ended).check::<CancelledError>().is_some());
    assert!(clock.pending().is_empty());

    let inside = clock.clone();
    let (looping, ended) = LoopingCall::start(&clock, SECOND, move |_| sleep(&inside, SECOND * 9));
    ended.cancel();
    assert!(failure_result_of(ended).check::<CancelledError>().is_some());
    assert!(!looping.running() && clock.pending().is_empty());
}

#[test]
fn a_reset_begins_a_new_grid() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (looping, _ended) = LoopingCall::start(&clock, SECOND, note(&clock, &calls));
    clock.advance(SECOND / 2);
    assert!(looping.reset());
    clock.advance(SECOND * 5 / 2);
    assert_eq!(*calls.borrow(), [(0, 1), (1500, 1), (2500, 1)]);
    looping.stop();
    assert!(!looping.reset(), "it has ended");
}

#[test]
fn a_panic_in_the_body_ends_the_loop_and_goes_on() {
    let clock = ManualClock::new();
    let (looping, ended) = LoopingCall::start_later(&clock, SECOND, |_| -> () { panic!("in the body") });
    let panic = panic::catch_unwind(AssertUnwindSafe(|| clock.advance(SECOND)));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"in the body"));
    assert!(!looping.running());
    assert!(failure_result_of(ended).check::<PanicError>().is_some());
}

#[test]
fn a_body_may_hold_its_own_loop_without_a_leak() {
    let clock = ManualClock::new();
    let own: Rc<RefCell<Option<LoopingCall>>> = Rc::default();
    let inside = own.clone();
    let (looping, ended) = LoopingCall::start(&clock, SECOND, move |_| drop(inside.borrow().clone()));
    own.replace(Some(looping.clone()));
    let weak = Rc::downgrade(&looping.shared);
    looping.stop();
    drop((looping, ended, own));
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_body_may_stop_its_loop_in_its_first_call_and_in_a_later_one() {
    for (stops_at, calls) in [(0, vec![(0, 1)]), (2000, vec![(0, 1), (1000, 1), (2000, 1)])] {
        let (clock, met) = (ManualClock::new(), Calls::default());
        let (inside, mut noting) = (clock.clone(), note(&clock, &met));
        let (looping, ended) = LoopingCall::start(&clock, SECOND, move |tick| {
            if inside.elapsed().as_millis() == stops_at {
                tick.stop();
            }
            noting(tick);
        });
        clock.advance(SECOND * 5);
        assert_eq!((met.take(), looping.running(), ended.has_fired()), (calls, false, true));
        assert!(clock.pending().is_empty());
    }
}

#[test]
fn a_body_that_stops_its_loop_and_then_fails_is_a_failure() {
    let clock = ManualClock::new();
    let body = |tick: Tick<'_>| {
        tick.stop();
        Err::<(), _>(Failure::msg("and yet"))
    };
    let (looping, ended) = LoopingCall::start(&clock, SECOND, body);
    assert!(!looping.running());
    assert_eq!(failure_result_of(ended).to_string(), "and yet");
}

#[test]
fn with_an_interval_of_zero_the_count_is_one_however_long_a_body_takes() {
    let (clock, calls) = (ManualClock::new(), Calls::default());
    let (inside, mut noting) = (clock.clone(), note(&clock, &calls));
    let (_looping, _ended) = LoopingCall::start(&clock, Duration::ZERO, move |tick| {
        noting(tick);
        sleep(&inside, SECOND * 3)
    });
    clock.advance(SECOND * 7);
    let counts: Vec<u64> = calls.borrow().iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [1, 1, 1]);
}
