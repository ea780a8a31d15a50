//! A store that is well: what clients and neighbors hear, and what the store then has.

use super::harness::NOW;
use super::*;
use std::time::Duration;

fn iamat(client: &str, number: u32) -> String {
    format!("IAMAT {client} +34.068930-118.445127 140079464{number}")
}

#[test]
fn an_iamat_is_answered_when_the_store_has_it_and_another_herd_finds_it_there() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let [here, there] = ["Alford", "Zed"].map(|name| Herder::start(&harness, name, &[&redis], |_| ()));
    here.wait_for_store(&harness, &redis);
    let mut client = harness.connect(here.address);
    let reply = client.ask(&iamat("kiwi", 1));
    assert_eq!(reply, "AT Alford +4.655887836 kiwi +34.068930-118.445127 1400794641");
    let key = redis.ask(&["KEYS", "*:kiwi"]);
    assert!(redis.ask(&["GET", key.trim()]).contains(&reply));
    assert_eq!((here.table_len(), there.table_len()), (0, 0), "the store has it");
    assert_eq!(there.whats_at(&harness, "kiwi"), reply);
    // The other herd says something newer: what was remembered is old.
    let newer = harness.connect(there.address).ask(&iamat("kiwi", 5));
    here.wait_until_it_says(&harness, "kiwi", &newer);
    assert_eq!(client.ask(&iamat("kiwi", 2)).split(' ').next_back(), Some("1400794642"), "older, and answered");
    there.wait_until_it_says(&harness, "kiwi", &newer);
    assert_eq!(here.whats_at(&harness, "nobody"), "? WHATSAT nobody 1 1");
}

#[test]
fn what_is_remembered_is_not_asked_for_again_until_it_changes_or_a_minute_is_over() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let [here, there] = ["Alford", "Zed"].map(|name| Herder::start(&harness, name, &[&redis], |_| ()));
    here.wait_for_store(&harness, &redis);
    harness.connect(here.address).ask(&iamat("kiwi", 1));
    (0..3).for_each(|_| drop(there.whats_at(&harness, "kiwi")));
    assert_eq!((there.counted("looked_up"), there.counted("remembered"), there.store().remembered), (1, 2, 1));
    harness.connect(here.address).ask(&iamat("kiwi", 2));
    harness.turn_until("the store tells of the change", || there.store().remembered == 0);
    assert!(there.whats_at(&harness, "kiwi").ends_with("1400794642"));
    harness.advance(Duration::from_secs(61));
    harness.turn_until("what may not be shown any more is dropped", || there.store().remembered == 0);
    there.whats_at(&harness, "kiwi");
    assert_eq!(there.counted("looked_up"), 3);
    // Its own client says something, and asks in the same write: the answer is what it has said.
    let mut client = harness.connect(there.address);
    client.send(format!("{}\nWHATSAT kiwi 1 1\n", iamat("kiwi", 3)));
    assert!(client.line().ends_with("1400794643") && client.line().ends_with("1400794643"));
}

#[test]
fn commands_in_one_write_are_answered_in_their_order() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let mut client = harness.connect(here.address);
    let all: Vec<String> = (0..300).map(|number| iamat(&format!("c{number}"), 1)).collect();
    client.send(all.join("\n") + "\nnonsense\n");
    for number in 0..300 {
        assert!(client.line().contains(&format!(" c{number} ")));
    }
    assert_eq!(client.line(), "? nonsense");
    assert_eq!(here.counted("stored"), 300);
}

#[test]
fn a_place_near_the_pole_a_long_name_and_any_bytes_are_stored() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let [here, there] = ["Alford", "Zed"].map(|name| Herder::start(&harness, name, &[&redis], |_| ()));
    here.wait_for_store(&harness, &redis);
    let mut client = harness.connect(here.address);
    let long = "n".repeat(65_000);
    for (name, place) in
        [("pole", "+89.5-118"), (&long[..], "-90+180"), ("a}:{b", "+85.05112878+0"), ("ü\u{1}", "-0.0+0")]
    {
        let reply = client.ask(&format!("IAMAT {name} {place} 1400794640"));
        assert_eq!(reply, format!("AT Alford +5.655887836 {name} {place} 1400794640"));
        assert_eq!(there.whats_at(&harness, name), reply);
    }
    let indexes = redis.ask(&["KEYS", "*places"]);
    let indexed: String = indexes.lines().map(|index| redis.ask(&["ZRANGE", index, "0", "-1"])).collect();
    assert!(indexed.contains("a}:{b") && !indexed.contains("pole") && !indexed.contains(&long), "beyond 85.05 degrees");
    // A client that goes there leaves the index.
    client.ask("IAMAT a}:{b +86+0 1400794641");
    let indexed: String = indexes.lines().map(|index| redis.ask(&["ZRANGE", index, "0", "-1"])).collect();
    assert!(!indexed.contains("a}:{b"), "{indexed}");
    assert_eq!(here.store().lost, 0);
    // The longest line, and one byte more.
    let most = here.server.limits().line;
    let iamat = |length: usize| {
        let rest = "IAMAT  +1+1 1400794642".len();
        format!("IAMAT {} +1+1 1400794642", "n".repeat(length - rest))
    };
    assert_eq!(most, 65_536);
    assert!(client.ask(&iamat(most)).starts_with("AT Alford "));
    assert_eq!((here.store().lost, here.table_len()), (0, 0), "it is stored");
    assert_eq!(client.ask(&iamat(most + 1)), "? a line is longer than 65536 bytes");
}

