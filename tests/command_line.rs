//! The program from outside: what it says, how it refuses, how it ends, and what it leaves in its log.

#[path = "command_line/certificates.rs"]
mod certificates;
#[path = "../reactor/tests/util/pem.rs"]
mod pem;
#[path = "command_line/places.rs"]
mod places;
mod util;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use util::{Client, Directory, Process, free_port, logs};

const KEY: (&str, &str) = ("GOOGLE_PLACES_API_KEY", "SecretKey");

/// A herd of one, on a free port.
fn alone(directory: &Directory, more: &str) -> (String, u16) {
    let port = free_port();
    let text = format!("[servers.Alford]\naddress = \"127.0.0.1:{port}\"\n{more}");
    (directory.write("herd.toml", text), port)
}

/// The log files in a directory.
fn log_files(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ext| ext == "log")).collect()
}

/// Runs the program to its end: exit code, standard output, standard error.
#[track_caller]
fn run(directory: &Directory, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut process = Process::spawn(directory.path(), arguments, variables);
    (process.wait().code(), process.output(), process.errors())
}

/// The program refuses to run: one line on standard error that holds all of `words`, and no log.
#[track_caller]
fn refuses(directory: &Directory, arguments: &[&str], words: &[&str]) {
    refuses_with(directory, arguments, &[], words);
}

#[track_caller]
fn refuses_with(directory: &Directory, arguments: &[&str], variables: &[(&str, &str)], words: &[&str]) {
    let (code, output, errors) = run(directory, arguments, variables);
    assert_eq!(code, Some(1), "{arguments:?}: {errors}");
    assert_eq!(output, "", "{arguments:?}");
    let line = errors.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: no line: {errors:?}"));
    assert!(line.starts_with("proxyherd: ") && !line.contains('\n'), "{arguments:?}: not one line: {errors}");
    for word in words {
        assert!(line.contains(word), "{arguments:?}: {word:?} is not told: {line}");
    }
    assert_eq!(log_files(directory.path()), [] as [PathBuf; 0], "{arguments:?}: a run that never was left a log");
}

/// The same, because of what stands in the configuration.
#[track_caller]
fn refuses_config(text: impl AsRef<[u8]>, words: &[&str]) {
    let directory = Directory::new();
    let config = directory.write("herd.toml", text);
    refuses(&directory, &["Alford", "--config", &config], words);
}

