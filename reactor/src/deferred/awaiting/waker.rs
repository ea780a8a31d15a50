//! How a coroutine is woken when what it awaits is not one of our Deferreds.
//!
//! A [`Waker`] may be sent to any thread, a coroutine may not. So a waker holds only a number and the way home: the
//! coroutine itself stays on its thread, in a list there, for as long as some waker can still wake it.
//!
//! * Woken by a Deferred that fires inside of some combinator of futures, it goes on in the loop that fires, as
//!   callbacks do.
//! * Woken by anything else it goes on in the next turn of the reactor that runs on its thread: the code that wakes it
//!   may hold a lock or a borrow. If none runs, it goes on at once, or, if another thread woke it, when one runs.
//!
//! A coroutine that keeps a waker of its own, as combinators of many futures do, is kept alive by it. If all that could
//! wake it is gone, it stays in memory, as a task of any executor would. We could not tell: other code may have a clone
//! of that waker.
//!
//! Next: `notes.rs`, what other threads leave.

use super::notes::{Note, Notes};
use crate::deferred::chain::{self, Run};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Wake, Waker};

thread_local!(static HERE: Here = Here::new());

/// What a thread knows of its coroutines.
struct Here {
    home: Arc<Home>,
    next_id: Cell<u64>,
    /// Those that some waker can wake.
    resting: RefCell<HashMap<u64, Rc<dyn Run>>>,
}

impl Here {
    fn new() -> Here {
        Here { home: Arc::default(), next_id: Cell::new(0), resting: RefCell::default() }
    }

    fn awaken(&self, id: u64) -> Option<Rc<dyn Run>> {
        self.resting.borrow_mut().remove(&id)
    }
}

/// What other threads may see of it.
#[derive(Default)]
struct Home {
    notes: Mutex<Notes>,
    hook: Mutex<Option<Hook>>,
}

/// Tells the reactor of a thread that notes have come.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

impl Home {
    fn leave(&self, note: Note) {
        let is_first = lock(&self.notes).push(note);
        // One call is enough for all of the notes that are there when the reactor reads them.
        let hook = if is_first { lock(&self.hook).clone() } else { None };
        if let Some(hook) = hook {
            hook();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under these locks.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a waker of ours holds.
struct CoroutineWaker {
    home: Arc<Home>,
    id: u64,
    /// It was woken while it was running.
    again: AtomicBool,
}

impl Wake for CoroutineWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wake = HERE.try_with(|here| {
            if !Arc::ptr_eq(&here.home, &self.home) {
                return HowToWake::ByNote;
            }
            if !here.resting.borrow().contains_key(&self.id) {
                // It is running.
                self.again.store(true, Ordering::Release);
                return HowToWake::Done;
            }
            // The coroutine itself, not its number: this may be its last waker.
            if chain::give_to_waking_loop(|| here.awaken(self.id)) {
                return HowToWake::Done;
            }
            if lock(&self.home.hook).is_some() {
                return HowToWake::ByNote;
            }
            here.awaken(self.id).map_or(HowToWake::Done, HowToWake::Now)
        });
        // While the thread ends there is no list; then this is as on another thread.
        match wake.unwrap_or(HowToWake::ByNote) {
            HowToWake::Now(coroutine) => chain::run(coroutine, None),
            HowToWake::ByNote => {
                // Before the note: it may be running, and looks at this before it rests.
                self.again.store(true, Ordering::Release);
                self.home.leave(Note::Wake(self.id));
            }
            HowToWake::Done => {}
        }
    }
}

/// How a coroutine is woken.
enum HowToWake {
    /// On its own thread, where no reactor runs.
    Now(Rc<dyn Run>),
    /// By the reactor of its thread.
    ByNote,
    /// It has been told, or a loop that is running has it.
    Done,
}

impl Drop for CoroutineWaker {
    fn drop(&mut self) {
        let here = HERE.try_with(|here| {
            // Dropped outside the borrow: it may drop whole chains.
            Arc::ptr_eq(&here.home, &self.home).then(|| here.awaken(self.id))
        });
        if !matches!(here, Ok(Some(_))) {
            self.home.leave(Note::Forget(self.id));
        }
    }
}

/// The waker of one coroutine.
pub(crate) struct OwnWaker {
    shared: Arc<CoroutineWaker>,
    waker: Waker,
}

impl OwnWaker {
    /// While the thread ends there is none.
    pub(crate) fn new() -> Option<OwnWaker> {
        let make = |here: &Here| {
            let id = here.next_id.get();
            here.next_id.set(id + 1);
            let shared = Arc::new(CoroutineWaker { home: here.home.clone(), id, again: AtomicBool::new(false) });
            OwnWaker { waker: Waker::from(shared.clone()), shared }
        };
        HERE.try_with(make).ok()
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Forgets that it was woken: it is about to run.
    pub(crate) fn start(&self) {
        self.shared.again.store(false, Ordering::Relaxed);
    }

    /// The coroutine waits now. It is kept here if other code has a waker for it.
    ///
    /// If it was woken while it ran, it must run again: in the reactor's next turn, so that others have theirs, or at
    /// once if there is no reactor.
    pub(crate) fn rest(self, coroutine: Rc<dyn Run>, mut again: bool) -> Rested {
        // Two are ours: the field and the waker's own. The count comes before the flag: another thread raises the flag
        // before it lets go of its waker.
        let is_lent = Arc::strong_count(&self.shared) > 2;
        fence(Ordering::Acquire);
        again |= self.shared.again.swap(false, Ordering::AcqRel);
        let has_reactor = again && lock(&self.shared.home.hook).is_some();
        if again && !has_reactor {
            return Rested::Again(self);
        }
        if again || is_lent {
            let _ = HERE.try_with(|here| {
                let mut resting = here.resting.borrow_mut();
                resting.insert(self.shared.id, coroutine);
                lock(&here.home.notes).clear_away(resting.len(), |id| resting.contains_key(&id));
            });
        }
        if again {
            self.shared.home.leave(Note::Wake(self.shared.id));
        }
        // If others have it, ours goes, so that the end of the last of theirs is noticed.
        if is_lent { Rested::Lent } else { Rested::Kept(self) }
    }
}

/// What [`OwnWaker::rest`] came to.
pub(crate) enum Rested {
    /// No other code has the waker: it can be used for the next poll.
    Kept(OwnWaker),
    /// Other code has it and keeps the coroutine alive; the next poll gets a new one.
    Lent,
    /// It must run again at once.
    Again(OwnWaker),
}

impl fmt::Debug for OwnWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnWaker({})", self.shared.id)
    }
}

