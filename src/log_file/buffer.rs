//! [`LogBuffer`]: the lines on their way from the program to the writer.
//!
//! Next: `share.rs`, how much of it one peer may fill.

use super::share::{Share, Shares};
use super::tail::Tail;
use crate::config::{LogConfig, MAX_LOG_BUFFER};
use crate::terminal;
use log::{Level, LevelFilter};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// The number of bytes at which the writer writes without waiting for more.
pub(super) const BATCH: usize = 256 * 1024;

/// The room of a buffer of a quiet log.
pub(super) const QUIET_ROOM: usize = 32 * 1024;

/// The room of a buffer of a busy log: a batch, and what comes until the writer takes it. mimalloc keeps pieces of more
/// than 512 KiB apart from everything else.
pub(super) const BUSY_ROOM: usize = 3 * BATCH;

/// Most lines of a log are shorter than this.
pub(super) const USUAL_LINE: usize = 4 * 1024;

/// The part of a stamp that stays the same for a second.
const DATE_AND_SECOND: &str = "2026-11-22 14:27:00";

/// The log of the process, which the lines of connections go to.
pub(super) static INSTALLED: OnceLock<Arc<LogBuffer>> = OnceLock::new();

#[derive(Debug)]
pub(super) struct LogBuffer {
    contents: Mutex<Contents>,
    /// Tells the writer that there is something to do: the first line, a full batch, a report, a new file, or the end.
    pub(super) wake: Condvar,
    /// The lowest level that is logged, as a number: it may change.
    level: AtomicUsize,
    pub(super) shares: Shares,
    pub(super) tail: Tail,
    /// Lines that are not in the log, since the start.
    pub(super) dropped: AtomicU64,
    pub(super) unwritten: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) buffer: Vec<u8>,
    /// Lines that found the buffer full since the last write.
    pub(super) dropped: u64,
    /// The writer is to open the file again after this many bytes of the buffer.
    pub(super) reopen: Option<usize>,
    pub(super) finished: bool,
    /// The time that `stamp` is for. The lines of one callback have the same time, and the date is formatted once a
    /// second.
    time: Duration,
    stamp: String,
}

impl LogBuffer {
    pub(super) fn new(level: LevelFilter, config: &LogConfig) -> Arc<LogBuffer> {
        let shares = Shares::new(config);
        Arc::new(LogBuffer {
            contents: Mutex::default(),
            wake: Condvar::new(),
            level: AtomicUsize::new(level as usize),
            shares,
            tail: Tail::default(),
            dropped: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        })
    }

    /// The lowest level that is logged.
    pub(super) fn level(&self) -> LevelFilter {
        let number = self.level.load(Ordering::Relaxed);
        LevelFilter::iter().find(|level| *level as usize == number).unwrap_or(LevelFilter::Info)
    }

    /// Sets the lowest level that is logged.
    pub(super) fn set_level(&self, level: LevelFilter) {
        self.level.store(level as usize, Ordering::Relaxed);
    }

    /// Whether this level is logged.
    pub(super) fn has(&self, level: Level) -> bool {
        level as usize <= self.level.load(Ordering::Relaxed)
    }

    /// A panic while a message was formatted poisons the lock, but leaves at worst a short line. So the poison is
    /// ignored.
    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line if there is room for it in `share`. `write` must append nothing that a terminal would obey.
    #[inline]
    pub(super) fn add_from(&self, share: &Share, time: SystemTime, level: Level, write: impl FnOnce(&mut Vec<u8>)) {
        let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if share.admits(&self.shares, time) {
            let bytes = self.add(time, level, write);
            share.charge(&self.shares, time, bytes);
        } else if self.shares.note_pending() {
            // Under the lock, or the writer could miss it between its look at `is_pending` and its sleep.
            let contents = self.lock();
            drop(contents);
            self.wake.notify_one();
        }
    }

