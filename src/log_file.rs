//! The log of a run: one file, written by a thread of its own, so that the loop never waits for the disk.
//!
//! Lines are put into a buffer in memory; the writer takes the whole buffer now and then and writes it out. Nothing
//! is lost at an orderly end ([`LogFile::finish`]). If the disk is slower than the herd talks, the buffer stops
//! growing at a limit: lines beyond it are dropped, and how many is written down.

use log::{Level, LevelFilter, Log, Metadata, Record};
use reactor::Reactor;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// Bytes of lines that may wait for the disk: seconds of a busy server, and little beside its other memory.
const MAX_BUFFER: usize = 4 * 1024 * 1024;

/// With so much gathered the writer does not wait for more.
const BATCH: usize = 256 * 1024;

/// How long lines gather before they are written: a crash loses at most this much.
const GATHER: Duration = Duration::from_millis(50);

/// Finds a secret in a message: what to write instead of the message, or `None` if the secret does not stand in it.
pub type Mask = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// The log file of this run. The program's `log` messages go there until [`finish`](LogFile::finish).
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    shared: Arc<LogBuffer>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct LogBuffer {
    state: Mutex<Contents>,
    wake: Condvar,
    level: LevelFilter,
}

#[derive(Debug, Default)]
struct Contents {
    buffer: Vec<u8>,
    dropped: u64,
    finished: bool,
    /// The second that `stamp` is for, so that it is worked out once a second.
    second: u64,
    stamp: String,
}

impl LogFile {
    /// Opens `NAME-2026-11-22-142700.log` (date and time in UTC) in `directory`.
    ///
    /// # Errors
    /// If it cannot be created.
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
        let shared = Arc::new(LogBuffer { state: Mutex::default(), wake: Condvar::new(), level });
        let for_writer = shared.clone();
        let writer = std::thread::Builder::new().name("log".to_owned()).spawn(move || for_writer.write_to(file))?;
        Ok(LogFile { path, shared, writer: Some(writer) })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends the process's `log` messages here. Each goes through `mask` first, if there is one.
    ///
    /// # Errors
    /// If they already go somewhere.
    pub fn install(&self, mask: Option<Mask>) -> Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(Logger { shared: self.shared.clone(), mask }))?;
        let _ = INSTALLED.set(self.shared.clone()); // The line above was the first, so this is.
        log::set_max_level(self.shared.level);
        Ok(())
    }

    /// Writes out everything and ends the writer.
    pub fn finish(mut self) {
        self.shared.lock().finished = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // It does not panic; if it did, there would be nobody left to log it.
        }
    }
}

/// `2026-11-22-142700`.
fn file_stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string(); // 2026-11-22T14:27:00Z
    text.replace('T', "-").chars().filter(|c| !matches!(c, ':' | 'Z')).collect()
}

