//! A store that is slow, full, half there or gone: what clients hear, and that nothing is missing when it is back.

use super::harness::Connection;
use super::*;
use crate::util::{Directory, Process, free_port, wait_until};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The default `timeout`, and what the deadlines of a connection are late by at most.
const TIMEOUT: Duration = Duration::from_millis(505);

fn iamat(client: &str) -> String {
    format!("IAMAT {client} +34.068930-118.445127 1400794640")
}

/// Turns the loop until nothing is owed to the store any more. It is probed once a second.
#[track_caller]
fn wait_until_caught_up(harness: &Harness, here: &Herder) {
    harness.turn_until("the store has everything", || {
        harness.advance(Duration::from_millis(100));
        here.store().owed == 0 && here.store().lost == 0
    });
    assert_eq!(here.table_len(), 0);
}

/// Moves the clock until a line comes.
#[track_caller]
fn line_within_timeout(harness: &Harness, client: &mut Connection<'_>) -> String {
    let began = harness.passed();
    while !client.has_line() {
        assert!(harness.passed() - began <= TIMEOUT, "somebody waits for longer");
        harness.advance(Duration::from_millis(1));
    }
    client.line()
}

fn has(redis: &Redis, client: &str) -> bool {
    !redis.ask(&["KEYS", &format!("*}}:{client}")]).trim().is_empty()
}

/// Starts a store and a server that has reached it.
fn started(harness: &Harness, change: impl FnOnce(&mut StoreConfig)) -> Option<(Redis, Herder)> {
    let redis = started_redis()?;
    let here = Herder::start(harness, "Alford", &[&redis], change);
    here.wait_for_store(harness, &redis);
    Some((redis, here))
}

#[test]
fn a_store_that_is_killed_costs_no_client_its_answer_and_gets_everything_when_it_is_back() {
    let harness = Harness::new();
    let Some((mut redis, here)) = started(&harness, |_| ()) else { return };
    let mut client = harness.connect(here.address);
    client.ask(&iamat("before"));
    redis.kill();
    for number in 0..100 {
        assert!(client.ask(&iamat(&format!("c{number}"))).starts_with("AT "));
    }
    assert_eq!((here.table_len(), here.counted("flooded"), here.store().owed), (100, 100, 100));
    assert!(here.whats_at(&harness, "c7").starts_with("AT "), "from the table");
    assert_eq!(here.whats_at(&harness, "before"), "? WHATSAT before 1 1", "nobody here knows it now");
    let (_, why) = Status::of(&here.server).store.unwrap().trouble.expect("there is trouble");
    assert!(!why.is_empty());
    redis.restart(); // Empty: without our functions.
    wait_until_it_answers(&redis);
    wait_until_caught_up(&harness, &here);
    assert_eq!(here.counted("caught_up"), 100);
    assert!((0..100).all(|number| has(&redis, &format!("c{number}"))));
    assert!(client.ask(&iamat("after")).starts_with("AT ") && has(&redis, "after"));
}

#[test]
fn a_store_that_is_away_at_the_start_is_found_later() {
    let harness = Harness::new();
    let Some(mut redis) = started_redis() else { return };
    redis.kill();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    let mut client = harness.connect(here.address);
    assert!(client.ask(&iamat("early")).starts_with("AT "));
    redis.restart();
    wait_until_it_answers(&redis);
    wait_until_caught_up(&harness, &here);
    assert!(has(&redis, "early"));
}

#[test]
fn on_loss_refuse_refuses_and_can_be_changed_while_the_server_runs() {
    let harness = Harness::new();
    let Some((mut redis, here)) = started(&harness, refusing) else { return };
    redis.kill();
    let mut client = harness.connect(here.address);
    assert_eq!(client.ask(&iamat("kiwi")), format!("? {}", iamat("kiwi")));
    assert_eq!((here.table_len(), here.counted("refused"), here.counted("flooded")), (0, 1, 0));
    here.server.storing().unwrap().set_on_loss(OnLoss::Flood);
    assert!(client.ask(&iamat("kiwi")).starts_with("AT "));
}