    /// Adds one line: stamp, level, and what `write` appends, which must hold nothing that a terminal would obey.
    /// Returns its length.
    fn add(&self, time: Duration, level: Level, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut contents = self.lock();
        if contents.buffer.len() > MAX_LOG_BUFFER {
            contents.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return 0;
        }
        let before = contents.buffer.len();
        contents.push_line(time, level, write);
        let after = contents.buffer.len();
        // Only at these two moments: to wake the writer for every line would cost more than the line.
        let wake = before == 0 || (before < BATCH && after >= BATCH);
        // The lock goes first: a writer that wakes while we hold it would go to sleep again at once.
        drop(contents);
        if wake {
            self.wake.notify_one();
        }
        after - before
    }
}

impl Contents {
    /// Appends a line with a time since 1970.
    pub(super) fn push_line(&mut self, time: Duration, level: Level, write: impl FnOnce(&mut Vec<u8>)) {
        if self.time != time || self.stamp.is_empty() {
            self.set_stamp(time);
        }
        let buffer = &mut self.buffer;
        make_room(buffer);
        buffer.extend_from_slice(self.stamp.as_bytes());
        buffer.extend_from_slice(match level {
            Level::Error => b"Z ERROR ",
            Level::Warn => b"Z WARN  ",
            Level::Info => b"Z info  ",
            Level::Debug => b"Z debug ",
            Level::Trace => b"Z trace ",
        });
        write(buffer);
        buffer.push(b'\n');
    }

    /// Makes the stamp of this time: `2026-11-22 14:27:00.014450`.
    fn set_stamp(&mut self, time: Duration) {
        if self.time.as_secs() != time.as_secs() || self.stamp.is_empty() {
            let second = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
            self.stamp = humantime::format_rfc3339_seconds(second).to_string().replace('T', " ");
        }
        self.time = time;
        self.stamp.truncate(DATE_AND_SECOND.len());
        push_micros(&mut self.stamp, time.subsec_micros());
    }
}

/// Makes room for another usual line. A quiet log has a small buffer, a busy one a large buffer. A buffer that grew in
/// steps would free a piece of memory at each step. An allocator cannot give back such pieces while others around them
/// are in use.
fn make_room(buffer: &mut Vec<u8>) {
    let needed = buffer.len() + USUAL_LINE;
    if needed > buffer.capacity() {
        let room =
            if needed <= QUIET_ROOM { QUIET_ROOM } else { BUSY_ROOM * needed.div_ceil(BUSY_ROOM).next_power_of_two() };
        buffer.reserve_exact(room - buffer.len());
    }
}

/// Makes what stands in `buffer` from `start` on one line that a terminal only shows.
pub(super) fn make_harmless(buffer: &mut Vec<u8>, start: usize) {
    if terminal::is_plain(&buffer[start..]) {
        return;
    }
    let text = String::from_utf8_lossy(&buffer[start..]);
    let shown = terminal::in_one_line(&text).into_owned();
    buffer.truncate(start);
    buffer.extend_from_slice(shown.as_bytes());
}

/// `.014450`
fn push_micros(stamp: &mut String, micros: u32) {
    stamp.push('.');
    for unit in [100_000, 10_000, 1_000, 100, 10, 1] {
        stamp.push(char::from(b'0' + (micros / unit % 10) as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_few_sizes_on_its_way() {
        let log = LogBuffer::new(LevelFilter::Info, &LogConfig::default());
        let mut sizes = vec![0];
        for second in 0..10_000 {
            log.add(Duration::from_secs(second), Level::Info, |buffer| buffer.extend_from_slice(&[b'x'; 70]));
            let size = log.lock().buffer.capacity();
            if sizes.last() != Some(&size) {
                sizes.push(size);
            }
        }
        assert!(log.lock().buffer.len() > BUSY_ROOM);
        assert_eq!(sizes, [0, QUIET_ROOM, BUSY_ROOM, 2 * BUSY_ROOM]);
    }

    #[test]
    fn a_very_long_line_does_not_change_the_next_size() {
        let log = LogBuffer::new(LevelFilter::Info, &LogConfig::default());
        let add = |byte: u8, count: usize| log.add(Duration::ZERO, Level::Info, |out| out.extend(vec![byte; count]));
        let length = add(b'x', 100_000) + (0..200).map(|_| add(b'y', 1000)).sum::<usize>();
        let contents = log.lock();
        assert_eq!((contents.buffer.len(), contents.buffer.capacity()), (length, BUSY_ROOM));
        assert!(contents.buffer.ends_with(b"yy\n"));
    }
}
