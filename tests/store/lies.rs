//! A store that says what it cannot have is told, and not believed.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

fn iamat(client: &str) -> String {
    format!("IAMAT {client} +34.068930-118.445127 1400794640")
}

fn key_of(client: &str) -> String {
    format!("{{proxyherd:{}}}:{client}", proxyherd::store::contract::bucket_of(client.as_bytes(), 16))
}

#[test]
fn a_key_with_something_else_concerns_its_client_alone() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    redis.ask(&["SET", &key_of("garbage"), "garbage"]);
    redis.ask(&["LPUSH", &key_of("list"), "x"]);
    let other = "1000001400794640000000 AT Alford +0.000000000 other +34-118 1400794640";
    redis.ask(&["SET", &key_of("forged"), other]);
    for client in ["garbage", "list", "forged"] {
        assert_eq!(here.whats_at(&harness, client), format!("? WHATSAT {client} 1 1"));
    }
    assert_eq!(here.counted("nonsense"), 3);
    let mut client = harness.connect(here.address);
    for name in ["garbage", "list"] {
        assert!(client.ask(&iamat(name)).starts_with("AT "), "by flood");
        assert!(here.whats_at(&harness, name).starts_with("AT "));
    }
    // Newer than what is there, as far as the function can see.
    let newer = "9000001400794640000000 AT Alford +0.000000000 other +34-118 1400794640";
    redis.ask(&["SET", &key_of("forged"), newer]);
    assert!(client.ask(&iamat("forged")).starts_with("AT "), "by flood");
    assert_eq!((here.table_len(), here.store().lost), (3, 0), "no bucket is lost");
    assert!(client.ask(&iamat("honest")).starts_with("AT ") && here.table_len() == 3);
}

#[test]
fn keys_with_something_else_keep_nobody_else_from_the_store() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let foreign: Vec<String> = (0..10).map(|number| format!("foreign{number}")).collect();
    foreign.iter().for_each(|name| drop(redis.ask(&["SET", &key_of(name), "garbage"])));
    let mut client = harness.connect(here.address);
    let mut report = |name: &str| assert!(client.ask(&iamat(name)).starts_with("AT "), "by flood");
    foreign.iter().for_each(|name| report(name));
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    (0..100).for_each(|number| report(&format!("c{number}")));
    assert_eq!(here.store().owed, 110);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let pass = |seconds: f64| harness.advance(Duration::from_secs_f64(seconds));
    let began = harness.passed();
    harness.turn_until("all others are in the store", || {
        pass(0.1);
        here.table_len() == 10
    });
    assert!(harness.passed() - began < Duration::from_secs(10), "{:?}", harness.passed() - began);
    harness.turn_until("the others are known", || here.store().foreign_keys == 10);
    assert_eq!((here.store().owed, here.store().lost), (10, 0));
    let refused = here.counted("failed");
    (0..60).for_each(|_| {
        pass(1.0);
        (0..20).for_each(|_| harness.turn());
    });
    assert!(here.counted("failed") < refused + 70, "they are offered ever more seldom");
    // Somebody mends the keys.
    foreign.iter().for_each(|name| drop(redis.ask(&["DEL", &key_of(name)])));
    harness.turn_until("they are in the store, too", || {
        pass(1.0);
        here.table_len() == 0
    });
    assert_eq!((here.store().owed, here.store().foreign_keys), (0, 0));
}

#[test]
fn functions_of_our_name_that_are_not_ours_are_not_used_and_not_replaced() {
    let Some(redis) = started_redis() else { return };
    let library = "#!lua name=proxyherd\nredis.register_function('proxyherd_version', function() return 'mine' end)";
    util::wait_until("it answers", || redis.ask(&["FUNCTION", "LOAD", library]).trim() == "proxyherd");
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    harness.turn_until("it is told", || here.store().lost == 16);
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.contains("has functions of our name"), "{why}");
    assert!(harness.connect(here.address).ask(&iamat("kiwi")).starts_with("AT "), "by flood");
    assert_eq!(redis.ask(&["FCALL", "proxyherd_version", "0"]).trim(), "mine");
    // Somebody removes them.
    redis.ask(&["FUNCTION", "FLUSH"]);
    harness.turn_until("ours are loaded", || {
        harness.advance(Duration::from_millis(100));
        here.store().lost == 0 && here.table_len() == 0
    });
}

