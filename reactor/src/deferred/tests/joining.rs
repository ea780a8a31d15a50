//! What lists and races have in common: what may happen from inside them, what is left over, and their size.

use super::lists::{BOTH, boom, pending, texts, watch, watched};
use super::*;
use crate::deferred::{Others, deferred_list, gather_results, race};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn panic_text(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    payload.downcast_ref::<&str>().expect("panics of the tests are plain text").to_string()
}

#[test]
fn a_canceller_that_panics_does_not_keep_the_others_from_being_cancelled() {
    let events = Events::default();
    let action: fn(usize, &Firer<u32>) = |index, _| assert!(index != 1, "the canceller failed");
    let (inputs, _firers) = watched(&events, 3, action);
    let list = deferred_list(inputs);
    assert_eq!(panic_text(|| list.cancel()), "the canceller failed");
    assert_eq!(events.take(), ["cancel 0", "cancel 1", "cancel 2"]);
    list.cancel();
    assert!(list.has_fired(), "the second cancel has reached the one that panicked");
    drop(list);

    let (inputs, firers) = watched(&events, 3, action);
    let first = watch(&events, race(inputs, Others::Cancel));
    assert_eq!(panic_text(|| firers[2].callback(7).unwrap()), "the canceller failed");
    assert_eq!(events.take(), ["cancel 0", "cancel 1", "(2, 7)"], "the winner is told nevertheless");
    drop(first);
}

#[test]
fn inputs_that_fire_each_other_from_their_cancellers_are_counted_once() {
    let events = Events::default();
    let (second, fire_second) = Deferred::<u32>::new();
    let both = events.clone();
    let (first, _firer) = Deferred::<u32>::with_canceller(move |firer| {
        fire_second.callback(2).unwrap();
        note(&both, "second fired");
        firer.callback(1).unwrap();
    });
    let list = deferred_list([first, second]).add_callback(|results| Ok(texts(results)));
    let list = watch(&events, list);
    list.cancel();
    assert_eq!(events.take(), ["second fired", "[Ok(1), Ok(2)]"]);
}

#[test]
fn a_cancel_from_inside_a_cancel_reaches_what_its_inputs_wait_for_by_then() {
    let events = Events::default();
    let (cleaned_up, _clean_up) = watched(&events, 1, |_, _| {});
    let (stubborn, _firer) = Deferred::<u32>::new();
    let mut cleaned_up = cleaned_up.into_iter();
    let stubborn = stubborn.add_errback(move |_| cleaned_up.next().expect("it is cancelled once"));
    let list: Rc<RefCell<Option<Deferred<()>>>> = Rc::default();
    let (again, noted) = (list.clone(), events.clone());
    let (second, _second_firer) = Deferred::<u32>::with_canceller(move |_| {
        note(&noted, "second");
        again.borrow().as_ref().expect("it waits").cancel();
    });
    let (third, fire_third) = Deferred::<u32>::new();
    *list.borrow_mut() = Some(deferred_list([stubborn, second, third]).add_callback(|_| {}));
    list.borrow().as_ref().expect("it waits").cancel();
    assert!(fire_third.called());
    assert_eq!(events.take(), ["second", "cancel 0"], "the first waited for another one by then");
    assert!(list.take().expect("it waited").has_fired());
}

#[test]
fn an_input_that_wins_from_inside_a_canceller_has_the_rest_cancelled_first() {
    let events = Events::default();
    let (inputs, _firers) = watched(&events, 3, |index, firer| {
        if index == 0 {
            firer.callback(5).unwrap();
        }
    });
    let first = watch(&events, race(inputs, Others::Cancel));
    first.cancel();
    assert_eq!(events.take(), ["cancel 0", "cancel 1", "cancel 2", "(0, 5)"]);
}

#[test]
fn a_value_whose_drop_fires_another_input_does_no_harm() {
    #[derive(Debug)]
    struct FiresWhenDropped(Option<Firer<FiresWhenDropped>>);
    impl Drop for FiresWhenDropped {
        fn drop(&mut self) {
            if let Some(firer) = self.0.take() {
                firer.callback(FiresWhenDropped(None)).unwrap();
            }
        }
    }
    for others in BOTH {
        let (inputs, firers) = pending::<FiresWhenDropped>(3);
        let all = gather_results(inputs, others);
        firers[0].callback(FiresWhenDropped(Some(firers[1].clone()))).unwrap();
        firers[2].errback(boom()).unwrap();
        assert_eq!(outcome(all), "failed: input 2 failed: boom");
        assert!(firers[1].called());
    }
}

