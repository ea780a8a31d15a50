//! [`Trace`]: what happened, as a number that two equal runs have in common, and, if wanted, as lines to be read.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::time::SystemTime;

/// In a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// How many bytes of what is written a line shows, and of a name.
const EXCERPT: usize = 100;

/// What happened on a host. In [`template`](Did::template), `#` is the connection, `%` the number and `@` the other
/// host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Did {
    Start,
    Exit,
    Crash,
    Die,
    Pause,
    Resume,
    Interrupt,
    Terminate,
    SetClock,
    Limit,
    Listen,
    CloseListener,
    Ask,
    LoseRequest,
    FindNoRoute,
    Refuse,
    Overflow,
    Queue,
    Accept,
    LackDescriptor,
    Connect,
    Write,
    Get,
    Read,
    GetEnd,
    Shut,
    Close,
    Abort,
    Lose,
    Retransmit,
    HearReset,
    GiveUp,
    Probe,
    Cut,
    Mend,
    Change,
    Break,
    LookUp,
    Answer,
    Work,
    AskForRoom,
    LackRoom,
}

impl Did {
    fn template(self) -> &'static str {
        match self {
            Did::Start => "starts",
            Did::Exit => "ends",
            Did::Crash => "crashes",
            Did::Die => "is killed",
            Did::Pause => "is paused",
            Did::Resume => "goes on",
            Did::Interrupt => "gets an interrupt",
            Did::Terminate => "is asked to terminate",
            Did::SetClock => "sets its clock",
            Did::Limit => "may have % descriptors",
            Did::Listen => "listens on port %",
            Did::CloseListener => "closes port %",
            Did::Ask => "# asks @ for a connection to port %",
            Did::LoseRequest => "# request to @ is lost",
            Did::FindNoRoute => "has no route to port %",
            Did::Refuse => "# refuses @ on port %",
            Did::Overflow => "# drops the request of @: the backlog of port % is full",
            Did::Queue => "# has @ waiting on port %",
            Did::Accept => "# accepts @",
            Did::LackDescriptor => "is out of descriptors",
            Did::Connect => "# is connected to @",
            Did::Write => "# writes % to @",
            Did::Get => "# gets % from @",
            Did::Read => "# reads %",
            Did::GetEnd => "# gets the end from @",
            Did::Shut => "# ends its sending to @",
            Did::Close => "# closes",
            Did::Abort => "# breaks off",
            Did::Lose => "# loses % on the way to @",
            Did::Retransmit => "# tries to reach @ again",
            Did::HearReset => "# is told by @ that it is broken off",
            Did::GiveUp => "# gives @ up: no answer",
            Did::Probe => "# probes @ in vain",
            Did::Cut => "cannot reach @ any more",
            Did::Mend => "can reach @ again",
            Did::Change => "has another link to @",
            Did::Break => "# is broken by the network",
            Did::LookUp => "looks a name up",
            Did::Answer => "gets an answer about a name",
            Did::Work => "finishes a job",
            Did::AskForRoom => "# asks @ whether it has room again",
            Did::LackRoom => "# gives @ up: it has no room",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) did: Did,
    pub(super) connection: Option<u32>,
    pub(super) number: u64,
    pub(super) other: Option<u32>,
}

impl From<Did> for Step {
    fn from(did: Did) -> Step {
        Step { did, connection: None, number: 0, other: None }
    }
}

impl Did {
    pub(super) fn to(self, other: u32) -> Step {
        Step { other: Some(other), ..Step::from(self) }
    }

    pub(super) fn count(self, number: u64) -> Step {
        Step { number, ..Step::from(self) }
    }
}

type Sink = Box<dyn io::Write>;