#[test]
fn a_function_of_our_name_in_another_library_is_told_as_what_it_is() {
    let Some(redis) = started_redis() else { return };
    let library = "#!lua name=other\nredis.register_function('proxyherd_offer', function() return 2 end)";
    assert_eq!(redis.ask(&["FUNCTION", "LOAD", library]).trim(), "other");
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    harness.turn_until("it is told", || here.store().lost == 16);
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.contains("has a function of our name in another library"), "{why}");
    redis.ask(&["FUNCTION", "DELETE", "other"]);
    harness.turn_until("ours are loaded", || {
        harness.advance(Duration::from_millis(100));
        here.store().lost == 0
    });
}

#[test]
fn an_older_library_is_replaced_and_a_newer_one_is_used() {
    let Some(redis) = started_redis() else { return };
    let with_version = |version: &str| {
        proxyherd::store::contract::LIBRARY.replace("local VERSION = 1\n", &format!("local VERSION = {version}\n"))
    };
    for (before, after) in [("0.5", "1"), ("7", "7")] {
        let loaded = || redis.ask(&["FUNCTION", "LOAD", "REPLACE", &with_version(before)]).trim() == "proxyherd";
        // Lua's 0.5 is Redis' 0: no version of ours, but a number. Below 1 there is none.
        if before == "0.5" {
            util::wait_until("it answers", loaded);
            let harness = Harness::new();
            let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
            harness.turn_until("it is told", || here.store().lost == 16);
            redis.ask(&["FUNCTION", "DELETE", "proxyherd"]);
            harness.turn_until("ours is loaded", || {
                harness.advance(Duration::from_millis(100));
                here.store().lost == 0
            });
        } else {
            util::wait_until("it answers", loaded);
            let harness = Harness::new();
            let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
            let mut client = harness.connect(here.address);
            assert!(client.ask(&iamat("kiwi")).starts_with("AT ") && here.table_len() == 0);
        }
        assert_eq!(redis.ask(&["FCALL", "proxyherd_version", "0"]).trim(), after);
    }
}

#[test]
fn a_store_with_another_number_of_buckets_is_not_used() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    harness.turn_until("the number is there", || redis.ask(&["GET", "{proxyherd}buckets"]).trim() == "16");
    let other = Herder::start(&harness, "Zed", &[&redis], |store| store.buckets = 32);
    harness.turn_until("it is told", || other.store().lost == 32);
    let (_, why) = other.store().trouble.unwrap();
    assert!(why.contains("16") && why.contains("32"), "{why}");
}

#[test]
fn a_server_that_speaks_nonsense_is_not_waited_for() {
    for nonsense in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"+OK\r\n+OK\r\n+OK\r\n", b"%7\r\n", b"\x15\x03\x01"] {
        let harness = Harness::new();
        let liar = TcpListener::bind("127.0.0.1:0").unwrap();
        liar.set_nonblocking(true).unwrap();
        let node = HostPort { host: "127.0.0.1".to_owned(), port: liar.local_addr().unwrap().port() };
        let here = Herder::start_at(&harness, "Alford", vec![node], |_| ());
        let mut client = harness.connect(here.address);
        client.send(iamat("kiwi") + "\n");
        let mut connections = Vec::new();
        harness.turn_until("it is answered all the same", || {
            if let Ok((mut stream, _)) = liar.accept() {
                let _ = stream.write(nonsense);
                stream.set_nonblocking(true).unwrap();
                connections.push(stream);
            }
            connections.iter_mut().for_each(|stream| drop(stream.read(&mut [0; 4096])));
            harness.advance(Duration::from_millis(5));
            client.has_line()
        });
        assert!(client.line().starts_with("AT Alford"), "by flood");
        assert_eq!(here.table_len(), 1);
    }
}

