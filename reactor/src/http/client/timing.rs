//! [`RequestTiming`]: when a request reached each of its steps, for programs that show or measure that.
//!
//! Next: `exchange.rs`, one request on its way.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestStep {
    /// The program has asked. The request may wait for a connection now.
    Asked,
    /// A connection is being made, and the name is looked up. Not if a kept connection is used.
    Connecting,
    /// The addresses are known, and TCP connects. Not if the host is an IP address.
    Resolved,
    /// TCP is connected, and TLS or a proxy's tunnel begins. Not if a kept connection is used.
    Connected,
    /// The request can be sent.
    Ready,
    /// The head of the response has come.
    Head,
}

/// When a request reached each step. A program puts one into a [`Context`](crate::Context); a request that is asked for
/// there notes its steps in it. If there are several, by a redirect or a retry, each begins anew.
///
/// ```no_run
/// use reactor::http::{RequestStep, RequestTiming, get_page};
/// use reactor::{Context, Failure, Reactor};
///
/// let reactor = Reactor::new()?;
/// let context = Context::current().with(RequestTiming::default());
/// reactor.run_until(context.run(|| get_page(&reactor, "https://example.com/")))?;
/// let timing = context.get::<RequestTiming>().expect("it was put there");
/// let [ready, head] = [RequestStep::Ready, RequestStep::Head].map(|step| timing.when(step));
/// println!("the server thought for {:?}", head.zip(ready).map(|(head, ready)| head - ready));
/// # Ok::<(), Failure>(())
/// ```
///
/// The W3C's `PerformanceResourceTiming`.
#[derive(Debug, Default)]
pub struct RequestTiming(Mutex<[Option<Instant>; 6]>);

impl RequestTiming {
    /// When the request reached this step; `None` if it has not, or did not need it.
    pub fn when(&self, step: RequestStep) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[step as usize]
    }

    pub(super) fn note(&self, step: RequestStep, now: Instant) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times[step as usize..].fill(None);
        times[step as usize] = Some(now);
    }
}
