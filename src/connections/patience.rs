//! [`Patience`]: how long a server waits for one peer. Times and counts in, a verdict out.
//!
//! Next: [`connections/share.rs`](../../../src/proxyherd/connections/share.rs.html), what one address may have at once.

use std::time::{Duration, Instant};

/// How long a peer may leave bytes unread.
pub(super) const UNREAD: Duration = Duration::from_secs(30);

/// How long a client may need for one line.
pub(super) const SLOW_LINE: Duration = Duration::from_secs(30);

/// What a sweep decides about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Keep,
    /// Everything written still goes out.
    Close(&'static str),
    CutOff(&'static str),
}

/// What the last sweeps have seen of one connection.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// The number of its lines at the last sweep, and since when it has not changed.
    lines: u64,
    quiet_since: Instant,
    /// Since when a line has been unfinished.
    partial_since: Option<Instant>,
    /// How many bytes the peer had taken at the last sweep, and since when it takes no more although some wait.
    taken: u64,
    unread_since: Option<Instant>,
}

impl Patience {
    /// A connection that was made now.
    pub(super) fn new(now: Instant) -> Patience {
        Patience { lines: 0, quiet_since: now, partial_since: None, taken: 0, unread_since: None }
    }

    /// How long the client has sent no line.
    pub(super) fn idle_for(&self, now: Instant, lines: u64) -> Duration {
        if lines == self.lines { now.saturating_duration_since(self.quiet_since) } else { Duration::ZERO }
    }

    /// A client: it has sent `lines` lines, and `partial` bytes of another. `written` is the number of bytes that were
    /// written to it, and `taken` how many of them have left.
    pub(super) fn judge_client(
        &mut self,
        now: Instant,
        idle: Duration,
        lines: u64,
        partial: usize,
        is_owing: bool,
        (written, taken): (u64, u64),
    ) -> Decision {
        // While it is owed something it is not idle: it may be waiting for us.
        if lines != self.lines || is_owing {
            (self.lines, self.quiet_since) = (lines, now);
            self.partial_since = None;
        }
        if partial == 0 {
            self.partial_since = None;
        }
        let slow = partial > 0 && now.saturating_duration_since(*self.partial_since.get_or_insert(now)) >= SLOW_LINE;
        match self.judge_neighbor(now, (written, taken)) {
            Decision::Keep if slow => Decision::CutOff("a line took it more than 30 s"),
            Decision::Keep if now.saturating_duration_since(self.quiet_since) >= idle => Decision::Close("it was idle"),
            verdict => verdict,
        }
    }

    /// A neighbor: only whether it reads.
    pub(super) fn judge_neighbor(&mut self, now: Instant, (written, taken): (u64, u64)) -> Decision {
        if taken != self.taken || written == taken {
            self.taken = taken;
            self.unread_since = None;
        }
        if written > taken && now.saturating_duration_since(*self.unread_since.get_or_insert(now)) >= UNREAD {
            return Decision::CutOff("it has read nothing for 30 s, and bytes wait for it");
        }
        Decision::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(600);
    const NOTHING: (u64, u64) = (0, 0);

    /// A sweep every five seconds. Returns the first verdict that is not to keep it, and after how many seconds.
    fn first(mut sweep: impl FnMut(&mut Patience, Instant, u64) -> Decision) -> Option<(u64, Decision)> {
        let start = Instant::now();
        let mut patience = Patience::new(start);
        let seconds = (5..2000).step_by(5);
        seconds
            .map(|second| (second, sweep(&mut patience, start + Duration::from_secs(second), second)))
            .find(|(_, verdict)| *verdict != Decision::Keep)
    }

    #[test]
    fn an_idle_client_is_closed_when_its_time_is_over() {
        let found = first(|patience, now, _| patience.judge_client(now, IDLE, 0, 0, false, NOTHING));
        assert_eq!(found, Some((600, Decision::Close("it was idle"))));
    }

    #[test]
    fn a_line_or_a_debt_starts_the_time_anew() {
        let lines = first(|patience, now, second| patience.judge_client(now, IDLE, second / 300, 0, false, NOTHING));
        assert_eq!(lines, None);
        let owing = first(|patience, now, second| patience.judge_client(now, IDLE, 0, 0, second < 1000, NOTHING));
        assert_eq!(owing, Some((1595, Decision::Close("it was idle"))));
    }

    #[test]
    fn an_unfinished_line_has_its_time() {
        let found = first(|patience, now, second| {
            let partial = if second < 100 { 0 } else { 7 };
            patience.judge_client(now, IDLE, 1, partial, false, NOTHING)
        });
        assert_eq!(found, Some((130, Decision::CutOff("a line took it more than 30 s"))));
        // Each sweep sees a part of another line.
        let busy = first(|patience, now, second| patience.judge_client(now, IDLE, second, 7, false, NOTHING));
        assert_eq!(busy, None);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_cut_off_and_one_that_takes_a_byte_is_not() {
        let cut = Decision::CutOff("it has read nothing for 30 s, and bytes wait for it");
        let found = first(|patience, now, _| patience.judge_client(now, IDLE, 1, 0, true, (100, 40)));
        assert_eq!(found, Some((35, cut)));
        let found = first(|patience, now, _| patience.judge_neighbor(now, (100, 40)));
        assert_eq!(found, Some((35, cut)));
        let slow = first(|patience, now, second| patience.judge_neighbor(now, (5000, second / 25)));
        assert_eq!(slow, None);
    }
}
