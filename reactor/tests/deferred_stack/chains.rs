//! A million of anything uses the stack of one. (In Twisted 2000 explicit links are too many.)

use crate::{boom, lost, outcome, pending};
use reactor::{Deferred, Firer, deferred};

/// A million; in a debug build, which is many times slower, a tenth of that. Either would overflow the stack if it
/// were used.
const MANY: usize = match () {
    () if cfg!(miri) => 40,
    () if cfg!(debug_assertions) => 100_000,
    () => 1_000_000,
};

/// Fired Deferreds, each with a callback that returns the one inside it; the innermost is `inner`.
fn wrapped(inner: Deferred<usize>) -> Deferred<usize> {
    (0..MANY).fold(inner, |inner, _| deferred::succeed(()).add_callback(move |()| inner).add_callback(|n| Ok(n + 1)))
}

#[test]
fn many_nested_returned_deferreds_are_made_from_the_inside_out() {
    assert_eq!(wrapped(deferred::succeed(0)).result(), Some(MANY));
    let (inner, firer) = Deferred::new();
    let chain = wrapped(inner);
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MANY));
}

/// Many unfired Deferreds, each with a callback that returns the one before.
fn unfired_row() -> (Firer<usize>, Vec<Firer<()>>, Deferred<usize>) {
    let (mut chain, firer) = Deferred::<usize>::new();
    let mut firers = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let inner = chain;
        let (next, fire_next) = Deferred::<()>::new();
        chain = next.add_callback(move |()| inner).add_callback(|n| Ok(n + 1));
        firers.push(fire_next);
    }
    (firer, firers, chain)
}

#[test]
fn many_returned_deferreds_fire_from_the_inside_out() {
    let (firer, firers, chain) = unfired_row();
    firer.callback(0).unwrap();
    firers.into_iter().for_each(|firer| firer.callback(()).unwrap());
    assert_eq!(chain.result(), Some(MANY));
}

#[test]
fn many_returned_deferreds_fire_from_the_outside_in() {
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().rev().for_each(|firer| firer.callback(()).unwrap());
    assert!(!chain.has_fired());
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MANY));
}

#[test]
fn many_callbacks_of_one_chain_each_return_a_fired_deferred() {
    let (deferred, firer) = Deferred::<usize>::new();
    let chain = (0..MANY).fold(deferred, |chain, _| chain.add_callback(|n| deferred::succeed(n + 1)));
    firer.callback(0).unwrap();
    assert_eq!(chain.result(), Some(MANY));
}

#[test]
fn many_callbacks_of_one_chain_each_wait() {
    let (deferred, firer) = Deferred::<usize>::new();
    let (inners, firers) = pending::<usize>(MANY);
    let chain = inners.into_iter().fold(deferred, |chain, inner| chain.add_callback(move |_| inner));
    firer.callback(0).unwrap();
    firers.iter().enumerate().for_each(|(index, firer)| firer.callback(index).unwrap());
    assert_eq!(chain.result(), Some(MANY - 1));
}

#[test]
fn a_failure_passes_many_chains_that_wait_for_each_other() {
    let (firer, firers, chain) = unfired_row();
    firers.into_iter().rev().for_each(|firer| firer.callback(()).unwrap());
    firer.errback(boom()).unwrap();
    assert_eq!(outcome(chain), "failed: boom");
}

/// Many Deferreds and one more, each chained to the next.
fn link(deferreds: Vec<Deferred<usize>>, firers: &[Firer<usize>], backwards: bool) -> Deferred<usize> {
    let mut deferreds: Vec<_> = deferreds.into_iter().map(Some).collect();
    let last = deferreds.pop().flatten().expect("there is one at least");
    let mut order: Vec<usize> = (0..deferreds.len()).collect();
    if backwards {
        order.reverse();
    }
    for index in order {
        let deferred = deferreds[index].take().expect("each is chained once");
        deferred.add_callback(|n| Ok(n + 1)).chain_deferred(firers[index + 1].clone()).detach();
    }
    last
}

#[test]
fn many_chain_deferred_links_are_made_before_the_firing() {
    for backwards in [false, true] {
        let (deferreds, firers) = pending::<usize>(MANY + 1);
        let last = link(deferreds, &firers, backwards);
        firers[0].callback(0).unwrap();
        assert_eq!(last.result(), Some(MANY), "linked backwards: {backwards}");
    }
}

#[test]
fn many_chain_deferred_links_are_made_after_the_firing() {
    for backwards in [false, true] {
        let (deferreds, firers) = pending::<usize>(MANY + 1);
        firers[0].callback(0).unwrap();
        let last = link(deferreds, &firers, backwards);
        assert_eq!(last.result(), Some(MANY), "linked backwards: {backwards}");
    }
}

#[test]
fn a_failure_passes_many_chain_deferred_links() {
    let unhandled = lost(|| {
        let (deferreds, firers) = pending::<usize>(MANY + 1);
        let last = link(deferreds, &firers, false);
        firers[0].errback(boom()).unwrap();
        assert_eq!(outcome(last), "failed: boom");
    });
    assert_eq!(unhandled, [""; 0], "each link has taken it over");
}

#[test]
fn many_chains_that_wait_for_each_other_are_cancelled_and_dropped() {
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
fn many_awaits_in_a_row_and_nested() {
    let (inners, firers) = pending::<usize>(MANY);
    let sum = Deferred::from_future(async move {
        let mut sum = 0;
        for inner in inners {
            sum += inner.await?;
        }
        Ok(sum)
    });
    firers.iter().for_each(|firer| firer.callback(1).unwrap());
    assert_eq!(sum.result(), Some(MANY));
    let ready = Deferred::from_future(async {
        let mut sum = 0;
        for _ in 0..MANY {
            sum += deferred::succeed(1).await?;
        }
        Ok(sum)
    });
    assert_eq!(ready.result(), Some(MANY));
    let (inner, firer) = Deferred::<usize>::new();
    let nested = (0..MANY).fold(inner, |inner, _| Deferred::from_future(async move { Ok(inner.await? + 1) }));
    firer.callback(0).unwrap();
    assert_eq!(nested.result(), Some(MANY));
}
