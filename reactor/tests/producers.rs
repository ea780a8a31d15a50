//! Producers: transports, pull producers, files and bytes, in the simulated world.

#[path = "util/events.rs"]
mod events;

use events::{Events, Noting};
use reactor::producers::{SendingStopped, send_bytes, send_file};
use reactor::sim::{Host, Latency, LinkSettings, World, WorldSettings};
use reactor::testing::{StringTransport, failure_result_of};
use reactor::{Deferred, Failure, Producer, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const PORT: u16 = 8007;

fn world() -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(SECOND / 100));
    World::with_settings(1, settings)
}

/// Bytes that differ from place to place.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n / 7) as u8).collect()
}

type Send = Rc<dyn Fn(&Reactor, &Transport) -> Deferred<u64>>;

/// A server that sends something to each client, and notes how that went; the most that ever waited to be sent.
fn sending(world: &World, events: &Events, send: Send) -> (Host, Rc<Cell<usize>>) {
    let (events, most) = (events.clone(), Rc::new(Cell::new(0)));
    let waiting = most.clone();
    let host = world.host("server", move |reactor| {
        let (events, send, waiting, port) = (events.clone(), send.clone(), waiting.clone(), reactor.clone());
        let reactor = reactor.clone();
        let build = move |_| {
            let (send, reactor, noted, waiting) = (send.clone(), reactor.clone(), events.clone(), waiting.clone());
            let made = move |transport: &Transport| {
                let (sent, failed, close) = (noted.clone(), noted.clone(), transport.clone());
                note_most(&reactor, transport.clone(), waiting.clone());
                send(&reactor, transport)
                    .add_callbacks(
                        move |count| {
                            sent.note(format!("sent {count}"));
                            close.lose_connection();
                        },
                        move |failure: Failure| {
                            let stopped = failure.check::<SendingStopped>().is_some();
                            failed.note(if stopped { "stopped".to_owned() } else { failure.to_string() });
                        },
                    )
                    .detach();
            };
            Noting { made: Box::new(made), ..Noting::new(&events) }
        };
        port.listen_tcp("0.0.0.0:8007", build).unwrap();
    });
    (host, most)
}

/// Looks again and again at how much waits.
fn note_most(reactor: &Reactor, transport: Transport, most: Rc<Cell<usize>>) {
    most.set(most.get().max(transport.buffered()));
    if !transport.is_disconnecting() {
        let again = reactor.clone();
        reactor.call_later(SECOND / 1000, move || note_most(&again, transport, most));
    }
}

/// A client that collects what comes; `made` may pause it.
fn collecting(world: &World, made: impl Fn(&Reactor, &Transport) + Clone + 'static) -> Rc<RefCell<Vec<u8>>> {
    let got: Rc<RefCell<Vec<u8>>> = Rc::default();
    let keep = got.clone();
    world.host("client", move |reactor| {
        let (keep, made, reactor) = (keep.clone(), made.clone(), reactor.clone());
        let connecting = reactor.clone();
        let build = move |_| {
            let (keep, made, reactor) = (keep.clone(), made.clone(), reactor.clone());
            Noting {
                made: Box::new(move |transport| made(&reactor, transport)),
                data: Box::new(move |_, data| keep.borrow_mut().extend_from_slice(data)),
                ..Noting::new(&Events::default())
            }
        };
        connecting.connect_tcp(("server", PORT), build);
    });
    got
}

/// What happened, but for pauses that came to an end.
fn told(events: &Events) -> Vec<String> {
    events.all().into_iter().filter(|event| event != "resumed").collect()
}

/// A file that gives fewer bytes than it is asked for.
struct Short(io::Cursor<Vec<u8>>);

impl Read for Short {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // As a pipe or a network share may.
        let most = buffer.len().min(10_000);
        self.0.read(&mut buffer[..most])
    }
}

fn file(count: usize) -> Send {
    Rc::new(move |reactor, transport| send_file(reactor, Short(io::Cursor::new(bytes(count))), transport))
}

