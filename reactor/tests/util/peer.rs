//! The other side: blocking code in a thread of its own, while the loop under test turns here.

use crate::util::{PATIENCE, until};
use reactor::Reactor;
use std::io;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs `work`, which may block, while the loop takes turns; gives what it gives, or panics as it did.
#[track_caller]
pub(crate) fn meanwhile<T: Send + 'static>(reactor: &Reactor, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (handle, (sender, receiver)) = (reactor.handle(), mpsc::channel());
    thread::spawn(move || {
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        let _ = handle.call_from_thread(|_| {}); // So that the loop looks.
    });
    let mut result = None;
    until(reactor, "the work of the other side", || {
        result = receiver.try_recv().ok();
        result.is_some()
    });
    result.expect("it is here").unwrap_or_else(|panic| resume_unwind(panic))
}

/// Makes a blocking `stream`, connected or accepted, fail instead of blocking for ever.
pub(crate) fn patient<S: TimeLimits>(stream: io::Result<S>) -> S {
    let stream = stream.unwrap();
    stream.limit(PATIENCE).unwrap();
    stream
}

/// A blocking stream with time limits for reads and writes.
pub(crate) trait TimeLimits {
    fn limit(&self, time: Duration) -> io::Result<()>;
}

impl TimeLimits for TcpStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

#[cfg(unix)]
impl TimeLimits for std::os::unix::net::UnixStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}
