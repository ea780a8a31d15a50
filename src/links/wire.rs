//! [`LinkFactory`] and what it makes: the connection of a [`Link`], as the reactor sees it.

use super::Link;
use crate::log_file::Bytes;
use reactor::{
    Address, ClientFactory, Connector, Failure, LineProtocol, LineReceiver, LineTransport, Producer, Protocol, Reason,
};
use std::rc::{Rc, Weak};

/// The pace at which the neighbour reads.
pub(super) struct Pace(pub(super) Weak<Link>);

impl Producer for Pace {
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

impl ClientFactory for LinkFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let link = self.link.upgrade()?;
        Some(Box::new(LineReceiver::new(LinkProtocol { link }).with_delimiter(b"\n")))
    }

    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        if let Some(link) = self.link.upgrade() {
            // Once is enough: a neighbour may be down for days.
            match link.failures.get() {
                0 => log::info!("no link to {}: {failure}; trying again", link.name),
                _ => log::debug!("no link to {}: {failure}", link.name),
            }
            link.went_down(connector);
        }
    }

    fn client_connection_lost(&mut self, connector: &Connector, reason: &Reason) {
        if let Some(link) = self.link.upgrade() {
            log::info!("the link to {} is down ({reason})", link.name);
            link.went_down(connector);
        }
    }
}

/// What comes back on a link is none of our business, but worth a line in the log.
struct LinkProtocol {
    link: Rc<Link>,
}

impl LineProtocol for LinkProtocol {
    fn connection_made(&mut self, transport: &LineTransport) {
        self.link.came_up(transport);
    }

    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        log::info!("from {} >> {} (ignored)", self.link.name, Bytes(line));
    }

    /// Whatever it is, it is not taken and not kept.
    fn line_length_exceeded(&mut self, _transport: &LineTransport, start: &[u8]) {
        log::warn!("from {} >> {} (too long, ignored)", self.link.name, Bytes(&start[..start.len().min(80)]));
    }
}
