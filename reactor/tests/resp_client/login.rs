//! How a connection begins.

use super::*;
use reactor::resp::ProtocolVersion;

fn with_everything(settings: &mut ClientSettings) {
    settings.user = Some("herd".to_owned());
    settings.password = Some("secret".into());
    settings.name = Some("powell".to_owned());
    settings.database = 2;
}

/// What a client sends, and what became of one command and the connection.
fn meet(settings: ClientSettings, answers: &'static [(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let world = world(1);
    let server = Server::new(&world);
    server.answer(move |_, words| {
        let answer = answers.iter().find(|(name, _)| words.join(" ").starts_with(name));
        answer.map(|(_, answer)| answer.as_bytes().to_vec())
    });
    let (_host, client) = client_with(&world, settings);
    let outcomes = Outcomes::default();
    outcomes.note("up", client.when_connected_within(1));
    get_all(&client, &outcomes, &["a"]);
    world.run_for(120 * MS);
    (server.log(), outcomes.all())
}

const UNKNOWN: &str = "-ERR unknown command 'HELLO', with args beginning with: '3'\r\n";

#[test]
fn it_logs_in_with_hello() {
    let (log, outcomes) = meet(settings(with_everything), &[]);
    assert_eq!(log, ["HELLO 3 AUTH herd secret SETNAME powell", "SELECT 2", "GET a"]);
    assert_eq!(outcomes, ["up: ()", "a: \"a\""]);
    let (log, _) = meet(settings(|settings| settings.password = Some("secret".into())), &[]);
    assert_eq!(log, ["HELLO 3 AUTH default secret", "GET a"]);
}

#[test]
fn it_falls_back_to_resp2_if_hello_is_unknown_or_refuses_the_version() {
    for refusal in [UNKNOWN, "-NOPROTO unsupported protocol version\r\n", "-ERR unknown command `HELLO`\r\n"] {
        let answers = Box::leak(Box::new([("HELLO", refusal)]));
        let (log, outcomes) = meet(settings(with_everything), answers);
        let hello = "HELLO 3 AUTH herd secret SETNAME powell";
        assert_eq!(log, [hello, "AUTH herd secret", "CLIENT SETNAME powell", "SELECT 2", "GET a"]);
        assert_eq!(outcomes, ["up: ()", "a: \"a\""]);
    }
}

#[test]
fn it_speaks_the_version_that_it_is_told() {
    let version = |version| {
        settings(|settings| {
            settings.version = version;
            settings.password = Some("secret".into());
        })
    };
    let (log, outcomes) = meet(version(ProtocolVersion::Resp2), &[]);
    assert_eq!(log, ["AUTH secret", "GET a"]);
    assert_eq!(outcomes, ["up: ()", "a: \"a\""]);
    let (log, outcomes) = meet(version(ProtocolVersion::Resp3), &[("HELLO", UNKNOWN)]);
    assert_eq!(log, ["HELLO 3 AUTH default secret"]);
    assert_eq!(outcomes, ["up: error ERR"]);
}

#[test]
fn a_login_that_fails_is_a_failed_attempt_and_sends_no_command() {
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let answers = Box::leak(Box::new([("HELLO", wrong)]));
    let (log, outcomes) = meet(settings(with_everything), answers);
    assert_eq!(log, ["HELLO 3 AUTH herd secret SETNAME powell"]);
    assert_eq!(outcomes, ["up: error WRONGPASS"]);
    let (log, outcomes) = meet(settings(with_everything), &[("HELLO", UNKNOWN), ("AUTH", "-WRONGPASS no\r\n")]);
    assert!(!log.contains(&"GET a".to_owned()), "{log:?}");
    assert_eq!(outcomes, ["up: error WRONGPASS"]);
    let (_, outcomes) = meet(settings(with_everything), &[("SELECT", "-ERR DB index is out of range\r\n")]);
    assert_eq!(outcomes, ["up: error ERR"]);
}

#[test]
fn answers_that_make_no_sense_fail_the_login() {
    for answers in [&[("HELLO", "+OK\r\n")][..], &[("HELLO", "%1\r\n+proto\r\n:2\r\n")], &[("HELLO", "*0\r\n")]] {
        assert_eq!(meet(settings(|_| {}), answers).1, ["up: the server's answer to HELLO makes no sense"]);
    }
    assert_eq!(
        meet(settings(|s| s.database = 1), &[("SELECT", ":1\r\n")]).1,
        ["up: the server's answer to SELECT makes no sense"]
    );
}

#[test]
fn a_server_that_never_answers_the_login_fails_it_in_time() {
    let world = world(1);
    let server = Server::new(&world);
    server.answer(|_, _| Some(Vec::new()));
    let (_host, client) = client_with(&world, settings(|settings| settings.command_timeout = 60 * SECOND));
    let outcomes = Outcomes::default();
    outcomes.note("up", client.when_connected_within(1));
    get_all(&client, &outcomes, &["a"]);
    world.run_for(6 * SECOND);
    assert_eq!(outcomes.all().len(), 1);
    assert!(outcomes.all()[0].contains("did not come within 5s"), "{:?}", outcomes.all());
    server.answer(|_, _| None);
    world.run_for(10 * SECOND);
    assert_eq!(outcomes.all()[1..], ["a: \"a\""]);
}

#[test]
fn the_password_is_never_shown() {
    let settings = settings(with_everything);
    let world = world(1);
    Server::new(&world);
    let (_host, client) = client_with(&world, settings.clone());
    for shown in [format!("{settings:?}"), format!("{client:?}")] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}
