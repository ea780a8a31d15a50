//! The values that a program gives to its reactor: protocols, factories, producers. Each only tells the stage of its
//! callbacks, and does what the program says.

use crate::contract::{EndId, Gone, Subject};
use crate::mistakes::Mistake;
use crate::program::{Kind, ProducerShape};
use crate::stage::{Stage, ms};
use reactor::error::ConnectError;
use reactor::{
    Address, ClientFactory, Connector, DatagramProtocol, DatagramTransport, Factory, Failure, LineProtocol,
    LineReceiver, LineTransport, Producer, Protocol, Reason, Transport,
};
use std::cell::Cell;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::rc::{Rc, Weak};

/// A value that tells when it is dropped.
pub(crate) struct Dropped {
    pub(crate) stage: Rc<Stage>,
    pub(crate) host: usize,
    pub(crate) kind: Kind,
    pub(crate) subject: Subject,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        if self.stage.makes(Mistake::DropsLate) && self.kind == Kind::ProtocolDropped && !self.stage.is_over.get() {
            let Dropped { stage, host, kind, subject } = self;
            let kept = Dropped { stage: stage.clone(), host: *host, kind: *kind, subject: *subject };
            return self.stage.kept.borrow_mut().push(kept);
        }
        self.stage.value_count.set(self.stage.value_count.get() - 1);
        if let Some(inside) = self.stage.enter(self.host, self.kind, self.subject) {
            inside.act();
        }
    }
}

/// A protocol.
pub(crate) struct Actor {
    end: EndId,
    value: Dropped,
}

impl Actor {
    /// Makes one for a connection that comes from `origin`. What the program does in `build_protocol` may be to refuse.
    fn build(stage: &Rc<Stage>, host: usize, kind: Kind, origin: Subject) -> Option<Actor> {
        let inside = stage.enter(host, kind, origin)?;
        let end = stage.contract().built(host, origin);
        stage.hosts[host].refuses.set(false);
        let actor = Actor { end, value: stage.dropped(host, Kind::ProtocolDropped, Subject::End(end)) };
        inside.act();
        Some(actor).filter(|_| !stage.hosts[host].refuses.take())
    }

    fn tell(&self, kind: Kind, more: impl FnOnce(), default: impl FnOnce()) {
        let Dropped { stage, host, .. } = &self.value;
        if let Some(inside) = stage.enter(*host, kind, Subject::End(self.end)) {
            more();
            if !inside.act() {
                default();
            }
        }
    }

    fn lose(&self, transport: &Transport) {
        self.value.stage.contract().lose(self.end);
        transport.lose_connection();
    }

    /// As the program wants its protocols to be.
    fn boxed(self) -> Box<dyn Protocol> {
        match self.value.stage.program.network.has_lines {
            true => Box::new(LineReceiver::new(Lines(self)).with_delimiter(DELIMITER)),
            false => Box::new(self),
        }
    }
}

/// One byte, so that lines are some 256 bytes long.
const DELIMITER: &[u8] = b"\n";

/// A protocol of lines: what it receives comes in lines, and the last one is not finished.
struct Lines(Actor);

impl LineProtocol for Lines {
    fn connection_made(&mut self, transport: &LineTransport) {
        let Dropped { stage, host, .. } = &self.0.value;
        if !stage.is_over.get() {
            stage.hosts[*host].lines.add(self.0.end, transport.clone());
        }
        self.0.connection_made(transport);
    }
    fn handshake_completed(&mut self, transport: &LineTransport) {
        self.0.handshake_completed(transport);
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.0.data_received(transport, &[line, DELIMITER].concat());
    }
    fn reading_resumed(&mut self, transport: &LineTransport) {
        self.0.reading_resumed(transport);
    }
    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        let stage = &self.0.value.stage;
        if !rest.is_empty() && !stage.is_over.get() {
            stage.contract().data(self.0.end, rest);
        }
        self.0.read_connection_lost(transport);
    }
    fn reactor_stopping(&mut self, transport: &LineTransport) {
        self.0.reactor_stopping(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.0.connection_lost(reason);
    }
}

