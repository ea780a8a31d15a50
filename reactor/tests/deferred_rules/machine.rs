//! M1 to M6: how a Deferred fires, and in which order its callbacks run.

use crate::*;
use reactor::deferred;
use reactor::deferred::IntoDeferred;

/// M1: It fires once; a second firing is an error for its caller, and changes nothing.
mod m01 {
    use super::*;

    #[test]
    fn a_second_firing_is_an_error_for_its_caller() {
        for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
            let (deferred, firer) = Deferred::<&str>::new();
            let fire = |is_value: bool, text: &'static str| match is_value {
                true => firer.callback(text),
                false => firer.errback(Message(text.to_owned())),
            };
            assert!(!firer.called());
            fire(first, "first").unwrap();
            assert!(firer.called());
            fire(second, "second").unwrap_err();
            fire(second, "third").unwrap_err();
            assert_eq!(outcome(deferred), if first { "\"first\"" } else { "failed: first" });
        }
    }

    /// What is left of one Deferred is used for the next of its type.
    #[test]
    fn a_new_deferred_keeps_nothing_of_an_earlier_one() {
        let ends: [End<u32>; 4] = [
            |_, _| {},
            |_, firer| firer.callback(1).unwrap(),
            |deferred, _| deferred.cancel(),
            |deferred, firer| {
                deferred.cancel();
                firer.callback(1).unwrap();
            },
        ];
        for end in ends {
            let (deferred, firer) = Deferred::<u32>::new();
            end(&deferred, &firer);
            deferred.add_both(|_| Ok(())).add_errback(|_| ()).detach();
            drop(firer);
            let (deferred, firer) = Deferred::<u32>::new();
            end(&deferred, &firer);
            outcome(deferred);
            drop(firer);

            let (deferred, firer) = Deferred::<u32>::new();
            let made = std::panic::Location::caller().file();
            assert!(!firer.called() && !deferred.has_fired());
            firer.callback(2).unwrap();
            let first = firer.callback(3).unwrap_err();
            assert_eq!((first.made.file(), first.made.line() + 5), (made, line!()));
            assert_eq!(deferred.result(), Some(2));
        }
    }

    #[test]
    fn a_second_firing_does_not_change_the_delivered_result() {
        let events = Events::default();
        let (deferred, firer) = Deferred::<u32>::new();
        let noted = events.clone();
        let chain = deferred.add_callback(move |n| {
            note(&noted, n);
            Ok(n)
        });
        firer.callback(1).unwrap();
        firer.callback(2).unwrap_err();
        assert_eq!(events.take(), ["1"]);
        assert_eq!(chain.result(), Some(1));
    }

    #[test]
    fn a_second_firing_from_inside_the_first_is_an_error_too() {
        let (deferred, firer) = Deferred::<u32>::new();
        let again = firer.clone();
        let chain = deferred.add_callback(move |_| Ok(again.callback(2).is_err() && again.errback(boom()).is_err()));
        firer.callback(1).unwrap();
        assert_eq!(chain.result(), Some(true));
    }
}

/// M2: It fires with a value or with a failure.
mod m02 {
    use super::*;

    #[test]
    fn errbacks_get_a_failure_given_as_an_error_a_failure_or_a_result() {
        let fires: [fn(&Firer<u32>); 3] = [
            |firer| firer.errback(boom()).unwrap(),
            |firer| firer.errback(Failure::new(boom())).unwrap(),
            |firer| firer.fire(Err(boom().into())).unwrap(),
        ];
        for fire in fires {
            let (deferred, firer) = Deferred::<u32>::new();
            let chain = deferred
                .add_callback(|_| -> Result<u32, Failure> { panic!("there is no value") })
                .add_errback(|failure| failure.trap::<Message>().map(|message| u32::from(*message == boom())));
            fire(&firer);
            assert_eq!(chain.result(), Some(1));
        }
        let (deferred, firer) = Deferred::<u32>::new();
        firer.fire(Ok(3)).unwrap();
        assert_eq!(deferred.result(), Some(3));
    }
}

/// M3: A callback runs on a value, an errback on a failure; what it returns is the next result.
mod m03 {
    use super::*;

