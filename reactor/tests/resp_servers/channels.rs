//! Publish and subscribe, and tracking.

use super::wait::wait;
use super::*;
use reactor::resp::{Invalidation, ProtocolVersion, SubscriptionEvent, Tracking};

fn noting(heard: &Heard) -> impl FnMut(SubscriptionEvent<'_>) + 'static {
    let heard = heard.clone();
    move |event| match event {
        SubscriptionEvent::Message(message) => {
            heard.note(format!("{} on {}", message.payload.escape_ascii(), message.channel.escape_ascii()));
        }
        SubscriptionEvent::Refused(error) => heard.note(error.code()),
        other => heard.note(format!("{other:?}")),
    }
}

#[test]
fn subscriptions_in_both_versions_through_a_restart() {
    for version in [ProtocolVersion::Any, ProtocolVersion::Resp2] {
        let Some(mut server) = Server::start(&[]) else { return };
        let reactor = Reactor::new().unwrap();
        let client = client_with(&reactor, &server, settings(|settings| settings.version = version));
        let heard = Heard::default();
        let news = client.subscribe("news", noting(&heard));
        assert_eq!(heard.until(&reactor, 1), ["Began"]);
        let pattern = client.subscribe_pattern("n?ws", noting(&heard));
        heard.until(&reactor, 2);
        assert_eq!(show(&reactor, client.command(["PUBLISH", "news", "one"])), "2");
        assert_eq!(heard.until(&reactor, 4)[2..], ["one on news", "one on news"]);
        server.restart();
        heard.until(&reactor, 8);
        let mut events = heard.all()[4..].to_vec();
        events.sort();
        assert_eq!(events, ["Began", "Began", "Lost", "Lost"], "{version:?}");
        assert_eq!(show(&reactor, client.command(["PUBLISH", "news", "two"])), "2");
        heard.until(&reactor, 10);
        drop(pattern);
        util::until(&reactor, "the pattern is gone", || show(&reactor, client.command(["PUBSUB", "NUMPAT"])) == "0");
        assert_eq!(show(&reactor, client.command(["PUBLISH", "news", "three"])), "1");
        assert_eq!(heard.until(&reactor, 11)[10..], ["three on news"]);
        drop(news);
    }
}

#[test]
fn a_channel_that_the_user_may_not_hear_is_refused() {
    let rules = ["--user", "herd", "on", ">pw", "~*", "+@all", "resetchannels", "&mine"];
    let Some(server) = Server::start(&rules) else { return };
    let reactor = Reactor::new().unwrap();
    let client = client_with(
        &reactor,
        &server,
        settings(|settings| {
            settings.user = Some("herd".to_owned());
            settings.password = Some("pw".into());
        }),
    );
    let heard = Heard::default();
    let _yours = client.subscribe("yours", noting(&heard));
    assert_eq!(heard.until(&reactor, 1), ["NOPERM"]);
    let _mine = client.subscribe("mine", noting(&heard));
    assert_eq!(heard.until(&reactor, 2), ["NOPERM", "Began"]);
    assert_eq!(show(&reactor, client.command(["PING"])), "PONG");
}

#[test]
fn changes_of_keys_are_told_and_a_restart_makes_everything_invalid() {
    let Some(mut server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    let heard = Heard::default();
    let note = heard.clone();
    let reader = Client::new(&reactor, ("127.0.0.1", server.port)).with_settings(settings(|_| {})).with_tracking(
        Tracking::of_prefixes(["a:", "b:"]).without_own_changes(),
        move |what| match what {
            Invalidation::Key(key) => note.note(key.escape_ascii().to_string()),
            Invalidation::Everything => note.note("everything"),
        },
    );
    reader.start();
    let writer = client(&reactor, &server);
    wait(&reactor, reader.when_connected()).unwrap();
    let before = heard.all().len(); // Attempts while the server was starting.
    for (client, key) in [(&writer, "a:1"), (&writer, "c:1"), (&reader, "a:2"), (&writer, "b:3")] {
        wait(&reactor, client.command(["SET", key, "x"])).unwrap();
    }
    assert_eq!(heard.until(&reactor, before + 2)[before..], ["a:1", "b:3"]);
    wait(&reactor, writer.command(["FLUSHALL"])).unwrap();
    assert_eq!(heard.until(&reactor, before + 3)[before + 2..], ["everything"]);
    server.restart();
    assert_eq!(heard.until(&reactor, before + 4)[before + 3], "everything");
    wait(&reactor, reader.command(["GET", "a:1"])).unwrap();
    let before = heard.all().len();
    wait(&reactor, writer.command(["SET", "a:1", "y"])).unwrap();
    assert_eq!(heard.until(&reactor, before + 1)[before..], ["a:1"]);
}
