//! The pump keeps the loop's contract.

use super::*;
use crate::transport::HIGH_WATER;
use crate::{Address, Producer};

/// Notes what it meets, and does what `act` says to each event.
struct Noting {
    events: Rc<RefCell<Vec<String>>>,
    act: fn(&str, &Transport),
}

impl Noting {
    fn event(&self, what: &str, transport: &Transport) {
        let mut events = self.events.borrow_mut();
        match (what.strip_prefix("data "), events.last_mut()) {
            // Bytes that come in a row are one event.
            (Some(data), Some(last)) if last.starts_with("data ") => last.push_str(data),
            _ => events.push(what.to_owned()),
        }
        drop(events);
        (self.act)(what, transport);
    }
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        self.event("made", transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.event(&format!("data {}", String::from_utf8_lossy(data)), transport);
    }
    fn reading_resumed(&mut self, transport: &Transport) {
        self.event("resumed", transport);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.event("end", transport);
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.borrow_mut().push(format!("lost: {reason}"));
    }
}

type Events = Rc<RefCell<Vec<String>>>;

/// A pump between two such protocols, and what each has met: the server, the client.
fn pair(server: fn(&str, &Transport), client: fn(&str, &Transport)) -> (Pump, Events, Events) {
    let (at_server, at_client) = (Events::default(), Events::default());
    let pump =
        connect(Noting { events: at_server.clone(), act: server }, Noting { events: at_client.clone(), act: client });
    (pump, at_server, at_client)
}

fn nothing(_: &str, _: &Transport) {}

/// Closes when the peer has ended, as a protocol does by default.
fn polite(what: &str, transport: &Transport) {
    if what == "end" {
        transport.lose_connection();
    }
}

#[test]
fn bytes_move_when_the_test_pumps_in_order_and_cut_as_it_says() {
    for piece in [1, 3, usize::MAX] {
        let (pump, at_server, at_client) = pair(nothing, nothing);
        pump.in_pieces_of(piece);
        pump.client().write(b"hello ");
        pump.client().write(b"there");
        pump.server().write(b"hi");
        assert_eq!(
            (&at_server.borrow()[..], &at_client.borrow()[..]),
            (&["made".to_owned()][..], &["made".to_owned()][..])
        );
        pump.flush();
        assert_eq!(*at_server.borrow(), ["made", "data hello there"]);
        assert_eq!(*at_client.borrow(), ["made", "data hi"]);
        assert!(!pump.pump() && !pump.is_over());
        assert_eq!((pump.said_by_client(), pump.said_by_server()), (b"hello there".to_vec(), b"hi".to_vec()));
    }
}

#[test]
fn a_close_sends_what_was_written_and_each_end_hears_of_it_once() {
    let (pump, at_server, at_client) = pair(polite, nothing);
    pump.client().write(b"bye");
    pump.client().lose_connection();
    pump.client().write(b"too late");
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made", "data bye", "end", "lost: closed cleanly"]);
    assert_eq!(*at_client.borrow(), ["made", "lost: closed cleanly"]);
    assert!(pump.is_over() && !pump.pump());
}

#[test]
fn after_a_half_close_the_other_direction_stays_open() {
    fn answers(what: &str, transport: &Transport) {
        if what == "end" {
            transport.write(b"the answer");
            transport.lose_connection();
        }
    }
    let (pump, at_server, at_client) = pair(answers, polite);
    pump.client().write(b"question");
    pump.client().lose_write_connection();
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made", "data question", "end", "lost: closed cleanly"]);
    assert_eq!(*at_client.borrow(), ["made", "data the answer", "end", "lost: closed cleanly"]);
}

#[test]
fn an_abort_and_a_reset_lose_what_is_on_its_way() {
    let (pump, at_server, at_client) = pair(nothing, nothing);
    pump.client().write(b"lost");
    pump.client().abort_connection();
    pump.flush();
    assert_eq!(at_client.borrow()[1..], ["lost: aborted by us"]);
    assert!(at_server.borrow().last().unwrap().contains("connection reset"));
    let (pump, at_server, at_client) = pair(nothing, nothing);
    pump.client().write(b"lost");
    pump.reset();
    pump.reset();
    pump.flush();
    assert_eq!((at_server.borrow().len(), at_client.borrow().len(), pump.is_over()), (2, 2, true));
}

#[test]
fn a_pause_holds_bytes_and_the_end_back_until_reading_resumes() {
    let (pump, at_server, _) = pair(polite, nothing);
    pump.server().pause_producing();
    pump.client().write(b"hello");
    pump.client().lose_connection();
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made"]);
    pump.server().resume_producing();
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made", "resumed", "data hello", "end", "lost: closed cleanly"]);
}

struct Told(Events);
impl Producer for Told {
    fn pause_producing(&self) {
        self.0.borrow_mut().push("pause".to_owned());
    }
    fn resume_producing(&self) {
        self.0.borrow_mut().push("resume".to_owned());
    }
    fn stop_producing(&self) {
        self.0.borrow_mut().push("stop".to_owned());
    }
}

