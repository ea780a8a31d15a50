//! [`Reactor::run_until`] and [`react`]: a program that is one Deferred.
//!
//! Next: `longest.rs`, which callback has held the loop the longest.

use super::{Phase, Reactor, SystemEvent};
use crate::deferred::{IntoDeferred, succeed};
use crate::error::RunError;
use crate::{Deferred, Failure, Firer};
use std::cell::Cell;
use std::panic::Location;
use std::process::ExitCode;
use std::rc::Rc;

impl Reactor {
    /// Runs the loop until `main` has its result, stops in the orderly way that [`Phase`] tells, and returns the
    /// result. The heart of Twisted's `react`.
    ///
    /// If something else stops the loop first ([`stop`](Reactor::stop), SIGINT, SIGTERM), `main` is cancelled. What the
    /// cancel leads to is the result then: a [`CancelledError`](crate::CancelledError), unless `main` makes up for it.
    ///
    /// ```
    /// use reactor::{Reactor, task};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let answer = task::sleep(&reactor, Duration::from_millis(1)).add_callback(|()| Ok(42));
    /// assert_eq!(reactor.run_until(answer)?, 42);
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// The failure of `main`; [`RunError`] if the loop cannot run, or if it ended and `main` has no result yet.
    #[track_caller]
    pub fn run_until<T: 'static>(&self, main: Deferred<T>) -> Result<T, Failure> {
        let waiting =
            Rc::new(Waiting { result: Cell::default(), finish: Cell::default(), has_result: Cell::new(false) });
        let (canceller, clock, place, wanted) = (main.canceller(), self.clone(), Location::caller(), waiting.clone());
        let trigger = self.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            if wanted.has_result.get() {
                return succeed(());
            }
            let (finished, finish) = Deferred::<()>::unwatched();
            wanted.finish.set(Some(finish));
            canceller.cancel_at(place);
            // The loop goes on while `main` gives up what it was doing, but not for ever.
            finished.add_timeout(clock.settings().stop_timeout, &clock).add_errback(|_late| Ok(()))
        });
        // Weak: a run that was refused, or is over, must not be stopped by a result that comes later.
        let (note, reactor) = (Rc::downgrade(&waiting), self.clone());
        let main = main.add_both(move |got| {
            let Some(note) = note.upgrade() else { return got.map(drop) };
            note.result.set(Some(got));
            note.has_result.set(true);
            reactor.stop();
            match note.finish.take() {
                // The trigger may have timed out; nobody waits then.
                Some(finish) => finish.callback(()).or(Ok(())),
                None => Ok(()),
            }
        });
        let ran = self.run();
        self.remove_system_event_trigger(trigger);
        ran?;
        drop(main);
        waiting.result.take().unwrap_or_else(|| Err(RunError::NoResult.into()))
    }
}

/// What [`Reactor::run_until`] waits for.
struct Waiting<T> {
    result: Cell<Option<Result<T, Failure>>>,
    has_result: Cell<bool>,
    /// Lets a stop go on that has cancelled the Deferred.
    finish: Cell<Option<Firer<()>>>,
}

/// Makes a reactor and runs it until what `main` returns has its result. Twisted's `task.react`.
///
/// Returns the exit code for the process: 0, or 1 after a failure. The failure and where it came from are printed to
/// standard error.
///
/// ```no_run
/// use reactor::{http, react};
///
/// fn main() -> std::process::ExitCode {
///     react(|reactor| {
///         http::get_page(reactor, "https://example.org/").add_callback(|body| println!("{} bytes", body.len()))
///     })
/// }
/// ```
#[track_caller]
pub fn react<R>(main: impl FnOnce(&Reactor) -> R) -> ExitCode
where
    R: IntoDeferred<Value = ()>,
{
    let result = Reactor::new().map_err(Failure::from).and_then(|reactor| {
        let main = main(&reactor).into_deferred();
        reactor.run_until(main)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.report());
            ExitCode::FAILURE
        }
    }
}
