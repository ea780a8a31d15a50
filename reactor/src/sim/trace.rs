//! [`Trace`]: what happened in a run: as a hash, by which two runs are compared, and on request as lines to read, or in
//! the stream of [`crate::trace`], between the events of the hosts' reactors. A line is a view of an event of that
//! stream.
//!
//! The hash covers times, hosts, connections, actions and numbers, and the bytes of plain streams. It does not cover
//! the words that a line is made of: those may be improved without making another run of every seed. Exceptions are the
//! texts given to [`Trace::say`] and [`Trace::mix_bytes`], which the hash covers letter by letter.
//!
//! Next: `settings.rs`, what a world can be like.

use crate::diagnostics::tell;
use crate::trace::{Kind, Network, Scope};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::io;
use std::rc::Rc;
use std::time::SystemTime;

const NANOSECONDS_A_SECOND: u64 = 1_000_000_000;

/// Maximum number of bytes of a write, or of a name, that a line shows. Of a write, a stream may show fewer.
const MAX_EXCERPT: usize = 100;

/// What a host did, or what was done to it.
///
/// The hash covers the number of a variant, so the order is part of every run: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    Exit,
    Crash,
    Kill,
    Pause,
    Resume,
    Interrupt,
    Terminate,
    SetClock,
    LimitDescriptors,
    Listen,
    CloseListener,
    RequestConnection,
    LoseRequest,
    FindNoRoute,
    Refuse,
    OverflowBacklog,
    EnterBacklog,
    Accept,
    LackDescriptor,
    Connect,
    Write,
    Get,
    Read,
    GetFin,
    ShutdownWrite,
    Close,
    Abort,
    Lose,
    Retransmit,
    GetReset,
    GiveUp,
    ProbeKeepAlive,
    CutLink,
    MendLink,
    ChangeLink,
    Break,
    LookUp,
    Answer,
    Work,
    ProbeZeroWindow,
    GiveUpOnZeroWindow,
    ListenUnix,
    CloseUnixListener,
    LeaveSocketFile,
    ConnectUnix,
    FailToConnectUnix,
    OpenUdp,
    CloseUdp,
    SendDatagram,
    LoseDatagram,
    GetDatagram,
    ReceiveDatagram,
    RefuseDatagram,
    OpenConsole,
    CloseConsole,
    TypeIn,
    EndConsoleInput,
    CloseConsoleOutput,
    ReadConsole,
    WriteConsole,
    EndConsoleOutput,
}

