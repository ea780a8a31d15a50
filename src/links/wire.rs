//! [`LinkFactory`] and what it makes: the connection of a [`Link`], as the reactor sees it.
//!
//! Next: `catching_up.rs`, what a neighbor is told when its link comes up.

use super::{Link, PING_LINE, TOO_LONG, end, go_on_after_line};
use crate::identity;
use crate::log_file::Bytes;
use reactor::tls::TlsError;
use reactor::{
    Address, ClientFactory, Connector, Failure, LineProtocol, LineReceiver, LineTransport, Producer, Protocol, Reason,
};
use std::fmt;
use std::rc::{Rc, Weak};

/// The link as the source of what is sent: the transport pauses it while the neighbor does not read.
pub(super) struct LinkProducer(pub(super) Weak<Link>);

impl Producer for LinkProducer {
    fn pause_producing(&self) {
        if let Some(link) = self.0.upgrade() {
            link.set_paused(true);
        }
    }

    fn resume_producing(&self) {
        if let Some(link) = self.0.upgrade() {
            link.set_paused(false);
        }
    }
}

pub(super) struct LinkFactory {
    pub(super) link: Weak<Link>,
}

impl Link {
    /// Notes in the log that an attempt has failed. Once is enough: a neighbor may be down for days.
    fn report_failure(&self, what: &dyn fmt::Display) {
        match self.failures.get() {
            0 => log::info!("no link to {}: {what}; trying again", self.name),
            _ => log::debug!("no link to {}: {what}", self.name),
        }
    }

    /// Notes that TLS has failed. It will fail again until somebody does something, so this is a warning, but one for
    /// each new reason.
    fn report_refusal(&self, error: &TlsError) {
        let what = error.to_string();
        match self.told.borrow_mut().replace(what.clone()) {
            Some(before) if before == what => log::debug!("no link to {}: {what}", self.name),
            _ => log::warn!("no link to {}: {what} ({}); trying again", self.name, identity::advice(error)),
        }
    }
}

impl ClientFactory for LinkFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let link = self.link.upgrade()?;
        let server = link.server.upgrade()?;
        let (is_secure, name) = (link.is_secure(), link.name.clone());
        let protocol = Box::new(LineReceiver::new(LinkProtocol { link }).with_delimiter(b"\n"));
        if !is_secure {
            return Some(protocol);
        }
        // Asked for anew for each connection: the certificates may have been replaced.
        match server.identity().link_client()?.wrap(&name, protocol) {
            Ok(protocol) => Some(protocol),
            Err(error) => {
                log::warn!("no TLS with {name}: {error}");
                None
            }
        }
    }

    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        if let Some(link) = self.link.upgrade() {
            link.report_failure(&failure);
            link.went_down(connector);
        }
    }

    /// The protocol has said why: it knows more than the connection below TLS.
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &Reason) {
        if let Some(link) = self.link.upgrade() {
            link.went_down(connector);
        }
    }
}

/// The neighbor should send nothing on our connection but PING. What else it sends is logged and ignored.
struct LinkProtocol {
    link: Rc<Link>,
}

impl LineProtocol for LinkProtocol {
    fn connection_made(&mut self, transport: &LineTransport) {
        if !self.link.is_secure() {
            self.link.came_up(transport);
        }
    }

    /// Now the neighbor has proved its name, and has accepted ours.
    fn handshake_completed(&mut self, transport: &LineTransport) {
        self.link.came_up(transport);
    }

    /// The neighbor takes no more, so what is pending for it need not be written.
    fn read_connection_lost(&mut self, transport: &LineTransport, _rest: &[u8]) {
        end(transport);
    }

    fn reactor_stopping(&mut self, transport: &LineTransport) {
        end(transport);
    }

    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        self.link.hearing.heard();
        if line == PING_LINE.trim_ascii_end() {
            self.link.heard_ping();
        } else if line.starts_with(TOO_LONG.as_bytes()) {
            log::warn!("{} does not take all of our lines: it says {}", self.link.name, Bytes(line));
        } else if line.strip_prefix(b"DIGEST ").is_some_and(|fields| self.link.heard_digest(fields)) {
            log::debug!("from {} >> {}", self.link.name, Bytes(line));
        } else {
            log::info!("from {} >> {} (ignored)", self.link.name, Bytes(line));
            if line.starts_with(b"? PEER ") || line.starts_with(b"? DIGEST ") {
                self.link.tell_all();
            }
        }
    }

    /// Logged and ignored, too. The next line may be a PING.
    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        log::warn!("from {} >> {} (too long, ignored)", self.link.name, Bytes(&start[..start.len().min(80)]));
        transport.set_raw_mode();
    }

    fn raw_data_received(&mut self, transport: &LineTransport, data: &[u8]) {
        go_on_after_line(transport, data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        match reason.tls_error() {
            _ if self.link.is_up() => log::info!("the link to {} is down ({reason})", self.link.name),
            Some(error) => self.link.report_refusal(error),
            None => self.link.report_failure(reason),
        }
    }
}
