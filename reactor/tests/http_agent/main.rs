//! The HTTP client against servers written by hand, all on one loop.

#[path = "../util/certificates.rs"]
mod certificates;
#[path = "../util/driver.rs"]
mod driver;
#[path = "../util/pem.rs"]
mod pem;
#[path = "../util/skip.rs"]
mod skip;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;

mod bodies;
mod cancel;
mod deadlines;
mod errors;
mod gzip;
mod nginx;
mod pool;
mod proxy;
mod redirects;
mod requests;
mod server;
mod stale;
mod timing;
mod tls;

use driver::{Hooks, edited};
use reactor::http::{Agent, AgentError, AgentSettings, Page, Request, Stage};
use reactor::tls::TrustRoots;
use reactor::{Deferred, Failure, Reactor, Settings};
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;
use util::until;

const SECOND: Duration = Duration::from_secs(1);

/// A reactor with a clock that tests advance by hand.
fn with_clock() -> (Reactor, Hooks) {
    let hooks = Hooks::default();
    (edited(&hooks, Settings::default()), hooks)
}

fn forward(hooks: &Hooks, by: Duration) {
    hooks.ahead.set(hooks.ahead.get() + by);
}

fn agent(reactor: &Reactor, set: impl FnOnce(&mut AgentSettings)) -> Agent {
    agent_trusting(reactor, &TrustRoots::web(), set)
}

fn agent_trusting(reactor: &Reactor, roots: &TrustRoots, set: impl FnOnce(&mut AgentSettings)) -> Agent {
    let mut settings = AgentSettings::default();
    set(&mut settings);
    Agent::with_settings(reactor, roots, settings).unwrap()
}

fn get(url: &str) -> Request {
    Request::get(url.parse().unwrap())
}

/// The result of a request, when it comes.
struct Outcome<T>(Rc<RefCell<Option<Result<T, Failure>>>>, Deferred<()>);

fn outcome<T: 'static>(deferred: Deferred<T>) -> Outcome<T> {
    let result = Rc::default();
    let note: Rc<RefCell<Option<Result<T, Failure>>>> = Rc::clone(&result);
    let chain = deferred.add_both(move |result| drop(note.borrow_mut().replace(result)));
    Outcome(result, chain)
}

impl<T: 'static> Outcome<T> {
    fn is_there(&self) -> bool {
        self.1.has_fired()
    }

    #[track_caller]
    fn get(self, reactor: &Reactor) -> Result<T, Failure> {
        until(reactor, "the outcome is there", || self.is_there());
        self.0.take().expect("it is there")
    }
}

fn body(page: Result<Page, Failure>) -> String {
    String::from_utf8(page.unwrap().body).unwrap()
}

/// How far the request came, and its reason as an `E`.
#[track_caller]
fn failed<T, E: Error + Clone + 'static>(result: Result<T, Failure>) -> (Stage, E) {
    let Err(failure) = result else { panic!("it did not fail") };
    let error: &AgentError = failure.check().unwrap_or_else(|| panic!("no AgentError: {failure:?}"));
    let reason = error.reason().check::<E>().unwrap_or_else(|| panic!("another reason: {error:?}"));
    (error.stage(), reason.clone())
}

/// Nothing of the agent's is left: no connection, no timer, no waiting request. `others` is the number of the test's
/// own sources.
#[track_caller]
fn assert_nothing_is_left(reactor: &Reactor, agent: &Agent, others: usize) {
    until(reactor, "the connections are gone", || {
        reactor.source_count() == others && agent.open_connection_count() == 0
    });
    assert_eq!((agent.idle_connection_count(), agent.waiting_request_count()), (0, 0));
    assert_eq!(reactor.delayed_call_count(), 0);
}