/// A reactor runs on this thread: see [`hook`].
pub(crate) struct Hooked(Option<Hook>);

/// As long as the guard lives, `hook` is called when another thread has woken a coroutine of this one; on that other
/// thread. It must see to it that [`go_on`] is called here soon.
pub(crate) fn hook(hook: Hook) -> Hooked {
    Hooked(HERE.with(|here| lock(&here.home.hook).replace(hook)))
}

impl Drop for Hooked {
    /// The reactor of an outer loop, if there is one, does it again.
    fn drop(&mut self) {
        let outer = self.0.take();
        drop(HERE.with(|here| std::mem::replace(&mut *lock(&here.home.hook), outer)));
    }
}

/// Runs the coroutines of this thread that were woken elsewhere. The first panic of one of them goes on when all have
/// run.
pub(crate) fn go_on() {
    let notes = HERE.with(|here| std::mem::take(&mut *lock(&here.home.notes))).into_list();
    let mut panic = None;
    for note in notes {
        let done = chain::caught(|| match note {
            Note::Wake(id) => {
                if let Some(coroutine) = HERE.with(|here| here.awaken(id)) {
                    chain::run(coroutine, None);
                }
            }
            Note::Forget(id) => drop(HERE.with(|here| here.awaken(id))),
        });
        if let Err(payload) = done {
            panic.get_or_insert(payload);
        }
    }
    if let Some(payload) = panic {
        std::panic::resume_unwind(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deferred;
    use std::future::poll_fn;
    use std::task::Poll;

    #[test]
    fn what_is_left_about_coroutines_that_are_gone_is_cleared_away_when_one_rests() {
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let (lent, polls) = (waker.clone(), Rc::new(Cell::new(0)));
        let count = polls.clone();
        let never = Deferred::<()>::from_future(poll_fn(move |context| {
            count.set(count.get() + 1);
            *lent.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        }));
        for gone in 0..20_u64 {
            // What other threads would leave.
            let leave = |id| HERE.with(|here| here.home.leave(Note::Forget(1_000_000 + 100 * gone + id)));
            (0..100_u64).for_each(leave);
            let waker = waker.take().expect("each poll lends one");
            waker.wake(); // There is no reactor: it is polled at once, and rests.
        }
        assert_eq!(polls.get(), 21);
        let left = HERE.with(|here| std::mem::take(&mut *lock(&here.home.notes))).into_list();
        assert!(left.len() < 400, "{}", left.len());
        drop((never, waker.take()));
    }
}
