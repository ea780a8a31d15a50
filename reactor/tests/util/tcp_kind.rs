//! TCP, for the scripts of all stream sockets.

use super::peer::patient;
use reactor::{Address, ListeningPort, Protocol, Reactor};
use std::net::{SocketAddr, TcpStream};

pub(crate) type Socket = TcpStream;
pub(crate) type Port = ListeningPort;

pub(crate) fn listen<P: Protocol + 'static>(reactor: &Reactor, build: impl FnMut(Address) -> P + 'static) -> Port {
    reactor.listen_tcp("127.0.0.1:0", build).unwrap()
}

pub(crate) fn connect(address: &SocketAddr) -> Socket {
    patient(TcpStream::connect(address))
}
