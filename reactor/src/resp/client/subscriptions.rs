//! How the server is asked for channels, and what it sends.
//!
//! With RESP3, messages come as pushes between the replies, on the connection of the commands. With RESP2 a connection
//! with subscriptions takes no other commands. So a *companion* carries them: a second client, which this one keeps.
//!
//! Next: `connection.rs`, what comes back.

use super::error::ServerFault;
use super::events::{Invalidation, Message};
use super::handle::Client;
use super::machine::Inner;
use super::pipeline::{Answer, Name};
use super::registry::{Listener, OnEvent, Topic};
use super::settings::ProtocolVersion;
use crate::diagnostics::tell;
use crate::foreign::contain;
use crate::resp::command::Command;
use crate::resp::error::ServerError;
use crate::resp::value::{Value, Values};
use crate::{Deferred, deferred};
use std::rc::Rc;
use std::time::Duration;

const UNREQUESTED: ServerFault = ServerFault::Unrequested;

impl Inner {
    /// A value has come: a reply, or something that nobody asked for.
    pub(super) fn received(&self, value: Value) -> Result<(), ServerFault> {
        match value {
            Value::Push(values) => self.pushed(values),
            // On a connection with subscriptions, RESP2 has only these.
            Value::Array(values) if self.is_companion => self.pushed(values),
            value => self.replied(value).ok_or(UNREQUESTED),
        }
    }

    fn pushed(&self, values: Values) -> Result<(), ServerFault> {
        let bytes =
            |at: usize| values.get(at).and_then(Value::as_bytes).ok_or(ServerFault::Nonsense { command: "a push" });
        match bytes(0)? {
            b"message" => {
                let message = Message { channel: bytes(1)?, pattern: None, payload: bytes(2)? };
                self.registry.message(&Topic { is_pattern: false, name: message.channel.to_vec() }, &message);
            }
            b"pmessage" => {
                let message = Message { pattern: Some(bytes(1)?), channel: bytes(2)?, payload: bytes(3)? };
                self.registry.message(&Topic { is_pattern: true, name: bytes(1)?.to_vec() }, &message);
            }
            b"subscribe" | b"psubscribe" | b"unsubscribe" | b"punsubscribe" => {
                let due = self.pipeline.borrow_mut().confirmation().ok_or(UNREQUESTED)?;
                self.deliver(due);
            }
            b"invalidate" => match values.get(1) {
                Some(Value::Null) => self.invalidate(Invalidation::Everything),
                Some(Value::Array(keys)) => {
                    for key in keys.iter().filter_map(Value::as_bytes) {
                        self.invalidate(Invalidation::Key(key));
                    }
                }
                _ => return Err(ServerFault::Nonsense { command: "a push" }),
            },
            b"pong" if self.is_companion => self.replied(Value::Null).ok_or(UNREQUESTED)?,
            // A later server may push what we do not know; it belongs to no command.
            other => log::debug!(target: "reactor", "a push of an unknown kind: {}", other.escape_ascii()),
        }
        Ok(())
    }

    pub(super) fn invalidate(&self, what: Invalidation<'_>) {
        let Some((_, on_invalidation)) = &*self.tracking.borrow() else { return };
        let is_sound = contain(|| {
            if let Ok(mut on_invalidation) = on_invalidation.try_borrow_mut() {
                (**on_invalidation)(what);
            }
        });
        if !is_sound {
            tell!(Error, "reactor", "a callback for invalidations panicked");
        }
    }

    // ---- Subscriptions.

    pub(super) fn subscribe(self: &Rc<Self>, topic: Topic, on_event: OnEvent) -> Rc<Listener> {
        let (listener, is_up) = self.registry.add(topic.clone(), on_event);
        if !is_up {
            self.carrying(|carrier| {
                if carrier.is_ready() {
                    carrier.ask_for_all().detach();
                }
            });
        } else if let Some(reactor) = self.reactor.upgrade() {
            // Not before this returns.
            let (registry, listener) = (self.registry.clone(), listener.clone());
            reactor.call_later(Duration::ZERO, move || registry.joined(&topic, &listener));
        }
        listener
    }

