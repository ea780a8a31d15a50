//! What is promised about ports, about attempts to connect, and about datagrams.

use super::{Contract, Life, Subject};
use crate::program::Kind;
use std::collections::{BTreeMap, VecDeque};

/// A port, as its program may expect it to be.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) host: usize,
    pub(crate) number: u8,
    pub(crate) is_started: bool,
    /// The program, or the reactor as it closes, has closed it.
    pub(crate) is_closed: bool,
    pub(crate) has_factory_stopped: bool,
    pub(crate) is_factory_dropped: bool,
    /// How many Deferreds of `stop_listening` have still to fire.
    pub(crate) owed: usize,
}

/// An outgoing connection with a factory.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) host: usize,
    pub(crate) attempt: Attempt,
    /// The failures that the factory has still to hear of.
    pub(crate) failures: VecDeque<Gone>,
    /// The connection that it has made; its factory has not heard that it is lost.
    pub(crate) end: Option<usize>,
    /// The protocol that `build_protocol` is making, or has just made.
    pub(crate) built: Option<usize>,
    /// It was asked for while the reactor closed everything. In the last turn of a stop, its failure waits for the next
    /// run.
    pub(crate) is_late: bool,
    /// The program asked for another attempt while the one before may have failed unnoticed. So it cannot know how many
    /// there are.
    pub(crate) is_uncertain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    None,
    Wanted,
    /// The factory has heard that it began.
    Begun,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Cancelled,
    Refused,
    NoProtocol,
}

/// A connection through a Deferred.
#[derive(Debug)]
pub(crate) struct Once {
    pub(crate) host: usize,
    pub(crate) end: Option<usize>,
    pub(crate) has_fired: bool,
    pub(crate) is_cancelled: bool,
    /// As for a [`Connecting`].
    pub(crate) is_late: bool,
}

/// A UDP port.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) host: usize,
    pub(crate) number: u8,
    pub(crate) is_started: bool,
    pub(crate) is_closed: bool,
    pub(crate) is_stopped: bool,
    pub(crate) is_dropped: bool,
    pub(crate) owed: usize,
    /// What it has sent, by number: the length, and how often it has arrived.
    pub(crate) sent: BTreeMap<u32, (usize, u32)>,
}

impl Contract {
    /// What `listen_tcp` must say of this number: whether it succeeds. `None`: it may fail.
    pub(crate) fn may_listen(&self, host: usize, number: u8) -> Option<bool> {
        let is_taken = self.ports.iter().any(|port| port.host == host && port.number == number && !port.is_closed);
        self.may_open(host, is_taken)
    }

    pub(crate) fn may_open_udp(&self, host: usize, number: u8) -> Option<bool> {
        let is_taken = self.udp.iter().any(|port| port.host == host && port.number == number && !port.is_closed);
        self.may_open(host, is_taken)
    }

    fn may_open(&self, host: usize, is_taken: bool) -> Option<bool> {
        match self.runs[host].is_closing() || is_taken {
            true => Some(false),
            false if self.is_scarce => None,
            false => Some(true),
        }
    }

    pub(super) fn begin_port(&mut self, id: usize, kind: Kind) {
        let port = &mut self.ports[id];
        let holds = match kind {
            Kind::StartFactory => !std::mem::replace(&mut port.is_started, true),
            Kind::BuildProtocol => port.is_started && !port.is_closed,
            Kind::StopFactory => {
                port.is_started && port.is_closed && !std::mem::replace(&mut port.has_factory_stopped, true)
            }
            Kind::FactoryDropped => {
                let is_over = port.has_factory_stopped || !port.is_started;
                // A factory that could not listen goes with the error.
                is_over && !std::mem::replace(&mut port.is_factory_dropped, true)
            }
            _ => {
                port.owed = port.owed.wrapping_sub(1);
                port.is_factory_dropped && port.owed != usize::MAX
            }
        };
        let text = format!("{kind:?} of {:?}", self.ports[id]);
        self.expect(holds, text);
    }

    /// The program wants a connection, through a factory.
    pub(crate) fn connect(&mut self, host: usize) -> usize {
        let is_closing = self.runs[host].is_closing();
        self.connectors.push(Connecting {
            host,
            attempt: if is_closing { Attempt::None } else { Attempt::Wanted },
            failures: is_closing.then_some(Gone::Cancelled).into_iter().collect(),
            end: None,
            built: None,
            is_late: is_closing,
            is_uncertain: false,
        });
        self.connectors.len() - 1
    }

    pub(crate) fn reconnect(&mut self, id: usize) {
        let connector = &mut self.connectors[id];
        if self.runs[connector.host].is_closing() || connector.end.is_some() {
            return;
        }
        match connector.attempt {
            Attempt::None => connector.attempt = Attempt::Wanted,
            // It may have failed already, and the factory has not heard of it.
            Attempt::Wanted | Attempt::Begun => connector.is_uncertain |= connector.built.is_none(),
        }
    }

    /// The program, or the reactor as it closes, gives the attempt up.
    pub(crate) fn stop_connecting(&mut self, id: usize) {
        let connector = &mut self.connectors[id];
        if connector.attempt != Attempt::None {
            connector.attempt = Attempt::None;
            connector.failures.push_back(Gone::Cancelled);
        }
    }

    pub(crate) fn disconnect(&mut self, id: usize) {
        match self.connectors[id].end {
            Some(end) => self.lose(end),
            None => self.stop_connecting(id),
        }
    }