impl Protocol for Actor {
    fn connection_made(&mut self, transport: &Transport) {
        let Dropped { stage, host, .. } = &self.value;
        let more = || {
            stage.hosts[*host].transports.add(self.end, transport.clone());
            stage.contract().connected(self.end, transport.host().tcp(), transport.peer().tcp());
            if stage.program.network.is_secure && stage.program.network.starts_tls {
                let started = transport.start_tls(&[]);
                let holds = started.is_ok() || transport.is_disconnecting();
                stage.contract().expect(holds, format_args!("start_tls gives {started:?}"));
            }
        };
        self.tell(Kind::ConnectionMade, more, || {});
    }
    fn handshake_completed(&mut self, _transport: &Transport) {
        self.tell(Kind::HandshakeCompleted, || {}, || {});
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let stage = &self.value.stage;
        let mut data = data.to_vec();
        if stage.makes(Mistake::LosesByte) {
            data.pop();
        }
        if stage.makes(Mistake::ChangesByte) {
            data[0] ^= 1;
        }
        let tell = || self.tell(Kind::DataReceived, || stage.contract().data(self.end, &data), || {});
        match stage.makes(Mistake::SurvivesPanic) {
            true => drop(panic::catch_unwind(AssertUnwindSafe(tell))),
            false => tell(),
        }
    }
    fn reading_resumed(&mut self, _transport: &Transport) {
        self.tell(Kind::ReadingResumed, || {}, || {});
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.tell(Kind::ReadConnectionLost, || {}, || self.lose(transport));
    }
    fn reactor_stopping(&mut self, transport: &Transport) {
        self.tell(Kind::ReactorStopping, || {}, || self.lose(transport));
    }
    fn connection_lost(&mut self, reason: &Reason) {
        let stage = &self.value.stage;
        let reason = if stage.makes(Mistake::AlwaysDone) { &Reason::Done } else { reason };
        for _ in 0..if stage.makes(Mistake::TellsConnectionLostTwice) { 2 } else { 1 } {
            self.tell(Kind::ConnectionLost, || stage.contract().lost(self.end, reason), || {});
        }
    }
}

/// The factory of a port.
pub(crate) struct PortFactory {
    pub(crate) port: usize,
    pub(crate) value: Dropped,
}

impl PortFactory {
    fn tell(&self, kind: Kind) {
        if let Some(inside) = self.value.stage.enter(self.value.host, kind, Subject::Port(self.port)) {
            inside.act();
        }
    }
}

impl Factory for PortFactory {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let Dropped { stage, host, .. } = &self.value;
        Actor::build(stage, *host, Kind::BuildProtocol, Subject::Port(self.port)).map(Actor::boxed)
    }
    fn start_factory(&mut self) {
        self.tell(Kind::StartFactory);
    }
    fn stop_factory(&mut self) {
        self.tell(Kind::StopFactory);
    }
}

/// The factory of an outgoing connection.
pub(crate) struct Client {
    pub(crate) connector: usize,
    pub(crate) value: Dropped,
}

impl Client {
    fn tell(&self, kind: Kind, connector: &Connector, more: impl FnOnce()) {
        let Dropped { stage, host, .. } = &self.value;
        let inside = stage.enter(*host, kind, Subject::Connector(self.connector));
        let Some(inside) = inside else { return };
        let (is_connected, expected) =
            (connector.is_connected(), stage.look().connectors[self.connector].end.is_some());
        if !stage.look().is_dead(*host) {
            stage.contract().expect(is_connected == expected, format_args!("is_connected() is {is_connected}"));
        }
        more();
        inside.act();
    }
}