#[test]
fn nobody_waits_longer_than_timeout_for_a_store_that_is_paused() {
    let harness = Harness::new();
    let Some((redis, here)) = started(&harness, |_| ()) else { return };
    redis.ask(&["CLIENT", "PAUSE", "1500", "ALL"]);
    let mut client = harness.connect(here.address);
    client.send(iamat("slow") + "\n");
    harness.turn_until("it is offered", || here.store().waiting > 0);
    client.expect_silence();
    let line = line_within_timeout(&harness, &mut client);
    assert!(line.starts_with("AT Alford"), "by flood");
    assert_eq!((here.counted("flooded"), here.store().lost), (1, 16), "all would wait as long");
    let (_, why) = here.store().trouble.expect("there is trouble");
    assert_eq!(why, "no answer within 500ms");
    for name in 0..12 {
        assert!(client.ask(&iamat(&format!("c{name}"))).starts_with("AT "), "the next ones do not wait at all");
    }
    wait_until_caught_up(&harness, &here);
    assert!(has(&redis, "slow"));
}

#[test]
fn nobody_waits_longer_than_timeout_for_a_store_that_hangs() {
    let harness = Harness::new();
    let Some((redis, here)) = started(&harness, refusing) else { return };
    let mut hung = std::process::Command::new("redis-cli");
    let mut hung = hung.args(["-p", &redis.port.to_string(), "DEBUG", "SLEEP", "1"]).spawn().unwrap();
    let mut client = harness.connect(here.address);
    harness.turn_until("the store hangs, and nobody waits for it", || {
        client.send(iamat("slow") + "\n");
        if here.store().waiting > 0 {
            // Either it hangs, or its answer is on its way.
            let before = std::time::Instant::now();
            while !client.has_line() && before.elapsed() < Duration::from_millis(200) {
                harness.turn();
            }
        }
        line_within_timeout(&harness, &mut client) == format!("? {}", iamat("slow"))
    });
    hung.wait().unwrap();
    harness.turn_until("it is there again", || {
        harness.advance(Duration::from_millis(100));
        here.store().lost == 0
    });
    assert!(client.ask(&iamat("slow")).starts_with("AT "));
}

#[test]
fn a_full_store_takes_nothing_new_and_gets_it_when_there_is_room() {
    let harness = Harness::new();
    let Some((redis, here)) = started(&harness, |_| ()) else { return };
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut client = harness.connect(here.address);
    assert!(client.ask(&iamat("kiwi")).starts_with("AT "));
    let (_, why) = here.store().trouble.expect("there is trouble");
    assert!(why.contains("OOM"), "{why}");
    assert!(!has(&redis, "kiwi") && here.store().owed == 1);
    harness.advance(SECOND);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    wait_until_caught_up(&harness, &here);
    assert!(has(&redis, "kiwi"));
}

