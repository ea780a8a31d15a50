//! A client with a time limit that tries again: `cargo run --example 08_retry_client`, without `03_echo` and with it.
use reactor::{Deferred, Failure, Firer, LineProtocol, LineReceiver, LineTransport, Reactor, task};
use std::time::Duration;

/// Asks once. The Firer fires the Deferred of the one who waits for the answer.
struct Asker(Firer<String>);

impl LineProtocol for Asker {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.send_line(b"anybody there?");
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let _ = self.0.callback(String::from_utf8_lossy(line).into_owned()); // Too late for an answer: nobody waits.
        transport.lose_connection();
    }
}

/// One try: connects, asks, and waits, for half a second in all.
fn ask(reactor: &Reactor, server: &str) -> Deferred<String> {
    let (answer, firer) = Deferred::new();
    let connected = reactor.connect(server, |_peer| LineReceiver::new(Asker(firer)).with_delimiter(b"\n"));
    let answered = connected.add_callback(|transport| {
        // Without an answer in time, this closes the connection.
        answer.add_errback(move |failure| {
            transport.abort_connection();
            Err(failure)
        })
    });
    answered.add_timeout(Duration::from_millis(500), reactor)
}

async fn ask_again(reactor: Reactor, server: String) -> Result<String, Failure> {
    for pause in [100, 200, 400].map(Duration::from_millis) {
        let result = ask(&reactor, &server).await;
        let Err(failure) = result else { return result };
        println!("{failure}; again in {pause:?}");
        task::sleep(&reactor, pause).await?;
    }
    ask(&reactor, &server).await // The last try: its failure is ours.
}

fn main() -> Result<(), Failure> {
    let server = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let reactor = Reactor::new()?;
    println!("asking {server}\nnext: cargo run --example 09_proxy");
    let answer = Deferred::from_future(ask_again(reactor.clone(), server));
    reactor.run_until(answer.add_callback(|answer| println!("the answer: {answer}")))
}

// Prints:
// asking 127.0.0.1:8007
// next: cargo run --example 09_proxy
// the answer: anybody there?
