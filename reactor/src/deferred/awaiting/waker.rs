//! How a coroutine is woken when what it awaits is not one of our Deferreds.
//!
//! A [`Waker`] may be sent to any thread, a coroutine may not. So a waker holds only a number and the address of the
//! coroutine's thread. The coroutine stays on its thread, in a list there, as long as some waker can wake it.
//!
//! * If a Deferred that fires wakes it through a combinator of futures, it goes on in the loop that fires, as a
//!   callback does.
//! * If anything else wakes it, it goes on in the next turn of the reactor that runs on its thread, because the code
//!   that wakes it may hold a lock or a borrow.
//! * If no reactor runs there, it goes on at once; or, if another thread woke it or it wakes itself again and again, as
//!   soon as a reactor runs there. A program that takes the turns itself (`iterate`) runs a reactor during each turn.
//!
//! A coroutine that holds its own waker, as combinators of many futures do, keeps itself alive. If everything that
//! could wake it is gone, it stays in memory, as a task of any executor would. We cannot detect that: other code may
//! have a clone of that waker.
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
    /// The waiting coroutines that some waker can wake.
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

/// The part of [`Here`] that other threads see.
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

/// What the waker of a coroutine holds.
struct CoroutineWaker {
    home: Arc<Home>,
    id: u64,
    /// Whether the coroutine was woken while it was running.
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
        // While the thread ends there is no list: then do as another thread would.
        match wake.unwrap_or(HowToWake::ByNote) {
            HowToWake::Now(coroutine) => chain::run(coroutine, None),
            HowToWake::ByNote => {
                // Before the note: the coroutine may be running, and looks at this flag before it rests.
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
    /// Not at all: it runs and has been told, or a loop that is running has it.
    Done,
}

impl Drop for CoroutineWaker {
    fn drop(&mut self) {
        // While a coroutine comes to rest, another thread may wake it and drop its waker before the coroutine's own
        // link goes: then this is the drop of that link. The note of that wake is there, so the coroutine must stay.
        let was_woken = *self.again.get_mut();
        let here = HERE.try_with(|here| {
            let is_here = Arc::ptr_eq(&here.home, &self.home);
            // Dropped outside the borrow: it may drop whole chains.
            is_here.then(|| if was_woken { None } else { here.awaken(self.id) })
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

    /// Called before each poll: forgets earlier wakes.
    pub(crate) fn forget_wakes(&self) {
        self.shared.again.store(false, Ordering::Relaxed);
    }

    /// Called when the coroutine has come to wait. It is kept in the list of its thread if other code has a waker for
    /// it.
    ///
    /// If it was woken while it ran (`again`), it must run again: in the reactor's next turn, so that other coroutines
    /// have theirs. If there is no reactor, at once, as long as it may (`at_once`); then in the turn of the next one.
    /// Returns whether it must run at once, and the waker if the next poll can use it again.
    pub(crate) fn rest(self, coroutine: Rc<dyn Run>, mut again: bool, at_once: bool) -> (Option<OwnWaker>, bool) {
        // Two links are ours: the field and the one inside our waker. Read the count before the flag: another thread
        // raises the flag before it lets go of its waker.
        let is_lent = Arc::strong_count(&self.shared) > 2;
        fence(Ordering::Acquire);
        again |= self.shared.again.swap(false, Ordering::AcqRel);
        if again && at_once && lock(&self.shared.home.hook).is_none() {
            return (Some(self), true);
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
        // If other code has the waker, ours goes, so that the drop of the last one of theirs is noticed. Not if a note
        // has it run again: if theirs has gone meanwhile, the drop of ours would take it out of the list before that.
        (if is_lent && !again { None } else { Some(self) }, false)
    }
}

impl fmt::Debug for OwnWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnWaker({})", self.shared.id)
    }
}

/// A reactor runs on this thread: see [`hook`].
pub(crate) struct Hooked(Option<Hook>);

/// As long as the guard lives, `hook` is called when notes have come for coroutines of this thread: on the thread that
/// left the note. It must see to it that [`go_on`] is called on this thread soon. It is called at once if notes are
/// there already: when they came, there was no hook, or another one.
pub(crate) fn hook(hook: Hook) -> Hooked {
    Hooked(exchange_hook(Some(hook)))
}

impl Drop for Hooked {
    /// Restores the hook of the outer reactor, if this one ran inside it. The outer one hears of notes that this one
    /// leaves unread.
    fn drop(&mut self) {
        let outer = self.0.take();
        drop(exchange_hook(outer));
    }
}

/// Puts `new` in place, and calls it if notes wait. Returns the one that was there. While the thread ends, there is no
/// place for one.
fn exchange_hook(new: Option<Hook>) -> Option<Hook> {
    let exchange = |here: &Here| {
        let old = std::mem::replace(&mut *lock(&here.home.hook), new.clone());
        // After the exchange: a note that comes in between calls the new one itself.
        let is_waiting = !lock(&here.home.notes).is_empty();
        if let Some(new) = new.filter(|_| is_waiting) {
            new();
        }
        old
    };
    HERE.try_with(exchange).ok().flatten()
}

/// Reads the notes, and runs the coroutines of this thread that they wake. If some panic, the first panic resumes when
/// all have run.
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
