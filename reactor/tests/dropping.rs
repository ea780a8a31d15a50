//! The reactor drops the values of a program when it no longer needs them, and their `Drop` may do anything.

#[path = "util/events.rs"]
mod events;
#[path = "util/peer.rs"]
mod peer;
#[path = "util/run.rs"]
mod run;
mod util;

use events::{Events, Noting};
use peer::{meanwhile, patient};
use reactor::error::RunError;
use reactor::event_loop::TriggerId;
use reactor::{Phase, Producer, Reactor, SystemEvent, Transport};
use run::run_to_the_end;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::panic_any;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use util::until;

/// Calls its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What comes back for `text`, up to the end.
fn answer(mut stream: &TcpStream, text: &str) -> String {
    let mut answer = String::new();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_protocol_whose_drop_panics_harms_nobody_else() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let mut connections = 0;
    let factory = move |_| {
        connections += 1;
        let name = if connections == 1 { "calm" } else { "bad" };
        let note = noted.clone();
        let held = OnDrop(move || {
            note.note(format!("{name} dropped"));
            assert_eq!(name, "calm", "as the test wants it");
        });
        let data = move |transport: &Transport, data: &[u8]| {
            let _ = &held;
            transport.write(data);
        };
        Noting { data: Box::new(data), ..Noting::new(&noted) }
    };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let calm = patient(TcpStream::connect(address));
    until(&reactor, "the calm one is made", || events.all() == ["made"]);
    let echoed = meanwhile(&reactor, move || answer(&patient(TcpStream::connect(address)), "bad"));
    assert_eq!(echoed, "bad");
    until(&reactor, "the bad one is gone", || reactor.source_count() == 2);
    assert_eq!(events.all(), ["made", "made", "data bad", "end", "lost Done", "bad dropped"]);
    assert_eq!(meanwhile(&reactor, move || answer(&calm, "calm")), "calm");
    until(&reactor, "only the port is left", || reactor.source_count() == 1);
    assert_eq!(events.all()[6..], ["data calm", "end", "lost Done", "calm dropped"]);
}

#[test]
fn a_producer_may_unregister_when_another_takes_its_place() {
    struct Source<D>(D);
    impl<D> Producer for Source<D> {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
    }
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let noted = events.clone();
    let factory = move |_| {
        let note = noted.clone();
        let made = move |transport: &Transport| {
            for name in ["first", "second"] {
                let (note, own) = (note.clone(), transport.clone());
                let last_act = move || {
                    note.note(format!("{name} dropped"));
                    own.unregister_producer();
                };
                transport.register_producer(Rc::new(Source(OnDrop(last_act))));
            }
        };
        Noting { made: Box::new(made), data: Box::new(|transport, data| transport.write(data)), ..Noting::new(&noted) }
    };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    assert_eq!(meanwhile(&reactor, move || answer(&patient(TcpStream::connect(address)), "hello")), "hello");
    until(&reactor, "only the port is left", || reactor.source_count() == 1);
    assert_eq!(events.all(), ["made", "first dropped", "second dropped", "data hello", "end", "lost Done"]);
}

#[test]
fn a_trigger_that_is_taken_back_may_add_and_remove_others() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let add = |name: &'static str| -> TriggerId {
        let note = events.clone();
        reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || note.note(name))
    };
    let (other, _stays) = (add("other"), add("stays"));
    let (within, note, removed) = (reactor.clone(), events.clone(), Rc::new(Cell::new(false)));
    let seen = removed.clone();
    let held = OnDrop(move || {
        let note = note.clone();
        within.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || note.note("added"));
        seen.set(within.remove_system_event_trigger(other));
    });
    let taken_back = reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || drop(held));
    assert!(reactor.remove_system_event_trigger(taken_back));
    assert!(removed.get());
    reactor.stop();
    run_to_the_end(&reactor);
    assert_eq!(events.all(), ["stays", "added"]);
}

/// Panics when it is dropped.
struct Bomb(Rc<Cell<usize>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        panic!("as the test wants it");
    }
}

impl Producer for Bomb {
    fn pause_producing(&self) {}
    fn resume_producing(&self) {}
}