    pub(super) fn unsubscribe(self: &Rc<Self>, topic: &Topic, listener: &Listener) {
        if self.registry.remove(topic, listener) {
            self.carrying(|carrier| {
                if carrier.transport.borrow().is_some() {
                    carrier.ask_for(topic.clone(), false).detach();
                }
            });
        }
        if self.registry.is_empty()
            && let Some(companion) = self.companion.take()
        {
            companion.stop().detach();
        }
    }

    /// Does something with the client that carries the subscriptions. A companion that begins asks for all of them
    /// itself.
    fn carrying(self: &Rc<Self>, then: impl FnOnce(&Rc<Inner>)) {
        if self.carries() {
            return then(self);
        }
        let companion = self.companion.borrow().clone();
        match companion {
            Some(companion) => then(companion.inner()),
            None => self.begin_companion(),
        }
    }

    /// Whether subscriptions are on this connection.
    pub(super) fn carries(&self) -> bool {
        self.is_companion || self.is_resp3.get()
    }

    /// Begins the companion, if there are subscriptions and this connection cannot carry them; ends it if it can.
    pub(super) fn settle_companion(self: &Rc<Self>) {
        if self.carries() {
            let Some(companion) = self.companion.take() else { return };
            // This connection has asked for everything already; nobody needs to hear of the companion's end.
            companion.inner().is_ready.set(false);
            companion.stop().detach();
        } else if !self.registry.is_empty() && self.companion.borrow().is_none() {
            self.begin_companion();
        }
    }

    fn begin_companion(self: &Rc<Self>) {
        let Some(reactor) = self.reactor.upgrade().filter(|_| self.is_ready()) else { return };
        let mut settings = (*self.settings()).clone();
        settings.version = ProtocolVersion::Resp2;
        let destination = self.service.borrow().destination().clone();
        let companion = Client::of(Inner::new(&reactor, destination, Some(self.registry.clone())));
        let layer = self.layer.borrow().clone();
        let companion = companion.with_settings(settings).with_layer(layer);
        companion.start();
        *self.companion.borrow_mut() = Some(companion);
    }

    /// Subscribes to all topics for which this connection has not asked. Does not fail: a topic that is refused is told
    /// to its listeners.
    pub(super) fn ask_for_all(self: &Rc<Self>) -> Deferred<()> {
        if !self.carries() {
            return deferred::succeed(());
        }
        let topics = self.registry.take_unasked();
        let all: Vec<Deferred<()>> = topics.into_iter().map(|topic| self.ask_for(topic, true)).collect();
        deferred::deferred_list(all).add_callback(|_| ())
    }

    /// Subscribes to a topic, or ends that. One command for each: the server refuses a command as a whole.
    fn ask_for(self: &Rc<Self>, topic: Topic, begins: bool) -> Deferred<()> {
        let name = match (topic.is_pattern, begins) {
            (false, true) => "SUBSCRIBE",
            (true, true) => "PSUBSCRIBE",
            (false, false) => "UNSUBSCRIBE",
            (true, false) => "PUNSUBSCRIBE",
        };
        let Some(reactor) = self.reactor.upgrade() else { return deferred::succeed(()) };
        let (confirmed, firer) = Deferred::unwatched();
        let deadline = self.own_deadline(&reactor);
        self.push_own(&reactor, Name::new(name.as_bytes()), deadline, Answer::Confirmation(firer));
        self.write(&[Command::new(name).arg(&topic.name)]);
        let registry = self.registry.clone();
        confirmed.add_both(move |result| match result {
            Ok(()) if begins => registry.confirmed(&topic),
            Err(failure) if begins => {
                // If not, the connection was lost, which is told elsewhere.
                if let Some(error) = failure.check::<ServerError>() {
                    registry.refused(&topic, error);
                }
            }
            Ok(()) | Err(_) => {}
        })
    }
}

/// A subscription. Dropping it ends it. It keeps the client going, as a [`Client`] does.
#[must_use = "a subscription that is dropped has ended"]
pub struct Subscription {
    client: Client,
    topic: Topic,
    listener: Rc<Listener>,
}

impl Subscription {
    pub(super) fn new(client: Client, topic: Topic, on_event: OnEvent) -> Subscription {
        let listener = client.inner().subscribe(topic.clone(), on_event);
        Subscription { client, topic, listener }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.inner().unsubscribe(&self.topic, &self.listener);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.topic.is_pattern { "the pattern " } else { "" };
        write!(f, "Subscription(to {kind}{})", self.topic.name.escape_ascii())
    }
}