#[test]
fn help_teaches_and_version_tells() {
    let directory = Directory::new();
    for argument in ["--help", "-h"] {
        let (code, output, errors) = run(&directory, &[argument], &[]);
        assert_eq!((code, &*errors), (Some(0), ""));
        for word in [
            "Usage: proxyherd SERVER",
            "--config FILE",
            "--log-dir DIR",
            "--log-level LEVEL",
            "GOOGLE_PLACES_API_KEY",
            "IAMAT ",
            "WHATSAT ",
            "nc 127.0.0.1 12204",
        ] {
            assert!(output.contains(word), "{word}");
        }
    }
    for argument in ["--version", "-V"] {
        let version = format!("proxyherd {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(run(&directory, &[argument], &[]), (Some(0), version, String::new()));
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = Directory::new();
    refuses(&directory, &[], &["which server?", "proxyherd --help"]);
    refuses(&directory, &["Alford", "Bolden"], &["one server at a time", "Bolden"]);
    refuses(&directory, &["Alford", "--frob"], &["--frob"]);
    refuses(&directory, &["Alford", "--config"], &["--config"]);
    refuses(&directory, &["Alford", "--log-level", "loud"], &["loud", "error, warn, info and debug"]);
}

#[test]
fn an_unknown_server_is_refused_with_those_that_are_known() {
    let directory = Directory::new();
    refuses(&directory, &["Nobody"], &["\"Nobody\"", "Alford, Bolden, Hamilton, Parker, Powell"]);
    refuses(&directory, &["powell"], &["\"powell\"", "Powell"]);
    let (config, _) = alone(&directory, "");
    refuses(&directory, &["Powell", "--config", &config], &["\"Powell\"", "the herd has Alford"]);
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    let directory = Directory::new();
    refuses(&directory, &["Alford", "--config", "missing.toml"], &["missing.toml"]);
    refuses(&directory, &["Alford", "--config", "."], &["configuration ."]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_its_line() {
    let server = "[servers.Alford]\naddress = \"127.0.0.1:12200\"\n";
    refuses_config(format!("{server}\n\nthis is = = not TOML\n"), &["herd.toml, line 5"]);
    refuses_config(b"[servers.Alford]\naddress = \"\xff\"\n", &["herd.toml"]);
    refuses_config("[servers.Alford]\nadress = \"127.0.0.1:1\"\n", &["line 2", "unknown key \"adress\"", "address"]);
    refuses_config("[server.Alford]\n", &["line 1", "unknown key \"server\"", "servers, places, limits"]);
    refuses_config(format!("{server}[places]\nprovidr = \"x\"\n"), &["line 4", "unknown key \"providr\""]);
    refuses_config(format!("{server}[places]\nprovider = \"bing\"\n"), &["line 4", "\"bing\"", "\"offline\""]);
    refuses_config(format!("{server}[places]\ntimeout = \"soon\"\n"), &["line 4", "timeout"]);
    refuses_config(format!("{server}neighbors = [\"Nemo\"]\n"), &["line 3", "\"Nemo\""]);
    refuses_config("[servers.Alford]\naddress = \"127.0.0.1:99999\"\n", &["line 2", "127.0.0.1:99999"]);
}

#[test]
fn google_without_what_it_needs_is_refused() {
    let directory = Directory::new();
    let google = "[places]\nprovider = \"google\"\n";
    let (config, _) = alone(&directory, google);
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 4: ", "needs a key", KEY.0]);
    refuses_with(&directory, &["Alford", "--config", &config], &[(KEY.0, "  ")], &["needs a key"]);

    let (config, _) = alone(&directory, &format!("{google}key_file = \"missing.key\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 5: ", "missing.key"]);
    directory.write("empty.key", "\n");
    let (config, _) = alone(&directory, &format!("{google}key_file = \"empty.key\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 5: ", "empty.key"]);

    directory.write("bad.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    directory.write("empty.pem", "");
    for file in ["missing.pem", "bad.pem", "empty.pem"] {
        let (config, _) = alone(&directory, &format!("{google}ca_file = \"{file}\"\n"));
        refuses_with(&directory, &["Alford", "--config", &config], &[KEY], &["herd.toml, line 5: ca_file: ", file]);
    }
}

#[test]
fn an_address_in_use_is_refused() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let _somebody = TcpListener::bind(("127.0.0.1", port)).unwrap();
    refuses(&directory, &["Alford", "--config", &config], &[&format!("127.0.0.1:{port}"), "in use"]);
}

#[test]
fn a_host_name_that_nobody_knows_is_refused() {
    let directory = Directory::new();
    // A part of a name has at most 63 letters: no system asks the network for this one.
    let name = "a".repeat(64);
    let config = directory.write("herd.toml", format!("[servers.Alford]\naddress = \"{name}.invalid:12200\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &[&name]);
}

#[test]
fn a_log_directory_that_is_none_is_refused() {
    let directory = Directory::new();
    let (config, _) = alone(&directory, "");
    directory.write("file", "");
    for wrong in ["missing", "file", "file/below"] {
        refuses(&directory, &["Alford", "--config", &config, "--log-dir", wrong], &["log", wrong]);
    }
}

#[test]
fn the_start_message_says_all_that_one_needs() {
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
fn a_key_makes_it_google_unless_the_configuration_says_offline() {
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
fn a_signal_ends_it_with_code_0_and_a_complete_log() {
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
