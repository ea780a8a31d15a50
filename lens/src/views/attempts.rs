//! [`Attempts`]: connections that are being made, and which Deferred waits for each.
//!
//! No event says which Deferred an attempt is for. But the program has asked for both at one place: the Deferred was made
//! there, and the callback in which the loop begins the attempt was asked for there. Attempts begin in the order in which
//! they were asked for, so each is for the first Deferred of its place that has not fired and has none yet.
//!
//! Next: `waits.rs`, one moment as text and as a picture.

use super::waiting::{State, Thing};
use crate::Event;
use crate::model::Model;
use std::collections::{HashMap, VecDeque};

/// A host, and a place in its program.
type Asked = (String, String);

/// The attempts up to a moment.
#[derive(Default)]
pub(super) struct Attempts {
    /// The Deferreds of each place that have no attempt, in order.
    free: HashMap<Asked, VecDeque<u64>>,
    /// What each attempt is for, by the index of its socket: the place and, if there is one, the Deferred.
    known: HashMap<usize, (Asked, Option<u64>)>,
}

impl Attempts {
    /// Takes an event, which is about this socket, when the model has it.
    pub(super) fn take(&mut self, model: &Model, event: &Event, socket: Option<usize>) {
        match (&*event.kind, event.text("call"), socket) {
            ("deferred_made", ..) => {
                let asked = (event.host.clone(), event.text("place").to_owned());
                self.free.entry(asked).or_default().extend(event.number("deferred"));
            }
            ("call", "connect", Some(socket)) => {
                let Some(asked) = asked(model, event) else { return };
                let free = self.free.entry(asked.clone()).or_default();
                let has_fired = |number: &u64| model.chains.chains.get(number).is_none_or(|chain| chain.has_fired);
                while free.front().is_some_and(has_fired) {
                    free.pop_front();
                }
                let deferred = free.pop_front();
                self.known.insert(socket, (asked, deferred));
            }
            // The next address is tried for the same Deferred.
            ("call", "close", Some(socket)) => {
                if let Some((asked, Some(deferred))) = self.known.remove(&socket) {
                    self.free.entry(asked).or_default().push_front(deferred);
                }
            }
            ("connected", _, Some(socket)) => drop(self.known.remove(&socket)),
            _ => {}
        }
    }

    /// The state of a socket, with the Deferred that waits for it if it is an attempt.
    pub(super) fn state(&self, socket: usize, state: State) -> State {
        match self.known.get(&socket) {
            Some(((_, place), deferred)) => {
                State { parent: deferred.map(Thing::Deferred), place: place.clone(), ..state }
            }
            None => state,
        }
    }
}

/// Where the program asked for an attempt: an address may have been looked up before it began, in a Deferred of the
/// library.
fn asked(model: &Model, connect: &Event) -> Option<Asked> {
    let step = connect.step.and_then(|step| model.chains.steps.get(&step));
    let looked_up = step.and_then(|step| model.chains.chains.get(&step.chain)?.made_in);
    let number = looked_up.or(connect.callback)?;
    let mut callbacks = model.turns.callbacks.iter().rev().take(MAX_LOOKED_AT);
    let callback = callbacks.find(|callback| callback.number == number && callback.host == connect.host)?;
    Some((connect.host.clone(), callback.place.clone()))
}

/// Maximum number of callbacks between the request for a connection and its attempt that are looked at: a look-up may
/// take seconds, in which a busy loop makes this many.
const MAX_LOOKED_AT: usize = 10_000;