struct Logger {
    shared: Arc<LogBuffer>,
    mask: Option<Mask>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.shared.level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.shared.add(SystemTime::now(), record.level(), |buffer| {
                let start = buffer.len();
                let _ = buffer.write_fmt(*record.args()); // Writing to memory cannot fail.
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
    /// Formatting cannot panic half-way into the buffer in a way that matters: at worst a line is short.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds one line: stamp, level, and what `write` makes of it.
    fn add(&self, now: SystemTime, level: Level, write: impl FnOnce(&mut Vec<u8>)) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut state = self.lock();
        if state.buffer.len() > MAX_BUFFER {
            state.dropped += 1;
            return;
        }
        if state.second != now.as_secs() {
            state.second = now.as_secs();
            let second = SystemTime::UNIX_EPOCH + Duration::from_secs(state.second);
            let mut stamp = humantime::format_rfc3339_seconds(second).to_string();
            stamp.truncate("2026-11-22T14:27:00".len());
            state.stamp = stamp.replace('T', " ");
        }
        let Contents { buffer, stamp, .. } = &mut *state;
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
        // One message is one line, whatever a peer has put into it, and tells the terminal of whoever reads it nothing.
        for byte in &mut buffer[start..] {
            *byte = if byte.is_ascii_control() { b' ' } else { *byte };
        }
        buffer.push(b'\n');
        let wake = before == 0 || (before < BATCH && buffer.len() >= BATCH);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The writer's whole life.
    fn write_to(&self, mut file: File) {
        let (mut out, mut failed) = (Vec::new(), false);
        loop {
            let mut state = self.lock();
            while state.buffer.is_empty() && !state.finished {
                state = self.wake.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            if !state.finished && state.buffer.len() < BATCH {
                // Let more come before the disk is troubled; the end of the run does not wait for that.
                let (after, _) = self.wake.wait_timeout(state, GATHER).unwrap_or_else(|poisoned| poisoned.into_inner());
                state = after;
            }
            std::mem::swap(&mut out, &mut state.buffer);
            let dropped = std::mem::take(&mut state.dropped);
            let finished = state.finished;
            drop(state);
            if dropped > 0 {
                let _ = writeln!(out, "({dropped} lines were lost here: the disk is too slow)");
            }
            if let Err(error) = file.write_all(&out)
                && !std::mem::replace(&mut failed, true)
            {
                // Once, and only if there is somebody to tell.
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

/// What goes over one connection, line by line, into the log at level info: `label >> line` in, `label << line` out.
///
/// The same as `log::info!` would do, but at a fraction of its cost: this is done twice for every command. Lines of one
/// callback share its reading of the clock.
#[derive(Debug, Clone)]
pub struct Traffic {
    label: Rc<str>,
    reactor: Reactor,
}

impl Traffic {
    /// The traffic of what the log is to call `label`.
    pub fn new(label: &str, reactor: &Reactor) -> Traffic {
        Traffic { label: label.into(), reactor: reactor.clone() }
    }

    /// What the log calls it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The reactor whose clock it reads.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// A line has come.
    pub fn line_in(&self, line: &[u8]) {
        self.line(" >> ", line);
    }

    /// A line goes out.
    pub fn line_out(&self, line: &[u8]) {
        self.line(" << ", line);
    }

    fn line(&self, arrow: &str, line: &[u8]) {
        if !log::log_enabled!(Level::Info) {
            return;
        }
        let Some(shared) = INSTALLED.get() else {
            return log::info!("{}{arrow}{}", self.label, Bytes(line));
        };
        shared.add(self.reactor.system_time(), Level::Info, |buffer| {
            buffer.extend_from_slice(self.label.as_bytes());
            buffer.extend_from_slice(arrow.as_bytes());
            match line.len() <= MAX_SHOWN && is_plain(line) {
                true => buffer.extend_from_slice(line),
                false => drop(write!(buffer, "{}", Bytes(line))), // Writing to memory cannot fail.
            }
        });
    }
}

/// Whether all bytes are printable ASCII. Without a branch for each byte, so that many are looked at at once.
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

/// Bytes of a peer as a log shows them: text as it is, the rest escaped, cut if it is very long.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

/// A log line shows at most this much of a peer's line: all of it, unless the limit on lines was set higher.
const MAX_SHOWN: usize = 128 * 1024;

impl std::fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bytes(bytes) = self;
        let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
        match std::str::from_utf8(shown) {
            // A fold looks at many bytes at once; a search would look at one after the other.
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
    fn the_name_tells_the_server_the_date_and_the_time() {
        assert_eq!(file_stamp(at(1_795_357_620)), "2026-11-22-142700");
    }

    #[test]
    fn everything_is_in_the_file_at_the_end_one_line_each() {
        let directory = std::env::temp_dir().join(format!("proxyherd-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let first = LogFile::create(&directory, "Powell", LevelFilter::Info, at(0)).unwrap();
        let second = LogFile::create(&directory, "Powell", LevelFilter::Info, at(0)).unwrap();
        assert!(first.path().ends_with("Powell-1970-01-01-000000.log"));
        assert!(second.path().ends_with("Powell-1970-01-01-000000-2.log"));
        let logger = Logger { shared: first.shared.clone(), mask: None };
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
    fn bytes_are_shown_readably() {
        assert_eq!(Bytes(b"IAMAT kiwi").to_string(), "IAMAT kiwi");
        assert_eq!(Bytes("é".as_bytes()).to_string(), "é");
        assert_eq!(Bytes(b"a\xff\n").to_string(), r"a\xff\n");
        assert!(Bytes(&[b'x'; MAX_SHOWN + 976]).to_string().ends_with("x... (976 more bytes)"));
    }
}
