//! M11: a million of anything uses the stack of one. (In Twisted 2000 explicit links are too many.)

use crate::*;
use reactor::deferred;

const MILLION: usize = 1_000_000;

/// A Deferred that gives back one that gives back one ..; the innermost is `inner`. They have fired.
fn wrapped(inner: Deferred<usize>) -> Deferred<usize> {
    (0..MILLION).fold(inner, |inner, _| deferred::succeed(()).add_callback(move |()| inner).add_callback(|n| Ok(n + 1)))
}

#[test]
fn m11_a_million_returned_deferreds_in_one_another_fired_inside_out() {
    assert_eq!(wrapped(deferred::succeed(0)).result(), Some(MILLION));
    let (inner, firer) = Deferred::new();
    let chain = wrapped(inner);
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

/// A million Deferreds, each of which gives back the one before; none has fired.
fn unfired_row() -> (Firer<usize>, Vec<Firer<()>>, Deferred<usize>) {
    let (mut chain, firer) = Deferred::<usize>::new();
    let mut firers = Vec::with_capacity(MILLION);
    for _ in 0..MILLION {
        let inner = chain;
        let (next, fire_next) = Deferred::<()>::new();
        chain = next.add_callback(move |()| inner).add_callback(|n| Ok(n + 1));
        firers.push(fire_next);
    }
    (firer, firers, chain)
}

#[test]
fn m11_a_million_returned_deferreds_that_fire_from_the_inside_out() {
    let (firer, firers, chain) = unfired_row();
    firer.callback(0).unwrap();
    firers.into_iter().for_each(|firer| firer.callback(()).unwrap());
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn m11_a_million_returned_deferreds_that_fire_from_the_outside_in() {
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().rev().for_each(|firer| firer.callback(()).unwrap());
    assert!(!chain.has_fired());
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn m11_a_million_callbacks_of_one_chain_that_each_give_back_a_deferred() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MILLION).fold(deferred, |chain, _| chain.add_callback(|n| deferred::succeed(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MILLION));
}

#[test]
fn m11_a_million_callbacks_of_one_chain_that_each_wait() {
    let (deferred, firer) = Deferred::<usize>::new();
    let (inners, firers) = pending::<usize>(MILLION);
    let chain = inners.into_iter().fold(deferred, |chain, inner| chain.add_callback(move |_| inner));
    firer.callback(0).unwrap();
    firers.iter().enumerate().for_each(|(index, firer)| firer.callback(index).unwrap());
    assert_eq!(chain.result(), Some(MILLION - 1));
}

#[test]
fn m11_a_failure_comes_through_a_million_that_wait_for_each_other() {
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().rev().for_each(|firer| firer.callback(()).unwrap());
    firer.errback(boom()).unwrap();
    assert_eq!(outcome(chain), "failed: boom");
}

/// A million and one Deferreds, each chained to the next.
fn link(deferreds: Vec<Deferred<usize>>, firers: &[Firer<usize>], backwards: bool) -> Deferred<usize> {
    let mut deferreds: Vec<_> = deferreds.into_iter().map(Some).collect();
    let last = deferreds.pop().flatten().expect("there is one at least");
    let mut order: Vec<usize> = (0..deferreds.len()).collect();
    if backwards {
        order.reverse();
    }
    for index in order {
        let deferred = deferreds[index].take().expect("each is chained once");
        drop(deferred.add_callback(|n| Ok(n + 1)).chain_deferred(firers[index + 1].clone()));
    }
    last
}

#[test]
fn m11_a_million_explicit_links_fired_at_the_end() {
    for backwards in [false, true] {
        let (deferreds, firers) = pending::<usize>(MILLION + 1);
        let last = link(deferreds, &firers, backwards);
        firers[0].callback(0).unwrap();
        assert_eq!(last.result(), Some(MILLION), "linked backwards: {backwards}");
    }
}

#[test]
fn m11_a_million_explicit_links_fired_at_the_beginning() {
    for backwards in [false, true] {
        let (deferreds, firers) = pending::<usize>(MILLION + 1);
        firers[0].callback(0).unwrap();
        let last = link(deferreds, &firers, backwards);
        assert_eq!(last.result(), Some(MILLION), "linked backwards: {backwards}");
    }
}

#[test]
fn m11_a_failure_is_handed_on_through_a_million_explicit_links() {
    let unhandled = lost(|| {
        let (deferreds, firers) = pending::<usize>(MILLION + 1);
        let last = link(deferreds, &firers, false);
        firers[0].errback(boom()).unwrap();
        assert_eq!(outcome(last), "failed: boom");
    });
    assert_eq!(unhandled, [""; 0], "each link has taken it over");
}

#[test]
fn m11_a_million_that_wait_for_each_other_are_cancelled_and_dropped() {
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().rev().for_each(|firer| firer.callback(()).unwrap());
    chain.cancel();
    assert_eq!(outcome(chain), "failed: cancelled");
    drop(firer);
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().for_each(|firer| firer.callback(()).unwrap());
    drop(chain);
    drop(firer);
}

#[test]
fn m11_a_million_awaits_one_after_the_other_and_a_hundred_thousand_inside_each_other() {
    let (inners, firers) = pending::<usize>(MILLION);
    let sum = Deferred::from_future(async move {
        let mut sum = 0;
        for inner in inners {
            sum += inner.await?;
        }
        Ok(sum)
    });
    firers.iter().for_each(|firer| firer.callback(1).unwrap());
    assert_eq!(sum.result(), Some(MILLION));
    let ready = Deferred::from_future(async {
        let mut sum = 0;
        for _ in 0..MILLION {
            sum += deferred::succeed(1).await?;
        }
        Ok(sum)
    });
    assert_eq!(ready.result(), Some(MILLION));
    let (inner, firer) = Deferred::<usize>::new();
    let nested = (0..100_000).fold(inner, |inner, _| Deferred::from_future(async move { Ok(inner.await? + 1) }));
    firer.callback(0).unwrap();
    assert_eq!(nested.result(), Some(100_000));
}
