//! What belongs to a real system alone: a simulated host refuses it, and says why.

use super::*;
use reactor::{DatagramTransport, ListenAddress, UdpListenAddress};
use std::net::{SocketAddr, TcpListener};

#[test]
fn a_simulated_host_takes_no_socket_of_the_system_and_shares_no_port() {
    let world = world(1);
    let texts = Rc::<RefCell<Vec<String>>>::default();
    let said = texts.clone();
    world.host("server", move |reactor| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ignore = |_: &DatagramTransport, _: &[u8], _: SocketAddr| {};
        let shared = ListenAddress::from("0.0.0.0:8007").reuse_port(true);
        let shared_udp = UdpListenAddress::from("0.0.0.0:8007").reuse_port(true);
        said.borrow_mut().extend([
            reactor.adopt_stream_port(listener, |_| Silent).unwrap_err().error.to_string(),
            reactor.listen_tcp(shared, |_| Silent).unwrap_err().error.to_string(),
            reactor.listen_udp(shared_udp, ignore).unwrap_err().error.to_string(),
        ]);
    });
    world.run_for(SECOND);
    assert_eq!(
        *texts.borrow(),
        [
            "this driver cannot take over sockets of the system",
            "a simulated host has no SO_REUSEPORT",
            "a simulated host has no SO_REUSEPORT"
        ]
    );
}

struct Silent;
impl Protocol for Silent {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn a_host_without_descriptors_cannot_listen_and_can_when_it_has_one() {
    let world = world(1);
    let mut settings = HostSettings::default();
    settings.max_descriptors = 10;
    let ended = Rc::new(RefCell::new(Vec::new()));
    let noted = ended.clone();
    world.host_with("small", settings, move |reactor| {
        let listen = |reactor: &Reactor| reactor.listen_tcp("0.0.0.0:0", |_| Echo);
        let mut ports: Vec<_> = (0..9).map_while(|_| listen(reactor).ok()).collect();
        let error = listen(reactor).unwrap_err().to_string();
        let (again, noted) = (reactor.clone(), noted.clone());
        let stopped = ports.pop().expect("there was room for some").stop_listening();
        stopped.add_callback(move |()| noted.borrow_mut().push((error, listen(&again).is_ok()))).detach();
    });
    world.run_for(SECOND);
    let (error, can_again) = ended.borrow().first().cloned().expect("the port has stopped");
    assert!(error.contains("Too many open files") && can_again, "{error}, {can_again}");
}
