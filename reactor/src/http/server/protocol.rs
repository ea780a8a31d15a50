//! [`ConnectionProtocol`]: what the loop, or TLS, tells a connection.
//!
//! Next: `waiting.rs`, the limits on its time.

use super::connection::{Connection, Phase};
use super::request::BodyError;
use crate::{Protocol, Reason, Transport};
use std::rc::Rc;

/// The connection as the protocol that the loop or TLS calls.
pub(super) struct ConnectionProtocol(pub(super) Rc<Connection>);

impl Protocol for ConnectionProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_no_delay(true);
        drop(self.0.transport.replace(Some(transport.clone())));
        self.0.set_timeout();
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.receive(data);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        let held = self.0.held.take();
        if !held.is_empty() {
            self.0.receive(&held);
        }
    }

    /// A peer that has ended its side still gets the response to what it has sent. Not so events: they have no end, and
    /// this peer looks like one that is gone.
    fn read_connection_lost(&mut self, _transport: &Transport) {
        let connection = &self.0;
        connection.is_last.set(true);
        let is_events = connection.stream.borrow().as_ref().is_some_and(|stream| stream.is_events());
        let goes_on = matches!(connection.phase.get(), Phase::Serving | Phase::Streaming);
        if !goes_on || !connection.is_body_complete() || is_events {
            connection.close();
            connection.leave_service(BodyError::ConnectionLost);
        }
    }

    /// Requests that are under way are answered; streams of events end here.
    fn reactor_stopping(&mut self, _transport: &Transport) {
        let connection = &self.0;
        connection.is_last.set(true);
        let stream = connection.stream.borrow().clone().filter(|stream| stream.is_events());
        match stream {
            Some(stream) => {
                stream.finish();
                stream.gone();
            }
            None if connection.is(Phase::Head) => connection.close(),
            None => {}
        }
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.over();
        self.0.leave_service(BodyError::ConnectionLost);
        drop(self.0.transport.take());
    }

    fn type_name(&self) -> &'static str {
        "http::server"
    }
}
