//! The log of a run: one file, written by a thread of its own, so that the loop never waits for the disk.
//!
//! The loop adds lines to a buffer in memory. The writer takes the whole buffer from time to time and writes it to the
//! file. At an orderly end nothing is lost ([`LogFile::finish`]). If the disk is slower than the herd, the buffer stops
//! at a limit; further lines are dropped, and the log says how many.
//!
//! ```text
//!   loop:    line --> [ LogBuffer: Mutex<Contents> ] --wake--> writer: swap buffers, unlock, write
//! ```
//!
//! Next: `cli.rs`, the program around all this.

use log::{Level, LevelFilter, Log, Metadata, Record};
use reactor::Reactor;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// The maximum number of bytes that wait for the disk: some seconds of a busy server, and little beside its other
/// memory. At the limit, lines are dropped.
const MAX_BUFFER: usize = 4 * 1024 * 1024;

/// The number of bytes at which the writer writes without waiting for more.
const BATCH: usize = 256 * 1024;

/// The time for which lines gather before they are written. A crash loses about as much.
const GATHER: Duration = Duration::from_millis(50);

/// Finds a secret in a message: what to write instead of the message, or `None` if the secret does not stand in it.
pub type Mask = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// The log file of this run. After [`install`](LogFile::install) the program's `log` messages go there, until
/// [`finish`](LogFile::finish).
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    buffer: Arc<LogBuffer>,
    writer: Option<JoinHandle<()>>,
}

/// The lines on their way from the program to the writer.
#[derive(Debug)]
struct LogBuffer {
    contents: Mutex<Contents>,
    /// Tells the writer that there is something to do: the first line, a full batch, or the end.
    wake: Condvar,
    level: LevelFilter,
}

#[derive(Debug, Default)]
struct Contents {
    buffer: Vec<u8>,
    /// Lines that found the buffer full since the last write.
    dropped: u64,
    finished: bool,
    /// The second that `stamp` is for: the date is formatted once a second, not once a line.
    second: u64,
    stamp: String,
}

impl LogFile {
    /// Creates `NAME-2026-11-22-142700.log` (date and time in UTC) in `directory`, and starts the writer. Never opens a
    /// file that exists.
    ///
    /// # Errors
    /// If the file cannot be created, or the thread cannot be started.
    pub fn create(directory: &Path, name: &str, level: LevelFilter, now: SystemTime) -> io::Result<LogFile> {
        let stamp = file_stamp(now);
        let open = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        let mut path = directory.join(format!("{name}-{stamp}.log"));
        let mut number = 1;
        let file = loop {
            match open(&path) {
                // Another run of this server within the same second.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {
                    number += 1;
                    path = directory.join(format!("{name}-{stamp}-{number}.log"));
                }
                result => break result?,
            }
        };
        let buffer = Arc::new(LogBuffer { contents: Mutex::default(), wake: Condvar::new(), level });
        let for_writer = buffer.clone();
        let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || for_writer.write_to(file))?;
        Ok(LogFile { path, buffer, writer: Some(writer) })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
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
        log::set_max_level(self.buffer.level);
        Ok(())
    }

    /// Writes out everything and ends the writer. Blocks until the disk has taken it.
    pub fn finish(mut self) {
        self.buffer.lock().finished = true;
        self.buffer.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // If the writer had panicked, there would be no log to say so in.
        }
    }
}

/// `2026-11-22-142700`.
fn file_stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string(); // 2026-11-22T14:27:00Z
    text.replace('T', "-").chars().filter(|c| !matches!(c, ':' | 'Z')).collect()
}

struct Logger {
    buffer: Arc<LogBuffer>,
    mask: Option<Mask>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.buffer.level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.buffer.add(SystemTime::now(), record.level(), |buffer| {
                let start = buffer.len();
                let _ = buffer.write_fmt(*record.args()); // Writing to memory does not fail.
                // Here and not in the writer: the secret must not stand in the buffer once the lock is released.
                if let Some(masked) = self.mask.as_ref().and_then(|mask| mask(&buffer[start..])) {
                    buffer.truncate(start);
                    buffer.extend_from_slice(&masked);
                }
            });
        }
    }

    fn flush(&self) {}
}

