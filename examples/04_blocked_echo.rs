//! An echo server with a mistake: a line that begins with "sleep" blocks its callback, and so the whole loop. Run it
//! with `cargo run --example 04_blocked_echo`. Type into two `nc 127.0.0.1 8007`: while one sleeps, the other waits.
use reactor::{Protocol, Reactor, Transport};
use std::time::Duration;

struct BlockedEcho;

impl Protocol for BlockedEcho {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if data.starts_with(b"sleep") {
            // The mistake. There is one thread: while it sleeps here, nobody else is served and no timer fires. What to
            // do instead: `call_later` to wait (02), `defer_to_thread` for work that takes long (12).
            std::thread::sleep(Duration::from_millis(300));
        }
        transport.write(data);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let port = reactor.listen_tcp(&*address, |_peer| BlockedEcho)?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo run --example 05_who_called_me");
    Ok(reactor.run()?)
}

// Prints:
// listening on 127.0.0.1:8007; try: nc 127.0.0.1 8007
// next: cargo run --example 05_who_called_me
