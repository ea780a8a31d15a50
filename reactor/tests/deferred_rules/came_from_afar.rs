//! Where a failure came from, when it came from another Deferred: one that a callback returned, that was linked or
//! awaited, or in a list.

use crate::came_from::{long_wait, lost_tells, raise};
use crate::labels::told;
use crate::*;
use reactor::deferred::{self, FailureGroup, FirstError, Others, deferred_list, gather_results, race};

/// The part of the way that the tests here share: through a Deferred with one callback, which raises.
const INNER: [&str; 3] = ["raised <raise>", "in <inner>", "raised by <inner callback>"];

/// One that has not fired, and what fires it.
fn inner() -> (Deferred<u32>, Firer<u32>) {
    let (deferred, firer) = Deferred::<u32>::new(); // inner
    (deferred.add_callback(|_| raise::<u32>()), firer) // inner callback
}

fn after_inner(rest: &[&str]) -> Vec<String> {
    INNER.iter().chain(rest).map(|line| line.to_string()).collect()
}

/// With and without a long wait between the steps.
const WAITS: [fn(); 2] = [|| {}, long_wait];

#[test]
fn from_an_unfired_deferred_returned_in_a_pending_chain() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let ((inner, fire_inner), (outer, firer)) = (inner(), Deferred::<u32>::new()); // outer
            let chain = outer.add_callback(Ok); // o1
            let chain = chain.add_callback(move |_| inner); // o2
            chain.add_callback(Ok).detach(); // o3
            wait();
            firer.callback(1).unwrap();
            drop(firer);
            wait();
            fire_inner.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["in <outer>", "after <o1>", "given back by <o2>", "past <o3>"]));
    }
}

#[test]
fn from_an_unfired_deferred_returned_by_the_last_callback_of_a_pending_chain() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let ((inner, fire_inner), (outer, firer)) = (inner(), Deferred::<u32>::new()); // outer, ends
            let chain = outer.add_callback(Ok); // e1
            chain.add_callback(move |_| inner).detach(); // e2
            firer.callback(1).unwrap();
            drop(firer);
            wait();
            fire_inner.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["in <outer, ends>", "after <e1>", "given back by <e2>"]));
    }
}

#[test]
fn from_an_unfired_deferred_returned_in_a_fired_chain() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let (inner, fire_inner) = inner();
            let outer = deferred::succeed(1); // fired outer
            let chain = outer.add_callback(Ok); // f1
            let chain = chain.add_callback(move |_| inner); // f2
            chain.add_callback(Ok).detach(); // f3
            wait();
            fire_inner.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["in <fired outer>", "after <f1>", "given back by <f2>", "past <f3>"]));
    }
}

#[test]
fn from_a_fired_deferred_that_was_returned() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let ((inner, fire_inner), (outer, firer)) = (inner(), Deferred::<u32>::new()); // taker
            fire_inner.callback(1).unwrap();
            drop(fire_inner);
            let chain = outer.add_callback(Ok); // t1
            let chain = chain.add_callback(move |_| inner); // t2
            chain.add_callback(Ok).detach(); // t3
            wait();
            firer.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["in <taker>", "after <t1>", "given back by <t2>", "past <t3>"]));
        let tells = lost_tells(|| {
            let (inner, fire_inner) = inner();
            fire_inner.callback(1).unwrap();
            wait();
            let chain = deferred::succeed(1); // fired taker
            let chain = chain.add_callback(Ok); // ft1
            chain.add_callback(move |_| inner).detach(); // ft2
        });
        assert_eq!(tells, after_inner(&["in <fired taker>", "after <ft1>", "given back by <ft2>"]));
    }
}

