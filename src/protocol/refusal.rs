//! [`Refusal`]: why a server does not carry out a command.
//!
//! Next: `deciding.rs`, when a look-up decides who a peer is.

use crate::counters::Refused;
use crate::log_file::Traffic;
use crate::message::Malformed;
use crate::server::{Doubt, NotTaken, Server};
use log::Level;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// Why a command is refused. The log says it, at the level debug if it is the peer's fault; the peer only gets its line
/// back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed(Malformed),
    /// The time of an IAMAT is more than this ahead of our clock.
    TooFarAhead(Duration),
    /// An IAMAT of a new client, or a FORGET, that the server does not take.
    NotTaken(NotTaken),
    /// A FORGET from another machine.
    NotFromHere,
    /// A WHATSAT about a client of which nobody has told us.
    UnknownClient,
    /// The same, while the store does not answer, which may know the client.
    StoreIsAway,
    /// An AT, a FORGOT or a HORIZON from an address that is not a neighbor's; a DIGEST from one that has not said PEER.
    NotFromANeighbor,
    /// An AT that cannot be what it says.
    Doubtful(Doubt),
    /// A PEER that is not the first line.
    PeerNotFirst,
    /// A PEER with a name that is not a neighbor's.
    NotANeighbor,
    /// A PEER from a peer that has not proved its name with a certificate.
    NotProved,
}

impl Refusal {
    /// As what it is counted.
    pub(super) fn counted(self) -> Refused {
        match self {
            Refusal::Malformed(_) => Refused::Malformed,
            Refusal::TooFarAhead(_) => Refused::TooFarAhead,
            Refusal::UnknownClient | Refusal::StoreIsAway | Refusal::NotTaken(NotTaken::Unknown) => {
                Refused::UnknownClient
            }
            Refusal::NotTaken(_) => Refused::NotTaken,
            Refusal::NotFromHere | Refusal::NotFromANeighbor => Refused::WrongAddress,
            Refusal::Doubtful(_) => Refused::Doubtful,
            Refusal::PeerNotFirst | Refusal::NotANeighbor | Refusal::NotProved => Refused::NotAPeer,
        }
    }
}

/// What is needed to refuse a command, at once or later.
pub(super) struct Refusing {
    pub(super) server: Rc<Server>,
    pub(super) peer: Option<IpAddr>,
    pub(super) traffic: Traffic,
}

impl Refusing {
    /// Counts and logs the refusal of a line, and returns the reply.
    pub(super) fn refuse(&self, line: &[u8], why: &Refusal) -> Vec<u8> {
        self.server.counters().refuse(why.counted());
        self.server.watch().refused(line, self.peer, why);
        // A store that is away is nothing that the client has done.
        let is_ours = matches!(why, Refusal::StoreIsAway | Refusal::NotTaken(NotTaken::NoStore));
        let level = if is_ours { Level::Info } else { Level::Debug };
        self.traffic.event(level, format_args!("is refused: {why}"));
        [b"? ", line, b"\n"].concat()
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Malformed(wrong) => wrong.fmt(f),
            Refusal::TooFarAhead(most) => write!(f, "the time is more than {most:?} ahead of our clock"),
            Refusal::NotTaken(why) => why.fmt(f),
            Refusal::NotFromHere => f.write_str("a FORGET comes from this machine, and this one does not"),
            Refusal::UnknownClient => f.write_str("the client is not known"),
            Refusal::StoreIsAway => f.write_str("the client is not known here, and the store does not answer"),
            Refusal::NotFromANeighbor => f.write_str("only a neighbor says this, and this is not one's address"),
            Refusal::Doubtful(doubt) => doubt.fmt(f),
            Refusal::PeerNotFirst => f.write_str("PEER is not the first line"),
            Refusal::NotANeighbor => f.write_str("PEER does not name a neighbor"),
            Refusal::NotProved => f.write_str("PEER needs a certificate for its name, shown at our `link`"),
        }
    }
}
