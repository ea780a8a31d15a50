//! Forwards to the echo server what comes to port 8008, no faster than the slower end reads. Run `03_echo`, then
//! `cargo run --example 09_proxy`, then type into `nc 127.0.0.1 8008`.
use reactor::{Protocol, Reactor, Reason, Transport};
use std::cell::OnceCell;
use std::rc::Rc;

/// One of the two connections.
struct Side {
    other: Rc<OnceCell<Transport>>,
    /// Only the side of the client connects to the server.
    connect: Option<(Reactor, std::net::SocketAddr)>,
}

impl Side {
    fn end_other(&self, how: fn(&Transport)) {
        if let Some(other) = self.other.get() {
            other.unregister_producer(); // It is this side, from which nothing more will come.
            how(other);
        }
    }
}

impl Protocol for Side {
    fn connection_made(&mut self, front: &Transport) {
        let Some((reactor, server)) = self.connect.take() else { return };
        front.pause_producing();
        let (known, front, alone) = (self.other.clone(), front.clone(), front.clone());
        let back = Side { other: Rc::new(front.clone().into()), connect: None };
        let join = move |back: Transport| {
            front.register_producer(back.clone());
            back.register_producer(front.clone());
            front.resume_producing();
            known.set(back).expect("it is known once");
        };
        let connected = reactor.connect(server, |_peer| back);
        connected.add_callbacks(join, move |_failure| alone.lose_connection()).detach();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.other.get().expect("reading begins when it is known").write(data);
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
    let connect = (reactor.clone(), argument(2, "127.0.0.1:8007").parse()?);
    let front = move |_peer| Side { other: Rc::default(), connect: Some(connect.clone()) };
    let port = reactor.listen_tcp(&*argument(1, "127.0.0.1:8008"), front)?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo run --example 10_key_value");
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8008; try: nc 127.0.0.1 8008
// next: cargo run --example 10_key_value