impl LogBuffer {
    /// A panic while a message was formatted poisons the lock, but leaves at worst a short line. So the poison is
    /// ignored.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds one line: stamp, level, and what `write` appends.
    fn add(&self, now: SystemTime, level: Level, write: impl FnOnce(&mut Vec<u8>)) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut contents = self.lock();
        if contents.buffer.len() > MAX_BUFFER {
            contents.dropped += 1;
            return;
        }
        if contents.second != now.as_secs() {
            contents.second = now.as_secs();
            let second = SystemTime::UNIX_EPOCH + Duration::from_secs(contents.second);
            let mut stamp = humantime::format_rfc3339_seconds(second).to_string();
            stamp.truncate("2026-11-22T14:27:00".len());
            contents.stamp = stamp.replace('T', " ");
        }
        let Contents { buffer, stamp, .. } = &mut *contents;
        let before = buffer.len();
        buffer.extend_from_slice(stamp.as_bytes());
        let level = match level {
            Level::Error => "Z ERROR ",
            Level::Warn => "Z WARN  ",
            Level::Info => "Z info  ",
            Level::Debug => "Z debug ",
            Level::Trace => "Z trace ",
        };
        let start = buffer.len();
        push_micros(buffer, now.subsec_micros());
        buffer.extend_from_slice(level.as_bytes());
        write(buffer);
        // One message is one line, whatever a peer has put into it, and holds nothing that a terminal would obey.
        for byte in &mut buffer[start..] {
            *byte = if byte.is_ascii_control() { b' ' } else { *byte };
        }
        buffer.push(b'\n');
        // Only at these two moments: to wake the writer for every line would cost more than the line.
        let wake = before == 0 || (before < BATCH && buffer.len() >= BATCH);
        // The lock goes first: a writer that wakes while we hold it would go to sleep again at once.
        drop(contents);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The writer's thread: writes until the log is finished and everything is written.
    fn write_to(&self, mut file: File) {
        let (mut out, mut failed) = (Vec::new(), false);
        loop {
            let mut contents = self.lock();
            while contents.buffer.is_empty() && !contents.finished {
                contents = self.wake.wait(contents).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            if !contents.finished && contents.buffer.len() < BATCH {
                // More lines may come, and one write takes them all. `finish` ends this wait.
                let (after, _) =
                    self.wake.wait_timeout(contents, GATHER).unwrap_or_else(|poisoned| poisoned.into_inner());
                contents = after;
            }
            // Swap, and write after the lock is released: the loop must never wait for the disk. `out` is empty here,
            // and becomes the loop's next buffer.
            std::mem::swap(&mut out, &mut contents.buffer);
            let dropped = std::mem::take(&mut contents.dropped);
            // Read under the same lock as the buffer: no line can come between the last write and the end.
            let finished = contents.finished;
            drop(contents);
            if dropped > 0 {
                let _ = writeln!(out, "({dropped} lines were lost here: the disk is too slow)");
            }
            if let Err(error) = file.write_all(&out)
                && !std::mem::replace(&mut failed, true)
            {
                // Said once, not for every batch.
                let _ = writeln!(io::stderr(), "proxyherd: cannot write the log: {error}; lines are lost");
            }
            out.clear();
            out.shrink_to(2 * BATCH);
            if finished {
                return;
            }
        }
    }
}

/// The log file of the process, for [`Traffic`].
static INSTALLED: OnceLock<Arc<LogBuffer>> = OnceLock::new();

/// Logs the lines of one connection at level info: `label >> line` for a line that came, `label << line` for one sent.
///
/// It writes what `log::info!` would write, at a fraction of the cost: every command makes two such lines. The lines of
/// one callback share one reading of the clock.
#[derive(Debug, Clone)]
pub struct Traffic {
    label: Rc<str>,
    reactor: Reactor,
}

impl Traffic {
    /// The traffic of a connection that the log calls `label`.
    pub fn new(label: &str, reactor: &Reactor) -> Traffic {
        Traffic { label: label.into(), reactor: reactor.clone() }
    }

    /// The name of the connection in the log.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The reactor whose clock gives the time of a line.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Logs a line that has come.
    pub fn line_in(&self, line: &[u8]) {
        self.line(" >> ", line);
    }

    /// Logs a line that is sent.
    pub fn line_out(&self, line: &[u8]) {
        self.line(" << ", line);
    }

