//! A failure that nobody handled is logged, with where it came from and what it passed.

use super::*;
use crate::failure::Waypoint;

#[test]
fn a_failure_that_nobody_handled_is_logged_once_when_its_chain_is_dropped() {
    let makers: [fn() -> Deferred<()>; 4] = [
        || deferred::fail(Message("lost in the chain".to_owned())),
        || deferred::succeed(()).add_callback(|()| Err(Failure::msg("lost in the chain"))),
        || {
            let (deferred, firer) = Deferred::<()>::new();
            firer.errback(Message("lost in the chain".to_owned())).unwrap();
            deferred
        },
        || {
            let (deferred, firer) = Deferred::<()>::new();
            let chain = deferred.add_callback(|()| {}).add_callback(|()| {});
            firer.errback(Message("lost in the chain".to_owned())).unwrap();
            chain
        },
    ];
    for (index, make) in makers.into_iter().enumerate() {
        let mut deferred = None;
        assert_eq!(logged(|| deferred = Some(make())), [""; 0], "{index}: it may still be handled");
        let lines = logged(|| drop(deferred));
        assert_eq!(lines.len(), 1, "{index}: {lines:?}");
        assert!(lines[0].starts_with("Unhandled error in Deferred: lost in the chain"), "{index}: {lines:?}");
    }
}

#[test]
fn a_failure_that_was_handled_is_not_logged() {
    let lines = logged(|| {
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = deferred.add_errback(|_| Ok(1));
        firer.errback(Message("handled".to_owned())).unwrap();
        drop(chain);
        deferred::fail::<u32>(Message("handled".to_owned())).add_errback(|_| Ok(1)).detach();
        let (unfired, _firer) = Deferred::<u32>::new();
        drop(unfired);
    });
    assert_eq!(lines, [""; 0]);
}

#[test]
fn result_leaves_a_failure_to_the_log() {
    let lines = logged(|| assert_eq!(deferred::fail::<u32>(Message("left".to_owned())).result(), None));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn what_is_logged_says_where_the_deferred_was_made_and_where_its_callbacks_were_added() {
    let mut lines_of = [0; 4];
    let lines = logged(|| {
        lines_of[0] = line!() + 1;
        let (deferred, firer) = Deferred::<u32>::new();
        lines_of[1] = line!() + 1;
        let chain = deferred.add_callback(|n| {
            lines_note(n)?;
            Ok(n)
        });
        lines_of[2] = line!() + 1;
        let chain = chain.add_callback(Ok);
        firer.callback(1).unwrap();
        drop(chain);
    });
    lines_of[3] = raised_line();
    let file = file!();
    let report = lines.concat();
    for (what, line) in ["made", "raised by", "past", "raised at"].iter().zip(lines_of) {
        let place = format!("{file}:{line}:");
        let told = report.lines().any(|line| line.contains(what) && line.contains(&place));
        assert!(told, "{what} at {place} is not told in: {report}");
    }
}

/// Fails at the line that [`raised_line`] gives.
fn lines_note(n: u32) -> Result<(), Failure> {
    Err(Failure::msg(format!("raised with {n}")))
}

fn raised_line() -> u32 {
    lines_note(0).unwrap_err().raised().line()
}

#[test]
fn a_failure_remembers_its_way() {
    for fire_first in [true, false] {
        let (deferred, firer) = Deferred::<u32>::new();
        let failure = || Message("on its way".to_owned());
        if fire_first {
            firer.errback(failure()).unwrap();
        }
        let trail: Rc<RefCell<Vec<Waypoint>>> = Rc::default();
        let (first, second) = (trail.clone(), trail.clone());
        let chain = deferred.add_callback(|_| Ok(1)).add_errback(move |failure| {
            first.borrow_mut().extend(failure.trail());
            Err(Failure::msg("another"))
        });
        let chain = chain.add_errback(move |failure| {
            second.borrow_mut().extend(failure.trail());
            Ok(0)
        });
        if !fire_first {
            firer.errback(failure()).unwrap();
        }
        assert_eq!(chain.result(), Some(0));
        let trail = trail.take();
        assert!(
            matches!(
                trail[..],
                [
                    Waypoint::Made(_), // the first failure: one step passed by it
                    Waypoint::Through(_),
                    Waypoint::Made(_), // the second one came up later in the same chain
                    Waypoint::After(_),
                    Waypoint::RaisedBy(_)
                ]
            ),
            "fired first: {fire_first}: {trail:?}"
        );
    }
}
