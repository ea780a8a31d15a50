//! The shapes with our Deferred, in two flavours.
//!
//! `OPAQUE` hides each Deferred from the compiler after every step, as if the next step were added by a function that
//! was compiled apart. Without it the compiler sees the chain as it stands in the source and may melt it together.

use std::hint::black_box;

use reactor::deferred::succeed;
use reactor::{Deferred, Failure, Firer};

use crate::shapes::{Boom, Work, repeat};

pub fn works<const OPAQUE: bool>() -> Vec<Work> {
    let works = [
        Work {
            shape: "succeed",
            run: |count| repeat(count, made_fired::<OPAQUE>),
            is_right: || made_fired::<OPAQUE>().result() == Some(12),
        },
        Work {
            shape: "fired-first",
            run: |count| repeat(count, fired_first::<OPAQUE>),
            is_right: || fired_first::<OPAQUE>().result() == Some(12),
        },
        Work {
            shape: "fired-at-end",
            run: |count| repeat(count, fired_at_end::<OPAQUE>),
            is_right: || fired_at_end::<OPAQUE>().result() == Some(12),
        },
        Work {
            shape: "errback-chain",
            run: |count| repeat(count, errback_chain::<OPAQUE>),
            is_right: || errback_chain::<OPAQUE>().result() == Some(()),
        },
        Work {
            shape: "chained-fired",
            run: |count| repeat(count, chained_fired::<OPAQUE>),
            is_right: || chained_fired::<OPAQUE>().result() == Some(456),
        },
        Work {
            shape: "chained-not-fired",
            run: |count| repeat(count, chained_not_fired::<OPAQUE>),
            is_right: || chained_not_fired::<OPAQUE>().result() == Some(57),
        },
    ];
    works.into_iter().chain(crate::awaits::works::<OPAQUE>()).collect()
}

/// What stands between two steps.
pub fn step<const OPAQUE: bool, T>(made: T) -> T {
    if OPAQUE { black_box(made) } else { made }
}

pub fn unfired<const OPAQUE: bool>() -> (Deferred<i64>, Firer<i64>) {
    step::<OPAQUE, _>(Deferred::new())
}

pub fn fire(firer: &Firer<i64>, value: i64) {
    firer.callback(black_box(value)).expect("each is fired once");
}

/// A callback that has something to carry, as most have.
fn plus(number: i64) -> impl FnOnce(i64) -> Result<i64, Failure> {
    let number = black_box(number);
    move |value| Ok(value + number)
}

fn made_fired<const OPAQUE: bool>() -> Deferred<i64> {
    four::<OPAQUE>(step::<OPAQUE, _>(succeed(black_box(2))))
}

fn fired_first<const OPAQUE: bool>() -> Deferred<i64> {
    let (deferred, firer) = unfired::<OPAQUE>();
    fire(&firer, 2);
    four::<OPAQUE>(deferred)
}

/// Adds the four callbacks.
#[inline]
fn four<const OPAQUE: bool>(deferred: Deferred<i64>) -> Deferred<i64> {
    let deferred = step::<OPAQUE, _>(deferred.add_callback(plus(1)));
    let deferred = step::<OPAQUE, _>(deferred.add_callback(plus(2)));
    let deferred = step::<OPAQUE, _>(deferred.add_callback(plus(3)));
    deferred.add_callback(plus(4))
}

fn fired_at_end<const OPAQUE: bool>() -> Deferred<i64> {
    let (deferred, firer) = unfired::<OPAQUE>();
    let deferred = four::<OPAQUE>(deferred);
    fire(&firer, 2);
    deferred
}

fn errback_chain<const OPAQUE: bool>() -> Deferred<()> {
    let deferred = step::<OPAQUE, _>(succeed(black_box("result")));
    let deferred = deferred.add_callback(|_| Err::<(), _>(Failure::new(Boom { what: black_box("boom!") })));
    let deferred = step::<OPAQUE, _>(deferred).add_errback(|failure| {
        let boom = failure.trap::<Boom>()?;
        black_box(boom.what);
        Err(Failure::new(Boom { what: black_box("lesser boom!") }))
    });
    step::<OPAQUE, _>(deferred).add_both(|result| drop(black_box(result)))
}

fn chained_fired<const OPAQUE: bool>() -> Deferred<i64> {
    let (deferred, firer) = unfired::<OPAQUE>();
    let (second, second_firer) = unfired::<OPAQUE>();
    let (third, third_firer) = unfired::<OPAQUE>();
    fire(&second_firer, 123);
    fire(&third_firer, 456);
    let deferred = step::<OPAQUE, _>(deferred.add_callback(move |_| second));
    let deferred = step::<OPAQUE, _>(deferred.add_callback(move |_| third));
    fire(&firer, 123);
    deferred
}

fn chained_not_fired<const OPAQUE: bool>() -> Deferred<i64> {
    let (deferred, firer) = unfired::<OPAQUE>();
    let (second, second_firer) = unfired::<OPAQUE>();
    let (third, third_firer) = unfired::<OPAQUE>();
    let (fourth, fourth_firer) = unfired::<OPAQUE>();
    // The third has fired, but its callback waits for the fourth.
    let third = step::<OPAQUE, _>(third.add_callback(move |_| fourth));
    fire(&third_firer, 123);
    let deferred = step::<OPAQUE, _>(deferred.add_callback(move |_| second));
    let deferred = step::<OPAQUE, _>(deferred.add_callback(move |_| third));
    fire(&second_firer, 123);
    fire(&fourth_firer, 57);
    fire(&firer, 7);
    deferred
}
