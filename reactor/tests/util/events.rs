//! [`Events`], what happened in which order, and [`Noting`], a protocol made of closures that writes it down.

use reactor::{Protocol, Reason, Transport};
use std::cell::RefCell;
use std::rc::Rc;

/// What happened, in order, in short words.
#[derive(Clone, Default)]
pub(crate) struct Events(Rc<RefCell<Vec<String>>>);

impl Events {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Bytes may come cut anywhere: what comes in a row is one event.
    fn note_data(&self, data: &[u8]) {
        let text = String::from_utf8_lossy(data);
        let mut events = self.0.borrow_mut();
        match events.last_mut() {
            Some(last) if last.starts_with("data ") => last.push_str(&text),
            _ => events.push(format!("data {text}")),
        }
    }
}

type OnTransport = Box<dyn FnMut(&Transport)>;
type OnData = Box<dyn FnMut(&Transport, &[u8])>;

/// Notes every event, and then does what the closure for it says. To be made with `..Noting::new(&events)`.
pub(crate) struct Noting {
    pub(crate) events: Events,
    pub(crate) made: OnTransport,
    pub(crate) data: OnData,
    pub(crate) end: OnTransport,
    pub(crate) lost: Box<dyn FnMut(&Reason)>,
}

impl Noting {
    /// Does nothing but what a protocol does by default.
    pub(crate) fn new(events: &Events) -> Noting {
        Noting {
            events: events.clone(),
            made: Box::new(|_| {}),
            data: Box::new(|_, _| {}),
            end: Box::new(|transport| transport.lose_connection()),
            lost: Box::new(|_| {}),
        }
    }
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        self.events.note("made");
        (self.made)(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.events.note_data(data);
        (self.data)(transport, data);
    }

    fn reading_resumed(&mut self, _transport: &Transport) {
        self.events.note("resumed");
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.events.note("end");
        (self.end)(transport);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        // The variant's name alone: what the system says differs from place to place.
        let reason_text = format!("{reason:?}");
        let name = reason_text.split('(').next().unwrap_or_default();
        self.events.note(format!("lost {name}"));
        (self.lost)(reason);
    }
}
