//! [`Tunnel`]: the way through a proxy. CONNECT requests it (RFC 9110, section 9.3.6); then TLS uses it.
//!
//! ```text
//!   Requesting --(2xx)--> Up: everything goes to the protocol inside, as if it had been there from the start
//!      +---------(else)-> Refused
//! ```
//!
//! A request over plain HTTP needs no tunnel: it goes to the proxy with its whole URL. The exception is a request that
//! is to go elsewhere than its URL says (`connect_to`): it gets a tunnel too, with no TLS inside.
//!
//! Next: `redirect.rs`, several requests instead of one.

use super::connection::ClientConnection;
use super::error::ProxyError;
use super::proxy::Proxy;
use crate::http::limits::{HttpError, Limits};
use crate::http::response::{ResponseEvent, ResponseParser};
use crate::{Failure, Protocol, Reason, Transport};
use std::mem;
use std::rc::Rc;

/// The protocol that asks for the tunnel, and then passes everything on.
pub(super) struct Tunnel {
    connection: Rc<ClientConnection>,
    request: String,
    state: State,
}

/// The protocol inside the tunnel. It is made at the start, so that a name that TLS refuses is reported before the
/// proxy is asked.
type Inner = Box<dyn Protocol>;

enum State {
    Requesting(Box<ResponseParser>, Inner),
    Up(Inner),
    Refused,
}

impl Tunnel {
    /// A tunnel to `server` (`host:port`) for `inner`.
    pub(super) fn new(
        connection: Rc<ClientConnection>,
        server: &str,
        proxy: &Proxy,
        limits: &Limits,
        inner: Inner,
    ) -> Tunnel {
        let authorization = proxy.authorization_line();
        let request = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{authorization}\r\n");
        let parser = ResponseParser::new(limits.clone()).for_method("CONNECT");
        Tunnel { connection, request, state: State::Requesting(Box::new(parser), inner) }
    }

    /// Reads the proxy's response from `input`; true once the tunnel is there.
    fn read_response(&mut self, input: &mut &[u8]) -> Result<bool, ProxyError> {
        let State::Requesting(parser, _) = &mut self.state else { return Ok(true) };
        loop {
            match parser.next(input).map_err(ProxyError::BadAnswer)? {
                ResponseEvent::Head(head) if !(200..300).contains(&head.status) => {
                    return Err(ProxyError::Refused(head.status));
                }
                ResponseEvent::Head(_) | ResponseEvent::Data(_) => {}
                ResponseEvent::End => return Ok(true),
                ResponseEvent::NeedMore => return Ok(false),
            }
        }
    }

    fn refuse(&mut self, error: ProxyError) {
        self.state = State::Refused;
        self.connection.fail(Failure::new(error));
    }
}

impl Protocol for Tunnel {
    fn connection_made(&mut self, transport: &Transport) {
        self.connection.transport_made(transport);
        transport.write(mem::take(&mut self.request).as_bytes());
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let mut input = data;
        match self.read_response(&mut input) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return self.refuse(error),
        }
        self.state = match mem::replace(&mut self.state, State::Refused) {
            State::Requesting(_, mut inner) => {
                inner.connection_made(transport);
                State::Up(inner)
            }
            state => state,
        };
        if let State::Up(inner) = &mut self.state
            && !input.is_empty()
        {
            inner.data_received(transport, input);
        }
    }

    fn reading_resumed(&mut self, transport: &Transport) {
        if let State::Up(inner) = &mut self.state {
            inner.reading_resumed(transport);
        }
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        match &mut self.state {
            State::Requesting(..) => self.refuse(ProxyError::BadAnswer(HttpError::Incomplete)),
            State::Up(inner) => inner.read_connection_lost(transport),
            State::Refused => {}
        }
    }

    fn reactor_stopping(&mut self, transport: &Transport) {
        match &mut self.state {
            State::Up(inner) => inner.reactor_stopping(transport),
            _ => transport.lose_connection(),
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        match &mut self.state {
            State::Up(inner) => inner.connection_lost(reason),
            _ => self.connection.lost(reason.clone().into()),
        }
    }
}