pub(super) struct Trace {
    hash: u64,
    /// The last lines, if any are wanted.
    lines: VecDeque<String>,
    limit: usize,
    sink: Option<Sink>,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), limit: 0, sink: None }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Keeps so many lines from now on. If none were kept, they begin with `opening`.
    pub(super) fn keep(&mut self, lines: usize, opening: &[String]) {
        let begins = self.limit == 0;
        self.limit = lines;
        let surplus = self.lines.len().saturating_sub(lines);
        self.lines.drain(..surplus);
        if begins {
            opening.iter().for_each(|line| self.store(line.clone()));
        }
    }

    /// Writes lines to `sink` from now on, `opening` first; the sink before it, which is better dropped when nothing of
    /// the world is borrowed.
    pub(super) fn write_to(&mut self, sink: Sink, opening: &[String]) -> Option<Sink> {
        let before = self.sink.replace(sink);
        opening.iter().for_each(|line| self.send(line));
        before
    }

    /// Nothing is written or kept any more; the sink there was.
    pub(super) fn close(&mut self) -> Option<Sink> {
        self.limit = 0;
        self.sink.take()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Whether lines are wanted at all.
    pub(super) fn is_read(&self) -> bool {
        self.limit > 0 || self.sink.is_some()
    }

    /// FNV-1a's step for a word instead of a byte, and the high bits brought down, where the next product needs them.
    #[inline]
    fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash = mixed ^ (mixed >> 29);
    }

    /// Bytes have gone over a connection.
    pub(super) fn mix_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    /// Something that happened. `detail` is only for whoever reads the line: the hash has no part in it.
    #[inline]
    pub(super) fn step(&mut self, time: u64, host: u32, step: Step, detail: &str, name: impl Fn(u32) -> String) {
        self.mix(time);
        let host_and_other = u64::from(host) << 32 | u64::from(step.other.unwrap_or(u32::MAX));
        self.mix(host_and_other);
        self.mix(u64::from(step.connection.unwrap_or(u32::MAX)) << 32 | step.did as u64);
        self.mix(step.number);
        if self.is_read() {
            self.line(time, &name(host), &text(step, detail, &name));
        }
    }

    /// Something that is said about the world, or by it.
    pub(super) fn say(&mut self, time: u64, who: &str, what: &str) {
        self.mix(time);
        self.mix_bytes(who.as_bytes());
        self.mix_bytes(what.as_bytes());
        if self.is_read() {
            self.line(time, who, what);
        }
    }

    #[cold]
    fn line(&mut self, time: u64, who: &str, what: &str) {
        let line = line(time, who, what);
        self.send(&line);
        self.store(line);
    }

    fn send(&mut self, line: &str) {
        if let Some(sink) = &mut self.sink
            && let Err(error) = writeln!(sink, "{line}")
        {
            log::warn!(target: "reactor", "the trace cannot be written: {error}");
            self.sink = None;
        }
    }

    fn store(&mut self, line: String) {
        if self.limit > 0 {
            if self.lines.len() >= self.limit {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
        }
    }
}

/// One line, whatever is said: a line break in it is shown as such.
pub(super) fn line(time: u64, who: &str, what: &str) -> String {
    let what = what.replace('\n', "\\n");
    format!("{:>6}.{:09} {who:<10} {what}", time / NANOSECONDS, time % NANOSECONDS)
}

/// A time of day, as a line can show it.
pub(super) fn time_of_day(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09} s after 1970", since.as_secs(), since.subsec_nanos())
}

#[cold]
fn text(step: Step, detail: &str, name: impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    for char in step.did.template().chars() {
        // Writing to a String cannot fail.
        let _ = match char {
            '#' => write!(text, "#{}", step.connection.unwrap_or_default()),
            '%' => write!(text, "{}", step.number),
            '@' => write!(text, "{}", step.other.map(&name).unwrap_or_default()),
            other => write!(text, "{other}"),
        };
    }
    if !detail.is_empty() {
        text.push_str(": ");
        text.push_str(detail);
    }
    text
}

/// The first of some bytes in quotes, as a line can show them.
pub(super) fn excerpt(bytes: impl ExactSizeIterator<Item = u8>) -> String {
    let more = if bytes.len() > EXCERPT { " ..." } else { "" };
    let mut text = String::from("\"");
    for byte in bytes.take(EXCERPT) {
        text.extend(byte.escape_ascii().map(char::from));
    }
    text + "\"" + more
}
