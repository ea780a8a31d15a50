//! Connections that break, and servers that lie. Whatever happens, no command is sent twice.

use super::*;
use reactor::sim::for_each_seed;

#[test]
fn what_was_sent_fails_and_what_was_not_is_sent_on_the_next_connection() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(|_, words| (words[0] == "INCR").then(Vec::new));
    let outcomes = Outcomes::default();
    outcomes.note("sent", client.command(["INCR", "n"]));
    world.run_for(15 * MS);
    server.answer(|_, _| None);
    server.host.kill();
    world.run_for(100 * MS);
    assert_eq!(outcomes.all().len(), 1);
    assert!(outcomes.all()[0].starts_with("sent: Unanswered: "), "{:?}", outcomes.all());
    get_all(&client, &outcomes, &["a", "b"]);
    server.host.restart();
    world.run_for(4 * SECOND);
    assert_eq!(outcomes.all()[1..], ["a: \"a\"", "b: \"b\""]);
    assert_eq!(server.take_log(), ["INCR n", "GET a", "GET b"]);
}

#[test]
fn a_connection_may_break_after_each_byte_of_the_replies() {
    let replies = "$1\r\nx\r\n*2\r\n:1\r\n$2\r\nab\r\n_\r\n";
    for cut in 0..=replies.len() {
        let world = world(1);
        let (server, _host, client) = connected(&world);
        let count = Rc::new(RefCell::new(0));
        server.answer(move |transport, words| {
            if words[0] != "GET" || words[1].len() > 1 {
                return None;
            }
            *count.borrow_mut() += 1;
            if *count.borrow() == 3 {
                transport.write(&replies.as_bytes()[..cut]);
                transport.lose_connection();
            }
            Some(Vec::new())
        });
        let outcomes = Outcomes::default();
        get_all(&client, &outcomes, &["1", "2", "3"]);
        world.run_for(100 * MS);
        let whole = [7, 23, 26].iter().filter(|end| cut >= **end).count();
        let expected = ["1: \"x\"", "2: [1, \"ab\"]", "3: nil"];
        assert_eq!(outcomes.all()[..whole], expected[..whole], "{cut} bytes");
        assert!(outcomes.all()[whole..].iter().all(|it| it.contains(": Unanswered: ")), "{:?}", outcomes.all());
        assert_eq!(outcomes.all().len(), 3);
        assert_eq!(now(&world, client.command(["GET", "next"])), Value::from("next"));
        assert_eq!(server.take_log(), ["GET 1", "GET 2", "GET 3", "GET next"]);
    }
}

#[test]
fn under_faults_of_all_kinds_each_command_ends_once_and_no_reply_goes_to_another() {
    for_each_seed(1..41, |world| {
        let server = Server::new(world);
        let (host, client) = client_with(world, settings(|_| {}));
        let outcomes = Outcomes::default();
        let mut sent = 0;
        for step in 0..200 {
            for _ in 0..world.random() % 4 {
                let deferred = client.command(["GET", &sent.to_string()]);
                let canceller = deferred.canceller();
                outcomes.note(&sent.to_string(), deferred);
                if world.random() % 8 == 0 {
                    canceller.cancel();
                }
                sent += 1;
            }
            match world.random() % 40 {
                0 => server.abort_all(),
                1 => {
                    server.host.kill();
                    server.host.restart();
                }
                2 => world.cut(&server.host, &host),
                3 => world.heal(),
                4 => server.host.pause(),
                5 => server.host.resume(),
                _ => {}
            }
            world.run_for(Duration::from_millis(world.random() % (20 + step)));
        }
        world.heal();
        server.host.resume();
        world.run_for(30 * SECOND);
        let all = outcomes.all();
        assert_eq!(all.len(), sent, "each ends, once");
        for outcome in &all {
            let (number, outcome) = outcome.split_once(": ").unwrap();
            let is_own = outcome == format!("\"{number}\"");
            let failed = ["cancelled", "NotSent", "Unanswered"].iter().any(|word| outcome.starts_with(word));
            assert!(is_own || failed, "{number}: {outcome}");
        }
        let log = server.take_log();
        let mut gets: Vec<&String> = log.iter().filter(|line| line.starts_with("GET")).collect();
        let count = gets.len();
        gets.sort();
        gets.dedup();
        assert_eq!(gets.len(), count, "no command is sent twice");
        assert_eq!(client.waiting_count(), 0);
    });
}

