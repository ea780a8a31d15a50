//! [`Feed`]: lets a run go on, and sends what happens to all that look. While nobody does, the run stands still.
//!
//! ```text
//!   a viewer comes  --> it gets `hello`: how everything stands, as events
//!   every 50 ms     --> the run goes on; all viewers get `events` (50 ms from one look's begin to the next one's)
//!   the run stands still, or is another one --> all viewers get `hello` again
//! ```
//!
//! So what is shown of a run that stands still comes from one `hello`, and depends on nothing but the run.
//!
//! Next: `replay.rs`, the same without a page.

use super::film::{Film, Wish};
use super::picture;
use crate::machine::clock::Stopwatch;
use reactor::http::server::{Event, EventChannel, Response};
use reactor::{DelayedCall, Reactor};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, UNIX_EPOCH};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// For how long a run may go on at each look. The rest of the time is the viewers'.
const BUDGET: Duration = Duration::from_millis(40);

/// For how long a look of a run that plays prepares the way back, at most: the rest of the core is the browser's.
const PREPARES: Duration = Duration::from_millis(10);

/// The shortest time between two looks, for the viewers. It is the usual one while a run is on its way to another time,
/// and there is nothing to see.
const PAUSE: Duration = Duration::from_millis(4);

/// A browser that has lost the connection comes back in this time, in milliseconds.
const COMES_BACK: u64 = 500;

/// At one look in this number, viewers hear how each server is.
const LOOKS_A_STATUS: u32 = 8;

/// At one look in this number, they hear what no server knows.
const LOOKS_A_WORLD: u32 = 4;

/// The maximum number of messages that are told at one look, besides those that have been told already.
const MAX_NEW_FLIGHTS: usize = 400;

/// When the process began, and its number: no other one on this machine has both.
fn process_name(reactor: &Reactor) -> String {
    let began = reactor.system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", began.as_nanos(), std::process::id())
}

/// What a run tells its viewers.
pub(crate) struct Feed {
    this: Weak<Feed>,
    reactor: Reactor,
    /// Another one in each process.
    process: String,
    pub(crate) film: RefCell<Film>,
    channel: EventChannel,
    next: RefCell<Option<DelayedCall>>,
    looks: Cell<u32>,
    /// What viewers have last been shown whole.
    shown: Cell<u64>,
    /// The messages on their way that viewers know, and when they arrive.
    flying: RefCell<BTreeMap<String, f64>>,
}

impl Feed {
    pub(crate) fn new(reactor: &Reactor, film: Film) -> Rc<Feed> {
        let feed = Rc::new_cyclic(|this| Feed {
            this: this.clone(),
            reactor: reactor.clone(),
            process: process_name(reactor),
            film: RefCell::new(film),
            channel: EventChannel::new(),
            next: RefCell::default(),
            looks: Cell::new(0),
            shown: Cell::new(u64::MAX),
            flying: RefCell::default(),
        });
        let this = feed.this.clone();
        feed.channel.on_change(move |channel| {
            if let Some(feed) = this.upgrade() {
                feed.viewers_changed(channel.subscriber_count());
            }
        });
        feed
    }

    /// One more looks.
    pub(crate) fn subscribe(&self) -> Response {
        // What others are still owed goes to them first: the new one has it in its `hello`.
        if self.channel.subscriber_count() > 0 {
            self.show_changes();
        }
        let hello = self.hello().with_retry(COMES_BACK);
        self.channel.subscribe_with(&hello)
    }

    /// Does what a viewer asks for.
    ///
    /// # Errors
    /// One line that says why it cannot be done.
    pub(crate) fn wish(&self, text: &str) -> Result<(), String> {
        let wish = Wish::parse(text)?;
        self.film.borrow_mut().wish(wish, self.reactor.now())?;
        self.show_changes();
        Ok(())
    }

    fn hello(&self) -> Event {
        let film = self.film.borrow();
        Event::data(picture::hello(&film, &self.process)).named("hello")
    }

