//! What a program asks of its reactor, with what the contract expects of each request.

use crate::actors::{Client, PortFactory, Source, UdpActor, build_once};
use crate::acts::{SERVER_NAME, address_of};
use crate::contract::{Deferred, EndId, Once, Port, Producer, Stop, Subject, Udp};
use crate::mistakes::Mistake;
use crate::program::{Kind, ProducerShape, TriggerResult, Which};
use crate::stage::{Stage, ms};
use reactor::error::DatagramError;
use reactor::event_loop::Destination;
use reactor::{Phase, SystemEvent, Transport};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// Ports of a program begin here; UDP ports have the same numbers.
const FIRST_PORT: u16 = 8000;
/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = ms(3000);

impl Stage {
    pub(crate) fn write(&self, end: EndId, transport: &Transport, len: u32) {
        let from = self.look().ends[end].accepted;
        self.contract().write(end, len.into(), self.backlog(transport));
        let data: Vec<u8> = (from..from + u64::from(len)).map(|at| self.byte(end, at)).collect();
        transport.write(&data);
        self.look_after_write(end, transport, len.into());
    }

    pub(crate) fn write_pieces(&self, end: EndId, transport: &Transport, count: usize) {
        let from = self.look().ends[end].accepted;
        self.contract().write(end, 3 * count as u64, self.backlog(transport));
        let data: Vec<u8> = (from..from + 3 * count as u64).map(|at| self.byte(end, at)).collect();
        let pieces: Vec<&[u8]> = data.chunks(3).collect();
        transport.write_vectored(&pieces);
        self.look_after_write(end, transport, 3 * count as u64);
    }

    /// Whether TLS begins in the middle of a connection.
    fn starts_tls(&self) -> bool {
        self.program.network.starts_tls
    }

    pub(crate) fn byte(&self, end: EndId, at: u64) -> u8 {
        crate::contract::byte_of(end, at)
    }

    pub(crate) fn look_after_write(&self, end: EndId, transport: &Transport, len: u64) {
        let host = self.look().ends[end].host;
        if !self.look().is_dead(host) && self.look().difference().is_none() {
            self.contract().take_back(end, len, self.seen(transport));
            self.look_at(end, transport);
        }
    }

    pub(crate) fn register(self: &Rc<Self>, host: usize, end: EndId, transport: &Transport, shape: ProducerShape) {
        let id = self.look().producers.len();
        let is_late = self.look().runs[host].is_closing();
        self.contract().producers.push(Producer {
            is_pull: shape.is_pull,
            end,
            is_paused: false,
            is_to_be_paused: false,
            was_asked: false,
            stop: Stop::NotOwed,
            is_late,
            is_dropped: false,
        });
        let source = Rc::new_cyclic(|me| Source {
            me: me.clone(),
            id,
            end,
            transport: transport.clone(),
            shape,
            left: Cell::new(shape.pieces),
            is_paused: Cell::new(false),
            value: self.dropped(host, Kind::ProducerDropped, Subject::Producer(id)),
        });
        self.contract().register(end, id);
        self.request(host, &[Kind::ProducerDropped], || transport.register_producer(source.clone()));
        if !shape.is_pull {
            source.tick();
        }
    }

    pub(crate) fn unregister(self: &Rc<Self>, host: usize, end: EndId, transport: &Transport) {
        self.contract().unregister(end);
        self.request(host, &[Kind::ProducerDropped], || transport.unregister_producer());
    }

