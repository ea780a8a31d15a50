//! A line echo on this library, as a program on it would be written: `echo_ours PORT` listens on 127.0.0.1.

use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor};

struct Echo;

impl LineProtocol for Echo {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.set_no_delay(true);
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        transport.send_line(line);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let port = std::env::args().nth(1).expect("usage: echo_ours PORT");
    let reactor = Reactor::new()?;
    reactor.listen_tcp(format!("127.0.0.1:{port}"), |_peer| LineReceiver::new(Echo).with_delimiter(b"\n"))?;
    Ok(reactor.run()?)
}
