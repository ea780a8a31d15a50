//! A port that ran out of descriptors serves again when there are some, whoever frees them, and does not spin
//! meanwhile.

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
use reactor::{Address, Reactor, Settings, Transport};
use std::cell::RefCell;
use std::fs::File;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};
use util::until;

const FEW: &str = "ulimit -n 64";

/// A reactor with one connection, another that waits in the backlog, and not one descriptor left.
struct Exhausted {
    hooks: Hooks,
    reactor: Reactor,
    events: Events,
    first: Transport,
    _clients: [TcpStream; 2],
    files: Vec<File>,
}

impl Exhausted {
    fn new() -> Exhausted {
        let (hooks, events) = (Hooks::default(), Events::default());
        let reactor = edited(&hooks, Settings::default());
        let transports: Rc<RefCell<Vec<Transport>>> = Rc::default();
        let (noted, keep) = (events.clone(), transports.clone());
        let factory = move |_: &Address| {
            let keep = keep.clone();
            let made = move |transport: &Transport| keep.borrow_mut().push(transport.clone());
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        };
        let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
        let served = TcpStream::connect(port.host()).unwrap();
        until(&reactor, "the first connection is made", || events.all() == ["made"]);
        let waits = TcpStream::connect(port.host()).unwrap(); // The backlog takes it.
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        assert!(files.len() < 64, "the limit holds");
        let first = transports.borrow()[0].clone();
        Exhausted { hooks, reactor, events, first, _clients: [served, waits], files }
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
        until(&self.reactor, "the second connection is made", || {
            self.events.all().iter().filter(|event| *event == "made").count() == 2
        });
        begin.elapsed()
    }
}

#[test]
fn a_port_serves_again_when_one_of_our_connections_is_closed() {
    in_child("a_port_serves_again_when_one_of_our_connections_is_closed", FEW, || {
        let rig = Exhausted::new();
        until(&rig.reactor, "the port has tried", || rig.hooks.polls.get() > 3);
        rig.first.lose_connection();
        let polls = rig.hooks.polls.get();
        rig.until_served();
        assert_eq!(rig.events.all(), ["made", "lost Done", "made"]);
        assert!(rig.hooks.polls.get() - polls <= 2, "at once, not at the next try");
    });
}

#[test]
fn a_port_serves_again_when_anybody_frees_a_descriptor() {
    in_child("a_port_serves_again_when_anybody_frees_a_descriptor", FEW, || {
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
