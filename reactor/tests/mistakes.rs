//! Nine classic mistakes, as small programs without a logger. Each is told once on standard error, with the place in
//! the program that made it. With a logger, only the logger hears of it.
//!
//! Each program runs in a process of its own: this one, asked for that one test.

use reactor::task::{Cooperator, LoopingCall, Tick};
use reactor::testing::StringTransport;
use reactor::{
    ClientFactory, Connector, Deferred, Failure, LineProtocol, LineReceiver, LineTransport, Protocol, Reactor,
    Settings, Transport, react,
};
use std::cell::{Cell, RefCell};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

const PROGRAM: &str = "REACTOR_TEST_PROGRAM";
const LOGGER: &str = "REACTOR_TEST_LOGGER";

/// What a program has written to standard error.
struct Told {
    without_logger: String,
    with_logger: String,
}

/// Runs `program` in two processes, without and with a logger. `name` is the test that calls this. `None` in such a
/// process itself.
#[track_caller]
fn told_by(name: &str, program: fn()) -> Option<Told> {
    if std::env::var(PROGRAM).is_ok_and(|child| child == name) {
        if std::env::var(LOGGER).is_ok() {
            log::set_logger(&Discards).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
        }
        program();
        return None;
    }
    let run = |with_logger: bool| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(PROGRAM, name).env_remove(LOGGER);
        if with_logger {
            command.env(LOGGER, "yes");
        }
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "another test ran");
        told
    };
    Some(Told { without_logger: run(false), with_logger: run(true) })
}

struct Discards;

impl log::Log for Discards {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, _: &log::Record<'_>) {}
    fn flush(&self) {}
}

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    let ending = format!("// {comment}");
    let number = include_str!("mistakes.rs").lines().position(|line| line.ends_with(&ending)).expect("the comment");
    format!("tests/mistakes.rs:{}:", number + 1)
}

impl Told {
    /// Exactly one message, which has all of `parts`; and no word of the library beside a logger.
    #[track_caller]
    fn expect_one_message(self, parts: &[&str]) {
        let text = &self.without_logger;
        assert_eq!(text.matches("reactor: ").count(), 1, "{text}");
        for part in parts {
            assert!(text.contains(part), "without {part:?}: {text}");
        }
        assert!(!self.with_logger.contains("reactor: "), "{}", self.with_logger);
    }
}

/// Sends `greeting` at once, and does what `then` says.
struct Speaker {
    greeting: &'static [u8],
    then: fn(&Transport),
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(self.greeting);
        (self.then)(transport);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// Settings with which every callback is slow.
fn impatient() -> Settings {
    let mut settings = Settings::default();
    settings.slow_callback = Duration::ZERO;
    settings
}

fn silent(_transport: &Transport) {}

fn stop_soon(reactor: &Reactor) {
    let stopper = reactor.clone();
    reactor.call_later(Duration::from_millis(20), move || stopper.stop());
}

/// Runs a server that is a `server`, and a client that is a `client`, for a moment.
fn run_pair(settings: Settings, server: fn() -> Speaker, client: fn() -> Speaker) {
    let reactor = Reactor::with_settings(settings).unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| server()).unwrap(); // opened
    reactor.connect_tcp(port.host(), move |_peer| client());
    stop_soon(&reactor);
    reactor.run().unwrap();
}

