//! Writes that come too late, and peers that do not read.

use crate::told::{self, Speaker, run_pair, silent, told_by};
use reactor::{Protocol, Reactor, Settings, Transport};
use std::time::Duration;

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    told::place(include_str!("writing.rs"), "writing", comment)
}

#[test]
fn a_write_after_lose_connection() {
    let told = told_by("writing::a_write_after_lose_connection", || {
        fn farewell(transport: &Transport) {
            transport.lose_connection();
            for _ in 0..2 {
                transport.write(b"bye"); // too late
            }
        }
        let server = || Speaker { greeting: b"welcome", then: farewell };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_connection", "3 bytes", &place("too late"), &told::opened()]);
}

/// Runs a server that closes each connection by `leave`, and writes to it when it has ended.
fn run_late_writer(leave: fn(&Transport)) {
    struct Late(Reactor, fn(&Transport));
    impl Protocol for Late {
        fn connection_made(&mut self, transport: &Transport) {
            let (reactor, transport) = (self.0.clone(), transport.clone());
            (self.1)(&transport);
            self.0.call_later(Duration::from_millis(20), move || {
                transport.write(b"bye"); // long after
                reactor.stop();
            });
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let reactor = Reactor::new().unwrap();
    let own = reactor.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(own.clone(), leave)).unwrap();
    reactor.connect_tcp(port.host(), |_peer| Speaker { greeting: b"", then: silent });
    reactor.run().unwrap();
}

#[test]
fn a_write_after_the_end_that_lose_connection_has_led_to() {
    let told = told_by("writing::a_write_after_the_end_that_lose_connection_has_led_to", || {
        run_late_writer(|transport| transport.lose_connection());
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_connection", "3 bytes", &place("long after")]);
}

#[test]
fn a_write_after_the_end_that_abort_connection_has_made() {
    let told = told_by("writing::a_write_after_the_end_that_abort_connection_has_made", || {
        run_late_writer(|transport| transport.abort_connection());
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after abort_connection", "3 bytes", &place("long after")]);
}

#[test]
fn a_write_after_an_end_that_the_peer_has_made_is_no_mistake() {
    let told = told_by("writing::a_write_after_an_end_that_the_peer_has_made_is_no_mistake", || {
        struct Late(Reactor);
        impl Protocol for Late {
            fn connection_made(&mut self, transport: &Transport) {
                let (reactor, transport) = (self.0.clone(), transport.clone());
                self.0.call_later(Duration::from_millis(20), move || {
                    assert!(transport.is_disconnecting());
                    transport.write(b"bye");
                    reactor.stop();
                });
            }
            fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        }
        let reactor = Reactor::new().unwrap();
        let own = reactor.clone();
        let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(own.clone())).unwrap();
        let leave = |transport: &Transport| transport.lose_connection();
        reactor.connect_tcp(port.host(), move |_peer| Speaker { greeting: b"", then: leave });
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    assert!(!told.without_logger.contains("reactor: "), "{}", told.without_logger);
}

#[test]
fn a_write_after_lose_write_connection() {
    let told = told_by("writing::a_write_after_lose_write_connection", || {
        fn farewell(transport: &Transport) {
            transport.lose_write_connection();
            transport.write(b"bye"); // half too late
        }
        let server = || Speaker { greeting: b"welcome", then: farewell };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_write_connection", "3 bytes", &place("half too late"), &told::opened()]);
}

#[test]
fn a_write_after_abort_connection() {
    let told = told_by("writing::a_write_after_abort_connection", || {
        fn break_off(transport: &Transport) {
            transport.abort_connection();
            transport.write(b"bye"); // in vain
        }
        let server = || Speaker { greeting: b"welcome", then: break_off };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after abort_connection", "3 bytes", &place("in vain"), &told::opened()]);
}

#[test]
fn a_peer_that_does_not_read() {
    let told = told_by("writing::a_peer_that_does_not_read", || {
        /// Writes in each turn.
        fn flood(reactor: Reactor, transport: Transport) {
            transport.write(&[0; 1 << 16]); // flood
            match transport.is_disconnecting() {
                true => reactor.stop(),
                false => drop(reactor.clone().call_later(Duration::ZERO, move || flood(reactor, transport))),
            }
        }
        struct Flood(Reactor);
        impl Protocol for Flood {
            fn connection_made(&mut self, transport: &Transport) {
                transport.set_max_buffered(1 << 20);
                flood(self.0.clone(), transport.clone());
            }
            fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
        }
        let reactor = Reactor::new().unwrap();
        let own = reactor.clone();
        let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Flood(own.clone())).unwrap(); // opened
        let silent = || Speaker { greeting: b"", then: |transport| transport.pause_producing() };
        reactor.connect_tcp(port.host(), move |_peer| silent());
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    // While there is still time, and not again when it is broken off.
    told.expect_one_message(&["does not read", "With 1048576 bytes", "from 127.0.0.1:", &place("flood")]);
}

#[test]
fn a_producer_that_waits_for_a_pause_inside_one_callback() {
    let told = told_by("writing::a_producer_that_waits_for_a_pause_inside_one_callback", || {
        fn produce(transport: &Transport) {
            transport.set_max_buffered(1 << 20);
            transport.register_producer(transport.clone());
            for _ in 0..20 {
                transport.write(&[0; 1 << 16]); // piece
            }
            transport.unregister_producer();
        }
        let server = || Speaker { greeting: b"", then: produce };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["1048576 bytes", "buffered()", "from 127.0.0.1:", &place("piece")]);
}

/// Runs a server that does `then` with each client, and three clients, for a minute. They read a piece a second, or
/// nothing.
#[cfg(feature = "sim")]
fn run_slow_reader(reads: bool, then: fn(&Transport)) {
    struct Sleeper(Reactor, bool);
    impl Protocol for Sleeper {
        fn connection_made(&mut self, transport: &Transport) {
            transport.pause_producing();
            if self.1 {
                let transport = transport.clone();
                let read = move |_: reactor::task::Tick<'_>| transport.resume_producing();
                reactor::task::LoopingCall::start(&self.0, Duration::from_secs(1), read).1.detach();
            }
        }
        fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
            transport.pause_producing();
        }
    }
    let world = reactor::sim::World::new(1);
    world.host("server", move |reactor| {
        reactor.listen_tcp("0.0.0.0:80", move |_peer| Speaker { greeting: b"", then }).unwrap(); // stuck
    });
    world.host("client", move |reactor| {
        for _ in 0..3 {
            let same = reactor.clone();
            reactor.connect_tcp("server:80", move |_peer| Sleeper(same.clone(), reads));
        }
    });
    world.run_for(Duration::from_secs(60));
}

#[cfg(feature = "sim")]
fn write_much(transport: &Transport) {
    transport.write(&vec![0; 3 << 20]);
}

#[cfg(feature = "sim")]
#[test]
fn a_peer_that_takes_nothing_of_the_last_bytes() {
    let told = told_by("writing::a_peer_that_takes_nothing_of_the_last_bytes", || {
        run_slow_reader(false, |transport| {
            write_much(transport);
            transport.lose_connection();
        });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["does not read", "bytes wait since the program closed", "for 30s", &place("stuck")]);
}

#[cfg(feature = "sim")]
#[test]
fn a_producer_that_does_not_unregister() {
    let told = told_by("writing::a_producer_that_does_not_unregister", || {
        run_slow_reader(true, |transport| {
            transport.register_producer(transport.clone());
            transport.lose_connection();
        });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["a producer has neither written nor unregistered for 30s", &place("stuck")]);
}

#[cfg(feature = "sim")]
#[test]
fn a_peer_that_takes_nothing() {
    let told = told_by("writing::a_peer_that_takes_nothing", || run_slow_reader(false, write_much));
    let Some(told) = told else { return };
    told.expect_one_message(&["does not read", "has taken none for 10s", "the connection from", &place("stuck")]);
}

#[cfg(feature = "sim")]
#[test]
fn a_peer_that_reads_slowly_is_not_told() {
    let told = told_by("writing::a_peer_that_reads_slowly_is_not_told", || run_slow_reader(true, write_much));
    let Some(told) = told else { return };
    assert!(!told.without_logger.contains("reactor: "), "{}", told.without_logger);
}
