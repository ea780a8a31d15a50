//! Aborts from inside callbacks of protocols and producers, with and without a panic after them: the end comes once,
//! and never inside the callback that asked for it.

use super::*;
use reactor::Producer;
use std::cell::Cell;

/// Aborts when it is asked for its first piece.
struct Aborting {
    transport: Transport,
    events: Events,
    panics: bool,
}

impl Producer for Aborting {
    fn is_pull(&self) -> bool {
        true
    }
    fn pause_producing(&self) {}
    fn resume_producing(&self) {
        self.events.note("asked");
        self.transport.abort_connection();
        self.events.note("asked: done");
        assert!(!self.panics, "on purpose");
    }
    fn stop_producing(&self) {
        self.events.note("stopped");
    }
}

fn register(transport: &Transport, events: &Events, panics: bool) {
    let (transport, events) = (transport.clone(), events.clone());
    transport.clone().register_producer(Aborting { transport, events, panics });
}

#[test]
fn a_producer_may_abort_when_it_is_asked_before_and_after_bytes_have_been_exchanged() {
    for (panics, is_later) in [(false, false), (false, true), (true, false), (true, true)] {
        let (world, events, answers) = (world(1), Events::default(), Events::default());
        server(&world, &events, saying("hello"));
        let noted = answers.clone();
        client(&world, &answers, move |noting| {
            let (at_once, later) = (noted.clone(), noted.clone());
            Noting {
                made: Box::new(move |transport| {
                    if !is_later {
                        register(transport, &at_once, panics);
                    }
                }),
                data: Box::new(move |transport, _| register(transport, &later, panics)),
                ..noting
            }
        });
        world.run_for(SECOND);
        let met = answers.all();
        let before: &[&str] = if is_later { &["made", "data hello"] } else { &["made"] };
        let after: Vec<&str> = met.iter().skip(before.len()).map(String::as_str).collect();
        assert!(met.starts_with(&before.iter().map(|event| (*event).to_owned()).collect::<Vec<_>>()), "{met:?}");
        assert_eq!(after, ["asked", "asked: done", "lost Aborted", "stopped", "client lost"], "{panics} {is_later}");
        assert_eq!(events.all(), ["made", "lost Lost"]);
        assert_eq!(world.connection_count(), 0);
    }
}

#[test]
fn a_protocol_may_abort_and_then_panic_and_the_end_comes_once() {
    let (world, events, answers) = (world(1), Events::default(), Events::default());
    server(&world, &events, saying("hello"));
    client(&world, &answers, |noting| Noting {
        data: Box::new(|transport, _| {
            transport.abort_connection();
            panic!("on purpose");
        }),
        ..noting
    });
    world.run_for(SECOND);
    let met = answers.all();
    assert_eq!((met.len(), &met[..2]), (4, &["made".to_owned(), "data hello".to_owned()][..]), "{met:?}");
    assert!(met[2].starts_with("lost ") && met[3] == "client lost", "{met:?}");
    assert_eq!(events.all(), ["made", "lost Lost"]);
}

#[test]
fn a_producer_may_unregister_after_the_peer_has_gone_and_a_close_was_asked_for() {
    struct Silent(Rc<Cell<bool>>);
    impl Producer for Silent {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
        fn stop_producing(&self) {
            self.0.set(true);
        }
    }
    let (world, answers, line) = (world(1), Events::default(), LastTransport::default());
    server(&world, &Events::default(), |noting| Noting {
        data: Box::new(|transport, _| transport.abort_connection()),
        ..noting
    });
    let keep = line.clone();
    client(&world, &answers, move |noting| keep.of(noting));
    world.run_for(SECOND);
    let stopped = Rc::new(Cell::new(false));
    line.transport().register_producer(Silent(stopped.clone()));
    line.write("go away");
    line.transport().lose_connection();
    world.run_for(SECOND);
    assert_eq!(
        (answers.all(), stopped.get()),
        (["made", "lost Lost", "client lost"].map(str::to_owned).to_vec(), true)
    );
    line.transport().unregister_producer();
    line.transport().lose_connection();
    world.run_for(SECOND);
    assert_eq!((answers.all().len(), world.connection_count()), (3, 0));
}