impl Action {
    /// The words of a line. `#` stands for the connection, `%` for the number and `@` for the other host.
    fn template(self) -> &'static str {
        match self {
            Action::Start => "starts",
            Action::Exit => "ends",
            Action::Crash => "crashes",
            Action::Kill => "is killed",
            Action::Pause => "is paused",
            Action::Resume => "is resumed",
            Action::Interrupt => "gets an interrupt",
            Action::Terminate => "is asked to terminate",
            Action::SetClock => "sets its clock",
            Action::LimitDescriptors => "may have % descriptors",
            Action::Listen => "listens on port %",
            Action::CloseListener => "closes port %",
            Action::RequestConnection => "# asks @ for a connection to port %",
            Action::LoseRequest => "# request to @ is lost",
            Action::FindNoRoute => "has no route to port %",
            Action::Refuse => "# refuses @ on port %",
            Action::OverflowBacklog => "# drops the request of @: the backlog of port % is full",
            Action::EnterBacklog => "# has @ waiting on port %",
            Action::Accept => "# accepts @",
            Action::LackDescriptor => "is out of descriptors",
            Action::Connect => "# is connected to @",
            Action::Write => "# writes % to @",
            Action::Get => "# gets % from @",
            Action::Read => "# reads %",
            Action::GetFin => "# gets the end from @",
            Action::ShutdownWrite => "# half-closes towards @",
            Action::Close => "# closes",
            Action::Abort => "# aborts",
            Action::Lose => "# loses % on the way to @",
            Action::Retransmit => "# retransmits to @",
            Action::GetReset => "# gets a reset from @",
            Action::GiveUp => "# gives up on @: no answer",
            Action::ProbeKeepAlive => "# sends a keep-alive probe to @",
            Action::CutLink => "can no longer reach @",
            Action::MendLink => "can reach @ again",
            Action::ChangeLink => "has another link to @",
            Action::Break => "# is broken by the network",
            Action::LookUp => "looks a name up",
            Action::Answer => "gets an answer about a name",
            Action::Work => "gives a job to a thread",
            Action::ProbeZeroWindow => "# sends a zero-window probe to @",
            Action::GiveUpOnZeroWindow => "# gives up on @: its window stays zero",
            Action::ListenUnix => "listens on a UNIX socket",
            Action::CloseUnixListener => "closes a UNIX socket",
            Action::LeaveSocketFile => "leaves a socket file behind",
            Action::ConnectUnix => "# connects to a UNIX socket",
            Action::FailToConnectUnix => "cannot connect to a UNIX socket",
            Action::OpenUdp => "opens UDP port %",
            Action::CloseUdp => "closes UDP port %",
            Action::SendDatagram => "sends a datagram of %",
            Action::LoseDatagram => "loses a datagram of %",
            Action::GetDatagram => "gets a datagram of %",
            Action::ReceiveDatagram => "reads a datagram of %",
            Action::RefuseDatagram => "has nobody on UDP port %",
            Action::OpenConsole => "opens its console",
            Action::CloseConsole => "gives its console back",
            Action::TypeIn => "has % typed in",
            Action::EndConsoleInput => "has the end of its input typed in",
            Action::CloseConsoleOutput => "has nobody who reads its output any more",
            Action::ReadConsole => "reads % from its console",
            Action::WriteConsole => "writes % to its console",
            Action::EndConsoleOutput => "ends its output",
        }
    }

    pub(super) fn to(self, other: u32) -> Record {
        Record { other: Some(other), ..Record::from(self) }
    }

    pub(super) fn count(self, number: u64) -> Record {
        Record { number, ..Record::from(self) }
    }
}

/// One line of a trace, before it is words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) action: Action,
    /// The serial number of the connection.
    pub(super) connection: Option<u32>,
    /// Bytes, or a port, or what else the action counts.
    pub(super) number: u64,
    pub(super) other: Option<u32>,
    /// The datagram that it is about. The hash does not cover it, as it came later than the first seeds.
    pub(super) datagram: Option<Datagram>,
}

/// A datagram, for a reader of the trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram {
    pub(super) number: u64,
    /// The host at the other end; none for what is sent to all.
    pub(super) other: Option<u32>,
}

impl From<Action> for Record {
    fn from(action: Action) -> Record {
        Record { action, connection: None, number: 0, other: None, datagram: None }
    }
}

impl Record {
    pub(super) fn of_datagram(self, number: u64, other: impl Into<Option<u32>>) -> Record {
        Record { datagram: Some(Datagram { number, other: other.into() }), ..self }
    }

    /// The name of the action in a trace: `RequestConnection` is `request_connection`.
    fn what(&self) -> String {
        let mut what = String::new();
        for char in format!("{:?}", self.action).chars() {
            if char.is_ascii_uppercase() && !what.is_empty() {
                what.push('_');
            }
            what.push(char.to_ascii_lowercase());
        }
        what
    }
}

type Sink = Box<dyn io::Write>;

pub(super) struct Trace {
    hash: u64,
    /// The last lines, at most `max_lines`.
    lines: VecDeque<String>,
    /// 0 if no lines are kept.
    max_lines: usize,
    sink: Option<Sink>,
    /// The stream that the reactors of the hosts report to, if there is one. The lines are another view of the same
    /// events.
    stream: Option<Stream>,
}

