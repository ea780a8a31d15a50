//! [`Cooperator`]: several long pieces of work that take turns with each other and with the loop.
//!
//! A callback must not hold the loop. Work that takes long is therefore cut into steps, as an iterator. A Cooperator
//! takes a step of each task in turn, for some ten milliseconds, and goes on in the next turn of the loop. Between
//! two turns the loop serves its connections.
//!
//! ```text
//!   turn of the loop:   | events | A B C A B C A B | events | C A B C ...
//!                                '--- one slice ---'
//! ```
//!
//! Next: `../policies/mod.rs`, limits around a factory.

use crate::deferred::Canceller;
use crate::deferred::IntoDeferred;
use crate::error::PanicError;
use crate::error::debug_is_display;
use crate::{Clock, Context, Deferred, Failure, Firer};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// How long the steps of one turn may take together: as in Twisted. One step that takes longer is not cut short.
const SLICE: Duration = Duration::from_millis(10);

/// The maximum number of steps in one turn. A clock that stands still, in a test or a simulated world, would never end
/// a slice.
const MAX_STEPS_A_TURN: usize = 10_000;

/// Takes turns between tasks: see [`cooperate`](Cooperator::cooperate). Twisted's `task.Cooperator`.
///
/// A cheap handle to clone. Tasks go on when it is dropped.
#[derive(Clone)]
pub struct Cooperator {
    scheduler: Rc<Scheduler>,
}

/// A piece of work that a [`Cooperator`] does. A cheap handle to clone; dropping it does not stop the task.
#[derive(Clone)]
pub struct CooperativeTask {
    task: Rc<Task>,
}

/// Holds a task back for as long as it lives: what [`CooperativeTask::pause`] gives. Pauses count.
#[must_use = "the pause ends when this is dropped"]
pub struct TaskPause {
    task: Rc<Task>,
}

/// Why a task ended before its last step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TaskStopped {
    /// [`CooperativeTask::stop`] was called. Twisted's `TaskStopped`.
    Task,
    /// [`Cooperator::stop`] was called. Twisted's `SchedulerStopped`.
    Cooperator,
}

impl fmt::Display for TaskStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskStopped::Task => "the task was stopped before its last step",
            TaskStopped::Cooperator => "the cooperator of the task was stopped",
        })
    }
}

impl std::error::Error for TaskStopped {}

debug_is_display!(TaskStopped);

struct Scheduler {
    clock: Box<dyn Clock>,
    /// Where the program made it. Messages about its steps name this place.
    made: &'static Location<'static>,
    /// Tasks that can take their next step, the first one first.
    runnable: RefCell<VecDeque<Rc<Task>>>,
    /// All tasks, for `stop`. Weak: a task that nobody can resume any more is gone.
    tasks: RefCell<Vec<Weak<Task>>>,
    is_scheduled: Cell<bool>,
    is_stopped: Cell<bool>,
}

/// Takes one step: the Deferred to wait for, or `None` after the last step.
type Steps = Box<dyn FnMut() -> Option<Deferred<()>>>;

struct Task {
    scheduler: Rc<Scheduler>,
    /// Taken out while a step runs; dropped when the task ends.
    steps: Cell<Option<Steps>>,
    pauses: Cell<usize>,
    /// The queue of runnable tasks has it, or its step runs.
    is_queued: Cell<bool>,
    /// Cancels the Deferred that the last step returned, while the task waits for it.
    waits_for: Cell<Option<Canceller>>,
    /// Fires when the task has ended; `None` from then on.
    ended: Cell<Option<Firer<()>>>,
    has_ended: Cell<bool>,
    /// Of the code that added it.
    context: Context,
}

