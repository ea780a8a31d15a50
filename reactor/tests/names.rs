//! Look-ups of host names: callers share them, answers are kept for a while, and silent names hold up no others.

#[path = "util/driver.rs"]
mod driver;
mod util;

use driver::{Hooks, edited};
use reactor::driver::{LookupReply, MAX_LOOKUPS};
use reactor::error::ConnectError;
use reactor::http::{Agent, AgentSettings, Request};
use reactor::testing::success_result_of;
use reactor::tls::TrustRoots;
use reactor::{Deferred, Failure, Protocol, Reactor, Settings, Transport};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use util::until;

const MS: Duration = Duration::from_millis(1);

/// A loop with look-ups that the test answers.
struct World {
    reactor: Reactor,
    hooks: Hooks,
    /// What the driver was asked for and has not answered.
    asked: Rc<RefCell<Vec<(String, LookupReply)>>>,
}

impl World {
    fn new() -> World {
        World::with_settings(Settings::default())
    }

    fn with_settings(settings: Settings) -> World {
        let (hooks, asked) = (Hooks::default(), Rc::<RefCell<Vec<(String, LookupReply)>>>::default());
        let keep = asked.clone();
        *hooks.resolve.borrow_mut() = Some(Box::new(move |host, reply| keep.borrow_mut().push((host.into(), reply))));
        World { reactor: edited(&hooks, settings), hooks, asked }
    }

    /// The names that the driver has been asked for and has not answered.
    fn asked(&self) -> Vec<String> {
        self.asked.borrow().iter().map(|(host, _)| host.clone()).collect()
    }

    /// Answers the oldest look-up.
    fn answer(&self, answer: io::Result<Vec<IpAddr>>) {
        let (_, reply) = self.asked.borrow_mut().remove(0);
        reply(answer.map(|found| found.into_iter().map(|ip| (ip, 0).into()).collect()));
        self.turn();
    }

    fn turn(&self) {
        let turned = Rc::new(Cell::new(false));
        let turn = turned.clone();
        self.reactor.call_later(Duration::ZERO, move || turn.set(true));
        until(&self.reactor, "a turn", || turned.get());
    }