    fn line(&self, arrow: &str, line: &[u8]) {
        if !log::log_enabled!(Level::Info) {
            return;
        }
        let Some(installed) = INSTALLED.get() else {
            return log::info!("{}{arrow}{}", self.label, Bytes(line));
        };
        installed.add(self.reactor.system_time(), Level::Info, |buffer| {
            buffer.extend_from_slice(self.label.as_bytes());
            buffer.extend_from_slice(arrow.as_bytes());
            match line.len() <= MAX_SHOWN && is_plain(line) {
                true => buffer.extend_from_slice(line),
                false => drop(write!(buffer, "{}", Bytes(line))), // Writing to memory does not fail.
            }
        });
    }
}

/// Whether all bytes are printable ASCII. It has no branch for each byte, so that the compiler can test many at once.
fn is_plain(bytes: &[u8]) -> bool {
    let other =
        |bytes: &[u8]| bytes.iter().fold(0, |found, byte| found | u8::from(byte.wrapping_sub(b' ') > b'~' - b' '));
    let chunks = bytes.chunks_exact(16);
    other(chunks.remainder()) | chunks.fold(0, |found, chunk| found | other(chunk)) == 0
}

/// `.014450`
fn push_micros(buffer: &mut Vec<u8>, micros: u32) {
    buffer.push(b'.');
    for unit in [100_000, 10_000, 1_000, 100, 10, 1] {
        buffer.push(b'0' + (micros / unit % 10) as u8);
    }
}

/// Bytes of a peer as the log shows them: text as it is, anything else escaped, and cut if they are very long.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

/// The maximum length of a peer's line in the log: that is all of it, unless the configuration allows longer lines.
const MAX_SHOWN: usize = 128 * 1024;

impl std::fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bytes(bytes) = self;
        let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
        match std::str::from_utf8(shown) {
            // The compiler can test many bytes of a fold at once; a search would test one after the other.
            Ok(text) if !text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == 0x7f)) => {
                f.write_str(text)?;
            }
            _ => write!(f, "{}", shown.escape_ascii())?,
        }
        match bytes.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "... ({more} more bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_name_of_the_file_has_the_date_and_the_time() {
        assert_eq!(file_stamp(at(1_795_357_620)), "2026-11-22-142700");
    }

    #[test]
    fn at_the_end_every_message_is_in_the_file_on_a_line_of_its_own() {
        let directory = std::env::temp_dir().join(format!("proxyherd-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let first = LogFile::create(&directory, "Powell", LevelFilter::Info, at(0)).unwrap();
        let second = LogFile::create(&directory, "Powell", LevelFilter::Info, at(0)).unwrap();
        assert!(first.path().ends_with("Powell-1970-01-01-000000.log"));
        assert!(second.path().ends_with("Powell-1970-01-01-000000-2.log"));
        let logger = Logger { buffer: first.buffer.clone(), mask: None };
        for number in 0..10_000 {
            logger.log(&Record::builder().level(Level::Info).args(format_args!("line {number}\n\u{1b}x")).build());
        }
        assert!(is_plain(b"all of this, and this: ~!") && !is_plain(b"not\tthis") && !is_plain(&[b'x', 0x7f]));
        logger.log(&Record::builder().level(Level::Debug).args(format_args!("not this one")).build());
        let path = first.path().to_owned();
        first.finish();
        second.finish();
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::remove_dir_all(directory).unwrap();
        assert_eq!(text.lines().count(), 10_000);
        assert!(text.lines().last().unwrap().ends_with("Z info  line 9999  x"), "{:?}", text.lines().last());
    }

    #[test]
    fn a_message_is_masked_before_it_can_be_written() {
        let lines = LogBuffer { contents: Mutex::default(), wake: Condvar::new(), level: LevelFilter::Info };
        let mask: Mask = Box::new(|text| text.ends_with(b"secret").then(|| b"masked".to_vec()));
        let logger = Logger { buffer: Arc::new(lines), mask: Some(mask) };
        for message in ["a secret", "nothing"] {
            logger.log(&Record::builder().level(Level::Info).args(format_args!("{message}")).build());
        }
        let text = String::from_utf8(logger.buffer.lock().buffer.clone()).unwrap();
        let messages: Vec<&str> = text.lines().filter_map(|line| line.split("info  ").nth(1)).collect();
        assert_eq!(messages, ["masked", "nothing"]);
    }

    #[test]
    fn bytes_of_a_peer_are_shown_readably() {
        assert_eq!(Bytes(b"IAMAT kiwi").to_string(), "IAMAT kiwi");
        assert_eq!(Bytes("é".as_bytes()).to_string(), "é");
        assert_eq!(Bytes(b"a\xff\n").to_string(), r"a\xff\n");
        assert!(Bytes(&[b'x'; MAX_SHOWN + 976]).to_string().ends_with("x... (976 more bytes)"));
    }
}
