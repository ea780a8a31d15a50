//! Stays connected to the echo server, and comes back when that does: `cargo run --example client_service`, while
//! `03_echo` runs. Stop the server, and start it again.
use reactor::service::ClientService;
use reactor::{Protocol, Reactor, Reason, Transport};

struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"hello");
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        println!("the server says: {}", String::from_utf8_lossy(data));
    }
    fn connection_lost(&mut self, reason: &Reason) {
        println!("the connection is {reason}");
    }
}

fn main() -> Result<(), reactor::Failure> {
    let server = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let reactor = Reactor::new()?;
    println!("keeping a connection to {server}; stop with Ctrl-C");
    ClientService::new(&reactor, &*server, |_peer| Greeter).start();
    Ok(reactor.run()?)
}

// Prints:
// keeping a connection to 127.0.0.1:8007; stop with Ctrl-C
// the server says: hello
