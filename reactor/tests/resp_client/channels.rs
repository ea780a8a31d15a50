//! Publish and subscribe, in both versions; and what happens to subscriptions when connections break.

use super::*;
use reactor::resp::{ProtocolVersion, Subscription, SubscriptionEvent};

/// Answers to the commands of subscriptions, as a push or, in RESP2, as an array.
fn confirm(kind: char) -> impl Fn(&reactor::Transport, &[String]) -> Option<Vec<u8>> {
    move |_, words| {
        let name = words[0].to_lowercase();
        match words {
            [_, topic] if name.ends_with("subscribe") && topic == "secret" => Some(b"-NOPERM no\r\n".to_vec()),
            [_, topic] if name.ends_with("subscribe") => {
                Some(format!("{kind}3\r\n+{name}\r\n${}\r\n{topic}\r\n:1\r\n", topic.len()).into_bytes())
            }
            _ => None,
        }
    }
}

fn message(kind: char, channel: &str, payload: &str) -> Vec<u8> {
    format!("{kind}3\r\n+message\r\n+{channel}\r\n+{payload}\r\n").into_bytes()
}

fn listen(client: &Client, channel: &str, outcomes: &Outcomes) -> Subscription {
    let (outcomes, name) = (outcomes.clone(), channel.to_owned());
    client.subscribe(channel, move |event| outcomes.push(&name, event))
}

impl Outcomes {
    fn push(&self, name: &str, event: SubscriptionEvent<'_>) {
        let text = match event {
            SubscriptionEvent::Message(message) => {
                let pattern =
                    message.pattern.map(|pattern| format!(" by {}", pattern.escape_ascii())).unwrap_or_default();
                format!("{} on {}{pattern}", message.payload.escape_ascii(), message.channel.escape_ascii())
            }
            SubscriptionEvent::Refused(error) => format!("refused {}", error.code()),
            other => format!("{other:?}").to_lowercase(),
        };
        self.0.borrow_mut().push(format!("{name}: {text}"));
    }
}

#[test]
fn messages_come_between_the_replies_in_order() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(confirm('>'));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["before"]);
    let news = listen(&client, "news", &outcomes);
    get_all(&client, &outcomes, &["after"]);
    assert_eq!(outcomes.all(), [""; 0], "nothing calls back before it returns");
    world.run_for(100 * MS);
    server.answer(move |_, words| {
        (words[1] == "x").then(|| [&message('>', "news", "one")[..], b"+x\r\n", &message('>', "news", "two")].concat())
    });
    get_all(&client, &outcomes, &["x"]);
    world.run_for(100 * MS);
    let expected =
        ["before: \"before\"", "news: began", "after: \"after\"", "news: one on news", "x: x", "news: two on news"];
    assert_eq!(outcomes.all(), expected);
    server.answer(confirm('>'));
    drop(news);
    server.send(&message('>', "news", "late"));
    get_all(&client, &outcomes, &["y"]);
    world.run_for(100 * MS);
    assert_eq!(outcomes.all()[6..], ["y: \"y\""]);
    assert_eq!(server.take_log()[4..], ["UNSUBSCRIBE news", "GET y"]);
    assert_eq!(server.made(), 1);
}

#[test]
fn patterns_and_several_listeners_of_one_channel() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(confirm('>'));
    let outcomes = Outcomes::default();
    let of_pattern = outcomes.clone();
    let _pattern = client.subscribe_pattern("n*", move |event| of_pattern.push("n*", event));
    let first = listen(&client, "news", &outcomes);
    world.run_for(100 * MS);
    assert_eq!(outcomes.all(), ["n*: began", "news: began"]);
    let _second = listen(&client, "news", &outcomes);
    assert_eq!(outcomes.all().len(), 2, "nothing calls back before it returns");
    world.run_for(100 * MS);
    server.send(&message('>', "news", "one"));
    server.send(b">4\r\n+pmessage\r\n+n*\r\n+news\r\n+one\r\n");
    world.run_for(100 * MS);
    assert_eq!(outcomes.all()[2..], ["news: began", "news: one on news", "news: one on news", "n*: one on news by n*"]);
    drop(first);
    server.send(&message('>', "news", "two"));
    world.run_for(100 * MS);
    assert_eq!(outcomes.all()[6..], ["news: two on news"]);
    assert_eq!(server.take_log(), ["PSUBSCRIBE n*", "SUBSCRIBE news"]);
}

#[test]
fn subscriptions_are_renewed_and_the_gap_is_told() {
    for (version, kind) in [(ProtocolVersion::Any, '>'), (ProtocolVersion::Resp2, '*')] {
        let world = world(1);
        let server = Server::new(&world);
        server.answer(confirm(kind));
        let (_host, client) = client_with(&world, settings(|settings| settings.version = version));
        let outcomes = Outcomes::default();
        let _news = listen(&client, "news", &outcomes);
        let _secret = listen(&client, "secret", &outcomes);
        let weather = listen(&client, "weather", &outcomes);
        drop(weather);
        world.run_for(SECOND);
        let began = ["news: began", "secret: refused NOPERM"];
        assert_eq!(outcomes.all(), began, "{version:?}");
        server.send(&message(kind, "news", "one"));
        world.run_for(100 * MS);
        server.host.kill();
        world.run_for(SECOND);
        assert_eq!(outcomes.all()[2..], ["news: one on news", "news: lost"], "{version:?}");
        server.host.restart();
        assert!(world.run_until(10 * SECOND, || outcomes.all().len() == 6), "{:?}", outcomes.all());
        assert_eq!(outcomes.all()[4..], began, "{version:?}");
        assert!(!server.log().contains(&"SUBSCRIBE weather".to_owned()));
    }
}