    /// Adds callbacks to a Deferred that has fired with `result`, and to one that fires with it afterwards.
    fn before_and_after<U: fmt::Debug + 'static>(
        result: fn() -> Result<u32, Failure>,
        add: fn(Deferred<u32>) -> Deferred<U>,
        expected: &str,
    ) {
        let (before, firer) = Deferred::new();
        firer.fire(result()).unwrap();
        assert_eq!(outcome(add(before)), expected, "fired before");
        assert_eq!(outcome(add(result().into_deferred())), expected, "made with its result");
        let (after, firer) = Deferred::new();
        let chain = add(after);
        firer.fire(result()).unwrap();
        assert_eq!(outcome(chain), expected, "fired after");
    }

    fn value() -> Result<u32, Failure> {
        Ok(1)
    }

    fn failure() -> Result<u32, Failure> {
        Err(boom().into())
    }

    #[test]
    fn a_value_runs_callbacks_and_passes_errbacks() {
        let add = |deferred: Deferred<u32>| {
            deferred.add_errback(|_| -> Result<u32, Failure> { panic!("no failure") }).add_callback(|n| Ok(n + 1))
        };
        before_and_after(value, add, "2");
    }

    #[test]
    fn a_failure_runs_errbacks_and_passes_callbacks() {
        let add = |deferred: Deferred<u32>| {
            deferred
                .add_callback(|_| -> Result<u32, Failure> { panic!("no value") })
                .add_errback(|failure| Err(Failure::msg(format!("{failure}!"))))
        };
        before_and_after(failure, add, "failed: boom!");
    }

    #[test]
    fn a_callback_that_fails_switches_to_the_errbacks_and_an_errback_that_succeeds_switches_back() {
        let add = |deferred: Deferred<u32>| {
            deferred
                .add_callback(|_| Err::<u32, _>(Failure::msg("raised")))
                .add_callback(|_| -> Result<u32, Failure> { panic!("it failed") })
                .add_errback(|failure| Ok(failure.to_string().len() as u32))
                .add_errback(|_| -> Result<u32, Failure> { panic!("it was handled") })
                .add_callback(|n| Ok(n * 10))
        };
        before_and_after(value, add, "60");
    }

    #[test]
    fn a_failure_of_a_callback_does_not_reach_the_errback_beside_it() {
        let add = |deferred: Deferred<u32>| {
            deferred.add_callbacks(
                |_| Err::<u32, _>(Failure::msg("raised")),
                |_| -> Result<u32, Failure> { panic!("the errback beside it ran") },
            )
        };
        before_and_after(value, add, "failed: raised");
        let add = |deferred: Deferred<u32>| {
            deferred.add_callbacks(|_| -> Result<u32, Failure> { panic!("there is no value") }, |_| Ok(5))
        };
        before_and_after(failure, add, "5");
    }

    #[test]
    fn add_both_gets_a_value_or_a_failure() {
        let add = |deferred: Deferred<u32>| deferred.add_both(|result| Ok(result.is_ok()));
        before_and_after(value, add, "true");
        before_and_after(failure, add, "false");
    }

    #[test]
    fn the_rest_of_the_chain_gets_a_panic_as_a_failure_and_the_firing_code_gets_the_panic() {
        // In Python the exception ends here. A panic is a bug, and a test must see it.
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred
            .add_callback(|_| -> Result<u32, Failure> { panic!("ouch") })
            .add_errback(|failure| Err(Failure::msg(format!("told: {failure}"))));
        assert_eq!(panic_of(|| firer.callback(1).unwrap()), "ouch");
        assert_eq!(outcome(chain), "failed: told: a callback panicked: ouch");
    }
}

/// M4: Callbacks run before the call that made them possible returns: a firing, or adding to a fired Deferred.
mod m04 {
    use super::*;

    #[test]
    fn firing_runs_everything_before_it_returns() {
        let events = Events::default();
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred.add_both(noting(&events, "first")).add_both(noting(&events, "second"));
        note(&events, "firing");
        firer.callback(1).unwrap();
        note(&events, "fired");
        assert_eq!(events.take(), ["firing", "first", "second", "fired"]);
        assert_eq!(chain.result(), Some(1));
    }

    #[test]
    fn adding_to_a_fired_deferred_runs_the_callback_before_it_returns() {
        let events = Events::default();
        let (deferred, firer) = Deferred::<u32>::new();
        firer.callback(1).unwrap();
        for deferred in [deferred, deferred::succeed(1)] {
            note(&events, "adding");
            let chain = deferred.add_both(noting(&events, "ran"));
            note(&events, "added");
            assert_eq!(events.take(), ["adding", "ran", "added"]);
            assert_eq!(chain.result(), Some(1));
        }
    }
}

/// M5: A callback added from inside a running one runs last.
mod m05 {
    use super::*;

    #[test]
    fn a_callback_added_from_inside_a_running_one_runs_last() {
        let events = Events::default();
        let chain: Rc<RefCell<Option<Deferred<u32>>>> = Rc::default();
        let (deferred, firer) = Deferred::<u32>::new();
        let (itself, running) = (chain.clone(), events.clone());
        let whole = deferred
            .add_callback(move |n| {
                note(&running, "c1 in");
                let taken = itself.take().expect("the chain is there");
                itself.replace(Some(taken.add_both(noting(&running, "added"))));
                note(&running, "c1 out");
                Ok(n)
            })
            .add_both(noting(&events, "c2"));
        chain.replace(Some(whole));
        firer.callback(1).unwrap();
        assert_eq!(events.take(), ["c1 in", "c1 out", "c2", "added"]);
        assert_eq!(chain.take().and_then(Deferred::result), Some(1));
    }
}

/// M6: A callback that fires another Deferred runs its chain nested.
mod m06 {
    use super::*;

    #[test]
    fn a_callback_that_fires_another_deferred_runs_that_chain_nested() {
        let events = Events::default();
        let (other, fire_other) = Deferred::<u32>::new();
        let other = other.add_both(noting(&events, "other 1")).add_both(noting(&events, "other 2"));
        let (deferred, firer) = Deferred::<u32>::new();
        let running = events.clone();
        let chain = deferred
            .add_callback(move |n| {
                note(&running, "c1 in");
                fire_other.callback(n).unwrap();
                note(&running, "c1 out");
                Ok(n)
            })
            .add_both(noting(&events, "c2"));
        firer.callback(1).unwrap();
        assert_eq!(events.take(), ["c1 in", "other 1", "other 2", "c1 out", "c2"]);
        assert_eq!((other.result(), chain.result()), (Some(1), Some(1)));
    }
}
