//! 80 MB in one write at each end, at once: neither end may wait for the other to read first.

use crate::events::Events;
use crate::program::Program;
use crate::shop::{NAME, Shop};
use crate::twisted::port_of;
use crate::util::until;
use reactor::{Protocol, Reactor, Reason, Transport};

const LARGE: usize = 80_000_000;

/// The bytes repeat after this many. It is a prime number, so that bytes which go missing or change places are noticed.
const PERIOD: usize = 251;

/// Writes [`LARGE`] bytes in one write, and reads as many.
struct Large {
    events: Events,
    /// More of the pattern than comes in one read.
    ahead: Vec<u8>,
    count: usize,
    is_right: bool,
}

fn pattern(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..PERIOD as u8).collect();
    let mut pattern = period.repeat(length / PERIOD + 1);
    pattern.truncate(length);
    pattern
}

impl Large {
    fn new(events: &Events) -> Large {
        Large { events: events.clone(), ahead: pattern(1024 * 1024), count: 0, is_right: true }
    }
}

impl Protocol for Large {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&pattern(LARGE));
        assert!(!transport.is_disconnecting(), "one write may be larger than the limit");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let (data, last) = data.split_at(data.len().min(LARGE - self.count));
        let at = self.count % PERIOD;
        self.is_right &= data == &self.ahead[at..at + data.len()];
        self.count += data.len();
        if self.count == LARGE && !data.is_empty() {
            self.events.note(format!("got {} {}", self.count, self.is_right));
            transport.write(b"!");
        }
        if !last.is_empty() {
            transport.lose_connection(); // The peer has got all, too.
        }
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

/// What Twisted and ours have met.
fn assert_told(said: &str, ours: &[String]) {
    assert_eq!(said, format!("got {LARGE} True\nlost ConnectionDone\n"));
    assert_eq!(ours, [&*format!("got {LARGE} true"), "lost: closed cleanly"]);
}

/// Twisted is the client.
fn serve(shop: Option<&Shop>) {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let build = move |_| Large::new(&noted);
    let port = match shop {
        Some(shop) => reactor.listen_tcp("127.0.0.1:0", shop.server(&reactor).factory(build)),
        None => reactor.listen_tcp("127.0.0.1:0", build),
    };
    let (port, size) = (port.unwrap().host().port().to_string(), LARGE.to_string());
    let arguments = ["large-client", &port, &size].into_iter().chain(shop.map(Shop::folder)).collect::<Vec<_>>();
    let Some(mut twisted) = Program::twisted(&arguments) else { return };
    let said = twisted.success(&reactor);
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    assert_told(&said, &events.all());
}

/// Twisted is the server.
fn ask(shop: Option<&Shop>) {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let size = LARGE.to_string();
    let arguments = ["large-server", &size].into_iter().chain(shop.map(Shop::folder)).collect::<Vec<_>>();
    let Some(mut twisted) = Program::twisted(&arguments) else { return };
    let noted = events.clone();
    let build = move |_| Large::new(&noted);
    match shop {
        Some(shop) => {
            reactor.connect_tcp(port_of(&mut twisted), shop.client(&reactor, &[]).factory(NAME, build));
        }
        None => {
            reactor.connect_tcp(port_of(&mut twisted), build);
        }
    }
    let said = twisted.success(&reactor);
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    assert_told(&said, &events.all());
}

#[test]
fn our_server_and_a_twisted_client_write_80_mb_at_once() {
    serve(None);
}

#[test]
fn our_client_and_a_twisted_server_write_80_mb_at_once() {
    ask(None);
}

#[test]
fn our_server_and_a_twisted_client_write_80_mb_at_once_over_tls() {
    serve(Some(&Shop::open()));
}

#[test]
fn our_client_and_a_twisted_server_write_80_mb_at_once_over_tls() {
    ask(Some(&Shop::open()));
}
