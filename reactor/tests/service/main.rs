//! `ClientService` in the simulated world: it comes back, it does not crowd, and it stops.

#[path = "../util/certificates.rs"]
mod certificates;
mod coming_back;
#[path = "../util/events.rs"]
mod events;
mod preparing;
mod stopping;
mod tls;
mod waiting;

use events::{Events, Noting};
use reactor::service::{ClientService, ServiceSettings};
use reactor::sim::{Host, Latency, LinkSettings, World, WorldSettings};
use reactor::{Deferred, Failure, Reactor, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const PORT: u16 = 8007;

/// A world in which every link takes exactly 10 ms, and a look-up 5 ms.
pub(crate) fn world(seed: u64) -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(10 * MS));
    settings.lookup = Latency::Fixed(5 * MS);
    World::with_settings(seed, settings)
}

/// A server that notes what its connections meet.
pub(crate) fn server(world: &World, events: &Events) -> Host {
    server_with(world, events, |noting| noting)
}

pub(crate) fn server_with(world: &World, events: &Events, shape: impl Fn(Noting) -> Noting + Clone + 'static) -> Host {
    let events = events.clone();
    world.host("server", move |reactor| {
        let (events, shape) = (events.clone(), shape.clone());
        reactor.listen_tcp("0.0.0.0:8007", move |_| shape(Noting::new(&events))).unwrap();
    })
}

/// Closes each connection as soon as it is made.
pub(crate) fn closing(noting: Noting) -> Noting {
    Noting { made: Box::new(|transport| transport.lose_connection()), ..noting }
}

/// A client with the service that `make` makes.
pub(crate) fn client_with<T: Clone + 'static>(
    world: &World,
    make: impl Fn(&Reactor) -> ClientService<T> + 'static,
) -> (Host, ClientService<T>) {
    let made: Rc<RefCell<Option<ClientService<T>>>> = Rc::default();
    let keep = made.clone();
    let host = world.host("client", move |reactor| *keep.borrow_mut() = Some(make(reactor)));
    let service = made.take().expect("the client has begun");
    (host, service)
}

/// A client with a service that connects to `server` and notes what its connections meet. It is not started.
pub(crate) fn client(world: &World, events: &Events) -> (Host, ClientService) {
    let events = events.clone();
    client_with(world, move |reactor| {
        let events = events.clone();
        ClientService::new(reactor, ("server", PORT), move |_| Noting::new(&events))
    })
}

/// Notes the result under this name.
pub(crate) fn noting<T>(name: &'static str, deferred: Deferred<T>, events: &Events) {
    let (up, down) = (events.clone(), events.clone());
    deferred
        .add_callbacks(move |_| up.note(name), move |failure: Failure| down.note(format!("{name}: {failure}")))
        .detach();
}

/// The last transport that the service gave.
pub(crate) fn transport_of(service: &ClientService) -> Transport {
    service.when_connected().result().expect("it is connected")
}

/// Default settings, changed.
pub(crate) fn settings(change: impl FnOnce(&mut ServiceSettings)) -> ServiceSettings {
    let mut settings = ServiceSettings::default();
    change(&mut settings);
    settings
}

/// Whether the client's reactor has nothing open and nothing planned.
pub(crate) fn has_nothing_left(host: &Host) -> bool {
    host.reactor().is_none_or(|reactor| reactor.inventory().is_empty())
}
