//! The page of HTML: what it says, and in a real Chromium, how it behaves. Without Chromium those tests report SKIPPED.

mod browser;
#[expect(dead_code, reason = "the page of herdsim uses more of it")]
#[path = "../../../tests/page/chromium.rs"]
mod chromium;
#[expect(dead_code, reason = "the page of herdsim uses more of it")]
#[path = "../../../tests/page/http.rs"]
mod http;
#[expect(dead_code, reason = "other tests look into the lines")]
#[path = "../util/mod.rs"]
mod lines;
#[path = "../util/peers.rs"]
mod peers;
#[path = "../../../reactor/tests/util/skip.rs"]
mod skip;
mod text;

/// What the browser's driver needs.
mod util {
    use std::time::{Duration, Instant};

    /// How long a test waits for a browser.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

    pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

use lens::Model;
use lines::Lines;
use peers::{add_talker, echo_world};
use reactor::Deferred;
use reactor::deferred::Others;
use std::time::Duration;

/// A server and this many clients. The server is started again after two seconds, if it is to be.
fn world(clients: usize, is_restarted: bool) -> Model {
    let lines = Lines::default();
    let (world, server, address) = echo_world(lines.stream(), Some(Duration::from_secs(60)));
    for number in 1..=clients {
        add_talker(&world, &format!("client-{number}"), &address);
    }
    world.run_for(Duration::from_secs(2));
    if is_restarted {
        server.crash();
        world.run_for(Duration::from_secs(1));
        server.restart();
    }
    world.run_for(Duration::from_secs(2));
    drop(world);
    lines.model()
}

/// Deferreds that wait for each other in each way.
fn deferreds() -> Model {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (answer, firer) = Deferred::<u32>::new();
        let chain = reactor::deferred::succeed(1).add_callback(move |_| answer).add_callback(|n| Ok(n + 1));
        let (one, first) = Deferred::<u32>::new();
        let (other, second) = Deferred::<u32>::new();
        let list = reactor::deferred::gather_results([one, other], Others::Cancel).add_callback(|sum| Ok(sum.len()));
        first.callback(1).unwrap();
        firer.callback(2).unwrap();
        second.callback(3).unwrap();
        let (lost, last) = Deferred::<u32>::new();
        let lost = lost.add_callback(Ok);
        drop(last);
        std::mem::forget((chain, list, lost));
    });
    lines.model()
}

/// A trace of turns with a callback and a delayed call each. The callback of turn 70 holds the loop for 50 ms.
fn turns(count: u64) -> Model {
    let mut text = String::new();
    let (mut seq, mut ns) = (0, 0);
    let mut event = |turn: u64, phase: &str, after: u64, fields: &str| {
        ns += after;
        text.push_str(&format!("{{\"seq\":{seq},\"ns\":{ns},\"turn\":{turn},\"phase\":\"{phase}\",{fields}}}\n"));
        seq += 1;
    };
    event(0, "outside", 0, r#""kind":"trace","schema":1"#);
    for turn in 1..=count {
        let took = if turn == 70 { 50_000_000 } else { 20_000 };
        event(turn, "wait", 1_000, r#""kind":"turn","waits_for":"event""#);
        event(turn, "wait", 500_000, r#""kind":"call","call":"poll","took_ns":500000,"done":1"#);
        event(turn, "events", 1_000, r#""kind":"phase""#);
        event(turn, "events", 1_000, r#""kind":"call","call":"read","socket":3,"done":57"#);
        let begin = r#""kind":"callback_begin","what":"protocol","method":"data_received","object":"Echo","socket":3,"#;
        let words = r#""place":"src/echo.rs:12:5","words":"data_received of Echo""#;
        event(turn, "events", 1_000, &format!("{begin}\"callback\":{turn},{words}"));
        let due = r#""delay_ns":5000000,"place":"src/echo.rs:20:9""#;
        event(turn, "events", 1_000, &format!(r#""kind":"timer_set","timer":{turn},{due}"#));
        event(turn, "events", took, &format!(r#""kind":"callback_end","callback":{turn},"took_ns":{took}"#));
        event(turn, "outside", 1_000, r#""kind":"turn_end""#);
    }
    lines::model(&text)
}
