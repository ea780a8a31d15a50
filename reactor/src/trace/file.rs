//! [`TraceFile`]: the lines in a file of bounded size.
//!
//! Next: `ring.rs`, the last lines in memory.

use super::{Event, Observer};
use crate::diagnostics::tell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// Maximum number of bytes in a file of a trace, unless [`TraceFile::max_size`] says otherwise: some 400,000 events.
/// Tools hold all of them in memory, and a forgotten variable must not fill a disk.
pub const DEFAULT_MAX_FILE: u64 = 64 * 1024 * 1024;

/// The buffer goes out when it holds this many bytes, and when the loop is about to wait.
const BUFFER: usize = 64 * 1024;

/// A thread writes out what a loop that does not come back has left in the buffer. It looks this often.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// Writes a trace to a file, as JSON Lines: a line for each event, UTF-8.
///
/// The file has a maximum size. The event that would pass it is replaced by a last line of the kind `cut`, and nothing
/// is written any more. So is the rest if the file cannot be written; that is logged.
///
/// Events go out when the loop is about to wait. If it does not come so far, a thread of this file writes them out
/// within a second: a program that hangs in a callback, and is killed, has that callback in its trace.
#[derive(Debug)]
pub struct TraceFile {
    output: Arc<Mutex<Output>>,
}

/// What the loop's thread and the other one share. The buffer holds whole lines whenever nobody holds the lock.
#[derive(Debug)]
struct Output {
    /// `None` when nothing is written any more.
    file: Option<File>,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Number of bytes that may still be written.
    left: u64,
    max_size: u64,
}

impl TraceFile {
    /// Creates the file, or empties it if it is there.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: impl AsRef<Path>) -> io::Result<TraceFile> {
        let (path, left) = (path.as_ref().to_owned(), DEFAULT_MAX_FILE);
        let file = Some(File::create(&path)?);
        let output = Arc::new(Mutex::new(Output { file, path, buffer: Vec::new(), left, max_size: left }));
        let weak = Arc::downgrade(&output);
        thread::Builder::new().name("trace".to_owned()).spawn(move || write_out_now_and_then(&weak))?;
        Ok(TraceFile { output })
    }

    /// Sets the maximum number of bytes in the file, but for the last line.
    #[must_use]
    pub fn max_size(self, bytes: u64) -> TraceFile {
        let mut output = lock(&self.output);
        (output.left, output.max_size) = (bytes, bytes);
        drop(output);
        self
    }
}

/// A panic while the lock was held leaves a buffer that is still good to be written.
fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends when the [`TraceFile`] is gone.
fn write_out_now_and_then(output: &Weak<Mutex<Output>>) {
    loop {
        thread::park_timeout(LOOKS_EVERY); // Nobody unparks it.
        let Some(output) = output.upgrade() else { return };
        lock(&output).write_out();
    }
}

impl Output {
    fn add(&mut self, event: &Event<'_>) {
        if self.file.is_none() {
            return;
        }
        let before = self.buffer.len();
        event.write_json(&mut self.buffer);
        self.buffer.push(b'\n');
        let size = (self.buffer.len() - before) as u64;
        if size > self.left {
            self.buffer.truncate(before);
            let (seq, max) = (event.seq, self.max_size);
            let cut = format!("{{\"seq\":{seq},\"kind\":\"cut\",\"max_size\":{max}}}\n");
            self.buffer.extend_from_slice(cut.as_bytes());
            self.write_out();
            self.file = None;
            return;
        }
        self.left -= size;
        if self.buffer.len() >= BUFFER {
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        if !self.buffer.is_empty()
            && let Some(file) = &mut self.file
            && let Err(error) = file.write_all(&self.buffer)
        {
            tell!(Warn, "reactor", "the trace {} cannot be written: {error}", self.path.display());
            self.file = None;
        }
        self.buffer.clear();
    }
}

impl Observer for TraceFile {
    fn event(&mut self, event: &Event<'_>) {
        lock(&self.output).add(event);
    }

    fn flush(&mut self) {
        lock(&self.output).write_out();
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        self.flush();
    }
}
