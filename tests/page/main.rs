//! The page of a server from outside, and that of a simulated herd: over HTTP, and in a real browser.

mod another_run;
mod browser;
mod chromium;
mod http;
mod proxied;
mod reading;
#[path = "../../reactor/tests/resp_servers/server.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod redis;
mod run_page;
mod simulated;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
mod store;
#[path = "../util/mod.rs"]
mod util;
mod world;

use http::{Events, get, request};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};
use util::{Client, Directory, Process, free_port, wait_until};

/// A herd of two with a page each.
struct Two {
    directory: Directory,
    config: String,
    /// Of Alford and of Powell.
    ports: [u16; 2],
}

impl Two {
    fn new(more: &str) -> Two {
        let directory = Directory::new();
        let ports = [port_with_page(), port_with_page()];
        let [alford, powell] = ports;
        let text = format!(
            "[servers.Alford]\naddress = \"127.0.0.1:{alford}\"\nneighbors = [\"Powell\"]\n\
             [servers.Powell]\naddress = \"127.0.0.1:{powell}\"\n[page]\n{more}\n"
        );
        let config = directory.write("herd.toml", text);
        Two { directory, config, ports }
    }

    fn start(&self, name: &str) -> Process {
        Process::start(self.directory.path(), &[name, "--config", &self.config], &[])
    }

    fn page(&self, number: usize) -> u16 {
        self.ports[number] + 100
    }
}

/// A free port, whose page's port is free as well.
fn port_with_page() -> u16 {
    loop {
        let port = free_port();
        if std::net::TcpListener::bind(("127.0.0.1", port + 100)).is_ok() {
            return port;
        }
    }
}

const KIWI: &str = "kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450";

#[test]
fn a_server_says_where_its_page_is() {
    let herd = Two::new("");
    let alford = herd.start("Alford");
    let page = herd.page(0);
    assert!(alford.output().contains(&format!("\n  page:    http://127.0.0.1:{page}/\n")), "{}", alford.output());
    assert_eq!((get(page, "/healthz").status, &*get(page, "/healthz").body), (200, "ok\n"));
    let html = get(page, "/");
    assert!(html.status == 200 && html.body.starts_with("<!doctype html>"), "{html:?}");
    assert!(html.head.contains("\r\nContent-Security-Policy: default-src 'none'; script-src 'self'"), "{}", html.head);
    assert_eq!(get(page, "/nothing").status, 404);
    assert_eq!(request(page, "POST", "/", &[], "").status, 405);
}

#[test]
fn a_page_can_be_off_or_elsewhere_or_in_the_way() {
    let herd = Two::new("address = \"off\"");
    let alford = herd.start("Alford");
    assert!(!alford.output().contains("page:"), "{}", alford.output());
    let elsewhere = free_port();
    let herd = Two::new(&format!("address = \"127.0.0.1:{elsewhere}\""));
    let _alford = herd.start("Alford");
    assert_eq!(get(elsewhere, "/healthz").status, 200);
    let powell = herd.start("Powell");
    assert!(powell.output().contains("\n  page:    none: "), "it serves all the same: {}", powell.output());
}

#[test]
fn names_and_pages_of_others_are_refused() {
    let herd = Two::new("hosts = [\"herd.example\"]");
    let _alford = herd.start("Alford");
    let page = herd.page(0);
    let status = |method, path, headers: &[&str]| request(page, method, path, headers, "").status;
    assert_eq!(status("GET", "/", &["Host: herd.example:8"]), 200);
    for path in ["/", "/events", "/metrics", "/healthz"] {
        assert_eq!(status("GET", path, &["Host: evil.example"]), 421, "{path}");
        assert_eq!(status("GET", path, &["Origin: http://evil.example"]), 403, "{path}");
    }
    assert_eq!(status("POST", "/ask", &["Origin: http://evil.example"]), 403);
    assert_eq!(status("POST", "/ask", &["Host: evil.example"]), 421);
}

