//! [`ListeningPort`]: accepts connections and has its factory build a protocol for each.
//!
//! **Out of descriptors.** Readiness is edge-triggered, so a port that could not accept (EMFILE) hears nothing more:
//! the connections in its backlog cause no new event, not even when descriptors are free again. So the port tries again
//! by itself: whenever one of our own connections has closed, and after every
//! [`accept_retry`](crate::Settings::accept_retry), in case another part of the process has closed something. It does
//! not spin between the tries, and the clients in the backlog are served late instead of never.
//!
//! Next: `destination.rs`, where a connection of the other kind goes.

use super::callback::Description;
use super::connection::{Connection, Origin};
use super::registry::Source;
use super::{Core, WeakReactor};
use crate::address::split_host_port;
use crate::context::Asked;
use crate::deferred;
use crate::diagnostics::tell;
use crate::driver::{Driver, ListenOptions, Listener, Token};
use crate::error::CannotListenError;
use crate::foreign::Foreign;
use crate::timers::DelayedCall;
use crate::trace::{CallbackKind, Kind};
use crate::{Address, Deferred, Factory, Firer};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Where to listen, and the maximum number of connections that wait to be accepted. Converts from a socket address or
/// its text, or from an IP address and a port. A link-local IPv6 address has its scope in the text, as a number:
/// `[fe80::1%2]:8000`. A host name is not an address to listen on.
///
/// ```
/// use reactor::ListenAddress;
/// let address = ListenAddress::from("127.0.0.1:8000").backlog(64);
/// ```
#[derive(Debug, Clone)]
pub struct ListenAddress {
    pub(super) text: String,
    pub(super) options: ListenOptions,
}

/// Maximum number of connections that the system keeps for a port until they are accepted, unless the program sets
/// another. Twisted's 50 is too few when many clients come back at the same moment.
const DEFAULT_MAX_BACKLOG: u32 = 1024;

const DEFAULT_OPTIONS: ListenOptions =
    ListenOptions { backlog: DEFAULT_MAX_BACKLOG, ipv6_only: true, reuse_port: false };

impl ListenAddress {
    /// Sets the maximum number of connections that wait to be accepted (default 1024; the system may allow fewer).
    pub fn backlog(mut self, connections: u32) -> ListenAddress {
        self.options.backlog = connections;
        self
    }

    /// Sets whether a port at `[::]` takes IPv6 clients only (default true). With `false` it takes IPv4 clients too,
    /// and they are seen under their IPv4 addresses: as `192.0.2.1`, not as `::ffff:192.0.2.1`. Some systems, such as
    /// OpenBSD, refuse to listen then. For any other address it changes nothing.
    ///
    /// The default does not depend on the system, as Twisted's does: `0.0.0.0` and `[::]` can always be listened on
    /// side by side, at one port number.
    ///
    /// ```
    /// use reactor::ListenAddress;
    /// let both = ListenAddress::from("[::]:8000").ipv6_only(false);
    /// ```
    pub fn ipv6_only(mut self, on: bool) -> ListenAddress {
        self.options.ipv6_only = on;
        self
    }

    /// Sets whether other processes of our user, or other reactors, may listen on the same address if they say the same
    /// (`SO_REUSEPORT`; default false). On Linux the system spreads the connections over all of them, by the client's
    /// address: so a program with a reactor in each of several processes uses several processors. On macOS and BSD the
    /// last one may get them all. Windows and a simulated world refuse it.
    ///
    /// A connection that waits in the backlog of a process that ends is lost, even if another one listens.
    ///
    /// ```
    /// use reactor::ListenAddress;
    /// let shared = ListenAddress::from("127.0.0.1:8000").reuse_port(true);
    /// ```
    pub fn reuse_port(mut self, on: bool) -> ListenAddress {
        self.options.reuse_port = on;
        self
    }

    pub(super) fn parse(&self) -> io::Result<SocketAddr> {
        self.text.parse().map_err(|_| {
            let what = match split_host_port(&self.text) {
                Ok((host, _)) => format!("{host:?} is not an IP address; a local one is 127.0.0.1, all are 0.0.0.0"),
                Err(reason) => format!("{reason}, such as 127.0.0.1:8000, or 0.0.0.0:8000 for all local addresses"),
            };
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })
    }
}

impl From<&str> for ListenAddress {
    fn from(text: &str) -> ListenAddress {
        ListenAddress { text: text.to_owned(), options: DEFAULT_OPTIONS }
    }
}

impl From<String> for ListenAddress {
    fn from(text: String) -> ListenAddress {
        ListenAddress { text, options: DEFAULT_OPTIONS }
    }
}

impl From<&String> for ListenAddress {
    fn from(text: &String) -> ListenAddress {
        ListenAddress::from(text.as_str())
    }
}

