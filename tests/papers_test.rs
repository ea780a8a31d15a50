//! The paper's own test with five real processes, and then what the paper's herd could not do: servers come back.

#[path = "util/herd.rs"]
mod herd;
#[path = "../reactor/tests/resp_servers/server.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod redis;
#[path = "../reactor/tests/util/skip.rs"]
mod skip;
mod util;

use herd::Herd;
use std::time::{Duration, SystemTime};
use util::{Client, wait_until};

const ALL: [&str; 5] = ["Alford", "Bolden", "Hamilton", "Parker", "Powell"];

/// The answer of the offline places to `WHATSAT client 10 1` at UCLA.
const NEAREST: &str = include_str!("../src/places/data/golden.json");
const UCLA: &str = "+34.068930-118.445127";

/// Lets a client say where it is. Returns the AT line that the herd has to know from then on.
fn move_to(client: &mut Client, name: &str, server: &str) -> String {
    let time = "1400794645.392014450";
    let at = client.ask(&format!("IAMAT {name} {UCLA} {time}"));
    assert!(at.starts_with(&format!("AT {server} +")) && at.ends_with(&format!(" {name} {UCLA} {time}")), "{at}");
    at
}

/// Kills Powell and then Parker. Three clients report their locations: before, between and after.
fn play_the_paper(herd: &mut Herd) -> [String; 3] {
    let first = move_to(&mut herd.client("Alford"), "first", "Alford");
    herd.wait_until_known(&first, &ALL);

    herd.kill("Powell");
    let second = move_to(&mut herd.client("Alford"), "second", "Alford");
    herd.wait_until_known(&second, &["Alford", "Bolden", "Hamilton", "Parker"]);

    herd.kill("Parker");
    wait_until("Bolden knows that nobody is left", || herd.log("Bolden").matches(" is down (").count() >= 2);
    let third = move_to(&mut herd.client("Bolden"), "third", "Bolden");
    herd.wait_until_known(&third, &["Bolden"]);
    [first, second, third]
}

#[test]
fn the_herd_passes_the_papers_test() {
    let mut herd = Herd::start();
    let [first, ..] = play_the_paper(&mut herd);

    for name in ["Alford", "Hamilton"] {
        assert_eq!(herd.known(name, "third"), "? WHATSAT third 0 0", "no server is left between Bolden and {name}");
    }
    let (at, json) = herd.client("Hamilton").whats_at("first", 10, 1);
    assert_eq!(at, first);
    assert_eq!(json, NEAREST.trim_end());

    herd.end();
    for name in ["Alford", "Hamilton"] {
        assert!(!herd.log(name).contains("AT Bolden"), "{name} has heard from Bolden");
    }
}

#[test]
fn servers_that_come_back_learn_everything_and_join_the_two_halves() {
    let mut herd = Herd::start();
    let news = play_the_paper(&mut herd);

    herd.run("Parker");
    for at in &news {
        herd.wait_until_known(at, &["Alford", "Bolden", "Hamilton", "Parker"]);
    }
    herd.run("Powell");
    for at in &news {
        herd.wait_until_known(at, &ALL);
    }
    // News travels through both of them again.
    let fourth = move_to(&mut herd.client("Hamilton"), "fourth", "Hamilton");
    herd.wait_until_known(&fourth, &ALL);
    herd.end();

    let log = herd.log("Powell");
    let second_run = &log[log.rfind("Powell listens on").unwrap()..];
    let up = logged_at(second_run, " has connected");
    for at in &news {
        let took = logged_at(second_run, &format!(" >> {at}")).duration_since(up).unwrap_or_default();
        assert!(took < Duration::from_secs(1), "{took:?} from the first neighbor's connection to {at}");
    }
}

#[test]
fn with_a_store_the_two_halves_still_know_the_same() {
    let Some(store) = redis::Server::start(&[]) else { return };
    wait_until("the store answers", || store.ask(&["PING"]).contains("PONG"));
    let mut herd = Herd::start_with(&format!("[store]\nnodes = [\"127.0.0.1:{}\"]\n", store.port));
    wait_until("the store has our functions", || store.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1");
    let news = play_the_paper(&mut herd);
    for at in &news {
        herd.wait_until_known(at, &["Alford", "Bolden", "Hamilton"]);
    }
    herd.run("Parker");
    herd.run("Powell");
    for at in &news {
        herd.wait_until_known(at, &ALL);
    }
    herd.end();
    // What a client said before the store was found went by flood; of the rest, no server has told another one.
    let log = herd.log("Powell");
    let second_run = &log[log.rfind("Powell listens on").unwrap()..];
    assert!(!second_run.contains(" >> AT "), "it was told something when it came back");
}

/// When the first line with `text` was logged.
#[track_caller]
fn logged_at(log: &str, text: &str) -> SystemTime {
    let line = log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("not logged: {text}"));
    humantime::parse_rfc3339_weak(&line[.."2026-11-22 14:27:00.000000".len()]).unwrap()
}
