//! The paths through the library alone. This program runs each of them itself, under callgrind.

use crate::callgrind::{self, Cost};
use crate::guard::Path;
use reactor::deferred::succeed;
use reactor::http::server::{HttpServer, Request as Asked, Response};
use reactor::http::{Agent, Request};
use reactor::testing::StringTransport;
use reactor::tls::TrustRoots;
use reactor::{Deferred, DelayedCall, Failure, LineProtocol, LineReceiver, LineTransport, Protocol, Reactor};
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

/// Makes this program run one shape, and nothing else.
pub(crate) const OPTION: &str = "--shape";

type Shape = fn(usize) -> Result<(), Failure>;

const SHAPES: [(&str, usize, Shape); 6] = [
    ("timer", 20_000, timer),
    ("lines-1024", 50_000, |count| lines(count, 1024)),
    ("lines-16", 20_000, |count| lines(count, 16)),
    ("deferred", 10_000, deferred),
    ("await", 10_000, awaits),
    ("get", 600, get),
];

pub(crate) fn all() -> impl Iterator<Item = Path> {
    SHAPES.into_iter().map(|(name, most, _)| Path {
        name,
        measure: Box::new(move || {
            let less = callgrind::shape(name, most / 5)?;
            let more = callgrind::shape(name, most)?;
            Ok(Cost::of_one(&less, &more, most - most / 5))
        }),
    })
}

/// Runs this number of operations of a shape.
pub(crate) fn run(name: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (_, _, shape) = SHAPES.iter().find(|(known, _, _)| *known == name).ok_or("no such shape")?;
    Ok(shape(count.parse()?)?)
}

/// An idle timeout: a call is requested and cancelled, while a thousand others wait.
fn timer(count: usize) -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let hour = |number: usize| Duration::from_millis(3_600_000 + (number * 7919 % 1000) as u64);
    let call = |number: usize| {
        move || {
            black_box(number);
        }
    };
    let others: Vec<DelayedCall> = (0..1000).map(|number| reactor.call_later(hour(number), || {})).collect();
    for number in 0..count {
        reactor.call_later(Duration::from_secs(30), call(number)).cancel();
    }
    assert!(others.iter().all(DelayedCall::active));
    Ok(())
}

/// Lines of fifty bytes, in reads of `size` bytes.
fn lines(count: usize, size: usize) -> Result<(), Failure> {
    struct Count(usize);
    impl LineProtocol for Count {
        fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
            self.0 += black_box(line).len();
        }
    }
    let wire = StringTransport::new();
    let transport = wire.transport();
    let mut receiver = LineReceiver::new(Count(0));
    receiver.connection_made(&transport);
    let text = [[b'x'; 50].as_slice(), b"\r\n"].concat().repeat(count);
    text.chunks(size).for_each(|read| receiver.data_received(&transport, read));
    Ok(())
}

/// Four callbacks are added, then the Deferred is fired.
fn deferred(count: usize) -> Result<(), Failure> {
    let add = |deferred: Deferred<usize>| deferred.add_callback(|value| Ok(black_box(value) + 1));
    for _ in 0..count {
        let (first, firer) = black_box(Deferred::new());
        let last = add(add(add(add(first))));
        firer.callback(0)?;
        assert_eq!(last.result(), Some(4));
    }
    Ok(())
}

/// A coroutine awaits an unfired Deferred, and then a fired one.
fn awaits(count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        let (first, firer) = black_box(Deferred::new());
        let done = Deferred::from_future(async move { Ok(first.await? + succeed(1).await?) });
        firer.callback(1)?;
        assert_eq!(done.result(), Some(2));
    }
    Ok(())
}

/// The agent and the server in one reactor, over one kept connection.
fn get(count: usize) -> Result<(), Failure> {
    let reactor = Reactor::new()?;
    let server = HttpServer::new(&reactor, |_: Asked| Response::text("hello\n"));
    let port = reactor.listen_tcp("127.0.0.1:0", server.factory())?;
    let agent = Agent::new(&reactor, &TrustRoots::web())?;
    let url = format!("http://{}/", port.host());
    reactor.run_until(Deferred::from_future(async move {
        for _ in 0..count {
            let body = agent.fetch(Request::get(url.parse()?)).await?.into_body()?;
            assert_eq!(body, b"hello\n");
        }
        Ok(())
    }))
}
