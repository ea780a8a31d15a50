//! How a client ends: by `stop`, with its last handle, with its reactor.

use super::*;

#[test]
fn a_stop_fails_what_waits_and_closes_the_connection() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["sent"]);
    outcomes.note("stopped", client.stop());
    get_all(&client, &outcomes, &["after"]);
    assert_eq!(outcomes.all(), ["after: NotSent: the service has been stopped"]);
    world.run_for(SECOND);
    assert_eq!(outcomes.all()[1..], ["sent: Unanswered: the service has been stopped", "stopped: ()"]);
    assert_eq!(server.connection_count(), 0);
    drop(client);
    world.run_for(SECOND);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_stop_before_the_connection_fails_what_waits_at_once() {
    let world = world(1);
    let (host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    outcomes.note("stopped", client.stop());
    assert_eq!(outcomes.all()[0], "a: NotSent: the service has been stopped");
    world.run_for(10 * SECOND);
    assert_eq!(outcomes.all()[1..], ["stopped: ()"]);
    drop(client);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_stopped_client_can_be_started_again() {
    let world = world(1);
    let (_server, _host, client) = connected(&world);
    client.stop().detach();
    world.run_for(SECOND);
    client.start();
    assert_eq!(now(&world, client.command(["GET", "a"])), Value::from("a"));
}

#[test]
fn the_last_handle_closes_the_connection_after_the_last_reply() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    let outcomes = Outcomes::default();
    let clone = client.clone();
    drop(client);
    get_all(&clone, &outcomes, &["a", "b"]);
    drop(clone);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["a: \"a\"", "b: \"b\""]);
    assert_eq!(server.connection_count(), 0);
    world.run_for(10 * SECOND);
    assert!(has_nothing_left(&host));
}

#[test]
fn the_last_handle_of_an_idle_client_closes_its_connection_at_once() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    drop(client);
    world.run_for(100 * MS);
    assert_eq!(server.connection_count(), 0);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_callback_may_stop_or_drop_the_client() {
    for stops in [true, false] {
        let world = world(1);
        let (server, host, client) = connected(&world);
        let outcomes = Outcomes::default();
        let (held, mut handle) = (client.command(["GET", "a"]), Some(client.clone()));
        get_all(&client, &outcomes, &["b"]);
        drop(client);
        held.add_callback(move |_| {
            if let Some(client) = handle.take().filter(|_| stops) {
                client.stop().detach();
            }
        })
        .detach();
        world.run_for(SECOND);
        let expected = if stops { "b: Unanswered: the service has been stopped" } else { "b: \"b\"" };
        assert_eq!(outcomes.all(), [expected]);
        assert_eq!(server.connection_count(), 0);
        world.run_for(10 * SECOND);
        assert!(has_nothing_left(&host));
    }
}

#[test]
fn what_waits_ends_with_the_reactor() {
    let world = world(1);
    let server = Server::new(&world);
    server.host.kill();
    let (host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    world.run_for(SECOND);
    host.terminate();
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["a: NotSent: the service has been stopped"]);
    drop(client);
}

#[test]
fn a_reactor_that_is_dropped_drops_everything() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    server.answer(|_, _| Some(Vec::new()));
    let witness = Rc::new(());
    let held = witness.clone();
    client.command(["GET", "a"]).add_both(move |_| drop(held)).detach();
    world.run_for(100 * MS);
    drop(client);
    assert_eq!(Rc::strong_count(&witness), 2);
    host.crash();
    world.run_for(100 * MS);
    assert_eq!(Rc::strong_count(&witness), 1, "a circle holds it");
}

#[test]
fn a_reactor_that_is_dropped_during_a_login_drops_everything() {
    for answers in [false, true] {
        let world = world(1);
        let server = Server::new(&world);
        // Silence to HELLO, or to AUTH.
        server.answer(move |_, words| {
            Some(if words[0] == "HELLO" && answers { b"-NOPROTO\r\n".to_vec() } else { vec![] })
        });
        let (host, client) = client_with(&world, settings(|settings| settings.password = Some("x".into())));
        let witness = Rc::new(());
        let held = witness.clone();
        client.command(["GET", "a"]).add_both(move |_| drop(held)).detach();
        world.run_for(SECOND);
        assert_eq!(server.log().len(), 1 + usize::from(answers));
        drop(client);
        host.crash();
        world.run_for(100 * MS);
        assert_eq!(Rc::strong_count(&witness), 1, "a circle holds it");
    }
}

#[test]
fn a_panic_in_a_callback_hurts_nobody_else() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    let outcomes = Outcomes::default();
    client.command(["GET", "a"]).add_callback(|_| -> Result<(), Failure> { panic!("on purpose") }).detach();
    get_all(&client, &outcomes, &["b"]);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["b: \"b\""]);
    assert_eq!(server.made(), 1);
}
