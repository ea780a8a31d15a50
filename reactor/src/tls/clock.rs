//! [`TlsClock`]: the time, as TLS needs it. It is all that TLS asks of the world, so it runs on a reactor, in a
//! simulation and in a test alike.
//!
//! It must not keep its reactor alive. A reactor holds its connections, and they hold the protocols of this folder; a
//! strong reference back would close a cycle that is never freed.
//!
//! Next: `config_error.rs`, what can be wrong with what an end is given.

use crate::DelayedCall;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// What gives TLS its time. Once it is gone, so are its connections, and the time does not matter any more.
pub trait TimeSource {
    /// Makes `call` when `after` has passed, never before this returns. `None` if the source is gone.
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall>;

    /// The time of day, for the dates in certificates. `None` if the source is gone.
    fn system_time(&self) -> Option<SystemTime>;
}

/// Timers and the time of day for TLS sessions. Made from a `&Reactor`; cheap to clone.
#[derive(Clone)]
pub struct TlsClock {
    source: Rc<dyn TimeSource>,
    close_timeout: Duration,
}

impl TlsClock {
    /// A clock that asks `source`. A connection that closes waits at most `close_timeout` for a handshake that still
    /// has to carry its last bytes.
    pub fn new(source: impl TimeSource + 'static, close_timeout: Duration) -> TlsClock {
        TlsClock { source: Rc::new(source), close_timeout }
    }

    pub(super) fn call_later(&self, after: Duration, call: impl FnOnce() + 'static) -> Option<DelayedCall> {
        self.source.call_later(after, Box::new(call))
    }

    pub(super) fn system_time(&self) -> Option<SystemTime> {
        self.source.system_time()
    }

    pub(super) fn close_timeout(&self) -> Duration {
        self.close_timeout
    }
}

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClock")
    }
}