fn memory(count: usize) -> Send {
    let bytes: Rc<[u8]> = bytes(count).into();
    Rc::new(move |_, transport| send_bytes(transport, bytes.clone()))
}

#[test]
fn a_file_and_bytes_arrive_whole_whatever_their_length() {
    for make in [file, memory] {
        for count in [0, 1, 16 * 1024, 64 * 1024, 64 * 1024 + 1, 1_000_000] {
            let (world, events) = (world(), Events::default());
            let (_host, most) = sending(&world, &events, make(count));
            let got = collecting(&world, |_, _| {});
            world.run_for(SECOND * 60);
            assert!(*got.borrow() == bytes(count), "{count}: got {}", got.borrow().len());
            assert_eq!(told(&events), ["made", &format!("sent {count}"), "lost Done"]);
            assert!(most.get() <= 3 * 64 * 1024, "{} bytes waited", most.get());
        }
    }
}

#[test]
fn a_peer_that_does_not_read_holds_the_sender_up_and_costs_little() {
    for make in [file, memory] {
        let (world, events) = (world(), Events::default());
        let (_host, most) = sending(&world, &events, make(10_000_000));
        let got = collecting(&world, |reactor, transport| {
            transport.pause_producing();
            let transport = transport.clone();
            reactor.call_later(SECOND * 30, move || transport.resume_producing());
        });
        world.run_for(SECOND * 29);
        assert_eq!(told(&events), ["made"]);
        assert!(most.get() <= 3 * 64 * 1024, "{} bytes waited", most.get());
        world.run_for(SECOND * 60);
        assert_eq!(got.borrow().len(), 10_000_000);
        assert_eq!(told(&events)[1], "sent 10000000");
    }
}

#[test]
fn it_fails_if_the_connection_ends_before() {
    for make in [file, memory] {
        let (world, events) = (world(), Events::default());
        sending(&world, &events, make(10_000_000));
        collecting(&world, |reactor, transport| {
            transport.pause_producing();
            let transport = transport.clone();
            reactor.call_later(SECOND, move || transport.abort_connection());
        });
        world.run_for(SECOND * 60);
        assert_eq!(told(&events), ["made", "lost Lost", "stopped"]);
    }
}

#[test]
fn on_a_connection_that_is_gone_or_closing_it_fails() {
    for make in [file, memory] {
        let (world, events) = (world(), Events::default());
        let send = make(100_000);
        let closing: Send = Rc::new(move |reactor, transport| {
            transport.lose_connection();
            send(reactor, transport)
        });
        sending(&world, &events, closing);
        collecting(&world, |_, _| {});
        world.run_for(SECOND * 60);
        assert_eq!(told(&events), ["made", "lost Done", "stopped"]);
    }
}

#[test]
fn a_source_that_cannot_be_read_fails_the_sending_and_leaves_the_connection_open() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match std::mem::replace(&mut self.0, true) {
                true => Err(io::Error::other("bad sector")),
                false => {
                    buffer.fill(b'x');
                    Ok(buffer.len())
                }
            }
        }
    }
    let (world, events) = (world(), Events::default());
    sending(&world, &events, Rc::new(|reactor, transport| send_file(reactor, Broken(false), transport)));
    collecting(&world, |_, _| {});
    world.run_for(SECOND * 60);
    assert_eq!(told(&events), ["made", "bad sector"]);
}

#[test]
fn cancelling_writes_no_more_and_frees_the_source() {
    let wire = StringTransport::new();
    let held: Rc<[u8]> = vec![1; 100_000].into();
    let sending = send_bytes(&wire.transport(), held.clone());
    wire.producer().unwrap().resume_producing();
    sending.cancel();
    assert!(wire.producer().is_none());
    assert_eq!((Rc::strong_count(&held), wire.written().len()), (1, 16 * 1024));
    assert!(failure_result_of(sending).check::<reactor::CancelledError>().is_some());

    // A read that is under way ends, and its bytes go nowhere.
    let reactor = Reactor::new().unwrap();
    let wire = StringTransport::new();
    let sending = send_file(&reactor, io::Cursor::new(vec![1; 100_000]), &wire.transport());
    sending.cancel();
    drop(failure_result_of(sending));
    reactor.run_until(reactor.defer_to_thread(|| Ok::<_, io::Error>(()))).unwrap();
    assert!(wire.producer().is_none() && wire.written().is_empty());
}