#[test]
fn a_forgotten_errback() {
    let told = told_by("a_forgotten_errback", || {
        let (answer, firer) = Deferred::<u32>::new();
        answer.add_callback(|n| Ok(n + 1)).detach(); // forgotten
        firer.errback(Failure::msg("no answer")).unwrap(); // failed
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["no answer", &place("forgotten"), &place("failed")]);
}

#[test]
fn a_blocked_callback() {
    let told = told_by("a_blocked_callback", || {
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
    let told = told_by("a_blocked_callback_of_a_protocol", || {
        let server = || Speaker { greeting: b"", then: silent };
        run_pair(impatient(), server, || Speaker { greeting: b"hello", then: silent });
    });
    let Some(told) = told else { return };
    let line = |text: &str| text.lines().find(|line| line.contains("data_received")).map(str::to_owned);
    let line = line(&told.without_logger).expect("a message about the callback");
    for part in ["mistakes::Speaker", "from 127.0.0.1:", &place("opened"), "held the loop for"] {
        assert!(line.contains(part), "without {part:?}: {line}");
    }
}

#[cfg(feature = "http")]
#[test]
fn a_blocked_callback_on_a_connection_of_the_http_client() {
    let told = told_by("a_blocked_callback_on_a_connection_of_the_http_client", || {
        struct Page;
        impl Protocol for Page {
            fn data_received(&mut self, transport: &Transport, _request: &[u8]) {
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

/// Each callback of `program` is slow, and the message about it names a line of this file, and never one of the library.
#[track_caller]
fn slow_lines_of_program(told: &Told, callback: &str, place: &str) {
    let text = &told.without_logger;
    let slow: Vec<&str> = text.lines().filter(|line| line.contains("held the loop")).collect();
    assert!(
        slow.iter().any(|line| line.contains(callback) && line.contains(place)),
        "no {callback} at {place}: {text}"
    );
    for line in slow {
        assert!(line.contains("tests/mistakes.rs:") && !line.contains("reactor/src/"), "{line}");
    }
    assert!(!told.with_logger.contains("reactor: "), "{}", told.with_logger);
}

#[test]
fn a_slow_tick_of_a_looping_call() {
    let told = told_by("a_slow_tick_of_a_looping_call", || {
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
    let told = told_by("a_panic_in_a_later_tick_of_a_looping_call", || {
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
    let told = told_by("a_slow_step_of_a_cooperator", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let steps = Cooperator::new(&reactor); // steps
        reactor.run_until(steps.cooperate([(), ()]).1).unwrap();
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "delayed call", &place("steps"));
}

#[test]
fn a_slow_callback_of_work_for_a_thread() {
    let told = told_by("a_slow_callback_of_work_for_a_thread", || {
        let reactor = Reactor::with_settings(impatient()).unwrap();
        let answer = reactor.defer_to_thread(|| Ok::<_, std::io::Error>(6)); // in a thread
        assert_eq!(reactor.run_until(answer.add_callback(|n| Ok(n + 1))).unwrap(), 7);
    });
    let Some(told) = told else { return };
    slow_lines_of_program(&told, "call from another thread", &place("in a thread"));
}

#[test]
fn a_slow_callback_of_a_look_up() {
    let told = told_by("a_slow_callback_of_a_look_up", || {
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
    let told = told_by("a_slow_errback_of_a_request_that_takes_too_long", || {
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
    let told = told_by("a_slow_callback_of_a_time_limit_of_a_protocol", || {
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
    let told = told_by("slow_callbacks_of_datagrams", || {
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
    let told = told_by("a_slow_callback_inside_another_is_told_once", || {
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
    let told = told_by("a_panic_that_takes_long_to_print_is_not_a_blocked_loop", || {
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
fn a_firer_that_is_dropped_before_callbacks_are_added() {
    let told = told_by("a_firer_that_is_dropped_before_callbacks_are_added", || {
        fn ask() -> Deferred<u32> {
            Deferred::new().0 // unfired
        }
        let reactor = Reactor::new().unwrap();
        let answer = ask().add_callback(|n| println!("{n}"));
        stop_soon(&reactor);
        reactor.run().unwrap();
        drop(answer);
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("unfired")]);
}

#[test]
fn a_firer_that_is_dropped_after_callbacks_were_added() {
    let told = told_by("a_firer_that_is_dropped_after_callbacks_were_added", || {
        let (answer, firer) = Deferred::<u32>::new(); // dropped
        let answer = answer.add_callback(|n| println!("{n}"));
        drop(firer);
        drop(answer);
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("dropped")]);
}

#[test]
fn a_firer_that_is_dropped_first_in_a_program_without_a_loop() {
    let told = told_by("a_firer_that_is_dropped_first_in_a_program_without_a_loop", || {
        let (answer, firer) = Deferred::<u32>::new(); // without a loop
        drop(firer);
        drop(answer.add_callback(|n| println!("{n}")));
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("without a loop")]);
}

#[test]
fn a_panic_in_a_protocol() {
    let told = told_by("a_panic_in_a_protocol", || {
        let server = || Speaker { greeting: b"", then: |_| panic!("out of cheese") }; // panics
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    let parts = ["out of cheese", &place("panics"), "connection_made of", "mistakes::Speaker", &place("opened")];
    told.expect_one_message(&parts);
}

#[test]
fn a_second_firing() {
    let told = told_by("a_second_firing", || {
        let (answer, firer) = Deferred::<u32>::new(); // made
        answer.detach();
        for n in [1, 2, 3] {
            let _ = firer.callback(n); // fired
        }
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["a second time", &place("made"), &place("fired")]);
}

#[test]
fn a_second_firing_after_a_time_limit() {
    let told = told_by("a_second_firing_after_a_time_limit", || {
        let clock = reactor::testing::ManualClock::new();
        let pending = || {
            let (answer, firer) = Deferred::<u32>::new(); // limited
            answer.add_timeout(Duration::from_secs(1), &clock).add_errback(|_late| Ok(0)).detach();
            firer
        };
        let (once, twice) = (pending(), pending());
        clock.advance(Duration::from_secs(1));
        once.callback(1).unwrap(); // It comes late, and could not know.
        twice.callback(1).unwrap();
        twice.callback(2).unwrap_err(); // fired twice
    });
    let Some(told) = told else { return };
    let parts = ["a second time", &place("limited"), &place("fired twice"), "it was cancelled at"];
    told.expect_one_message(&parts);
}

#[test]
fn a_second_late_firing_after_a_cancel() {
    let told = told_by("a_second_late_firing_after_a_cancel", || {
        let (answer, firer) = Deferred::<u32>::with_canceller(|_| {}); // cancelled
        answer.cancel();
        answer.add_errback(|_cancelled| Ok(0)).detach();
        firer.callback(1).unwrap_err();
        firer.callback(2).unwrap_err(); // late again
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["a second time", &place("cancelled"), &place("late again"), "it was cancelled at"]);
}

#[test]
fn a_write_after_lose_connection() {
    let told = told_by("a_write_after_lose_connection", || {
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
    told.expect_one_message(&["after lose_connection", "3 bytes", &place("too late"), &place("opened")]);
}

#[test]
fn a_write_after_lose_write_connection() {
    let told = told_by("a_write_after_lose_write_connection", || {
        fn farewell(transport: &Transport) {
            transport.lose_write_connection();
            transport.write(b"bye"); // half too late
        }
        let server = || Speaker { greeting: b"welcome", then: farewell };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_write_connection", "3 bytes", &place("half too late"), &place("opened")]);
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
    for sentence in [": the Deferred made at reactor/tests/mistakes.rs:", ": cannot listen on 127.0.0.1:"] {
        assert!(told.without_logger.contains(sentence), "without {sentence:?}: {}", told.without_logger);
    }
}

#[test]
fn a_peer_that_does_not_read() {
    let told = told_by("a_peer_that_does_not_read", || {
        fn flood(transport: &Transport) {
            transport.set_max_buffered(1 << 20);
            for _ in 0..20 {
                transport.write(&[0; 1 << 16]); // flood
            }
        }
        let server = || Speaker { greeting: b"", then: flood };
        let client = || Speaker { greeting: b"", then: |transport| transport.pause_producing() };
        run_pair(Settings::default(), server, client);
    });
    let Some(told) = told else { return };
    // While there is still time, and not again when it is broken off.
    let parts = ["does not read", "524288 bytes wait", "With 1048576 bytes", "from 127.0.0.1:", &place("flood")];
    told.expect_one_message(&parts);
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

#[cfg(debug_assertions)]
#[test]
fn what_the_end_of_a_run_leaves_unfired() {
    let told = told_by("what_the_end_of_a_run_leaves_unfired", || {
        let firers: Rc<RefCell<Vec<reactor::Firer<u32>>>> = Rc::default();
        let reactor = Reactor::new().unwrap();
        let mut pages = Vec::new();
        for _ in 0..3 {
            let (answer, firer) = Deferred::<u32>::new(); // left
            firers.borrow_mut().push(firer);
            let page = reactor::deferred::succeed(()).add_callback(move |()| answer); // waits
            pages.push(page.add_callback(|n| Ok(n + 1)));
        }
        reactor::task::sleep(&reactor, Duration::from_secs(60)).detach(); // A stop cuts it short.
        let (_unheard, _firer) = Deferred::<u32>::new();
        stop_soon(&reactor);
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["3 times", &place("left"), &place("waits"), "has not been fired"]);
}

#[test]
fn what_a_program_does_not_hear_of() {
    let told = told_by("what_a_program_does_not_hear_of", || {
        // Both ends go, and nothing waited.
        let (_answer, _firer) = Deferred::<u32>::new();
        // A late result of work that was cancelled.
        let (answer, firer) = Deferred::<u32>::with_canceller(|_| {});
        answer.cancel();
        answer.add_errback(|_cancelled| Ok(0)).detach();
        let _ = firer.callback(1);
        // A write to a peer that has closed; timers and pending Deferreds that a stop cuts short.
        fn leave(transport: &Transport) {
            transport.lose_connection();
        }
        struct Late(Reactor);
        impl Protocol for Late {
            fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
            fn read_connection_lost(&mut self, transport: &Transport) {
                transport.lose_connection();
                let transport = transport.clone();
                self.0.call_later(Duration::ZERO, move || transport.write(b"late"));
            }
        }
        let code = react(|reactor| {
            let late = reactor.clone();
            let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(late.clone())).unwrap();
            reactor.connect_tcp(port.host(), |_peer| Speaker { greeting: b"hello", then: leave });
            let (never, firer) = Deferred::<()>::new();
            never.add_callback(|()| Ok(())).detach();
            reactor.call_later(Duration::from_secs(60), move || drop(firer));
            reactor::task::sleep(reactor, Duration::from_millis(20))
        });
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    });
    let Some(told) = told else { return };
    let text = told.without_logger.split("reactor: warning: the run has ended").next().unwrap();
    assert!(!text.contains("reactor: "), "{text}");
}
