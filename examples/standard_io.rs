//! Connects standard input and output with the echo server, as `nc` does. Run `03_echo`, then
//! `cargo run --example standard_io`, and type. Ctrl-D ends it.
use reactor::{Deferred, Firer, Protocol, Reactor, Reason, Transport};

/// The server's end: what it sends goes to standard output.
struct Server {
    reactor: Reactor,
    user: Option<Transport>,
    done: Firer<()>,
}

/// The user's end: what is typed goes to the server.
struct User(Transport);

impl Protocol for Server {
    fn connection_made(&mut self, server: &Transport) {
        let user = self.reactor.open_standard_io(User(server.clone())).expect("nobody else has them");
        server.register_producer(user.clone()); // Neither sends more than the other end takes.
        user.register_producer(server.clone());
        self.user = Some(user);
    }
    fn data_received(&mut self, _server: &Transport, data: &[u8]) {
        self.user.iter().for_each(|user| user.write(data));
    }
    fn read_connection_lost(&mut self, server: &Transport) {
        server.unregister_producer(); // It would wait for the user.
        server.lose_connection();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.user.iter().for_each(Transport::unregister_producer);
        self.done.callback(()).expect("it ends once"); // The reactor stops when the last byte is written.
    }
}

impl Protocol for User {
    fn data_received(&mut self, _user: &Transport, data: &[u8]) {
        self.0.write(data);
    }
    fn read_connection_lost(&mut self, _user: &Transport) {
        self.0.unregister_producer();
        self.0.lose_write_connection();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.unregister_producer();
        self.0.lose_connection();
    }
}

fn main() -> Result<(), reactor::Failure> {
    let server: std::net::SocketAddr = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned()).parse()?;
    let (reactor, (ended, done)) = (Reactor::new()?, Deferred::new());
    let protocol = Server { reactor: reactor.clone(), user: None, done };
    reactor.run_until(reactor.connect(server, |_peer| protocol).add_callback(|_server| ended))
}