    fn advance(&self, by: Duration) {
        self.hooks.ahead.set(self.hooks.ahead.get() + by);
        self.turn();
    }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// How a look-up has ended, as text.
fn outcome(lookup: Deferred<Vec<IpAddr>>) -> Rc<RefCell<String>> {
    let told: Rc<RefCell<String>> = Rc::default();
    let seen = told.clone();
    lookup
        .add_both(move |result: Result<Vec<IpAddr>, Failure>| {
            *seen.borrow_mut() = match result {
                Ok(addresses) => format!("{addresses:?}"),
                Err(failure) => match failure.check::<ConnectError>() {
                    Some(ConnectError::NameLookup { error, .. }) => error.to_string(),
                    _ => failure.to_string(),
                },
            };
        })
        .detach();
    told
}

#[test]
fn callers_of_one_name_share_a_look_up() {
    let world = World::new();
    let told: Vec<_> = (0..5).map(|_| outcome(world.reactor.resolve("one.test"))).collect();
    let other = outcome(world.reactor.resolve_in("mail", "one.test"));
    let connector = world.reactor.connect_tcp(("one.test", 1), |_peer| NoProtocol);
    world.turn();
    assert_eq!(world.asked(), ["one.test"], "whatever it is for");
    connector.stop_connecting();
    world.answer(Ok(vec![ip(1)]));
    for told in told.iter().chain([&other]) {
        assert_eq!(*told.borrow(), "[192.0.2.1]");
    }
    assert_eq!(world.reactor.delayed_call_count(), 0, "no time limit is left behind");
}

struct NoProtocol;

impl Protocol for NoProtocol {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn an_answer_is_used_again_for_five_seconds_and_a_failure_for_one() {
    // The loop's clock also goes on by itself, so what is to be before a limit is well before it.
    let world = World::new();
    drop(world.reactor.resolve("one.test"));
    world.answer(Ok(vec![ip(1)]));
    world.advance(4500 * MS);
    assert_eq!(success_result_of(world.reactor.resolve("one.test")), [ip(1)]);
    assert_eq!(world.asked(), [""; 0]);
    world.advance(500 * MS);
    let told = outcome(world.reactor.resolve("one.test"));
    world.answer(Err(io::Error::other("no such name")));
    assert_eq!(*told.borrow(), "no such name", "the newer answer counts");
    world.advance(500 * MS);
    assert_eq!(*outcome(world.reactor.resolve("one.test")).borrow(), "no such name");
    assert_eq!(world.asked(), [""; 0]);
    world.advance(500 * MS);
    let told = outcome(world.reactor.resolve("one.test"));
    world.answer(Ok(Vec::new()));
    assert_eq!(*told.borrow(), "entity not found");
    assert_eq!(*outcome(world.reactor.resolve("one.test")).borrow(), "entity not found", "no address is a failure");
}

#[test]
fn an_answer_of_before_is_not_used_by_a_caller_that_wants_a_new_one() {
    let world = World::new();
    drop(world.reactor.resolve("one.test"));
    world.answer(Ok(vec![ip(1)]));
    let [anew, shared] = [(); 2].map(|()| outcome(world.reactor.resolve_anew("one.test")));
    assert_eq!(world.asked(), ["one.test"], "callers that wait at the same time share the look-up all the same");
    world.answer(Ok(vec![ip(2)]));
    assert_eq!((&**anew.borrow(), &**shared.borrow()), ("[192.0.2.2]", "[192.0.2.2]"));
    assert_eq!(success_result_of(world.reactor.resolve("one.test")), [ip(2)], "and others get the newer one");
    assert_eq!(success_result_of(world.reactor.resolve_anew("192.0.2.3")), [ip(3)]);
}

#[test]
fn nothing_is_kept_if_the_settings_say_so() {
    let mut settings = Settings::default();
    (settings.lookup_kept, settings.failed_lookup_kept) = (Duration::ZERO, Duration::ZERO);
    let world = World::with_settings(settings);
    for answer in [Ok(vec![ip(1)]), Err(io::Error::other("no"))] {
        drop(world.reactor.resolve("one.test"));
        assert_eq!(world.asked(), ["one.test"]);
        world.answer(answer);
    }
    drop(world.reactor.resolve("one.test"));
    assert_eq!(world.asked(), ["one.test"]);
}

#[test]
fn a_caller_that_gives_up_leaves_the_look_up_to_the_others() {
    let world = World::new();
    let (first, second) = (world.reactor.resolve("one.test"), outcome(world.reactor.resolve("one.test")));
    first.cancel();
    first.add_errback(|_| Ok(Vec::new())).detach();
    world.advance(Settings::default().lookup_timeout);
    assert_eq!(*second.borrow(), "no answer within 10s");
    let third = outcome(world.reactor.resolve("one.test"));
    assert_eq!(world.asked(), ["one.test"], "the thread still waits for the answer: a second one would not be faster");
    world.answer(Ok(vec![ip(1)]));
    assert_eq!(*third.borrow(), "[192.0.2.1]");
}

#[test]
fn an_answer_that_comes_when_all_have_given_up_is_kept_for_the_next() {
    let world = World::new();
    let late = outcome(world.reactor.resolve("one.test"));
    world.advance(Settings::default().lookup_timeout);
    assert_eq!(*late.borrow(), "no answer within 10s");
    world.answer(Ok(vec![ip(1)]));
    assert_eq!(success_result_of(world.reactor.resolve("one.test")), [ip(1)]);
}

#[test]
fn a_callback_that_panics_does_not_keep_the_answer_from_the_others() {
    let world = World::new();
    world.reactor.resolve("one.test").add_callback(|_| -> () { panic!("on purpose") }).detach();
    let second = outcome(world.reactor.resolve("one.test"));
    world.answer(Ok(vec![ip(1)]));
    assert_eq!(*second.borrow(), "[192.0.2.1]");
}

#[test]
fn names_that_never_answer_hold_up_their_own_lane_only() {
    let world = World::new();
    for number in 0..100 {
        drop(world.reactor.resolve(&format!("silent{number}.test")));
    }
    assert_eq!(world.asked().len(), 16, "a lane is bounded");
    let told = outcome(world.reactor.resolve_in("places", "places.test"));
    assert_eq!(world.asked().last().map(String::as_str), Some("places.test"));
    let (_, reply) = world.asked.borrow_mut().pop().unwrap();
    reply(Ok(vec![(ip(7), 0).into()]));
    world.turn();
    assert_eq!(*told.borrow(), "[192.0.2.7]");
    // A name that waits in a lane without a free thread goes through another lane, if it is asked for there.
    let told = outcome(world.reactor.resolve_in("places", "silent99.test"));
    assert_eq!(world.asked().last().map(String::as_str), Some("silent99.test"));
    world.answer(Err(io::Error::other("no")));
    assert_eq!(world.asked().last().map(String::as_str), Some("silent16.test"), "and the lane goes on in its order");
    assert_eq!(*told.borrow(), "");
}

#[test]
fn a_client_of_the_web_looks_names_up_in_the_lane_of_its_settings() {
    let world = World::new();
    for number in 0..16 {
        drop(world.reactor.resolve(&format!("silent{number}.test")));
    }
    let mut settings = AgentSettings::default();
    settings.lookup_lane = "places";
    let agent = Agent::with_settings(&world.reactor, &TrustRoots::web(), settings).unwrap();
    let page = agent.fetch(Request::get("http://places.test/".parse().unwrap()));
    world.turn();
    assert_eq!(world.asked().last().map(String::as_str), Some("places.test"));
    page.cancel();
    page.add_errback(|_| Err(Failure::msg("cancelled"))).detach();
}

#[test]
fn all_lanes_together_ask_for_a_bounded_number_of_names() {
    let world = World::new();
    for lane in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        for number in 0..20 {
            drop(world.reactor.resolve_in(lane, &format!("silent{number}.{lane}.test")));
        }
    }
    assert_eq!(world.asked().len(), MAX_LOOKUPS);
    while !world.asked().is_empty() {
        world.answer(Err(io::Error::other("no")));
    }
    assert_eq!(world.reactor.delayed_call_count(), 0, "and all of them get their turn");
}

#[test]
fn a_name_whose_callers_have_all_given_up_loses_its_turn() {
    let world = World::new();
    let held: Vec<_> = (0..16).map(|number| world.reactor.resolve(&format!("silent{number}.test"))).collect();
    let waiting = world.reactor.resolve("unwanted.test");
    let wanted = outcome(world.reactor.resolve("wanted.test"));
    waiting.cancel();
    waiting.add_errback(|_| Ok(Vec::new())).detach();
    world.answer(Err(io::Error::other("no")));
    assert_eq!(world.asked().last().map(String::as_str), Some("wanted.test"));
    assert_eq!(*wanted.borrow(), "");
    held.into_iter().for_each(|lookup| lookup.add_errback(|_| Ok(Vec::new())).detach());
}

#[test]
fn a_look_up_that_the_driver_drops_is_asked_for_again_by_the_next_caller() {
    let world = World::new();
    let first = outcome(world.reactor.resolve("one.test"));
    drop(world.asked.borrow_mut().pop());
    world.turn();
    assert_eq!(*first.borrow(), "", "it waits for its time limit");
    let second = outcome(world.reactor.resolve("one.test"));
    assert_eq!(world.asked(), ["one.test"]);
    world.answer(Ok(vec![ip(1)]));
    assert_eq!((&**first.borrow(), &**second.borrow()), ("[192.0.2.1]", "[192.0.2.1]"));
}

#[test]
fn a_crowd_of_callers_is_refused_in_its_own_lane_only() {
    let world = World::new();
    let crowd: Vec<_> = (0..4096).map(|_| outcome(world.reactor.resolve("one.test"))).collect();
    let refused = outcome(world.reactor.resolve("one.test"));
    assert_eq!(*refused.borrow(), "too many callers wait for names");
    let other = outcome(world.reactor.resolve_in("places", "one.test"));
    world.answer(Ok(vec![ip(1)]));
    assert!(crowd.iter().chain([&other]).all(|told| *told.borrow() == "[192.0.2.1]"));
}
