//! [`Connector`]: makes an outgoing connection. It looks the name up, has the addresses race, and limits the time.
//!
//! ```text
//!          connect            name known          the first connects
//!   Idle ----------> Lookup ------------> Racing --------------------> Connected
//!    ^                 |                   |                               |
//!    +---- failed -----+-- all failed -----+                               |
//!    +-------------------------------- lost -------------------------------+
//! ```
//!
//! From `client_connection_failed` and `client_connection_lost` the factory may call [`Connector::connect`] again.
//! Those callbacks come from the loop, with the state back at `Idle`, so that the call begins a new attempt.
//!
//! Next: `resolver.rs`, where the names are looked up.

use super::callback::Description;
use super::connection::{Connection, Origin};
use super::race::Race;
use super::registry::Source;
use super::{Core, Destination, WeakReactor};
use crate::context::Asked;
use crate::driver::{Readiness, Stream, Token};
use crate::error::ConnectError;
use crate::foreign::Foreign;
use crate::timers::DelayedCall;
use crate::trace::CallbackKind;
use crate::transport::TransportBackend;
use crate::{Address, ClientFactory, Deferred, Failure, Reason};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

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

    /// Where the program asked for it.
    pub(super) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    pub(super) fn downgrade(&self) -> WeakConnector {
        WeakConnector(Rc::downgrade(&self.0))
    }

    /// When the attempt under way, or the attempt that succeeded, knew the addresses of its host name. `None` before
    /// that, and if the destination has no name to look up.
    pub fn resolved(&self) -> Option<Instant> {
        self.0.resolved.get()
    }

    /// Whether a connection is up.
    pub fn is_connected(&self) -> bool {
        matches!(&*self.0.state.borrow(), State::Connected(_))
    }
}

/// A reference that does not keep the connector alive.
pub(super) struct WeakConnector(Weak<ConnectorInner>);

