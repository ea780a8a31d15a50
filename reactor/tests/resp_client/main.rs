//! The RESP client in the simulated world, with servers that answer what a test has them answer.

mod channels;
mod cluster;
mod ends;
mod faults;
mod limits;
mod login;
mod nodes;
mod order;
mod server;
mod time;
mod tracking;

use reactor::resp::{Client, ClientSettings, CommandError, ServerError, Value};
use reactor::sim::{Host, Latency, LinkSettings, World, WorldSettings};
use reactor::{CancelledError, Deferred, Failure};
use server::Server;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A world in which every link takes exactly 10 ms, and a look-up 5 ms.
pub(crate) fn world(seed: u64) -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(10 * MS));
    settings.lookup = Latency::Fixed(5 * MS);
    World::with_settings(seed, settings)
}

/// Default settings, changed.
pub(crate) fn settings(change: impl FnOnce(&mut ClientSettings)) -> ClientSettings {
    let mut settings = ClientSettings::default();
    change(&mut settings);
    settings
}

/// A started client of the host "server".
pub(crate) fn client_with(world: &World, settings: ClientSettings) -> (Host, Client) {
    let made: Rc<RefCell<Option<Client>>> = Rc::default();
    let keep = made.clone();
    let host = world.host("client", move |reactor| {
        let client = Client::new(reactor, ("server", server::PORT)).with_settings(settings.clone());
        client.start();
        *keep.borrow_mut() = Some(client);
    });
    let client = made.take().expect("the client has begun");
    (host, client)
}

/// A server that answers as a simple one does, and a client that is connected to it.
pub(crate) fn connected(world: &World) -> (Server, Host, Client) {
    connected_with(world, ClientSettings::default())
}

pub(crate) fn connected_with(world: &World, settings: ClientSettings) -> (Server, Host, Client) {
    let server = Server::new(world);
    let (host, client) = client_with(world, settings);
    assert!(world.run_until(SECOND, || client.is_connected()));
    (server, host, client)
}

/// What became of some commands, in order.
#[derive(Clone, Default)]
pub(crate) struct Outcomes(Rc<RefCell<Vec<String>>>);

impl Outcomes {
    pub(crate) fn note<T: std::fmt::Debug + 'static>(&self, name: &str, deferred: Deferred<T>) {
        let (me, name) = (self.clone(), name.to_owned());
        deferred
            .add_both(move |result| {
                let outcome = match result {
                    Ok(value) => format!("{value:?}"),
                    Err(failure) => in_short(&failure),
                };
                me.0.borrow_mut().push(format!("{name}: {outcome}"));
            })
            .detach();
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// A failure in a few words.
pub(crate) fn in_short(failure: &Failure) -> String {
    if failure.check::<CancelledError>().is_some() {
        return "cancelled".to_owned();
    }
    if let Some(error) = failure.check::<ServerError>() {
        return format!("error {}", error.code());
    }
    match failure.check::<CommandError>() {
        Some(error) => format!("{:?}: {}", error.stage(), error.reason().value()),
        None => failure.value().to_string(),
    }
}

/// `[name] for name in names`, each sent with GET.
pub(crate) fn get_all(client: &Client, outcomes: &Outcomes, names: &[&str]) {
    for name in names {
        outcomes.note(name, client.command(["GET", name]));
    }
}

/// The value, which is here.
#[track_caller]
pub(crate) fn now(world: &World, deferred: Deferred<Value>) -> Value {
    let mut deferred = Some(deferred);
    world.run_until(10 * SECOND, || deferred.as_ref().is_none_or(Deferred::has_fired));
    deferred.take().and_then(Deferred::result).expect("a value within ten seconds")
}

/// Whether the client's reactor has nothing open and nothing planned.
pub(crate) fn has_nothing_left(host: &Host) -> bool {
    host.reactor().is_none_or(|reactor| reactor.inventory().is_empty())
}
