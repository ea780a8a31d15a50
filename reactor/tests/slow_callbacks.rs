//! A callback that holds the loop for too long is logged, by its name and with its time.

#[path = "util/driver.rs"]
mod driver;
mod util;

use driver::{Hooks, edited, edited_driver};
use reactor::trace::{Event, Kind, Trace};
use reactor::{Protocol, Reactor, Settings, Transport};
use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;
use util::until;

const MS: Duration = Duration::from_millis(1);

/// Keeps the warnings.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }
    fn flush(&self) {}
}

/// Its callbacks take a time that the test sets: the loop's clock moves on by that, and nobody waits.
struct Slow {
    hooks: Hooks,
    time: Rc<Cell<Duration>>,
}

impl Protocol for Slow {
    fn connection_made(&mut self, _transport: &Transport) {
        self.hooks.ahead.set(self.hooks.ahead.get() + self.time.get());
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// What took the longest so far, of callbacks that are all shorter than the limit.
fn longest(times: &[Duration]) -> Vec<Duration> {
    let (hooks, mut settings) = (Hooks::default(), Settings::default());
    settings.slow_callback = 1_000_000 * MS;
    let reactor = edited(&hooks, settings);
    assert!(reactor.longest_callback().is_none());
    let record = |time: &Duration| {
        let (ahead, time) = (hooks.ahead.clone(), *time);
        let call = reactor.call_later(Duration::ZERO, move || ahead.set(ahead.get() + time));
        until(&reactor, "the call is made", || !call.active());
        let longest = reactor.longest_callback().expect("a call has taken time");
        assert!(longest.what.starts_with("the delayed call requested at "), "{longest:?}");
        longest.took
    };
    times.iter().map(record).collect()
}

/// What is logged about a callback of a connection, and about a delayed call, that both take `time`.
fn logged(limit: Duration, time: Duration) -> Vec<String> {
    LINES.0.lock().unwrap().clear();
    let (hooks, mut settings) = (Hooks::default(), Settings::default());
    settings.slow_callback = limit;
    let reactor = edited(&hooks, settings);
    let (slow, takes) = (hooks.clone(), Rc::new(Cell::new(time)));
    let port = reactor.listen_tcp("127.0.0.1:0", move |_| Slow { hooks: slow.clone(), time: takes.clone() }).unwrap();
    let _client = TcpStream::connect(port.host()).unwrap();
    until(&reactor, "it is connected", || reactor.inventory().connections.len() == 1);
    let ahead = hooks.ahead.clone();
    let call = reactor.call_later(Duration::ZERO, move || ahead.set(ahead.get() + time));
    until(&reactor, "the call is made", || !call.active());
    std::mem::take(&mut *LINES.0.lock().unwrap())
}

/// What is logged about a burst of calls that take no time, if it takes a minute to take them out of the queue.
fn logged_of_a_burst() -> Vec<String> {
    LINES.0.lock().unwrap().clear();
    let (hooks, mut settings) = (Hooks::default(), Settings::default());
    settings.slow_callback = 60_000 * MS;
    let reactor = edited(&hooks, settings);
    let calls: Vec<_> = (0..2000).map(|_| reactor.call_later(Duration::ZERO, || {})).collect();
    // The loop reads its clock when the poll is over, and next when the queue has given the calls.
    let jumps = hooks.jumps.clone();
    *hooks.events.borrow_mut() = Some(Box::new(move |_| jumps.borrow_mut().extend([Duration::ZERO, 61_000 * MS])));
    reactor.iterate(Duration::ZERO).unwrap();
    assert!(hooks.jumps.borrow().is_empty() && calls.iter().all(|call| !call.active()));
    std::mem::take(&mut *LINES.0.lock().unwrap())
}

/// What is logged about a slow call in a reactor with a trace, and the same sentence made of what the trace tells.
fn logged_and_traced() -> (Vec<String>, Vec<String>) {
    LINES.0.lock().unwrap().clear();
    let (hooks, mut settings) = (Hooks::default(), Settings::default());
    settings.slow_callback = 60_000 * MS;
    let (words, told) = (RefCell::new(String::new()), Rc::new(RefCell::new(Vec::new())));
    let sentences = told.clone();
    let trace = Trace::new(move |event: &Event<'_>| match event.kind {
        Kind::CallbackBegin(callback) => *words.borrow_mut() = callback.words.to_owned(),
        Kind::CallbackEnd(ended) if ended.took > 60_000 * MS => {
            let words = words.borrow();
            sentences.borrow_mut().push(format!("{words} held the loop for {:?}; everybody else waited", ended.took));
        }
        _ => {}
    });
    let reactor = Reactor::with_traced_driver(edited_driver(&hooks), trace, settings);
    let ahead = hooks.ahead.clone();
    let call = reactor.call_later(Duration::ZERO, move || ahead.set(ahead.get() + 61_000 * MS));
    until(&reactor, "the call is made", || !call.active());
    (std::mem::take(&mut *LINES.0.lock().unwrap()), told.take())
}

/// One test: there is one logger.
#[test]
fn a_callback_that_takes_longer_than_the_setting_is_logged_with_its_name_and_time() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    // A real clock runs under the test's, so the limits are far from the times. A machine that stops for a minute
    // between two readings would show here, and nowhere else.
    assert_eq!(logged(60_000 * MS, 1000 * MS), [""; 0]);
    let lines = logged(60_000 * MS, 61_000 * MS);
    let [made, call] = &lines[..] else { panic!("{lines:?}") };
    assert!(made.starts_with("connection_made of slow_callbacks::Slow, on the connection from 127.0.0.1:"), "{made}");
    assert!(call.starts_with("the delayed call requested at "), "{call}");
    assert!(call.contains(file!()), "{call}");
    for line in [made, call] {
        assert!(line.contains(" held the loop for 61."), "{line}");
    }
    let (logged, traced) = logged_and_traced();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged, traced, "the report says what the trace says");
    assert_eq!(logged_of_a_burst(), [""; 0], "no call is blamed for the work of the queue");
    let seconds: Vec<u64> = longest(&[2000 * MS, 9000 * MS, 4000 * MS]).iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [2, 9, 9]);
}