impl From<(&str, u16)> for ListenAddress {
    fn from((host, port): (&str, u16)) -> ListenAddress {
        ListenAddress::from(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }
}

impl From<(IpAddr, u16)> for ListenAddress {
    fn from(address: (IpAddr, u16)) -> ListenAddress {
        ListenAddress::from(SocketAddr::from(address))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> ListenAddress {
        ListenAddress { text: address.to_string(), options: DEFAULT_OPTIONS }
    }
}

/// A port that listens. [`Reactor::listen_tcp`](crate::Reactor::listen_tcp) returns it. Twisted's `IListeningPort`.
///
/// Dropping it does not close the port.
///
/// `A` is the kind of its address: a [`UnixAddress`](crate::UnixAddress) for a UNIX socket.
#[derive(Clone)]
pub struct ListeningPort<A = SocketAddr> {
    port: Rc<Port>,
    reactor: WeakReactor,
    host: A,
}

impl<A: Clone> ListeningPort<A> {
    /// The local address, with the real port number if 0 was asked for. Twisted's `getHost`.
    pub fn host(&self) -> A {
        self.host.clone()
    }

    /// Closes the port. The connections that it has accepted live on. The Deferred fires from the loop when the
    /// factory's `stop_factory` has returned and the factory is gone. Called again, it closes nothing more, and the
    /// Deferred fires at the same time, or at once. Twisted's `stopListening`.
    ///
    /// ```
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// struct Silent;
    /// impl Protocol for Silent {
    ///     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    /// }
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Silent)?;
    /// let address = port.host();
    /// reactor.run_until(port.stop_listening())?;
    /// reactor.listen_tcp(address, |_peer| Silent)?; // It is free again.
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    #[track_caller]
    pub fn stop_listening(&self) -> Deferred<()> {
        match self.reactor.core() {
            Some(core) if !self.port.is_over.get() => {
                let (deferred, firer) = Deferred::unwatched();
                self.port.stopped.borrow_mut().push(firer);
                self.port.stop(&core);
                deferred
            }
            _ => deferred::succeed(()),
        }
    }
}

impl<A> fmt::Debug for ListeningPort<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListeningPort({})", self.port.host)
    }
}

/// Opens a port: `open` opens its socket under a token, and `kind` takes the local address apart. `name` is what the
/// caller asked for.
#[track_caller]
pub(super) fn open<A>(
    core: &Core,
    name: String,
    factory: Foreign<Box<dyn Factory>>,
    open: impl FnOnce(&mut dyn Driver, Token) -> io::Result<Box<dyn Listener>>,
    kind: impl FnOnce(&Address) -> Option<A>,
) -> Result<ListeningPort<A>, CannotListenError> {
    let (token, asked) = (core.registry.borrow().next_token(), Asked::here());
    let open = || {
        if core.is_closing() {
            return Err(io::Error::other("the reactor is stopping"));
        }
        let listener = open(&mut **core.driver.borrow_mut(), token)?;
        let host = listener.local_address()?;
        let kind = kind(&host).ok_or_else(|| io::Error::other("the driver gave a socket of another kind"))?;
        Ok((Port::new(token, host, listener, factory, asked), kind))
    };
    let (port, host) = open().map_err(|error| CannotListenError { address: name, error })?;
    core.registry.borrow_mut().insert(token, Source::Port(port.clone()));
    if let Some(scope) = &core.work.trace {
        let address = port.host.to_string();
        scope.emit(Kind::Listening { socket: token.serial(), address: &address, place: port.asked.place });
    }
    port.started(core);
    Ok(ListeningPort { port, reactor: core.weak(), host })
}

pub(super) struct Port {
    pub(super) token: Token,
    pub(super) host: Address,
    /// Where the program opened it.
    asked: Asked,
    listener: RefCell<Option<Box<dyn Listener>>>,
    factory: Cell<Option<Foreign<Box<dyn Factory>>>>,
    /// Tries again after the port ran out of descriptors. `None` while all is well.
    retry: RefCell<Option<DelayedCall>>,
    /// Whether it is in the work queue's list `out_of_descriptors`, and must not be put there again.
    is_queued_for_descriptor: Cell<bool>,
    /// Whether it is in the work queue's list `ports`, and must not be put there again.
    is_in_ports: Cell<bool>,
    /// The Deferreds of `stop_listening`.
    stopped: RefCell<Vec<Firer<()>>>,
    /// Whether it is closed, and the factory has heard of it.
    is_over: Cell<bool>,
}

impl Port {
    fn new(
        token: Token,
        host: Address,
        listener: Box<dyn Listener>,
        factory: Foreign<Box<dyn Factory>>,
        asked: Asked,
    ) -> Rc<Port> {
        Rc::new(Port {
            token,
            host,
            asked,
            listener: RefCell::new(Some(listener)),
            factory: Cell::new(Some(factory)),
            retry: RefCell::new(None),
            is_queued_for_descriptor: Cell::new(false),
            is_in_ports: Cell::new(false),
            stopped: RefCell::default(),
            is_over: Cell::new(false),
        })
    }

