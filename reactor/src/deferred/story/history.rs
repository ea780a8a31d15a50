//! Where a Deferred was made and where its callbacks were added; what a failure learns on its way.
//!
//! Each callback passes this on, so it must be small: it is a [`Trace`], two words. The places of the callbacks are in
//! a list of those that this thread ran last. The list is read only when something fails. A chain that
//! waits, perhaps for hours, keeps its own last callbacks, and puts them into the list again when it goes on.
//!
//! Next: `unhandled.rs`, failures that nobody handled.

use crate::Failure;
use crate::failure::Waypoint;
use crate::trace::{self, DeferredEvent, DeferredKind, Side};
use std::cell::Cell;
use std::panic::Location;

/// A place in the source.
pub(crate) type Place = &'static Location<'static>;

/// How many callbacks a thread remembers, over all of its chains. A power of two.
const MAX_RECENT: usize = 256;

/// How many callbacks of one chain are written into a failure. Of earlier ones it gets only the number.
const MAX_TOLD: usize = 16;

/// How many callbacks a chain keeps while it waits.
const MAX_KEPT: usize = 8;

/// The last callbacks before a wait.
pub(crate) type Kept = [Option<Place>; MAX_KEPT];

/// Whether the input of a callback was a failure, and which one: to see whether the callback returns the same.
#[derive(Clone, Copy)]
pub(crate) enum Incoming {
    Value,
    Failure(u64),
}

impl<T> From<&Result<T, Failure>> for Incoming {
    #[inline]
    fn from(input: &Result<T, Failure>) -> Incoming {
        match input {
            Ok(_) => Incoming::Value,
            Err(failure) => Incoming::Failure(failure.id()),
        }
    }
}

/// Set in the number of a chain whose making was told to a trace. It is the sign: a look whether there is a number at
/// all, which adding a callback needs anyway, is also a look at this.
const TOLD: u32 = 1 << 31;

/// Where a Deferred was made, how many callbacks it has had, and its number in the list of recent ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    made: Place,
    /// Zero as long as no callback has been added and nobody listens. With [`TOLD`] if somebody has heard of it.
    chain: u32,
    count: u32,
}

thread_local!(static LATEST: Recent = const { Recent::new() });

/// The callbacks that ran last.
struct Recent {
    /// The chain's number, which is odd, or one more if the entry was put back after a wait; and the callback.
    places: [Cell<Option<(u32, Place)>>; MAX_RECENT],
    next: Cell<usize>,
    last_chain: Cell<u32>,
    last_told: Cell<u32>,
}

impl Recent {
    const fn new() -> Recent {
        Recent {
            places: [const { Cell::new(None) }; MAX_RECENT],
            next: Cell::new(0),
            last_chain: Cell::new(u32::MAX),
            last_told: Cell::new(u32::MAX),
        }
    }

    #[inline]
    fn new_chain(&self) -> u32 {
        // Odd, so that it is never 0, and one more is another mark. After a billion chains it reaches those that are
        // told; then adding takes a little longer for a while.
        let chain = self.last_chain.get().wrapping_add(2);
        self.last_chain.set(chain);
        chain
    }

    /// The number of a chain that is told from its beginning.
    fn new_told_chain(&self) -> u32 {
        let chain = self.last_told.get().wrapping_add(2) | TOLD;
        self.last_told.set(chain);
        chain
    }

    #[inline]
    fn note(&self, chain: u32, added: Place) {
        let at = self.next.get();
        self.places[at % MAX_RECENT].set(Some((chain, added)));
        self.next.set(at.wrapping_add(1));
    }
}

/// Works with the list. While the thread ends there is no list; then failures have less to tell.
#[inline]
fn with_latest<R: Default>(work: impl FnOnce(&Recent) -> R) -> R {
    LATEST.try_with(work).unwrap_or_default()
}

impl Trace {
    #[inline]
    pub(crate) fn new(made: Place) -> Trace {
        Trace { made, chain: 0, count: 0 }
    }

    /// The trace of a Deferred that is made here and now. If somebody listens, it gets its number at once.
    #[inline]
    pub(crate) fn begin(made: Place, what: DeferredKind) -> Trace {
        let trace = Trace::new(made);
        if trace::is_on() { trace.tell_made(what) } else { trace }
    }