#[test]
fn from_far_below_through_every_chain_that_waited() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let (mut chain, fire_inner) = inner();
            let mut firers = Vec::new();
            for _ in 0..3 {
                let below = chain;
                let (level, firer) = Deferred::<u32>::new(); // level
                chain = level.add_callback(move |_| below); // gives back
                firers.push(firer);
            }
            drop(chain);
            firers.into_iter().rev().for_each(|firer| firer.callback(1).unwrap());
            wait();
            fire_inner.callback(1).unwrap();
        });
        let level = ["in <level>", "given back by <gives back>"];
        assert_eq!(tells, after_inner(&[level, level, level].concat()));
    }
}

#[test]
fn a_callback_after_a_long_wait_names_the_last_callbacks_before_the_wait() {
    let tells = lost_tells(|| {
        let ((waited, fire_waited), (outer, firer)) = (Deferred::<u32>::new(), Deferred::<u32>::new()); // waiter
        let chain = outer.add_callback(Ok).add_callback(Ok).add_callback(Ok); // before
        let chain = chain.add_callback(Ok); // last before
        let chain = chain.add_callback(move |_| waited); // waits
        let chain = chain.add_callback(Ok); // behind
        chain.add_callback(|_| raise::<u32>()).detach(); // raises
        firer.callback(1).unwrap();
        drop(firer);
        long_wait();
        fire_waited.callback(1).unwrap();
    });
    assert_eq!(tells[..2], ["raised <raise>", "in <waiter>"]);
    assert!(tells[2].starts_with("after "), "{tells:?}");
    assert!(tells.ends_with(
        &["after <last before>", "after <waits>", "after <behind>", "raised by <raises>"].map(str::to_owned)
    ));
}

#[test]
fn through_chain_deferred() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let ((first, firer), (second, fire_second)) = (inner(), Deferred::<u32>::new()); // linked to
            second.add_callback(Ok).detach(); // s1
            first.chain_deferred(fire_second).detach(); // link
            wait();
            firer.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["handed on <link>", "in <linked to>", "past <s1>"]));
    }
}

#[test]
fn through_an_await() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let (inner, firer) = inner();
            let body = async move {
                let n = inner.await?; // await
                Ok(n)
            };
            let coroutine = Deferred::from_future(body); // coroutine
            coroutine.add_callback(Ok).detach(); // behind the coroutine
            wait();
            firer.callback(1).unwrap();
        });
        let rest = ["awaited <await>", "coroutine <coroutine>", "past <behind the coroutine>"];
        assert_eq!(tells, after_inner(&rest));
    }
}

#[test]
fn through_a_coroutine_that_is_only_a_deferred() {
    for wait in WAITS {
        let tells = lost_tells(|| {
            let (inner, firer) = inner();
            Deferred::from_future(inner).detach(); // whole body
            wait();
            firer.callback(1).unwrap();
        });
        assert_eq!(tells, after_inner(&["awaited <whole body>", "coroutine <whole body>"]));
        let (inner, firer) = inner();
        firer.callback(1).unwrap();
        wait();
        let failure = failure_of(Deferred::from_future(inner)); // fired body
        assert_eq!(told(&failure), after_inner(&["awaited <fired body>", "coroutine <fired body>"]));
    }
}

#[test]
fn through_nested_coroutines_and_an_async_function() {
    async fn load(deferred: Deferred<u32>) -> Result<u32, Failure> {
        Ok(deferred.await? + 1) // await in the function
    }
    let tells = lost_tells(|| {
        let (inner, firer) = inner();
        let nested = Deferred::from_future(async { Ok(load(inner).await? + 1) }); // nested
        let body = async {
            Ok(nested.await? + 1) // await outside
        };
        Deferred::from_future(body).detach(); // outermost
        long_wait();
        firer.callback(1).unwrap();
    });
    let rest =
        ["awaited <await in the function>", "coroutine <nested>", "awaited <await outside>", "coroutine <outermost>"];
    assert_eq!(tells, after_inner(&rest));
}

