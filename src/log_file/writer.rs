//! The writer: a thread that takes what has gathered and writes it, so that the loop never waits for the disk.
//!
//! Next: `tail.rs`, the last lines, kept for a page.

use super::buffer::{BATCH, BUSY_ROOM, Contents, LogBuffer, QUIET_ROOM, USUAL_LINE};
use super::files::Sink;
use log::Level;
use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The time for which lines gather before they are written. A crash loses about as much.
const GATHER: Duration = Duration::from_millis(50);

/// A log is quiet when nothing has come for this long.
const QUIET: Duration = Duration::from_millis(500);

/// The time between two reports of lines that were beyond a share.
const REPORT: Duration = Duration::from_secs(1);

/// Lines that could not be written.
#[derive(Debug, Default)]
struct Losses {
    lines: usize,
    why: Option<io::Error>,
    /// All that were lost since the start.
    total: u64,
    /// The last line that was written lacks its end.
    in_line: bool,
}

/// Writes until the log is finished and everything is written.
pub(super) fn write(log: &LogBuffer, mut sink: Sink) {
    let mut out = Vec::new();
    let mut losses = Losses::default();
    let mut reported = Instant::now();
    let mut last_busy = reported;
    loop {
        let mut contents = wait(log, &mut out, reported + REPORT);
        let now = Instant::now();
        if log.shares.is_pending() && (now >= reported + REPORT || contents.finished) {
            reported = now;
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            for line in log.shares.report(time) {
                contents.push_line(time, Level::Warn, |buffer| buffer.extend_from_slice(line.as_bytes()));
            }
        }
        // Swap, and write after the lock is released: the loop must never wait for the disk. `out` is empty here, and
        // becomes the loop's next buffer.
        std::mem::swap(&mut out, &mut contents.buffer);
        let dropped = std::mem::take(&mut contents.dropped);
        let reopen = std::mem::take(&mut contents.reopen);
        // Read under the same lock as the buffer: no line can come between the last write and the end.
        let finished = contents.finished;
        drop(contents);
        if dropped > 0 {
            let _ = writeln!(out, "({dropped} lines were lost here: the disk is too slow)");
        }
        log.tail.push(&out);
        let (old, new) = out.split_at(reopen.unwrap_or(0));
        losses.write(old, |text| sink.write_all(text, SystemTime::now()));
        if reopen.is_some()
            && let Err(error) = sink.reopen()
        {
            // Through the log as well: the old file goes on.
            log::warn!("cannot open the log again: {error}");
            let _ = writeln!(io::stderr(), "proxyherd: cannot open the log again: {error}");
        }
        losses.write(new, |text| sink.write_all(text, SystemTime::now()));
        log.unwritten.store(losses.total, Ordering::Relaxed);
        clear(&mut out, &mut last_busy, now);
        if finished {
            return;
        }
    }
}

/// Waits until there is something to do. `report` is the time of the next report, if there is one to make. When nothing
/// has come for a while, the two buffers become small: what a crowd needed does not stay for ever.
fn wait<'a>(log: &'a LogBuffer, out: &mut Vec<u8>, report: Instant) -> MutexGuard<'a, Contents> {
    let mut contents = log.lock();
    while contents.buffer.is_empty() && contents.reopen.is_none() && !contents.finished {
        if !log.shares.is_pending() {
            if contents.buffer.capacity().max(out.capacity()) <= QUIET_ROOM {
                contents = log.wake.wait(contents).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (again, waited) = log.wake.wait_timeout(contents, QUIET).unwrap_or_else(PoisonError::into_inner);
            contents = again;
            if waited.timed_out() && contents.buffer.is_empty() {
                give_up(&mut contents.buffer, QUIET_ROOM);
                give_up(out, QUIET_ROOM);
            }
            continue;
        }
        let left = report.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return contents;
        }
        (contents, _) = log.wake.wait_timeout(contents, left).unwrap_or_else(PoisonError::into_inner);
    }
    if !contents.finished && contents.reopen.is_none() && contents.buffer.len() < BATCH {
        // More lines may come, and one write takes them all. `finish` ends this wait.
        (contents, _) = log.wake.wait_timeout(contents, GATHER).unwrap_or_else(PoisonError::into_inner);
    }
    contents
}

/// Empties a buffer that was written at `now`. `last_busy` is when a large one was last written. A while after that,
/// large buffers go, as in [`wait`]: there may be a line now and then for ever.
fn clear(out: &mut Vec<u8>, last_busy: &mut Instant, now: Instant) {
    // With less than this, the small buffer is enough.
    if out.len() > QUIET_ROOM - USUAL_LINE {
        *last_busy = now;
    }
    out.clear();
    give_up(out, if now < *last_busy + QUIET { 2 * BUSY_ROOM } else { QUIET_ROOM });
}

