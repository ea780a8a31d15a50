//! [`Invariant`]: what must hold in every run, by name.
//!
//! Next: `life.rs`, the account of one server.

use std::fmt;
use std::time::Duration;

/// Within this time after everything has healed, all servers must know the same, in a herd in which news spreads at
/// once. A link may need 14 s to notice that it is dead, and up to 5 s each for the backoff and for the attempt. News
/// takes time on its way, so a herd gets [`DELAYS_A_LINK`] more for each link on the longest way.
pub(crate) const CONVERGES_WITHIN: Duration = Duration::from_secs(30);

/// Maximum time until a neighbor knows what a server knows, in average delays of a link. Delays have long tails, and
/// what follows a slow segment waits for it.
pub(crate) const DELAYS_A_LINK: u32 = 4;

/// A small table is swept every five seconds, and a sweep may have begun just before something became too old.
pub(crate) const FORGETS_WITHIN: Duration = Duration::from_secs(11);

/// How long all servers must be silent at the end.
pub(crate) const QUIET: Duration = Duration::from_secs(60);

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// After everything has healed, all servers know the same, byte for byte: the newest version of each client that
    /// any running server held. Beside a store, no server has anything that the store has not.
    Converges,
    /// By then every link is up, and each neighbor is connected exactly once.
    Linked,
    /// No more AT lines are sent than versions, older arrivals, new links, ended connections and restarts account for:
    /// in all, and for each server, neighbor and client.
    MessageBound,
    /// A neighbor that says something old is sent the newer version, unless our link to it comes up anew.
    AnswersOlder,
    /// A server that is suspended is given up by its neighbors.
    NoticesFrozen,
    /// When there is no news, nothing is sent.
    FallsSilent,
    /// A location that was acknowledged to a client is lost only if every server that held it died.
    KeepsAcknowledged,
    /// What a store beside the herd has confirmed to a server is on the store's primary and on as many replicas as it
    /// must wait for.
    StoreConfirms,
    /// What the store has confirmed is lost only with every server of the store that had it.
    StoreKeeps,
    /// No server shows what it has read in the store long after it was replaced there.
    StoreFresh,
    /// No client waits for the store longer than the store's `timeout`.
    NobodyWaits,
    /// What is forgotten is gone: no server keeps it, and a table that was full is equal to the others.
    Forgets,
    /// What a server knows of a client only ever becomes newer. No client hears something older than what it has said
    /// or heard on the same connection.
    NeverBackwards,
    /// The same seed gives the same run.
    SameAgain,
    /// Every command has one reply of its kind, in the order of the commands. The replies are right: the difference in
    /// an AT, the places near a client.
    RepliesInOrder,
    /// At most one entry for each client waits for a neighbor, and the send buffer keeps to its limit.
    BoundedWaiting,
    /// Every question to the Places service has had an answer.
    NothingUnfired,
    /// After an orderly stop nothing is left: no timer, no connection.
    NothingLeft,
    /// No code panics.
    NoPanic,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::Converges => "convergence",
            Invariant::Linked => "one link each way between neighbors",
            Invariant::MessageBound => "message bound",
            Invariant::AnswersOlder => "the newer for the older",
            Invariant::NoticesFrozen => "a frozen neighbor is noticed",
            Invariant::FallsSilent => "silence at the end",
            Invariant::KeepsAcknowledged => "acknowledged locations",
            Invariant::StoreConfirms => "what the store confirms is on its replicas",
            Invariant::StoreKeeps => "a confirmed location outlives the store's primary",
            Invariant::StoreFresh => "what is read in the store is not old",
            Invariant::NobodyWaits => "nobody waits longer than timeout",
            Invariant::Forgets => "what is forgotten is gone",
            Invariant::NeverBackwards => "never backwards",
            Invariant::SameAgain => "determinism",
            Invariant::RepliesInOrder => "replies in order, one for each command",
            Invariant::BoundedWaiting => "one entry for each client and neighbor, and bounded buffers",
            Invariant::NothingUnfired => "no Deferred left unfired",
            Invariant::NothingLeft => "no timer or connection left after a stop",
            Invariant::NoPanic => "no panic",
        })
    }
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
    /// When it was seen, in the world's time.
    pub at: Duration,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
