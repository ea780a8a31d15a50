//! Says three lines to the echo server, and hears them: `cargo run --example echo_client`, while `03_echo` runs.
use reactor::{Deferred, Firer, LineProtocol, LineReceiver, LineTransport, Reactor, Reason};

struct EchoClient(Firer<()>);

impl LineProtocol for EchoClient {
    fn connection_made(&mut self, transport: &LineTransport) {
        for line in ["Hello, world!", "What a fine day it is.", "Bye-bye!"] {
            transport.send_line(line.as_bytes());
        }
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        println!("receive: {}", String::from_utf8_lossy(line));
        if line == b"Bye-bye!" {
            transport.lose_connection();
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        println!("the connection is {reason}");
        self.0.callback(()).expect("it ends once");
    }
}

fn main() -> Result<(), reactor::Failure> {
    let server = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let reactor = Reactor::new()?;
    let (done, firer) = Deferred::new();
    let connected = reactor.connect(server, |_peer| LineReceiver::new(EchoClient(firer)));
    reactor.run_until(connected.add_callback(|_transport| done))
}

// Prints:
// receive: Hello, world!
// receive: What a fine day it is.
// receive: Bye-bye!
// the connection is closed cleanly
