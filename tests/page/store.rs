//! What a server's page and its metrics say about the store beside the herd. Without `redis-server`, each test reports
//! SKIPPED.

use crate::chromium::Browser;
use crate::http::{Events, get};
use crate::redis::Server as Redis;
use crate::util::{Client, wait_until};
use crate::{KIWI, Two, has_no_complaint, sample};
use serde_json::json;

/// A herd of two with a page each, beside a store that answers.
fn herd() -> Option<(Redis, Two)> {
    let redis = Redis::start(&[])?;
    wait_until("the store answers", || redis.ask(&["PING"]).contains("PONG"));
    let herd = Two::new(&format!("[store]\nnodes = [\"127.0.0.1:{}\"]\nbuckets = 8", redis.port));
    Some((redis, herd))
}

/// Waits until the metrics have these samples.
#[track_caller]
fn wait_for(herd: &Two, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        wait_until(name, || sample(&get(herd.page(0), "/metrics").body, name) == Some(*value));
    }
}

const CONNECTED: &str = "proxyherd_store_connected";
const LOST: &str = "proxyherd_store_lost_buckets";
const OWED: &str = "proxyherd_store_owed_clients";

#[test]
fn metrics_and_events_tell_when_the_store_is_lost_and_when_it_has_everything_again() {
    let Some((mut redis, herd)) = herd() else { return };
    let _alford = herd.start("Alford");
    let has_functions = || redis.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1";
    wait_until("the store has our functions", has_functions);
    let mut events = Events::open(herd.page(0));
    let mut client = Client::connect(herd.ports[0]);
    client.ask(&format!("IAMAT {KIWI}"));
    let stored = events.find("the location in the store", |event| event["kind"] == "stored");
    assert_eq!((&stored["by"], &stored["client"]), (&json!("Alford"), &json!("kiwi.cs.ucla.edu")), "{stored}");
    client.whats_at("kiwi.cs.ucla.edu", 1, 1);
    let event = |event: &str| format!("proxyherd_store_events_total{{event=\"{event}\"}}");
    wait_for(
        &herd,
        &[
            (CONNECTED, 1.0),
            ("proxyherd_store_buckets", 8.0),
            (LOST, 0.0),
            (OWED, 0.0),
            ("proxyherd_store_remembered_clients", 1.0),
            ("proxyherd_store_waiting_commands", 0.0),
            (&event("stored"), 1.0),
            (&event("looked_up"), 1.0),
            (&event("flooded"), 0.0),
        ],
    );
    redis.kill();
    // Nobody reports meanwhile.
    wait_for(&herd, &[(CONNECTED, 0.0), (LOST, 8.0), (OWED, 0.0)]);
    let reply = client.ask(&format!("IAMAT {KIWI}"));
    assert!(reply.starts_with("AT Alford"), "{reply}");
    wait_for(&herd, &[(OWED, 1.0), (&event("flooded"), 1.0)]);
    let is_told = |event: &serde_json::Value| event["kind"] == "status" && event["store"]["owed"] == 1;
    let told = events.find("the loss", is_told);
    let why = told["store"]["why"].as_str().unwrap();
    assert!(told["store"]["lost"] == 8 && why.contains("no connection to 127.0.0.1:"), "{told}");
    has_no_complaint(&get(herd.page(0), "/metrics").body);
    redis.restart();
    wait_for(&herd, &[(CONNECTED, 1.0), (LOST, 0.0), (OWED, 0.0), (&event("caught_up"), 1.0)]);
    let is_back = |event: &serde_json::Value| event["kind"] == "status" && event["store"]["lost"] == 0;
    assert_eq!(events.find("the return", is_back)["store"]["why"], json!(null));
}

#[test]
fn a_server_on_the_page_says_how_its_store_is() {
    let Some(mut browser) = Browser::start() else { return };
    let Some((mut redis, herd)) = herd() else { return };
    let _alford = herd.start("Alford");
    browser.open(herd.page(0));
    let label = "return document.querySelector('[data-server=Alford]').ariaLabel";
    wait_until("the store is up", || browser.run(label).to_string().contains("its store is up"));
    redis.kill();
    wait_until("the store is lost", || {
        let label = browser.run(label).to_string();
        label.contains("its store has lost 8 of 8 buckets (no connection to ") && label.contains("owed 0 clients")
    });
    browser.is_clean();
}