#[test]
fn a_producer_is_paused_above_the_mark_resumed_when_all_is_taken_and_stopped_at_the_end() {
    let (pump, _, _) = pair(nothing, nothing);
    let told = Events::default();
    pump.client().register_producer(Told(told.clone()));
    pump.server().pause_producing();
    pump.client().write(&[0; HIGH_WATER]);
    pump.flush();
    assert!(told.borrow().is_empty());
    pump.client().write(&[0]);
    pump.flush();
    assert_eq!(*told.borrow(), ["pause"]);
    pump.server().resume_producing();
    pump.flush();
    assert_eq!(*told.borrow(), ["pause", "resume"]);
    pump.reset();
    assert_eq!(*told.borrow(), ["pause", "resume", "stop"]);
}

#[test]
fn a_producer_that_is_registered_when_the_connection_is_gone_is_told_to_stop_once() {
    let (pump, _, _) = pair(nothing, nothing);
    let (told, unregistered) = (Events::default(), Events::default());
    pump.client().register_producer(Told(unregistered.clone()));
    pump.client().unregister_producer();
    pump.reset();
    pump.client().register_producer(Told(unregistered.clone()));
    pump.client().unregister_producer();
    pump.client().register_producer(Told(told.clone()));
    assert!(told.borrow().is_empty(), "not before register_producer returns");
    pump.flush();
    pump.flush();
    assert_eq!((&told.borrow()[..], unregistered.borrow().len()), (&["stop".to_owned()][..], 0));
}

#[test]
fn a_close_waits_for_the_registered_producer() {
    struct Idle;
    impl Producer for Idle {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
    }
    let (pump, at_server, at_client) = pair(polite, nothing);
    pump.client().register_producer(Idle);
    pump.client().lose_connection();
    pump.client().write(b"the rest");
    pump.flush();
    assert_eq!((&at_server.borrow()[1..], at_client.borrow().len()), (&["data the rest".to_owned()][..], 1));
    pump.client().unregister_producer();
    pump.client().write(b"too late");
    pump.flush();
    assert_eq!(at_server.borrow()[2..], ["end", "lost: closed cleanly"]);
    assert!(pump.is_over());
}

#[test]
fn a_server_whose_client_does_not_read_reads_no_more_itself() {
    let (pump, at_server, _) = pair(nothing, nothing);
    pump.client().pause_producing();
    pump.server().write(&[b'x'; HIGH_WATER + 1]);
    assert!(pump.server().is_paused());
    pump.client().write(b"more");
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made"]);
    pump.client().resume_producing();
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made", "resumed", "data more"]);
}

#[test]
#[should_panic(expected = "still talk")]
fn two_that_talk_for_ever_are_noticed() {
    fn echo(what: &str, transport: &Transport) {
        if let Some(data) = what.strip_prefix("data ") {
            transport.write(data.as_bytes());
        }
    }
    let (pump, at_server, at_client) = pair(echo, echo);
    drop((at_server, at_client));
    pump.client().write(b"x");
    pump.flush();
}

#[test]
fn each_end_knows_where_the_other_is() {
    let (pump, ..) = pair(nothing, nothing);
    assert_eq!(pump.client().peer(), pump.server().host());
    assert_eq!(pump.server().peer(), pump.client().host());
    assert_ne!(pump.server().peer(), Address::Unknown);
}

#[test]
fn a_test_plays_the_network_between_the_two() {
    let (pump, at_server, at_client) = pair(nothing, |what, transport| {
        if what == "made" {
            transport.write(b"abcdef");
        }
    });
    assert_eq!(pump.deliver(Side::Client, 2), 2);
    assert_eq!(pump.take(Side::Client, 2), b"cd");
    pump.inject(Side::Server, b"!");
    pump.flush();
    assert_eq!(*at_server.borrow(), ["made", "data ab!ef"]);
    assert_eq!((pump.said_by(Side::Client), pump.said_by(Side::Server)), (b"abcdef".to_vec(), Vec::new()));
    assert!(pump.end_reading(Side::Client));
    assert!(!pump.end_reading(Side::Client), "it knows");
    pump.client().pause_producing();
    pump.server().write(b"more");
    assert_eq!(pump.deliver(Side::Server, usize::MAX), 0, "it is paused");
    pump.reset();
    pump.inject(Side::Client, b"too late");
    assert_eq!(at_client.borrow()[..2], ["made", "end"]);
    assert!(at_client.borrow()[2].starts_with("lost: "), "{at_client:?}");
}

#[test]
fn one_callback_may_write_more_than_the_limit_and_a_peer_that_does_not_read_is_cut_off() {
    let (pump, at_server, at_client) = pair(nothing, |what, transport| {
        if what == "made" {
            transport.set_max_buffered(1000);
            transport.write(&[b'x'; 1000]);
            transport.write(b"yes");
        }
    });
    pump.server().pause_producing();
    pump.pump();
    assert_eq!((pump.client().backlog(), pump.client().buffered()), (1003, 1003));
    pump.client().write(b"no");
    assert!(pump.client().is_disconnecting() && pump.said_by_client().ends_with(b"yes"));
    pump.client().abort_connection();
    pump.flush();
    assert_eq!(*at_client.borrow(), ["made", "lost: aborted: too many bytes wait to be sent"]);
    assert_eq!(at_server.borrow().len(), 2);
}