/// The world's part of a trace of everything that happens, and the parts of the hosts.
struct Stream {
    world: Rc<Scope>,
    /// The scope of each host with a living program.
    hosts: BTreeMap<u32, Rc<Scope>>,
}

impl Trace {
    pub(super) fn new() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), max_lines: 0, sink: None, stream: None }
    }

    /// Reports to `world` from now on.
    pub(super) fn report_to(&mut self, world: Rc<Scope>) {
        self.stream = Some(Stream { world, hosts: BTreeMap::new() });
    }

    /// What the reactors of hosts that start now report to.
    pub(super) fn stream(&self) -> Option<&crate::trace::Trace> {
        self.stream.as_ref().map(|stream| stream.world.trace())
    }

    /// The program of `host` begins, and reports to `scope`.
    pub(super) fn begin_host(&mut self, host: u32, scope: Rc<Scope>) {
        if let Some(stream) = &mut self.stream {
            stream.hosts.insert(host, scope);
        }
    }

    /// The program of `host` has ended.
    pub(super) fn end_host(&mut self, host: u32) {
        if let Some(scope) = self.stream.as_mut().and_then(|stream| stream.hosts.remove(&host)) {
            scope.end();
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Keeps the last `lines` lines from now on. If none were kept so far, they begin with `opening`.
    pub(super) fn keep(&mut self, lines: usize, opening: &[String]) {
        let begins = self.max_lines == 0;
        self.max_lines = lines;
        let surplus = self.lines.len().saturating_sub(lines);
        self.lines.drain(..surplus);
        if begins {
            opening.iter().for_each(|line| self.store(line.clone()));
        }
    }

    /// Writes lines to `sink` from now on, `opening` first. Returns the sink that was there before: the caller drops it
    /// when nothing of the world is borrowed, because its drop may run code of a program.
    pub(super) fn write_to(&mut self, sink: Sink, opening: &[String]) -> Option<Sink> {
        let before = self.sink.replace(sink);
        opening.iter().for_each(|line| self.send(line));
        before
    }

    /// Stops reporting, writing and keeping lines. Returns the sink, as [`write_to`](Trace::write_to) does.
    pub(super) fn close(&mut self) -> Option<Sink> {
        self.max_lines = 0;
        if let Some(stream) = self.stream.take() {
            stream.hosts.values().for_each(|scope| scope.end());
            stream.world.end();
        }
        self.sink.take()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Whether anybody reads the lines. If not, none are made: formatting is slow.
    pub(super) fn is_read(&self) -> bool {
        self.max_lines > 0 || self.sink.is_some() || self.stream.is_some()
    }

    /// One step of FNV-1a, for a word instead of a byte. The shift brings the high bits down: the next multiplication
    /// would otherwise never move them to the low ones.
    #[inline]
    fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash = mixed ^ (mixed >> 29);
    }

    /// Makes these bytes count in the hash.
    pub(super) fn mix_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    /// Records what `host` did. `detail` is only for the reader of the line: the hash does not cover it.
    #[inline]
    pub(super) fn record(&mut self, time: u64, host: u32, record: Record, detail: &str, name: impl Fn(u32) -> String) {
        self.mix(time);
        let host_and_other = u64::from(host) << 32 | u64::from(record.other.unwrap_or(u32::MAX));
        self.mix(host_and_other);
        self.mix(u64::from(record.connection.unwrap_or(u32::MAX)) << 32 | record.action as u64);
        self.mix(record.number);
        if self.is_read() {
            let other = record.other.or_else(|| record.datagram?.other);
            let (at, other, words) = (name(host), other.map(&name), text(record, detail, &name));
            self.tell(
                time,
                Some(host),
                &Network {
                    at: &at,
                    what: &record.what(),
                    link: record.connection,
                    datagram: record.datagram.map(|datagram| datagram.number),
                    count: record.number,
                    other: other.as_deref(),
                    words: &words,
                },
            );
        }
    }

    /// Records something said about the world, or by one of its hosts.
    pub(super) fn say(&mut self, time: u64, speaker: &str, what: &str) {
        self.mix(time);
        self.mix_bytes(speaker.as_bytes());
        self.mix_bytes(what.as_bytes());
        if self.is_read() {
            let said =
                Network { at: speaker, what: "say", link: None, datagram: None, count: 0, other: None, words: what };
            self.tell(time, None, &said);
        }
    }

    /// The first bytes of a write in quotes. If there is a stream, it has no more of them than the stream shows of a
    /// write, with the secrets masked.
    pub(super) fn excerpt(&self, bytes: impl ExactSizeIterator<Item = u8>) -> String {
        let Some(Stream { world, .. }) = &self.stream else { return excerpt(bytes) };
        let (len, mut text) = (bytes.len(), String::new());
        let first: Vec<u8> = bytes.take(world.read_ahead()).collect();
        world.with_bytes(&first, |bytes| {
            let shown = &bytes.shown[..bytes.shown.len().min(MAX_EXCERPT)];
            if !shown.is_empty() {
                text = quoted(shown.iter().copied(), shown.len() < len);
            }
        });
        text
    }

    /// Tells the stream, inside the turn of `host` if it takes one, and the two that read lines.
    #[cold]
    fn tell(&mut self, time: u64, host: Option<u32>, event: &Network<'_>) {
        let mut masked = None;
        if let Some(stream) = &self.stream {
            let scope = host.and_then(|host| stream.hosts.get(&host)).unwrap_or(&stream.world);
            masked = scope.trace().masked_words(event.words);
            scope.emit(Kind::Network(*event));
        }
        if self.max_lines > 0 || self.sink.is_some() {
            let line = line(time, event.at, masked.as_deref().unwrap_or(event.words));
            self.send(&line);
            self.store(line);
        }
    }

    fn send(&mut self, line: &str) {
        if let Some(sink) = &mut self.sink
            && let Err(error) = writeln!(sink, "{line}")
        {
            tell!(Warn, "reactor", "the trace cannot be written: {error}");
            self.sink = None;
        }
    }

    fn store(&mut self, line: String) {
        if self.max_lines > 0 {
            if self.lines.len() >= self.max_lines {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
        }
    }
}

/// One line of the trace. It stays one line: a line break in `what` is shown as `\n`.
pub(super) fn line(time: u64, speaker: &str, what: &str) -> String {
    let what = what.replace('\n', "\\n");
    format!("{:>6}.{:09} {speaker:<10} {what}", time / NANOSECONDS_A_SECOND, time % NANOSECONDS_A_SECOND)
}

/// A time of day, as a line shows it: in seconds, to the nanosecond.
pub(super) fn time_of_day(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09} s after 1970", since.as_secs(), since.subsec_nanos())
}

#[cold]
fn text(record: Record, detail: &str, name: impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    for char in record.action.template().chars() {
        // Writing to a String cannot fail.
        let _ = match char {
            '#' => write!(text, "#{}", record.connection.unwrap_or_default()),
            '%' => write!(text, "{}", record.number),
            '@' => write!(text, "{}", record.other.map(&name).unwrap_or_default()),
            other => write!(text, "{other}"),
        };
    }
    if !detail.is_empty() {
        text.push_str(": ");
        text.push_str(detail);
    }
    text
}

/// The first bytes of a text in quotes, as a line shows them.
pub(super) fn excerpt(bytes: impl ExactSizeIterator<Item = u8>) -> String {
    let is_cut = bytes.len() > MAX_EXCERPT;
    quoted(bytes.take(MAX_EXCERPT), is_cut)
}

fn quoted(bytes: impl Iterator<Item = u8>, is_cut: bool) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        text.extend(byte.escape_ascii().map(char::from));
    }
    text + "\"" + if is_cut { " ..." } else { "" }
}
