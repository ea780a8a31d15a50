//! The log from outside: what one peer can do to it, how it rotates, and what a signal does to it.

use crate::util::{Client, Directory, PATIENCE, Process, free_port, logs, wait_until};
use crate::{alone, log_files};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn one_peer_cannot_fill_the_log_and_what_it_loses_is_counted() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "[log]\nshare = 1024\nburst = 10000\n");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let mut client = Client::connect(port);
    for number in 0..2000 {
        client.ask(&format!("nonsense {number}"));
    }
    assert_eq!(process.end("TERM").code(), Some(0));
    let log = logs(directory.path());
    let written = log.matches("nonsense ").count();
    let count = |line: &str| {
        line.split("Z WARN  ").nth(1)?.split(" lines of 127.0.0.1 are not here").next()?.parse::<usize>().ok()
    };
    let counted: usize = log.lines().filter_map(|line| line.contains("not here").then(|| count(line))?).sum();
    assert!(log.len() < 100_000 && written > 50, "{} bytes, {written} lines", log.len());
    // A line for each line in and out, and perhaps two of the connection itself.
    assert!((4000..=4002).contains(&(written + counted)), "{written} + {counted}");
}

#[test]
fn empty_lines_are_a_number_in_the_log() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let mut client = Client::connect(port);
    client.send(&"\n".repeat(99_999));
    client.ask("nonsense");
    client.send(" \t");
    drop(client);
    wait_until("the client has left", || logs(directory.path()).contains("; 0 open"));
    assert_eq!(process.end("TERM").code(), Some(0));
    let log = logs(directory.path());
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text:?} is missing: {log}"));
    assert!(at(" >> (100000 empty lines)\n") < at(" >> nonsense\n"));
    assert!(at(" >> nonsense\n") < at(" >> (1 empty lines)\n"));
    assert!(log.lines().count() < 20, "{log}");
}

#[test]
fn at_the_level_debug_the_log_says_why_a_command_was_refused() {
    for (level, is_told) in [("debug", true), ("info", false)] {
        let directory = Directory::new();
        let (config, port) = alone(&directory, "");
        let arguments = ["Alford", "--config", &config, "--log-level", level];
        let mut process = Process::start(directory.path(), &arguments, &[]);
        let mut client = Client::connect(port);
        let refused = [
            ("HELLO", "the first word is not a command: IAMAT, WHATSAT, FORGET, AT, FORGOT, HORIZON, DIGEST or PEER"),
            ("IAMAT kiwi 34.0-118.0 1400794645", "the latitude has no sign before it"),
            ("IAMAT kiwi +34.0-118.0 999999999999", "the time is more than 86400s ahead of our clock"),
            ("WHATSAT nobody 10 5", "the client is not known"),
            ("AT Alford +0.000000000 kiwi +1+2 3", "only a neighbor says this, and this is not one's address"),
            ("PEER Bolden", "PEER is not the first line"),
        ];
        for (line, _) in refused {
            assert_eq!(client.ask(line), format!("? {line}"));
        }
        let mut other = Client::connect(port);
        assert_eq!(other.ask("PEER Bolden"), "? PEER Bolden");
        assert_eq!(process.end("TERM").code(), Some(0));
        let log = logs(directory.path());
        for (line, why) in refused.into_iter().chain([("PEER Bolden", "PEER does not name a neighbor")]) {
            let story = format!(" is refused: {why}\n");
            assert_eq!(log.contains(&story), is_told, "{why} is missing at {level}: {log}");
            if is_told {
                // Between the line and its answer.
                let (before, after) = log.split_once(&story).unwrap();
                assert!(before.lines().last().unwrap().contains("Z debug "), "{log}");
                assert!(before.contains(&format!(" >> {line}\n")), "{log}");
                assert!(after.lines().next().unwrap().ends_with(&format!(" << ? {line}")), "{log}");
            }
        }
    }
}

#[test]
fn nothing_that_a_terminal_obeys_is_in_the_log() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let mut client = Client::connect(port);
    for character in ['\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{200e}', '\u{2028}', '\u{202e}', '\u{2066}'] {
        client.ask(&format!("é{character}[2J"));
    }
    assert_eq!(process.end("TERM").code(), Some(0));
    let log = logs(directory.path());
    assert!(log.contains(r">> \xc3\xa9\xe2\x80\xae[2J"), "{log}");
    let obeyed = |c: char| c != '\n' && (c.is_control() || ('\u{200e}'..='\u{2069}').contains(&c));
    assert_eq!(log.matches(obeyed).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn logs_rotate_by_size_and_the_oldest_go() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "[log]\ntotal = 300000\nfile = 70000\n");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let mut client = Client::connect(port);
    for number in 0..1000 {
        client.ask(&format!("nonsense {number} {}", "x".repeat(1000)));
    }
    assert_eq!(process.end("TERM").code(), Some(0));
    let files = log_files(directory.path());
    let sizes: Vec<u64> = files.iter().map(|file| file.metadata().unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 70_000), "{sizes:?}");
    assert!((230_000..=300_000).contains(&sizes.iter().sum::<u64>()), "{sizes:?}");
    assert!(files.iter().all(|file| file.metadata().unwrap().permissions().mode() & 0o777 == 0o600));
    let log = logs(directory.path());
    assert!(log.contains("<< ? nonsense 999 x") && !log.contains("nonsense 1 x"));
}

