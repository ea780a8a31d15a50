//! The kinds of faults, and where each may happen.
//!
//! Next: `by_hand.rs`, the same for a person.

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing gets from one server to another; the opposite direction is open.
    CutOneWay,
    /// Nothing gets through between two servers.
    CutBothWays,
    /// The network splits the herd into two parts.
    Partition,
    /// All connections between two servers are reset.
    Reset,
    /// A machine fails, and comes back later.
    Crash,
    /// A program is killed, and started again later.
    Kill,
    /// A program is asked to stop, and started again later.
    Stop,
    /// A program is suspended.
    Pause,
    /// A clock is set to another time.
    ClockJump,
    /// A link becomes slow, narrow and lossy.
    SlowLink,
    /// A server runs out of descriptors.
    FewDescriptors,
    /// A server's name cannot be looked up.
    Names,
    /// An impostor on a neighbor's machine says what only the neighbor may say.
    Forger,
    /// Nothing gets through between a client and a server.
    ClientCut,
    /// All connections between a client and a server are reset.
    ClientReset,
    /// A client's way to a server, or back, becomes slow, narrow and lossy.
    ClientSlow,
    /// While a server is suspended, more peers connect to it than its backlog holds.
    Crowd,
}

/// The kinds that many runs have. [`Fault::Crowd`] is not among them: it costs as much as the rest of a run.
pub(crate) const COMMON: [Fault; 16] = [
    Fault::CutOneWay,
    Fault::CutBothWays,
    Fault::Partition,
    Fault::Reset,
    Fault::Crash,
    Fault::Kill,
    Fault::Stop,
    Fault::Pause,
    Fault::ClockJump,
    Fault::SlowLink,
    Fault::FewDescriptors,
    Fault::Names,
    Fault::Forger,
    Fault::ClientCut,
    Fault::ClientReset,
    Fault::ClientSlow,
];

impl Fault {
    /// Whether the fault is between two servers. The others concern a client, or one server.
    pub(crate) fn is_between_servers(self) -> bool {
        match self {
            Fault::CutOneWay
            | Fault::CutBothWays
            | Fault::Partition
            | Fault::Reset
            | Fault::SlowLink
            | Fault::Forger => true,
            Fault::Crash
            | Fault::Kill
            | Fault::Stop
            | Fault::Pause
            | Fault::ClockJump
            | Fault::FewDescriptors
            | Fault::Names
            | Fault::ClientCut
            | Fault::ClientReset
            | Fault::ClientSlow
            | Fault::Crowd => false,
        }
    }

    /// Whether the fault may last until everything heals. A client and a server need long to recover from a fault
    /// between them, and a crowd waits for as long as its server is suspended.
    pub(crate) fn may_last(self) -> bool {
        self.is_between_servers()
            || matches!(self, Fault::Crash | Fault::Kill | Fault::Stop | Fault::Pause | Fault::Names)
    }
}
