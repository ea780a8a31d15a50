//! Callbacks that hold the loop, and callbacks that panic.

use crate::told::{self, Speaker, Told, impatient, run_pair, silent, stop_soon, told_by};
use reactor::task::{Cooperator, LoopingCall, Tick};
use reactor::{ClientFactory, Connector, Deferred, Failure, Protocol, Reactor, Settings};
use std::cell::Cell;
use std::time::Duration;

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    told::place(include_str!("slow.rs"), "slow", comment)
}

#[test]
fn a_blocked_callback() {
    let told = told_by("slow::a_blocked_callback", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let stopper = reactor.clone();
        reactor.call_later(Duration::ZERO, move || stopper.stop()); // slow
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["held the loop for", "delayed call", &place("slow")]);
}

#[test]
fn a_blocked_callback_of_a_protocol() {
    let told = told_by("slow::a_blocked_callback_of_a_protocol", || {
        let server = || Speaker { greeting: b"", then: silent };
        run_pair(impatient(), server, || Speaker { greeting: b"hello", then: silent });
    });
    let Some(told) = told else { return };
    let line = |text: &str| text.lines().find(|line| line.contains("data_received")).map(str::to_owned);
    let line = line(&told.without_logger).expect("a message about the callback");
    for part in ["mistakes::told::Speaker", "from 127.0.0.1:", &told::opened(), "held the loop for"] {
        assert!(line.contains(part), "without {part:?}: {line}");
    }
}

#[cfg(feature = "http")]
#[test]
fn a_blocked_callback_on_a_connection_of_the_http_client() {
    let told = told_by("slow::a_blocked_callback_on_a_connection_of_the_http_client", || {
        struct Page;
        impl Protocol for Page {
            fn data_received(&mut self, transport: &reactor::Transport, _request: &[u8]) {
                transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
            }
        }
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Page).unwrap();
        let url = format!("http://{}/", port.host());
        let page = reactor::http::get_page(&reactor, &url); // page
        assert_eq!(reactor.run_until(page).unwrap(), b"hi");
    });
    let Some(told) = told else { return };
    let about = |line: &&str| line.contains("on the connection to 127.0.0.1:");
    let lines: Vec<&str> = told.without_logger.lines().filter(about).collect();
    assert!(!lines.is_empty(), "{}", told.without_logger);
    // The library has opened the connection, but for the program.
    let of_program =
        lines.iter().filter(|line| line.contains(&format!("asked for at reactor/{}", place("page")))).count();
    assert_eq!(of_program, lines.len(), "{lines:#?}");
}

/// Each callback of a program is slow, and the message about it names a line of this file, never one of the library.
#[track_caller]
fn slow_lines_of_program(told: &Told, callback: &str, place: &str) {
    let text = &told.without_logger;
    let slow: Vec<&str> = text.lines().filter(|line| line.contains("held the loop")).collect();
    assert!(
        slow.iter().any(|line| line.contains(callback) && line.contains(place)),
        "no {callback} at {place}: {text}"
    );
    for line in slow {
        assert!(line.contains("tests/mistakes/") && !line.contains("reactor/src/"), "{line}");
    }
    assert!(!told.with_logger.contains("reactor: "), "{}", told.with_logger);
}

#[test]
fn a_slow_tick_of_a_looping_call() {
    let told = told_by("slow::a_slow_tick_of_a_looping_call", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let (count, tick) = (Cell::new(0), Duration::from_millis(1));
        let body = move |tick: Tick<'_>| {
            count.set(count.get() + 1);
            if count.get() == 3 {
                tick.stop();
            }
        };
        let (_, ended) = LoopingCall::start(&reactor, tick, body); // ticks
        reactor.run_until(ended).unwrap();
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "delayed call", &place("ticks"));
}

#[test]
fn a_panic_in_a_later_tick_of_a_looping_call() {
    let told = told_by("slow::a_panic_in_a_later_tick_of_a_looping_call", || {
        let reactor = Reactor::new().unwrap();
        let mut count = 0;
        let body = move |_: Tick<'_>| {
            count += 1;
            assert!(count < 2, "out of cheese");
        };
        let (_, ended) = LoopingCall::start(&reactor, Duration::from_millis(1), body); // ticks until
        assert!(reactor.run_until(ended).is_err());
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["delayed call", "panicked", &place("ticks until")]);
}

#[test]
fn a_slow_step_of_a_cooperator() {
    let told = told_by("slow::a_slow_step_of_a_cooperator", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let steps = Cooperator::new(&reactor); // steps
        reactor.run_until(steps.cooperate([(), ()]).1).unwrap();
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "delayed call", &place("steps"));
}

