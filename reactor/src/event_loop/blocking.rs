//! [`ReactorHandle::blocking_call_from_thread`]: a call from another thread that waits for its result.
//!
//! The caller sleeps until one of these has happened; each of them sends it one [`Answer`]:
//!
//! * The call's Deferred has its result.
//! * It never will: the call panicked, or the Deferred was dropped.
//! * The reactor has stopped, or is gone. So no caller waits for a loop that does not turn any more.
//!
//! Next: `thread_pool.rs`, work that other threads do for the loop.

use super::Reactor;
use super::threads::{CallsFromThreads, MAX_QUEUED_CALLS, ReactorHandle};
use crate::context::Asked;
use crate::deferred::IntoDeferred;
use crate::driver::{ThreadId, this_thread};
use crate::error::{BlockingCallError, ThreadError};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

impl ReactorHandle {
    /// Makes the loop call `f`, and waits for the result; if `f` returns a Deferred, for the result of that. Twisted's
    /// `blockingCallFromThread`.
    ///
    /// If the loop does not run yet, this waits until it does. It has no time limit of its own: give the Deferred one
    /// ([`add_timeout`](crate::Deferred::add_timeout)).
    ///
    /// A [`Failure`](crate::Failure) cannot leave its thread, so its text and its report come instead. To get an error
    /// as a value, let `f` return it as one: `Deferred<Result<T, MyError>>`.
    ///
    /// ```
    /// use reactor::{Reactor, task};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let thread = std::thread::spawn(move || {
    ///     let answer = handle.blocking_call_from_thread(|reactor| {
    ///         task::sleep(reactor, Duration::from_millis(1)).add_callback(|()| Ok(42))
    ///     });
    ///     handle.call_from_thread(|reactor| reactor.stop())?;
    ///     answer
    /// });
    /// reactor.run()?;
    /// assert_eq!(thread.join().unwrap()?, 42);
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// [`BlockingCallError::Failed`] if `f` or its Deferred fails. [`BlockingCallError::Thread`] with
    /// [`ThreadError::OwnThread`] on the thread of the loop itself, where this would wait for ever;
    /// [`ThreadError::Stopped`] if the run is over, or ends meanwhile; [`ThreadError::Gone`] if the reactor is gone;
    /// [`ThreadError::Panicked`] if `f` panicked; [`ThreadError::NoResult`] if the Deferred was dropped without a
    /// result; [`ThreadError::QueueFull`] if more than a million calls wait.
    #[track_caller]
    pub fn blocking_call_from_thread<R>(
        &self,
        f: impl FnOnce(&Reactor) -> R + Send + 'static,
    ) -> Result<R::Value, BlockingCallError>
    where
        R: IntoDeferred,
        R::Value: Send,
    {
        let calls = &self.calls;
        if calls.blocked.is_own_thread() {
            return Err(ThreadError::OwnThread.into());
        }
        let (sender, receiver) = channel();
        let id = calls.blocked.enter(sender)?;
        let on_the_loop = calls.clone();
        let call = move |reactor: &Reactor| {
            // A run that ended before the call has sent the caller away.
            if on_the_loop.blocked.is_waiting(id) {
                answer_later(Caller { calls: on_the_loop, id }, reactor, f);
            }
        };
        if let Err(error) = calls.push(Box::new(call), Asked::here(), MAX_QUEUED_CALLS) {
            calls.blocked.answer(id, Err(error.into()));
        }
        // The sender goes only when an answer has been sent. If not, the reactor is gone.
        let answer = receiver.recv().unwrap_or_else(|_| Err(ThreadError::Gone.into()))?;
        Ok(*answer.downcast().expect("the Deferred of this call has this type"))
    }
}

