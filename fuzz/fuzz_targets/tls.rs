//! Bytes instead of TLS, at both ends: the protocol above sees nothing of them, and hears of the end once.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd_fuzz::Pieces;
use reactor::testing::{ManualClock, StringTransport};
use reactor::tls::{TimeSource, TlsClient, TlsClock, TlsServer, TrustRoots};
use reactor::{DelayedCall, Protocol, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

#[derive(Debug, Arbitrary)]
struct Input {
    is_client: bool,
    /// Send what a real peer begins with first.
    hello: Option<Vec<(u8, u8)>>,
    pieces: Pieces,
    ends: bool,
}

/// What the protocol above TLS has seen.
#[derive(Default)]
struct Seen {
    made: usize,
    data: usize,
    lost: usize,
}

struct Above(Rc<RefCell<Seen>>);

impl Protocol for Above {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.borrow_mut().made += 1;
        transport.write(b"secret");
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.borrow_mut().data += data.len();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.0.borrow_mut().lost += 1;
    }
}

/// The day never changes.
struct Source(ManualClock);

impl TimeSource for Source {
    fn call_later(&self, after: Duration, call: Box<dyn FnOnce()>) -> Option<DelayedCall> {
        Some(self.0.call_later(after, call))
    }
    fn system_time(&self) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000))
    }
}

thread_local! {
    static ENDS: (TlsServer, TlsClient, ManualClock) = {
        let clock = ManualClock::new();
        let time = || TlsClock::new(Source(clock.clone()), Duration::from_secs(10));
        let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/../reactor/tests/tls_ends/pem/pkcs8.pem");
        let server = TlsServer::from_pem_file(time(), pem).expect("the certificate is good");
        let client = TlsClient::new(time(), &TrustRoots::web(), &[]).expect("a client");
        (server, client, clock)
    };
}

fuzz_target!(|input: Input| {
    ENDS.with(|(server, client, clock)| {
        let seen: Rc<RefCell<Seen>> = Rc::default();
        let above = Box::new(Above(seen.clone()));
        let mut end = match input.is_client {
            true => client.wrap("localhost", above).unwrap(),
            false => server.wrap(above).unwrap(),
        };
        let below = StringTransport::new();
        let transport = below.transport();
        end.connection_made(&transport);
        if let Some(changes) = &input.hello {
            // The other end's first flight, with some bytes changed.
            let other = StringTransport::new();
            let nobody: Box<dyn Protocol> = Box::new(Above(Rc::default()));
            let mut peer = client.wrap("localhost", nobody).unwrap();
            peer.connection_made(&other.transport());
            let mut flight = other.take_written();
            for (at, byte) in changes {
                let at = usize::from(*at) * 2 % flight.len();
                flight[at] = *byte;
            }
            end.data_received(&transport, &flight);
            peer.connection_lost(&Reason::Done);
        }
        for piece in input.pieces.cut() {
            if below.is_aborted() || below.is_losing() {
                break;
            }
            end.data_received(&transport, piece);
        }
        if input.ends && !below.is_aborted() {
            end.read_connection_lost(&transport);
        }
        clock.advance(Duration::from_secs(60));
        // Nobody has shown a certificate, so nothing was said and nothing of the program's went out.
        let written = below.take_written();
        assert!(!written.windows(6).any(|window| window == b"secret"));
        end.connection_lost(&Reason::Done);
        drop(end);
        let seen = seen.borrow();
        assert_eq!(seen.data, 0);
        assert!(seen.lost <= 1 && seen.made <= 1, "{} {}", seen.made, seen.lost);
        clock.advance(Duration::from_secs(600));
        assert!(clock.pending().is_empty(), "calls are left");
    });
});
