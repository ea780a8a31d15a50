//! The simulated world: what its network does; that a seed decides everything; and that the library's protocols run
//! over it unchanged.

mod aborts;
mod addresses;
mod breaks;
mod closing;
mod connecting;
mod console;
mod coroutines;
mod determinism;
#[path = "../util/events.rs"]
mod events;
mod faults;
mod flow;
mod half_open;
mod hosts;
mod jobs;
mod keep_alive;
mod partitions;
mod refusals;
mod resets;
mod starttls;
mod tls;
mod traces;
mod udp;
mod unix;
mod zero_window;

use events::{Events, Noting};
use reactor::sim::{Host, HostSettings, Latency, LinkSettings, World, WorldSettings};
use reactor::{Address, ClientFactory, Connector, Failure, Protocol, Reactor, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const PORT: u16 = 8007;

/// A world in which every link takes exactly 10 ms, and a look-up 5 ms.
pub(crate) fn world(seed: u64) -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(10 * MS));
    settings.lookup = Latency::Fixed(5 * MS);
    World::with_settings(seed, settings)
}

/// Sends back everything it receives.
pub(crate) struct Echo;

impl Protocol for Echo {
    fn connection_made(&mut self, transport: &Transport) {
        transport.pause_when_full(true);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

pub(crate) fn echo(reactor: &Reactor) {
    reactor.listen_tcp("0.0.0.0:8007", |_| Echo).unwrap();
}

/// A server that notes what its connections meet in `events`; `shape` says what else they do.
pub(crate) fn server(world: &World, events: &Events, shape: impl Fn(Noting) -> Noting + Clone + 'static) -> Host {
    let events = events.clone();
    world.host("server", move |reactor| {
        let (events, shape) = (events.clone(), shape.clone());
        reactor.listen_tcp("0.0.0.0:8007", move |_| shape(Noting::new(&events))).unwrap();
    })
}

/// A client that connects once to `server` and notes what it meets in `events`.
pub(crate) fn client(world: &World, events: &Events, shape: impl Fn(Noting) -> Noting + Clone + 'static) -> Host {
    client_with(world, HostSettings::default(), events, shape)
}

pub(crate) fn client_with(
    world: &World,
    settings: HostSettings,
    events: &Events,
    shape: impl Fn(Noting) -> Noting + Clone + 'static,
) -> Host {
    let events = events.clone();
    world.host_with("client", settings, move |reactor| {
        reactor.connect_tcp(("server", PORT), Once { events: events.clone(), shape: shape.clone() });
    })
}

/// The transport of the last connection made, for a test that writes or closes from outside.
#[derive(Clone, Default)]
pub(crate) struct LastTransport(Rc<RefCell<Option<Transport>>>);

impl LastTransport {
    /// Makes this connection leave its transport here.
    pub(crate) fn of(&self, mut noting: Noting) -> Noting {
        let line = self.0.clone();
        let mut made = std::mem::replace(&mut noting.made, Box::new(|_| {}));
        noting.made = Box::new(move |transport| {
            *line.borrow_mut() = Some(transport.clone());
            made(transport);
        });
        noting
    }

    pub(crate) fn transport(&self) -> Transport {
        self.0.borrow().clone().expect("a connection was made")
    }

    pub(crate) fn write(&self, data: &str) {
        self.transport().write(data.as_bytes());
    }
}

/// A factory for one connection; it also notes if the attempt fails, and why.
pub(crate) struct Once<F> {
    pub(crate) events: Events,
    pub(crate) shape: F,
}

impl<F: Fn(Noting) -> Noting> ClientFactory for Once<F> {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new((self.shape)(Noting::new(&self.events))))
    }
    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        let error = failure.to_string();
        self.events.note(format!("failed: {error}"));
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &Reason) {
        self.events.note("client lost");
    }
}

/// A connection that only notes what it meets.
pub(crate) fn plain(noting: Noting) -> Noting {
    noting
}

/// A connection that writes `text` when it is made.
pub(crate) fn saying(text: &'static str) -> impl Fn(Noting) -> Noting + Clone {
    move |noting| Noting { made: Box::new(move |transport| transport.write(text.as_bytes())), ..noting }
}

/// A connection that sends back everything it receives, as [`Echo`] does.
pub(crate) fn echoing(noting: Noting) -> Noting {
    Noting { data: Box::new(|transport, data| transport.write(data)), ..noting }
}