#[test]
fn a_peer_that_ends_its_side_gets_all_that_a_producer_still_writes() {
    struct Sends;
    impl Protocol for Sends {
        fn connection_made(&mut self, transport: &Transport) {
            send_bytes(transport, vec![1; 100_000]).detach();
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    struct Ends(Rc<Cell<usize>>);
    impl Protocol for Ends {
        fn connection_made(&mut self, transport: &Transport) {
            transport.lose_write_connection();
        }
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.0.set(self.0.get() + data.len());
        }
    }
    let received = Rc::new(Cell::new(0));
    let pump = reactor::testing::connect(Sends, Ends(received.clone()));
    pump.flush();
    assert_eq!((received.get(), pump.is_over()), (100_000, true));
}

#[test]
fn a_pull_producer_is_asked_once_for_each_time_that_everything_has_gone_out() {
    struct Pieces {
        transport: Transport,
        left: Cell<u32>,
        events: Events,
    }
    impl Producer for Pieces {
        fn is_pull(&self) -> bool {
            true
        }
        fn pause_producing(&self) {
            self.events.note("paused");
        }
        fn resume_producing(&self) {
            assert_eq!(self.transport.buffered(), 0, "it is asked too early");
            self.left.set(self.left.get() - 1);
            self.events.note("asked");
            // More than the mark: a pull producer is not told to pause.
            self.transport.write(&vec![b'x'; 100_000]);
            if self.left.get() == 0 {
                self.transport.unregister_producer();
                self.transport.lose_connection();
            }
        }
        fn stop_producing(&self) {
            self.events.note("stopped");
        }
    }
    let (world, events) = (world(), Events::default());
    let noted = events.clone();
    world.host("server", move |reactor| {
        let noted = noted.clone();
        let build = move |_| {
            let events = noted.clone();
            let made = move |transport: &Transport| {
                let producer = Pieces { transport: transport.clone(), left: Cell::new(3), events: events.clone() };
                transport.register_producer(producer);
                events.note("registered");
            };
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        };
        reactor.listen_tcp("0.0.0.0:8007", build).unwrap();
    });
    let got = collecting(&world, |_, _| {});
    world.run_for(SECOND * 10);
    assert_eq!(told(&events), ["made", "registered", "asked", "asked", "asked", "lost Done"]);
    assert_eq!(got.borrow().len(), 300_000);
}

/// Hands on what it receives to the other side, once there is one.
struct Side {
    other: Rc<OnceCell<Transport>>,
}

impl Protocol for Side {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.other.get().expect("it is paused until then").write(data);
    }
    fn read_connection_lost(&mut self, _transport: &Transport) {
        let other = self.other.get().expect("it is paused until then");
        other.unregister_producer(); // It is this connection, from which nothing more will come.
        other.lose_write_connection();
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        if let Some(other) = self.other.get() {
            other.unregister_producer();
            other.lose_connection();
        }
    }
}

/// The side of the client: it connects to the server.
struct Front {
    reactor: Reactor,
    side: Side,
}

