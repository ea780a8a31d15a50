//! Programs that are not ours at the other end: Twisted both ways, and socat.

use crate::events::{Events, Noting};
use crate::kind::fresh_path;
use crate::peer::meanwhile;
use crate::skip::skipped;
use crate::twisted::Twisted;
use crate::util::until;
use reactor::{Protocol, Reactor, Transport};
use std::cell::Cell;
use std::io::Write;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// More than the buffers of both ends hold together.
const MUCH: usize = 8 * 1024 * 1024;

const TWISTED_CLIENT: &str = "
@implementer(interfaces.IHalfCloseableProtocol)
class Client(protocol.Protocol):
    received = 0
    def connectionMade(self):
        self.transport.write(b'x' * int(sys.argv[2]))
        self.transport.loseWriteConnection()
    def dataReceived(self, data):
        self.received += len(data)
    def readConnectionLost(self):
        self.transport.loseConnection()
    def writeConnectionLost(self):
        pass
    def connectionLost(self, reason):
        say('%d %s' % (self.received, reason.type.__name__))
        reactor.stop()
factory = protocol.ClientFactory.forProtocol(Client)
reactor.connectUNIX(sys.argv[1], factory)
";

const TWISTED_SERVER: &str = "
@implementer(interfaces.IHalfCloseableProtocol)
class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)
    def readConnectionLost(self):
        self.transport.loseConnection()
    def writeConnectionLost(self):
        pass
    def connectionLost(self, reason):
        say(reason.type.__name__)
        reactor.stop()
reactor.listenUNIX(sys.argv[1], protocol.Factory.forProtocol(Echo))
say('listens')
";

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

#[test]
fn a_twisted_client_gets_its_echo_from_our_server() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let _port = reactor.listen_unix(path.as_path(), |_| Echo).unwrap();
    let (path, much) = (path.to_str().unwrap().to_owned(), MUCH.to_string());
    let Some(twisted) = Twisted::start("a Twisted client over UNIX", TWISTED_CLIENT, &[&path, &much]) else { return };
    let said = meanwhile(&reactor, move || twisted.rest());
    assert_eq!(said, format!("{MUCH} ConnectionDone\n"));
    until(&reactor, "our end is over", || reactor.source_count() == 1);
}

#[test]
fn our_client_gets_its_echo_from_a_twisted_server() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let Some(mut twisted) = Twisted::start("a Twisted server over UNIX", TWISTED_SERVER, &[path.to_str().unwrap()])
    else {
        return;
    };
    assert_eq!(twisted.line(), "listens");
    let (events, received) = (Events::default(), Rc::new(Cell::new(0)));
    let (noted, count) = (events.clone(), received.clone());
    struct Counting(Events, Rc<Cell<usize>>);
    impl Protocol for Counting {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(&vec![b'x'; MUCH]);
            transport.lose_write_connection();
        }
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.1.set(self.1.get() + data.len());
        }
        fn connection_lost(&mut self, reason: &reactor::Reason) {
            self.0.note(format!("{reason:?}"));
        }
    }
    reactor.connect_unix(path.as_path(), move |_| Counting(noted.clone(), count.clone()));
    until(&reactor, "our end is over", || !events.all().is_empty());
    assert_eq!((events.all(), received.get()), (vec!["Done".to_owned()], MUCH));
    assert_eq!(twisted.rest(), "ConnectionDone\n");
}

#[test]
fn socat_talks_to_our_server() {
    let (reactor, path) = (Reactor::new().unwrap(), fresh_path());
    let events = Events::default();
    let noted = events.clone();
    let echo = move |_| Noting { data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&noted) };
    let _port = reactor.listen_unix(path.as_path(), echo).unwrap();
    let to = format!("UNIX-CONNECT:{}", path.display());
    let child = Command::new("socat").args(["-", &to]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        return skipped("there is no socat here");
    };
    let output = meanwhile(&reactor, move || {
        child.stdin.take().expect("it is piped").write_all(b"from socat").unwrap();
        child.wait_with_output().unwrap()
    });
    assert_eq!((output.status.success(), output.stdout.as_slice()), (true, b"from socat".as_slice()));
    until(&reactor, "our end is over", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["made", "data from socat", "end", "lost Done"]);
}
