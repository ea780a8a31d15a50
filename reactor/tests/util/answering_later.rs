//! [`answers_later`]: a server that needs a moment for its answer, and answers even if the client sends no more.

use reactor::{Reactor, Transport};
use std::time::Duration;

/// For [`Noting`](crate::events::Noting)'s `end`: a millisecond after the client has ended its sending, writes `answer`
/// and ends the connection.
pub(crate) fn answers_later(reactor: &Reactor) -> Box<dyn FnMut(&Transport)> {
    let reactor = reactor.clone();
    Box::new(move |transport: &Transport| {
        let transport = transport.clone();
        reactor.call_later(Duration::from_millis(1), move || {
            transport.write(b"answer");
            transport.lose_connection();
        });
    })
}