/// Drops an empty buffer that has more room than this. To make it smaller instead would be an allocation of this
/// thread, and mimalloc looks for free memory only on the thread that has allocated it. Only the loop's thread asks it
/// to.
fn give_up(buffer: &mut Vec<u8>, most: usize) {
    if buffer.capacity() > most {
        *buffer = Vec::new();
    }
}

impl Losses {
    /// Writes `text`, which is whole lines or nothing. What fails is counted; the count is written as soon as there is
    /// room again. `write` fails with the number of bytes that it has written before.
    fn write(&mut self, text: &[u8], mut write: impl FnMut(&[u8]) -> Result<(), (io::Error, usize)>) {
        if text.is_empty() {
            return;
        }
        if let Some(error) = &self.why {
            let end = if self.in_line { "\n" } else { "" };
            let count = format!("{end}({} lines were lost here: {error})\n", self.lines);
            match write(count.as_bytes()) {
                Ok(()) => *self = Losses { total: self.total, ..Losses::default() },
                Err((_, done)) => {
                    // A part of it may stand there now. That stays, and the whole is written the next time.
                    self.in_line |= done > 0;
                    self.lines += lines(text);
                    self.total += lines(text) as u64;
                    return;
                }
            }
        }
        if let Err((error, done)) = write(text) {
            // Said once, not for every batch.
            let _ = writeln!(io::stderr(), "proxyherd: cannot write the log: {error}; lines are lost");
            let in_line = done > 0 && text[done - 1] != b'\n';
            let lost = lines(&text[done..]);
            *self = Losses { lines: lost, why: Some(error), in_line, total: self.total + lost as u64 };
        }
    }
}

fn lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogConfig;
    use log::LevelFilter;
    use std::thread;

    #[test]
    fn lines_that_a_full_disk_did_not_take_are_counted_when_there_is_room_again() {
        let mut losses = Losses::default();
        let mut disk = Vec::new();
        // Each write finds this much room.
        for (room, text) in [(100, "1\n2\n"), (3, "3\n4\n5\n"), (0, "6\n"), (9, "7\n"), (100, "8\n"), (100, "9\n")] {
            losses.write(text.as_bytes(), |text| {
                let done = text.len().min(room);
                disk.extend_from_slice(&text[..done]);
                let full = || (io::Error::from(io::ErrorKind::StorageFull), done);
                if done == text.len() { Ok(()) } else { Err(full()) }
            });
        }
        let text = String::from_utf8(disk).unwrap();
        let lost = format!("(4 lines were lost here: {})", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(text.lines().collect::<Vec<_>>(), ["1", "2", "3", "4", "(3 lines", &lost, "8", "9"]);
    }

    #[test]
    fn the_buffers_of_a_quiet_log_become_small() {
        let log = LogBuffer::new(LevelFilter::Info, &LogConfig::default());
        log.lock().buffer = Vec::with_capacity(BUSY_ROOM);
        let writer = log.clone();
        let waiting = thread::spawn(move || {
            let mut out = Vec::with_capacity(2 * BUSY_ROOM);
            drop(wait(&writer, &mut out, Instant::now()));
            out.capacity()
        });
        while log.lock().buffer.capacity() > QUIET_ROOM {
            thread::yield_now();
        }
        log.lock().finished = true;
        log.wake.notify_one();
        assert_eq!(waiting.join().unwrap(), 0);
    }

    #[test]
    fn large_buffers_go_a_while_after_the_last_large_batch_although_lines_come_now_and_then() {
        let begin = Instant::now();
        let mut last_busy = begin;
        let mut written = |len: usize, capacity: usize, after: Duration| {
            let mut out = Vec::with_capacity(capacity);
            out.resize(len, b'x');
            clear(&mut out, &mut last_busy, begin + after);
            assert!(out.is_empty());
            out.capacity()
        };
        assert_eq!(written(BUSY_ROOM, 2 * BUSY_ROOM, QUIET), 2 * BUSY_ROOM, "the next batch will be as large");
        assert_eq!(written(80, BUSY_ROOM, QUIET * 3 / 2), BUSY_ROOM, "it may be");
        assert_eq!(written(80, BUSY_ROOM, QUIET * 2), 0);
        assert_eq!(written(80, QUIET_ROOM, QUIET * 3), QUIET_ROOM, "a small one stays");
        assert_eq!(written(BUSY_ROOM, 4 * BUSY_ROOM, QUIET * 4), 0, "a far too large one goes at once");
    }
}
