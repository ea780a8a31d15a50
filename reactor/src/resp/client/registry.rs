//! [`Registry`]: who listens to which channel, and what they have been told.
//!
//! ```text
//!            confirmed             connection lost
//!   waiting -----------> begun -----------------------> waiting
//!      ^                   '-- message, message, ...        (may have missed messages: `Lost`)
//!      '-- refused: told so; asked again on the next connection
//! ```
//!
//! Nothing is borrowed while a listener runs. It may subscribe and unsubscribe, itself too.
//!
//! Next: `subscriptions.rs`, how the server is asked.

use super::events::{Message, SubscriptionEvent};
use crate::diagnostics::tell;
use crate::foreign::{Foreign, contain};
use crate::resp::error::ServerError;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a listener listens to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    pub(super) is_pattern: bool,
    pub(super) name: Vec<u8>,
}

pub(super) type OnEvent = Box<dyn FnMut(SubscriptionEvent<'_>)>;

/// One closure of the program.
pub(super) struct Listener {
    number: u64,
    /// Borrowed while it runs.
    on_event: RefCell<Foreign<OnEvent>>,
    /// Whether it has been told that messages come, and not yet that they do not.
    has_begun: Cell<bool>,
    is_gone: Cell<bool>,
}

#[derive(Default)]
struct Listeners {
    all: Vec<Rc<Listener>>,
    /// Whether the server was asked for it, on the present connection.
    is_asked: bool,
    /// Whether the server has confirmed it, on the present connection.
    is_up: bool,
}

#[derive(Default)]
pub(super) struct Registry {
    topics: RefCell<BTreeMap<Topic, Listeners>>,
    next: Cell<u64>,
}

impl Listener {
    fn hear(&self, event: SubscriptionEvent<'_>) {
        if self.is_gone.get() {
            return;
        }
        let is_sound = contain(|| {
            // Only the connection's events come here, and they do not come inside of each other.
            if let Ok(mut on_event) = self.on_event.try_borrow_mut() {
                (**on_event)(event);
            }
        });
        if !is_sound {
            tell!(Error, "reactor", "a listener of a subscription panicked");
        }
    }

    /// Tells it that messages come, if it has not heard that.
    fn begin(&self) {
        if !self.has_begun.replace(true) {
            self.hear(SubscriptionEvent::Began);
        }
    }
}

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.borrow().is_empty()
    }

    /// The topics for which the server is to be asked now.
    pub(super) fn take_unasked(&self) -> Vec<Topic> {
        let mut topics = self.topics.borrow_mut();
        let unasked = topics.iter_mut().filter(|(_, listeners)| !listeners.is_asked);
        unasked
            .map(|(topic, listeners)| {
                listeners.is_asked = true;
                topic.clone()
            })
            .collect()
    }

    /// Adds a listener. Also says whether its topic is up already.
    pub(super) fn add(&self, topic: Topic, on_event: OnEvent) -> (Rc<Listener>, bool) {
        let number = self.next.replace(self.next.get() + 1);
        let on_event = RefCell::new(Foreign::new(on_event));
        let (has_begun, is_gone) = Default::default();
        let listener = Rc::new(Listener { number, on_event, has_begun, is_gone });
        let mut topics = self.topics.borrow_mut();
        let listeners = topics.entry(topic).or_default();
        listeners.all.push(listener.clone());
        (listener, listeners.is_up)
    }

    /// Takes a listener out. Says whether the server is to be told: it was the last one of a topic that was asked for.
    pub(super) fn remove(&self, topic: &Topic, listener: &Listener) -> bool {
        listener.is_gone.set(true);
        let mut topics = self.topics.borrow_mut();
        let Some(listeners) = topics.get_mut(topic) else { return false };
        listeners.all.retain(|other| other.number != listener.number);
        let was_last = listeners.all.is_empty();
        was_last && topics.remove(topic).is_some_and(|listeners| listeners.is_asked)
    }

    fn of(&self, topic: &Topic) -> Vec<Rc<Listener>> {
        self.topics.borrow().get(topic).map(|listeners| listeners.all.clone()).unwrap_or_default()
    }

    /// The server has confirmed the topic.
    pub(super) fn confirmed(&self, topic: &Topic) {
        if let Some(listeners) = self.topics.borrow_mut().get_mut(topic) {
            listeners.is_up = true;
        }
        self.of(topic).iter().for_each(|listener| listener.begin());
    }

    /// A listener that came to a topic which is up.
    pub(super) fn joined(&self, topic: &Topic, listener: &Listener) {
        if self.topics.borrow().get(topic).is_some_and(|listeners| listeners.is_up) {
            listener.begin();
        }
    }

    pub(super) fn refused(&self, topic: &Topic, error: &ServerError) {
        self.of(topic).iter().for_each(|listener| listener.hear(SubscriptionEvent::Refused(error)));
    }

    pub(super) fn message(&self, topic: &Topic, message: &Message<'_>) {
        for listener in self.of(topic) {
            listener.begin();
            listener.hear(SubscriptionEvent::Message(message));
        }
    }

    /// The connection is gone.
    pub(super) fn lost(&self) {
        let mut all = Vec::new();
        for listeners in self.topics.borrow_mut().values_mut() {
            (listeners.is_asked, listeners.is_up) = (false, false);
            all.extend(listeners.all.iter().cloned());
        }
        for listener in all.iter().filter(|listener| listener.has_begun.replace(false)) {
            listener.hear(SubscriptionEvent::Lost);
        }
    }
}
