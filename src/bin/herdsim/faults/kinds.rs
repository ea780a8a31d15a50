//! The kinds of faults.

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing gets from one server to another; the other way is open.
    CutOneWay,
    /// Nothing gets through between two servers.
    CutBothWays,
    /// The herd falls into two parts.
    Partition,
    /// All connections between two servers are reset.
    Reset,
    /// A machine fails, and comes back later.
    Crash,
    /// A program is killed, and started again later.
    Kill,
    /// A program is asked to stop, and started again later.
    Stop,
    /// A program stands still.
    Pause,
    /// A clock is set to another time.
    ClockJump,
    /// A link becomes slow, narrow and lossy.
    SlowLink,
    /// A server runs out of descriptors.
    FewDescriptors,
    /// A server's name cannot be looked up.
    Names,
    /// Somebody on a neighbour's machine says what only the neighbour may say.
    Forger,
    /// Nothing gets through between a client and a server.
    ClientCut,
    /// All connections between a client and a server are reset.
    ClientReset,
    /// A client's way to a server, or back, becomes slow, narrow and lossy.
    ClientSlow,
    /// So many connect to a server at once, while it stands still, that they fill its backlog.
    Crowd,
}

/// Those that many runs have; a [`Fault::Crowd`] costs as much as all else in a run.
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
    /// The others concern a client, or one server.
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

    /// Whether it may last until everything heals. What a client and a server notice of each other takes long to get
    /// well again, and a crowd is there for as long as a server stands still.
    pub(crate) fn may_last(self) -> bool {
        self.is_between_servers()
            || matches!(self, Fault::Crash | Fault::Kill | Fault::Stop | Fault::Pause | Fault::Names)
    }
}
