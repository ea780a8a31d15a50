//! Bytes can be left out, and secrets are masked.

use super::Echo;
use super::reading::Events;
use super::util::until;
use reactor::trace::{Ring, Trace};
use reactor::{Reactor, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The lines of an echo of `pieces`, each of which the server reads by itself.
fn echo(trace: impl FnOnce(Ring) -> Trace, pieces: &[&[u8]]) -> String {
    let (ring, reader) = Ring::new(10_000);
    let reactor = Reactor::traced(trace(ring), Settings::default()).unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", |_| Echo).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_nonblocking(true).unwrap();
    for piece in pieces {
        client.write_all(piece).unwrap();
        let mut left = piece.len();
        until(&reactor, "it comes back", || {
            left -= client.read(&mut [0; 1000]).unwrap_or(0);
            left == 0
        });
    }
    drop((port, reactor));
    Events::of(&reader);
    reader.lines().join("\n")
}

#[test]
fn a_secret_does_not_stand_in_the_trace_however_it_is_cut() {
    let masked = |ring| {
        let trace = Trace::new(ring);
        trace.mask(b"AIza-S3cr3t");
        trace
    };
    let whole = echo(masked, &[b"GET /json?key=AIza-S3cr3t HTTP/1.1"]);
    assert!(whole.contains("GET /json?key=*********** HTTP/1.1") && !whole.contains("S3cr3t"), "{whole}");
    let cut = echo(masked, &[b"GET /json?key=AIza-S3", b"cr3", b"t HTTP/1.1"]);
    assert!(!cut.contains("AIza") && !cut.contains("S3") && !cut.contains("cr3"), "{cut}");
    // The border of what is shown cuts, too.
    let far = [&[b'.'; 60][..], b"AIza-S3cr3t"].concat();
    let shown = echo(masked, &[&far]);
    assert!(shown.contains(".****\"") && !shown.contains("AIza"), "{shown}");
}

#[test]
fn bytes_can_be_left_out() {
    let lines = echo(|ring| Trace::new(ring).max_bytes(0), &[b"hello"]);
    assert!(lines.contains("\"call\":\"read\"") && lines.contains("\"done\":5"), "{lines}");
    assert!(!lines.contains("hello") && !lines.contains("\"bytes\""), "{lines}");
}
