//! [`Ring`]: the last lines of a trace, in memory. For a page that shows a running program, and for tests.
//!
//! Next: `environment.rs`, a trace that is asked for from outside.

use super::{Event, Observer};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Maximum number of bytes of a line in a ring. A longer one is left out, and counted with those that were dropped. A
/// line has a few hundred bytes and what [`Trace::max_bytes`](super::Trace::max_bytes) adds, at most six for each byte.
pub const MAX_LINE: usize = 64 * 1024;

/// Keeps the last events of a trace as lines of JSON.
#[derive(Debug)]
pub struct Ring(Rc<RefCell<Lines>>);

/// Reads what a [`Ring`] holds, at any time.
#[derive(Debug, Clone)]
pub struct RingReader(Rc<RefCell<Lines>>);

#[derive(Debug)]
struct Lines {
    lines: VecDeque<Vec<u8>>,
    max: usize,
    dropped: u64,
}

impl Ring {
    /// A ring for at most `max` events, and the end at which it is read.
    pub fn new(max: usize) -> (Ring, RingReader) {
        let lines = Rc::new(RefCell::new(Lines { lines: VecDeque::new(), max, dropped: 0 }));
        (Ring(lines.clone()), RingReader(lines))
    }
}

impl RingReader {
    /// A copy of the lines, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// Number of events that are no longer there.
    pub fn dropped(&self) -> u64 {
        self.0.borrow().dropped
    }
}

impl Observer for Ring {
    fn event(&mut self, event: &Event<'_>) {
        let lines = &mut *self.0.borrow_mut();
        // The memory of the oldest line is that of the newest: a ring that is full allocates nothing.
        let mut line = if lines.lines.len() >= lines.max {
            lines.dropped += 1;
            lines.lines.pop_front().unwrap_or_default()
        } else {
            Vec::new()
        };
        line.clear();
        event.write_json(&mut line);
        if lines.max > 0 && line.len() <= MAX_LINE {
            lines.lines.push_back(line);
        } else if lines.max > 0 {
            lines.dropped += 1;
        }
    }
}
