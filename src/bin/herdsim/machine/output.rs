//! What the program says, and what becomes of it if nobody listens.
//!
//! Rust's programs do not die of SIGPIPE, and without `unsafe` they cannot ask to. So whoever writes to a pipe that has
//! no reader any more ends the program here, at once and without a word, in the way in which shells report that signal:
//! what is simulated on other threads is for nobody.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process;
use std::rc::Rc;

/// How a shell reports a program that SIGPIPE, which is number 13, has ended.
const NOBODY_READS: i32 = 128 + 13;

/// The exit code if the program cannot do what it is asked for.
pub(crate) const TROUBLE: u8 = 2;

/// Says what was asked for.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        end_if_nobody_reads(&error);
        // A result that nobody can see is none.
        complain(&format!("cannot write to the standard output: {error}"));
        process::exit(TROUBLE.into());
    }
}

/// Says how far it is, while there is nothing to print yet.
pub(crate) fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "{line}"); // It can do without.
}

/// Says what is wrong.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr(), "herdsim: {error}"); // There is nobody else to tell.
}

fn end_if_nobody_reads(error: &io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        process::exit(NOBODY_READS);
    }
}

/// A file for a trace. It keeps its first error for whoever asks when it is closed.
pub(crate) struct TraceFile {
    file: BufWriter<File>,
    error: Rc<Cell<Option<io::Error>>>,
}

impl TraceFile {
    /// The file, and its first error.
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
        let _ = self.flush(); // Noted.
    }
}
