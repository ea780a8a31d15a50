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
use reactor::event_loop::TriggerId;
use reactor::{Phase, Producer, Reactor, SystemEvent, Transport};
use run::run_to_the_end;
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
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