impl ClientFactory for Client {
    fn started_connecting(&mut self, connector: &Connector) {
        self.tell(Kind::StartedConnecting, connector, || {});
    }
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        let Dropped { stage, host, .. } = &self.value;
        Actor::build(stage, *host, Kind::BuildClient, Subject::Connector(self.connector)).map(Actor::boxed)
    }
    fn client_connection_failed(&mut self, connector: &Connector, failure: Failure) {
        let gone = match failure.check::<ConnectError>() {
            Some(ConnectError::Cancelled) => Gone::Cancelled,
            Some(ConnectError::NoProtocol) => Gone::NoProtocol,
            _ => Gone::Refused,
        };
        let more = || self.value.stage.contract().failed(self.connector, gone);
        self.tell(Kind::ConnectionFailed, connector, more);
    }
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &Reason) {
        self.tell(Kind::ClientLost, connector, || {});
    }
}

/// The protocol of a connection through a Deferred. There is no factory that could refuse.
pub(crate) fn build_once(stage: &Rc<Stage>, host: usize, once: usize) -> Box<dyn Protocol> {
    match Actor::build(stage, host, Kind::BuildClient, Subject::Once(once)) {
        Some(actor) => actor.boxed(),
        None => panic::resume_unwind(Box::new("refused")),
    }
}

/// A producer that writes a number of pieces.
pub(crate) struct Source {
    pub(crate) me: Weak<Source>,
    pub(crate) id: usize,
    pub(crate) end: EndId,
    pub(crate) transport: Transport,
    pub(crate) shape: ProducerShape,
    pub(crate) left: Cell<u8>,
    pub(crate) is_paused: Cell<bool>,
    pub(crate) value: Dropped,
}

impl Source {
    /// Writes the next piece, if there is one; after the last it unregisters.
    fn write(&self) {
        let Dropped { stage, host, .. } = &self.value;
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            stage.write(self.end, &self.transport, self.shape.piece);
            if self.left.get() == 0 && self.shape.ends {
                stage.unregister(*host, self.end, &self.transport);
            }
        }
    }

    /// A push producer writes a piece each millisecond, until it is told to pause.
    pub(crate) fn tick(&self) {
        let me = self.me.clone();
        let Dropped { stage, host, .. } = &self.value;
        stage.later(*host, ms(1), move || {
            if let Some(me) = me.upgrade().filter(|me| !me.is_paused.get()) {
                me.write();
                if me.left.get() > 0 {
                    me.tick();
                }
            }
        });
    }

    fn tell(&self, kind: Kind, more: impl FnOnce()) {
        if let Some(inside) = self.value.stage.enter(self.value.host, kind, Subject::Producer(self.id)) {
            more();
            inside.act();
        }
    }
}

impl Producer for Source {
    fn is_pull(&self) -> bool {
        self.shape.is_pull
    }
    fn pause_producing(&self) {
        self.is_paused.set(true);
        self.tell(Kind::PauseProducing, || {});
    }
    fn resume_producing(&self) {
        self.is_paused.set(false);
        let more = || {
            if self.shape.is_pull {
                self.write();
            } else if self.left.get() > 0 {
                self.tick();
            }
        };
        self.tell(Kind::ResumeProducing, more);
    }
    fn stop_producing(&self) {
        self.left.set(0);
        self.tell(Kind::StopProducing, || {});
    }
}

/// A protocol over UDP.
pub(crate) struct UdpActor {
    pub(crate) id: usize,
    pub(crate) value: Dropped,
}

impl UdpActor {
    fn tell(&self, kind: Kind, more: impl FnOnce()) {
        if let Some(inside) = self.value.stage.enter(self.value.host, kind, Subject::Udp(self.id)) {
            more();
            inside.act();
        }
    }
}

impl DatagramProtocol for UdpActor {
    fn start_protocol(&mut self, _transport: &DatagramTransport) {
        self.tell(Kind::UdpStarted, || {});
    }
    fn datagram_received(&mut self, _transport: &DatagramTransport, datagram: &[u8], _from: SocketAddr) {
        self.tell(Kind::Datagram, || self.value.stage.contract().datagram(self.id, datagram));
    }
    fn stop_protocol(&mut self) {
        self.tell(Kind::UdpStopped, || {});
    }
}
