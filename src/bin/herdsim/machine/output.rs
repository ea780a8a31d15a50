//! What the program prints, and how it ends when nobody reads it any more.
//!
//! Rust programs ignore SIGPIPE, and changing that needs `unsafe`. So if a write finds that its pipe has no reader, the
//! program exits here, at once and without a word, with the code by which a shell reports that signal. Whatever other
//! threads simulate has no reader either.
//!
//! Next: `page/mod.rs`, a run under the mouse.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process;
use std::rc::Rc;

/// The exit code by which a shell reports that SIGPIPE, which is number 13, has ended a program.
const NOBODY_READS: i32 = 128 + 13;

/// The exit code if the program cannot do what the command line asks for.
pub(crate) const TROUBLE: u8 = 2;

/// Prints a result.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        end_if_nobody_reads(&error);
        // A result that cannot be printed is a failure.
        complain(&format!("cannot write to the standard output: {error}"));
        process::exit(TROUBLE.into());
    }
}

/// Reports progress, on the standard error.
pub(crate) fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "{line}"); // Progress is not a result.
}

/// Reports an error, on the standard error.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "herdsim: {error}"); // There is no other place to report it.
}

fn end_if_nobody_reads(error: &io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        process::exit(NOBODY_READS);
    }
}

/// A file for a trace. It keeps its first error, to be read when the file has been closed.
pub(crate) struct TraceFile {
    file: BufWriter<File>,
    error: Rc<Cell<Option<io::Error>>>,
}

impl TraceFile {
    /// Creates the file. The second value will hold its first error.
    pub(crate) fn create(path: &Path) -> io::Result<(TraceFile, Rc<Cell<Option<io::Error>>>)> {
        let (file, error) = (BufWriter::new(File::create(path)?), Rc::default());
        Ok((TraceFile { file, error: Rc::clone(&error) }, error))
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            end_if_nobody_reads(&error);
            let kind = error.kind();
            let first = self.error.take().unwrap_or(error);
            self.error.set(Some(first));
            kind.into()
        })
    }
}

impl Write for TraceFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.note(flushed)
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        let _ = self.flush(); // An error is kept.
    }
}