impl Protocol for Front {
    fn connection_made(&mut self, front: &Transport) {
        front.pause_producing();
        let (known, front) = (self.side.other.clone(), front.clone());
        let other: Rc<OnceCell<Transport>> = Rc::new(front.clone().into());
        let joined = self.reactor.connect(("server", PORT), move |_| Side { other }).add_callback(move |back| {
            front.register_producer(back.clone());
            back.register_producer(front.clone());
            let _ = known.set(back);
            front.resume_producing();
        });
        joined.detach();
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.side.data_received(transport, data);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.side.read_connection_lost(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.side.connection_lost(reason);
    }
}

/// A host between client and server, and the most that ever waited there for the client.
fn middle(world: &World) -> (Host, Rc<Cell<usize>>) {
    let most = Rc::new(Cell::new(0));
    let waiting = most.clone();
    let host = world.host("middle", move |reactor| {
        let (waiting, port, reactor) = (waiting.clone(), reactor.clone(), reactor.clone());
        let build = move |_| {
            let (reactor, waiting) = (reactor.clone(), waiting.clone());
            Watched { front: Front { reactor: reactor.clone(), side: Side { other: Rc::default() } }, waiting, reactor }
        };
        port.listen_tcp("0.0.0.0:8008", build).unwrap();
    });
    (host, most)
}

struct Watched {
    front: Front,
    waiting: Rc<Cell<usize>>,
    reactor: Reactor,
}

impl Protocol for Watched {
    fn connection_made(&mut self, transport: &Transport) {
        note_most(&self.reactor, transport.clone(), self.waiting.clone());
        self.front.connection_made(transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.front.data_received(transport, data);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.front.read_connection_lost(transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.front.connection_lost(reason);
    }
}

#[test]
fn through_a_proxy_of_two_transports_the_server_waits_for_the_client() {
    let (world, events) = (world(), Events::default());
    sending(&world, &events, memory(5_000_000));
    let (middle, most) = middle(&world);
    let (got, ended) = (Rc::new(Cell::new(0)), Events::default());
    let (count, noted) = (got.clone(), ended.clone());
    world.host("client", move |reactor| {
        let (count, noted, reactor) = (count.clone(), noted.clone(), reactor.clone());
        let connecting = reactor.clone();
        let build = move |_| {
            let (count, reactor) = (count.clone(), reactor.clone());
            let made = move |transport: &Transport| {
                transport.pause_producing();
                let transport = transport.clone();
                reactor.call_later(SECOND * 30, move || transport.resume_producing());
            };
            let data = move |_: &Transport, data: &[u8]| count.set(count.get() + data.len());
            Noting { made: Box::new(made), data: Box::new(data), ..Noting::new(&noted) }
        };
        connecting.connect_tcp(("middle", 8008), build);
    });
    world.run_for(SECOND * 29);
    assert_eq!(told(&events), ["made"], "the server waits for the client, through the middle");
    assert!(most.get() > 0 && most.get() <= 5 * 64 * 1024, "{} bytes wait in the middle", most.get());
    world.run_for(SECOND * 60);
    assert_eq!(got.get(), 5_000_000);
    // The server has closed; its end reached the client through the middle, and the client's end the server.
    assert_eq!(told(&events), ["made", "sent 5000000", "lost Done"]);
    assert_eq!(ended.all().last().unwrap(), "lost Done");
    assert_eq!(middle.reactor().unwrap().source_count(), 1, "only the port is left");
}

#[test]
fn a_proxy_whose_client_breaks_off_closes_the_other_side() {
    let (world, events) = (world(), Events::default());
    sending(&world, &events, memory(5_000_000));
    let (middle, _) = middle(&world);
    world.host("client", |reactor| {
        let (connecting, reactor) = (reactor.clone(), reactor.clone());
        let build = move |_| {
            let reactor = reactor.clone();
            let made = move |transport: &Transport| {
                transport.pause_producing();
                let transport = transport.clone();
                reactor.call_later(SECOND, move || transport.abort_connection());
            };
            Noting { made: Box::new(made), ..Noting::new(&Events::default()) }
        };
        connecting.connect_tcp(("middle", 8008), build);
    });
    world.run_for(SECOND * 60);
    assert_eq!(told(&events).last().unwrap(), "stopped");
    assert_eq!(middle.reactor().unwrap().source_count(), 1, "only the port is left");
}

#[test]
fn a_transport_pauses_resumes_and_closes_for_the_one_that_it_writes_to() {
    let (front, back) = (StringTransport::new(), StringTransport::new());
    front.transport().register_producer(back.transport());
    let producer = front.producer().unwrap();
    producer.pause_producing();
    assert!(back.transport().is_paused());
    producer.resume_producing();
    assert!(!back.transport().is_paused());
    producer.stop_producing();
    assert!(back.is_losing());
}
