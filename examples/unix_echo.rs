//! Sends back what it receives over a UNIX socket: `cargo run --example unix_echo`, then `nc -U echo.sock`.
use reactor::{Protocol, Reactor, Transport};

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    println!("listening on {}; try: nc -U echo.sock", reactor.listen_unix("echo.sock", |_peer| Echo)?.host());
    Ok(reactor.run()?)
}

// Prints:
// listening on unix:echo.sock; try: nc -U echo.sock
