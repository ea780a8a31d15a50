//! M17: errors say where a Deferred was made, and where it was fired. No mode has to be switched on for it.

use crate::labels::labelled;
use crate::*;
use reactor::deferred;
use reactor::error::AlreadyCalledError;

fn places(error: AlreadyCalledError) -> [String; 2] {
    [error.made, error.first].map(|place| labelled(&place.to_string()))
}

#[test]
fn an_already_called_error_names_where_it_was_made_and_where_it_was_fired_first() {
    for is_value in [true, false] {
        let (deferred, firer) = Deferred::<u32>::new(); // made
        match is_value {
            true => firer.callback(1).unwrap(),      // value
            false => firer.errback(boom()).unwrap(), // failure
        }
        let first = if is_value { "<value>" } else { "<failure>" };
        for error in [firer.callback(2).unwrap_err(), firer.errback(boom()).unwrap_err()] {
            assert_eq!(places(error), ["<made>", first]);
            let text = labelled(&error.to_string());
            assert!(text.contains("<made>") && text.contains(first), "{text}");
        }
        outcome(deferred);
    }
}

#[test]
fn an_already_called_error_names_the_canceller_that_made_it_and_the_place_that_fired_from_it() {
    let canceller = |firer: &Firer<u32>| {
        firer.callback(1).unwrap(); // fired by the canceller
    };
    let (deferred, firer) = Deferred::<u32>::with_canceller(canceller); // made with a canceller
    deferred.cancel();
    assert_eq!(places(firer.callback(2).unwrap_err()), ["<made with a canceller>", "<fired by the canceller>"]);
    assert_eq!(deferred.result(), Some(1));
}

#[test]
fn an_already_called_error_names_the_cancel() {
    let (deferred, firer) = Deferred::<u32>::new(); // made to be cancelled
    deferred.cancel(); // cancelled
    firer.callback(1).unwrap();
    assert_eq!(places(firer.callback(2).unwrap_err()), ["<made to be cancelled>", "<cancelled>"]);
    outcome(deferred);
    let (deferred, firer) = Deferred::<u32>::with_canceller(|_| {}); // made with an idle canceller
    deferred.canceller().cancel(); // cancelled from afar
    assert_eq!(places(firer.callback(2).unwrap_err()), ["<made with an idle canceller>", "<cancelled from afar>"]);
    outcome(deferred);
}

#[test]
fn an_already_called_error_names_the_chain_deferred_that_fired_it() {
    let ((first, fire_first), (second, fire_second)) = (Deferred::<u32>::new(), Deferred::<u32>::new()); // both made
    let again = fire_second.clone();
    first.chain_deferred(fire_second).detach(); // linked
    fire_first.callback(1).unwrap();
    assert_eq!(places(again.callback(2).unwrap_err()), ["<both made>", "<linked>"]);
    assert_eq!(second.result(), Some(1));
}

#[test]
fn a_chain_deferred_to_a_called_deferred_names_both_firings_and_itself() {
    for fired in [false, true] {
        let (_second, fire_second) = Deferred::<u32>::new(); // target made
        fire_second.callback(1).unwrap(); // target fired
        let (first, fire_first) = Deferred::<u32>::new();
        if fired {
            fire_first.callback(1).unwrap();
        }
        let first = first.chain_deferred(fire_second); // link too late
        if !fired {
            fire_first.callback(1).unwrap();
        }
        let failure = failure_of(first);
        let error = failure.check::<AlreadyCalledError>().expect("it is one");
        assert_eq!(places(*error), ["<target made>", "<target fired>"]);
        assert_eq!(labelled(&failure.raised().to_string()), "<link too late>");
    }
}

#[test]
fn a_circular_wait_names_the_callback_and_a_timeout_what_was_waited_for() {
    let itself: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
    let unhandled = testing::collect_unhandled(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let own = itself.clone();
        let chain = deferred.add_callback(move |_| own.take().expect("it is there")); // circle
        itself.replace(Some(chain));
        firer.callback(1).unwrap();
    });
    assert!(labelled(&unhandled[0].to_string()).contains("<circle>"), "{unhandled:?}");

    let clock = testing::ManualClock::new();
    let (deferred, _firer) = Deferred::<u32>::new(); // slow
    let chain = deferred.add_callback(Ok).add_timeout(std::time::Duration::from_secs(1), &clock);
    clock.advance(std::time::Duration::from_secs(1));
    let text = labelled(&failure_of(chain).to_string());
    assert!(text.contains("<slow>") && text.contains("1s"), "{text}");
}

#[test]
fn the_place_of_a_question_mark_in_a_callback_is_where_a_failure_was_raised() {
    let chain = deferred::succeed("x").add_callback(|text| {
        let number: u32 = text.parse()?; // question mark
        Ok(number)
    });
    assert_eq!(labelled(&failure_of(chain).raised().to_string()), "<question mark>");
}
