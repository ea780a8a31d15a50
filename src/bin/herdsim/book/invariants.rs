//! [`Invariant`]: what must hold in every run, by name.

use std::fmt;
use std::time::Duration;

/// Within this time after everything has healed all servers must know the same, if news gets around at once: a link
/// may need 14 s to notice that it is dead, and up to 5 s each for an attempt and for the wait before it. Herds in
/// which news has far to go get [`DELAYS_A_LINK`] more for each link on the longest way.
pub(crate) const CONVERGES_WITHIN: Duration = Duration::from_secs(30);

/// So many average delays of a link may pass before what one server knows is known to the next. Delays have long tails,
/// and what follows a slow segment waits for it.
pub(crate) const DELAYS_A_LINK: u32 = 4;

/// For this long at the end nobody may have told anybody anything.
pub(crate) const QUIET: Duration = Duration::from_secs(60);

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// After everything has healed, all servers know the same to the byte: of each client, the newest version that any
    /// live server held.
    Converges,
    /// By then every link is up, too, and each neighbour connected exactly once.
    Linked,
    /// AT lines are no more than what versions, older arrivals, new links, ended connections and restarts account for,
    /// over all and for each server, neighbour and client.
    MessageBound,
    /// A neighbour that says something old is sent the newer, unless its link comes up anew.
    AnswersOlder,
    /// When nothing is new, nothing is told.
    FallsSilent,
    /// What a client was told is known is lost only if every server that held it died.
    KeepsAcknowledged,
    /// What a server knows of a client only ever becomes newer; nor does a connection hear anything older than what it
    /// has said.
    NeverBackwards,
    /// The same seed gives the same run.
    SameAgain,
    /// Every command has one reply, of its kind, and they come in the order of the commands. What they say is so: the
    /// difference of an AT, the places near it.
    RepliesInOrder,
    /// What waits for a neighbour is at most one entry for each client, and a buffer that is filled up to its limit.
    BoundedWaiting,
    /// Nobody is left waiting: every question to the Places service has had an answer.
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
            Invariant::Linked => "one link each way between neighbours",
            Invariant::MessageBound => "message bound",
            Invariant::AnswersOlder => "the newer for the older",
            Invariant::FallsSilent => "silence at the end",
            Invariant::KeepsAcknowledged => "acknowledged locations",
            Invariant::NeverBackwards => "never backwards",
            Invariant::SameAgain => "determinism",
            Invariant::RepliesInOrder => "replies in order, one for each command",
            Invariant::BoundedWaiting => "one entry for each client and neighbour, and bounded buffers",
            Invariant::NothingUnfired => "no Deferred left unfired",
            Invariant::NothingLeft => "no timer or connection left after a stop",
            Invariant::NoPanic => "no panic",
        })
    }
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
    /// When, in the world's time.
    pub at: Duration,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