#[test]
fn what_a_neighbor_tells_goes_to_the_store_and_not_into_the_table() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let port = harness.listen();
    let mut config = harness::herd(&[("Bolden", port.address())]);
    config.store = Some(StoreConfig::of(vec![HostPort { host: "127.0.0.1".to_owned(), port: redis.port }]));
    let server = Server::new(&harness.reactor, &config, "Alford", Rc::new(NoPlaces), Box::new(newness), Rc::new(()));
    let server = server.unwrap();
    let address = harness.wait_for_start(server.clone().begin());
    let here = Herder { server, address };
    here.wait_for_store(&harness, &redis);
    let mut link = port.accept_link();
    let mut neighbor = harness.connect(here.address);
    let count = 3000;
    let lines: Vec<String> =
        (0..count).map(|number| format!("AT Bolden +0.100000000 c{number} +34-118 1400794640\n")).collect();
    neighbor.send(format!("PEER Bolden\n{}", lines.concat()));
    harness.turn_until("all are stored", || here.counted("stored") == count);
    assert_eq!(here.table_len(), 0);
    neighbor.send("FORGOT Bolden +0.100000000 c7 1400794641\n");
    harness.turn_until("the FORGOT is stored", || here.counted("stored") == count + 1);
    assert_eq!(here.whats_at(&harness, "c7"), "? WHATSAT c7 1 1");
    assert!(here.whats_at(&harness, "c8").contains(" c8 "));
    let told = String::from_utf8(link.received()).unwrap();
    assert!(!told.contains("AT "), "nothing is passed on: {told}");
}

#[test]
fn what_a_neighbor_has_heard_too_long_ago_takes_no_place_in_the_store() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let port = harness.listen();
    let mut config = harness::herd(&[("Bolden", port.address())]);
    config.store = Some(StoreConfig::of(vec![HostPort { host: "127.0.0.1".to_owned(), port: redis.port }]));
    let server = Server::new(&harness.reactor, &config, "Alford", Rc::new(NoPlaces), Box::new(newness), Rc::new(()));
    let server = server.unwrap();
    let address = harness.wait_for_start(server.clone().begin());
    let here = Herder { server, address };
    here.wait_for_store(&harness, &redis);
    let _link = port.accept_link();
    let mut limits = here.server.limits();
    limits.forget = Duration::from_secs(100);
    here.server.set_limits(limits);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    harness.set_time_of_day(now);
    let reply = harness.connect(here.address).ask(&iamat("kiwi", 1));
    // The client's time is newer. But it was heard two hundred seconds ago, and expires with that.
    let difference = now.as_secs() as i64 - 200 - 1_400_794_642;
    let mut neighbor = harness.connect(here.address);
    neighbor.send(format!("PEER Bolden\nAT Bolden +{difference}.000000000 kiwi +1+1 1400794642\n"));
    harness.turn_until("it is refused", || here.server.counters().at_known.get() == 1);
    assert_eq!((here.whats_at(&harness, "kiwi"), here.table_len()), (reply, 0));
    harness.set_time_of_day(NOW);
}

#[test]
fn an_operator_has_a_client_forgotten_in_the_store() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let [here, there] = ["Alford", "Zed"].map(|name| Herder::start(&harness, name, &[&redis], |_| ()));
    here.wait_for_store(&harness, &redis);
    let mut client = harness.connect(here.address);
    client.ask(&iamat("kiwi", 1));
    let mut operator = harness.connect(there.address);
    assert_eq!(operator.ask("FORGET kiwi"), "FORGOT Zed +4.655887835 kiwi 1400794641.000000001");
    harness.turn_until("the store has it", || there.table_len() == 0);
    here.wait_until_it_says(&harness, "kiwi", "? WHATSAT kiwi 1 1");
    assert_eq!(operator.ask("FORGET kiwi"), "? FORGET kiwi");
    let reply = client.ask(&iamat("kiwi", 2));
    there.wait_until_it_says(&harness, "kiwi", &reply);
}

#[test]
fn a_client_is_forgotten_in_the_store_when_the_herd_would_forget_it() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    // By the clock of the store, which is the machine's: a client that was heard long ago is forgotten at once.
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let mut limits = here.server.limits();
    limits.forget = Duration::from_secs(100);
    here.server.set_limits(limits);
    let mut client = harness.connect(here.address);
    client.ask(&iamat("old", 1));
    assert_eq!(redis.ask(&["KEYS", "*:old"]).trim(), "");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    harness.set_time_of_day(now);
    client.ask(&iamat("young", 1));
    let key = redis.ask(&["KEYS", "*:young"]);
    let left: u64 = redis.ask(&["TTL", key.trim()]).trim().parse().unwrap();
    assert!((80..=100).contains(&left), "{left}");
    // By the herd's clock it may be forgotten earlier.
    harness.set_time_of_day(now + Duration::from_secs(101));
    assert_eq!(here.whats_at(&harness, "young"), "? WHATSAT young 1 1");
    harness.set_time_of_day(NOW);
}

#[test]
fn an_address_brings_no_more_new_clients_than_its_share() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let mut limits = here.server.limits();
    (limits.clients_per_address, limits.forget) = (3, Duration::from_secs(1_000_000_000));
    here.server.set_limits(limits);
    let mut client = harness.connect(here.address);
    for number in 0..3 {
        assert!(client.ask(&iamat(&format!("c{number}"), 1)).starts_with("AT "));
    }
    assert_eq!(client.ask(&iamat("c3", 1)), format!("? {}", iamat("c3", 1)));
    assert!(client.ask(&iamat("c0", 2)).starts_with("AT "), "a known client reports as often as it likes");
    let mut other = harness.connect_from([127, 0, 0, 9], here.address);
    assert!(other.ask(&iamat("c3", 1)).starts_with("AT "));
}