impl WeakConnector {
    pub(super) fn upgrade(&self) -> Option<Connector> {
        self.0.upgrade().map(Connector)
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
    /// Where the program asked for it.
    asked: Asked,
    factory: Cell<Option<Foreign<Box<dyn ClientFactory>>>>,
    state: RefCell<State>,
    timer: RefCell<Option<DelayedCall>>,
    /// How many attempts have been asked for. A factory may give one up and ask for the next in one callback, and what
    /// goes on after the callback must see that it belongs to the one before.
    attempt_count: Cell<u64>,
    /// When the addresses were known.
    resolved: Cell<Option<Instant>>,
}

enum State {
    Idle,
    /// `connect` was called. The loop will begin, because the factory must not be called from inside `connect`.
    Starting,
    Lookup(Deferred<()>),
    Racing(Race),
    Connected(Rc<Connection>),
}

/// One address being tried.
pub(super) struct Attempt {
    token: Token,
    address: Address,
    stream: Cell<Option<Box<dyn Stream>>>,
    connector: Rc<ConnectorInner>,
}

impl ConnectorInner {
    pub(super) fn connect(
        reactor: WeakReactor,
        destination: Destination,
        factory: Foreign<Box<dyn ClientFactory>>,
        asked: Asked,
    ) -> Connector {
        let inner = Rc::new(ConnectorInner {
            reactor,
            destination,
            asked,
            factory: Cell::new(Some(factory)),
            state: RefCell::new(State::Idle),
            timer: RefCell::new(None),
            attempt_count: Cell::new(0),
            resolved: Cell::new(None),
        });
        if let Some(core) = inner.reactor.core().filter(|core| core.is_closing()) {
            inner.tell_failed(&core, Failure::at(ConnectError::Cancelled, inner.asked.place));
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
        let attempt = this.attempt_count.get() + 1;
        this.attempt_count.set(attempt);
        this.resolved.set(None);
        let me = this.clone();
        core.work.call_soon(this.asked.place, Box::new(move || me.begin(attempt)));
        let (me, timeout) = (Rc::downgrade(this), this.destination.time_allowed());
        let late = move || {
            if let Some(me) = me.upgrade() {
                me.give_up(ConnectError::Timeout { destination: me.destination.to_string(), after: timeout });
            }
        };
        this.timer.replace(Some(core.work.timers.call_later(timeout, late)));
    }

    /// Begins the attempt of this number.
    fn begin(self: &Rc<Self>, attempt: u64) {
        let Some(core) = self.reactor.core() else { return };
        let is_wanted = || matches!(&*self.state.borrow(), State::Starting) && self.attempt_count.get() == attempt;
        if !is_wanted() {
            return; // The program has given the attempt up before the loop began it.
        }
        self.with_factory(&core, "started_connecting", |factory, connector| factory.started_connecting(connector));
        if core.is_closing() {
            self.give_up(ConnectError::Cancelled);
        }
        if !is_wanted() {
            return;
        }
        if let Err(error) = self.destination.check() {
            return self.give_up(error);
        }
        if let Some(address) = self.destination.address() {
            return self.race(&core, Race::alone(address));
        }
        let (found, failed) = (Rc::downgrade(self), Rc::downgrade(self));
        let lookup = core
            .resolve(self.destination.lane(), self.destination.host_name())
            .add_callback(move |addresses| {
                if let Some(me) = found.upgrade()
                    && let Some(core) = me.reactor.core()
                {
                    let mut addresses: Vec<SocketAddr> = addresses;
                    me.resolved.set(Some(core.read_clock()));
                    addresses.iter_mut().for_each(|address| address.set_port(me.destination.port()));
                    me.race(&core, Race::new(addresses));
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
            self.wait_without_socket(&core);
        }
    }

    /// Notes that this connector has no socket, through which a stop would find it, and which would keep it alive.
    pub(super) fn wait_without_socket(self: &Rc<Self>, core: &Core) {
        core.work.looking_up.borrow_mut().push(self.clone());
    }

    fn race(self: &Rc<Self>, core: &Core, race: Race) {
        self.state.replace(State::Racing(race));
        self.try_next(core);
    }

    /// Tries the next address, or fails if none is left to hope for.
    fn try_next(self: &Rc<Self>, core: &Core) {
        self.remove_from_lookups(core);
        // Borrowed while the driver is called, which calls nobody back.
        let tried = match &mut *self.state.borrow_mut() {
            State::Racing(race) => race.try_next(core, self),
            _ => return,
        };
        if let Err(error) = tried {
            self.give_up(error);
        }
    }

    /// Has the next address tried, if no attempt has ended by then.
    pub(super) fn try_next_later(self: &Rc<Self>, core: &Core) -> DelayedCall {
        self.try_next_after(core, self.destination.delay_between_attempts())
    }

    pub(super) fn try_next_after(self: &Rc<Self>, core: &Core, delay: Duration) -> DelayedCall {
        let me = Rc::downgrade(self);
        let next = move || {
            if let Some(me) = me.upgrade()
                && let Some(core) = me.reactor.core()
            {
                me.try_next(&core);
            }
        };
        core.work.timers.call_later(delay, next)
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn host_name(&self) -> String {
        self.destination.host_name().to_owned()
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
            State::Racing(race) => race.close(&core),
            State::Lookup(lookup) => lookup.cancel(),
            _ => {}
        }
        self.tell_failed(&core, failure.into().raised_for(self.asked.place));
    }

    /// Makes the loop call `client_connection_failed`.
    fn tell_failed(self: &Rc<Self>, core: &Core, failure: Failure) {
        let me = self.clone();
        let tell = move || {
            if let Some(core) = me.reactor.core() {
                me.with_factory(&core, "client_connection_failed", |factory, connector| {
                    factory.client_connection_failed(connector, failure);
                });
            }
        };
        core.work.call_soon(self.asked.place, Box::new(tell));
    }

    /// Gives up, because the reactor closes everything.
    pub(super) fn stop(self: &Rc<Self>) {
        self.give_up(ConnectError::Cancelled);
    }

    /// Removes this connector from the list of those that wait without a socket.
    fn remove_from_lookups(self: &Rc<Self>, core: &Core) {
        core.work.looking_up.borrow_mut().retain(|other| !Rc::ptr_eq(self, other));
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn with_factory(
        self: &Rc<Self>,
        core: &Core,
        what: &'static str,
        f: impl FnOnce(&mut dyn ClientFactory, &Connector),
    ) {
        // Taken out and put back, like a protocol: the callback may come back to this connector.
        let Some(mut factory) = self.factory.take() else { return };
        let connector = Connector(self.clone());
        let describe = |out: &mut Description| {
            out.method(CallbackKind::Factory, what, None).place(self.asked.place);
            out.write_fmt(format_args!("{what} of the connector to {}, made at {}", self.destination, self.asked))
        };
        self.asked.context.run(|| core.run_callback(describe, || f(&mut **factory, &connector)));
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
    pub(super) fn connector(&self) -> &Rc<ConnectorInner> {
        &self.connector
    }

    /// Begins to connect to `address`.
    pub(super) fn begin(core: &Core, connector: &Rc<ConnectorInner>, address: Address) -> io::Result<Rc<Attempt>> {
        let token = core.registry.borrow().next_token();
        let mut driver = core.driver.borrow_mut();
        let stream = match &address {
            Address::Tcp(to) => driver.connect_tcp(*to, connector.destination.bind_for(*to), token)?,
            Address::Unix(to) => driver.connect_unix(to, token)?,
            Address::StandardIo | Address::Unknown => return Err(io::ErrorKind::InvalidInput.into()),
        };
        drop(driver);
        let stream = Cell::new(Some(stream));
        let attempt = Rc::new(Attempt { token, address, stream, connector: connector.clone() });
        core.registry.borrow_mut().insert(token, Source::Attempt(attempt.clone()));
        Ok(attempt)
    }

    pub(super) fn address(&self) -> Address {
        self.address.clone()
    }

    /// The driver has news of the attempt.
    pub(super) fn ready(self: &Rc<Self>, core: &Core, event: Readiness) {
        let Some(mut stream) = self.stream.take() else { return };
        match stream.finish_connect() {
            Ok(false) => self.stream.set(Some(stream)),
            Ok(true) => self.connected(core, stream, event),
            Err(error) => {
                drop(stream);
                core.registry.borrow_mut().remove(self.token);
                if let State::Racing(race) = &mut *self.connector.state.borrow_mut() {
                    race.note_failure(self, error);
                }
                self.connector.try_next(core);
            }
        }
    }

    fn connected(self: &Rc<Self>, core: &Core, stream: Box<dyn Stream>, event: Readiness) {
        let connector = &self.connector;
        connector.stop_timer();
        if let State::Racing(race) = &mut *connector.state.borrow_mut() {
            race.keep_only(core, self);
        }
        let peer = self.address.clone();
        let mut protocol = None;
        connector.with_factory(core, "build_protocol", |factory, _| {
            protocol = factory.build_protocol(&peer).map(Foreign::new);
        });
        // First: a factory that builds nothing refuses this attempt, and not the one that it has asked for meanwhile.
        if !matches!(&*connector.state.borrow(), State::Racing(_)) {
            return; // The factory has given the attempt up from inside `build_protocol`.
        }
        let Some(protocol) = protocol else {
            drop(stream);
            return connector.give_up(ConnectError::NoProtocol);
        };
        let work = core.work.clone();
        let connection =
            Connection::new(self.token, work, stream, protocol, peer, Origin::Connector(connector.clone()));
        // Both before `begin`: in `connection_made` the program may disconnect, which looks here.
        connector.state.replace(State::Connected(connection.clone()));
        core.registry.borrow_mut().replace(self.token, Source::Connection(connection.clone()));
        connection.begin(core);
        // The event that reported the connection may also have reported bytes, and will not come again.
        connection.ready(core, event);
    }

    /// Closes the socket, and leaves the registry.
    pub(super) fn close(&self, core: &Core) {
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
