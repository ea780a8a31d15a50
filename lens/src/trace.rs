//! [`Trace`]: the events of a file, in order.
//!
//! Next: `model/mod.rs`, what they mean.

use serde_json::{Map, Value};
use std::fmt;
use std::io::{self, BufRead, Read};

/// The version of the schema that this reads.
pub const SCHEMA: u64 = 1;

/// Maximum number of events that are read. The library writes at most some 400,000 into a file.
pub const MAX_EVENTS: usize = 2_000_000;

/// Maximum number of bytes in a line. A file that is no trace may have no line break at all.
const MAX_LINE: usize = 1 << 20;

/// Errors for which Rust has no name, and that a server meets: the system's number for each, which Linux and macOS share,
/// and its name.
const SYSTEM_ERRORS: [(u64, &str); 4] = [(5, "EIO"), (23, "ENFILE"), (24, "EMFILE"), (9, "EBADF")];

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number in the file.
    pub seq: u64,
    /// Nanoseconds on the driver's clock.
    pub ns: u64,
    /// The turn of the loop.
    pub turn: u64,
    /// The phase of the turn.
    pub phase: String,
    /// The host, in a simulated world; empty otherwise.
    pub host: String,
    /// The innermost callback.
    pub callback: Option<u64>,
    /// The innermost step of a Deferred.
    pub step: Option<u64>,
    /// What happened.
    pub kind: String,
    /// Everything else.
    pub fields: Map<String, Value>,
}

impl Event {
    /// A number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.fields.get(key)?.as_u64()
    }

    /// A text; empty if it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.fields.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether a flag is set.
    pub fn flag(&self, key: &str) -> bool {
        self.fields.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The name of the error of a call, empty if it has none: that of the system, if Rust has no name of its own for it.
    pub fn error(&self) -> String {
        let name = self.text("failed");
        match self.number("code") {
            Some(code) if matches!(name, "Uncategorized" | "Other") => {
                let known = SYSTEM_ERRORS.iter().find(|(known, _)| *known == code);
                known.map_or_else(|| format!("error {code}"), |(_, name)| (*name).to_owned())
            }
            _ => name.to_owned(),
        }
    }

    /// The bytes of a read or a write: each character stands for the byte with its number.
    pub fn bytes(&self) -> Vec<u8> {
        self.text("bytes").chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
    }

    fn parse(line: &str) -> Result<Event, String> {
        let mut fields = match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err("not an object".to_owned()),
            Err(error) => return Err(error.to_string().split(" at line ").next().unwrap_or("").to_owned()),
        };
        let seq = fields.get("seq").and_then(Value::as_u64).ok_or("no seq: this is not a line of a trace")?;
        let mut number = |key: &str| fields.remove(key).and_then(|value| value.as_u64());
        let (ns, turn) = (number("ns").unwrap_or(0), number("turn").unwrap_or(0));
        let (callback, step) = (number("in"), number("in_step"));
        let mut text = |key: &str| match fields.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (phase, host, kind) = (text("phase"), text("host"), text("kind"));
        Ok(Event { seq, ns, turn, phase, host, callback, step, kind, fields })
    }
}

/// The events of a file.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// In order.
    pub events: Vec<Event>,
    /// Whether the trace ends before the program: the file was full, or the process was killed.
    pub is_cut: bool,
    /// Whether it was because the file was full.
    pub is_full: bool,
    /// What is missing in it.
    pub gaps: Gaps,
}

/// Events that are missing in a trace, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Number of events before the first one: a ring has the last events only.
    pub before: u64,
    /// Number of events between others.
    pub between: u64,
    /// Number of events that do not stand behind the one before them in time.
    pub misplaced: u64,
}

