//! What a context holds, and that the one before is current again.

use super::{Id, here, inside};
use reactor::{Context, Reactor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

#[test]
fn a_context_has_one_value_of_each_type_and_never_changes() {
    let empty = Context::empty();
    let one = empty.with(Id(1)).with("a text");
    let two = one.with(Id(2));
    assert!(empty.is_empty() && empty.get::<Id>().is_none());
    assert_eq!(one.get::<Id>().unwrap().0, 1);
    assert_eq!(two.get::<Id>().unwrap().0, 2);
    assert_eq!(*two.get::<&str>().unwrap(), "a text");
    assert!(two.get::<u32>().is_none());
    assert_eq!(format!("{two:?}"), "Context(&str, context::Id)");
}

#[test]
fn values_beside_it_stay_when_a_context_is_entered_inside_another() {
    Context::empty().with('x').run(|| {
        inside(1, || {
            assert_eq!(Context::current().get::<char>().as_deref(), Some(&'x'));
            assert_eq!(here(), Some(1));
        });
        assert_eq!(here(), None);
    });
    assert!(Context::current().is_empty());
}

#[test]
fn the_context_before_is_current_again_after_a_return_and_after_a_panic() {
    inside(1, || {
        assert_eq!(inside(2, here), Some(2));
        assert_eq!(here(), Some(1));
        catch_unwind(|| inside(3, || panic!("as the test wants it"))).unwrap_err();
        assert_eq!(here(), Some(1));
        assert_eq!(Context::empty().run(here), None);
        assert_eq!(here(), Some(1));
    });
    assert_eq!(here(), None);
}

#[test]
fn the_values_are_dropped_with_the_last_work_that_was_asked_for_in_it() {
    let reactor = Reactor::new().unwrap();
    let held = Arc::new(());
    let call = Context::empty().with(held.clone()).run(|| reactor.call_later(super::util::PATIENCE, || {}));
    assert_eq!(Arc::strong_count(&held), 2);
    drop(call);
    drop(reactor);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_value_that_panics_in_its_drop_harms_nobody() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }
    let reactor = Reactor::new().unwrap();
    reactor.quiet();
    let made = super::Seen::default();
    Context::empty().with(Bad).run(|| reactor.call_when_running(made.noting("in it")));
    reactor.call_when_running(made.noting("after it"));
    let turn = catch_unwind(AssertUnwindSafe(|| reactor.iterate(super::util::PATIENCE)));
    turn.expect("it does not leave the loop").unwrap();
    assert!(made.has("after it"));
}