/// What the protocols of three connections hear that end in one turn of a run. `connect` makes each of them.
fn three_ends_in_one_turn(reactor: &Reactor, connect: impl Fn(&Reactor, SocketAddr, usize, Noting)) -> Vec<String> {
    let (listener, events) = (TcpListener::bind("127.0.0.1:0").unwrap(), Events::default());
    let (address, transports) = (listener.local_addr().unwrap(), Rc::new(RefCell::new(Vec::new())));
    for number in 0..3 {
        let (all, stopper) = (transports.clone(), reactor.clone());
        let made = move |transport: &Transport| {
            all.borrow_mut().push(transport.clone());
            if all.borrow().len() == 3 {
                all.take().iter().for_each(Transport::abort_connection);
                stopper.stop();
            }
        };
        connect(reactor, address, number, Noting { made: Box::new(made), ..Noting::new(&events) });
    }
    let peers = thread::spawn(move || [(); 3].map(|()| patient(listener.accept().map(|(stream, _)| stream))));
    run_to_the_end(reactor);
    drop(peers.join());
    events.all()
}

#[test]
fn a_client_factory_whose_drop_panics_harms_nobody_else() {
    let (reactor, dropped) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let count = dropped.clone();
    let events = three_ends_in_one_turn(&reactor, move |reactor, address, number, protocol| {
        let bomb = (number == 0).then(|| Bomb(count.clone()));
        let mut protocol = Some(protocol);
        reactor.connect_tcp(address, move |_| {
            let _ = &bomb;
            protocol.take().expect("one connection")
        });
    });
    assert_eq!(events, ["made", "made", "made", "lost Aborted", "lost Aborted", "lost Aborted"]);
    assert_eq!((dropped.get(), reactor.source_count()), (1, 0));
    reactor.stop();
    run_to_the_end(&reactor);
}

#[test]
fn a_producer_whose_drop_panics_harms_nobody_else() {
    let (reactor, dropped) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let count = dropped.clone();
    let events = three_ends_in_one_turn(&reactor, move |reactor, address, number, mut protocol| {
        let (bomb, mut made) = (Cell::new((number == 0).then(|| Bomb(count.clone()))), protocol.made);
        protocol.made = Box::new(move |transport| {
            if let Some(bomb) = bomb.take() {
                transport.register_producer(Rc::new(bomb));
            }
            made(transport);
        });
        let mut protocol = Some(protocol);
        reactor.connect_tcp(address, move |_| protocol.take().expect("one connection"));
    });
    assert_eq!(events, ["made", "made", "made", "lost Aborted", "lost Aborted", "lost Aborted"]);
    assert_eq!((dropped.get(), reactor.source_count()), (1, 0));
    reactor.stop();
    run_to_the_end(&reactor);
}

#[test]
fn a_reactor_drops_all_that_it_holds_even_if_every_drop_panics() {
    let (reactor, dropped) = (Reactor::new().unwrap(), Rc::new(Cell::new(0)));
    let on_threads = Arc::new(AtomicUsize::new(0));
    let factory_bomb = |bomb: Bomb| {
        move |_| -> Box<dyn reactor::Protocol> {
            let _ = &bomb;
            unreachable!("nobody connects")
        }
    };
    for _ in 0..2 {
        let bomb = || Bomb(dropped.clone());
        let (timer, soon, trigger, found) = (bomb(), bomb(), bomb(), bomb());
        reactor.call_later(Duration::from_secs(1), move || drop(timer));
        reactor.call_when_running(move || drop(soon));
        reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || drop(trigger));
        let deferred = reactor.defer_to_thread(|| Ok::<_, Infallible>(()));
        deferred.add_callback(move |()| drop(found)).detach();
        reactor.listen_tcp("127.0.0.1:0", factory_bomb(bomb())).unwrap();
        reactor.connect_tcp("127.0.0.1:9".parse::<SocketAddr>().unwrap(), factory_bomb(bomb()));
        let call = ThreadBomb(on_threads.clone());
        reactor.handle().call_from_thread(move |_| drop(call)).unwrap();
    }
    drop(reactor);
    assert_eq!((dropped.get(), on_threads.load(Ordering::SeqCst)), (12, 2));
}

