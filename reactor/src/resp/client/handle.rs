//! [`Client`]: commands out, replies in, over one connection that comes back when it is lost.
//!
//! Next: `settings.rs`, its limits.

use super::events::{Invalidation, SubscriptionEvent, Tracking};
use super::machine::{Inner, Layer};
use super::registry::Topic;
use super::settings::ClientSettings;
use super::subscriptions::Subscription;
use crate::foreign::Foreign;
use crate::resp::command::Command;
use crate::resp::value::Value;
use crate::{Deferred, Destination, Failure, Reactor, Reason};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A client of one server: commands in, Deferreds out. Cheap to clone; clones share the connection.
///
/// ```no_run
/// use reactor::{Failure, Reactor};
/// use reactor::resp::Client;
///
/// let reactor = Reactor::new()?;
/// let client = Client::new(&reactor, "127.0.0.1:6379");
/// client.start();
/// // Both leave in one write, and the second does not wait for the first.
/// client.command(["SET", "greeting", "hello"]).detach();
/// let greeting = client.command(["GET", "greeting"]).add_callback(|value| println!("{value:?}"));
/// reactor.run_until(greeting)?;
/// # Ok::<(), Failure>(())
/// ```
///
/// # Contract
///
/// * Commands are sent in the order of the calls, and answered in it. All commands of one turn of the loop leave in one
///   write.
/// * A command fires with its reply; with a [`ServerError`](crate::resp::ServerError) if that is an error; with a
///   [`CommandError`](super::CommandError) if there is none.
/// * **A command is never sent twice.** If the connection is lost before the reply, the command fails, and its error
///   says that it may have run. A command that was not sent yet waits for the next connection.
/// * Every command has a deadline, and ends at it with a failure at the latest.
/// * Cancelling takes a command out. If it was sent already, its reply is skipped when it comes.
/// * Commands without a reply are limited, in number and in bytes. Beyond that they fail at once.
/// * A server that breaks the protocol, sends a reply that nobody asked for, or owes one and is silent, loses its
///   connection ([`ServerFault`](super::ServerFault)).
///
/// It connects after [`start`](Client::start); what comes before waits. It stops with the run of its reactor, as a
/// [`ClientService`](crate::service::ClientService) does, and has to be started again for another one.
///
/// Dropping the last handle closes the connection as soon as no command waits for a reply. [`stop`](Client::stop)
/// closes it now.
#[derive(Clone)]
pub struct Client {
    held: Rc<Held>,
}

/// What the handles share. The last one that is dropped lets the client end.
struct Held {
    inner: Rc<Inner>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.handles_gone();
    }
}

impl Client {
    /// A client of the server at `destination`, with the default settings. It does nothing before
    /// [`start`](Client::start).
    #[track_caller]
    pub fn new(reactor: &Reactor, destination: impl Into<Destination>) -> Client {
        Client::of(Inner::new(reactor, destination.into(), None))
    }

    pub(super) fn of(inner: Rc<Inner>) -> Client {
        Client { held: Rc::new(Held { inner }) }
    }

    pub(super) fn inner(&self) -> &Rc<Inner> {
        &self.held.inner
    }

    /// Sets the settings; those of the connection count from the next one on.
    pub fn with_settings(self, settings: ClientSettings) -> Client {
        self.held.inner.set_settings(settings);
        self
    }

