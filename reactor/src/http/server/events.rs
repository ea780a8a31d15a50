//! Server-Sent Events: a response that has no end, in which a server tells what happens (HTML standard, section 9.2).
//!
//! [`Event`] is one event, [`EventSender`] sends to one client, [`EventChannel`] to all that have subscribed.
//!
//! Next: `routes.rs`, services by path and method.

use super::response::Response;
use super::writer::{BodyWriter, Stream};
use crate::policies::PolicyClock;
use crate::{Deferred, DelayedCall};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// With [`EventChannel::in_turns`], a channel sends to this many subscribers in each turn of the loop.
const SENT_AT_ONCE: usize = 16;

/// Maximum number of events that wait for their turns. Beyond that, all of them go out at once.
const MAX_UNSENT: usize = 64;

/// An event, as a browser's `EventSource` understands it.
///
/// ```
/// use reactor::http::server::Event;
///
/// let event = Event::data("two\nlines").named("news").with_id("7");
/// assert_eq!(event.to_string(), "event: news\nid: 7\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    name: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
    data: String,
}

impl Event {
    /// An event with this text; lines may end with LF, CR LF or CR, which all become LF at the client.
    pub fn data(text: impl Into<String>) -> Event {
        Event { data: text.into(), ..Event::default() }
    }

    /// Sets its type; without one it is `message`. A line end and what follows it are cut off: it would begin another
    /// field.
    pub fn named(mut self, name: &str) -> Event {
        self.name = Some(first_line(name).to_owned());
        self
    }

    /// Sets the id that the client sends as `Last-Event-ID` when it comes back; cut off at a line end or a NUL, which
    /// the standard forbids.
    pub fn with_id(mut self, id: &str) -> Event {
        self.id = Some(first_line(id).split('\0').next().unwrap_or_default().to_owned());
        self
    }

    /// Tells the client to wait for this long, in milliseconds, before it comes back.
    pub fn with_retry(mut self, millis: u64) -> Event {
        self.retry = Some(millis);
        self
    }
}

fn first_line(text: &str) -> &str {
    text.split(['\r', '\n']).next().unwrap_or_default()
}

/// The event as it is sent.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            writeln!(f, "event: {name}")?;
        }
        if let Some(id) = &self.id {
            writeln!(f, "id: {id}")?;
        }
        if let Some(retry) = self.retry {
            writeln!(f, "retry: {retry}")?;
        }
        let mut rest = &self.data[..];
        loop {
            let end = memchr::memchr2(b'\r', b'\n', rest.as_bytes());
            let line = end.map_or(rest, |end| &rest[..end]);
            writeln!(f, "data: {line}")?;
            let Some(end) = end else { break };
            rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
        }
        f.write_str("\n")
    }
}

/// Sends events to one client: see [`Response::events`]. Dropping it ends the stream; the client will come back.
#[derive(Debug)]
pub struct EventSender(Option<BodyWriter>);

impl Response {
    /// A stream of events: the client gets what the sender sends, for as long as both live. Comments keep it alive
    /// ([`heartbeat`](super::ServerSettings::heartbeat)), and a client that does not read is dropped
    /// ([`max_event_backlog`](super::ServerSettings::max_event_backlog)).
    pub fn events() -> (Response, EventSender) {
        let (mut response, writer) = Response::of_stream(Cow::Borrowed("text/event-stream"), true);
        response.add_checked("Cache-Control", "no-store");
        // nginx, and what follows its habits, would hold events back until a buffer is full.
        response.add_checked("X-Accel-Buffering", "no");
        (response, EventSender(Some(writer)))
    }
}

impl EventSender {
    /// Sends an event.
    pub fn send(&self, event: &Event) {
        if let Some(writer) = &self.0 {
            writer.write(event.to_string().as_bytes());
        }
    }

    /// Whether the client is gone.
    pub fn is_gone(&self) -> bool {
        self.0.as_ref().is_none_or(BodyWriter::is_gone)
    }

    /// Fires when the client is gone.
    #[track_caller]
    pub fn when_gone(&self) -> Deferred<()> {
        match &self.0 {
            Some(writer) => writer.when_gone(),
            None => crate::deferred::succeed(()),
        }
    }

    fn stream(&self) -> Option<Rc<Stream>> {
        self.0.as_ref().map(BodyWriter::stream)
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            writer.finish();
        }
    }
}

/// Sends the same events to all clients that have subscribed. The handle is cheap to clone.
///
/// ```
/// use reactor::http::server::{Event, EventChannel, Routes};
///
/// let news = EventChannel::new();
/// let subscribers = news.clone();
/// let routes = Routes::new().get("/news", move |_request| subscribers.subscribe());
/// news.publish(&Event::data("it has begun"));
/// # let _ = routes;
/// ```
#[derive(Clone, Default)]
pub struct EventChannel(Rc<ChannelInner>);

#[derive(Default)]
struct ChannelInner {
    /// By number; a later one has a greater number.
    subscribers: RefCell<BTreeMap<u64, EventSender>>,
    next: Cell<u64>,
    on_change: RefCell<Option<OnChange>>,
    turns: OnceCell<Turns>,
}

/// What a channel that goes by turns has still to send.
struct Turns {
    clock: PolicyClock,
    /// Each event, and the numbers of those who are to get it.
    unsent: RefCell<VecDeque<(String, Range<u64>)>>,
    more: RefCell<Option<DelayedCall>>,
}