#[test]
fn a_slow_callback_of_work_for_a_thread() {
    let told = told_by("slow::a_slow_callback_of_work_for_a_thread", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let answer = reactor.defer_to_thread(|| Ok::<_, std::io::Error>(6)); // in a thread
        assert_eq!(reactor.run_until(answer.add_callback(|n| Ok(n + 1))).unwrap(), 7);
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "call from another thread", &place("in a thread"));
}

#[test]
fn a_slow_callback_of_a_look_up() {
    let told = told_by("slow::a_slow_callback_of_a_look_up", || {
        // A label of 64 characters cannot be asked for, so no name server is.
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let answer = reactor.resolve(&format!("{}.invalid", "x".repeat(64))); // look-up
        assert!(reactor.run_until(answer).is_err());
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "look-up of xxx", &place("look-up"));
}

#[cfg(feature = "http")]
#[test]
fn a_slow_errback_of_a_request_that_takes_too_long() {
    let told = told_by("slow::a_slow_errback_of_a_request_that_takes_too_long", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let silent = reactor.listen_tcp("127.0.0.1:0", |_peer| Speaker { greeting: b"", then: silent }).unwrap();
        let mut settings = reactor::http::AgentSettings::default();
        settings.timeout = Duration::from_millis(20);
        let roots = reactor::tls::TrustRoots::web();
        let agent = reactor::http::Agent::with_settings(&reactor, &roots, settings).unwrap();
        let request = reactor::http::Request::get(format!("http://{}/", silent.host()).parse().unwrap());
        let page = agent.request(request); // too long
        assert!(reactor.run_until(page).is_err());
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "delayed call", &place("too long"));
}

#[test]
fn a_slow_callback_of_a_time_limit_of_a_protocol() {
    let told = told_by("slow::a_slow_callback_of_a_time_limit_of_a_protocol", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let stopper = reactor.clone();
        let limit = reactor::policies::Timeout::new(&reactor, move || stopper.stop()); // limit
        limit.set(Some(Duration::from_millis(1)));
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "delayed call", &place("limit"));
}

#[test]
fn slow_callbacks_of_datagrams() {
    let told = told_by("slow::slow_callbacks_of_datagrams", || {
        struct Quiet;
        impl reactor::DatagramProtocol for Quiet {
            fn datagram_received(&mut self, _: &reactor::DatagramTransport, _: &[u8], _: std::net::SocketAddr) {}
        }
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let port = reactor.listen_udp("127.0.0.1:0", Quiet).unwrap(); // datagrams
        port.write_to(b"hello", port.host()).unwrap();
        stop_soon(&reactor);
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "datagram_received of the UDP port", &place("datagrams"));
}

#[test]
fn a_slow_callback_inside_another_is_told_once() {
    let told = told_by("slow::a_slow_callback_inside_another_is_told_once", || {
        struct Slow(Reactor);
        impl ClientFactory for Slow {
            fn build_protocol(&mut self, _peer: &reactor::Address) -> Option<Box<dyn Protocol>> {
                None
            }
            fn client_connection_failed(&mut self, _: &Connector, _: Failure) {
                let begin = std::time::Instant::now();
                while begin.elapsed() < Duration::from_millis(100) {}
                self.0.stop();
            }
        }
        let reactor = Reactor::new().unwrap();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        reactor.connect_tcp(nobody, Slow(reactor.clone())); // slow factory
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["client_connection_failed", "held the loop", &place("slow factory")]);
}

#[test]
fn a_panic_that_takes_long_to_print_is_not_a_blocked_loop() {
    let told = told_by("slow::a_panic_that_takes_long_to_print_is_not_a_blocked_loop", || {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_millis(100) {}
            usual(info);
        }));
        let reactor = Reactor::new().unwrap();
        let (answer, firer) = Deferred::<u32>::new();
        answer.add_callback(|_| -> Result<(), Failure> { panic!("out of cheese") }).add_errback(|_| Ok(())).detach();
        let stopper = reactor.clone();
        reactor.call_later(Duration::ZERO, move || {
            firer.callback(1).unwrap(); // fires a panic
            stopper.stop();
        });
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["fired Deferreds, and 1 of their callbacks panicked"]);
}

#[test]
fn a_panic_in_a_protocol() {
    let told = told_by("slow::a_panic_in_a_protocol", || {
        let server = || Speaker { greeting: b"", then: |_| panic!("out of cheese") }; // panics
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    let parts = ["out of cheese", &place("panics"), "connection_made of", "mistakes::told::Speaker", &told::opened()];
    told.expect_one_message(&parts);
}
