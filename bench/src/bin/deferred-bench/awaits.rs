//! The shapes that await our Deferred.

use std::hint::black_box;

use reactor::deferred::succeed;
use reactor::{Deferred, Failure, Firer};

use crate::ours::{fire, step, unfired};
use crate::shapes::{FIRED_IN_A_ROW, UNFIRED_AT_ONCE, Work, repeat};

pub fn works<const OPAQUE: bool>() -> [Work; 2] {
    [
        Work {
            shape: "await-fired",
            run: |count| repeat(count.div_ceil(FIRED_IN_A_ROW), await_fired::<OPAQUE>),
            is_right: || await_fired::<OPAQUE>().result() == Some((0..FIRED_IN_A_ROW as i64).sum()),
        },
        Work {
            shape: "await-unfired",
            run: |count| repeat(count.div_ceil(UNFIRED_AT_ONCE), await_unfired::<OPAQUE>),
            is_right: || await_unfired::<OPAQUE>().result() == Some((0..UNFIRED_AT_ONCE as i64).sum()),
        },
    ]
}

fn await_fired<const OPAQUE: bool>() -> Deferred<i64> {
    Deferred::from_future(async {
        let mut sum = 0;
        for value in 0..FIRED_IN_A_ROW as i64 {
            sum += step::<OPAQUE, _>(succeed(black_box(value))).await?;
        }
        Ok::<i64, Failure>(sum)
    })
}

fn await_unfired<const OPAQUE: bool>() -> Deferred<i64> {
    let (deferreds, firers): (Vec<Deferred<i64>>, Vec<Firer<i64>>) =
        (0..UNFIRED_AT_ONCE).map(|_| unfired::<OPAQUE>()).unzip();
    let sum = Deferred::from_future(async {
        let mut sum = 0;
        for deferred in deferreds {
            sum += deferred.await?;
        }
        Ok::<i64, Failure>(sum)
    });
    for (value, firer) in firers.iter().enumerate() {
        fire(firer, value as i64);
    }
    sum
}
