//! Forwards to the echo server what comes to port 8008, no faster than the slower end reads. Run `03_echo`, then
//! `cargo run --example 09_proxy`, then type into `nc 127.0.0.1 8008`.
use reactor::{Protocol, Reactor, Reason, Transport};
use std::cell::OnceCell;
use std::rc::Rc;

/// One of two connections: that of a client to us, or ours to the server. What comes in on one goes out on the other.
struct Side {
    other: Rc<OnceCell<Transport>>,
    /// The reactor and the server to connect to. Only the side of the client has them.
    connect: Option<(Reactor, String)>,
}

impl Side {
    fn end_other(&self, end: fn(&Transport)) {
        if let Some(other) = self.other.get() {
            other.unregister_producer(); // It is this side, from which nothing more will come.
            end(other);
        }
    }
}

impl Protocol for Side {
    fn connection_made(&mut self, transport: &Transport) {
        let Some((reactor, server)) = self.connect.take() else { return };
        let (client, other) = (transport.clone(), self.other.clone());
        client.pause_producing(); // Until there is somebody to send it to.
        let side = Side { other: Rc::new(OnceCell::from(client.clone())), connect: None };
        let connected = reactor.connect(server, |_peer| side).add_both(move |connected| {
            let Ok(server) = connected else { return client.lose_connection() };
            client.register_producer(server.clone());
            server.register_producer(client.clone());
            other.set(server).expect("it connects once");
            client.resume_producing();
        });
        connected.detach();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.other.get().expect("nothing is read before both are connected").write(data);
    }
    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.end_other(Transport::lose_write_connection);
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.end_other(Transport::lose_connection);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let argument = |n, default: &str| std::env::args().nth(n).unwrap_or(default.to_owned());
    let connect = (reactor.clone(), argument(2, "127.0.0.1:8007"));
    let factory = move |_peer| Side { other: Rc::default(), connect: Some(connect.clone()) };
    let port = reactor.listen_tcp(argument(1, "127.0.0.1:8008"), factory)?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo run --example 10_key_value");
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8008; try: nc 127.0.0.1 8008
// next: cargo run --example 10_key_value