#[test]
fn a_server_that_breaks_the_protocol_is_named_and_loses_its_connection() {
    let lies: [(&[u8], &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "perhaps it speaks HTTP"),
        (b"\x15\x03\x01\x00\x02\x02F", "the server speaks TLS"),
        (b"$?\r\n", "streamed values are not supported"),
        (b"*99999999\r\n", "more values than allowed"),
        (b"$99999999\r\n", "more bytes than allowed"),
        (b"$1\r\nabc\r\n", "longer or shorter than their length says"),
    ];
    for (lie, said) in lies {
        let world = world(1);
        let (server, _host, client) = connected(&world);
        server.answer(move |_, words| (words[0] == "GET" && words[1] == "a").then(|| lie.to_vec()));
        let outcomes = Outcomes::default();
        get_all(&client, &outcomes, &["a", "b"]);
        world.run_for(50 * MS);
        let all = outcomes.all();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|it| it.contains(": Unanswered: ") && it.contains(said)), "{all:?}");
        assert_eq!(now(&world, client.command(["GET", "c"])), Value::from("c"));
        assert_eq!(server.made(), 2);
    }
}

#[test]
fn a_reply_that_nobody_asked_for_ends_the_connection() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.send(b"+OK\r\n");
    world.run_for(50 * MS);
    assert!(!client.is_connected());
    assert!(world.run_until(5 * SECOND, || client.is_connected()));
    // One too many, behind one that was asked for.
    server.answer(|_, words| (words[0] == "GET").then(|| b"+1\r\n+2\r\n".to_vec()));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    world.run_for(50 * MS);
    assert_eq!(outcomes.all(), ["a: 1"]);
    assert!(!client.is_connected());
}

#[test]
fn a_server_that_lies_again_and_again_is_tried_less_and_less_often() {
    let world = world(1);
    let server = Server::new(&world);
    server.answer(|_, words| words[0].starts_with("HELLO").then(|| [server::HELLO.as_bytes(), b"+more\r\n"].concat()));
    let (_host, _client) = client_with(&world, settings(|_| {}));
    world.run_for(600 * SECOND);
    assert!((150..400).contains(&server.made()), "{} connections in ten minutes", server.made());
}

#[test]
fn a_client_that_is_not_to_wait_refuses_while_there_is_no_connection() {
    let world = world(1);
    let server = Server::new(&world);
    server.host.kill();
    let (_host, client) =
        client_with(&world, settings(|settings| settings.when_down = reactor::resp::WhenDown::Refuse));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["first"]);
    assert_eq!(outcomes.all(), [""; 0], "nobody knows yet");
    world.run_for(100 * MS);
    assert_eq!(outcomes.all().len(), 1);
    assert!(outcomes.all()[0].starts_with("first: NotSent: "), "{:?}", outcomes.all());
    get_all(&client, &outcomes, &["second"]);
    assert_eq!(outcomes.all()[1..], ["second: NotSent: there is no connection to the server"]);
    server.host.restart();
    assert!(world.run_until(10 * SECOND, || client.is_connected()));
    get_all(&client, &outcomes, &["third"]);
    world.run_for(100 * MS);
    assert_eq!(outcomes.all()[2..], ["third: \"third\""]);
    server.abort_all();
    world.run_for(15 * MS);
    get_all(&client, &outcomes, &["fourth"]);
    assert_eq!(outcomes.all()[3..], ["fourth: NotSent: there is no connection to the server"]);
}
