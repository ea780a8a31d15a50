//! [`Connection`]: the protocol of one connection. It reads replies, and hands them on.
//!
//! Next: `../cluster/mod.rs`, many servers.

use super::error::ServerFault;
use super::machine::Inner;
use crate::resp::parser::ReplyParser;
use crate::{Protocol, Reason, Transport};
use std::rc::Weak;

pub(super) struct Connection {
    client: Weak<Inner>,
    parser: ReplyParser,
}

impl Connection {
    pub(super) fn new(client: Weak<Inner>) -> Connection {
        let limits = client.upgrade().map(|client| client.settings().limits.clone()).unwrap_or_default();
        Connection { client, parser: ReplyParser::new(limits) }
    }
}

impl Protocol for Connection {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_no_delay(true);
    }

    fn data_received(&mut self, transport: &Transport, mut data: &[u8]) {
        let Some(client) = self.client.upgrade() else { return transport.abort_connection() };
        client.heard();
        // Each reply runs callbacks of the program, which may close the connection.
        while !transport.is_disconnecting() {
            match self.parser.next(&mut data) {
                Ok(None) => return,
                Ok(Some(value)) => {
                    if let Err(fault) = client.received(value) {
                        client.blame(fault);
                    }
                }
                Err(error) => client.blame(ServerFault::Reply(error)),
            }
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        if let Some(client) = self.client.upgrade() {
            client.lost(reason.clone().into());
        }
    }
}
