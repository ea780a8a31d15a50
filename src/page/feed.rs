//! [`Feed`]: what happens, to everybody who looks. While nobody does, it observes nothing and has no timer.
//!
//! ```text
//!   a viewer comes --> it gets `hello`: all that is known now, as events
//!   every 100 ms   --> all viewers get `events`: what has happened since; each second how the server is
//!   the last goes  --> the server has one observer less, and the timer ends
//! ```
//!
//! Next: `metrics.rs`, the same for programs.

use super::notes::{Kind, Notebook, Notes};
use super::reporter::Reporter;
use super::snapshot;
use crate::config::Config;
use crate::log_file;
use crate::server::Server;
use crate::watch::{Observers, Watch};
use reactor::http::server::{Event, EventChannel, HttpServer, Response};
use reactor::{DelayedCall, Failure};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The time between two looks. A person takes less than this for "at once".
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A browser that has lost the connection comes back in this time.
const COMES_BACK: Duration = Duration::from_millis(500);

/// How many looks make a second: each time, viewers hear how the server is.
const LOOKS_A_SECOND: u32 = 10;

/// The maximum number of viewers. They need fewer connections than a page may have, so that what watches over the
/// server finds one for `/healthz` and `/metrics`.
const MAX_VIEWERS: usize = 200;

/// If there is no room for a viewer, it is told to come again after this number of seconds.
const COME_LATER: &str = "5";

/// The maximum number of lines of the log that viewers get at each look.
const MAX_LINES: usize = 20;

/// The number of lines of the log that a viewer gets at first.
const FIRST_LINES: usize = 60;

/// What a server tells its viewers.
pub(super) struct Feed {
    this: Weak<Feed>,
    pub(super) server: Rc<Server>,
    observers: Rc<Observers>,
    /// The herd as the configuration has it.
    herd: Value,
    channel: EventChannel,
    notes: Rc<Notes>,
    /// How everything stood when the first viewer since the last look came. All that come before the next look get the
    /// same, and then what has happened since: a crowd that comes at once costs little more than one viewer.
    hello: RefCell<Option<Rc<str>>>,
    /// The server's observer, while somebody looks.
    reporter: RefCell<Option<Rc<dyn Watch>>>,
    /// The next look, and when it is due.
    next: RefCell<Option<(DelayedCall, Instant)>>,
    looks: Cell<u32>,
    /// Locations were left out since the server was last described: the last ones are said again.
    has_missed: Cell<bool>,
    /// The longest time by which a look was late since the server was last described: the loop was busy.
    late: Cell<Duration>,
    /// The number of the next line of the log.
    log_from: Cell<u64>,
    http: RefCell<Option<HttpServer>>,
}

impl Feed {
    pub(super) fn new(server: &Rc<Server>, observers: &Rc<Observers>, config: &Config) -> Rc<Feed> {
        let feed = Rc::new_cyclic(|this| Feed {
            this: this.clone(),
            server: server.clone(),
            observers: observers.clone(),
            herd: snapshot::herd(server, config),
            channel: EventChannel::new().in_turns(server.reactor()),
            notes: Rc::default(),
            hello: RefCell::default(),
            reporter: RefCell::default(),
            next: RefCell::default(),
            looks: Cell::new(0),
            has_missed: Cell::new(false),
            late: Cell::default(),
            log_from: Cell::new(0),
            http: RefCell::default(),
        });
        let this = Rc::downgrade(&feed);
        feed.channel.on_change(move |channel| {
            if let Some(feed) = this.upgrade() {
                feed.viewers_changed(channel.subscriber_count());
            }
        });
        feed
    }

    /// The server whose counts the metrics show.
    pub(super) fn served_by(&self, http: &HttpServer) {
        *self.http.borrow_mut() = Some(http.clone());
    }

    pub(super) fn http(&self) -> Option<HttpServer> {
        self.http.borrow().clone()
    }

    /// How many look.
    pub(super) fn viewer_count(&self) -> usize {
        self.channel.subscriber_count()
    }

