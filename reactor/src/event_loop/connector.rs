//! [`Connector`]: makes an outgoing connection. It looks the name up, tries the addresses in turn, and limits the time.
//!
//! ```text
//!          connect            name known           connected
//!   Idle ----------> Lookup ------------> Attempt ------------> Connected
//!    ^                 |                   |   ^ |                  |
//!    +-- failed -------+---- failed -------+   +-+ next address     |
//!    +------------------------- lost -------------------------------+
//! ```
//!
//! From `client_connection_failed` and `client_connection_lost` the factory may call [`Connector::connect`] again.
//! Those callbacks come from the loop, with the state back at `Idle`, so that the call begins a new attempt.
//!
//! Next: `resolver.rs`, where the names are looked up.

use super::connection::Connection;
use super::registry::Source;
use super::resolver::DEFAULT_LANE;
use super::{Core, WeakReactor};
use crate::driver::{Readiness, Stream, Token};
use crate::error::ConnectError;
use crate::timers::DelayedCall;
use crate::transport::TransportBackend;
use crate::{Address, ClientFactory, Deferred, Failure, Reason};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// How long an attempt may take, look-up included, unless [`Destination::timeout`] sets another: 30 s, as in Twisted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to connect to: a host name or address, a port, and how to connect. Converts from `(host, port)` or a socket
/// address.
///
/// ```
/// use reactor::Destination;
/// use std::time::Duration;
/// let there = Destination::from(("example.com", 443)).timeout(Duration::from_secs(5));
/// assert_eq!(there.to_string(), "example.com:443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    host: String,
    port: u16,
    timeout: Duration,
    bind: [Option<IpAddr>; 2],
    lane: &'static str,
}

impl Destination {
    /// Sets how long the attempt may take, look-up included (default 30 s).
    pub fn timeout(mut self, timeout: Duration) -> Destination {
        self.timeout = timeout;
        self
    }

    /// Sets the local address to connect from, for remote addresses of the same kind. One of each kind (IPv4, IPv6) may
    /// be set. Twisted's `bindAddress`.
    pub fn bind_address(mut self, address: IpAddr) -> Destination {
        self.bind[usize::from(address.is_ipv6())] = Some(address);
        self
    }

    /// Sets the lane in which the host name is looked up: see [`Reactor::resolve_in`](crate::Reactor::resolve_in).
    pub fn lookup_lane(mut self, lane: &'static str) -> Destination {
        self.lane = lane;
        self
    }