#[test]
fn a_hangup_opens_the_log_again_and_ends_nothing() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let mut client = Client::connect(port);
    client.ask("before");
    let path = log_files(directory.path()).remove(0);
    let moved = directory.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    process.signal("HUP");
    wait_until("there is a new log", || path.exists());
    client.ask("after");
    assert_eq!(process.end("TERM").code(), Some(0));
    let (old, new) = (std::fs::read_to_string(moved).unwrap(), std::fs::read_to_string(path).unwrap());
    assert!(old.contains("<< ? before") && !old.contains("after"), "{old}");
    assert!(new.contains("<< ? after") && new.contains("opened again") && !new.contains("before"), "{new}");
}

#[test]
fn a_log_can_go_to_standard_error() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config, "--log-dir", "-"], &[]);
    assert!(process.output().contains("log:     standard error"), "{}", process.output());
    Client::connect(port).ask("nonsense");
    process.signal("HUP");
    assert_eq!(process.end("TERM").code(), Some(0));
    assert!(log_files(directory.path()).is_empty());
    let log = process.errors();
    assert!(log.contains(" >> nonsense\n") && log.trim_end().ends_with("Alford has ended"), "{log}");
}

#[test]
fn root_is_warned() {
    let directory = Directory::new();
    let (config, _) = alone(&directory, "");
    let process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let is_root = id.trim_ascii() == b"0";
    let warning = "runs as root";
    assert_eq!(process.output().contains(warning), is_root, "{}", process.output());
    wait_until("the log has begun", || logs(directory.path()).contains("listens on"));
    assert_eq!(logs(directory.path()).contains(warning), is_root);
}

#[test]
fn a_configuration_may_come_out_of_a_pipe() {
    let directory = Directory::new();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let port = free_port();
    let text = format!("[servers.Alford]\naddress = \"127.0.0.1:{port}\"\n");
    let target = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(target, text));
    let process = Process::start(directory.path(), &["Alford", "--config", pipe.to_str().unwrap()], &[]);
    writer.join().unwrap().unwrap();
    assert!(process.output().contains(&format!("127.0.0.1:{port}")));
}

#[test]
fn a_pipe_that_nobody_writes_to_does_not_hang_the_start() {
    let directory = Directory::new();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut process = Process::spawn(directory.path(), &["Alford", "--config", pipe.to_str().unwrap()], &[]);
    assert_eq!(process.wait().code(), Some(1));
    assert!(process.errors().contains("a pipe that nobody writes to"), "{}", process.errors());
}

/// Sends commands until the server reads no more of them, because it is owed so much. Returns their number.
fn send_until_full(stream: &mut TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut other = Client::connect(stream.peer_addr().unwrap().port());
    let command = format!("nonsense {}\n", "x".repeat(90));
    let mut text = command.repeat(1000).into_bytes();
    let mut sent = 0;
    // A server that is only slow reads between two answers to somebody else, and the system may need a moment to tell
    // us of the room.
    let (mut answers, mut full_since) = (0, Instant::now());
    while answers < 20 || full_since.elapsed() < Duration::from_millis(300) {
        if let Ok(count) = stream.write(&text) {
            sent += count;
            text.rotate_left(count % command.len());
            (answers, full_since) = (0, Instant::now());
        } else {
            other.ask("who else reads?");
            answers += 1;
        }
    }
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    sent / command.len()
}

/// The two numbers in the last line that says what was owed.
fn owed(log: &str) -> (usize, usize) {
    let line = log.lines().rfind(|line| line.contains("owed replies to ")).unwrap_or_else(|| panic!("no count: {log}"));
    let after = |word: &str| line.split(word).nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    (after("owed replies to "), after("commands, and "))
}

#[test]
fn what_a_slow_reader_is_owed_at_a_stop_is_sent_and_what_is_not_carried_out_is_counted() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config, "--log-level", "warn"], &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let commands = send_until_full(&mut stream);
    process.signal("TERM");
    let mut read = Vec::new();
    stream.read_to_end(&mut read).unwrap();
    assert_eq!(process.wait().code(), Some(0));
    let replies = read.iter().filter(|byte| **byte == b'\n').count();
    let log = logs(directory.path());
    let (too_late, bytes) = owed(&log);
    assert_eq!((replies + too_late, bytes), (commands, 0), "{log}");
    assert!(log.contains("1 clients were owed replies to "), "{log}");
}

#[test]
fn what_a_client_that_never_reads_was_owed_is_counted() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let mut process = Process::start(directory.path(), &["Alford", "--config", &config, "--log-level", "warn"], &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    send_until_full(&mut stream);
    assert_eq!(process.end("TERM").code(), Some(0));
    let (too_late, bytes) = owed(&logs(directory.path()));
    assert!(too_late > 0 && bytes > 0, "{too_late} commands, {bytes} bytes");
}

#[test]
fn the_trace_of_a_server_that_was_told_to_end_has_its_end() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let trace = directory.write("trace.jsonl", "");
    let options = ["Alford", "--config", &config];
    let mut process = Process::start(directory.path(), &options, &[("REACTOR_TRACE", &trace)]);
    let mut client = Client::connect(port);
    client.ask("IAMAT me +34.0-118.0 1400794645");
    assert_eq!(process.end("TERM").code(), Some(0));
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.lines().next_back().unwrap().contains("\"kind\":\"end\""), "{trace}");
}