/// Makes the call, and answers when its Deferred has a result.
fn answer_later<R>(caller: Caller, reactor: &Reactor, f: impl FnOnce(&Reactor) -> R)
where
    R: IntoDeferred,
    R::Value: Send,
{
    match catch_unwind(AssertUnwindSafe(|| f(reactor).into_deferred())) {
        Ok(deferred) => deferred
            .add_both(move |result| {
                caller.answer(match result {
                    Ok(value) => Ok(Box::new(value)),
                    Err(failure) => {
                        let (error, report) = (failure.to_string(), failure.report());
                        Err(BlockingCallError::Failed { error, report })
                    }
                });
            })
            .detach(),
        Err(panic) => {
            caller.answer(Err(ThreadError::Panicked.into()));
            resume_unwind(panic);
        }
    }
}

type Answer = Result<Box<dyn Any + Send>, BlockingCallError>;

/// A thread that waits for an answer. If this is dropped, there will be no result.
struct Caller {
    calls: Arc<CallsFromThreads>,
    id: u64,
}

impl Caller {
    fn answer(&self, answer: Answer) {
        self.calls.blocked.answer(self.id, answer);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.answer(Err(ThreadError::NoResult.into())); // Does nothing if there was an answer.
    }
}

/// The threads that wait for answers of one reactor. There are at most as many as the program has threads.
pub(super) struct Blocked {
    /// The thread of the loop: a reactor never leaves the thread that made it.
    own_thread: ThreadId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<u64, Sender<Answer>>,
    next: u64,
    /// Why nobody may wait: the last run is over, or the reactor is gone. `None` before the first run.
    end: Option<ThreadError>,
}

impl Blocked {
    pub(super) fn new() -> Blocked {
        Blocked { own_thread: this_thread(), state: Mutex::default() }
    }

    fn is_own_thread(&self) -> bool {
        this_thread() == self.own_thread
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn enter(&self, sender: Sender<Answer>) -> Result<u64, ThreadError> {
        let mut state = self.lock();
        if let Some(end) = state.end {
            return Err(end);
        }
        let id = state.next;
        state.next += 1;
        state.waiting.insert(id, sender);
        Ok(id)
    }

    fn is_waiting(&self, id: u64) -> bool {
        self.lock().waiting.contains_key(&id)
    }

    /// Sends the answer, unless there was one.
    fn answer(&self, id: u64, answer: Answer) {
        let sender = self.lock().waiting.remove(&id);
        if let Some(sender) = sender {
            let _ = sender.send(answer); // The caller waits for it, and for nothing else.
        }
    }

    /// The loop takes turns: callers may wait for it.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        if state.end == Some(ThreadError::Stopped) {
            state.end = None;
        }
    }

    /// The loop takes no more turns: ends the wait of all callers.
    pub(super) fn end(&self, why: ThreadError) {
        let waiting = {
            let mut state = self.lock();
            state.end = Some(why);
            std::mem::take(&mut state.waiting)
        };
        for sender in waiting.into_values() {
            let _ = sender.send(Err(why.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_gets_one_answer_and_waits_no_more() {
        let blocked = Blocked::new();
        let (sender, receiver) = channel();
        let [first, second] = [(); 2].map(|()| blocked.enter(sender.clone()).unwrap());
        blocked.answer(first, Err(ThreadError::NoResult.into()));
        assert!(!blocked.is_waiting(first) && blocked.is_waiting(second));
        blocked.end(ThreadError::Stopped);
        assert!(!blocked.is_waiting(second), "its call is not to be made");
        blocked.answer(second, Ok(Box::new(())));
        drop(sender);
        let answers: Vec<_> = receiver.iter().map(|answer| answer.unwrap_err()).collect();
        assert_eq!(answers, [ThreadError::NoResult.into(), ThreadError::Stopped.into()]);
    }

    #[test]
    fn who_may_wait_follows_the_runs_until_the_reactor_is_gone() {
        let blocked = Blocked::new();
        let enter = || blocked.enter(channel().0).err();
        assert_eq!(enter(), None);
        blocked.end(ThreadError::Stopped);
        assert_eq!(enter(), Some(ThreadError::Stopped));
        blocked.begin();
        assert_eq!(enter(), None);
        blocked.end(ThreadError::Gone);
        blocked.begin();
        assert_eq!(enter(), Some(ThreadError::Gone));
    }
}