    /// One more looks.
    ///
    /// # Errors
    /// If there are too many of them already: the response says when to come again.
    pub(super) fn subscribe(&self) -> Result<Response, Failure> {
        if self.channel.subscriber_count() >= MAX_VIEWERS {
            let full = Response::text("this page has too many viewers\n").with_status(503);
            return Ok(full.header("Retry-After", COME_LATER)?);
        }
        let hello = self.hello.borrow().clone();
        let hello = hello.unwrap_or_else(|| {
            // What others are still owed goes to them first: the new one has it in its snapshot.
            if self.channel.subscriber_count() > 0 {
                self.note_log();
                self.send_notes();
            }
            let hello: Rc<str> = self.hello().into();
            *self.hello.borrow_mut() = Some(hello.clone());
            hello
        });
        let hello = Event::data(&*hello).named("hello").with_retry(COMES_BACK.as_millis() as u64);
        Ok(self.channel.subscribe_with(&hello))
    }

    /// All that is known now, as a list of events.
    fn hello(&self) -> String {
        let server = &self.server;
        let tail = log_file::tail(0, FIRST_LINES);
        if self.channel.subscriber_count() == 0 {
            self.log_from.set(tail.next);
        }
        let mut events = vec![self.herd.to_string(), snapshot::status(server).to_string()];
        events.extend(snapshot::known(server));
        events.push(snapshot::log(server, &log_file::TailLines { missed: 0, ..tail }).to_string());
        format!("[{}]", events.join(","))
    }

    fn viewers_changed(&self, count: usize) {
        let is_looking = self.reporter.borrow().is_some();
        match count {
            0 => self.stop(),
            _ if !is_looking => {
                let server = Rc::downgrade(&self.server);
                let reporter: Rc<dyn Watch> = Rc::new(Reporter::new(move || server.upgrade(), &self.notes));
                self.observers.add(reporter.clone());
                *self.reporter.borrow_mut() = Some(reporter);
                self.look_later();
            }
            _ => {}
        }
    }

    fn stop(&self) {
        if let Some(reporter) = self.reporter.take() {
            self.observers.remove(&reporter);
        }
        if let Some((next, _)) = self.next.take() {
            next.cancel();
        }
        let _unread = self.notes.take("");
        self.notes.refill();
        *self.hello.borrow_mut() = None;
    }

    fn look_later(&self) {
        let (this, reactor) = (self.this.clone(), self.server.reactor());
        let due = reactor.now() + LOOK_EVERY;
        let call = reactor.call_later(LOOK_EVERY, move || {
            if let Some(feed) = this.upgrade() {
                feed.look();
            }
        });
        *self.next.borrow_mut() = Some((call, due));
    }

    fn look(&self) {
        let Some((_, due)) = self.next.take() else { return };
        self.late.set(self.late.get().max(self.server.reactor().now().saturating_duration_since(due)));
        self.looks.set(self.looks.get().wrapping_add(1));
        *self.hello.borrow_mut() = None;
        self.has_missed.set(self.has_missed.get() || self.notes.left_out() > 0);
        let is_second = self.looks.get().is_multiple_of(LOOKS_A_SECOND);
        if is_second {
            self.notes.add(Kind::Rare, || {
                let mut status = snapshot::status(&self.server);
                status["late"] = self.late.take().as_secs_f64().into();
                status["viewers"] = self.viewer_count().into();
                status
            });
        }
        self.note_log();
        self.send_notes();
        // After the notes: they are older than what is known now.
        if is_second && self.has_missed.take() {
            let known = snapshot::known(&self.server).join(",");
            self.channel.publish(&Event::data(format!("[{known}]")).named("events"));
        }
        self.notes.refill();
        // Not before: a viewer that is dropped while it is sent to may be the last.
        if self.channel.subscriber_count() > 0 {
            self.look_later();
        }
    }

    /// Notes the lines of the log that are new.
    fn note_log(&self) {
        let tail = log_file::tail(self.log_from.get(), MAX_LINES);
        self.log_from.set(tail.next);
        if !tail.lines.is_empty() {
            self.notes.add(Kind::Rare, || snapshot::log(&self.server, &tail));
        }
    }

    fn send_notes(&self) {
        if let Some(list) = self.notes.take(self.server.name()) {
            self.channel.publish(&Event::data(list).named("events"));
        }
    }
}