    /// This trace with a number, and told.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_made(self, what: DeferredKind) -> Trace {
        let trace = Trace { chain: with_latest(Recent::new_told_chain), ..self };
        let name = trace::take_name();
        trace.tell(DeferredEvent::Made { what, place: self.made, name: name.as_deref() });
        trace
    }

    /// Tells those who listen what has happened to this Deferred. Ask [`trace::is_on`] first.
    #[cold]
    pub(crate) fn tell(self, event: DeferredEvent<'_>) {
        trace::report(self.number(), event);
    }

    /// Tells those who have heard of its making, if they still listen, that it is gone, and has not fired.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_gone(self) {
        if self.is_told() && trace::is_on() {
            self.tell(DeferredEvent::Gone { fired: false });
        }
    }

    /// The number of the whole chain in what is told; 0 if it is not told.
    pub(crate) fn number(self) -> u64 {
        if self.is_told() { u64::from(self.chain & !TOLD).div_ceil(2) } else { 0 }
    }

    /// Whether somebody has heard of its making.
    #[inline]
    pub(crate) fn is_told(self) -> bool {
        self.chain & TOLD != 0
    }

    /// Whether it has callbacks that nobody has heard of.
    #[inline]
    pub(crate) fn is_untold(self) -> bool {
        self.chain.cast_signed() > 0
    }

    pub(crate) fn made(self) -> Place {
        self.made
    }

    /// This trace with one more callback.
    #[inline]
    pub(crate) fn plus_one(self) -> Trace {
        let chain = if self.chain == 0 { with_latest(Recent::new_chain) } else { self.chain };
        // It wraps after four billion callbacks of one chain; then a failure tells too few. Saturating costs more.
        Trace { made: self.made, chain, count: self.count.wrapping_add(1) }
    }

    /// The same while nobody listens. A chain that was told before gets another number, so a failure tells less of it.
    #[inline(always)]
    pub(crate) fn plus_one_untold(self) -> Trace {
        let chain = if self.is_untold() { self.chain } else { with_latest(Recent::new_chain) };
        Trace { made: self.made, chain, count: self.count.wrapping_add(1) }
    }

    /// Notes that the callback that was added here has run. Call this on a trace that already counts it.
    #[inline]
    pub(crate) fn note_run(self, added: Place) {
        with_latest(|recent| recent.note(self.chain, added));
    }

    /// The last callbacks, for a chain that is about to wait; `by` is the very last.
    #[cold]
    pub(crate) fn keep(self, by: Place) -> Kept {
        let mut kept = [None; MAX_KEPT];
        let mut free = kept.iter_mut().rev();
        if let Some(last) = free.next() {
            *last = Some(by);
        }
        let mut is_last = true;
        self.each_latest(|added| {
            // `by` itself is there already, if the list still has it.
            if !std::mem::take(&mut is_last) || *added != *by {
                match free.next() {
                    Some(place) => *place = Some(added),
                    None => return false,
                }
            }
            true
        });
        kept
    }

    /// Puts back what was kept, after the wait.
    pub(crate) fn recall(self, kept: Kept) {
        kept.into_iter()
            .flatten()
            .for_each(|added| with_latest(|recent| recent.note(self.chain.wrapping_add(1), added)));
    }

    /// This trace with one callback less.
    pub(crate) fn minus_one(self) -> Trace {
        Trace { count: self.count.saturating_sub(1), ..self }
    }

    /// Calls `more` with each known callback of this chain, the last one first, until it returns false.
    fn each_latest(self, mut more: impl FnMut(Place) -> bool) {
        // An entry that was put back after a wait counts only if the callback's first entry has left the list.
        let mut put_back: Kept = [None; MAX_KEPT];
        let mut put_back_count = 0;
        let mut wants_more = true;
        // Not more than the chain has had: older entries with this number are of another chain.
        let mut left = self.count;
        with_latest(|recent| {
            for back in 1..=MAX_RECENT {
                match recent.places[recent.next.get().wrapping_sub(back) % MAX_RECENT].get() {
                    Some((chain, added)) if chain == self.chain => {
                        put_back_count = 0;
                        left = left.saturating_sub(1);
                        wants_more = more(added) && left > 0;
                    }
                    Some((chain, added)) if chain == self.chain.wrapping_add(1) => {
                        if put_back_count < MAX_KEPT {
                            put_back[put_back_count] = Some(added);
                        }
                        put_back_count += 1;
                    }
                    _ => {}
                }
                if !wants_more {
                    break;
                }
            }
        });
        for added in put_back.into_iter().take(put_back_count).flatten() {
            if !wants_more {
                break;
            }
            wants_more = more(added);
        }
    }

    /// Writes into a failure that came out of a callback what happened there. Call this on a trace that already counts
    /// the callback.
    #[cold]
    pub(crate) fn note_way(self, mut failure: Failure, incoming: Incoming, side: Side, added: Place) -> Failure {
        match (incoming, side) {
            (Incoming::Failure(_), Side::Callback) => failure.pass(Waypoint::Through(added)),
            (Incoming::Failure(same), _) if same == failure.id() => failure.pass(Waypoint::PassedOnBy(added)),
            _ => return self.note_raised(failure, added),
        }
        failure
    }

    #[cold]
    pub(crate) fn note_raised(self, failure: Failure, added: Place) -> Failure {
        self.enter(failure, added, Waypoint::RaisedBy(added))
    }

    #[cold]
    pub(crate) fn note_given_back(self, failure: Failure, added: Place) -> Failure {
        self.enter(failure, added, Waypoint::GivenBackBy(added))
    }

    /// Writes into a failure where this Deferred was made, which callbacks it has had, and `how` the failure came out
    /// of the last one, which was added at `by`.
    #[cold]
    fn enter(self, mut failure: Failure, by: Place, how: Waypoint) -> Failure {
        let wanted = MAX_TOLD.min(self.count as usize);
        let mut told = Vec::new();
        self.each_latest(|added| {
            told.push(added);
            told.len() < wanted
        });
        told.truncate(wanted);
        let mut untold = self.count as usize - told.len();
        // The callback at `by` is told as `how`.
        if told.first() == Some(&by) {
            told.remove(0);
        } else {
            untold = untold.saturating_sub(1);
        }
        failure.pass(Waypoint::Made(self.made));
        if untold > 0 {
            failure.pass(Waypoint::Earlier(untold));
        }
        told.into_iter().rev().for_each(|added| failure.pass(Waypoint::After(added)));
        failure.pass(how);
        failure
    }
}
