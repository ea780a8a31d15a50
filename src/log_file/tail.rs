//! [`Tail`]: the last lines of the log, for a page that shows them. The writer fills it, so that it costs the loop
//! nothing; until somebody wants it, it is empty.
//!
//! Next: `traffic.rs`, the lines of a connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The maximum number of lines that are kept. What is older is in the log's file.
const MAX_LINES: usize = 200;

/// The maximum length of a line in bytes here; the rest of it is in the log's file.
const MAX_LINE: usize = 500;

#[derive(Debug, Default)]
pub(super) struct Tail {
    is_wanted: AtomicBool,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// The number of all lines so far.
    count: u64,
}

/// Lines of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailLines {
    /// The lines, oldest first, without their ends. A long one is cut.
    pub lines: Vec<String>,
    /// How many before them are not kept.
    pub missed: u64,
    /// From where to go on the next time.
    pub next: u64,
}

impl Tail {
    /// From now on, lines are kept.
    pub(super) fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// The writer has taken this text, which is whole lines.
    pub(super) fn push(&self, text: &[u8]) {
        if !self.is_wanted.load(Ordering::Relaxed) || text.is_empty() {
            return;
        }
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        // From the end: most lines of a busy log would be dropped at once.
        let mut last: Vec<&[u8]> = text.rsplitn(MAX_LINES + 1, |byte| *byte == b'\n').take(MAX_LINES).collect();
        last.reverse();
        let count = memchr::memchr_iter(b'\n', text).count() as u64 + 1;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.count += count;
        lines.kept.extend(last.into_iter().map(shown));
        let too_many = lines.kept.len().saturating_sub(MAX_LINES);
        lines.kept.drain(..too_many);
    }

    /// The lines from this number on, the last `most` of them.
    pub(super) fn since(&self, number: u64, most: usize) -> TailLines {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = lines.count.saturating_sub(number);
        let given = (new.min(lines.kept.len() as u64) as usize).min(most);
        let lines_given = lines.kept.iter().skip(lines.kept.len() - given).cloned().collect();
        TailLines { lines: lines_given, missed: new - given as u64, next: lines.count }
    }
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]);
    if line.len() > MAX_LINE { format!("{text} ...") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_what_is_missed_is_counted() {
        let tail = Tail::default();
        tail.push(b"before anybody looks\n");
        tail.want();
        tail.push(b"one\ntwo\n");
        let lines = tail.since(0, 10);
        assert_eq!(lines, TailLines { lines: vec!["one".to_owned(), "two".to_owned()], missed: 0, next: 2 });
        assert_eq!(tail.since(2, 10), TailLines { next: 2, ..TailLines::default() });
        let many: String = (0..1000).map(|number| format!("{number}\n")).collect();
        tail.push(many.as_bytes());
        let lines = tail.since(2, 10);
        assert_eq!((lines.missed, lines.next, lines.lines.len()), (990, 1002, 10));
        assert_eq!((lines.lines[0].as_str(), lines.lines[9].as_str()), ("990", "999"));
        assert_eq!(tail.since(0, 1000).lines.len(), MAX_LINES);
        tail.push(&[b'x'; 5000]);
        assert_eq!(tail.since(1002, 10).lines[0].len(), MAX_LINE + 4);
    }
}
