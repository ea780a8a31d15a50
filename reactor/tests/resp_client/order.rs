//! Commands out, replies in: their order, batches, cancelling.

use super::*;
use reactor::resp::{Command, NotAllowed};
use reactor::testing::{failure_result_of, success_result_of};

#[test]
fn commands_of_one_turn_leave_in_one_write_and_are_answered_in_order() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    let (outcomes, reads) = (Outcomes::default(), server.reads());
    for number in 0..100 {
        outcomes.note(&number.to_string(), client.command(Command::new("GET").key(number)));
    }
    assert_eq!(client.waiting_count(), 100);
    world.run_for(SECOND);
    assert_eq!(server.reads() - reads, 1);
    let expected: Vec<String> = (0..100).map(|number| format!("{number}: \"{number}\"")).collect();
    assert_eq!(outcomes.all(), expected);
    assert_eq!(client.waiting_count(), 0);
}

#[test]
fn commands_before_the_connection_wait_for_it_and_leave_together() {
    let world = world(1);
    let server = Server::new(&world);
    let (_host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a", "b", "c"]);
    assert!(!client.is_connected());
    outcomes.note("up", client.when_connected());
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["up: ()", "a: \"a\"", "b: \"b\"", "c: \"c\""]);
    assert_eq!(server.log(), ["HELLO 3", "GET a", "GET b", "GET c"]);
    assert_eq!(server.reads(), 2);
}

#[test]
fn an_error_of_the_server_is_a_failure_with_its_code() {
    let world = world(1);
    let (_server, _host, client) = connected(&world);
    let outcomes = Outcomes::default();
    outcomes.note("push", client.command(["LPUSH", "a", "1"]));
    get_all(&client, &outcomes, &["b"]);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["push: error WRONGTYPE", "b: \"b\""]);
}

#[test]
fn a_callback_may_send_the_next_command() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    let again = client.clone();
    let both = client.command(["INCR", "n"]).add_callback(move |value| {
        let next = again.command(["GET", "n"]);
        next.add_callback(move |text| Ok((value.as_integer(), text.as_integer())))
    });
    assert!(world.run_until(SECOND, || both.has_fired()));
    assert_eq!(success_result_of(both), (Some(1), Some(1)));
    assert_eq!(server.take_log(), ["INCR n", "GET n"]);
}

#[test]
fn a_command_that_is_cancelled_before_it_is_sent_is_never_sent() {
    let world = world(1);
    let server = Server::new(&world);
    let (_host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    let given_up = client.command(["GET", "b"]);
    get_all(&client, &outcomes, &["c"]);
    given_up.cancel();
    outcomes.note("b", given_up);
    assert_eq!(client.waiting_count(), 2);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["b: cancelled", "a: \"a\"", "c: \"c\""]);
    assert_eq!(server.take_log(), ["GET a", "GET c"]);
}

#[test]
fn the_reply_to_a_command_that_was_cancelled_after_it_was_sent_goes_to_nobody() {
    for cancelled in 0..3 {
        let world = world(1);
        let (server, _host, client) = connected(&world);
        let outcomes = Outcomes::default();
        for number in 0..3 {
            let deferred = client.command(["GET", &number.to_string()]);
            let canceller = deferred.canceller();
            outcomes.note(&number.to_string(), deferred);
            if number == cancelled {
                // While the command is on its way, so that its reply cannot have come.
                world.run_for(5 * MS);
                canceller.cancel();
            }
        }
        assert_eq!(client.waiting_count(), 3, "the server still owes its reply");
        world.run_for(SECOND);
        let mut expected: Vec<String> = (0..3).map(|number| format!("{number}: \"{number}\"")).collect();
        expected.remove(cancelled);
        expected.insert(0, format!("{cancelled}: cancelled"));
        assert_eq!(outcomes.all(), expected);
        assert_eq!(server.take_log().len(), 3);
        assert_eq!(client.waiting_count(), 0);
    }
}

#[test]
fn a_batch_stays_together_and_gives_all_replies() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    let outcomes = Outcomes::default();
    let commands = [Command::from(["MULTI"]), ["LPUSH", "a", "1"].into(), Command::from(["EXEC"])];
    outcomes.note("batch", client.batch(commands.clone()));
    get_all(&client, &outcomes, &["b"]);
    outcomes.note("nothing", client.batch(Vec::<Command<'_>>::new()));
    world.run_for(SECOND);
    let error = "error \"WRONGTYPE Operation against a key holding the wrong kind of value\"";
    assert_eq!(outcomes.all(), ["nothing: []", &format!("batch: [OK, {error}, [QUEUED]]"), "b: \"b\""]);
    assert_eq!(server.take_log(), ["MULTI", "LPUSH a 1", "EXEC", "GET b"]);
    let given_up = client.batch(commands);
    world.run_for(5 * MS);
    given_up.cancel();
    drop(failure_result_of(given_up));
    assert_eq!(now(&world, client.command(["GET", "c"])), Value::from("c"));
}

#[test]
fn commands_that_would_change_the_connection_are_refused() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    let refused = |deferred: Deferred<()>| {
        let error: Rc<RefCell<Option<NotAllowed>>> = Rc::default();
        let keep = error.clone();
        deferred
            .add_errback(move |failure| {
                let error = failure.check::<CommandError>().expect("a CommandError");
                *keep.borrow_mut() = error.reason().check().copied();
                Ok(())
            })
            .detach();
        error.take()
    };
    for words in ["select", "AUTH", "HELLO", "SUBSCRIBE", "Monitor", "QUIT", "RESET", "CLIENT REPLY", "client tracking"]
    {
        let mut words = words.split(' ');
        let command = Command::new(words.next().unwrap_or_default()).args(words).arg("x");
        assert_eq!(refused(client.command(command.clone()).add_callback(|_| ())), Some(NotAllowed::ByHand));
        assert_eq!(refused(client.batch([command]).add_callback(|_| ())), Some(NotAllowed::ByHand));
    }
    for word in ["multi", "EXEC", "DISCARD", "WATCH", "UNWATCH", "ASKING"] {
        assert_eq!(refused(client.command([word]).add_callback(|_| ())), Some(NotAllowed::OutsideOfBatch), "{word}");
    }
    for batch in [&["MULTI"][..], &["WATCH", "GET"], &["MULTI", "EXEC", "MULTI"], &["GET", "ASKING"]] {
        let batch = batch.iter().map(|name| Command::new(name));
        assert_eq!(refused(client.batch(batch).add_callback(|_| ())), Some(NotAllowed::OutsideOfBatch));
    }
    world.run_for(SECOND);
    assert_eq!(server.take_log(), [""; 0]);
    client.command(["CLIENT", "GETNAME"]).detach();
    client.command(["CLIENT"]).add_errback(|_| Ok(Value::Null)).detach();
    client.batch([["WATCH"], ["MULTI"], ["EXEC"]]).detach();
    world.run_for(SECOND);
    assert_eq!(server.take_log().len(), 5);
}
