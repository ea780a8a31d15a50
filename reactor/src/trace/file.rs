//! [`TraceFile`]: the lines in a file of bounded size.
//!
//! Next: `ring.rs`, the last lines in memory.

use super::{Event, Observer};
use crate::diagnostics::tell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Maximum number of bytes in a file of a trace, unless [`TraceFile::max_size`] says otherwise: some 400,000 events.
/// Tools hold all of them in memory, and a forgotten variable must not fill a disk.
pub const DEFAULT_MAX_FILE: u64 = 64 * 1024 * 1024;

/// The buffer goes out when it holds this many bytes, and when the loop is about to wait.
const BUFFER: usize = 64 * 1024;

/// Writes a trace to a file, as JSON Lines: a line for each event, UTF-8.
///
/// The file has a maximum size. The event that would pass it is replaced by a last line of the kind `cut`, and nothing
/// is written any more. So is the rest if the file cannot be written; that is logged.
#[derive(Debug)]
pub struct TraceFile {
    /// `None` when nothing is written any more.
    file: Option<File>,
    path: PathBuf,
    buffer: String,
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
        Ok(TraceFile { file, path, buffer: String::new(), left, max_size: left })
    }

    /// Sets the maximum number of bytes in the file, but for the last line.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> TraceFile {
        (self.left, self.max_size) = (bytes, bytes);
        self
    }

    fn write_out(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(self.buffer.as_bytes())
        {
            tell!(Warn, "reactor", "the trace {} cannot be written: {error}", self.path.display());
            self.file = None;
        }
        self.buffer.clear();
    }
}

impl Observer for TraceFile {
    fn event(&mut self, event: &Event<'_>) {
        if self.file.is_none() {
            return;
        }
        let before = self.buffer.len();
        event.write_json(&mut self.buffer);
        self.buffer.push('\n');
        let size = (self.buffer.len() - before) as u64;
        if size > self.left {
            self.buffer.truncate(before);
            let (seq, max) = (event.seq, self.max_size);
            self.buffer.push_str(&format!("{{\"seq\":{seq},\"kind\":\"cut\",\"max_size\":{max}}}\n"));
            self.write_out();
            self.file = None;
            return;
        }
        self.left -= size;
        if self.buffer.len() >= BUFFER {
            self.write_out();
        }
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.write_out();
        }
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        self.flush();
    }
}
