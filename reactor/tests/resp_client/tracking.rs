//! What a program that remembers values hears.

use super::*;
use reactor::resp::{Invalidation, ProtocolVersion, Tracking};

fn tracking(world: &World, settings: ClientSettings, tracking: Tracking) -> (Host, Client, Outcomes) {
    let outcomes = Outcomes::default();
    let made: Rc<RefCell<Option<Client>>> = Rc::default();
    let (keep, noted) = (made.clone(), outcomes.clone());
    let host = world.host("client", move |reactor| {
        let noted = noted.clone();
        let client = Client::new(reactor, ("server", server::PORT)).with_settings(settings.clone());
        let client = client.with_tracking(tracking.clone(), move |what| {
            let text = match what {
                Invalidation::Key(key) => key.escape_ascii().to_string(),
                Invalidation::Everything => "everything".to_owned(),
            };
            noted.0.borrow_mut().push(text);
        });
        client.start();
        *keep.borrow_mut() = Some(client);
    });
    let client = made.take().expect("the client has begun");
    (host, client, outcomes)
}

#[test]
fn changes_are_told_in_order_with_the_replies_and_a_lost_connection_makes_everything_invalid() {
    let world = world(1);
    let server = Server::new(&world);
    let wanted = Tracking::of_prefixes(["a:", "b:"]).without_own_changes();
    let (_host, client, heard) = tracking(&world, settings(|_| {}), wanted);
    get_all(&client, &heard, &["a:1"]);
    world.run_for(SECOND);
    assert_eq!(server.log(), ["HELLO 3", "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b: NOLOOP", "GET a:1"]);
    server.send(b">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\na:1\r\n$3\r\nb:7\r\n");
    get_all(&client, &heard, &["a:2"]);
    world.run_for(SECOND);
    server.send(b">2\r\n$10\r\ninvalidate\r\n_\r\n");
    world.run_for(SECOND);
    assert_eq!(heard.all(), ["a:1: \"a:1\"", "a:1", "b:7", "a:2: \"a:2\"", "everything"]);
    // What fails because of the lost connection must not find an old value in a cache.
    server.answer(|_, words| (words[0] == "GET").then(Vec::new));
    get_all(&client, &heard, &["a:3"]);
    world.run_for(15 * MS);
    server.abort_all();
    world.run_for(15 * MS);
    let all = heard.all();
    assert_eq!(all[5], "everything");
    assert!(all[6].starts_with("a:3: Unanswered"), "{all:?}");
    server.answer(|_, _| None);
    get_all(&client, &heard, &["a:4"]);
    world.run_for(4 * SECOND);
    assert_eq!(heard.all()[7..], ["a:4: \"a:4\""]);
    let log = server.log();
    assert!(log.ends_with(&["CLIENT TRACKING ON BCAST PREFIX a: PREFIX b: NOLOOP".to_owned(), "GET a:4".to_owned()]));
}

#[test]
fn keys_that_were_read_can_be_tracked_too() {
    let world = world(1);
    let server = Server::new(&world);
    let (_host, _client, _) = tracking(&world, settings(|_| {}), Tracking::of_keys_read());
    world.run_for(SECOND);
    assert_eq!(server.log(), ["HELLO 3", "CLIENT TRACKING ON"]);
}

#[test]
fn without_resp3_there_is_no_connection() {
    let world = world(1);
    let server = Server::new(&world);
    let old = settings(|settings| settings.version = ProtocolVersion::Resp2);
    let (_host, client, heard) = tracking(&world, old, Tracking::of_keys_read());
    heard.note("up", client.when_connected_within(1));
    world.run_for(100 * MS);
    assert!(heard.all().iter().any(|it| it.contains("up: tracking needs version 3")), "{:?}", heard.all());
    server.answer(|_, words| (words[0] == "CLIENT").then(|| b"-ERR Prefix 'a' overlaps\r\n".to_vec()));
    let world = self::world(2);
    let server = Server::new(&world);
    server.answer(|_, words| (words[0] == "CLIENT").then(|| b"-ERR Prefix 'a' overlaps\r\n".to_vec()));
    let (_host, client, heard) = tracking(&world, settings(|_| {}), Tracking::of_prefixes(["a", "ab"]));
    heard.note("up", client.when_connected_within(1));
    world.run_for(100 * MS);
    assert!(heard.all().contains(&"up: error ERR".to_owned()), "{:?}", heard.all());
}