/// A [`Bomb`] for what goes to other threads.
struct ThreadBomb(Arc<AtomicUsize>);

impl Drop for ThreadBomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("as the test wants it");
    }
}

#[test]
fn a_panic_whose_message_panics_in_its_drop_goes_no_further() {
    let (reactor, events) = (Reactor::new().unwrap(), Events::default());
    let (stopper, note, on_threads) = (reactor.clone(), events.clone(), Arc::new(AtomicUsize::new(0)));
    let message = ThreadBomb(on_threads.clone());
    reactor.call_when_running(move || panic_any(message));
    reactor.call_when_running(move || {
        note.note("next");
        stopper.stop();
    });
    run_to_the_end(&reactor);
    assert_eq!((events.all(), on_threads.load(Ordering::SeqCst)), (vec!["next".to_owned()], 1));
}

/// The transport of a connection after its reactor is gone, and the peer.
fn orphan() -> (Transport, TcpStream) {
    let (reactor, kept) = (Reactor::new().unwrap(), Rc::new(RefCell::new(None)));
    let (keep, events) = (kept.clone(), Events::default());
    let noted = events.clone();
    let factory = move |_| {
        let keep = keep.clone();
        let made = move |transport: &Transport| {
            transport.pause_producing();
            *keep.borrow_mut() = Some(transport.clone());
        };
        Noting { made: Box::new(made), ..Noting::new(&noted) }
    };
    let address = reactor.listen_tcp("127.0.0.1:0", factory).unwrap().host();
    let peer = patient(TcpStream::connect(address));
    until(&reactor, "the connection is made", || !events.all().is_empty());
    let transport = kept.take().expect("it was made");
    (transport, peer)
}

#[test]
fn a_transport_that_outlives_its_reactor_does_nothing_and_keeps_nothing() {
    type Request = fn(&Transport);
    let requests: [(&str, Request); 6] = [
        ("nothing", |_| {}),
        ("lose", Transport::lose_connection),
        ("half-close", Transport::lose_write_connection),
        ("abort", Transport::abort_connection),
        ("resume", Transport::resume_producing),
        ("set", |transport| transport.pause_when_full(false)),
    ];
    for (name, request) in requests {
        let dropped = Rc::new(Cell::new(0));
        let count = dropped.clone();
        let (transport, mut peer) = orphan();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "{name}: the socket is closed");
        transport.write(&[0; 100_000]);
        request(&transport);
        transport.write(&[0; 100_000]);
        assert!(transport.is_disconnecting() && transport.buffered() == 0, "{name}");
        let held = (OnDrop(move || count.set(count.get() + 1)), transport.clone());
        transport.register_producer(Rc::new(Holding(held)));
        drop(transport);
        assert_eq!(dropped.get(), 1, "{name}: what it held is dropped with it");
    }
}

/// A producer that holds something.
struct Holding<T>(T);

impl<T> Producer for Holding<T> {
    fn pause_producing(&self) {
        let _ = &self.0;
    }
    fn resume_producing(&self) {}
}

#[test]
fn a_closed_reactor_drops_what_it_holds_and_does_not_run_again() {
    let reactor = Reactor::new().unwrap();
    let (held, dropped) = (reactor.clone(), Rc::new(()));
    let witness = Rc::downgrade(&dropped);
    reactor.call_later(Duration::from_secs(3600), move || {
        let _dropped = dropped;
        held.stop();
    });
    let inside = reactor.clone();
    reactor.call_later(Duration::ZERO, move || {
        assert!(matches!(inside.close(), Err(RunError::AlreadyRunning)));
        inside.stop();
    });
    reactor.run().unwrap();
    assert!(witness.upgrade().is_some());
    reactor.close().unwrap();
    assert!(witness.upgrade().is_none());
    assert!(matches!(reactor.run(), Err(RunError::Closed)));
    assert!(matches!(reactor.iterate(Duration::ZERO), Err(RunError::Closed)));
}