    pub(super) fn begin_connector(&mut self, id: usize, kind: Kind) {
        let connector = &mut self.connectors[id];
        let holds = match kind {
            Kind::StartedConnecting => {
                let was_wanted = std::mem::replace(&mut connector.attempt, Attempt::Begun) == Attempt::Wanted;
                was_wanted && connector.end.is_none()
            }
            Kind::BuildClient => connector.attempt == Attempt::Begun && connector.end.is_none(),
            Kind::ClientLost => {
                let lost = connector.end.take();
                connector.attempt == Attempt::None
                    && lost.is_some_and(|end| self.ends[end].life == Life::Lost && self.ends[end].is_dropped)
            }
            _ => true,
        };
        let text = format!("{kind:?} of {:?}", self.connectors[id]);
        self.expect(holds || self.connectors[id].is_uncertain, text);
    }

    pub(super) fn end_connector(&mut self, id: usize, kind: Kind, has_panicked: bool) {
        if kind != Kind::BuildClient {
            return;
        }
        let connector = &mut self.connectors[id];
        let was_given_up = connector.attempt != Attempt::Begun;
        match connector.built.take() {
            // The program has given the attempt up meanwhile.
            Some(end) if was_given_up => self.ends[end].life = Life::GivenUp,
            Some(end) if has_panicked => {
                self.ends[end].life = Life::GivenUp;
                self.refuse(id);
            }
            Some(end) => {
                connector.end = Some(end);
                connector.attempt = Attempt::None;
            }
            None if was_given_up => {}
            None => self.refuse(id),
        }
    }

    fn refuse(&mut self, id: usize) {
        self.connectors[id].attempt = Attempt::None;
        self.connectors[id].failures.push_back(Gone::NoProtocol);
    }

    /// `client_connection_failed` comes with this reason.
    pub(crate) fn failed(&mut self, id: usize, gone: Gone) {
        self.note(|| format!("  the attempt failed: {gone:?}"));
        let connector = &mut self.connectors[id];
        if self.runs[connector.host].phase == super::Phase::Dead {
            return;
        }
        let next = connector.failures.front().copied();
        // The loop may have given it up just before the program did, and nobody could see that.
        let holds = if next == Some(gone) || (next == Some(Gone::Cancelled) && gone == Gone::Refused) {
            connector.failures.pop_front();
            true
        } else {
            // The loop has given it up: nobody answers, or the reactor closes.
            let is_possible = match gone {
                Gone::Refused => true,
                Gone::Cancelled => self.runs[connector.host].is_closing(),
                Gone::NoProtocol => false,
            };
            let had = std::mem::replace(&mut connector.attempt, Attempt::None);
            is_possible && had != Attempt::None && connector.failures.is_empty()
        };
        let holds = holds || connector.is_uncertain;
        let text = format!("client_connection_failed ({gone:?}) of {:?}", self.connectors[id]);
        self.expect(holds, text);
    }

    pub(super) fn begin_once(&mut self, id: usize, kind: Kind) {
        let once = &mut self.onces[id];
        let holds = match kind {
            Kind::BuildClient => !once.is_cancelled && !once.has_fired && once.end.is_none(),
            _ => !std::mem::replace(&mut once.has_fired, true),
        };
        let text = format!("{kind:?} of {:?}", self.onces[id]);
        self.expect(holds, text);
    }

    /// The Deferred of `connect` fires.
    pub(crate) fn once_fired(&mut self, id: usize, has_connection: bool) {
        let once = &self.onces[id];
        if self.is_dead(once.host) {
            return;
        }
        let end = once.end.map(|end| &self.ends[end]);
        let holds = match (has_connection, end) {
            // With TLS that begins in the middle, the connection is up before it.
            (true, Some(end)) if !end.has_shaken_hands && !self.starts_tls => false,
            (true, Some(end)) => end.life == Life::Made && end.was_made && end.received == 0 && !once.is_cancelled,
            (true, None) => false,
            // A failure: there was no connection, or it is over.
            (false, Some(end)) => end.life != Life::Made || once.is_cancelled,
            (false, None) => true,
        };
        let text = format!("the Deferred of {once:?} fires: {has_connection}, {end:?}");
        self.expect(holds, text);
    }

    pub(super) fn begin_udp(&mut self, id: usize, kind: Kind) {
        let port = &mut self.udp[id];
        let holds = match kind {
            Kind::UdpStarted => !port.is_stopped && !std::mem::replace(&mut port.is_started, true),
            Kind::Datagram => port.is_started && !port.is_closed,
            Kind::UdpStopped => port.is_closed && !std::mem::replace(&mut port.is_stopped, true),
            Kind::UdpDropped => {
                let was_open = port.number != u8::MAX;
                (port.is_stopped || !was_open) && !std::mem::replace(&mut port.is_dropped, true)
            }
            _ => {
                port.owed = port.owed.wrapping_sub(1);
                port.is_dropped && port.owed != usize::MAX
            }
        };
        let text = format!("{kind:?} of {:?}", self.udp[id]);
        self.expect(holds, text);
    }

    /// A datagram has come: whole, and one that was sent.
    pub(crate) fn datagram(&mut self, id: usize, datagram: &[u8]) {
        let max_copies = self.max_copies;
        let number = |at: usize| datagram.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().unwrap()));
        let sent = number(0).zip(number(4)).and_then(|(from, number)| {
            let sender = self.udp.get_mut(from as usize)?;
            sender.sent.get_mut(&number)
        });
        let holds = sent.is_some_and(|(length, copies)| {
            *copies += 1;
            *length == datagram.len() && *copies <= max_copies
        });
        self.expect(holds, format_args!("UDP port {id} has {} bytes that nobody sent to it", datagram.len()));
    }

    /// The origin of an end that has been built.
    pub(crate) fn built(&mut self, host: usize, origin: Subject) -> usize {
        let end = self.add_end(host, origin);
        match origin {
            Subject::Connector(connector) => self.connectors[connector].built = Some(end),
            Subject::Once(once) => self.onces[once].end = Some(end),
            _ => {}
        }
        end
    }
}
