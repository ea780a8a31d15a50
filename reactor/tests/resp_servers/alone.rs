//! Commands, types, transactions, logins, TLS.

use super::certificates::Authority;
use super::pem::pem;
use super::wait::wait;
use super::*;
use reactor::resp::{Command, ProtocolVersion};
use reactor::tls::TlsClient;
use std::fs;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::Any, ProtocolVersion::Resp2];

#[test]
fn commands_are_answered_in_both_versions() {
    let Some(server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    for version in VERSIONS {
        let client = client_with(&reactor, &server, settings(|settings| settings.version = version));
        wait(&reactor, client.command(["FLUSHALL"])).unwrap();
        let show = |command: Command<'static>| show(&reactor, client.command(command));
        assert_eq!(show(["SET", "a", "hello"].into()), "OK");
        assert_eq!(show(["GET", "a"].into()), "\"hello\"");
        assert_eq!(show(["GET", "nothing"].into()), "nil");
        assert_eq!(show(["INCR", "n"].into()), "1");
        assert_eq!(show(["LPUSH", "a", "x"].into()), "error WRONGTYPE");
        assert_eq!(show(["NONSENSE"].into()), "error ERR");
        assert_eq!(show(["BLPOP", "nothing", "0.01"].into()), "nil");
        assert_eq!(show(Command::new("HSET").key("h").arg("f").arg(1).arg("g").arg(2.5)), "2");
        let hash = wait(&reactor, client.command(["HGETALL", "h"])).unwrap();
        let mut pairs: Vec<_> = hash.pairs().unwrap().map(|(key, value)| (key.as_str(), value.as_double())).collect();
        pairs.sort_by_key(|(key, _)| *key);
        assert_eq!(pairs, [(Some("f"), Some(1.0)), (Some("g"), Some(2.5))]);
        assert_eq!(show(["ZADD", "z", "1.5", "m"].into()), "1");
        let score = wait(&reactor, client.command(["ZSCORE", "z", "m"])).unwrap();
        assert_eq!(score.as_double(), Some(1.5));
        let large = vec![b'x'; 3_000_000];
        wait(&reactor, client.command(Command::new("SET").key("large").arg(&large))).unwrap();
        let back = wait(&reactor, client.command(["GET", "large"])).unwrap();
        assert!(back.as_bytes() == Some(&large[..]));
        let all: Vec<Deferred<Value>> = (0..5000).map(|n| client.command(Command::new("ECHO").arg(n))).collect();
        for (number, echo) in all.into_iter().enumerate() {
            assert_eq!(wait(&reactor, echo).unwrap().as_integer(), Some(number as i64));
        }
    }
}

#[test]
fn every_type_that_the_server_can_send_is_read() {
    let Some(server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    let client = client(&reactor, &server);
    let kinds = [
        ("string", "\"Hello World\""),
        ("integer", "12345"),
        ("double", "3.141"),
        ("null", "nil"),
        ("array", "[0, 1, 2]"),
        ("set", "set[0, 1, 2]"),
        ("map", "{0: false, 1: true, 2: false}"),
        // The server sends an attribute, with a key of its own, in front of this text.
        ("attrib", "\"Some real reply following the attribute\""),
        ("bignum", "1234567999999999999999999999999999999n"),
        ("verbatim", "txt:\"This is a verbatim\\nstring\""),
        ("true", "true"),
        ("false", "false"),
    ];
    for (kind, expected) in kinds {
        assert_eq!(show(&reactor, client.command(["DEBUG", "PROTOCOL", kind])), expected, "{kind}");
    }
    let script = "local t = {} for i = 1, 20 do t = {t} end return t";
    let deep = wait(&reactor, client.command(["EVAL", script, "0"])).unwrap();
    assert_eq!(format!("{deep:?}"), format!("{}{}", "[".repeat(21), "]".repeat(21)));
    let script = "redis.setresp(3); return {double = tonumber(ARGV[1])}";
    for (text, number) in [("inf", "inf"), ("-inf", "-inf"), ("1e300", "1e300"), ("0.1", "0.1"), ("nan", "NaN")] {
        assert_eq!(show(&reactor, client.command(["EVAL", script, "0", text])), number, "{text}");
    }
}

#[test]
fn a_batch_is_a_transaction_and_wait_asks_about_its_own_writes() {
    let Some(server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    let client = client(&reactor, &server);
    let commands = [Command::from(["MULTI"]), ["INCR", "n"].into(), ["INCR", "n"].into(), Command::from(["EXEC"])];
    let replies = wait(&reactor, client.batch(commands)).unwrap();
    assert_eq!(format!("{replies:?}"), "[OK, QUEUED, QUEUED, [1, 2]]");
    let commands = [Command::from(["MULTI"]), ["INCR"].into(), Command::from(["EXEC"])];
    let replies = wait(&reactor, client.batch(commands)).unwrap();
    assert!(matches!(&replies[2], Value::Error(error) if error.code() == "EXECABORT"), "{replies:?}");
    let replies = wait(&reactor, client.batch([Command::from(["SET", "a", "1"]), ["WAIT", "0", "10"].into()])).unwrap();
    assert_eq!(format!("{replies:?}"), "[OK, 0]");
    let library = "#!lua name=l\nredis.register_function('set', function(keys, args) \
                   return redis.call('SET', keys[1], args[1]) end)";
    assert_eq!(show(&reactor, client.command(["FUNCTION", "LOAD", library])), "\"l\"");
    assert_eq!(show(&reactor, client.command(Command::new("FCALL").arg("set").arg(1).key("k").arg("v"))), "OK");
    assert_eq!(show(&reactor, client.command(["GET", "k"])), "\"v\"");
}

#[test]
fn users_passwords_databases_and_names() {
    let Some(server) = Server::start(&["--requirepass", "master", "--user", "herd", "on", ">pw", "~h:*", "+@all"])
    else {
        return;
    };
    let reactor = Reactor::new().unwrap();
    for version in VERSIONS {
        let with = |user: Option<&str>, password: Option<&str>| {
            let settings = settings(|settings| {
                settings.version = version;
                settings.user = user.map(str::to_owned);
                settings.password = password.map(Into::into);
                settings.name = Some("powell".to_owned());
                settings.database = 3;
            });
            client_with(&reactor, &server, settings)
        };
        let herd = with(Some("herd"), Some("pw"));
        assert_eq!(show(&reactor, herd.command(["ACL", "WHOAMI"])), "\"herd\"");
        assert_eq!(show(&reactor, herd.command(["CLIENT", "GETNAME"])), "\"powell\"");
        let info = wait(&reactor, herd.command(["CLIENT", "INFO"])).unwrap();
        assert!(info.as_str().unwrap().contains(" db=3 "), "{info:?}");
        assert_eq!(show(&reactor, herd.command(["GET", "h:1"])), "nil");
        assert_eq!(show(&reactor, herd.command(["GET", "other"])), "error NOPERM");
        let default = with(None, Some("master"));
        assert_eq!(show(&reactor, default.command(["ACL", "WHOAMI"])), "\"default\"");
        // The server may still be starting: a refused connection is another failure.
        wait(&reactor, default.when_connected()).unwrap();
        let wrong = wait(&reactor, with(Some("herd"), Some("wrong")).when_connected_within(1)).unwrap_err();
        assert_eq!(in_short(&wrong), "error WRONGPASS");
    }
    let none = client(&reactor, &server);
    let refused = wait(&reactor, none.when_connected_within(1)).unwrap_err();
    assert_eq!(in_short(&refused), "error NOAUTH");
}

#[test]
fn over_tls() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", 2999);
    let directory = server::new_directory();
    let path = |name: &str| directory.join(name).display().to_string();
    fs::write(path("ca.pem"), pem("CERTIFICATE", authority.der())).unwrap();
    fs::write(path("certificate.pem"), pem("CERTIFICATE", &identity.certificate)).unwrap();
    fs::write(path("key.pem"), pem("PRIVATE KEY", &identity.key)).unwrap();
    let port = server::free_port();
    let (ca, certificate, key) = (path("ca.pem"), path("certificate.pem"), path("key.pem"));
    let arguments = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"].map(str::to_owned);
    let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &certificate, "--tls-key-file", &key].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().chain(&files).map(String::as_str).collect();
    let Some(server) = Server::start_in(directory.clone(), port, &arguments) else { return };
    let reactor = Reactor::new().unwrap();
    let tls = TlsClient::new(&reactor, &authority.roots(), &[]).unwrap();
    for version in VERSIONS {
        let client = Client::new(&reactor, ("127.0.0.1", server.port))
            .with_settings(settings(|settings| settings.version = version))
            .over_tls(&tls, "localhost");
        client.start();
        let large = vec![b'x'; 1_000_000];
        wait(&reactor, client.command(Command::new("SET").key("large").arg(&large))).unwrap();
        assert!(wait(&reactor, client.command(["GET", "large"])).unwrap().as_bytes() == Some(&large[..]));
        // The companion of RESP2 speaks TLS, too.
        let heard = Heard::default();
        let note = heard.clone();
        let _news = client.subscribe("news", move |event| note.note(format!("{event:?}")));
        heard.until(&reactor, 1);
        wait(&reactor, client.command(["PUBLISH", "news", "hello"])).unwrap();
        assert_eq!(heard.until(&reactor, 2), ["Began", "Message(Message(5 bytes on news))"]);
    }
    // A client that speaks clear text to a TLS port gets no connection.
    let plain = client(&reactor, &server);
    wait(&reactor, plain.when_connected_within(1)).unwrap_err();
}
