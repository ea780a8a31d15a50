//! Bytes can be left out, and secrets are masked.

use super::Echo;
use super::reading::Events;
use super::util::until;
use reactor::deferred::{fail, succeed};
use reactor::sim::World;
use reactor::trace::{MAX_VALUE, Ring, Trace, name_next};
use reactor::{Failure, Protocol, Reactor, Settings, Transport};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SECRET: &str = "AIza-S3cr3t";

/// A trace that masks the secret.
fn masked(ring: Ring) -> Trace {
    let trace = Trace::new(ring);
    trace.mask(SECRET.as_bytes());
    trace
}

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

/// The lines of what `work` does with Deferreds.
fn during(work: impl FnOnce()) -> String {
    let (ring, reader) = Ring::new(10_000);
    masked(ring).show_values().during(work);
    reader.lines().join("\n")
}

#[test]
fn a_secret_that_the_end_of_a_value_cuts_does_not_stand_in_it() {
    for before in MAX_VALUE - 20..MAX_VALUE + 5 {
        let text = ".".repeat(before) + SECRET + "/";
        let (value, error) = (text.clone(), text.clone());
        let lines = during(|| {
            drop(succeed(value).add_callback(Ok));
            drop(fail::<()>(Failure::msg(error)).add_errback(|_| Ok(())));
        });
        assert!(lines.contains("\"value\":\"\\\"...") && lines.contains("\"error\":\"..."), "{lines}");
        // One byte may be an innocent one.
        assert!(!lines.contains("AI"), "{before}: {lines}");
    }
}

#[test]
fn a_secret_in_a_list_of_bytes_does_not_stand_in_it() {
    // A dot is 46, so it takes four characters.
    for before in MAX_VALUE / 4 - 15..MAX_VALUE / 4 + 2 {
        let bytes = [&vec![b'.'; before][..], SECRET.as_bytes(), SECRET.as_bytes()].concat();
        let lines = during(|| drop(succeed(bytes).add_callback(Ok)));
        assert!(lines.contains("\"value\":\"[46, 46, "), "{lines}");
        assert!(!lines.contains("65, 73"), "{before}: {lines}");
    }
    let lines = during(|| drop(succeed(b"key=AIza-S3cr3t".to_vec()).add_callback(Ok)));
    assert!(lines.contains("\"value\":\"[107, 101, 121, 61, 42, 42, 042, "), "{lines}");
}

/// Writes the secret, and then ends.
struct Tells;

impl Protocol for Tells {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(format!("hello {SECRET}").as_bytes());
        transport.lose_connection();
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// A client tells a server the secret, and asks for a host of this name. Returns the lines of the trace, and the
/// world's own.
fn world(trace: impl FnOnce(Ring) -> Trace) -> (String, String) {
    let (ring, reader) = Ring::new(100_000);
    let world = World::new(1);
    world.keep_trace(10_000);
    world.trace_to(trace(ring));
    world.host("server", |reactor| {
        reactor.listen_tcp("0.0.0.0:7", |_| Echo).unwrap();
    });
    world.host("client", |reactor| {
        reactor.connect_tcp("server:7", |_peer| Tells);
        reactor.connect_tcp(&*format!("{SECRET}.example:7"), |_peer| Tells);
        name_next(SECRET);
        drop(succeed(1).add_callback(Ok));
    });
    world.run_for(Duration::from_secs(5));
    let lines = world.trace().join("\n");
    drop(world);
    (reader.lines().join("\n"), lines)
}

#[test]
fn a_secret_stands_in_no_text_of_a_world() {
    let (trace, lines) = world(masked);
    for text in [trace, lines] {
        assert!(text.contains("hello ***********") && text.contains("***********.example"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn the_words_of_the_network_have_no_more_bytes_than_a_write_may_show() {
    let words = |bytes: usize| {
        let (trace, lines) = world(|ring| Trace::new(ring).max_bytes(bytes));
        let words = |text: &str| text.lines().find(|line| line.contains("writes 17 to server")).unwrap().to_owned();
        (words(&trace), words(&lines))
    };
    let (trace, line) = words(0);
    assert!(trace.ends_with("writes 17 to server\"}") && line.ends_with("writes 17 to server"), "{trace} {line}");
    let (trace, line) = words(5);
    assert!(
        trace.ends_with(r#"server: \"hello\" ..."}"#) && line.ends_with(r#"server: "hello" ..."#),
        "{trace} {line}"
    );
    let (trace, _) = words(17);
    assert!(trace.ends_with(r#"server: \"hello AIza-S3cr3t\""}"#), "{trace}");
}

/// A password that the library is given, it masks itself.
#[cfg(feature = "resp")]
#[test]
fn the_password_of_a_client_of_redis_does_not_stand_in_the_trace() {
    use reactor::resp::{Client, ClientSettings, Password};
    let (ring, reader) = Ring::new(10_000);
    let reactor = Reactor::traced(Trace::new(ring), Settings::default()).unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = ClientSettings::default();
    settings.password = Some(Password::from(SECRET));
    let port = server.local_addr().unwrap().port();
    let client = Client::new(&reactor, ("127.0.0.1".to_owned(), port)).with_settings(settings);
    let _ = client.start();
    server.set_nonblocking(true).unwrap();
    let (mut peer, mut heard) = (None, Vec::new());
    until(&reactor, "it logs in", || {
        peer = peer.take().or_else(|| server.accept().ok().map(|accepted| accepted.0));
        let mut piece = [0; 1000];
        if let Some(peer) = &mut peer {
            peer.set_nonblocking(true).unwrap();
            let count = peer.read(&mut piece).unwrap_or(0);
            heard.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&heard).contains(SECRET)
    });
    drop((client, reactor));
    let lines = reader.lines().join("\n");
    assert!(lines.contains("AUTH") && !lines.contains("S3cr3t"), "{lines}");
}
