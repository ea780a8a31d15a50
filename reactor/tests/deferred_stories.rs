//! What a failure's report and a Deferred's `waiting` tell, in the cases that are easily got wrong; and circles.
//!
//! A comment at the end of a line names that line: what is told of it then reads `<name>`.

use reactor::deferred::{self, DeferredLock, FirstError, Others, deferred_list, gather_results, race};
use reactor::error::{AlreadyCalledError, CircularWaitError};
use reactor::failure::{Message, Waypoint};
use reactor::{Deferred, Failure, Firer, testing};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

fn raise<T>() -> Result<T, Failure> {
    Err(Message("boom".to_owned()).into()) // raise
}

fn long_wait() {
    for n in 0..1000 {
        let _ = deferred::succeed(n).add_callback(Ok).add_callback(Ok).result();
    }
}

fn name(path: &str, line: usize) -> String {
    let own = path.ends_with("deferred_stories.rs").then_some(include_str!("deferred_stories.rs"));
    let comment = own.and_then(|text| text.lines().nth(line - 1)?.rsplit_once("// "));
    comment.map_or_else(|| format!("{path}:{line}"), |(_, name)| name.trim().to_owned())
}

fn labelled(text: &str) -> String {
    let word = |word: &str| {
        let place = word.trim_end_matches([')', ':', ',', ';']);
        match place.rsplitn(3, ':').collect::<Vec<_>>()[..] {
            [_, line, path] if line.parse::<usize>().is_ok() => {
                format!("<{}>{}", name(path, line.parse().unwrap()), &word[place.len()..])
            }
            _ => word.to_owned(),
        }
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

fn lost(work: impl FnOnce()) -> Vec<String> {
    testing::collect_unhandled(work).iter().map(|failure| labelled(&failure.report())).collect()
}

fn report(work: impl FnOnce()) -> String {
    let mut lost = lost(work);
    assert_eq!(lost.len(), 1, "{lost:?}");
    lost.remove(0)
}

/// The names in a report, in order.
fn names(report: &str) -> Vec<&str> {
    report.lines().filter_map(|line| Some(line.split_once('<')?.1.split_once('>')?.0)).collect()
}

fn failure_of<T: 'static>(deferred: Deferred<T>) -> Failure {
    let seen: Rc<RefCell<Option<Failure>>> = Rc::default();
    let noted = seen.clone();
    deferred.add_both(move |result| *noted.borrow_mut() = result.err()).detach();
    seen.take().expect("it has failed")
}

// After a short wait: what is put back into the list may still be there.

fn waits_in_the_middle(wait: fn()) -> String {
    report(|| {
        let (inner, fire_inner) = Deferred::<u32>::new();
        let chain = deferred::succeed(1); // made
        let chain = chain.add_callback(Ok); // c1
        let chain = chain.add_callback(Ok); // c2
        let chain = chain.add_callback(Ok); // c3
        let chain = chain.add_callback(Ok); // c4
        let chain = chain.add_callback(move |_| inner); // c5 waits
        chain.add_callback(|_| raise::<u32>()).detach(); // c6 raises
        wait();
        fire_inner.callback(1).unwrap();
    })
}

#[test]
fn no_callback_is_named_twice_after_a_short_wait() {
    let report = waits_in_the_middle(|| {});
    assert_eq!(names(&report), ["raise", "made", "c1", "c2", "c3", "c4", "c5 waits", "c6 raises"], "{report}");
}

#[test]
fn every_callback_is_named_after_a_short_wait() {
    let report = report(|| {
        let (inner, fire_inner) = Deferred::<u32>::new();
        let (chain, firer) = Deferred::<u32>::new(); // pending
        let chain = chain.add_callback(Ok); // p1
        let chain = chain.add_callback(Ok); // p2
        let chain = chain.add_callback(Ok); // p3
        let chain = chain.add_callback(Ok); // p4
        let chain = chain.add_callback(move |_| inner); // p5 waits
        chain.add_callback(|_| raise::<u32>()).detach(); // p6 raises
        firer.callback(1).unwrap();
        fire_inner.callback(1).unwrap();
    });
    assert_eq!(names(&report), ["raise", "pending", "p1", "p2", "p3", "p4", "p5 waits", "p6 raises"], "{report}");
}

// A fired chain with a last callback that returned an unfired Deferred does not forget itself.

fn waits() -> (Deferred<u32>, Firer<u32>) {
    let (inner, fire_inner) = Deferred::<u32>::new(); // inner
    let chain = deferred::succeed(1); // outer
    (chain.add_callback(move |_| inner), fire_inner) // gives back
}

#[test]
fn a_detached_fired_chain_that_waits_is_named() {
    let report = report(|| {
        let (chain, firer) = waits();
        drop(chain);
        firer.fire(raise()).unwrap();
    });
    assert_eq!(names(&report), ["raise", "inner", "outer", "gives back"], "{report}");
}

#[test]
fn a_fired_chain_that_waited_and_is_dropped_later_is_named() {
    let report = report(|| {
        let (chain, firer) = waits();
        firer.fire(raise()).unwrap();
        drop(chain);
    });
    assert_eq!(names(&report), ["raise", "inner", "outer", "gives back"], "{report}");
}

#[test]
fn a_fired_chain_that_waits_and_is_awaited_is_named() {
    let report = report(|| {
        let (chain, firer) = waits();
        let body = async {
            let n = chain.await?; // await
            Ok(n)
        };
        Deferred::from_future(body).detach(); // coroutine
        firer.fire(raise()).unwrap();
    });
    assert_eq!(names(&report), ["raise", "inner", "outer", "gives back", "await", "coroutine"], "{report}");
}

#[test]
fn a_fired_chain_that_waits_and_is_returned_is_named() {
    let report = report(|| {
        let (chain, firer) = waits();
        let outermost = deferred::succeed(()); // outermost
        outermost.add_callback(move |()| chain).add_callback(Ok).detach(); // gives it back
        firer.fire(raise()).unwrap();
    });
    let expected = ["raise", "inner", "outer", "gives back", "outermost", "gives it back", "gives it back"];
    assert_eq!(names(&report), expected, "{report}");
}

#[test]
fn a_fired_chain_that_waits_and_is_returned_is_shown_by_waiting() {
    let (chain, _firer) = waits();
    let chain = deferred::succeed(()).add_callback(move |()| chain).add_callback(Ok); // gives it back
    let text = labelled(&chain.waiting().to_string());
    assert!(text.contains("<outer>") && text.contains("<gives back>"), "{text}");
}

#[test]
fn a_fired_chain_that_waits_in_a_list_is_named() {
    let (chain, firer) = waits();
    let list = deferred_list([chain]);
    let text = labelled(&list.waiting().to_string());
    firer.fire(raise()).unwrap();
    let failure = list.result().unwrap().remove(0).unwrap_err();
    assert_eq!(names(&labelled(&failure.report())), ["raise", "inner", "outer", "gives back"]);
    assert!(text.contains("<outer>"), "{text}");
}

#[test]
fn a_polled_deferred_still_says_where_it_was_made() {
    let (mut chain, _firer) = waits();
    let before = labelled(&format!("{chain:?}"));
    assert!(Pin::new(&mut chain).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(labelled(&format!("{chain:?}")), before);
}

// A list or race tells where it was made and how its inputs failed.

fn failing() -> Deferred<u32> {
    let chain = deferred::succeed(1); // input
    chain.add_callback(|_| raise::<u32>()) // input raises
}

#[test]
fn a_first_error_names_where_the_list_was_made() {
    for fired in [true, false] {
        let (gate, firer) = Deferred::<()>::new();
        let input = if fired { failing() } else { gate.add_callback(|()| raise::<u32>()) };
        let all = gather_results([input], Others::Cancel); // list
        if !fired {
            firer.callback(()).unwrap();
        }
        let report = labelled(&failure_of(all).report());
        assert!(report.contains("<list>"), "{report}");
        assert!(!report.contains("src/deferred"), "{report}");
    }
}

#[test]
fn an_unhandled_first_error_names_where_its_input_failed() {
    let report = report(|| drop(gather_results([failing()], Others::Cancel)));
    assert!(report.contains("<raise>") && report.contains("<input raises>"), "{report}");
}

#[test]
fn an_unhandled_failure_group_names_the_race_and_where_its_inputs_failed() {
    let report = report(|| drop(race([failing(), failing()], Others::Cancel))); // race
    assert!(report.contains("<race>") && report.contains("<input raises>"), "{report}");
}

#[test]
fn a_late_failure_of_a_sibling_names_the_list_and_no_place_in_the_library() {
    let report = report(|| {
        let (late, firer) = Deferred::<u32>::new(); // late
        let all = gather_results([failing(), late], Others::LeaveRunning); // list of the late
        assert!(failure_of(all).check::<FirstError>().is_some());
        firer.fire(raise()).unwrap();
    });
    assert!(report.contains("<list of the late>") && !report.contains("src/deferred"), "{report}");
}

// `chain_deferred` from a Deferred that has fired already is like that from a pending one.

#[test]
fn a_chain_deferred_of_a_fired_deferred_is_named() {
    let report = report(|| {
        let (second, fire_second) = Deferred::<u32>::new(); // second
        drop(second);
        failing().chain_deferred(fire_second).detach(); // link
    });
    assert_eq!(names(&report), ["raise", "input", "input raises", "link", "second"], "{report}");
}

#[test]
fn an_already_called_error_names_the_chain_deferred_of_a_fired_deferred() {
    let (_second, fire_second) = Deferred::<u32>::new();
    deferred::succeed(1).chain_deferred(fire_second.clone()).detach(); // link of a value
    let error: AlreadyCalledError = fire_second.callback(2).unwrap_err();
    assert_eq!(labelled(&error.first.to_string()), "<link of a value>");
}

#[test]
fn a_failure_linked_to_a_called_deferred_is_reported_fired_before_or_after() {
    let seen = [true, false].map(|fired| {
        lost(|| {
            let (_second, fire_second) = Deferred::<u32>::new();
            fire_second.callback(1).unwrap();
            let (first, fire_first) = Deferred::<u32>::new();
            if fired {
                fire_first.fire(raise()).unwrap();
            }
            let first = first.chain_deferred(fire_second);
            if !fired {
                fire_first.fire(raise()).unwrap();
            }
            assert!(failure_of(first).check::<AlreadyCalledError>().is_some());
        })
        .len()
    });
    assert_eq!(seen[0], seen[1], "logged if it had fired before, and if it fired after");
}

// A pause of a fired chain does not forget the callbacks before.

#[test]
fn a_pause_does_not_forget_the_callbacks_before() {
    let report = report(|| {
        let chain = deferred::succeed(1); // paused
        let mut chain = chain.add_callback(Ok); // before the pause
        drop(chain.pause());
        chain.add_callback(|_| raise::<u32>()).detach(); // after the pause
    });
    assert_eq!(names(&report), ["raise", "paused", "before the pause", "after the pause"], "{report}");
}

// `waiting` of a chain that waited and has its result now.

#[test]
fn waiting_says_that_the_result_is_here() {
    let (chain, firer) = waits();
    firer.callback(1).unwrap();
    assert!(chain.has_fired());
    let text = labelled(&chain.waiting().to_string());
    assert!(!text.contains(" waits"), "{text}");
}

// Circles in which a coroutine or a list stands are found.

type Itself = Rc<RefCell<Option<Deferred<u32>>>>;

#[test]
fn two_coroutines_that_await_each_other_fail() {
    let ((start_first, fire_first), (start_second, fire_second)) = (Deferred::<()>::new(), Deferred::<()>::new());
    let (first, second) = (Itself::default(), Itself::default());
    let (own_first, own_second) = (first.clone(), second.clone());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = |seen: &Rc<RefCell<Vec<bool>>>| {
        let seen = seen.clone();
        move |result: Result<u32, Failure>| {
            seen.borrow_mut().push(result.is_err_and(|failure| failure.check::<CircularWaitError>().is_some()));
            Ok(0)
        }
    };
    let a = Deferred::from_future(async move {
        start_first.await?;
        let other = own_second.take().unwrap();
        other.await
    });
    let b = Deferred::from_future(async move {
        start_second.await?;
        let other = own_first.take().unwrap();
        other.await
    });
    first.replace(Some(a.add_both(note(&seen))));
    second.replace(Some(b.add_both(note(&seen))));
    fire_first.callback(()).unwrap();
    fire_second.callback(()).unwrap();
    assert!(seen.borrow().contains(&true), "they wait for ever: {seen:?}");
}

#[test]
fn a_callback_that_returns_a_coroutine_which_awaits_its_chain_fails() {
    let (chain, firer) = Deferred::<()>::new();
    let coroutine = Itself::default();
    let own = coroutine.clone();
    let chain = chain.add_callback(move |()| own.take().unwrap());
    coroutine.replace(Some(Deferred::from_future(chain)));
    let unhandled = testing::collect_unhandled(|| firer.callback(()).unwrap());
    assert!(unhandled.iter().any(|failure| failure.check::<CircularWaitError>().is_some()), "they wait for ever");
}

#[test]
fn a_callback_that_returns_a_list_with_its_own_chain_fails() {
    let (chain, firer) = Deferred::<()>::new();
    let list = Itself::default();
    let own = list.clone();
    let chain = chain.add_callback(move |()| own.take().unwrap());
    list.replace(Some(gather_results([chain], Others::LeaveRunning).add_callback(|values| Ok(values[0]))));
    let unhandled = testing::collect_unhandled(|| firer.callback(()).unwrap());
    assert!(!unhandled.is_empty(), "they wait for ever");
}

// An errback that gives back another failure, which has travelled elsewhere.

#[test]
fn an_errback_that_returns_a_stored_failure_is_named_as_its_source() {
    let stored = failure_of(failing());
    let report = report(|| {
        let (chain, firer) = Deferred::<u32>::new(); // its own
        chain.add_errback(move |_| Err(stored)).detach(); // brings it in
        firer.fire(raise()).unwrap();
    });
    assert!(report.contains("<its own>"), "the story does not tell which Deferred it entered:\n{report}");
}

// No place of the library where the user's own are wanted.

#[test]
fn a_lock_names_no_place_in_the_library() {
    let report = report(|| drop(DeferredLock::new().run(raise::<u32>)));
    assert!(!report.contains("src/deferred"), "{report}");
}

#[test]
fn a_shared_result_names_no_place_in_the_library() {
    let report = report(|| {
        let (source, firer) = Deferred::<u32>::new();
        let shared = source.share();
        drop((shared.wait(), shared.wait()));
        firer.fire(raise()).unwrap();
    });
    assert!(!report.contains("src/deferred"), "{report}");
}

#[test]
fn a_timeout_names_no_place_in_the_library() {
    let report = report(|| {
        let clock = testing::ManualClock::new();
        let (deferred, _firer) = Deferred::<u32>::new();
        deferred.add_timeout(std::time::Duration::from_secs(1), &clock).detach();
        clock.advance(std::time::Duration::from_secs(1));
    });
    assert!(!report.contains("src/deferred"), "{report}");
}

// What a reader of the log would miss.

#[test]
fn a_long_wait_keeps_more_than_three_callbacks() {
    let report = waits_in_the_middle_of_many();
    assert!(report.contains("<first of five>"), "{report}");
}

fn waits_in_the_middle_of_many() -> String {
    report(|| {
        let ((inner, fire_inner), (chain, firer)) = (Deferred::<u32>::new(), Deferred::<u32>::new());
        let chain = chain.add_callback(Ok); // first of five
        let chain = chain.add_callback(Ok).add_callback(Ok).add_callback(Ok).add_callback(move |_| inner);
        chain.add_callback(|_| raise::<u32>()).detach();
        firer.callback(1).unwrap();
        long_wait();
        fire_inner.callback(1).unwrap();
    })
}

#[test]
fn a_failure_fired_into_another_deferred_by_hand_names_the_place() {
    let failure = failure_of(failing());
    let report = report(|| {
        let (deferred, firer) = Deferred::<u32>::new(); // fired by hand
        drop(deferred);
        firer.errback(failure).unwrap(); // by hand
    });
    assert!(report.contains("<by hand>"), "{report}");
}

#[test]
fn one_earlier_callback_is_singular() {
    assert!(!Waypoint::Earlier(1).to_string().contains("1 earlier callbacks"), "{}", Waypoint::Earlier(1));
}
