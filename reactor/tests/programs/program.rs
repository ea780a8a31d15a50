//! [`Program`]: what two hosts and the network between them do, as data: so that it can be drawn from a seed, printed,
//! and made smaller.
//!
//! A host does something only inside a callback. A [`Rule`] says what it does in the nth callback of one kind. Every
//! kind of callback may do everything.

use reactor::Phase;
use std::fmt;

/// The kinds of callback, and the two moments outside of the loop in which a program acts as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Before the reactor runs.
    Boot,
    /// A step of the script, outside of the loop.
    Outside,
    ConnectionMade,
    HandshakeCompleted,
    DataReceived,
    ReadingResumed,
    ReadConnectionLost,
    ReactorStopping,
    ConnectionLost,
    ProtocolDropped,
    StartFactory,
    BuildProtocol,
    StopFactory,
    FactoryDropped,
    /// The Deferred of `stop_listening` fires.
    PortStopped,
    StartedConnecting,
    BuildClient,
    ConnectionFailed,
    ClientLost,
    /// The Deferred of `Reactor::connect` fires.
    Connected,
    Timer,
    TimerDropped,
    Soon,
    Deferred,
    Canceller,
    PauseProducing,
    ResumeProducing,
    StopProducing,
    ProducerDropped,
    UdpStarted,
    Datagram,
    UdpStopped,
    UdpDropped,
    /// The Deferred of a UDP port's `stop_listening` fires.
    UdpClosed,
    Before,
    During,
    After,
}

impl Kind {
    /// All in which a drawn program acts.
    pub(crate) const ALL: [Kind; 37] = {
        use Kind::*;
        [
            Boot,
            Outside,
            ConnectionMade,
            HandshakeCompleted,
            DataReceived,
            ReadingResumed,
            ReadConnectionLost,
            ReactorStopping,
            ConnectionLost,
            ProtocolDropped,
            StartFactory,
            BuildProtocol,
            StopFactory,
            FactoryDropped,
            PortStopped,
            StartedConnecting,
            BuildClient,
            ConnectionFailed,
            ClientLost,
            Connected,
            Timer,
            TimerDropped,
            Soon,
            Deferred,
            Canceller,
            PauseProducing,
            ResumeProducing,
            StopProducing,
            ProducerDropped,
            UdpStarted,
            Datagram,
            UdpStopped,
            UdpDropped,
            UdpClosed,
            Before,
            During,
            After,
        ]
    };

    /// A value of the program is dropped.
    pub(crate) fn is_drop(self) -> bool {
        use Kind::*;
        matches!(self, ProtocolDropped | FactoryDropped | TimerDropped | ProducerDropped | UdpDropped)
    }
}

/// Names a thing of the host among those of its kind, in the order in which they came to be. Beyond the last one it
/// counts on from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// That of the running callback, or the last one.
    Own,
    Nth(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Write(Which, u32),
    /// In one write, of this number of pieces.
    WritePieces(Which, u8),
    Lose(Which),
    HalfClose(Which),
    Abort(Which),
    Pause(Which),
    Resume(Which),
    PauseWhenFull(Which, bool),
    SetMaxBuffered(Which, u32),
    Linger(Which),
    /// On a connection that was not made for it: an error, and nothing else.
    StartTls(Which),
    Register(Which, ProducerShape),
    Unregister(Which),
    Listen(u8),
    StopListening(Which),
    Connect(u8),
    /// Through a Deferred.
    ConnectOnce(u8),
    CancelConnect(Which),
    Reconnect(Which),
    StopConnecting(Which),
    Disconnect(Which),
    /// In `build_protocol`: returns `None`.
    Refuse,
    Later(u32),
    CancelTimer(Which),
    ResetTimer(Which, u32),
    DelayTimer(Which, u32),
    Soon,
    NewDeferred(u8),
    Fire(Which),
    Fail(Which),
    Cancel(Which),
    OpenUdp(u8),
    Send(Which, u8, u16),
    CloseUdp(Which),
    AddTrigger(Phase, TriggerResult),
    RemoveTrigger(Which),
    /// Must be refused: the loop runs.
    Run,
    Iterate,
    Stop,
    Panic,
}

/// What a producer does on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerShape {
    pub(crate) is_pull: bool,
    pub(crate) pieces: u8,
    pub(crate) piece: u32,
    /// Whether it unregisters after its last piece.
    pub(crate) ends: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TriggerResult {
    Nothing,
    /// A Deferred that has not fired: one of the host's.
    Deferred,
}

/// What a host does in its nth callback of a kind; the first is number 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) host: usize,
    pub(crate) kind: Kind,
    pub(crate) nth: u32,
    pub(crate) actions: Vec<Action>,
}

/// What happens to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing gets from this host to the other.
    Cut(usize),
    Heal,
    /// All connections between the two hosts are reset.
    Reset,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) seed: u64,
    pub(crate) network: NetworkShape,
    pub(crate) rules: Vec<Rule>,
    /// When, in milliseconds.
    pub(crate) faults: Vec<(u32, Fault)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetworkShape {
    /// In microseconds.
    pub(crate) latency: (u32, u32),
    pub(crate) segment: usize,
    pub(crate) split: u32,
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    pub(crate) buffer: usize,
    /// Maximum number of descriptors that each host may have.
    pub(crate) descriptors: usize,
    /// Whether the hosts speak TLS.
    pub(crate) is_secure: bool,
    /// Whether they begin it in the middle of the connection, with `start_tls`.
    pub(crate) starts_tls: bool,
    /// Whether their protocols are those of lines.
    pub(crate) has_lines: bool,
}

/// The number of hosts.
pub(crate) const HOSTS: usize = 2;
/// How often each host runs its reactor.
pub(crate) const RUNS: u32 = 2;

impl Program {
    pub(crate) fn actions(&self, host: usize, kind: Kind, nth: u32) -> Option<&[Action]> {
        let is_it = |rule: &&Rule| rule.host == host && rule.kind == kind && rule.nth == nth;
        self.rules.iter().find(is_it).map(|rule| &rule.actions[..])
    }

    pub(crate) fn action_count(&self) -> usize {
        self.rules.iter().map(|rule| rule.actions.len()).sum()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?}", self.seed, self.network)?;
        for (at, fault) in &self.faults {
            writeln!(f, "at {at} ms: {fault:?}")?;
        }
        for Rule { host, kind, nth, actions } in &self.rules {
            writeln!(f, "host {host}, {kind:?} {nth}: {actions:?}")?;
        }
        Ok(())
    }
}
