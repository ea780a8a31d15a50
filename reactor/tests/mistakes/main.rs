//! Classic mistakes, as small programs without a logger. Each is told once on standard error, with the place in
//! the program that made it. With a logger, only the logger hears of it.
//!
//! Each program runs in a process of its own: this one, asked for that one test.

mod firing;
mod slow;
mod told;
mod writing;

use reactor::testing::StringTransport;
use reactor::{Deferred, Failure, LineProtocol, LineReceiver, LineTransport, Protocol, Reactor};
use told::{Speaker, silent, stop_soon, told_by};

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    told::place(include_str!("main.rs"), "main", comment)
}

#[test]
fn a_connection_that_is_refused() {
    let told = told_by("a_connection_that_is_refused", || {
        let reactor = Reactor::new().unwrap();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        reactor.connect_tcp(nobody, |_peer| Speaker { greeting: b"", then: silent }); // refused
        stop_soon(&reactor);
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["cannot connect to 127.0.0.1:", "refused", &place("refused")]);
}

#[test]
fn an_error_that_unwrap_prints_is_a_sentence() {
    let told = told_by("an_error_that_unwrap_prints_is_a_sentence", || {
        let (answer, firer) = Deferred::<u32>::new(); // made first
        answer.detach();
        firer.callback(1).unwrap();
        let twice = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| firer.callback(2).unwrap()));
        let reactor = Reactor::new().unwrap();
        let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Speaker { greeting: b"", then: silent }).unwrap();
        let address = port.host();
        let again = || reactor.listen_tcp(address, |_peer| Speaker { greeting: b"", then: silent }).unwrap();
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(again));
        assert!(twice.is_err() && taken.is_err());
    });
    let Some(told) = told else { return };
    for sentence in [": the Deferred made at reactor/tests/mistakes/main.rs:", ": cannot listen on 127.0.0.1:"] {
        assert!(told.without_logger.contains(sentence), "without {sentence:?}: {}", told.without_logger);
    }
}

#[test]
fn a_name_that_has_no_address() {
    let told = told_by("a_name_that_has_no_address", || {
        // A label of 64 characters cannot be asked for, so no name server is.
        let name = format!("{}.invalid", "x".repeat(64));
        let reactor = Reactor::new().unwrap();
        let stopper = reactor.clone();
        reactor.connect_tcp((&*name, 80), |_peer| Speaker { greeting: b"", then: silent }); // no name
        reactor.resolve(&name).add_both(move |_| stopper.stop()).detach();
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["cannot look up xxx", ".invalid", &place("no name")]);
}

#[test]
fn a_line_that_ends_with_lf_alone() {
    let told = told_by("a_line_that_ends_with_lf_alone", || {
        struct Greeter;
        impl LineProtocol for Greeter {
            fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
                transport.send_line(line);
            }
        }
        for _ in 0..2 {
            let wire = StringTransport::new();
            let mut protocol = LineReceiver::new(Greeter); // for CR LF
            protocol.connection_made(&wire.transport());
            // A line that arrives in pieces is none of it, nor is one with an LF in the middle.
            protocol.data_received(&wire.transport(), b"one\r");
            protocol.data_received(&wire.transport(), b"\na\nb");
            protocol.data_received(&wire.transport(), b"\r\n");
            assert_eq!(wire.written(), b"one\r\na\nb\r\n");
            protocol.data_received(&wire.transport(), b"hello\n");
            protocol.data_received(&wire.transport(), b"hello?\n");
        }
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["LF alone", "nc -C", &place("for CR LF")]);
}

#[test]
fn a_program_that_asks_for_quiet() {
    let told = told_by("a_program_that_asks_for_quiet", || {
        Reactor::new().unwrap().quiet();
        drop(reactor::deferred::fail::<()>(Failure::msg("nobody hears this")));
    });
    let Some(told) = told else { return };
    assert!(!told.without_logger.contains("nobody hears this"), "{}", told.without_logger);
}

#[test]
fn a_flood_of_messages_ends() {
    let told = told_by("a_flood_of_messages_ends", || {
        for _ in 0..2000 {
            drop(reactor::deferred::fail::<()>(Failure::msg("again")));
        }
    });
    let Some(told) = told else { return };
    assert_eq!(told.without_logger.matches("reactor: error: ").count(), 1000);
    assert_eq!(told.without_logger.matches("reactor: ").count(), 1001, "and one message says so");
}