impl Drop for Turns {
    fn drop(&mut self) {
        if let Some(more) = self.more.take() {
            more.cancel();
        }
    }
}

type OnChange = Rc<dyn Fn(&EventChannel)>;

impl EventChannel {
    /// A channel without subscribers.
    pub fn new() -> EventChannel {
        EventChannel::default()
    }

    /// From now on an event goes to some subscribers in each turn of the loop, and not to all at once: with a hundred,
    /// everybody else would wait for a millisecond. Each still gets all events in order.
    /// If more than 64 events wait, all go out at once. `clock` is a `&Reactor`.
    pub fn in_turns(self, clock: impl Into<PolicyClock>) -> EventChannel {
        self.0.turns.get_or_init(|| Turns {
            clock: clock.into(),
            unsent: RefCell::default(),
            more: RefCell::default(),
        });
        self
    }

    /// The response for one more subscriber. It gets what is published from now on.
    pub fn subscribe(&self) -> Response {
        self.admit(Response::events())
    }

    /// The same, and it gets `first` before everything else: what has happened so far, for example. It may be larger
    /// than [`max_event_backlog`](super::ServerSettings::max_event_backlog); but if that many bytes still wait when the
    /// next event is published, the client is dropped.
    pub fn subscribe_with(&self, first: &Event) -> Response {
        let (response, sender) = Response::events();
        if let Some(stream) = sender.stream() {
            stream.begin_with(first.to_string().into_bytes());
        }
        self.admit((response, sender))
    }

    fn admit(&self, (response, sender): (Response, EventSender)) -> Response {
        let gone = sender.stream();
        let key = self.0.next.replace(self.0.next.get() + 1);
        self.0.subscribers.borrow_mut().insert(key, sender);
        let channel = Rc::downgrade(&self.0);
        if let Some(stream) = gone {
            let (deferred, firer) = Deferred::new();
            let left = deferred.add_callback(move |()| {
                if let Some(channel) = channel.upgrade() {
                    EventChannel(channel).left(key);
                }
            });
            left.detach();
            stream.tell_when_gone(firer);
        }
        self.changed();
        response
    }

    fn left(&self, key: u64) {
        let sender = self.0.subscribers.borrow_mut().remove(&key);
        drop(sender);
        self.changed();
    }

    fn changed(&self) {
        let on_change = self.0.on_change.borrow().clone();
        if let Some(on_change) = on_change {
            on_change(self);
        }
    }

    /// Sends `event` to all subscribers. It is written out once for all.
    pub fn publish(&self, event: &Event) {
        let (text, all) = (event.to_string(), 0..self.0.next.get());
        let Some(turns) = self.0.turns.get() else {
            self.send(&text, all, usize::MAX);
            return;
        };
        turns.unsent.borrow_mut().push_back((text, all));
        if turns.unsent.borrow().len() > MAX_UNSENT {
            for (text, left) in turns.unsent.take() {
                self.send(&text, left, usize::MAX);
            }
            return;
        }
        if !turns.more.borrow().as_ref().is_some_and(DelayedCall::active) {
            self.send_some(turns);
        }
    }

    /// Sends to some of those that have something to get, and to the others in later turns.
    fn send_some(&self, turns: &Turns) {
        let mut room = SENT_AT_ONCE;
        while room > 0 {
            let Some((text, mut left)) = turns.unsent.borrow_mut().pop_front() else { return };
            let (sent, last) = self.send(&text, left.clone(), room);
            room -= sent;
            if room == 0 {
                left.start = last + 1;
                turns.unsent.borrow_mut().push_front((text, left));
            }
        }
        let channel = Rc::downgrade(&self.0);
        let more = turns.clock.call_later(Duration::ZERO, move || {
            let Some(channel) = channel.upgrade().map(EventChannel) else { return };
            if let Some(turns) = channel.0.turns.get() {
                channel.send_some(turns);
            }
        });
        turns.more.replace(more);
    }

    /// Sends to at most `most` of these subscribers. Returns to how many, and the number of the last one.
    fn send(&self, text: &str, subscribers: Range<u64>, most: usize) -> (usize, u64) {
        let (mut sent, mut last) = (0, subscribers.start);
        // A stream calls nobody back when it is written to, so the list does not change meanwhile.
        for (number, sender) in self.0.subscribers.borrow().range(subscribers).take(most) {
            (sent, last) = (sent + 1, *number);
            if let Some(writer) = &sender.0 {
                writer.write(text.as_bytes());
            }
        }
        (sent, last)
    }

    /// The number of subscribers.
    pub fn subscriber_count(&self) -> usize {
        self.0.subscribers.borrow().len()
    }

    /// Calls `f` whenever a subscriber has come or gone, in place of an earlier one.
    pub fn on_change(&self, f: impl Fn(&EventChannel) + 'static) {
        drop(self.0.on_change.replace(Some(Rc::new(f))));
    }
}

impl fmt::Debug for EventChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventChannel({} subscribers)", self.subscriber_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_the_standard_reads_it() {
        for (event, text) in [
            (Event::data(""), "data: \n\n"),
            (Event::data("a\r\nb\rc\nd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
            (Event::data("x").named("n\ndata: y").with_id("1\0\r2"), "event: n\nid: 1\ndata: x\n\n"),
            (Event::data(": x").with_retry(500), "retry: 500\ndata: : x\n\n"),
        ] {
            assert_eq!(event.to_string(), text);
        }
    }
}
