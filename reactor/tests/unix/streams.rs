//! What is particular to streams between programs of one machine: names, refusals, full backlogs, aborts, TLS.

use crate::certificates::Authority;
use crate::child::in_child;
use crate::converse::{converse, read_all};
use crate::events::{Events, Noting};
use crate::kind::{self, fresh_path};
use crate::peer::meanwhile;
use crate::util::until;
use reactor::error::ConnectError;
use reactor::testing::assert_nothing_left;
use reactor::tls::{TlsClient, TlsServer};
use reactor::{
    Address, ClientFactory, Connector, Destination, Failure, Protocol, Reactor, Transport, UnixAddress,
    UnixListenAddress,
};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

/// Keeps the failure of an attempt.
struct Attempt {
    events: Events,
    failure: Rc<RefCell<Option<Failure>>>,
}

impl ClientFactory for Attempt {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Noting::new(&self.events)))
    }
    fn client_connection_failed(&mut self, _connector: &Connector, failure: Failure) {
        *self.failure.borrow_mut() = Some(failure);
    }
}

/// Why a connection cannot be made.
#[track_caller]
fn failure_of(to: impl Into<Destination>) -> (Failure, ErrorKind) {
    let reactor = Reactor::new().unwrap();
    let failure: Rc<RefCell<Option<Failure>>> = Rc::default();
    reactor.connect_tcp(to, Attempt { events: Events::default(), failure: failure.clone() });
    assert!(failure.borrow().is_none(), "nothing calls back before it returns");
    until(&reactor, "the attempt has failed", || failure.borrow().is_some());
    assert_nothing_left(&reactor);
    let failure = failure.take().unwrap();
    let kind = match failure.check::<ConnectError>() {
        Some(ConnectError::Failed { error, .. }) => error.kind(),
        Some(ConnectError::Timeout { .. }) => ErrorKind::TimedOut,
        other => panic!("{other:?}"),
    };
    (failure, kind)
}

#[test]
fn a_connection_to_nobody_fails_and_the_failure_names_the_path() {
    let path = fresh_path();
    let (failure, kind) = failure_of(UnixAddress::from(path.as_path()));
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(failure.to_string().contains(&format!("cannot connect to unix:{}", path.display())), "{failure}");

    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(failure_of(UnixAddress::from(path.as_path())).1, ErrorKind::ConnectionRefused, "left behind");
    fs::remove_file(&path).unwrap();

    let long = "x".repeat(UnixAddress::MAX_PATH + 1);
    assert_eq!(failure_of(UnixAddress::from(long.as_str())).1, ErrorKind::InvalidInput);
}

#[test]
fn both_ends_know_both_names() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let seen: Rc<RefCell<Vec<(Address, Address)>>> = Rc::default();
    let noting = |seen: &Rc<RefCell<Vec<(Address, Address)>>>| {
        let seen = seen.clone();
        let made = move |transport: &Transport| seen.borrow_mut().push((transport.host(), transport.peer()));
        Noting { made: Box::new(made), ..Noting::new(&Events::default()) }
    };
    let (server, client) = (seen.clone(), seen.clone());
    let _port = reactor.listen_unix(path.as_path(), move |_| noting(&server)).unwrap();
    let connector = reactor.connect_unix(path.as_path(), move |_| noting(&client));
    assert_eq!(connector.destination().to_string(), format!("unix:{}", path.display()));
    until(&reactor, "both ends are made", || seen.borrow().len() == 2);
    let (name, unnamed) = (Address::from(UnixAddress::from(path.as_path())), Address::from(UnixAddress::Unnamed));
    assert!(seen.borrow().contains(&(name.clone(), unnamed.clone())), "the server's end");
    assert!(seen.borrow().contains(&(unnamed, name)), "the client's end");
}

#[test]
fn a_client_waits_while_the_backlog_is_full() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    // Not of this reactor: nobody accepts before the test wants it.
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();

    let destination = Destination::from(UnixAddress::from(path.as_path())).timeout(Duration::from_millis(50));
    let (failure, kind) = failure_of(destination);
    assert_eq!(kind, ErrorKind::TimedOut, "{failure}");

    let events = Events::default();
    let noted = events.clone();
    reactor.connect_unix(path.as_path(), move |_| Noting::new(&noted));
    for _ in 0..3 {
        let passed = Rc::new(Cell::new(false));
        let note = passed.clone();
        reactor.call_later(Duration::from_millis(15), move || note.set(true));
        until(&reactor, "time passes", || passed.get());
    }
    assert_eq!(events.all(), [""; 0]);
    let (_accepted, _) = listener.accept().unwrap();
    until(&reactor, "the client is connected", || events.all() == ["made"]);
    fs::remove_file(&path).unwrap();
}

