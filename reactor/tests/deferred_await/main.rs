//! Deferreds in async code: a Deferred is a future that any executor polls, and an `async` block becomes a Deferred.
//!
//! Each part is about one question: what an `await` gives, when the body runs, what a cancel does to it, who may poll,
//! who may wake, and what may be given up. How much stack it takes is a question of `tests/deferred_stack`.

// `async move { it.await }` is what is to be tested.
#![allow(clippy::redundant_async_block)]

mod awaiting;
mod cancelling;
mod cancelling_twice;
mod errors;
mod executors;
mod giving_up;
mod order;
#[path = "../util/outcome.rs"]
mod outcome;
mod panics;
mod threads;
mod wakers;

use outcome::outcome;
use reactor::Deferred;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// What happened, in order.
#[derive(Clone, Default)]
struct Events(Rc<RefCell<Vec<String>>>);

impl Events {
    fn note(&self, what: impl fmt::Display) {
        self.0.borrow_mut().push(what.to_string());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Polls once, and is ready whatever that gave.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Wakes itself once before it is ready.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A small foreign executor: it knows nothing of ours.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The future of a [`Sender`]: not one of our Deferreds, and one that may cross threads.
struct Receiver<T>(Arc<Mutex<Channel<T>>>);

struct Sender<T>(Arc<Mutex<Channel<T>>>);

struct Channel<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Mutex::new(Channel { value: None, waker: None }));
    (Sender(channel.clone()), Receiver(channel))
}

impl<T> Sender<T> {
    fn send(self, value: T) {
        let waker = {
            let mut channel = self.0.lock().unwrap();
            channel.value = Some(value);
            channel.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes the waker that the other side has left.
    fn take_waker(&self) -> Waker {
        self.0.lock().unwrap().waker.take().expect("somebody waits")
    }
}

impl<T> Future for Receiver<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut channel = self.0.lock().unwrap();
        match channel.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                channel.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Counts the values that have been dropped.
#[derive(Clone, Default)]
struct Drops(Rc<Cell<usize>>);

struct Guard(Drops);

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.get()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.set(self.0.count() + 1);
    }
}
