//! The log of a run, written by a thread of its own, so that the loop never waits for the disk.
//!
//! The loop adds lines to a buffer in memory. The writer takes the whole buffer from time to time and writes it. At an
//! orderly end nothing is lost ([`LogFile::finish`]). If the disk is slower than the herd, the buffer stops at a limit;
//! further lines are dropped, and the log says how many. No peer can make others lose lines: each has a share, and what
//! is beyond it is counted.
//!
//! ```text
//!   loop:  line --> [ share? ] --> [ LogBuffer: Mutex<Contents> ] --wake--> writer: swap buffers, unlock, write
//!                       |                                                           |
//!                       +-- beyond it: counted, reported each second                +--> files that rotate, or stderr
//! ```
//!
//! Next: [`log_file/buffer.rs`](../../src/proxyherd/log_file/buffer.rs.html), the buffer between the two.

mod buffer;
mod files;
mod share;
mod tail;
mod traffic;
mod writer;

pub use tail::TailLines;
pub use traffic::{Bytes, Traffic};

use crate::config::LogConfig;
use buffer::{INSTALLED, LogBuffer};
use files::{Files, Sink};
use log::{LevelFilter, Log, Metadata, Record};
use share::Owner;
use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::SystemTime;

/// Finds a secret in a message: what to write instead of the message, or `None` if the secret does not stand in it.
pub type Mask = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// How many lines are not in the log of the process, since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// They found the memory full, because the disk was too slow.
    pub dropped: u64,
    /// The disk did not take them.
    pub unwritten: u64,
    /// They were beyond the share of the peer that caused them. This is brought up to date each second.
    pub beyond: u64,
}

/// The lines that the log of the process lacks; none if it has no log.
pub fn losses() -> Losses {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    INSTALLED.get().map_or(Losses::default(), |log| Losses {
        dropped: read(&log.dropped),
        unwritten: read(&log.unwritten),
        beyond: read(&log.shares.beyond),
    })
}

/// From now on, the last lines of the process's log are kept in memory, for [`tail`].
pub fn keep_tail() {
    if let Some(log) = INSTALLED.get() {
        log.tail.want();
    }
}

/// The lines of the process's log from this number on: the last `most` of them, as far as they are kept.
pub fn tail(from: u64, most: usize) -> TailLines {
    INSTALLED.get().map_or_else(TailLines::default, |log| log.tail.since(from, most))
}

/// The log of this run. After [`install`](LogFile::install) the program's `log` messages go there, until
/// [`finish`](LogFile::finish).
#[derive(Debug)]
pub struct LogFile {
    path: Option<PathBuf>,
    is_roots: bool,
    buffer: Arc<LogBuffer>,
    writer: RefCell<Option<JoinHandle<()>>>,
}

impl LogFile {
    /// Creates `NAME-2026-11-22-142700.log` (date and time in UTC) in `directory`, and starts the writer. Never opens a
    /// file that exists. If the files of earlier runs of this server leave no room for another, the oldest are removed.
    ///
    /// # Errors
    /// If the file cannot be created, or the thread cannot be started.
    pub fn create(
        directory: &Path,
        name: &str,
        level: LevelFilter,
        config: &LogConfig,
        now: SystemTime,
    ) -> io::Result<LogFile> {
        LogFile::start(Sink::Files(Files::create(directory, name, config, now)?), level, config)
    }

    /// A log that goes to standard error.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn to_standard_error(level: LevelFilter, config: &LogConfig) -> io::Result<LogFile> {
        LogFile::start(Sink::StandardError, level, config)
    }

    fn start(sink: Sink, level: LevelFilter, config: &LogConfig) -> io::Result<LogFile> {
        let path = match &sink {
            Sink::Files(files) => Some(files.path().to_owned()),
            Sink::StandardError => None,
        };
        let is_roots = sink.is_roots();
        let buffer = LogBuffer::new(level, config);
        let for_writer = buffer.clone();
        let work = move || writer::write(&for_writer, sink);
        let writer = std::thread::Builder::new().name("log".to_owned()).spawn(work)?;
        Ok(LogFile { path, is_roots, buffer, writer: RefCell::new(Some(writer)) })
    }

    /// The path of the first file; `None` if the log goes to standard error.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether the file belongs to the superuser: then the program runs with all of its rights.
    pub fn is_roots(&self) -> bool {
        self.is_roots
    }

    /// Sends the process's `log` messages here. Each goes through `mask` first, if there is one.
    ///
    /// # Errors
    /// If the process has a logger already.
    pub fn install(&self, mask: Option<Mask>) -> Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(Logger { buffer: self.buffer.clone(), mask }))?;
        // This cannot fail: the line above lets only one log of a process get here.
        let _ = INSTALLED.set(self.buffer.clone());
        // Last: until the level is set, the macros of `log` do nothing.
        log::set_max_level(self.buffer.level());
        Ok(())
    }

    /// The lowest level that is logged.
    pub fn level(&self) -> LevelFilter {
        self.buffer.level()
    }

    /// Sets the lowest level that is logged from now on. Call it after [`install`](LogFile::install).
    pub fn set_level(&self, level: LevelFilter) {
        self.buffer.set_level(level);
        log::set_max_level(level);
    }

    /// Opens the file again under its name, after everything that was logged before this call. logrotate and the like
    /// move the file away first. Does nothing if the log goes to standard error.
    pub fn reopen(&self) {
        let mut contents = self.buffer.lock();
        contents.reopen = Some(contents.buffer.len());
        drop(contents);
        self.buffer.wake.notify_one();
    }

    /// Writes out everything and ends the writer. Blocks until the disk has taken it.
    pub fn finish(&self) {
        self.buffer.lock().finished = true;
        self.buffer.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // If the writer had panicked, there would be no log to say so in.
        }
    }
}

struct Logger {
    buffer: Arc<LogBuffer>,
    mask: Option<Mask>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.buffer.has(metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // A message is not of one peer, but peers may cause it again and again. So each place in the program has a
        // share, too.
        let place = Owner::Place(record.file_static().unwrap_or("another place"), record.line().unwrap_or(0));
        let share = self.buffer.shares.of(place);
        self.buffer.add_from(&share, SystemTime::now(), record.level(), |buffer| {
            let start = buffer.len();
            let _ = buffer.write_fmt(*record.args()); // Writing to memory does not fail.
            // Here and not in the writer: the secret must not stand in the buffer once the lock is released.
            if let Some(masked) = self.mask.as_ref().and_then(|mask| mask(&buffer[start..])) {
                buffer.truncate(start);
                buffer.extend_from_slice(&masked);
            }
            buffer::make_harmless(buffer, start);
        });
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests;
