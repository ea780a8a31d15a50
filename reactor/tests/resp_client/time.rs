//! Deadlines, silence, signs of life.

use super::*;

#[test]
fn a_command_without_a_connection_fails_at_its_deadline() {
    let world = world(1);
    let server = Server::new(&world);
    server.host.kill();
    let (_host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    outcomes.note("b", client.command_within(SECOND, ["GET", "b"]));
    world.run_for(SECOND - MS);
    assert_eq!(outcomes.all(), [""; 0]);
    world.run_for(2 * MS);
    assert_eq!(outcomes.all(), ["b: NotSent: the reply to GET did not come within 1s"]);
    world.run_for(4 * SECOND);
    assert_eq!(outcomes.all()[1..], ["a: NotSent: the reply to GET did not come within 5s"]);
    server.host.restart();
    world.run_for(10 * SECOND);
    assert_eq!(server.take_log(), [""; 0]);
    assert_eq!(client.waiting_count(), 0);
}

#[test]
fn the_reply_to_a_command_that_is_out_of_time_goes_to_nobody() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    // Answers `late` after two seconds, and what follows it behind that.
    let held: Rc<RefCell<Vec<u8>>> = Rc::default();
    let hold = held.clone();
    server.answer(move |_, words| {
        if words[1] == "late" {
            hold.borrow_mut().extend(b"$4\r\nLATE\r\n");
            return Some(Vec::new());
        }
        if hold.borrow().is_empty() {
            return None;
        }
        hold.borrow_mut().extend(format!("+{}\r\n", words[1]).bytes());
        Some(Vec::new())
    });
    let outcomes = Outcomes::default();
    outcomes.note("late", client.command_within(SECOND, ["GET", "late"]));
    get_all(&client, &outcomes, &["b", "c"]);
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all(), ["late: Unanswered: the reply to GET did not come within 1s"]);
    server.send(&held.take());
    world.run_for(SECOND);
    assert_eq!(outcomes.all()[1..], ["b: b", "c: c"]);
    assert!(client.is_connected());
    assert_eq!(server.made(), 1);
}

#[test]
fn a_silent_server_loses_its_connection() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    world.run_for(4 * SECOND);
    server.answer(|_, words| words[0].starts_with("GET").then(Vec::new));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    world.run_for(3 * SECOND);
    get_all(&client, &outcomes, &["b"]);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), [""; 0]);
    world.run_for(1100 * MS);
    let silent = "Unanswered: the server owes a reply, and sent nothing for 5s";
    assert_eq!(outcomes.all().len(), 2, "{:?}", outcomes.all());
    assert!(outcomes.all()[1].ends_with(silent), "{:?}", outcomes.all());
    server.answer(|_, _| None);
    assert_eq!(now(&world, client.command(["GET", "c"])), Value::from("c"));
    assert_eq!(server.made(), 2);
}

#[test]
fn a_slow_server_that_goes_on_answering_keeps_its_connection() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(|_, words| words[0].starts_with("GET").then(Vec::new));
    let outcomes = Outcomes::default();
    for number in 0..20 {
        outcomes.note(&number.to_string(), client.command(["GET", "x"]));
    }
    for number in 0..20 {
        world.run_for(SECOND);
        server.send(format!(":{number}\r\n").as_bytes());
    }
    world.run_for(SECOND);
    let all = outcomes.all();
    assert_eq!(all[..4], ["0: 0", "1: 1", "2: 2", "3: 3"]);
    assert!(all[4..].iter().all(|outcome| outcome.contains("Unanswered: the reply to GET")), "{all:?}");
    assert!(client.is_connected());
    assert_eq!((server.made(), client.waiting_count()), (1, 0));
}

#[test]
fn a_server_that_has_vanished_is_noticed_without_any_command() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    world.run_for(31 * SECOND);
    assert!(client.is_connected());
    assert_eq!(server.take_log(), ["PING"; 3]);
    world.cut(&server.host, &host);
    assert!(world.run_until(16 * SECOND, || !client.is_connected()));
    let why = client.last_failure().expect("there is no connection").value().to_string();
    assert_eq!(why, "the server owes a reply, and sent nothing for 5s", "and not: aborted by us");
    world.mend(&server.host, &host);
    assert!(world.run_until(20 * SECOND, || client.is_connected()));
}

#[test]
fn a_busy_connection_is_not_asked_for_a_sign_of_life() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    for _ in 0..60 {
        client.command(["GET", "a"]).detach();
        world.run_for(SECOND);
    }
    assert!(server.take_log().iter().all(|line| line == "GET a"));
    let off = settings(|settings| settings.ping_interval = Duration::ZERO);
    drop(client.with_settings(off));
}

#[test]
fn many_deadlines_cost_little() {
    // Each is one look at all commands; looks for each of them would be 10^8 steps.
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(|_, words| words[0].starts_with("GET").then(Vec::new));
    let outcomes = Outcomes::default();
    for number in 0..10_000u64 {
        outcomes.note("x", client.command_within(SECOND + Duration::from_micros(number), ["GET", "a"]));
    }
    world.run_for(2 * SECOND);
    assert_eq!(outcomes.all().len(), 10_000);
}