impl Cooperator {
    /// A Cooperator that gets its turns from `clock`: the reactor, or a [`ManualClock`](crate::testing::ManualClock) in
    /// tests.
    #[track_caller]
    pub fn new(clock: &(impl Clock + Clone + 'static)) -> Cooperator {
        let scheduler = Scheduler {
            clock: Box::new(clock.clone()),
            made: Location::caller(),
            runnable: RefCell::default(),
            tasks: RefCell::default(),
            is_scheduled: Cell::new(false),
            is_stopped: Cell::new(false),
        };
        Cooperator { scheduler: Rc::new(scheduler) }
    }

    /// Takes the steps of an iterator one after the other, in turn with those of other tasks; the first one not before
    /// this returns. Twisted's `cooperate`.
    ///
    /// Each item may be `()`, a `Result` or a Deferred. The task waits for a Deferred while others go on. The Deferred
    /// that this returns fires after the last step, with the failure of a step, or with [`TaskStopped`]. Cancelling it
    /// stops the task.
    ///
    /// ```
    /// use reactor::{task::Cooperator, testing::ManualClock};
    /// use std::{cell::RefCell, rc::Rc, time::Duration};
    ///
    /// let (clock, order) = (ManualClock::new(), Rc::new(RefCell::new(String::new())));
    /// let cooperator = Cooperator::new(&clock);
    /// let work = |name: char| {
    ///     let order = order.clone();
    ///     (0..3).map(move |_| order.borrow_mut().push(name))
    /// };
    /// let (_, a) = cooperator.cooperate(work('a'));
    /// let (_, b) = cooperator.cooperate(work('b'));
    /// clock.advance(Duration::ZERO);
    /// assert_eq!(*order.borrow(), "ababab");
    /// assert!(a.has_fired() && b.has_fired());
    /// ```
    #[track_caller]
    pub fn cooperate<I>(&self, steps: I) -> (CooperativeTask, Deferred<()>)
    where
        I: IntoIterator,
        I::IntoIter: 'static,
        I::Item: IntoDeferred<Value = ()>,
    {
        let mut steps = steps.into_iter();
        let task = Rc::new(Task {
            scheduler: self.scheduler.clone(),
            steps: Cell::new(Some(Box::new(move || steps.next().map(IntoDeferred::into_deferred)))),
            pauses: Cell::new(0),
            is_queued: Cell::new(false),
            waits_for: Cell::new(None),
            ended: Cell::new(None),
            has_ended: Cell::new(false),
            context: Context::current(),
        });
        let canceller = Rc::downgrade(&task);
        let (ended, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(task) = canceller.upgrade() {
                task.end(Err(TaskStopped::Task.into()));
            }
        });
        task.ended.set(Some(firer));
        if self.scheduler.is_stopped.get() {
            task.end(Err(TaskStopped::Cooperator.into()));
        } else {
            self.scheduler.tasks.borrow_mut().push(Rc::downgrade(&task));
            task.enqueue();
        }
        (CooperativeTask { task }, ended)
    }

    /// Stops all tasks: each ends with [`TaskStopped::Cooperator`], and so do those that are added later.
    pub fn stop(&self) {
        self.scheduler.is_stopped.set(true);
        for task in self.scheduler.tasks.take().iter().filter_map(Weak::upgrade) {
            task.end(Err(TaskStopped::Cooperator.into()));
        }
    }
}

impl Scheduler {
    fn schedule(self: &Rc<Self>) {
        if self.is_scheduled.replace(true) {
            return;
        }
        let me = self.clone();
        // For all tasks, and not only for the one that comes first.
        let call = Box::new(move || me.take_steps());
        Context::empty().run(|| self.clock.call_later_at(self.made, Duration::ZERO, call));
    }

    /// One slice.
    fn take_steps(self: &Rc<Self>) {
        self.is_scheduled.set(false);
        let begin = self.clock.now();
        for _ in 0..MAX_STEPS_A_TURN {
            let Some(task) = self.runnable.borrow_mut().pop_front() else { return };
            if let Err(payload) = task.take_step() {
                self.go_on_later();
                panic::resume_unwind(payload);
            }
            if self.clock.now().saturating_duration_since(begin) >= SLICE {
                break;
            }
        }
        self.go_on_later();
    }