#[test]
fn a_store_that_refuses_only_writes_is_read() {
    let harness = Harness::new();
    let Some((redis, writer)) = started(&harness, |_| ()) else { return };
    let clients: Vec<String> = (0..30).map(|number| format!("c{number}")).collect();
    let mut connection = harness.connect(writer.address);
    for client in &clients {
        assert!(connection.ask(&iamat(client)).starts_with("AT "));
    }
    for (prefix, (code, begin, end)) in ["a", "b", "c", "d"].into_iter().zip([
        ("OOM", &["CONFIG", "SET", "maxmemory", "1"][..], &["CONFIG", "SET", "maxmemory", "0"][..]),
        (
            "NOREPLICAS",
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
        ),
        ("cript", &["ACL", "SETUSER", "default", "-geoadd"], &["ACL", "SETUSER", "default", "+geoadd"]),
        ("READONLY", &["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    ]) {
        let reader = Herder::start(&harness, "Bolden", &[&redis], |_| ());
        reader.wait_for_store(&harness, &redis);
        redis.ask(begin);
        let mut connection = harness.connect(reader.address);
        for number in 0..100 {
            assert!(connection.ask(&iamat(&format!("{prefix}{number}"))).starts_with("AT "), "by flood");
        }
        assert!(reader.store().lost == 16 && reader.store().trouble.unwrap().1.contains(code), "{code}");
        for client in &clients {
            assert!(reader.whats_at(&harness, client).starts_with("AT "), "{code}: {client}");
        }
        assert_eq!(reader.whats_at(&harness, "nobody"), "? WHATSAT nobody 1 1");
        redis.ask(end);
        wait_until_caught_up(&harness, &reader);
        assert!(has(&redis, &clients[7]) && has(&redis, &format!("{prefix}7")));
    }
}

#[test]
fn a_location_that_no_replica_confirms_goes_by_flood_too() {
    let harness = Harness::new();
    let Some((redis, here)) = started(&harness, |store| store.wait_replicas = 1) else { return };
    let mut client = harness.connect(here.address);
    client.send(iamat("alone") + "\n");
    harness.turn_until("the store waits for a replica", || here.store().waiting > 0 && has(&redis, "alone"));
    assert!(line_within_timeout(&harness, &mut client).starts_with("AT Alford"));
    assert_eq!((here.table_len(), here.counted("stored"), here.store().lost), (1, 0, 16), "all would wait as long");
    // A replica comes. It is the probe that finds out.
    let Some(replica) = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", redis.port)]) else { return };
    harness.turn_until("the replica is there", || redis.ask(&["INFO", "replication"]).contains("state=online"));
    wait_until_caught_up(&harness, &here);
    assert!(client.ask(&iamat("confirmed")).starts_with("AT "));
    assert!(has(&replica, "alone") && has(&replica, "confirmed"), "not later than the answer");
}

#[test]
fn a_missing_replica_keeps_nobody_from_reading_and_its_probes_do_not_pile_up() {
    let harness = Harness::new();
    let Some((redis, writer)) = started(&harness, |_| ()) else { return };
    let clients: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let mut connection = harness.connect(writer.address);
    for client in &clients {
        assert!(connection.ask(&iamat(client)).starts_with("AT "));
    }
    let reader = Herder::start(&harness, "Bolden", &[&redis], |store| {
        store.wait_replicas = 1;
        store.timeout = Duration::from_millis(100);
    });
    reader.wait_for_store(&harness, &redis);
    let (pace, mut connection) = (Pace::new(&harness), harness.connect(reader.address));
    connection.send(iamat("unconfirmed") + "\n");
    pace.until("it goes by flood", || connection.has_line());
    assert_eq!(reader.store().lost, 16);
    assert!(connection.line().starts_with("AT ") && connection.ask(&iamat("next")).starts_with("AT "), "at once");
    pace.until("it was probed twice", || redis.ask(&["INFO", "commandstats"]).contains("cmdstat_wait:calls=3,"));
    assert!(reader.store().waiting <= 2 && reader.store().lost == 16, "{:?}", reader.store());
    for client in &clients {
        assert!(reader.whats_at(&harness, client).starts_with("AT "), "{client}");
    }
}

#[test]
fn what_the_store_has_not_taken_goes_to_the_neighbors_before_a_stop() {
    let Some(redis) = started_redis() else { return };
    let (neighbor, directory, port) = (TcpListener::bind("127.0.0.1:0").unwrap(), Directory::new(), free_port());
    let beside = neighbor.local_addr().unwrap();
    let text = format!(
        "[store]\nnodes = [\"127.0.0.1:{}\"]\n[page]\naddress = \"off\"\n\
         [servers.Alford]\naddress = \"127.0.0.1:{port}\"\nneighbors = [\"Bolden\"]\n\
         [servers.Bolden]\naddress = \"{beside}\"\nneighbors = [\"Alford\"]\n",
        redis.port
    );
    let mut here = Process::start(directory.path(), &["Alford", "--config", &directory.write("herd.toml", text)], &[]);
    let (mut link, _) = neighbor.accept().unwrap();
    wait_until("the store has our functions", || redis.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1");
    redis.ask(&["CLIENT", "PAUSE", "3000", "ALL"]);
    let mut waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
    waiting.write_all((iamat("late") + "\n").as_bytes()).unwrap();
    let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
    other.write_all(b"x\n").unwrap();
    other.read_exact(&mut [0; "? x\n".len()]).unwrap(); // By now the IAMAT is under way.
    here.end("TERM");
    let (mut answered, mut told) = (String::new(), String::new());
    waiting.read_to_string(&mut answered).unwrap();
    link.read_to_string(&mut told).unwrap();
    assert!(answered.starts_with("AT Alford ") && told.contains(&answered), "{answered} {told}");
}