    /// Accepts the connections that wait, up to the budget.
    pub(super) fn accept(self: &Rc<Self>, core: &Core) {
        for _ in 0..core.work.settings.max_accepts_at_once {
            let token = core.registry.borrow().next_token();
            let accepted = match &*self.listener.borrow() {
                Some(listener) => listener.accept(token),
                None => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Before the factory runs. It may connect or listen itself, and must not get the same token.
                    core.registry.borrow_mut().insert(token, Source::Accepted);
                    self.build(core, token, stream, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.end_retries(),
                // Only this one connection failed, before it was ours; its peer is gone already. Go on with the next.
                Err(error) if failed_before_accept(&error) => {
                    log::debug!(target: "reactor", "a connection to {} was not accepted: {error}", self.host);
                }
                Err(error) => return self.retry_later(core, &error),
            }
        }
        if !self.is_in_ports.replace(true) {
            core.work.ports.borrow_mut().push(self.clone());
        }
    }

    /// Accepts more, in the turn after the budget was used up.
    pub(super) fn continue_accepting(self: &Rc<Self>, core: &Core) {
        self.is_in_ports.set(false);
        self.accept(core);
    }

    /// Tries again, because one of our descriptors is free.
    pub(super) fn try_again(self: &Rc<Self>, core: &Core) {
        self.is_queued_for_descriptor.set(false);
        if self.is_retrying() {
            self.accept(core);
        }
    }

    fn build(self: &Rc<Self>, core: &Core, token: Token, stream: Box<dyn crate::driver::Stream>, peer: Address) {
        let peer = peer.canonical();
        let mut protocol = None;
        self.with_factory(core, "build_protocol", |factory| protocol = factory.build_protocol(&peer).map(Foreign::new));
        let Some(protocol) = protocol else {
            core.registry.borrow_mut().remove(token);
            return; // Dropping the stream closes it.
        };
        let connection =
            Connection::new(token, core.work.clone(), stream, protocol, peer, Origin::Port(self.asked.clone()));
        core.registry.borrow_mut().replace(token, Source::Connection(connection.clone()));
        connection.begin(core);
    }

    fn with_factory(&self, core: &Core, what: &'static str, f: impl FnOnce(&mut dyn Factory)) {
        let Some(mut factory) = self.factory.take() else { return };
        let describe =
            |out: &mut Description| self.describe(what, out.method(CallbackKind::Factory, what, Some(self.token)));
        self.asked.context.run(|| core.run_callback(describe, || f(&mut **factory)));
        self.factory.set(Some(factory));
    }

    fn describe(&self, what: &str, out: &mut Description) -> fmt::Result {
        out.place(self.asked.place);
        out.write_fmt(format_args!("{what} of the port {}, opened at {}", self.host, self.asked))
    }

    fn retry_later(self: &Rc<Self>, core: &Core, error: &io::Error) {
        if !self.is_retrying() {
            tell!(Warn, "reactor", "{} cannot accept: {error}; trying again until it can", self.host);
        }
        if !self.is_queued_for_descriptor.replace(true) {
            core.work.out_of_descriptors.borrow_mut().push(self.clone());
        }
        let (port, reactor) = (self.clone(), core.weak());
        let again = move || {
            if let Some(core) = reactor.core() {
                port.accept(&core);
            }
        };
        let call = core.work.timers.call_later(core.work.settings.accept_retry, again);
        if let Some(old) = self.retry.replace(Some(call)) {
            old.cancel();
        }
    }

    /// The backlog is empty, so the port no longer lacks descriptors.
    fn end_retries(&self) {
        if let Some(retry) = self.retry.take() {
            retry.cancel();
            log::info!(target: "reactor", "{} accepts again", self.host);
        }
    }

    /// Whether the port waits for a descriptor.
    fn is_retrying(&self) -> bool {
        self.retry.borrow().is_some()
    }

    fn started(&self, core: &Core) {
        self.with_factory(core, "start_factory", |factory| factory.start_factory());
    }

    pub(super) fn stop(self: &Rc<Self>, core: &Core) {
        if self.listener.take().is_none() {
            return;
        }
        if let Some(retry) = self.retry.take() {
            retry.cancel();
        }
        core.registry.borrow_mut().remove(self.token);
        let (me, reactor) = (self.clone(), core.weak());
        let end = move || {
            if let Some(core) = reactor.core() {
                me.with_factory(&core, "stop_factory", |factory| factory.stop_factory());
                let factory = me.factory.take();
                let describe = |out: &mut Description| me.describe("the drop of the factory", out);
                core.run_callback(describe, || drop(factory));
                me.is_over.set(true); // Before the Deferreds fire: their callbacks may stop the port again.
                for firer in me.stopped.take() {
                    let describe = |out: &mut Description| me.describe("a callback of stop_listening", out);
                    core.run_callback(describe, || {
                        let _ = firer.callback(()); // If it was cancelled, this has no effect.
                    });
                }
            }
        };
        core.work.call_soon(self.asked.place, Box::new(end));
    }

    /// Drops what it holds, without a callback: the loop is gone.
    pub(super) fn forget(&self) {
        drop(self.listener.take());
        drop(self.factory.take());
        drop(self.stopped.take());
    }
}

/// Whether only this connection failed, before it was ours: the next may be well. Any other error is taken for a lack
/// of descriptors or memory, and the port tries again later: to go on at once could spin for ever.
fn failed_before_accept(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied | TimedOut)
}
