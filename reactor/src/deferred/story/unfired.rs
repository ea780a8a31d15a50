//! Deferreds that nothing will fire: they lost their last Firer, or the end of a run left them.
//!
//! A Deferred that never fires is the quietest mistake that a program can make: nothing fails, and nothing happens. So
//! it is told, but only where something waits for the Deferred:
//!
//! * The last Firer is dropped, and the Deferred has not fired: told at once if callbacks wait. If none has been added
//!   yet, the Deferred may be about to go too. So the loop looks again in its next turn, and the drop of the Deferred
//!   does.
//! * A run ends, and a Deferred that the program has made still waits: told at the end, in debug builds only. Those
//!   that the library has made, such as a sleep, are not told: a stop cuts them short as a matter of course.
//!
//! While a reactor is dropped, and after a run, Firers go with what held them. That is how a program ends.
//!
//! Next: `waiting.rs`, what a Deferred waits for.

use super::waiting::{TellsStatus, Waiting};
use crate::diagnostics::tell;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// Maximum number of Deferreds without a Firer that are looked at again. Of more than that, some are not told.
const MAX_LOOKED_AT_LATER: usize = 64;

/// Maximum number of unfired Deferreds that a debug build remembers, so that the end of a run can tell them.
const MAX_WATCHED: usize = 4096;

/// Maximum number of stories that the end of a run tells. The others are only counted.
const MAX_TOLD: usize = 16;

/// The start of a chain, which may never be fired.
pub(crate) trait MayStayUnfired {
    /// Tells that it will never fire, unless it has fired, or nothing can receive its result.
    fn tell_if_lost(&self);

    /// What waits for it, at the far end: `None` if it has fired, nothing waits, or it was told already.
    fn waiting_chain(self: Rc<Self>) -> Option<Rc<dyn TellsStatus>>;
}

/// The number of a Deferred that is watched until it fires; 0 if it is not.
pub(crate) type Watch = u32;

thread_local! {
    static LOOK_LATER: RefCell<Vec<Weak<dyn MayStayUnfired>>> = const { RefCell::new(Vec::new()) };
    /// Whether there is one in the list. The loop asks in each turn, and a list has a destructor, so it costs more.
    static SOME_ARE_LOST: Cell<bool> = const { Cell::new(false) };
    static WATCHED: RefCell<slab::Slab<Weak<dyn MayStayUnfired>>> = const { RefCell::new(slab::Slab::new()) };
    /// The number of runs of reactors; `None` before the first.
    static RUNS: Cell<Option<usize>> = const { Cell::new(None) };
    /// The number of reactors that are being dropped.
    static DROPPING: Cell<usize> = const { Cell::new(0) };
}

/// Whether a Firer that is dropped now is a mistake: see the [module](self).
pub(crate) fn is_loss_unexpected() -> bool {
    DROPPING.get() == 0 && RUNS.get() != Some(0) && !std::thread::panicking()
}

/// Has the loop look at `lost` in its next turn. Returns whether there was room.
pub(crate) fn look_later(lost: Weak<dyn MayStayUnfired>) -> bool {
    let added = LOOK_LATER.try_with(|list| {
        let mut list = list.borrow_mut();
        let has_room = list.len() < MAX_LOOKED_AT_LATER;
        if has_room {
            list.push(lost);
            SOME_ARE_LOST.set(true);
        }
        has_room
    });
    added.unwrap_or(false) // While the thread ends there is no loop.
}

/// Forgets `settled`, which is being dropped: a weak link would keep its memory.
pub(crate) fn forget(settled: *const ()) {
    let _ = LOOK_LATER.try_with(|list| list.borrow_mut().retain(|lost| lost.as_ptr().cast::<()>() != settled));
}

/// Tells those that lost their Firer in the last turn. A step of the loop.
#[inline]
pub(crate) fn tell_lost() {
    if SOME_ARE_LOST.get() {
        tell_all_lost();
    }
}

#[cold]
fn tell_all_lost() {
    SOME_ARE_LOST.set(false);
    let lost = LOOK_LATER.with(RefCell::take);
    lost.iter().filter_map(Weak::upgrade).for_each(|lost| lost.tell_if_lost());
}

/// Begins a run of a reactor of this thread.
pub(crate) fn begin_run() {
    RUNS.set(Some(RUNS.get().unwrap_or(0) + 1));
}

/// Ends it.
pub(crate) fn end_run() {
    RUNS.set(RUNS.get().map(|runs| runs.saturating_sub(1)));
}

/// Drops what a reactor holds: the Firers in it are expected to go.
pub(crate) fn expecting_losses(work: impl FnOnce()) {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            DROPPING.set(DROPPING.get() - 1);
        }
    }
    DROPPING.set(DROPPING.get() + 1);
    let _dropped = Dropped;
    work();
}

/// Watches a Deferred until [`unwatch`]. Does nothing in a release build, or if too many are watched.
#[inline]
pub(crate) fn watch(head: impl FnOnce() -> Weak<dyn MayStayUnfired>) -> Watch {
    if !cfg!(debug_assertions) {
        return 0;
    }
    let add = |watched: &RefCell<slab::Slab<_>>| {
        let mut watched = watched.borrow_mut();
        if watched.len() >= MAX_WATCHED { 0 } else { watched.insert(head()) as Watch + 1 }
    };
    WATCHED.try_with(add).unwrap_or(0)
}

#[inline]
pub(crate) fn unwatch(watch: &Cell<Watch>) {
    if cfg!(debug_assertions)
        && let Some(key) = watch.take().checked_sub(1)
    {
        let gone = WATCHED.try_with(|watched| watched.borrow_mut().try_remove(key as usize));
        drop(gone); // After the borrow.
    }
}

/// At the end of a run: tells the Deferreds of the program that something still waits for.
pub(crate) fn tell_unfired() {
    let watched: Vec<_> = WATCHED.with_borrow(|watched| watched.iter().map(|(_, head)| head.clone()).collect());
    let chains = watched.iter().filter_map(Weak::upgrade).filter_map(|head| head.waiting_chain());
    let mut stories: Vec<(String, usize)> = Vec::new();
    let mut untold = 0;
    for story in chains.map(|chain| Waiting::of(chain).to_string()) {
        let known = stories.iter().position(|(told, _)| *told == story);
        match known {
            Some(known) => stories[known].1 += 1,
            None if stories.len() < MAX_TOLD => stories.push((story, 1)),
            None => untold += 1,
        }
    }
    if stories.is_empty() {
        return;
    }
    let mut text = String::new();
    for (story, times) in stories {
        let count = if times > 1 { format!("{times} times: ") } else { String::new() };
        text.push_str(&format!("\n  {count}{}", story.replace('\n', "\n  ")));
    }
    if untold > 0 {
        text.push_str(&format!("\n  (and {untold} more)"));
    }
    tell!(Warn, "reactor::deferred", "the run has ended, and something still waits for:{text}");
}
