//! [`Cluster`]: commands to the servers of a cluster, each to the one that has its keys.
//!
//! Next: `../../producers/mod.rs`, sources that write no faster than the peer reads.

use super::core::Core;
use super::journey::{Journey, travel};
use super::settings::{ClusterError, ClusterSettings};
use crate::resp::client::{Client, CommandError, CommandStage, Invalidation, TooManyWaiting, Tracking};
use crate::resp::command::Command;
use crate::resp::error::CrossSlotError;
use crate::resp::value::Value;
use crate::service::ServiceError;
use crate::{Deferred, Destination, Failure, Reactor, deferred};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A hundred years: adding `Duration::MAX` to an instant would overflow.
const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A client of a cluster. It knows which server has which slots, and has a [`Client`] for each server that it needs.
/// Cheap to clone.
///
/// ```no_run
/// use reactor::resp::{Cluster, Command};
/// use reactor::{Failure, Reactor};
///
/// let reactor = Reactor::new()?;
/// let cluster = Cluster::new(&reactor, ["10.0.0.1:7000", "10.0.0.2:7000"]);
/// cluster.start();
/// let set = cluster.command(Command::new("SET").key("{client:7}.place").arg("home"));
/// reactor.run_until(set)?;
/// # Ok::<(), Failure>(())
/// ```
///
/// # Contract
///
/// That of [`Client`] holds for each server. Besides:
///
/// * The program marks the keys of a command ([`Command::key`]). All of them must be in one slot; otherwise the command
///   fails at once with a [`CrossSlotError`](crate::resp::CrossSlotError).
/// * A command that is redirected (`MOVED`, `ASK`) was not carried out, so it is sent again, to the other server. So is
///   one that could not be sent, or that a server cannot take now (`TRYAGAIN`, `CLUSTERDOWN`, `LOADING`): after a
///   pause, with a new map, until its time is over. A command that was sent and got no reply fails: it may have run.
/// * Commands to one server keep their order, unless one of them is redirected.
#[derive(Clone)]
pub struct Cluster {
    core: Rc<Core>,
}

impl Cluster {
    /// A client of the cluster to which one of these servers belongs, with the default settings. It does nothing before
    /// [`start`](Cluster::start).
    pub fn new<D: Into<Destination>>(reactor: &Reactor, seeds: impl IntoIterator<Item = D>) -> Cluster {
        Cluster { core: Core::new(reactor, seeds.into_iter().map(D::into).collect()) }
    }

    /// Sets the settings, for servers to which it does not connect yet.
    pub fn with_settings(self, settings: ClusterSettings) -> Cluster {
        *self.core.settings.borrow_mut() = Rc::new(settings);
        self
    }