#[test]
fn with_resp2_subscriptions_have_a_connection_of_their_own() {
    let world = world(1);
    let (server, host, client) = connected_with(
        &world,
        settings(|settings| {
            settings.version = ProtocolVersion::Resp2;
            settings.password = Some("secret".into());
        }),
    );
    server.answer(confirm('*'));
    let outcomes = Outcomes::default();
    get_all(&client, &outcomes, &["a"]);
    world.run_for(100 * MS);
    assert_eq!(server.made(), 1);
    let news = listen(&client, "news", &outcomes);
    let weather = listen(&client, "weather", &outcomes);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["a: \"a\"", "news: began", "weather: began"]);
    assert_eq!(server.take_log(), ["AUTH secret", "GET a", "AUTH secret", "SUBSCRIBE news", "SUBSCRIBE weather"]);
    // Its signs of life are arrays, too.
    server.answer(|_, words| (words[0] == "PING").then(|| b"*2\r\n$4\r\npong\r\n$0\r\n\r\n".to_vec()));
    for _ in 0..11 {
        client.command(["GET", "b"]).detach();
        world.run_for(SECOND);
    }
    assert!(server.take_log().contains(&"PING".to_owned()));
    assert_eq!((server.made(), server.connection_count()), (2, 2));
    server.answer(confirm('*'));
    drop(news);
    world.run_for(SECOND);
    assert_eq!(server.take_log(), ["UNSUBSCRIBE news"]);
    drop(weather);
    world.run_for(SECOND);
    assert_eq!(server.connection_count(), 1, "no subscription is left");
    let again = listen(&client, "again", &outcomes);
    world.run_for(SECOND);
    assert_eq!(server.connection_count(), 2);
    client.stop().detach();
    world.run_for(SECOND);
    assert_eq!(server.connection_count(), 0);
    assert_eq!(outcomes.all()[3..], ["again: began", "again: lost"]);
    drop((client, again));
    world.run_for(SECOND);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_subscription_keeps_its_client_going() {
    let world = world(1);
    let (server, host, client) = connected(&world);
    server.answer(confirm('>'));
    let outcomes = Outcomes::default();
    let news = listen(&client, "news", &outcomes);
    drop(client);
    world.run_for(SECOND);
    assert_eq!(outcomes.all(), ["news: began"]);
    assert_eq!(server.connection_count(), 1);
    drop(news);
    world.run_for(SECOND);
    assert_eq!(server.connection_count(), 0);
    assert!(has_nothing_left(&host));
}

#[test]
fn a_listener_may_subscribe_unsubscribe_and_panic() {
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.answer(confirm('>'));
    let outcomes = Outcomes::default();
    let own: Rc<RefCell<Vec<Subscription>>> = Rc::default();
    let (held, noted, of_listener) = (own.clone(), outcomes.clone(), client.clone());
    let subscription = client.subscribe("a", move |event| {
        noted.push("a", event);
        if matches!(event, SubscriptionEvent::Message(_)) {
            held.borrow_mut().clear();
            held.borrow_mut().push(listen(&of_listener, "b", &noted));
            panic!("on purpose");
        }
    });
    own.borrow_mut().push(subscription);
    world.run_for(100 * MS);
    server.send(&[message('>', "a", "one"), message('>', "a", "two")].concat());
    world.run_for(100 * MS);
    assert_eq!(outcomes.all(), ["a: began", "a: one on a", "b: began"]);
    assert_eq!(server.take_log(), ["SUBSCRIBE a", "UNSUBSCRIBE a", "SUBSCRIBE b"]);
    assert_eq!(server.made(), 1);
    own.borrow_mut().clear();
}

#[test]
fn pushes_that_make_no_sense_end_the_connection() {
    for lie in [">1\r\n+message\r\n", ">3\r\n+subscribe\r\n+x\r\n:1\r\n", ">0\r\n", ">2\r\n+invalidate\r\n:1\r\n"] {
        let world = world(1);
        let (server, _host, client) = connected(&world);
        server.send(lie.as_bytes());
        world.run_for(50 * MS);
        assert!(!client.is_connected(), "{lie:?}");
    }
    let world = world(1);
    let (server, _host, client) = connected(&world);
    server.send(b">2\r\n+news-to-come\r\n:1\r\n>3\r\n+message\r\n+nobody\r\n+x\r\n");
    world.run_for(50 * MS);
    assert!(client.is_connected(), "an unknown kind of push, and a message to nobody, hurt nothing");
}

#[test]
fn a_subscription_that_comes_during_the_login_begins_after_it() {
    let world = world(1);
    let server = Server::new(&world);
    server.answer(|_, words| (words[0] == "SUBSCRIBE").then(Vec::new));
    let (_host, client) = client_with(&world, settings(|_| {}));
    let outcomes = Outcomes::default();
    let _first = listen(&client, "a", &outcomes);
    world.run_for(100 * MS);
    let _second = listen(&client, "b", &outcomes);
    assert_eq!(server.log(), ["HELLO 3", "SUBSCRIBE a"]);
    server.answer(confirm('>'));
    server.send(b">3\r\n+subscribe\r\n+a\r\n:1\r\n");
    world.run_for(100 * MS);
    assert_eq!(outcomes.all(), ["a: began", "b: began"]);
}
