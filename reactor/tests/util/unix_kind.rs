//! UNIX stream sockets, for the scripts of all stream sockets.

use super::peer::patient;
use reactor::{Address, ListeningPort, Protocol, Reactor, UnixAddress};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) type Socket = UnixStream;
pub(crate) type Port = ListeningPort<UnixAddress>;

/// A path that no other test uses. What listens there removes it.
pub(crate) fn fresh_path() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("reactor-test-{}-{number}.sock", std::process::id()))
}

pub(crate) fn listen<P: Protocol + 'static>(reactor: &Reactor, build: impl FnMut(Address) -> P + 'static) -> Port {
    reactor.listen_unix(fresh_path(), build).unwrap()
}

pub(crate) fn connect(address: &UnixAddress) -> Socket {
    let UnixAddress::Path(path) = address else { panic!("{address} is not a path") };
    patient(UnixStream::connect(path))
}