impl Gaps {
    /// Takes the number of the next event.
    fn take(&mut self, last: Option<u64>, next: u64) {
        match last {
            None => self.before = next,
            Some(last) if next <= last => self.misplaced += 1,
            Some(last) => self.between = self.between.saturating_add(next - last - 1),
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The system's error.
    Io(io::Error),
    /// A line that is no event.
    Line {
        /// Its number, from 1 on.
        number: usize,
        /// What is wrong.
        what: String,
    },
    /// Another schema, or none.
    Schema(String),
    /// Its first event has the number 0, and does not say that a trace begins.
    NoBeginning,
    /// It has more than [`MAX_EVENTS`].
    TooLong,
    /// It has no event.
    Empty,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Line { number, what } => write!(f, "line {number}: {what}"),
            ReadError::Schema(version) => {
                write!(f, "its schema is {version}, and this reads {SCHEMA}: take another lens")
            }
            ReadError::NoBeginning => {
                f.write_str("it does not begin with a line of the kind \"trace\": this is no trace")
            }
            ReadError::TooLong => write!(f, "more than {MAX_EVENTS} events"),
            ReadError::Empty => f.write_str("there is no event in it"),
        }
    }
}

impl std::error::Error for ReadError {}

impl Trace {
    /// Reads a trace. A last line that was cut off, as when the process was killed, is left out.
    ///
    /// # Errors
    /// If it cannot be read, or is no trace.
    pub fn read(input: impl BufRead) -> Result<Trace, ReadError> {
        let trace = Trace::read_part(input)?;
        // A ring has lost its beginning; anything else has it.
        match trace.events.first() {
            Some(first) if first.seq == 0 && first.kind != "trace" => Err(ReadError::NoBeginning),
            _ => Ok(trace),
        }
    }

    /// Reads any lines of a trace.
    ///
    /// # Errors
    /// If they cannot be read, or one is no event.
    pub fn read_part(mut input: impl BufRead) -> Result<Trace, ReadError> {
        let mut trace = Trace::default();
        let mut wrong = None;
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let most = MAX_LINE as u64 + 1; // With its end.
            if input.by_ref().take(most).read_until(b'\n', &mut line).map_err(ReadError::Io)? == 0 {
                break;
            }
            if let Some((number, what)) = wrong {
                return Err(ReadError::Line { number, what });
            }
            if line.pop_if(|last| *last == b'\n').is_none() && line.len() > MAX_LINE {
                return Err(ReadError::Line { number, what: format!("longer than {MAX_LINE} bytes") });
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let parsed = match str::from_utf8(&line) {
                Ok(line) => Event::parse(line),
                Err(_) => Err("not UTF-8".to_owned()),
            };
            match parsed {
                Ok(event) if event.kind == "cut" => (trace.is_cut, trace.is_full) = (true, true),
                Ok(event) => trace.add(event)?,
                Err(what) => wrong = Some((number, what)),
            }
        }
        match wrong {
            Some((number, what)) if trace.events.is_empty() => Err(ReadError::Line { number, what }),
            Some(_) => {
                trace.is_cut = true;
                Ok(trace)
            }
            None if trace.events.is_empty() => Err(ReadError::Empty),
            None => {
                trace.is_cut |= trace.has_loop_without_end();
                Ok(trace)
            }
        }
    }

    /// Whether a loop of a real program has begun a turn, and has not said that it is gone.
    fn has_loop_without_end(&self) -> bool {
        let mut of_loop = self.events.iter().rev().filter(|event| event.host.is_empty());
        of_loop.find(|event| matches!(&*event.kind, "turn" | "end")).is_some_and(|last| last.kind == "turn")
    }

    fn add(&mut self, event: Event) -> Result<(), ReadError> {
        if event.kind == "trace" {
            match event.fields.get("schema") {
                Some(version) if version.as_u64() == Some(SCHEMA) => {}
                Some(version) => return Err(ReadError::Schema(version.to_string())),
                None => return Err(ReadError::Schema("missing".to_owned())),
            }
        }
        self.gaps.take(self.events.last().map(|event| event.seq), event.seq);
        if self.events.len() >= MAX_EVENTS {
            return Err(ReadError::TooLong);
        }
        self.events.push(event);
        Ok(())
    }