    fn viewers_changed(&self, count: usize) {
        let is_looking = self.next.borrow().is_some();
        match count {
            0 => {
                if let Some(next) = self.next.take() {
                    next.cancel();
                }
                self.film.borrow_mut().rest();
            }
            _ if !is_looking => {
                self.film.borrow_mut().wake(self.reactor.now());
                self.look_later(Duration::ZERO);
            }
            _ => {}
        }
    }

    /// Looks again. The look that is over took so long.
    fn look_later(&self, took: Duration) {
        let this = self.this.clone();
        let every = if self.film.borrow().is_travelling() { PAUSE } else { LOOK_EVERY };
        let pause = every.saturating_sub(took).max(PAUSE);
        let call = self.reactor.call_later(pause, move || {
            if let Some(feed) = this.upgrade() {
                feed.look();
            }
        });
        *self.next.borrow_mut() = Some(call);
    }

    fn look(&self) {
        let watch = Stopwatch::start();
        drop(self.next.take());
        self.looks.set(self.looks.get().wrapping_add(1));
        let is_moving = {
            let film = &mut *self.film.borrow_mut();
            let is_moving = film.is_playing || film.is_travelling();
            film.tick(self.reactor.now(), BUDGET);
            let left = BUDGET.saturating_sub(watch.elapsed());
            film.prepare(if film.is_playing { left.min(PREPARES) } else { left });
            is_moving
        };
        if is_moving {
            self.show_changes();
        }
        // Not before: a viewer that is dropped while it is sent to may be the last.
        if self.channel.subscriber_count() > 0 {
            self.look_later(watch.elapsed());
        }
    }

    /// Sends everything, if the picture has become another one; else what is new in it.
    fn show_changes(&self) {
        let (cut, is_travelling) = {
            let film = self.film.borrow();
            (film.cut, film.is_travelling())
        };
        if is_travelling {
            // How far it has come.
            return self.publish(&[picture::clock(&self.film.borrow())], Vec::new());
        }
        if self.shown.replace(cut) != cut {
            self.flying.borrow_mut().clear();
            return self.channel.publish(&self.hello());
        }
        let film = self.film.borrow();
        let (mut notes, left_out) = film.show.journal.unsent();
        if left_out > 0 {
            notes.push(json!({ "kind": "left_out", "count": left_out }).to_string());
        }
        let mut events = vec![picture::clock(&film)];
        if self.looks.get().is_multiple_of(LOOKS_A_WORLD) {
            events.push(picture::world(&film));
        }
        if self.looks.get().is_multiple_of(LOOKS_A_STATUS) {
            events.extend(picture::statuses(&film.show));
        }
        events.push(self.flights(&film));
        drop(film);
        self.publish(&events, notes);
    }

    fn publish(&self, events: &[Value], notes: Vec<String>) {
        let texts: Vec<String> = events.iter().map(Value::to_string).chain(notes).collect();
        self.channel.publish(&Event::data(format!("[{}]", texts.join(","))).named("events"));
    }

    /// The messages that viewers do not know yet, and those that will not arrive.
    fn flights(&self, film: &Film) -> Value {
        let mut told = picture::flights(&film.show);
        let now = film.show.world().now().as_secs_f64();
        let all = told["flights"].take();
        let all = all.as_array().map_or(&[][..], Vec::as_slice);
        let flying = &mut *self.flying.borrow_mut();
        let mut still = BTreeMap::new();
        let (mut new, mut skipped) = (Vec::new(), 0);
        for flight in all {
            let (Some(id), Some(arrives)) = (flight["id"].as_str(), flight["arrives"].as_f64()) else { continue };
            if !flying.contains_key(id) {
                if new.len() >= MAX_NEW_FLIGHTS {
                    skipped += 1;
                    continue;
                }
                new.push(flight.clone());
            }
            still.insert(id.to_owned(), arrives);
        }
        let gone = flying.iter().filter(|(id, arrives)| **arrives > now && !still.contains_key(*id));
        let gone: Vec<&String> = gone.map(|(id, _)| id).collect();
        let more = told["more"].as_u64().unwrap_or(0) + skipped;
        let told = json!({
            "kind": "flights", "at": told["at"], "flights": new, "more": more, "gone": gone, "new": true,
        });
        *flying = still;
        told
    }
}