    pub(crate) fn listen(self: &Rc<Self>, host: usize, number: u8) {
        let expected = self.look().may_listen(host, number);
        let id = self.look().ports.len();
        self.contract().ports.push(Port {
            host,
            number,
            is_started: false,
            is_closed: false,
            has_factory_stopped: false,
            is_factory_dropped: false,
            owed: 0,
        });
        let factory = PortFactory { port: id, value: self.dropped(host, Kind::FactoryDropped, Subject::Port(id)) };
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, FIRST_PORT + u16::from(number)));
        let permitted = &[Kind::StartFactory, Kind::FactoryDropped];
        let tls = self.hosts[host].tls.borrow().clone();
        let result = self.request(host, permitted, || match tls {
            Some((server, _)) if self.starts_tls() => {
                self.reactor(host).listen_tcp(address, server.plain_first(factory))
            }
            Some((server, _)) => self.reactor(host).listen_tcp(address, server.factory(factory)),
            None => self.reactor(host).listen_tcp(address, factory),
        });
        if self.look().is_dead(host) {
            return;
        }
        let is = result.is_ok();
        let holds = expected.is_none_or(|expected| is == expected);
        self.contract().expect(holds, format_args!("host {host}: listening at {number} gives {result:?}"));
        match result {
            Ok(port) => self.hosts[host].ports.add(id, port),
            Err(_) => self.contract().ports[id].is_closed = true,
        }
    }

    pub(crate) fn stop_listening(self: &Rc<Self>, host: usize, which: Which, own: Option<usize>) {
        let Some((id, port)) = self.hosts[host].ports.pick(which, own) else { return };
        let is_over = self.look().ports[id].is_factory_dropped;
        {
            let mut contract = self.contract();
            contract.ports[id].is_closed = true;
            contract.ports[id].owed += 1;
        }
        let permitted: &[Kind] = if is_over { &[Kind::PortStopped] } else { &[] };
        let me = self.clone();
        let stopped = move |result| {
            if let Some(inside) = me.enter(host, Kind::PortStopped, Subject::Port(id)) {
                inside.act();
            }
            result
        };
        if !self.makes(Mistake::StaysListening) {
            self.request(host, permitted, || port.stop_listening().add_both(stopped).detach());
        }
    }

    /// Where an action's number leads: to the other host, to this one, to a name without an answer.
    pub(crate) fn destination(&self, host: usize, number: u8) -> Destination {
        let to = match number {
            0..4 => Destination::from(SocketAddr::from((address_of(1 - host), FIRST_PORT + u16::from(number)))),
            4..8 => Destination::from(SocketAddr::from((address_of(host), FIRST_PORT + u16::from(number - 4)))),
            _ => Destination::from(("silent", FIRST_PORT)),
        };
        to.timeout(CONNECT_TIMEOUT)
    }

    pub(crate) fn connect(self: &Rc<Self>, host: usize, number: u8) {
        let id = self.contract().connect(host);
        let factory = Client { connector: id, value: self.dropped(host, Kind::FactoryDropped, Subject::Connector(id)) };
        let destination = self.destination(host, number);
        let tls = self.hosts[host].tls.borrow().clone();
        let connector = self.request(host, &[], || match tls {
            Some((_, client)) if self.starts_tls() => {
                self.reactor(host).connect_tcp(destination, client.plain_first(SERVER_NAME, factory))
            }
            Some((_, client)) => self.reactor(host).connect_tcp(destination, client.factory(SERVER_NAME, factory)),
            None => self.reactor(host).connect_tcp(destination, factory),
        });
        self.hosts[host].connectors.add(id, connector);
    }

    pub(crate) fn connect_once(self: &Rc<Self>, host: usize, number: u8) {
        let id = self.look().onces.len();
        let is_late = self.look().runs[host].is_closing();
        self.contract().onces.push(Once { host, end: None, has_fired: false, is_cancelled: false, is_late });
        let (me, builder) = (self.clone(), self.clone());
        let destination = self.destination(host, number);
        let tls = self.hosts[host].tls.borrow().clone();
        let deferred = self.request(host, &[], || {
            let (reactor, build) = (self.reactor(host), move |_peer| build_once(&builder, host, id));
            match tls {
                Some((_, client)) if self.starts_tls() => reactor.connect(destination, move |peer| {
                    client.wrap_plain_first(SERVER_NAME, build(peer)).expect("the name is good")
                }),
                Some((_, client)) => client.connect(&reactor, destination, SERVER_NAME, build),
                None => reactor.connect(destination, build),
            }
        });
        let deferred = deferred.add_both(move |result| {
            if let Some(inside) = me.enter(host, Kind::Connected, Subject::Once(id)) {
                me.contract().once_fired(id, result.is_ok());
                inside.act();
            }
            Ok(())
        });
        self.hosts[host].onces.add(id, deferred.canceller());
        deferred.detach();
    }

    pub(crate) fn cancel_connect(self: &Rc<Self>, host: usize, which: Which, own: Option<usize>) {
        let Some((id, canceller)) = self.hosts[host].onces.pick(which, own) else { return };
        {
            let mut contract = self.contract();
            let once = &mut contract.onces[id];
            once.is_cancelled |= !once.has_fired;
            let end = once.end.filter(|_| !once.has_fired);
            if let Some(end) = end {
                contract.lose(end);
            }
        }
        self.request(host, &[Kind::Connected], || canceller.cancel());
        let has_fired = self.look().onces[id].has_fired;
        self.contract().expect(has_fired, format_args!("the Deferred {id} of connect is cancelled, and does not fire"));
    }

    /// A delayed call, which does `f` and what the program says.
    pub(crate) fn later(self: &Rc<Self>, host: usize, delay: Duration, f: impl FnOnce() + 'static) {
        let id = self.contract().later(host, delay);
        let value = self.dropped(host, Kind::TimerDropped, Subject::Timer(id));
        let me = self.clone();
        let call = self.reactor(host).call_later(delay, move || {
            let _value = value;
            if let Some(inside) = me.enter(host, Kind::Timer, Subject::Timer(id)) {
                f();
                inside.act();
            }
        });
        self.hosts[host].timers.add(id, call);
    }

    pub(crate) fn soon(self: &Rc<Self>, host: usize) {
        let id = {
            let mut contract = self.contract();
            let id = contract.soon_count;
            contract.soon_count += 1;
            contract.soon[host].push_back(id);
            id
        };
        let me = self.clone();
        let call = move || {
            if let Some(inside) = me.enter(host, Kind::Soon, Subject::Soon(id)) {
                inside.act();
            }
        };
        self.request(host, &[], || match self.makes(Mistake::CallsAtOnce) {
            true => call(),
            false => self.reactor(host).call_when_running(call),
        });
    }

    pub(crate) fn new_deferred(self: &Rc<Self>, host: usize, callbacks: usize) -> Option<reactor::Deferred<()>> {
        let id = self.look().deferreds.len();
        self.contract().deferreds.push(Deferred {
            host,
            callback_count: callbacks,
            called_count: 0,
            next: None,
            was_cancelled: false,
            canceller_ran: false,
        });
        let me = self.clone();
        let (mut deferred, firer) = reactor::Deferred::with_canceller(move |_| {
            if let Some(inside) = me.enter(host, Kind::Canceller, Subject::Deferred(id)) {
                inside.act();
            }
        });
        for _ in 0..callbacks {
            let me = self.clone();
            deferred = deferred.add_both(move |result: Result<(), reactor::Failure>| {
                if let Some(inside) = me.enter(host, Kind::Deferred, Subject::Deferred(id)) {
                    me.contract().result(id, result.is_ok());
                    inside.act();
                }
                Ok(())
            });
        }
        self.hosts[host].deferreds.add(id, (firer, deferred.canceller()));
        Some(deferred)
    }

    pub(crate) fn open_udp(self: &Rc<Self>, host: usize, number: u8) {
        let expected = self.look().may_open_udp(host, number);
        let id = self.look().udp.len();
        self.contract().udp.push(Udp {
            host,
            number: u8::MAX,
            is_started: false,
            is_closed: false,
            is_stopped: false,
            is_dropped: false,
            owed: 0,
            sent: Default::default(),
        });
        let actor = UdpActor { id, value: self.dropped(host, Kind::UdpDropped, Subject::Udp(id)) };
        let address = SocketAddr::new(address_of(host), FIRST_PORT + u16::from(number));
        let result = self.request(host, &[Kind::UdpDropped], || self.reactor(host).listen_udp(address, actor));
        if self.look().is_dead(host) {
            return;
        }
        let is = result.is_ok();
        let holds = expected.is_none_or(|expected| is == expected);
        self.contract().expect(holds, format_args!("host {host}: UDP port {number} gives {result:?}"));
        match result {
            Ok(port) => {
                self.contract().udp[id].number = number;
                self.hosts[host].udp.add(id, port);
            }
            Err(_) => self.contract().udp[id].is_closed = true,
        }
    }

    pub(crate) fn send(&self, host: usize, which: Which, to: u8, len: usize) {
        let Some((id, port)) = self.hosts[host].udp.pick(which, None) else { return };
        let number = self.look().udp[id].sent.len() as u32;
        let mut datagram = [(id as u32).to_le_bytes(), number.to_le_bytes()].concat();
        datagram.resize(8 + len, 7);
        let to_host = if to < 4 { 1 - host } else { host };
        let to = SocketAddr::new(address_of(to_host), FIRST_PORT + u16::from(to % 4));
        if self.look().runs[to_host].run == 0 {
            return; // There is no such machine yet.
        }
        let is_closed = self.look().udp[id].is_closed;
        // A reactor that closes its ports does so after the triggers, one after the other.
        let may_be_open = !is_closed || self.look().runs[host].is_in_during();
        self.contract().udp[id].sent.insert(number, (datagram.len(), 0));
        let result = port.write_to(&datagram, to);
        let holds = match &result {
            Ok(()) | Err(DatagramError::Full) => may_be_open,
            Err(DatagramError::Closed) => is_closed,
            Err(_) => false,
        };
        if !self.look().is_dead(host) {
            self.contract().expect(holds, format_args!("sending from UDP port {id} gives {result:?}"));
        }
    }

    pub(crate) fn close_udp(self: &Rc<Self>, host: usize, which: Which) {
        let Some((id, port)) = self.hosts[host].udp.pick(which, None) else { return };
        let is_over = self.look().udp[id].is_dropped;
        {
            let mut contract = self.contract();
            contract.udp[id].is_closed = true;
            contract.udp[id].owed += 1;
        }
        let permitted: &[Kind] = if is_over { &[Kind::UdpClosed] } else { &[] };
        let me = self.clone();
        let closed = move |result| {
            if let Some(inside) = me.enter(host, Kind::UdpClosed, Subject::Udp(id)) {
                inside.act();
            }
            result
        };
        self.request(host, permitted, || port.stop_listening().add_both(closed).detach());
    }

    pub(crate) fn add_trigger(self: &Rc<Self>, host: usize, phase: Phase, result: TriggerResult) {
        let id = self.contract().add_trigger(host, phase);
        let me = self.clone();
        let kind = match phase {
            Phase::Before => Kind::Before,
            Phase::During => Kind::During,
            Phase::After => Kind::After,
        };
        let action = move || {
            let Some(inside) = me.enter(host, kind, Subject::Trigger(id)) else {
                return reactor::deferred::succeed(());
            };
            inside.act();
            match result {
                TriggerResult::Deferred if phase == Phase::Before => {
                    let deferred = me.look().deferreds.len();
                    me.contract().waits_for(host, deferred);
                    me.new_deferred(host, 1).unwrap_or_else(|| reactor::deferred::succeed(()))
                }
                _ => reactor::deferred::succeed(()),
            }
        };
        let trigger = self.reactor(host).add_system_event_trigger(phase, SystemEvent::Shutdown, action);
        self.hosts[host].triggers.add(id, trigger);
    }

    pub(crate) fn remove_trigger(&self, host: usize, which: Which) {
        let Some((id, trigger)) = self.hosts[host].triggers.pick(which, None) else { return };
        let expected = self.contract().remove_trigger(host, id);
        let is = self.reactor(host).remove_system_event_trigger(trigger);
        if !self.look().is_dead(host) {
            self.contract().expect(is == expected, format_args!("removing the trigger {id} gives {is}"));
        }
    }
}