    /// How long it is, in nanoseconds.
    pub fn length(&self) -> u64 {
        self.events.last().map_or(0, |event| event.ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trace, String> {
        Trace::read_part(text.as_bytes()).map_err(|error| error.to_string())
    }

    const LINE: &str = r#"{"seq":0,"ns":5,"turn":1,"phase":"wait","kind":"call","call":"read","bytes":"aÿ"}"#;

    #[test]
    fn an_event_has_its_fields_and_bytes() {
        let trace = read(LINE).unwrap();
        let event = &trace.events[0];
        assert_eq!((event.ns, event.turn, event.phase.as_str(), event.kind.as_str()), (5, 1, "wait", "call"));
        assert_eq!(event.bytes(), [b'a', 255]);
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_left_out() {
        let trace = read(&format!("{LINE}\n{{\"seq\":1,\"ns\"")).unwrap();
        assert_eq!((trace.events.len(), trace.is_cut), (1, true));
    }

    /// Bytes without a line break, and how many of them were read.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(self.0 < 4 * MAX_LINE, "it reads on and on");
            buffer.fill(b' ');
            self.0 += buffer.len();
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_before_it_is_in_memory() {
        let refusal = Trace::read(io::BufReader::new(Endless(0))).unwrap_err().to_string();
        assert_eq!(refusal, format!("line 1: longer than {MAX_LINE} bytes"));
        let whole = LINE.to_owned() + &" ".repeat(MAX_LINE - LINE.len());
        assert_eq!(read(&format!("{whole}\n{LINE}\n")).unwrap().events.len(), 2);
        assert!(read(&format!("{LINE}\n{whole} \n")).unwrap_err().starts_with("line 2: longer than"));
    }

    #[test]
    fn a_trace_without_the_end_of_its_loop_is_cut() {
        let event = |kind: &str| format!("{{\"seq\":0,\"schema\":1,\"phase\":\"outside\",\"kind\":\"{kind}\"}}\n");
        for (kinds, is_cut) in [
            (&["trace", "turn", "turn_end"][..], true),
            (&["trace", "turn", "turn_end", "end"], false),
            (&["trace", "turn", "turn_end", "end", "turn"], true),
            (&["trace", "deferred"], false),
        ] {
            let text: String = kinds.iter().copied().map(event).collect();
            assert_eq!(read(&text).unwrap().is_cut, is_cut, "{kinds:?}");
        }
    }

    #[test]
    fn what_is_missing_is_counted() {
        let gaps = |numbers: &[u64]| {
            let line = |seq: &u64| format!("{{\"seq\":{seq},\"kind\":\"turn\"}}\n");
            let gaps = read(&numbers.iter().map(line).collect::<String>()).unwrap().gaps;
            (gaps.before, gaps.between, gaps.misplaced)
        };
        assert_eq!(gaps(&[0, 1, 2]), (0, 0, 0));
        assert_eq!(gaps(&[284, 285]), (284, 0, 0));
        assert_eq!(gaps(&[0, 3, 7]), (0, 5, 0));
        assert_eq!(gaps(&[0, 2, 1, 1, u64::MAX]), (0, u64::MAX - 1, 2));
        assert!(Trace::read("{\"seq\":284,\"kind\":\"turn\"}".as_bytes()).is_ok(), "a ring");
    }

    #[test]
    fn what_is_no_trace_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no event"),
            ("hello", "line 1: expected value"),
            ("[1]\n", "line 1: not an object"),
            ("{\"a\":1}\n", "not a line of a trace"),
            (&format!("{LINE}\nhello\n{LINE}"), "line 2"),
            ("{\"seq\":0,\"kind\":\"trace\",\"schema\":99}", "its schema is 99"),
            ("{\"seq\":0,\"kind\":\"trace\",\"schema\":0}", "its schema is 0"),
            ("{\"seq\":0,\"kind\":\"trace\",\"schema\":\"x\"}", "its schema is \"x\""),
            ("{\"seq\":0,\"kind\":\"trace\"}", "its schema is missing"),
            ("{\"seq\":0}", "does not begin with"),
            (LINE, "does not begin with"),
        ] {
            let refusal = Trace::read(text.as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
