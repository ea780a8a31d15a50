//! `REACTOR_TRACE=FILE`: a trace that is asked for from outside, of a program that knows nothing of it.
//!
//! Next: `../driver/tracing.rs`, the decorator that reports the calls to a driver.

use super::{DEFAULT_MAX_BYTES, Trace, TraceFile};
use crate::diagnostics::tell;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The variable of the environment that names the file of the trace.
///
/// Each reactor on the system's sockets and each simulated world has a file of its own: the first of the process
/// `FILE`, the others `FILE.2`, `FILE.3` and so on, at most [`MAX_FILES`]. A file that cannot be created is logged, and
/// the program runs without a trace.
pub const VARIABLE: &str = "REACTOR_TRACE";

/// The variable that sets how many bytes of a read or a write such a trace shows: see
/// [`Trace::max_bytes`]. With `0` none.
pub const VARIABLE_OF_BYTES: &str = "REACTOR_TRACE_BYTES";

/// The variable that shows the values of Deferreds, if it is `1`: see [`Trace::show_values`].
pub const VARIABLE_OF_VALUES: &str = "REACTOR_TRACE_VALUES";

/// Maximum number of files that [`VARIABLE`] makes a process write. A program may make reactors without end.
pub const MAX_FILES: usize = 16;

static MADE: AtomicUsize = AtomicUsize::new(0);

/// The trace that the environment asks for. Each call makes another one.
pub(super) fn make() -> Option<Trace> {
    let file = env::var_os(VARIABLE).filter(|file| !file.is_empty())?;
    let number = MADE.fetch_add(1, Ordering::Relaxed) + 1;
    if number > MAX_FILES {
        return None;
    }
    let path = path(&file, number);
    match TraceFile::create(&path) {
        Ok(file) => {
            let trace = Trace::new(file).max_bytes(max_bytes(env::var_os(VARIABLE_OF_BYTES).as_deref()));
            let shows = env::var_os(VARIABLE_OF_VALUES).is_some_and(|value| value == "1");
            Some(if shows { trace.show_values() } else { trace })
        }
        Err(error) => {
            tell!(Warn, "reactor", "no trace: {} cannot be written: {error}", path.display());
            None
        }
    }
}

fn path(file: &OsStr, number: usize) -> PathBuf {
    let mut path: OsString = file.to_owned();
    if number > 1 {
        path.push(format!(".{number}"));
    }
    path.into()
}

fn max_bytes(variable: Option<&OsStr>) -> usize {
    let Some(text) = variable else { return DEFAULT_MAX_BYTES };
    text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        tell!(Warn, "reactor", "{VARIABLE_OF_BYTES} must be a number, not {}; bytes are left out", text.display());
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_has_the_name_itself() {
        assert_eq!(path(OsStr::new("a.jsonl"), 1), PathBuf::from("a.jsonl"));
        assert_eq!(path(OsStr::new("a.jsonl"), 3), PathBuf::from("a.jsonl.3"));
    }

    #[test]
    fn a_number_that_is_none_shows_no_bytes() {
        assert_eq!(max_bytes(None), DEFAULT_MAX_BYTES);
        assert_eq!(max_bytes(Some(OsStr::new("7"))), 7);
        assert_eq!(max_bytes(Some(OsStr::new("all"))), 0);
    }
}
