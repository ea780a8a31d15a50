//! The RESP client with real servers, which the tests start: Debian's package `redis-server`. Without it, each test
//! reports SKIPPED.

mod alone;
#[path = "../util/certificates.rs"]
mod certificates;
mod channels;
mod cluster;
#[path = "../util/pem.rs"]
mod pem;
mod server;
#[path = "../util/skip.rs"]
mod skip;
mod trouble;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;

use reactor::resp::{Client, ClientSettings, CommandError, ServerError, Value};
use reactor::service::Backoff;
use reactor::{Deferred, Failure, Reactor};
use server::Server;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Default settings for a server that has just been started, changed.
pub(crate) fn settings(change: impl FnOnce(&mut ClientSettings)) -> ClientSettings {
    let mut settings = ClientSettings::default();
    settings.service.backoff = Backoff::default().shortest(MS).first(20 * MS).longest(50 * MS);
    change(&mut settings);
    settings
}

pub(crate) fn client_with(reactor: &Reactor, server: &Server, settings: ClientSettings) -> Client {
    let client = Client::new(reactor, ("127.0.0.1", server.port)).with_settings(settings);
    client.start();
    client
}

pub(crate) fn client(reactor: &Reactor, server: &Server) -> Client {
    client_with(reactor, server, settings(|_| {}))
}

/// The value of a command, as text.
#[track_caller]
pub(crate) fn show(reactor: &Reactor, deferred: Deferred<Value>) -> String {
    match wait::wait(reactor, deferred) {
        Ok(value) => format!("{value:?}"),
        Err(failure) => in_short(&failure),
    }
}

pub(crate) fn in_short(failure: &Failure) -> String {
    if let Some(error) = failure.check::<ServerError>() {
        return format!("error {}", error.code());
    }
    match failure.check::<CommandError>() {
        Some(error) => format!("{:?}: {}", error.stage(), error.reason().value()),
        None => failure.value().to_string(),
    }
}

/// What was heard, in order.
#[derive(Clone, Default)]
pub(crate) struct Heard(Rc<RefCell<Vec<String>>>);

impl Heard {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    #[track_caller]
    pub(crate) fn until(&self, reactor: &Reactor, count: usize) -> Vec<String> {
        util::until(reactor, "something is heard", || self.0.borrow().len() >= count);
        self.all()
    }
}