#[test]
fn a_command_from_the_form_goes_the_way_of_all_commands() {
    let herd = Two::new("");
    let (_alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    let mut events = Events::open(herd.page(1));
    let hello = events.find("the herd", |event| event["kind"] == "herd");
    assert_eq!((&hello["by"], &hello["servers"][0]["neighbors"]), (&json!("Powell"), &json!(["Powell"])));
    assert_eq!(hello["servers"][0]["page"], format!("http://127.0.0.1:{}/", herd.page(0)));
    events.find("the link is up", |event| event["kind"] == "status" && event["links"][0]["inbound"] == 1);

    let ask = |body: &str| request(herd.page(0), "POST", "/ask", &[], body);
    let reply = ask(&format!("IAMAT {KIWI}\n"));
    let at = reply.json()["reply"].as_str().unwrap().to_owned();
    assert!(reply.status == 200 && at.starts_with("AT Alford +") && at.ends_with(&format!(" {KIWI}\n")), "{at}");
    let heard = events.find("the location", |event| event["kind"] == "heard");
    assert_eq!([&heard["by"], &heard["from"], &heard["server"]], ["Powell", "Alford", "Alford"], "{heard}");
    assert_eq!((&heard["latitude"], &heard["verdict"]), (&json!(34.06893), &json!("newer")), "{heard}");

    let mut client = Client::connect(herd.ports[1]);
    client.whats_at("kiwi.cs.ucla.edu", 10, 3);
    let answered = events.find("the answer", |event| event["kind"] == "answered");
    assert_eq!((&answered["outcome"], &answered["bound"]), (&json!("answered"), &json!(3)), "{answered}");
    assert_eq!(answered["places"].as_array().unwrap().len(), 3, "{answered}");
    for stage in ["queue", "name", "connect", "tls", "wait", "body"] {
        assert!(answered["stages"][stage].as_f64() >= Some(0.0), "{stage}: {answered}");
    }
    client.whats_at("kiwi.cs.ucla.edu", 10, 3);
    let again = events.find("the same from what is kept", |event| event["kind"] == "answered");
    assert_eq!((&again["outcome"], &again["stages"]["wait"]), (&json!("answered"), &json!(null)), "{again}");
    assert!(answered["places"][0]["name"].is_string() && answered["seconds"].as_f64() > Some(0.0), "{answered}");

    client.ask("IAMAT kiwi 34-118 1");
    let refused = events.find("the refusal", |event| event["kind"] == "refused");
    assert_eq!((&refused["line"], &refused["peer"]), (&json!("IAMAT kiwi 34-118 1"), &json!("127.0.0.1")));
    assert_eq!(refused["why"], "the latitude has no sign before it");
    let line = |event: &serde_json::Value| event["kind"] == "log" && event.to_string().contains("IAMAT kiwi 34-118 1");
    events.find("the line in the log", line);

    for (body, error) in [("FORGET kiwi", "only IAMAT and WHATSAT are taken here"), ("IAMAT kiwi", "is missing")] {
        let answer = ask(body);
        assert!(answer.status == 400 && answer.body.contains(error), "{answer:?}");
    }
    let refused = request(herd.page(0), "POST", "/ask?error=200", &[], "IAMAT kiwi");
    assert!(refused.status == 200 && refused.json()["error"].is_string(), "for a page: {refused:?}");
    assert_eq!(ask(&"x".repeat(5000)).status, 413);
    assert!(ask("WHATSAT nobody 1 1").json()["reply"].as_str().unwrap().starts_with("? WHATSAT nobody"));
    // Who comes later gets what is known.
    let known = Events::open(herd.page(0)).find("the location", |event| event["kind"] == "known");
    assert_eq!((&known["client"], &known["from"]), (&json!("kiwi.cs.ucla.edu"), &json!(null)), "{known}");
}

/// The sample with this name and these labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn metrics_count_what_happens_and_promtool_has_no_complaint() {
    let herd = Two::new("");
    let (_alford, powell) = (herd.start("Alford"), herd.start("Powell"));
    let up = "proxyherd_link_up{neighbor=\"Powell\"}";
    let text = || get(herd.page(0), "/metrics").body;
    wait_until("the link is up", || sample(&text(), up) == Some(1.0));
    let mut client = Client::connect(herd.ports[0]);
    client.ask(&format!("IAMAT {KIWI}"));
    client.whats_at("kiwi.cs.ucla.edu", 10, 3);
    client.ask("IAMAT kiwi");
    client.ask("WHATSAT nobody 1 1");
    let now = text();
    for (name, value) in [
        ("proxyherd_commands_total{kind=\"IAMAT\",outcome=\"answered\"}", 1.0),
        ("proxyherd_commands_total{kind=\"WHATSAT\",outcome=\"answered\"}", 1.0),
        ("proxyherd_commands_total{kind=\"WHATSAT\",outcome=\"unknown_client\"}", 1.0),
        ("proxyherd_commands_total{kind=\"any\",outcome=\"malformed\"}", 1.0),
        ("proxyherd_at_lines_sent_total", 1.0),
        ("proxyherd_places_seconds_count{outcome=\"answered\"}", 1.0),
        ("proxyherd_places_seconds_bucket{outcome=\"answered\",le=\"+Inf\"}", 1.0),
        ("proxyherd_places_seconds_bucket{outcome=\"failed\",le=\"10.0\"}", 0.0),
        ("proxyherd_clients", 1.0),
        ("proxyherd_page_viewers", 0.0),
    ] {
        assert_eq!(sample(&now, name), Some(value), "{name}: {now}");
    }
    assert!(sample(&now, "proxyherd_loop_turns_total") > Some(5.0), "{now}");
    for name in ["proxyherd_loop_turn_seconds", "proxyherd_link_inbound_state_seconds{neighbor=\"Powell\"}"] {
        assert!(sample(&now, name) > Some(0.0), "{name}: {now}");
    }
    assert!(!cfg!(target_os = "linux") || sample(&now, "process_resident_memory_bytes") > Some(1e6), "{now}");
    let viewer = Events::open(herd.page(0));
    wait_until("the viewer is counted", || sample(&text(), "proxyherd_page_viewers") == Some(1.0));
    drop(viewer);
    wait_until("the viewer has gone", || sample(&text(), "proxyherd_page_viewers") == Some(0.0));
    let open = request(herd.page(0), "GET", "/metrics", &["Accept: application/openmetrics-text;version=1.0.0"], "");
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0") && open.body.ends_with("\n# EOF\n"));
    is_open_metrics(&open.body);
    drop(powell);
    wait_until("the link is down", || sample(&text(), up) == Some(0.0));
    has_no_complaint(&now);
}

/// Gives the numbers to the parser of the Python package `prometheus-client`: `OPENMETRICS_PYTHON` names a Python that
/// has it.
fn is_open_metrics(text: &str) {
    let Ok(python) = std::env::var("OPENMETRICS_PYTHON") else {
        return skip::skipped("OPENMETRICS_PYTHON does not name a Python with prometheus-client");
    };
    let program = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
                   print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))";
    let mut parser = Command::new(python);
    parser.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut parser = parser.spawn().expect("OPENMETRICS_PYTHON");
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    let found: usize = String::from_utf8(output.stdout).unwrap().trim().parse().expect("it has parsed the numbers");
    assert_eq!(found, text.lines().filter(|line| !line.starts_with('#')).count(), "{text}");
}

fn has_no_complaint(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Ok(promtool) => promtool,
        Err(error) => return skip::skipped(format_args!("promtool cannot be run: {error}")),
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
}