#[test]
fn after_an_abort_nothing_more_is_sent() {
    let (events, received) = converse(
        |_, noting| {
            let made = |transport: &Transport| {
                transport.write(b"thrown away");
                transport.abort_connection();
            };
            Noting { made: Box::new(made), ..noting }
        },
        |mut stream| stream.read(&mut [0; 100]),
    );
    assert_eq!(events, ["made", "lost Aborted"]);
    assert!(matches!(received, Ok(0)), "UNIX sockets have no reset: {received:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_peer_that_ends_without_reading_everything_is_no_clean_end() {
    let (events, ()) = converse(
        |_, noting| Noting { made: Box::new(|transport| transport.write(b"unread")), ..noting },
        |mut stream| {
            stream.read_exact(&mut [0; 1]).unwrap();
        },
    );
    assert_eq!(events, ["made", "lost Lost"]);
}

/// Keeps what the loop logs, in all tests of this program.
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

#[test]
fn a_panic_ends_that_connection_only_and_the_log_says_where() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let events = Events::default();
    let noted = events.clone();
    let (reactor, port) = crate::converse::serve(move |_| {
        let data = |transport: &Transport, data: &[u8]| {
            assert_ne!(data, b"panic", "as the test wants it");
            transport.write(data);
        };
        Noting { data: Box::new(data), ..Noting::new(&noted) }
    });
    let (address, name) = (port.host(), port.host());
    let echoed = meanwhile(&reactor, move || {
        let (mut calm, mut bad) = (kind::connect(&address), kind::connect(&address));
        bad.write_all(b"panic").unwrap();
        assert_eq!(read_all(&mut bad), b"");
        calm.write_all(b"well").unwrap();
        calm.shutdown(std::net::Shutdown::Write).unwrap();
        read_all(&mut calm)
    });
    assert_eq!(echoed, b"well");
    until(&reactor, "both have ended", || reactor.source_count() == 1);
    let connection = format!("the connection from unix:(no name) at {name} to the port opened at ");
    let lines = LINES.0.lock().unwrap().clone();
    let is_told = |line: &String| {
        line.starts_with("data_received of ") && line.contains(&connection) && line.ends_with(" panicked")
    };
    assert!(lines.iter().any(is_told), "{lines:?}");
    assert_eq!(events.all(), ["made", "made", "data panic", "lost Panicked", "data well", "end", "lost Done"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_has_no_file_and_is_free_when_its_port_stops() {
    let name = format!("\0reactor-test-{}", std::process::id());
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let echo =
        |_| Noting { data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&Events::default()) };
    let port = reactor.listen_unix(name.as_str(), echo).unwrap();
    assert_eq!(port.host(), UnixAddress::Abstract(name.as_bytes()[1..].to_vec()));
    assert_eq!(reactor.listen_unix(name.as_str(), echo).unwrap_err().error.kind(), ErrorKind::AddrInUse);
    let noted = events.clone();
    let shown = format!("unix:@{}", &name[1..]);
    reactor.connect_unix(name.as_str(), move |peer: Address| {
        assert_eq!(peer.to_string(), shown);
        Noting { made: Box::new(|transport| transport.write(b"hello")), ..Noting::new(&noted) }
    });
    until(&reactor, "the echo is here", || events.all() == ["made", "data hello"]);
    let host = port.host();
    port.stop_listening().detach();
    reactor.listen_unix(host, echo).expect("the name is free again");
}

#[test]
fn tls_runs_over_it() {
    const NAME: &str = "server.test";
    let (reactor, authority, path) = (Reactor::new().unwrap(), Authority::new(), fresh_path());
    let identity = authority.issue(NAME, 2999);
    let server = TlsServer::new(&reactor, &[&identity.certificate], &identity.key, &[]).unwrap();
    let client = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    let (server_events, client_events) = (Events::default(), Events::default());
    let (at_server, at_client) = (server_events.clone(), client_events.clone());
    let echo = move |_| Noting { data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&at_server) };
    let _port = reactor.listen_unix(path.as_path(), server.factory(echo)).unwrap();
    let hello = move |_| Noting {
        made: Box::new(|transport| transport.write(b"hello")),
        // Half-closed, not closed: the server could not send its close_notify to a socket that is gone.
        data: Box::new(|transport, _| transport.lose_write_connection()),
        ..Noting::new(&at_client)
    };
    reactor.connect_unix(path.as_path(), client.factory(NAME, hello));
    let is_over = |events: &Events| events.all().last().is_some_and(|last| last.starts_with("lost"));
    until(&reactor, "both ends are over", || is_over(&server_events) && is_over(&client_events));
    assert_eq!(server_events.all(), ["made", "data hello", "end", "lost Done"]);
    assert_eq!(client_events.all(), ["made", "data hello", "end", "lost Done"]);
}

#[test]
fn one_connection_as_a_deferred() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let _port = reactor.listen_unix(path.as_path(), |_| Noting::new(&Events::default())).unwrap();
    let connected = reactor.connect(UnixAddress::from(path.as_path()), |_| Noting::new(&Events::default()));
    let peer = reactor.run_until(connected.add_callback(|transport| Ok(transport.peer()))).unwrap();
    assert_eq!(peer.unix(), Some(&UnixAddress::from(path.as_path())));
}

#[test]
fn a_port_without_descriptors_serves_again_when_there_are_some() {
    in_child("streams::a_port_without_descriptors_serves_again_when_there_are_some", "ulimit -n 64", || {
        let (events, path) = (Events::default(), fresh_path());
        let reactor = Reactor::new().unwrap();
        let noted = events.clone();
        let _port = reactor.listen_unix(UnixListenAddress::from(path.as_path()), move |_| Noting::new(&noted)).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        let tried = Rc::new(Cell::new(false));
        let mark = tried.clone();
        reactor.call_later(Duration::from_millis(10), move || mark.set(true));
        until(&reactor, "the port has tried", || tried.get());
        assert_eq!(events.all(), [""; 0], "there was no descriptor");
        files.clear();
        until(&reactor, "the client is served", || events.all() == ["made"]);
    });
}
