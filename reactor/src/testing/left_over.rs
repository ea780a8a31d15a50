//! [`assert_nothing_left`]: a test must leave nothing behind. Trial's check for a dirty reactor.
//!
//! Next: `results.rs`, what a test asks of a Deferred.

use crate::Reactor;

/// Checks that `reactor` has no port, no attempt, no connection and no delayed call, and that no Deferred waits for
/// another thread. To be called at the end of a test: what it leaves would go on in the next, or shows a timer that
/// somebody forgot to cancel. Other Deferreds that have not fired belong to no reactor: use
/// [`assert_no_result`](super::assert_no_result), or [`Deferred::waiting`](crate::Deferred::waiting).
///
/// # Panics
/// If anything is left, with a line for each thing: the address of a port, the peer of a connection, the place where a
/// delayed call was requested.
///
/// ```should_panic
/// use reactor::{Reactor, testing::assert_nothing_left};
/// use std::time::Duration;
///
/// let reactor = Reactor::new().unwrap();
/// reactor.call_later(Duration::from_secs(60), || println!("too late"));
/// assert_nothing_left(&reactor);
/// ```
#[track_caller]
pub fn assert_nothing_left(reactor: &Reactor) {
    let left = reactor.inventory();
    assert!(left.is_empty(), "something is left:\n{left}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Transport};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    struct Silent;
    impl Protocol for Silent {
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }

    /// What the check says.
    fn said(reactor: &Reactor) -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| assert_nothing_left(reactor))).expect_err("something is left");
        panic.downcast_ref::<String>().cloned().unwrap()
    }

    #[test]
    fn whatever_is_left_is_named_with_its_place() {
        let reactor = Reactor::new().unwrap();
        assert_nothing_left(&reactor);
        let port = reactor.listen_tcp("127.0.0.1:0", |_| Silent).unwrap();
        let call = reactor.call_later(Duration::from_secs(60), || {});
        let line = line!() - 1;
        let connected = reactor.connect(port.host(), |_| Silent);
        while !connected.has_fired() {
            reactor.iterate(Duration::from_secs(1)).unwrap();
        }
        let work = reactor.defer_to_thread(|| Ok::<_, std::io::Error>(()));
        let text = said(&reactor);
        let call_is = format!("left_over.rs:{line}:");
        for expected in [format!("a port at {}", port.host()), "a connection to 127.0.0.1".to_owned(), call_is] {
            assert!(text.contains(&expected), "{expected} is not in {text}");
        }
        assert!(text.contains("Deferreds that wait for other threads: 1"), "{text}");
        call.cancel();
        drop(port.stop_listening());
        connected.result().unwrap().abort_connection();
        while !reactor.inventory().is_empty() {
            reactor.iterate(Duration::from_secs(1)).unwrap();
        }
        assert!(work.has_fired());
        assert_nothing_left(&reactor);
    }

    #[cfg(feature = "sim")]
    #[test]
    fn an_attempt_is_named_by_where_it_goes() {
        let world = crate::sim::World::new(1);
        let host = world.host("client", |reactor| {
            reactor.connect(("far", 8007), |_| Silent).detach();
        });
        world.set_name("far", crate::sim::Resolution::Silent);
        world.run_for(Duration::from_secs(1));
        assert!(said(&host.reactor().unwrap()).contains("an attempt to connect to far:8007"));
    }
}
