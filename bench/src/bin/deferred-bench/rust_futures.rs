//! The shapes with the `futures` crate, as cheap as they come.
//!
//! A chain is built of combinators, which allocate nothing, and boxed once, as an executor does with a task. There is
//! no executor: the chain is polled where one would poll it, with a waker that does nothing. What fires is a oneshot,
//! or a ready future where Twisted's shape has `succeed`.

use std::error::Error;
use std::hint::black_box;
use std::task::{Context, Poll, Waker};

use futures_channel::oneshot::{self, Canceled, Sender};
use futures_util::future::{self, FutureExt, LocalBoxFuture, TryFutureExt};

use crate::shapes::{Boom, FIRED_IN_A_ROW, UNFIRED_AT_ONCE, Work, repeat};

type Chain = LocalBoxFuture<'static, Result<i64, Canceled>>;
type AnyError = Box<dyn Error>;

pub fn works() -> Vec<Work> {
    vec![
        Work {
            shape: "succeed",
            run: |count| repeat(count, made_fired),
            is_right: || made_fired() == Poll::Ready(Ok(12)),
        },
        Work {
            shape: "fired-first",
            run: |count| repeat(count, fired_first),
            is_right: || fired_first() == Poll::Ready(Ok(12)),
        },
        Work {
            shape: "fired-at-end",
            run: |count| repeat(count, fired_at_end),
            is_right: || fired_at_end() == Poll::Ready(Ok(12)),
        },
        Work {
            shape: "errback-chain",
            run: |count| repeat(count, errback_chain),
            is_right: || errback_chain() == Poll::Ready(()),
        },
        Work {
            shape: "chained-fired",
            run: |count| repeat(count, chained_fired),
            is_right: || chained_fired() == Poll::Ready(Ok(456)),
        },
        Work {
            shape: "chained-not-fired",
            run: |count| repeat(count, chained_not_fired),
            is_right: || chained_not_fired() == Poll::Ready(Ok(57)),
        },
        Work {
            shape: "await-fired",
            run: |count| repeat(count.div_ceil(FIRED_IN_A_ROW), await_fired),
            is_right: || await_fired() == Poll::Ready((0..FIRED_IN_A_ROW as i64).sum()),
        },
        Work {
            shape: "await-unfired",
            run: |count| repeat(count.div_ceil(UNFIRED_AT_ONCE), await_unfired),
            is_right: || await_unfired() == Poll::Ready(Ok((0..UNFIRED_AT_ONCE as i64).sum())),
        },
    ]
}

fn poll<T>(task: &mut LocalBoxFuture<'static, T>) -> Poll<T> {
    black_box(task).poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// The first poll of what waits: it leaves its waker there.
fn start(task: &mut Chain) {
    assert!(poll(task).is_pending(), "nothing has fired yet");
}

fn fire(sender: Sender<i64>, value: i64) {
    sender.send(black_box(value)).expect("somebody listens");
}

fn plus(number: i64) -> impl FnOnce(i64) -> i64 {
    let number = black_box(number);
    move |value| value + number
}

fn made_fired() -> Poll<Result<i64, Canceled>> {
    let ready = future::ok(black_box(2));
    let chain = ready.map_ok(plus(1)).map_ok(plus(2)).map_ok(plus(3)).map_ok(plus(4));
    poll(&mut chain.boxed_local())
}

fn fired_first() -> Poll<Result<i64, Canceled>> {
    let (sender, receiver) = oneshot::channel();
    fire(sender, 2);
    let chain = receiver.map_ok(plus(1)).map_ok(plus(2)).map_ok(plus(3)).map_ok(plus(4));
    poll(&mut chain.boxed_local())
}

fn fired_at_end() -> Poll<Result<i64, Canceled>> {
    let (sender, receiver) = oneshot::channel();
    let chain = receiver.map_ok(plus(1)).map_ok(plus(2)).map_ok(plus(3)).map_ok(plus(4));
    let mut chain = chain.boxed_local();
    start(&mut chain);
    fire(sender, 2);
    poll(&mut chain)
}

fn errback_chain() -> Poll<()> {
    let chain = future::ok::<&str, AnyError>(black_box("result"))
        .and_then(|_| future::err::<(), AnyError>(Box::new(Boom { what: black_box("boom!") })))
        .or_else(|error| {
            let lesser = |boom: Box<Boom>| -> AnyError {
                black_box(boom.what);
                Box::new(Boom { what: black_box("lesser boom!") })
            };
            future::err::<(), AnyError>(error.downcast().map_or_else(|other| other, lesser))
        })
        .map(|result| drop(black_box(result)));
    poll(&mut chain.boxed_local())
}

fn chained_fired() -> Poll<Result<i64, Canceled>> {
    let (first, receiver) = oneshot::channel();
    let (second, second_receiver) = oneshot::channel();
    let (third, third_receiver) = oneshot::channel();
    fire(second, 123);
    fire(third, 456);
    let chain = receiver.and_then(move |_: i64| second_receiver).and_then(move |_| third_receiver);
    let mut chain = chain.boxed_local();
    start(&mut chain);
    fire(first, 123);
    poll(&mut chain)
}

fn chained_not_fired() -> Poll<Result<i64, Canceled>> {
    let (first, receiver) = oneshot::channel();
    let (second, second_receiver) = oneshot::channel();
    let (third, third_receiver) = oneshot::channel();
    let (fourth, fourth_receiver) = oneshot::channel();
    let third_receiver = third_receiver.and_then(move |_: i64| fourth_receiver);
    fire(third, 123);
    let chain = receiver.and_then(move |_: i64| second_receiver).and_then(move |_| third_receiver);
    let mut chain = chain.boxed_local();
    start(&mut chain);
    fire(second, 123);
    fire(fourth, 57);
    fire(first, 7);
    poll(&mut chain)
}

fn await_fired() -> Poll<i64> {
    let sum = async {
        let mut sum = 0;
        for value in 0..FIRED_IN_A_ROW as i64 {
            sum += black_box(future::ready(black_box(value))).await;
        }
        sum
    };
    poll(&mut sum.boxed_local())
}

fn await_unfired() -> Poll<Result<i64, Canceled>> {
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..UNFIRED_AT_ONCE {
        let (sender, receiver) = oneshot::channel();
        senders.push(sender);
        receivers.push(receiver);
    }
    let sum = async {
        let mut sum = 0;
        for receiver in receivers {
            sum += receiver.await?;
        }
        Ok(sum)
    };
    let mut sum = sum.boxed_local();
    let mut state = poll(&mut sum);
    for (value, sender) in senders.into_iter().enumerate() {
        fire(sender, value as i64);
        state = poll(&mut sum);
    }
    state
}
