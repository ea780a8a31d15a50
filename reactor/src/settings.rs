//! [`Settings`]: the limits of one reactor, each with its reason.
//!
//! Next: `event_loop/mod.rs`, the loop that keeps these limits.

use std::time::Duration;

/// The limits of one reactor. The defaults suit a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// A callback that runs longer than this is logged, with its name and its time: everything else had to wait for it.
    /// Default 50 ms.
    pub slow_callback: Duration,
    /// After `lose_connection`: when none of the last bytes has left for this long, the connection is aborted. Either
    /// the peer does not take them, or a registered producer does not write them. After `lose_write_connection`, only
    /// the producer has this limit. Default 30 s.
    pub close_timeout: Duration,
    /// Maximum time for which the socket of a closed connection lingers until its peer has closed, too. See
    /// [`Transport::linger_on_close`](crate::Transport::linger_on_close). Default 5 s: enough for a slow link, and a
    /// peer that never closes holds a descriptor no longer.
    pub linger_timeout: Duration,
    /// How long a reactor that stops waits for its connections to send their last bytes. Then it aborts them. Default
    /// 2 s.
    pub stop_timeout: Duration,
    /// How long a reactor that stops waits for the Deferreds that its triggers of the phase
    /// [`Before`](crate::Phase::Before) returned. Then it goes on without them. Default 20 s: a supervisor usually
    /// gives a process 30 s to end.
    pub trigger_timeout: Duration,
    /// How long a reactor that stops waits for the work of
    /// [`defer_to_thread`](crate::Reactor::defer_to_thread) that has begun. Then it goes on without: the log says how
    /// many threads are busy, and the end of the process cuts their work off. The time begins when the connections are
    /// told to end. Default 5 s: with the 20 s of [`trigger_timeout`](Settings::trigger_timeout) still within the usual
    /// 30 s.
    pub thread_timeout: Duration,
    /// Maximum number of threads for [`defer_to_thread`](crate::Reactor::defer_to_thread); 0 counts as 1. They are
    /// started when work needs them. Default 10, as in Twisted.
    pub max_threads: usize,
    /// How long the look-up of a host name may take. Default 10 s.
    pub lookup_timeout: Duration,
    /// How long the addresses of a host name are used again without another look-up. The system does not say how long
    /// they hold, so this is short. Default 5 s; with zero, only callers that wait at the same time share an answer.
    pub lookup_kept: Duration,
    /// How long a failed look-up is reported again without another one. It keeps a caller that tries again in a loop
    /// from asking the name server each time. Default 1 s.
    pub failed_lookup_kept: Duration,
    /// Maximum number of connections that one port accepts before the loop goes on to other work, so that a flood of
    /// new clients does not starve the old ones. Default 64.
    pub max_accepts_at_once: usize,
    /// Maximum number of datagrams that one UDP port receives before the loop goes on to other work. 0 counts as 1.
    /// Default 64.
    pub max_datagrams_at_once: usize,
    /// Maximum number of reads, of up to 64 KiB each, from one connection before the loop goes on to other work, so
    /// that a busy client does not starve the others. A connection has this budget twice in a turn at most: for its
    /// event, and at the turn's end for what it could not finish. Default 4.
    pub max_reads_at_once: usize,
    /// When a port that ran out of descriptors tries again to accept. Default 200 ms.
    pub accept_retry: Duration,
    /// Whether `run` catches SIGINT and SIGTERM and stops on them. Default true. On Linux, a SIGINT that the process
    /// ignores from its start, because a script runs it in the background, stays ignored, as in Twisted. On Windows no
    /// signal is caught: Ctrl-C ends the process.
    pub catch_signals: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            slow_callback: Duration::from_millis(50),
            close_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(2),
            trigger_timeout: Duration::from_secs(20),
            thread_timeout: Duration::from_secs(5),
            max_threads: 10,
            lookup_timeout: Duration::from_secs(10),
            lookup_kept: Duration::from_secs(5),
            failed_lookup_kept: Duration::from_secs(1),
            max_accepts_at_once: 64,
            max_datagrams_at_once: 64,
            max_reads_at_once: 4,
            accept_retry: Duration::from_millis(200),
            catch_signals: true,
        }
    }
}