    /// Speaks TLS with all servers. Their certificates must be for this name. Needs the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn over_tls(self, tls: &crate::tls::TlsClient, server_name: &str) -> Cluster {
        let (tls, server_name) = (tls.clone(), server_name.to_owned());
        self.core.set_layer(Rc::new(move |service| service.over_tls(&tls, &server_name)));
        self
    }

    /// As [`Client::with_tracking`], at every server. If the connection to any of them is lost, or a server leaves the
    /// cluster, [`Everything`](Invalidation::Everything) is invalid.
    pub fn with_tracking(self, tracking: Tracking, on_invalidation: impl FnMut(Invalidation<'_>) + 'static) -> Cluster {
        self.core.set_tracking(tracking, Rc::new(RefCell::new(on_invalidation)));
        self
    }

    /// Begins to ask for the map. Returns itself, for the next call.
    pub fn start(&self) -> &Cluster {
        self.core.start();
        self
    }

    /// Closes all connections. Fires when they are gone. Commands fail as with [`Client::stop`].
    #[track_caller]
    pub fn stop(&self) -> Deferred<()> {
        self.core.stop()
    }

    /// Fires when there is a map of the cluster; at once if it is there.
    #[track_caller]
    pub fn when_ready(&self) -> Deferred<()> {
        self.core.when_ready()
    }

    /// Sends a command to the server that has its keys. Fires as that of [`Client::command`] does.
    #[track_caller]
    pub fn command<'a>(&self, command: impl Into<Command<'a>>) -> Deferred<Value> {
        let time = self.core.settings().client.command_timeout;
        self.command_within(time, command)
    }

    /// As [`command`](Cluster::command), with a time of its own.
    #[track_caller]
    pub fn command_within<'a>(&self, time: Duration, command: impl Into<Command<'a>>) -> Deferred<Value> {
        self.send(time, vec![command.into().into_owned()]).add_callback(|mut replies| match replies.pop() {
            Some(Value::Error(error)) => Err(error.into()),
            Some(value) => Ok(value),
            None => Err(Failure::msg("a reply is missing")), // One command has one reply.
        })
    }

    /// Sends commands together, to the server that has their keys: see [`Client::batch`]. Commands without keys, such
    /// as `MULTI` and `WAIT`, go with the others.
    ///
    /// If the server has carried out none of them, because their slot has moved, the batch follows it. If it has
    /// carried out some, their replies tell, `MOVED` among them. A transaction is not sent with `ASKING`; it waits
    /// until its slot has moved.
    #[track_caller]
    pub fn batch<'a, C: Into<Command<'a>>>(&self, commands: impl IntoIterator<Item = C>) -> Deferred<Vec<Value>> {
        let time = self.core.settings().client.command_timeout;
        self.batch_within(time, commands)
    }

    /// As [`batch`](Cluster::batch), with a time of its own.
    #[track_caller]
    pub fn batch_within<'a, C: Into<Command<'a>>>(
        &self,
        time: Duration,
        commands: impl IntoIterator<Item = C>,
    ) -> Deferred<Vec<Value>> {
        self.send(time, commands.into_iter().map(|command| command.into().into_owned()).collect())
    }

    #[track_caller]
    fn send(&self, time: Duration, commands: Vec<Command<'static>>) -> Deferred<Vec<Value>> {
        let Some(first) = commands.first() else { return deferred::succeed(Vec::new()) };
        let not_sent =
            |reason: Failure| CommandError::new(CommandStage::NotSent, &first.name().to_ascii_uppercase(), reason);
        let slot = match common_slot(&commands) {
            Ok(slot) => slot,
            Err(reason) => return deferred::fail(not_sent(reason)),
        };
        let bytes = commands.iter().map(Command::wire_size).sum();
        if let Err(reason) = self.check_room(commands.len(), bytes) {
            return deferred::fail(not_sent(reason));
        }
        let Some(reactor) = self.core.reactor.upgrade() else {
            return deferred::fail(not_sent(ServiceError::Stopped.into()));
        };
        let (count, core) = (commands.len(), Rc::downgrade(&self.core));
        let end = reactor.now() + time.min(MAX_TIME);
        let journey = Journey { core: core.clone(), commands, slot, end };
        Deferred::from_future(travel(journey)).add_both(move |result| {
            if let Some(core) = core.upgrade() {
                core.commands.set(core.commands.get() - count);
                core.bytes.set(core.bytes.get() - bytes);
            }
            result
        })
    }

    /// Takes room for a command.
    fn check_room(&self, count: usize, size: usize) -> Result<(), Failure> {
        let (core, settings) = (&self.core, self.core.settings());
        let (commands, bytes) = (core.commands.get(), core.bytes.get());
        if !core.is_running() {
            return Err(ServiceError::Stopped.into());
        }
        if commands >= settings.max_commands || bytes.saturating_add(size) > settings.max_bytes {
            return Err(TooManyWaiting { commands, bytes }.into());
        }
        core.commands.set(commands + count);
        core.bytes.set(bytes + size);
        Ok(())
    }

    /// Sends a command to every server that has slots: `FUNCTION LOAD`, `FLUSHALL`, `DBSIZE`. Fires when all have
    /// answered or failed, with the address of each and what became of it there. Nothing is redirected or tried again.
    #[track_caller]
    pub fn on_every_primary<'a>(
        &self,
        command: impl Into<Command<'a>>,
    ) -> Deferred<Vec<(String, Result<Value, Failure>)>> {
        let command = command.into().into_owned();
        let time = self.core.settings().client.command_timeout;
        let core = Rc::downgrade(&self.core);
        self.when_ready().add_callback(move |()| {
            let addresses = core.upgrade().map(|core| core.primaries()).unwrap_or_default();
            let all = addresses.into_iter().map(|address| {
                let node = core.upgrade().and_then(|core| core.node(&address));
                let sent = node.map_or_else(|| deferred::fail(ServiceError::Stopped), |it| it.send_one(&command, time));
                sent.add_both(move |result| Ok((address.to_string(), result)))
            });
            let all: Vec<Deferred<(String, Result<Value, Failure>)>> = all.collect();
            deferred::deferred_list(all).add_callback(|results| Ok(results.into_iter().flatten().collect::<Vec<_>>()))
        })
    }

    /// Sends a command to the primary at this address, as [`primaries`](Cluster::primaries) has it. Nothing is
    /// redirected or tried again. Fails with [`ClusterError::NotAPrimary`] if the map has no such primary.
    #[track_caller]
    pub fn on_primary<'a>(&self, address: &str, command: impl Into<Command<'a>>) -> Deferred<Value> {
        let found = self.core.primaries().into_iter().find(|primary| primary.to_string() == address);
        match found.and_then(|found| self.core.node(&found)) {
            Some(node) => node.send_one(&command.into(), self.core.settings().client.command_timeout),
            None => deferred::fail(ClusterError::NotAPrimary),
        }
    }

    /// The client of the server that has this slot now, if the map says: for subscriptions, or a look at one server. It
    /// follows no redirects, and refuses commands while its server is down.
    pub fn client_of_slot(&self, slot: u16) -> Option<Client> {
        self.core.node(&self.core.address_of(slot)?)
    }

    /// The server that has this slot now, if the map says.
    pub fn primary_of_slot(&self, slot: u16) -> Option<String> {
        self.core.address_of(slot).map(|address| address.to_string())
    }

    /// The place in [`primaries`](Cluster::primaries) of the server that has this slot now: a cheap way to find slots
    /// of one server. It may be another one as soon as the map changes.
    pub fn place_of_slot(&self, slot: u16) -> Option<u16> {
        self.core.place_of(slot)
    }

    /// The servers that have slots, as the map says.
    pub fn primaries(&self) -> Vec<String> {
        self.core.primaries().iter().map(ToString::to_string).collect()
    }

    /// Whether there is a map, and a connection to each server that the client has needed so far.
    pub fn is_connected(&self) -> bool {
        self.core.is_connected()
    }

    /// Why there is no map: what a server has answered, or why no connection to it was made. `None` if there is a map,
    /// and before the first attempt is over.
    pub fn last_failure(&self) -> Option<Failure> {
        self.core.last_failure()
    }

    /// Number of commands without a reply.
    pub fn waiting_count(&self) -> usize {
        self.core.commands.get()
    }
}

/// The slot of all keys in these commands.
fn common_slot(commands: &[Command<'_>]) -> Result<u16, Failure> {
    let mut found = None;
    for command in commands {
        match (found, command.slot()?) {
            (Some(slot), Some(other)) if slot != other => return Err(CrossSlotError { slot, other }.into()),
            (None, slot) => found = slot,
            (Some(_), _) => {}
        }
    }
    Ok(found.ok_or(ClusterError::NoKey)?)
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({} primaries, {} commands without a reply)", self.primaries().len(), self.waiting_count())
    }
}
