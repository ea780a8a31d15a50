//! A server's run: what it prints at its start, what its log holds, and how it ends.

use crate::util::{self, Client, Directory, Process, free_port, logs};
use crate::{KEY, alone, log_files};
use std::net::TcpListener;
use std::path::PathBuf;

#[test]
fn the_start_message_says_everything_to_try_and_to_stop_the_server() {
    let directory = Directory::new();
    let neighbor = free_port();
    let more = format!("neighbors = [\"Bolden\"]\n[servers.Bolden]\naddress = \"127.0.0.1:{neighbor}\"\n");
    let (config, port) = alone(&directory, &more);
    let process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let output = process.output();
    let log = log_files(directory.path()).remove(0);
    for word in [
        &format!("Alford listens on 127.0.0.1:{port}; neighbors: Bolden"),
        "offline",
        "GOOGLE_PLACES_API_KEY",
        log.file_name().unwrap().to_str().unwrap(),
        &format!("nc -q 1 127.0.0.1 {port}"),
        "Ctrl-C",
    ] {
        assert!(output.contains(word), "{word:?} is missing: {output}");
    }
    assert!(output.lines().count() <= 8, "{output}");
    assert_eq!(process.errors(), "");
}

#[test]
fn a_key_chooses_google_unless_the_configuration_says_offline() {
    let directory = Directory::new();
    for (places, expected) in [("", "google ("), ("[places]\nprovider = \"offline\"\n", "offline (")] {
        let (config, _) = alone(&directory, places);
        let process = Process::start(directory.path(), &["Alford", "--config", &config], &[KEY]);
        let output = process.output();
        assert!(output.contains(expected) && !output.contains(KEY.1), "{output}");
    }
}

#[test]
fn the_log_is_named_after_the_server_the_date_and_the_time() {
    let directory = Directory::new();
    let (config, _) = alone(&directory, "");
    std::fs::create_dir(directory.path().join("logs")).unwrap();
    let arguments = ["Alford", "--config", &config, "--log-dir", "logs"];
    for _ in 0..2 {
        // Twice, perhaps within a second: no run may overwrite another's log.
        Process::start(directory.path(), &arguments, &[]).end("TERM");
    }
    let files = log_files(&directory.path().join("logs"));
    assert_eq!(files.len(), 2);
    assert_eq!(log_files(directory.path()), [] as [PathBuf; 0]);
    let pattern = "Alford-0000-00-00-000000";
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(shape.starts_with(pattern), "{name}");
        let rest = &name[pattern.len()..];
        assert!([".log", "-2.log"].contains(&rest), "{name}");
    }
}

#[test]
fn the_log_has_connections_neighbors_and_every_line_in_and_out() {
    let directory = Directory::new();
    let bolden = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = bolden.local_addr().unwrap();
    let more = format!("neighbors = [\"Bolden\"]\n[servers.Bolden]\naddress = \"{address}\"\n");
    let (config, port) = alone(&directory, &more);
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let (link, _) = bolden.accept().unwrap();

    let mut neighbor = Client::connect(port);
    assert_eq!(neighbor.ask("PEER Bolden\nhere"), "? here");
    let mut client = Client::connect(port);
    let at = client.ask("IAMAT kiwi +34.068930-118.445127 1400794645.392014450");
    assert_eq!(client.ask("NON  SENSE\u{1}"), "? NON  SENSE\u{1}");
    let (_, json) = client.whats_at("kiwi", 10, 1);
    drop((client, neighbor, link));
    util::wait_until("both have left", || {
        let log = logs(directory.path());
        log.contains("; 0 open") && log.contains("neighbor Bolden has disconnected")
    });
    assert_eq!(process.end("TERM").code(), Some(0));

    let log = logs(directory.path());
    let last = json.lines().next_back().unwrap();
    for line in [
        " info  127.0.0.1:".to_owned(),
        " connected; 1 open".to_owned(),
        " connected; 2 open".to_owned(),
        "neighbor Bolden has connected".to_owned(),
        "the link to Bolden is up".to_owned(),
        " >> IAMAT kiwi +34.068930-118.445127 1400794645.392014450".to_owned(),
        format!(" << {at}"),
        format!("to Bolden << {at}"),
        r" >> NON  SENSE\x01".to_owned(),
        r" << ? NON  SENSE\x01".to_owned(),
        " >> WHATSAT kiwi 10 1".to_owned(),
        format!(" << {last}"),
        "neighbor Bolden has disconnected".to_owned(),
        "Alford has ended".to_owned(),
    ] {
        assert!(log.contains(&line), "{line:?} is missing: {log}");
    }
    for line in log.lines() {
        let stamp = line.split_once('Z').map_or("", |(stamp, _)| stamp);
        assert!(humantime::parse_rfc3339_weak(stamp).is_ok(), "no time: {line}");
    }
}

#[test]
fn the_log_level_decides_what_is_logged() {
    for (level, has_lines) in [("error", false), ("warn", false), ("info", true), ("debug", true)] {
        let directory = Directory::new();
        let (config, port) = alone(&directory, "");
        let arguments = ["Alford", "--config", &config, "--log-level", level];
        let mut process = Process::start(directory.path(), &arguments, &[]);
        Client::connect(port).ask("IAMAT kiwi +1+2 0");
        assert_eq!(process.end("TERM").code(), Some(0), "{level}");
        assert_eq!(log_files(directory.path()).len(), 1, "{level}");
        assert_eq!(logs(directory.path()).contains(">> IAMAT kiwi"), has_lines, "{level}");
    }
}

#[test]
fn a_signal_ends_a_server_with_code_0_and_a_complete_log() {
    for signal in ["TERM", "INT"] {
        let directory = Directory::new();
        let (config, port) = alone(&directory, "");
        let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
        let mut client = Client::connect(port);
        let replies: Vec<String> =
            (0..2000).map(|number| client.ask(&format!("IAMAT client{number} +1+2 0"))).collect();
        assert_eq!(process.end(signal).code(), Some(0), "{signal}");
        assert_eq!(process.errors(), "", "{signal}");
        let log = logs(directory.path());
        for reply in &replies {
            assert!(log.contains(&format!(" << {reply}\n")), "after {signal} the log lacks {reply}");
        }
        assert!(log.trim_end().ends_with("Alford has ended"), "{signal}");
    }
}