    fn go_on_later(self: &Rc<Self>) {
        if !self.runnable.borrow().is_empty() {
            self.schedule();
        }
    }

    fn forget(&self, task: &Rc<Task>) {
        self.tasks.borrow_mut().retain(|other| !std::ptr::eq(other.as_ptr(), Rc::as_ptr(task)));
    }
}

impl Task {
    /// Has its next step taken, unless something holds it back.
    fn enqueue(self: &Rc<Self>) {
        if !self.has_ended.get() && self.pauses.get() == 0 && !self.is_queued.replace(true) {
            self.scheduler.runnable.borrow_mut().push_back(self.clone());
            self.scheduler.schedule();
        }
    }

    /// Takes one step, if nothing holds the task back by now. Gives the panic of a step back.
    fn take_step(self: &Rc<Self>) -> Result<(), Box<dyn Any + Send>> {
        if self.pauses.get() > 0 {
            self.is_queued.set(false);
            return Ok(());
        }
        let Some(mut steps) = self.steps.take() else { return Ok(()) };
        let step = panic::catch_unwind(AssertUnwindSafe(|| self.context.run(&mut steps)));
        if self.has_ended.get() {
            // It was stopped from inside its own step. What that step came to has no receiver.
            return step.map(drop);
        }
        match step {
            Ok(Some(deferred)) => {
                self.steps.set(Some(steps));
                self.wait_for(deferred);
            }
            Ok(None) => self.end(Ok(())),
            Err(payload) => {
                self.end(Err(PanicError::new(&*payload).into()));
                return Err(payload);
            }
        }
        Ok(())
    }

    fn wait_for(self: &Rc<Self>, step: Deferred<()>) {
        // Before the callback is added: it runs at once if the Deferred has fired, and takes this out again.
        self.waits_for.set(Some(step.canceller()));
        let me = self.clone();
        let finish = move |result: Result<(), Failure>| {
            drop(me.waits_for.take());
            me.is_queued.set(false);
            match result {
                Ok(()) => me.enqueue(),
                Err(failure) => me.end(Err(failure)),
            }
        };
        step.add_both(finish).detach();
    }

    fn end(self: &Rc<Self>, result: Result<(), Failure>) {
        if self.has_ended.replace(true) {
            return;
        }
        self.scheduler.forget(self);
        drop(self.steps.take());
        if let Some(canceller) = self.waits_for.take() {
            canceller.cancel();
        }
        if let Some(firer) = self.ended.take() {
            // An error here means that it was cancelled.
            let _ = match result {
                Ok(()) => firer.callback(()),
                Err(failure) => firer.errback(failure),
            };
        }
    }
}

impl CooperativeTask {
    /// Takes no further step while the guard lives. A step that runs now is finished first.
    pub fn pause(&self) -> TaskPause {
        self.task.pauses.set(self.task.pauses.get() + 1);
        TaskPause { task: self.task.clone() }
    }

    /// Ends the task with [`TaskStopped::Task`]: no further step is taken, and the Deferred that it waits for is
    /// cancelled. Returns whether it was running.
    pub fn stop(&self) -> bool {
        let was_running = !self.task.has_ended.get();
        self.task.end(Err(TaskStopped::Task.into()));
        was_running
    }

    /// Whether steps are still to come; also while it is paused.
    pub fn running(&self) -> bool {
        !self.task.has_ended.get()
    }
}

impl Drop for TaskPause {
    fn drop(&mut self) {
        self.task.pauses.set(self.task.pauses.get() - 1);
        let waits_for = self.task.waits_for.take();
        let is_waiting = waits_for.is_some();
        self.task.waits_for.set(waits_for);
        if !is_waiting {
            self.task.enqueue();
        }
    }
}

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cooperator({} tasks)", self.scheduler.tasks.borrow().len())
    }
}

impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CooperativeTask(running: {}, pauses: {})", self.running(), self.task.pauses.get())
    }
}

impl fmt::Debug for TaskPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskPause")
    }
}

#[cfg(test)]
mod tests;
