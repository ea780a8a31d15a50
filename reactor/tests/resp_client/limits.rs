//! How many commands may be without a reply, and what a producer hears.

use super::*;
use reactor::resp::{Command, TooManyWaiting};
use reactor::testing::success_result_of;

fn refusal(deferred: Deferred<Value>) -> Option<TooManyWaiting> {
    let found: Rc<RefCell<Option<TooManyWaiting>>> = Rc::default();
    let keep = found.clone();
    deferred
        .add_errback(move |failure| {
            let error = failure.check::<CommandError>().expect("a CommandError");
            *keep.borrow_mut() = error.reason().check().copied();
            Ok(Value::Null)
        })
        .detach();
    found.take()
}

#[test]
fn too_many_commands_and_too_many_bytes_are_refused_at_once() {
    let world = world(1);
    let few = settings(|settings| (settings.max_commands, settings.max_bytes) = (3, 200));
    let (_server, _host, client) = connected_with(&world, few);
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a", "b", "c"]);
    assert_eq!(refusal(client.command(["GET", "d"])), Some(TooManyWaiting { commands: 3, bytes: 60 }));
    world.run_for(SECOND);
    assert_eq!(outcomes.all().len(), 3);
    let large = "x".repeat(140);
    outcomes.note("fits", client.command(["GET", &large]).add_callback(|value| Ok(value.as_bytes().map(<[u8]>::len))));
    let refused = refusal(client.command(["GET", &large])).expect("a refusal");
    assert_eq!((refused.commands, refused.bytes), (1, 161));
    assert_eq!(refusal(client.command(["GET", &"x".repeat(200)])).map(|it| it.commands), Some(1));
    world.run_for(SECOND);
    assert_eq!(outcomes.all()[3..], ["fits: Some(140)"]);
}

#[test]
fn commands_that_end_in_any_way_make_room() {
    let world = world(1);
    let few = settings(|settings| settings.max_commands = 2);
    let (server, _host, client) = connected_with(&world, few.clone());
    // By a cancel, before it was sent; by a deadline; by a lost connection; by a reply to a cancelled one.
    server.host.kill();
    world.run_for(SECOND);
    let outcomes = Outcomes::default();
    let one = client.command(["GET", "1"]);
    outcomes.note("2", client.command(["GET", "2"]));
    assert!(refusal(client.command(["GET", "3"])).is_some());
    one.cancel();
    drop(one.add_errback(|_| Ok(Value::Null)));
    assert_eq!(client.waiting_count(), 1);
    world.run_for(6 * SECOND);
    assert_eq!(client.waiting_count(), 0);
    server.host.restart();
    world.run_for(6 * SECOND);
    get_all(&client, &outcomes, &["4", "5"]);
    server.abort_all();
    world.run_for(15 * MS);
    assert_eq!(client.waiting_count(), 0);
    world.run_for(6 * SECOND);
    let cancelled = client.command(["GET", "6"]);
    cancelled.cancel();
    drop(cancelled.add_errback(|_| Ok(Value::Null)));
    assert_eq!(client.waiting_count(), 1, "the server still owes its reply");
    world.run_for(SECOND);
    assert_eq!(client.waiting_count(), 0);
}

#[test]
fn a_producer_hears_when_half_of_the_room_is_free() {
    let world = world(1);
    let (server, _host, client) = connected_with(&world, settings(|settings| settings.max_commands = 4));
    server.answer(|_, words| words[0].starts_with("GET").then(Vec::new));
    let outcomes = Outcomes::default();
    outcomes.note("room", client.when_there_is_room());
    assert_eq!(outcomes.all(), ["room: ()"]);
    get_all(&client, &outcomes, &["a", "b", "c", "d"]);
    for number in 0..4 {
        outcomes.note(&format!("room {number}"), client.when_there_is_room());
    }
    let given_up = client.when_there_is_room();
    given_up.cancel();
    drop(given_up.add_errback(|_| Ok(())));
    world.run_for(50 * MS);
    server.send(b"+1\r\n");
    world.run_for(50 * MS);
    assert_eq!(outcomes.all()[1..], ["a: 1"]);
    server.send(b"+2\r\n");
    world.run_for(50 * MS);
    assert_eq!(outcomes.all()[2..], ["b: 2", "room 0: ()", "room 1: ()", "room 2: ()", "room 3: ()"]);
}

#[test]
fn a_producer_that_waits_for_room_sends_everything_and_never_hears_a_refusal() {
    let world = world(1);
    let (server, _host, client) = connected_with(&world, settings(|settings| settings.max_commands = 16));
    let of_producer = client.clone();
    let produced = Deferred::from_future(async move {
        for number in 0..1000 {
            of_producer.when_there_is_room().await?;
            of_producer.command(Command::new("SET").key(number).arg("x")).detach();
        }
        Ok::<(), Failure>(())
    });
    assert!(world.run_until(60 * SECOND, || produced.has_fired()));
    success_result_of(produced);
    world.run_for(SECOND);
    assert_eq!(server.take_log().len(), 1000);
}

#[test]
fn waiters_for_room_are_limited_and_end_with_the_client() {
    let world = world(1);
    let few = settings(|settings| (settings.max_commands, settings.max_room_waiters) = (1, 1));
    let (server, _host, client) = connected_with(&world, few);
    server.answer(|_, words| words[0].starts_with("GET").then(Vec::new));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    outcomes.note("first", client.when_there_is_room());
    outcomes.note("second", client.when_there_is_room());
    assert_eq!(outcomes.all(), ["second: too many callers wait for the connection already"]);
    client.stop().detach();
    assert_eq!(outcomes.all()[1..], ["first: the service has been stopped"]);
    outcomes.note("third", client.when_there_is_room());
    assert_eq!(outcomes.all()[2..], ["third: the service has been stopped"]);
}
