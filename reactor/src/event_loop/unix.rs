//! [`Reactor::listen_unix`] and [`Reactor::connect_unix`]: stream connections between programs of one machine.
//!
//! A UNIX socket is a port with another kind of address: ports, connectors and connections are those of TCP. So
//! half-close, back-pressure, time limits and TLS are the same. These things differ:
//!
//! * The end of a client usually has no name: its [`peer`](crate::Transport::peer) is
//!   [`UnixAddress::Unnamed`].
//! * There is no reset. After [`abort_connection`](crate::Transport::abort_connection) the peer may meet an end that
//!   looks orderly. (On Linux it meets a reset if we had not read all that it sent.)
//! * `set_no_delay` and `set_keep_alive` do nothing: there is no network that could delay or lose anything.
//! * When the backlog is full, Linux refuses to queue a client. The connector then tries again every 10 ms, for as long
//!   as its time allows.
//!
//! Only UNIX systems have this: elsewhere `listen_unix` and `connect_unix` do not compile.
//!
//! Next: `datagram_port.rs`, UDP.

use super::{ClientFactory, Connector, ListeningPort, Reactor, port};
use crate::driver::Driver;
use crate::error::CannotListenError;
use crate::foreign::Foreign;
use crate::{Address, Factory, UnixAddress};
use std::path::{Path, PathBuf};

/// The permissions of a socket file, unless [`UnixListenAddress::mode`] sets others: only our own user may connect. In
/// Twisted it is 0666, so that every user of the machine may connect to a server that says nothing about it. A server
/// for other users should say so.
const MODE: u32 = 0o600;

/// Maximum number of connections that wait to be accepted, as for a TCP port.
const BACKLOG: u32 = 1024;

/// Which UNIX socket to listen on, and how. Converts from a [`UnixAddress`], or from its text or path.
///
/// ```
/// use reactor::UnixListenAddress;
/// let for_our_group = UnixListenAddress::from("/run/echo.sock").mode(0o660).backlog(64);
/// ```
#[derive(Debug, Clone)]
pub struct UnixListenAddress {
    address: UnixAddress,
    mode: u32,
    backlog: u32,
}

impl UnixListenAddress {
    /// Sets the permissions of the socket file (default 0600: only our own user may connect). The umask has no part in
    /// it. An abstract name has no file, and no permissions.
    pub fn mode(mut self, mode: u32) -> UnixListenAddress {
        self.mode = mode;
        self
    }

    /// Sets the maximum number of connections that wait to be accepted (default 1024; the system may allow fewer).
    pub fn backlog(mut self, connections: u32) -> UnixListenAddress {
        self.backlog = connections;
        self
    }
}

impl From<UnixAddress> for UnixListenAddress {
    fn from(address: UnixAddress) -> UnixListenAddress {
        UnixListenAddress { address, mode: MODE, backlog: BACKLOG }
    }
}

impl From<&str> for UnixListenAddress {
    fn from(text: &str) -> UnixListenAddress {
        UnixAddress::from(text).into()
    }
}

impl From<&Path> for UnixListenAddress {
    fn from(path: &Path) -> UnixListenAddress {
        UnixAddress::from(path).into()
    }
}

impl From<PathBuf> for UnixListenAddress {
    fn from(path: PathBuf) -> UnixListenAddress {
        UnixAddress::from(path).into()
    }
}

impl Reactor {
    /// Listens on a UNIX stream socket; `factory` builds a protocol for each connection. Otherwise as
    /// [`listen_tcp`](Reactor::listen_tcp). Twisted's `listenUNIX`.
    ///
    /// The port makes the socket file, with the permissions of [`UnixListenAddress::mode`], and removes it when it
    /// stops. A program that is killed leaves its file behind. The next program to listen there connects to it, finds
    /// that nobody answers, and replaces it; a server that does answer sees a connection that ends at once. Any other
    /// file at that path is left alone. (Twisted refuses the path of such a file, unless `wantPID` is set.)
    ///
    /// ```
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// struct Echo;
    /// impl Protocol for Echo {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         transport.write(data);
    ///     }
    /// }
    /// let path = std::env::temp_dir().join(format!("echo-{}.sock", std::process::id()));
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_unix(path.as_path(), |_peer| Echo)?;
    /// assert!(path.exists());
    /// reactor.run_until(port.stop_listening())?;
    /// assert!(!path.exists());
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If a server listens there already, if another kind of file is there, if the path is too long (see
    /// [`UnixAddress::MAX_PATH`]), if its directory does not exist or is not ours to write to; and while the reactor
    /// closes everything to stop.
    #[track_caller]
    pub fn listen_unix(
        &self,
        address: impl Into<UnixListenAddress>,
        factory: impl Factory + 'static,
    ) -> Result<ListeningPort<UnixAddress>, CannotListenError> {
        let UnixListenAddress { address, mode, backlog } = address.into();
        let open = |driver: &mut dyn Driver, token| driver.listen_unix(&address, mode, backlog, token);
        let kind = |host: &Address| host.unix().cloned();
        port::open(&self.core, address.to_string(), Foreign::new(Box::new(factory)), open, kind)
    }

    /// Connects to a UNIX stream socket. Otherwise as [`connect_tcp`](Reactor::connect_tcp), which takes a
    /// [`UnixAddress`] as well: so does every other function with a [`Destination`](crate::Destination). Twisted's
    /// `connectUNIX`.
    #[track_caller]
    pub fn connect_unix(&self, address: impl Into<UnixAddress>, factory: impl ClientFactory + 'static) -> Connector {
        self.connect_tcp(address.into(), factory)
    }
}
