//! [`tell!`]: what the library has to say to the person who runs the program: failures that nobody handled, panics,
//! callbacks that hold the loop, connections that are refused.
//!
//! It goes to the program's [`log`] logger. A program that has installed none would never hear of it, and the first
//! hour with a library is spent without a logger: there warnings and errors go to standard error.
//!
//! Next: `foreign.rs`, values of the program.

use log::{Level, LevelFilter, Metadata};
use std::cell::RefCell;
use std::fmt;
use std::mem::size_of_val;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Maximum number of messages that a process writes to standard error. A server without a logger must not fill a disk
/// with complaints about its peers; and a write to a pipe that nobody reads blocks the loop.
const MAX_WRITTEN: usize = 1000;

/// Maximum number of places of which a thread remembers that it has told about them. Beyond it nothing new is told.
const MAX_PLACES: usize = 256;

/// Logs a message, or writes it to standard error if the program has no logger: `tell!(Warn, "reactor", "a {text}")`.
/// The level is one of [`Level`], or an expression after `at`.
macro_rules! tell {
    (at $level:expr, $target:literal, $($text:tt)+) => {
        if $crate::diagnostics::goes_to_stderr() {
            $crate::diagnostics::write($level, format_args!($($text)+));
        } else {
            log::log!(target: $target, $level, $($text)+);
        }
    };
    ($level:ident, $target:literal, $($text:tt)+) => {
        $crate::diagnostics::tell!(at log::Level::$level, $target, $($text)+)
    };
}
pub(crate) use tell;

static IS_QUIET: AtomicBool = AtomicBool::new(false);
static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// See [`Reactor::quiet`](crate::Reactor::quiet).
pub(crate) fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Whether messages go to standard error: the program has no logger, and has not asked for quiet.
#[cold]
pub(crate) fn goes_to_stderr() -> bool {
    !has_logger() && !IS_QUIET.load(Ordering::Relaxed)
}

/// Whether the program has installed a logger. `log` cannot be asked, so three signs together must say that there is
/// none. Its stand-in has no size and refuses everything, and nobody has raised the level, which is off at first. Each
/// sign alone may be true of a real logger: a program may have turned its own off.
fn has_logger() -> bool {
    let logger = log::logger();
    let error = Metadata::builder().level(Level::Error).target("reactor").build();
    log::max_level() != LevelFilter::Off || size_of_val(logger) > 0 || logger.enabled(&error)
}

/// Writes one message to standard error, if it is a warning or an error.
pub(crate) fn write(level: Level, text: fmt::Arguments<'_>) {
    let kind = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info | Level::Debug | Level::Trace => return,
    };
    let before = WRITTEN.fetch_add(1, Ordering::Relaxed);
    if before < MAX_WRITTEN {
        print(format_args!("reactor: {kind}: {text}"));
    } else if before == MAX_WRITTEN {
        print(format_args!("reactor: these were {MAX_WRITTEN} messages, the rest is left out: install a `log` logger"));
    }
}

/// `eprintln!` and not `writeln!`, because the harness of `cargo test` captures only the former. It panics if standard
/// error is a pipe that nobody reads any more; that must not reach the code that has something to report.
fn print(line: fmt::Arguments<'_>) {
    let _ = catch_unwind(AssertUnwindSafe(|| eprintln!("{line}")));
}

thread_local!(static TOLD: RefCell<Vec<&'static Location<'static>>> = const { RefCell::new(Vec::new()) });

/// Whether this thread has not told about `place` yet; from now on it has. For mistakes that a program may repeat with
/// each connection, at one place of its source.
pub(crate) fn is_first_at(place: &'static Location<'static>) -> bool {
    let note = |told: &RefCell<Vec<_>>| {
        let mut told = told.borrow_mut();
        let is_new = told.len() < MAX_PLACES && !told.contains(&place);
        if is_new {
            told.push(place);
        }
        is_new
    };
    TOLD.try_with(note).unwrap_or(false) // While the thread ends nothing more is told.
}
