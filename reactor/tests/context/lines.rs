//! The lines that the library logs about a callback have its context.

use super::driver::{Hooks, edited};
use super::util::until;
use super::{here, inside};
use log::{LevelFilter, Log, Metadata, Record};
use reactor::deferred::succeed;
use reactor::{Context, Deferred, Failure, Protocol, Reactor, Settings, Transport};
use std::cell::RefCell;
use std::net::TcpStream;
use std::sync::Once;
use std::time::Duration;

thread_local!(static LINES: RefCell<Vec<(Option<u32>, String)>> = const { RefCell::new(Vec::new()) });

/// Keeps the lines of each thread, which is a test, with the number in their context.
struct ByThread;

impl Log for ByThread {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push((here(), record.args().to_string())));
    }
    fn flush(&self) {}
}

fn begin_logging() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| log::set_logger(&ByThread).unwrap());
    log::set_max_level(LevelFilter::Warn);
    LINES.take();
}

/// The numbers in the contexts of the lines with `text`.
#[track_caller]
fn contexts_of(text: &str) -> Vec<Option<u32>> {
    let lines = LINES.take();
    let found: Vec<_> = lines.iter().filter(|(_, line)| line.contains(text)).map(|(id, _)| *id).collect();
    assert!(!found.is_empty(), "{lines:?}");
    found
}

fn fails() -> Result<(), Failure> {
    Err(Failure::msg("nobody handles this"))
}

#[test]
fn a_failure_that_nobody_handled_is_logged_in_the_context_of_the_last_callback() {
    begin_logging();
    let unhandled = || contexts_of("Unhandled error");

    // Raised in one, passed on in another, dropped in a third.
    let (waiting, firer) = Deferred::<()>::new();
    let waiting = inside(1, || waiting.add_callback(|()| fails()));
    let waiting = inside(2, || waiting.add_callback(|()| ()));
    inside(9, || firer.callback(())).unwrap();
    inside(8, || drop(waiting));
    assert_eq!(unhandled(), [Some(2)]);

    // Callbacks in no context take nothing from it.
    let (waiting, firer) = Deferred::<()>::new();
    drop(inside(1, || waiting.add_callback(|()| fails())).add_callback(|()| ()));
    firer.callback(()).unwrap();
    assert_eq!(unhandled(), [Some(1)]);

    // A callback that returns a Deferred that has failed.
    let failed = Deferred::<()>::from_result(fails());
    let (waiting, firer) = Deferred::<()>::new();
    drop(inside(1, || waiting.add_callback(|()| failed)));
    firer.callback(()).unwrap();
    assert_eq!(unhandled(), [Some(1)]);

    // One that had fired, and one that comes from a coroutine.
    drop(inside(1, || succeed(()).add_callback(|()| fails())));
    assert_eq!(unhandled(), [Some(1)]);
    let (waiting, firer) = Deferred::<()>::new();
    drop(inside(1, || Deferred::from_future(waiting)));
    firer.errback(Failure::msg("no")).unwrap();
    assert_eq!(unhandled(), [Some(1)]);
}

#[test]
fn a_failure_that_a_list_wraps_keeps_its_context() {
    begin_logging();
    let failed = inside(1, || Deferred::<()>::from_result(fails()));
    drop(reactor::deferred::gather_results([failed], reactor::deferred::Others::LeaveRunning));
    assert_eq!(contexts_of("Unhandled error"), [Some(1)]);
}

#[test]
fn a_callback_that_panics_is_logged_in_its_context() {
    struct Panics;
    impl Protocol for Panics {
        fn connection_made(&mut self, transport: &Transport) {
            transport.set_context(Context::current().with(super::Id(7)));
            transport.write(b"hello");
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {
            panic!("as the test wants it");
        }
    }
    begin_logging();
    let reactor = Reactor::new().unwrap();
    let call = inside(1, || reactor.call_later(Duration::ZERO, || panic!("as the test wants it")));
    until(&reactor, "the call", || !call.active());
    assert_eq!(contexts_of("the delayed call requested at"), [Some(1)]);

    let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Panics).unwrap();
    let mut client = TcpStream::connect(port.host()).unwrap();
    std::io::Write::write_all(&mut client, b"x").unwrap();
    let panicked = || LINES.with_borrow(|lines| lines.iter().any(|(_, line)| line.contains("data_received of")));
    until(&reactor, "the panic", panicked);
    assert_eq!(contexts_of("data_received of"), [Some(7)]);
}

#[test]
fn what_the_loop_has_to_say_for_itself_does_not_belong_to_the_code_that_runs_it() {
    begin_logging();
    let hooks = Hooks::default();
    let reactor = edited(&hooks, Settings::default());
    let port = inside(1, || reactor.listen_tcp("127.0.0.1:0", |_peer| Silent)).unwrap();
    let no_memory = 12; // ENOMEM
    hooks.accept_errors.borrow_mut().push_back(no_memory);
    let _client = TcpStream::connect(port.host()).unwrap();
    let is_told = || LINES.with_borrow(|lines| lines.iter().any(|(_, line)| line.contains("cannot accept")));
    inside(9, || until(&reactor, "the warning", is_told));
    assert_eq!(contexts_of("cannot accept"), [None]);
}

struct Silent;

impl Protocol for Silent {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn a_callback_that_holds_the_loop_is_logged_in_its_context() {
    begin_logging();
    let (hooks, mut settings) = (Hooks::default(), Settings::default());
    settings.slow_callback = Duration::from_secs(60);
    let reactor = edited(&hooks, settings);
    let ahead = hooks.ahead.clone();
    let slow = move || ahead.set(ahead.get() + Duration::from_secs(61));
    inside(1, || reactor.call_when_running(slow));
    reactor.iterate(Duration::ZERO).unwrap();
    assert_eq!(contexts_of("held the loop"), [Some(1)]);
}