    /// The remote host, a name or an address, as the program gave it.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// The remote port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<(&str, u16)> for Destination {
    fn from((host, port): (&str, u16)) -> Destination {
        Destination { host: host.to_owned(), port, timeout: CONNECT_TIMEOUT, bind: [None; 2], lane: DEFAULT_LANE }
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Destination {
        Destination::from((address.ip().to_string().as_str(), address.port()))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// An outgoing connection, wanted or made. [`Reactor::connect_tcp`](crate::Reactor::connect_tcp) returns it. Twisted's
/// `IConnector`. Dropping it changes nothing.
#[derive(Clone)]
pub struct Connector(Rc<ConnectorInner>);

impl Connector {
    /// Where it connects to. Twisted's `getDestination`.
    pub fn destination(&self) -> &Destination {
        &self.0.destination
    }

    /// Connects, or connects again. Does nothing while there is an attempt or a connection. Does nothing either while
    /// the reactor closes everything: a client that always connects again must not keep the reactor from stopping.
    pub fn connect(&self) {
        ConnectorInner::start(&self.0);
    }

    /// Gives the attempt up. The factory's `client_connection_failed` gets [`ConnectError::Cancelled`]. Does nothing if
    /// there is no attempt.
    pub fn stop_connecting(&self) {
        self.0.give_up(ConnectError::Cancelled);
    }

    /// Gives the attempt up, or closes the connection in an orderly way.
    pub fn disconnect(&self) {
        let connection = match &*self.0.state.borrow() {
            State::Connected(connection) => Some(connection.clone()),
            _ => None,
        };
        match connection {
            Some(connection) => connection.lose_connection(),
            None => self.stop_connecting(),
        }
    }

    /// Whether a connection is up.
    pub fn is_connected(&self) -> bool {
        matches!(&*self.0.state.borrow(), State::Connected(_))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector(to {})", self.0.destination)
    }
}

pub(super) struct ConnectorInner {
    reactor: WeakReactor,
    destination: Destination,
    factory: Cell<Option<Box<dyn ClientFactory>>>,
    state: RefCell<State>,
    timer: RefCell<Option<DelayedCall>>,
}

enum State {
    Idle,
    /// `connect` was called. The loop will begin, because the factory must not be called from inside `connect`.
    Starting,
    Lookup(Deferred<()>),
    Attempt {
        attempt: Rc<Attempt>,
        rest: VecDeque<SocketAddr>,
    },
    Connected(Rc<Connection>),
}

/// One address being tried.
pub(super) struct Attempt {
    token: Token,
    address: SocketAddr,
    stream: Cell<Option<Box<dyn Stream>>>,
    connector: Rc<ConnectorInner>,
}

impl ConnectorInner {
    pub(super) fn connect(
        reactor: WeakReactor,
        destination: Destination,
        factory: Box<dyn ClientFactory>,
    ) -> Connector {
        let inner = Rc::new(ConnectorInner {
            reactor,
            destination,
            factory: Cell::new(Some(factory)),
            state: RefCell::new(State::Idle),
            timer: RefCell::new(None),
        });
        if let Some(core) = inner.reactor.core().filter(|core| core.is_closing()) {
            inner.tell_failed(&core, ConnectError::Cancelled.into());
        }
        ConnectorInner::start(&inner);
        Connector(inner)
    }

    fn start(this: &Rc<Self>) {
        let Some(core) = this.reactor.core() else { return };
        if core.is_closing() || !matches!(&*this.state.borrow(), State::Idle) {
            return;
        }
        this.state.replace(State::Starting);
        let me = this.clone();
        core.work.call_soon(Box::new(move || me.begin()));
        let (me, timeout) = (Rc::downgrade(this), this.destination.timeout);
        let late = move || {
            if let Some(me) = me.upgrade() {
                me.give_up(ConnectError::Timeout { destination: me.destination.to_string(), after: timeout });
            }
        };
        this.timer.replace(Some(core.work.timers.call_later(timeout, Box::new(late))));
    }

    fn begin(self: &Rc<Self>) {
        let Some(core) = self.reactor.core() else { return };
        if !matches!(&*self.state.borrow(), State::Starting) {
            return; // The program has given the attempt up before the loop began it.
        }
        self.with_factory(&core, "started_connecting", |factory, connector| factory.started_connecting(connector));
        if core.is_closing() {
            self.give_up(ConnectError::Cancelled);
        }
        if !matches!(&*self.state.borrow(), State::Starting) {
            return;
        }
        if let Ok(address) = self.destination.host.parse::<IpAddr>() {
            return self.try_next(&core, VecDeque::from([SocketAddr::new(address, self.destination.port)]), None);
        }
        let (found, failed) = (Rc::downgrade(self), Rc::downgrade(self));
        let lookup = core
            .resolve(self.destination.lane, &self.destination.host)
            .add_callback(move |addresses| {
                if let Some(me) = found.upgrade()
                    && let Some(core) = me.reactor.core()
                {
                    let port = me.destination.port;
                    me.try_next(&core, addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), None);
                }
            })
            .add_errback(move |failure| {
                if let Some(me) = failed.upgrade()
                    && failure.check::<ConnectError>().is_some()
                {
                    me.give_up(failure);
                }
            });
        // If the answer came at once, the callback has already changed the state, which must not be overwritten.
        let mut state = self.state.borrow_mut();
        if matches!(&*state, State::Starting) {
            *state = State::Lookup(lookup);
            core.work.looking_up.borrow_mut().push(self.clone());
        }
    }

    /// Tries the addresses in order. If all fail, the last error is the one that is reported.
    fn try_next(self: &Rc<Self>, core: &Core, mut rest: VecDeque<SocketAddr>, mut error: Option<ConnectError>) {
        self.remove_from_lookups(core);
        while let Some(address) = rest.pop_front() {
            let token = core.registry.borrow().next_token();
            let bind = self.destination.bind[usize::from(address.is_ipv6())];
            let opened = core.driver.borrow_mut().connect_tcp(address, bind, token);
            match opened {
                Ok(stream) => {
                    let stream = Cell::new(Some(stream));
                    let attempt = Rc::new(Attempt { token, address, stream, connector: self.clone() });
                    core.registry.borrow_mut().insert(token, Source::Attempt(attempt.clone()));
                    self.state.replace(State::Attempt { attempt, rest });
                    return;
                }
                Err(failed) => error = Some(ConnectError::Failed { address, error: failed }),
            }
        }
        let host = || self.destination.host.clone();
        let nothing = || ConnectError::NameLookup { host: host(), error: io::ErrorKind::NotFound.into() };
        self.give_up(error.unwrap_or_else(nothing));
    }

    /// Ends the attempt. The loop tells the factory.
    fn give_up(self: &Rc<Self>, failure: impl Into<Failure>) {
        let Some(core) = self.reactor.core() else { return };
        if matches!(&*self.state.borrow(), State::Idle | State::Connected(_)) {
            return;
        }
        // First: ending the attempt runs callbacks, and they must not find it half over.
        let old = self.state.replace(State::Idle);
        self.stop_timer();
        self.remove_from_lookups(&core);
        match old {
            State::Attempt { attempt, .. } => attempt.close(&core),
            State::Lookup(lookup) => lookup.cancel(),
            _ => {}
        }
        self.tell_failed(&core, failure.into());
    }

    /// Makes the loop call `client_connection_failed`.
    fn tell_failed(self: &Rc<Self>, core: &Core, failure: Failure) {
        let me = self.clone();
        core.work.call_soon(Box::new(move || {
            if let Some(core) = me.reactor.core() {
                me.with_factory(&core, "client_connection_failed", |factory, connector| {
                    factory.client_connection_failed(connector, failure);
                });
            }
        }));
    }

    /// Gives up, because the reactor closes everything.
    pub(super) fn stop(self: &Rc<Self>) {
        self.give_up(ConnectError::Cancelled);
    }

    /// Removes this connector from the list of those that wait for a name.
    fn remove_from_lookups(self: &Rc<Self>, core: &Core) {
        core.work.looking_up.borrow_mut().retain(|other| !Rc::ptr_eq(self, other));
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn with_factory(self: &Rc<Self>, core: &Core, what: &str, f: impl FnOnce(&mut dyn ClientFactory, &Connector)) {
        // Taken out and put back, like a protocol: the callback may come back to this connector.
        let Some(mut factory) = self.factory.take() else { return };
        let connector = Connector(self.clone());
        core.run_callback(
            |out| out.write_fmt(format_args!("{what} of the connector to {}", self.destination)),
            || f(&mut *factory, &connector),
        );
        self.factory.set(Some(factory));
    }

    /// The connection is gone, and its protocol knows.
    pub(super) fn lost(self: &Rc<Self>, core: &Core, reason: &Reason) {
        self.state.replace(State::Idle); // Before the call, in which the factory may connect again.
        self.with_factory(core, "client_connection_lost", |factory, connector| {
            factory.client_connection_lost(connector, reason);
        });
    }

    /// Drops what it holds, without a callback: the loop is gone.
    pub(super) fn forget(&self) {
        drop(self.factory.take());
        drop(self.state.replace(State::Idle));
    }
}

impl Attempt {
    /// The driver has news of the attempt.
    pub(super) fn ready(self: &Rc<Self>, core: &Core, event: Readiness) {
        let Some(mut stream) = self.stream.take() else { return };
        match stream.finish_connect() {
            Ok(false) => self.stream.set(Some(stream)),
            Ok(true) => self.connected(core, stream, event),
            Err(error) => {
                drop(stream);
                core.registry.borrow_mut().remove(self.token);
                let rest = match &mut *self.connector.state.borrow_mut() {
                    State::Attempt { rest, .. } => mem::take(rest),
                    _ => return,
                };
                let error = ConnectError::Failed { address: self.address, error };
                self.connector.try_next(core, rest, Some(error));
            }
        }
    }

    fn connected(self: &Rc<Self>, core: &Core, stream: Box<dyn Stream>, event: Readiness) {
        let connector = &self.connector;
        connector.stop_timer();
        let peer = Address::from(self.address);
        let mut protocol = None;
        connector.with_factory(core, "build_protocol", |factory, _| protocol = factory.build_protocol(&peer));
        let Some(protocol) = protocol else {
            drop(stream);
            return connector.give_up(ConnectError::NoProtocol);
        };
        if !matches!(&*connector.state.borrow(), State::Attempt { .. }) {
            return; // The factory has given the attempt up from inside `build_protocol`.
        }
        let work = core.work.clone();
        let connection = Connection::new(self.token, work, stream, protocol, peer, Some(connector.clone()));
        // Both before `begin`: in `connection_made` the program may disconnect, which looks here.
        connector.state.replace(State::Connected(connection.clone()));
        core.registry.borrow_mut().replace(self.token, Source::Connection(connection.clone()));
        connection.begin(core);
        // The event that reported the connection may also have reported bytes, and will not come again.
        connection.ready(core, event);
    }

    fn close(&self, core: &Core) {
        drop(self.stream.take());
        core.registry.borrow_mut().remove(self.token);
    }

    pub(super) fn stop(&self) {
        self.connector.stop();
    }

    pub(super) fn forget(&self) {
        drop(self.stream.take());
        self.connector.forget();
    }
}