#[test]
fn a_result_that_was_dropped_still_has_its_callbacks_run() {
    let events = Events::default();
    let (inputs, firers) = pending::<u32>(2);
    drop(watch(&events, gather_results(inputs, Others::Cancel)));
    firers[1].callback(1).unwrap();
    firers[0].callback(0).unwrap();
    assert_eq!(events.take(), ["[0, 1]"]);
    let lines = logged(|| {
        let (inputs, firers) = pending::<u32>(2);
        drop(gather_results(inputs, Others::Cancel));
        firers[1].errback(boom()).unwrap();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_paused_result_waits_for_the_end_of_the_pause() {
    let (inputs, firers) = pending::<u32>(2);
    let mut all = gather_results(inputs, Others::Cancel);
    let pause = all.pause();
    firers.iter().for_each(|firer| firer.callback(1).unwrap());
    assert!(!all.has_fired());
    pause.unpause();
    assert_eq!(all.result(), Some(vec![1, 1]));
}

#[test]
fn once_it_has_fired_nothing_of_it_is_left_over() {
    let drops = Rc::new(Cell::new(0));
    for others in BOTH {
        drops.set(0);
        let (inputs, firers) = pending::<Dropped>(3);
        let kept = Dropped(drops.clone());
        let all = gather_results(inputs, others).add_both(move |result| {
            drop((result, kept));
        });
        firers[0].callback(Dropped(drops.clone())).unwrap();
        firers[1].errback(boom()).unwrap();
        assert_eq!(drops.get(), 2, "the value that was not needed, and the callback");
        drop((all, firers));
    }
    let weak = {
        let alive = Rc::new(());
        let (inputs, firers) = pending::<u32>(2);
        let kept = alive.clone();
        let inputs = inputs.into_iter().map(move |input| {
            let kept = kept.clone();
            input.add_callback(move |n| {
                let _ = &kept;
                Ok(n)
            })
        });
        let first = race(inputs, Others::LeaveRunning);
        firers[0].callback(1).unwrap();
        drop((first, firers));
        Rc::downgrade(&alive)
    };
    assert!(weak.upgrade().is_none(), "a loser that never fires is not kept");
}

#[test]
fn many_inputs_take_linear_time_in_any_order_and_already_fired() {
    let sum = |values: Vec<usize>| Ok(values.into_iter().sum::<usize>());
    let expected = Some((0..MANY).sum::<usize>());
    for order in ["forward", "backward", "scattered"] {
        let (inputs, firers) = pending::<usize>(MANY);
        let all = gather_results(inputs, Others::Cancel).add_callback(sum);
        for turn in 0..MANY {
            let index = match order {
                "forward" => turn,
                "backward" => MANY - 1 - turn,
                _ => (turn * 7_919) % MANY, // A prime that does not divide how many there are.
            };
            firers[index].callback(index).unwrap();
        }
        assert_eq!(all.result(), expected, "{order}");
    }
    let fired = gather_results((0..MANY).map(deferred::succeed), Others::Cancel).add_callback(sum);
    assert_eq!(fired.result(), expected);
    let list = deferred_list((0..MANY).map(deferred::succeed)).add_callback(|results| Ok(results.len()));
    assert_eq!(list.result(), Some(MANY));
}

#[test]
fn many_inputs_are_cancelled_in_linear_time() {
    let (inputs, _firers) = pending::<u32>(MANY);
    let list = deferred_list(inputs).add_callback(|results| Ok(results.len()));
    list.cancel();
    assert_eq!(list.result(), Some(MANY));
    let (inputs, firers) = pending::<u32>(MANY);
    let first = race(inputs, Others::Cancel);
    firers[MANY / 2].callback(1).unwrap();
    assert_eq!(first.result(), Some((MANY / 2, 1)));
}

#[test]
fn lists_however_deep_inside_each_other_fire_in_constant_stack() {
    type Nest = fn(Deferred<u32>) -> Deferred<u32>;
    let nests: [Nest; 3] = [
        |inner| deferred_list([inner]).add_callback(|mut results| results.remove(0)),
        |inner| gather_results([inner], Others::Cancel).add_callback(|values| Ok(values[0] + 1)),
        |inner| race([inner], Others::Cancel).add_callback(|(_, value)| Ok(value)),
    ];
    for (nest, expected) in nests.into_iter().zip([1, 1 + MANY as u32, 1]) {
        let (inner, firer) = Deferred::<u32>::new();
        let outer = (0..MANY).fold(inner, |inner, _| nest(inner));
        firer.callback(1).unwrap();
        assert_eq!(outer.result(), Some(expected));
    }
}