    /// Speaks TLS from the next connection on, with the server of this name. Needs the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn over_tls(self, tls: &crate::tls::TlsClient, server_name: &str) -> Client {
        let (tls, server_name) = (tls.clone(), server_name.to_owned());
        self.with_layer(Some(Rc::new(move |service| service.over_tls(&tls, &server_name))))
    }

    pub(in crate::resp) fn with_layer(self, layer: Option<Layer>) -> Client {
        if let Some(layer) = &layer {
            let service = layer(self.held.inner.service.borrow().clone());
            drop(self.held.inner.service.replace(service));
        }
        drop(self.held.inner.layer.replace(layer));
        self
    }

    /// Has the server tell which keys have changed, so that the program can remember values: each value that this
    /// client reads is the present one until `on_invalidation` is called for its key, or for
    /// [`Everything`](Invalidation::Everything). That is called when the connection is lost; the next one begins with
    /// the same request, before any command.
    ///
    /// To be called before [`start`](Client::start). It needs RESP3 (Redis 6): with a server that has not got it, no
    /// connection is made ([`NeedsResp3`](super::NeedsResp3)). A server that vanishes without a word is noticed after
    /// [`ping_interval`](ClientSettings::ping_interval) and [`silence_timeout`](ClientSettings::silence_timeout)
    /// together: for that long, a remembered value may be an old one.
    pub fn with_tracking(self, tracking: Tracking, on_invalidation: impl FnMut(Invalidation<'_>) + 'static) -> Client {
        let on_invalidation: Box<dyn FnMut(Invalidation<'_>)> = Box::new(on_invalidation);
        let on_invalidation = RefCell::new(Foreign::new(on_invalidation));
        drop(self.held.inner.tracking.replace(Some((tracking, on_invalidation))));
        self
    }

    /// Begins to connect. Does nothing if it has begun. Returns itself, for the next call.
    pub fn start(&self) -> &Client {
        self.held.inner.start();
        self
    }

    /// Closes the connection, and tries no more. Commands that were not sent fail before this returns, those that were
    /// when the connection is gone; then this fires. Subscriptions are lost; after another [`start`](Client::start)
    /// they begin again.
    #[track_caller]
    pub fn stop(&self) -> Deferred<()> {
        self.held.inner.stop()
    }

    /// Sends a command. Fires with its reply.
    ///
    /// Commands that would change the connection for others are refused
    /// ([`NotAllowed`](super::NotAllowed)): the settings have what `AUTH`, `SELECT` and `HELLO` do; transactions stand
    /// in a [`batch`](Client::batch).
    #[track_caller]
    pub fn command<'a>(&self, command: impl Into<Command<'a>>) -> Deferred<Value> {
        let time = self.held.inner.settings.borrow().command_timeout;
        self.held.inner.command(&command.into(), time)
    }

    /// As [`command`](Client::command), with a time of its own instead of
    /// [`ClientSettings::command_timeout`]: for a command that blocks in the server, longer than it blocks. The
    /// commands behind it wait for it, as their replies do; a client of its own is better for such commands.
    #[track_caller]
    pub fn command_within<'a>(&self, time: Duration, command: impl Into<Command<'a>>) -> Deferred<Value> {
        self.held.inner.command(&command.into(), time)
    }

    /// Sends commands together: on one connection, with nothing between them. Fires with all replies; an error among
    /// them is a [`Value::Error`]. If the connection is lost before the last reply, the batch fails as a whole.
    ///
    /// It is the place for a transaction, and for `WAIT`, which asks about writes on its own connection:
    ///
    /// ```no_run
    /// # use reactor::{Failure, Reactor, resp::Client};
    /// # let reactor = Reactor::new()?;
    /// # let client = Client::new(&reactor, "127.0.0.1:6379");
    /// let replies = client.batch([&["SET", "a", "1"][..], &["WAIT", "1", "100"]].map(|words| {
    ///     reactor::resp::Command::new(words[0]).args(words[1..].iter().copied())
    /// }));
    /// # drop(replies);
    /// # Ok::<(), Failure>(())
    /// ```
    #[track_caller]
    pub fn batch<'a, C: Into<Command<'a>>>(&self, commands: impl IntoIterator<Item = C>) -> Deferred<Vec<Value>> {
        let time = self.held.inner.settings.borrow().command_timeout;
        self.batch_within(time, commands)
    }

    /// As [`batch`](Client::batch), with a time of its own.
    #[track_caller]
    pub fn batch_within<'a, C: Into<Command<'a>>>(
        &self,
        time: Duration,
        commands: impl IntoIterator<Item = C>,
    ) -> Deferred<Vec<Value>> {
        let commands: Vec<Command<'a>> = commands.into_iter().map(C::into).collect();
        self.held.inner.batch(&commands, time)
    }

    /// Listens to a channel, as long as the [`Subscription`] lives. `on_event` hears each message, and when the
    /// subscription begins, is lost with its connection, and begins again. It is not called before this returns.
    ///
    /// With RESP3 the messages come on the connection of the commands, in order with their replies: what is published
    /// after a command is heard after its reply. With RESP2 they come on a connection of their own.
    ///
    /// ```no_run
    /// # use reactor::{Failure, Reactor, resp::Client};
    /// use reactor::resp::SubscriptionEvent;
    /// # let reactor = Reactor::new()?;
    /// # let client = Client::new(&reactor, "127.0.0.1:6379");
    /// let subscription = client.subscribe("news", |event| match event {
    ///     SubscriptionEvent::Message(message) => println!("{}", message.payload.escape_ascii()),
    ///     other => println!("{other:?}"),
    /// });
    /// # drop(subscription);
    /// # Ok::<(), Failure>(())
    /// ```
    pub fn subscribe(
        &self,
        channel: impl Into<Vec<u8>>,
        on_event: impl FnMut(SubscriptionEvent<'_>) + 'static,
    ) -> Subscription {
        let topic = Topic { is_pattern: false, name: channel.into() };
        Subscription::new(self.clone(), topic, Box::new(on_event))
    }

    /// As [`subscribe`](Client::subscribe), to all channels that fit a pattern: `*`, `?` and `[...]` as in file names.
    pub fn subscribe_pattern(
        &self,
        pattern: impl Into<Vec<u8>>,
        on_event: impl FnMut(SubscriptionEvent<'_>) + 'static,
    ) -> Subscription {
        let topic = Topic { is_pattern: true, name: pattern.into() };
        Subscription::new(self.clone(), topic, Box::new(on_event))
    }

    /// As [`command_within`](Client::command_within), for a command that the caller keeps.
    #[track_caller]
    pub(in crate::resp) fn send_one(&self, command: &Command<'_>, time: Duration) -> Deferred<Value> {
        self.held.inner.command(command, time)
    }

    /// As [`batch_within`](Client::batch_within), for commands that the caller keeps.
    #[track_caller]
    pub(in crate::resp) fn send_all(&self, commands: &[Command<'_>], time: Duration) -> Deferred<Vec<Value>> {
        self.held.inner.batch(commands, time)
    }

    /// Fires when there is room for more commands: at once if there is any, otherwise when half of what the settings
    /// allow is free. A program that produces commands faster than the server answers them waits for this.
    #[track_caller]
    pub fn when_there_is_room(&self) -> Deferred<()> {
        self.held.inner.when_there_is_room()
    }

    /// Fires when there is a connection, logged in; at once if it is there. Fails when the client is stopped.
    #[track_caller]
    pub fn when_connected(&self) -> Deferred<()> {
        let service = self.held.inner.service.borrow().clone();
        service.when_connected()
    }

    /// As [`when_connected`](Client::when_connected), but fails when `failures` attempts have failed, with the failure
    /// of the last one: a wrong password, for example.
    #[track_caller]
    pub fn when_connected_within(&self, failures: u32) -> Deferred<()> {
        let service = self.held.inner.service.borrow().clone();
        service.when_connected_within(failures)
    }

    /// As the service's: for the cluster, which asks others then what has become of this server.
    pub(in crate::resp) fn set_on_down(&self, on_down: impl Fn() + 'static) {
        self.held.inner.service.borrow().set_on_down(on_down);
    }

    /// Whether there is a connection, logged in and not closing.
    pub fn is_connected(&self) -> bool {
        self.held.inner.is_ready()
    }

    /// Why there is no connection: as [`ClientService::last_failure`](crate::service::ClientService::last_failure). If
    /// this client has broken the last one off, it is the [`ServerFault`](super::ServerFault) for which it did.
    pub fn last_failure(&self) -> Option<Failure> {
        let failure = self.held.inner.service.borrow().last_failure()?;
        let ending = match failure.check() {
            Some(Reason::Aborted) => self.held.inner.last_ending.borrow().clone(),
            _ => None,
        };
        Some(ending.unwrap_or(failure))
    }

    /// Number of commands without a reply.
    pub fn waiting_count(&self) -> usize {
        self.held.inner.pipeline.borrow().commands()
    }

    /// Where it connects to.
    pub fn destination(&self) -> Destination {
        self.held.inner.service.borrow().destination().clone()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?}, {} commands without a reply)", self.held.inner.service.borrow(), self.waiting_count())
    }
}
