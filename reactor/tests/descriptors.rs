//! A port that ran out of descriptors serves again when there are some, even if another part of the process frees them,
//! and does not spin meanwhile.

#[path = "util/child.rs"]
mod child;
#[path = "util/driver.rs"]
mod driver;
#[path = "util/events.rs"]
mod events;
mod util;

use child::in_child;
use driver::{Hooks, edited};
use events::{Events, Noting};
use reactor::{Reactor, Settings, Transport};
use std::cell::RefCell;
use std::fs::File;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use util::until;

const FEW: &str = "ulimit -n 64";

/// A reactor with one connection, others that wait in the backlog, and not one descriptor left.
struct Exhausted {
    hooks: Hooks,
    reactor: Reactor,
    events: Events,
    transports: Rc<RefCell<Vec<Transport>>>,
    _clients: Vec<TcpStream>,
    files: Vec<File>,
}

impl Exhausted {
    fn new() -> Exhausted {
        Exhausted::with(1, Settings::default())
    }

    fn with(waiting: usize, settings: Settings) -> Exhausted {
        let (hooks, events) = (Hooks::default(), Events::default());
        let reactor = edited(&hooks, settings);
        let transports: Rc<RefCell<Vec<Transport>>> = Rc::default();
        let (noted, keep) = (events.clone(), transports.clone());
        let factory = move |_| {
            let keep = keep.clone();
            let made = move |transport: &Transport| keep.borrow_mut().push(transport.clone());
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        };
        let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
        let served = TcpStream::connect(port.host()).unwrap();
        until(&reactor, "the first connection is made", || events.all() == ["made"]);
        let mut clients = vec![served];
        clients.extend((0..waiting).map(|_| TcpStream::connect(port.host()).unwrap())); // The backlog takes them.
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        assert!(files.len() < 64, "the limit holds");
        Exhausted { hooks, reactor, events, transports, _clients: clients, files }
    }

    /// Takes turns for so long that the port tries again at least three times; gives how often the loop polled.
    fn stay(&self) -> usize {
        let (end, polls) = (Instant::now() + self.reactor.settings().accept_retry * 7 / 2, self.hooks.polls.get());
        until(&self.reactor, "time passes", || Instant::now() >= end);
        self.hooks.polls.get() - polls
    }

    /// Takes turns until the one that waited is served, and gives how long that took.
    fn until_served(&self) -> Duration {
        let begin = Instant::now();
        self.until_made(2);
        begin.elapsed()
    }

    #[track_caller]
    fn until_made(&self, count: usize) {
        until(&self.reactor, "another connection is made", || self.transports.borrow().len() == count);
    }
}

#[test]
fn a_port_serves_again_when_one_of_our_connections_is_closed() {
    in_child("a_port_serves_again_when_one_of_our_connections_is_closed", FEW, || {
        let rig = Exhausted::new();
        until(&rig.reactor, "the port has tried", || rig.hooks.polls.get() > 3);
        rig.transports.borrow()[0].lose_connection();
        let polls = rig.hooks.polls.get();
        rig.until_served();
        assert_eq!(rig.events.all(), ["made", "lost Done", "made"]);
        assert!(rig.hooks.polls.get() - polls <= 2, "at once, not at the next try");
    });
}

#[test]
fn a_port_serves_again_when_other_code_frees_a_descriptor() {
    in_child("a_port_serves_again_when_other_code_frees_a_descriptor", FEW, || {
        let mut rig = Exhausted::new();
        rig.stay();
        assert_eq!(rig.events.all(), ["made"], "there was no descriptor");
        rig.files.pop();
        assert!(rig.until_served() < Duration::from_secs(1));
    });
}

#[test]
fn a_port_without_descriptors_does_not_spin() {
    in_child("a_port_without_descriptors_does_not_spin", FEW, || {
        let rig = Exhausted::new();
        let polls = rig.stay();
        assert!((3..20).contains(&polls), "{polls} polls for about three tries");
        assert_eq!(rig.events.all(), ["made"]);
    });
}

/// Numbers of errors on Linux, whose `accept` has them all.
#[cfg(target_os = "linux")]
mod error {
    pub(crate) const OF_ONE_CONNECTION: [i32; 3] = [ECONNABORTED, EPERM, ETIMEDOUT];
    pub(crate) const OF_THE_SYSTEM: [i32; 4] = [EMFILE, ENFILE, ENOBUFS, ENOMEM];
    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ECONNABORTED: i32 = 103;
    const ENOBUFS: i32 = 105;
    const ETIMEDOUT: i32 = 110;
}

/// Has a client connect to a port whose `accept` fails first with `error`. Returns how many times the port tried until
/// it served the client, and how long that took on the loop's clock.
#[cfg(target_os = "linux")]
fn serve_after(error: i32) -> (usize, Duration) {
    let hooks = Hooks::default();
    let mut settings = Settings::default();
    settings.accept_retry = Duration::from_millis(40);
    let (reactor, events) = (edited(&hooks, settings), Events::default());
    let made = events.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_| Noting::new(&made)).unwrap();
    hooks.accept_errors.borrow_mut().push_back(error);
    let begin = reactor.now();
    let _client = TcpStream::connect(port.host()).unwrap();
    until(&reactor, "the client is served", || events.all() == ["made"]);
    let (tries, took) = (hooks.accepts.get(), reactor.now() - begin);
    // The one that is left is that of `until` itself.
    until(&reactor, "no retry is left", || reactor.delayed_call_count() == 1);
    (tries, took)
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_that_failed_before_it_was_accepted_does_not_delay_the_next() {
    for error in error::OF_ONE_CONNECTION {
        let (tries, _) = serve_after(error);
        // The failure, the client behind it, and the end of the backlog: all in one go.
        assert_eq!(tries, 3, "error {error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_port_that_the_system_denies_a_socket_tries_again_after_its_time() {
    for error in error::OF_THE_SYSTEM {
        let (tries, took) = serve_after(error);
        assert_eq!(tries, 3, "error {error}");
        assert!(took >= Duration::from_millis(40), "error {error}: after {took:?}");
    }
}

/// Keeps what the loop logs about its ports.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

impl Lines {
    fn count(&self, words: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }
}

#[test]
fn each_closing_at_the_limit_costs_the_same_and_exhaustion_is_told_once() {
    in_child("each_closing_at_the_limit_costs_the_same_and_exhaustion_is_told_once", FEW, || {
        const WAITING: usize = 16;
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        let mut settings = Settings::default();
        settings.accept_retry = Duration::from_secs(3600); // Only a closing makes the port try again.
        let mut rig = Exhausted::with(WAITING, settings);
        until(&rig.reactor, "the port has tried", || LINES.count("cannot accept") == 1);
        for closed in 0..WAITING {
            let accepts = rig.hooks.accepts.get();
            rig.transports.borrow()[closed].lose_connection();
            rig.until_made(closed + 2);
            assert_eq!(rig.hooks.accepts.get() - accepts, 2, "one that is served, and one that fails");
        }
        assert_eq!((LINES.count("cannot accept"), LINES.count("accepts again")), (1, 0));

        rig.files.clear();
        rig.transports.borrow()[WAITING].lose_connection();
        until(&rig.reactor, "it has recovered", || LINES.count("accepts again") == 1);
        assert_eq!(LINES.count("cannot accept"), 1);
    });
}
