//! UNIX stream sockets of the real driver: their files, and what becomes of a file that its server left behind.
//!
//! ```text
//!   bind ---- in use ----> not a socket, or somebody answers: refused
//!     |                    nobody answers: removed, and bound again
//!   permissions: before `listen`, because nobody can connect before it
//!     |
//!   listen ... the listener is dropped: its file is removed, if it is still its own
//! ```
//!
//! **Files that are left behind.** The system keeps the file of a server that was killed, and then refuses the path to
//! the next one. So a server that finds a socket file connects to it: only a refusal shows that nobody is there.
//! Twisted's way is a lock file with the process ID of its owner. It leaves one more file behind, and a later process
//! may have that ID.
//!
//! Two servers that start at the same moment must not both find the old file dead, and one remove the new file of the
//! other: that other would then wait for clients that can never come. So the directory is locked meanwhile. The lock is
//! released with the process, and leaves no file.
//!
//! Next: `udp.rs`, sockets without connections.

use super::{Listener, Stream, Token};
use crate::diagnostics::tell;
use crate::transport::KeepAlive;
use crate::{Address, UnixAddress};
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry};
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

/// Maximum number of tries to lock the directory; between two, other processes have a turn. A server that starts holds
/// the lock for some microseconds. After the last try a server starts without it: a program that holds the lock for
/// that long does not mean well.
const LOCK_TRIES: u32 = 10_000;

/// Opens a listening socket.
pub(super) fn listen(
    address: &UnixAddress,
    mode: u32,
    backlog: u32,
    registry: &Rc<Registry>,
    token: Token,
) -> io::Result<Box<dyn Listener>> {
    let name = socket_name(address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let mut file = None;
    let mut lock = None;
    match address {
        UnixAddress::Path(path) => {
            lock = lock_directory(path);
            bind(&socket, &name, path)?;
            // From here on, a failure removes the file again.
            file = Some(SocketFile::new(path)?);
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        UnixAddress::Abstract(_) | UnixAddress::Unnamed => socket.bind(&name)?,
    }
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    // Not before `listen`: until then, the file looks as if it had been left behind.
    drop(lock);
    MioUnixListener::register(file, UnixListener::from_std(socket.into()), registry, token)
}

/// Begins to connect. A UNIX socket is connected at once, or refuses at once; the event comes all the same.
pub(super) fn connect(address: &UnixAddress, registry: &Registry, token: Token) -> io::Result<Box<dyn Stream>> {
    MioUnixStream::register(UnixStream::from_std(try_to_connect(&socket_name(address)?)?.into()), registry, token)
}

fn try_to_connect(name: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(name)?;
    Ok(socket)
}

fn socket_name(address: &UnixAddress) -> io::Result<SockAddr> {
    address.check()?;
    match address {
        UnixAddress::Path(path) => SockAddr::unix(path),
        // As the system itself writes it.
        UnixAddress::Abstract(name) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name.as_slice()].concat())),
        UnixAddress::Unnamed => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Locks the directory of a socket file against other servers that start there. `None` if that is not possible: the
/// lock protects only against a rare moment, so a server that cannot have it starts without it.
fn lock_directory(path: &Path) -> Option<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(directory).ok()?;
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Binds `socket` to a path, in the place of a file that was left behind.
fn bind(socket: &Socket, name: &SockAddr, path: &Path) -> io::Result<()> {
    match socket.bind(name) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
        bound => return bound,
    }
    let in_use = |what: &str| Err(io::Error::new(ErrorKind::AddrInUse, what));
    // Not through a symbolic link: what it points to is not ours to remove.
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return in_use("there is a file at that path, and it is not a socket");
    }
    match try_to_connect(name) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        _ => return in_use("another server listens at that path"),
    }
    log::info!(target: "reactor", "{} was left behind by a server that is gone: replacing it", path.display());
    fs::remove_file(path)?;
    socket.bind(name)
}

/// The file of a listening socket, removed when dropped.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is: the path may lead to another server's file by now.
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let found = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tell!(Warn, "reactor", "cannot remove {}: {error}", self.path.display());
        }
    }
}

pub(super) struct MioUnixListener {
    /// Before the listener, so that it is dropped first: while the socket still listens, no other server takes the file
    /// for one that was left behind.
    _file: Option<SocketFile>,
    listener: UnixListener,
    registry: Rc<Registry>,
}

impl MioUnixListener {
    /// `file` is removed with the listener.
    pub(super) fn register(
        file: Option<SocketFile>,
        mut listener: UnixListener,
        registry: &Rc<Registry>,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        registry.register(&mut listener, mio::Token(token.0), Interest::READABLE)?;
        Ok(Box::new(MioUnixListener { _file: file, listener, registry: registry.clone() }))
    }
}

impl Listener for MioUnixListener {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let (stream, peer) = self.listener.accept()?;
        Ok((MioUnixStream::register(stream, &self.registry, token)?, address(&peer)))
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(address(&self.listener.local_addr()?))
    }
}

pub(super) struct MioUnixStream(UnixStream);

impl MioUnixStream {
    /// Registers the stream once, for both directions. Interest never changes, so it never costs a system call again.
    pub(super) fn register(mut stream: UnixStream, registry: &Registry, token: Token) -> io::Result<Box<dyn Stream>> {
        registry.register(&mut stream, mio::Token(token.0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Box::new(MioUnixStream(stream)))
    }
}

impl Stream for MioUnixStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        match self.0.take_error()? {
            Some(error) => Err(error),
            None => Ok(true),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.0.write(one),
            many => self.0.write_vectored(many),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&mut self) {}

    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_keep_alive(&mut self, _keep_alive: Option<KeepAlive>) -> io::Result<()> {
        Ok(())
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(address(&self.0.local_addr()?))
    }
}

pub(super) fn address(name: &std::os::unix::net::SocketAddr) -> Address {
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(name) {
        return UnixAddress::Abstract(name.to_owned()).into();
    }
    name.as_pathname().map_or(UnixAddress::Unnamed, UnixAddress::from).into()
}
