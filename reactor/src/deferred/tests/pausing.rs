//! A paused Deferred runs nothing until it is unpaused as often as it was paused.

use super::*;

#[test]
fn pauses_are_counted() {
    let events = Events::default();
    let ran = events.clone();
    let (mut deferred, firer) = Deferred::<()>::new();
    let first = deferred.pause();
    let mut chain = deferred.add_callback(move |()| note(&ran, "ran"));
    let second = chain.pause();
    firer.callback(()).unwrap();
    first.unpause();
    assert!(events.borrow().is_empty() && !chain.has_fired());
    second.unpause();
    assert_eq!(events.take(), ["ran"]);
    assert!(chain.has_fired());
}

#[test]
fn a_fired_deferred_can_be_paused_too() {
    let events = Events::default();
    let mut deferred = deferred::succeed(1);
    let pause = deferred.pause();
    assert!(!deferred.has_fired());
    let (first, second) = (events.clone(), events.clone());
    let chain = deferred
        .add_callback(move |n| {
            note(&first, n);
            Ok(n + 1)
        })
        .add_callback(move |n| {
            note(&second, n);
            Ok(n + 1)
        });
    assert!(events.borrow().is_empty());
    pause.unpause();
    assert_eq!(events.take(), ["1", "2"]);
    assert_eq!(chain.result(), Some(3));
}

#[test]
fn a_pause_from_inside_a_callback_holds_the_next_one_back() {
    let events = Events::default();
    let chain: Rc<RefCell<Option<Deferred<()>>>> = Rc::default();
    let (deferred, firer) = Deferred::<()>::new();
    let (itself, second) = (chain.clone(), events.clone());
    let pause: Rc<RefCell<Option<Pause>>> = Rc::default();
    let kept = pause.clone();
    *chain.borrow_mut() = Some(
        deferred
            .add_callback(move |()| *kept.borrow_mut() = itself.borrow_mut().as_mut().map(Deferred::pause))
            .add_callback(move |()| note(&second, "second")),
    );
    firer.callback(()).unwrap();
    assert!(events.borrow().is_empty());
    drop(pause.take());
    assert_eq!(events.take(), ["second"]);
}

#[test]
fn a_pause_that_is_dropped_has_ended() {
    let (mut deferred, firer) = Deferred::<u32>::new();
    let pause = deferred.pause();
    firer.callback(1).unwrap();
    assert!(!deferred.has_fired());
    drop(pause);
    assert_eq!(deferred.result(), Some(1));
}