/// Reports, and has the clock go on until the store has refused several probes.
#[track_caller]
fn report_and_be_refused(harness: &Harness, here: &Herder, redis: &Redis, error: &str) {
    assert!(harness.connect(here.address).ask(&iamat("kiwi")).starts_with("AT "), "by flood");
    assert_eq!(here.store().lost, 1);
    let count = || {
        let errors = redis.ask(&["INFO", "errorstats"]);
        let line = errors.lines().find_map(|line| line.strip_prefix(&format!("errorstat_{error}:count=")));
        line.map_or(0, |count| count.trim().parse::<u32>().unwrap())
    };
    let before = count();
    harness.turn_until("it was probed", || {
        harness.advance(Duration::from_millis(100));
        assert_eq!(here.store().lost, 1, "no probe succeeds");
        count() >= before + 3
    });
    assert_eq!((here.store().lost, here.store().owed, here.table_len()), (1, 1, 1));
}

#[test]
fn a_store_that_takes_writes_but_no_offers_stays_lost() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    redis.ask(&["ACL", "SETUSER", "default", "-geoadd"]);
    report_and_be_refused(&harness, &here, &redis, "ERR");
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.ends_with("(GEOADD)"), "it names what failed: {why}");
    redis.ask(&["ACL", "SETUSER", "default", "+geoadd"]);
    harness.turn_until("it is there again", || {
        harness.advance(Duration::from_millis(100));
        here.store().lost == 0 && here.table_len() == 0
    });
    assert_eq!(redis.ask(&["DBSIZE"]).trim(), "4", "client, index, number of buckets, mark: no trace of probes");
    // Functions of our name and version, without the one that matters.
    redis.ask(&["FUNCTION", "FLUSH"]);
    let library = "#!lua name=proxyherd\nredis.register_function('proxyherd_version', function() return 1 end)";
    redis.ask(&["FUNCTION", "LOAD", library]);
    redis.ask(&["DEL", &key_of("kiwi")]);
    report_and_be_refused(&harness, &here, &redis, "ERR");
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.contains("Function not found"), "{why}");
}

#[test]
fn a_function_that_lies_about_everything_loses_what_is_offered() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let library = "#!lua name=proxyherd\nredis.register_function('proxyherd_version', function() return 1 end)\n\
                   redis.register_function('proxyherd_offer', function() return 7 end)";
    redis.ask(&["FUNCTION", "LOAD", "REPLACE", library]);
    let mut client = harness.connect(here.address);
    for number in 0..100 {
        assert!(client.ask(&iamat(&format!("c{number}"))).starts_with("AT "), "by flood");
    }
    harness.turn_until("all of it is lost", || here.store().lost == 16);
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.ends_with("what it cannot have: 7"), "{why}");
    assert!(here.counted("nonsense") < 100, "a bucket that is lost is not asked");
}

#[test]
fn an_index_that_is_something_else_loses_its_bucket_and_is_named() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let index = key_of("places").replace("}:", "}");
    redis.ask(&["SET", &index, "x"]);
    let client = (0..)
        .map(|number| format!("c{number}"))
        .find(|name| key_of(name).starts_with(index.trim_end_matches("places")));
    assert!(harness.connect(here.address).ask(&iamat(&client.unwrap())).starts_with("AT "), "by flood");
    harness.turn_until("its bucket is lost", || here.store().lost == 1);
    let (_, why) = here.store().trouble.unwrap();
    let is_named = |why: &str| why.starts_with(&format!("{index}: it says \"WRONGTYPE ")) && why.ends_with(" (GEOADD)");
    assert!(is_named(&why), "{why}");
    let probes = || {
        let text = redis.ask(&["INFO", "errorstats"]);
        text.lines().find_map(|line| line.strip_prefix("errorstat_WRONGTYPE:count=")).map(|it| it.trim().to_owned())
    };
    let before = probes();
    harness.turn_until("it was probed again", || {
        harness.advance(Duration::from_millis(100));
        probes() != before && here.store().waiting == 0
    });
    let (_, why) = here.store().trouble.unwrap();
    assert!(is_named(&why), "a failed probe does not hide it: {why}");
    redis.ask(&["DEL", &index]);
    harness.turn_until("it is there again", || {
        harness.advance(Duration::from_millis(100));
        here.store().lost == 0 && here.table_len() == 0
    });
}
