//! socat, which ends its direction when its input does and then reads on, over TCP, TLS and UNIX sockets.

use crate::events::Events;
use crate::ours::HalfClosing;
use crate::program::Program;
use crate::shop::{NAME, Shop};
use crate::util::until;
use reactor::{Protocol, Reactor, Reason, Transport};

/// More than the buffers of both ends and of socat hold together.
const MUCH: usize = 8 * 1024 * 1024;

/// socat, which says where it listens and waits ten seconds for the other direction when one has ended.
fn socat(between: &[&str]) -> Option<Program> {
    Program::start("socat", &[&["-d", "-d", "-t", "10"], between].concat())
}

/// socat says a few words to our server, ends its direction, and gets its answer.
fn serve(listen: impl FnOnce(&Reactor, Box<dyn FnMut() -> HalfClosing>) -> String) {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let to = listen(&reactor, Box::new(move || HalfClosing { events: noted.clone(), count: 0 }));
    let Some(mut socat) = Program::start("socat", &["-t", "10", "-", &to]) else { return };
    socat.say("from socat");
    socat.say_end();
    assert_eq!(socat.success(&reactor), "10", "{to}");
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["end after 10", "lost: closed cleanly"], "{to}");
}

#[test]
fn our_tcp_server_answers_socat_when_it_has_ended_its_direction() {
    serve(|reactor, mut build| {
        let port = reactor.listen_tcp("127.0.0.1:0", move |_| build()).unwrap();
        format!("TCP4:{}", port.host())
    });
}

#[test]
fn our_tls_server_answers_socat_when_it_has_ended_its_direction() {
    let shop = Shop::open();
    serve(|reactor, mut build| {
        let port = reactor.listen_tcp("127.0.0.1:0", shop.asking_server(reactor).factory(move |_| build())).unwrap();
        let (root, own) = (shop.file("root"), shop.file("client"));
        format!("OPENSSL:{},cafile={root},cert={own},commonname={NAME},snihost={NAME}", port.host())
    });
}

#[test]
fn our_unix_server_answers_socat_when_it_has_ended_its_direction() {
    let shop = Shop::open();
    let path = format!("{}/socket", shop.folder());
    serve(|reactor, mut build| {
        reactor.listen_unix(path.as_str(), move |_| build()).unwrap();
        format!("UNIX-CONNECT:{path}")
    });
}

/// Says [`MUCH`] at once, ends its direction, and counts what comes back.
struct Asking {
    events: Events,
    count: usize,
}

impl Protocol for Asking {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'x'; MUCH]);
        transport.lose_write_connection();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        assert!(data.iter().all(|byte| *byte == b'x'));
        self.count += data.len();
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.events.note(format!("end after {}", self.count));
        transport.lose_connection();
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

/// Our client says very much to socat, which listens at `from` and sends everything back.
fn ask(from: &str, connect: impl FnOnce(&Reactor, &str, Box<dyn FnMut() -> Asking>)) {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let Some(mut socat) = socat(&[from, "EXEC:cat"]) else { return };
    let listens = socat.line_with(&reactor, "listening on");
    let at = listens.rsplit(' ').next().expect("the last word is where").trim_matches('"');
    let noted = events.clone();
    connect(&reactor, at, Box::new(move || Asking { events: noted.clone(), count: 0 }));
    socat.success(&reactor);
    until(&reactor, "our end is over", || reactor.source_count() == 0);
    assert_eq!(events.all(), [format!("end after {MUCH}"), "lost: closed cleanly".to_owned()], "{from}");
}

#[test]
fn our_tcp_client_gets_everything_back_from_socat_when_it_has_ended_its_direction() {
    ask("TCP4-LISTEN:0,bind=127.0.0.1", |reactor, at, mut build| {
        reactor.connect_tcp(at.parse::<std::net::SocketAddr>().unwrap(), move |_| build());
    });
}

#[test]
fn our_tls_client_gets_everything_back_from_socat_when_it_has_ended_its_direction() {
    let shop = Shop::open();
    let (own, root) = (shop.file("server"), shop.file("root"));
    let from = format!("OPENSSL-LISTEN:0,bind=127.0.0.1,cert={own},cafile={root},verify=1");
    ask(&from, |reactor, at, mut build| {
        let tls = shop.alice(reactor, &[]);
        reactor.connect_tcp(at.parse::<std::net::SocketAddr>().unwrap(), tls.factory(NAME, move |_| build()));
    });
}

#[test]
fn our_unix_client_gets_everything_back_from_socat_when_it_has_ended_its_direction() {
    let shop = Shop::open();
    let path = format!("{}/socket", shop.folder());
    ask(&format!("UNIX-LISTEN:{path}"), |reactor, at, mut build| {
        reactor.connect_unix(at, move |_| build());
    });
}