#[test]
fn from_the_body_of_a_coroutine() {
    let tells = lost_tells(|| {
        let (waited, firer) = Deferred::<u32>::new();
        let body = async {
            waited.await?;
            raise::<u32>()
        };
        Deferred::from_future(body).detach(); // raising coroutine
        long_wait();
        firer.callback(1).unwrap();
    });
    assert_eq!(tells, ["raised <raise>", "coroutine <raising coroutine>"]);
}

#[test]
fn from_an_input_of_a_list() {
    let (first, firer) = inner();
    let list = deferred_list([first, deferred::succeed(1)]);
    long_wait();
    firer.callback(1).unwrap();
    let results = list.result().expect("it has fired");
    let failure = results[0].as_ref().expect_err("it failed");
    assert_eq!(told(failure), INNER);
}

#[test]
fn from_the_result_of_a_list_that_a_callback_passed_on() {
    let tells = lost_tells(|| {
        let (first, firer) = inner();
        let list = deferred_list([first]); // list
        list.add_callback(|mut results| results.remove(0)).detach(); // picks the first
        firer.callback(1).unwrap();
    });
    assert_eq!(tells, after_inner(&["in <list>", "raised by <picks the first>"]));
}

#[test]
fn from_the_first_input_that_failed() {
    for others in [Others::Cancel, Others::LeaveRunning] {
        let (first, firer) = inner();
        let all = gather_results([deferred::succeed(1), first], others);
        long_wait();
        firer.callback(1).unwrap();
        let failure = failure_of(all);
        assert_eq!(told(&failure.check::<FirstError>().expect("it is one").failure), INNER);
    }
}

#[test]
fn nested_lists_keep_both_ends_of_the_trail() {
    let (first, firer) = inner();
    let outermost = (0..100).fold(first.add_callback(|_| Ok(vec![1])), |list, _| {
        gather_results([list], Others::Cancel).add_callback(|mut values| Ok(values.remove(0)))
    });
    firer.callback(1).unwrap();
    let failure = failure_of(outermost);
    let inside = |failure: &Failure| failure.check::<FirstError>().map(|first| first.failure.clone());
    let lists: Vec<Failure> = std::iter::successors(Some(failure), inside).collect();
    assert_eq!((lists.len(), lists[0].trail().len(), lists[1].trail().len()), (101, 64, 1));
    assert_eq!(told(&lists[0])[..3], INNER);
    assert_eq!(told(&lists[100])[..3], INNER);
    assert!(lists[1].report().contains("more steps before the last"), "{}", lists[1].report());
}

#[test]
fn from_each_input_of_a_race_that_nobody_won() {
    let ((first, fire_first), (second, fire_second)) = (inner(), inner());
    let all = race([first, second], Others::Cancel);
    fire_second.callback(1).unwrap();
    long_wait();
    fire_first.callback(1).unwrap();
    let failure = failure_of(all);
    let FailureGroup(failures) = failure.check().expect("it is one");
    assert!(failures.len() == 2 && failures.iter().all(|failure| told(failure) == INNER), "{failures:?}");
}

#[test]
fn each_clone_of_a_shared_failure_has_a_trail_of_its_own() {
    let (source, firer) = inner();
    let shared = source.share();
    let first = shared.wait().add_callback(Ok); // first waiter
    let second = shared.wait().add_callback(Ok); // second waiter
    firer.callback(1).unwrap();
    let late = shared.wait().add_callback(Ok); // late waiter
    for (waiter, name) in [(first, "first waiter"), (second, "second waiter"), (late, "late waiter")] {
        let tells = told(&failure_of(waiter));
        assert_eq!(tells[..3], INNER);
        assert!(tells.contains(&format!("in <{name}>")), "{tells:?}");
        assert_eq!(tells.last(), Some(&format!("past <{name}>")));
        let others = ["first", "second", "late"].map(|other| format!("<{other} waiter>"));
        let others = others.iter().filter(|other| !other.contains(name));
        assert!(others.into_iter().all(|other| !tells.iter().any(|line| line.contains(other))), "{tells:?}");
    }
}
