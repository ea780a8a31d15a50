//! SIGHUP from outside: what a server takes of a changed configuration, and what it says about the rest.

use crate::pem::pem;
use crate::util::{Client, Directory, PATIENCE, Process, free_port, logs, wait_until};
use crate::{KEY, alone};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A server that runs, and its configuration.
struct Running {
    directory: Directory,
    config: String,
    port: u16,
    process: Process,
}

impl Running {
    fn start(more: &str) -> Running {
        let directory = Directory::new();
        let (config, port) = alone(&directory, more);
        let process = Process::start(directory.path(), &["Alford", "--config", &config], &[]);
        Running { directory, config, port, process }
    }

    /// Writes the configuration anew: the same server, and `more`. Sends SIGHUP, and waits for these words in the log.
    #[track_caller]
    fn reload(&self, more: &str, words: &str) {
        self.write(&self.text(more));
        self.hang_up(words);
    }

    fn text(&self, more: &str) -> String {
        format!("[servers.Alford]\naddress = \"127.0.0.1:{}\"\n{more}", self.port)
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.config, text).unwrap();
    }

    #[track_caller]
    fn hang_up(&self, words: &str) {
        let before = self.log().matches(words).count();
        self.process.signal("HUP");
        wait_until(words, || self.log().matches(words).count() > before);
    }

    fn log(&self) -> String {
        logs(self.directory.path())
    }

    /// How many bytes a line may have, as the server says.
    #[track_caller]
    fn longest_line(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[b'x'; 200_000]).unwrap();
        let mut reply = [0; 100];
        let length = stream.read(&mut reply).unwrap();
        String::from_utf8_lossy(&reply[..length]).trim().to_owned()
    }
}

#[test]
fn limits_change_while_the_server_runs() {
    let server = Running::start("[limits]\nline = 1000\n");
    assert_eq!(server.longest_line(), "? a line is longer than 1000 bytes");
    let mut old = Client::connect(server.port);
    old.ask("nonsense");
    server.reload("[limits]\nline = 2000\nahead = \"1s\"\nidle = \"1h\"\n", "SIGHUP: the new [limits] are in force");
    assert_eq!(server.longest_line(), "? a line is longer than 2000 bytes");
    let now = std::process::Command::new("date").arg("+%s").output().unwrap().stdout;
    let later: u64 = String::from_utf8(now).unwrap().trim().parse::<u64>().unwrap() + 3600;
    let command = format!("IAMAT kiwi +1+2 {later}");
    assert_eq!(old.ask(&command), format!("? {command}"), "a limit of time holds for connections that are up, too");
    server.hang_up("SIGHUP: the configuration has not changed");
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let server = Running::start("[limits]\nline = 1000\n");
    for (more, why) in [
        ("[limits]\nline = 2000\nidle = \"never\"\n", "line 5: idle"),
        ("[limits]\nline = 2000\n[places]\nprovider = \"google\"\n", "needs a key"),
        ("[limits]\nline = 2000\n[places]\nkey_file = \"missing\"\n", "missing"),
    ] {
        server.write(&server.text(more));
        server.process.signal("HUP");
        let says_why = |line: &str| line.contains("SIGHUP: the configuration stays as it was: ") && line.contains(why);
        wait_until(why, || server.log().lines().any(says_why));
        assert_eq!(server.longest_line(), "? a line is longer than 1000 bytes");
    }
    server.write("[servers.Bolden]\naddress = \"127.0.0.1:1\"\n");
    server.hang_up("stays as it was: there is no server \"Alford\"");
    std::fs::remove_file(&server.config).unwrap();
    server.hang_up("stays as it was: cannot read the configuration");
}

#[test]
fn the_level_of_the_log_and_the_places_change() {
    let server = Running::start("[log]\nlevel = \"warn\"\n");
    Client::connect(server.port).ask("unseen");
    server.reload("[log]\nlevel = \"debug\"\n", "SIGHUP: the log has the level debug");
    Client::connect(server.port).ask("seen");
    wait_until("the line is logged", || server.log().contains(">> seen"));
    assert!(!server.log().contains("unseen"));

    let port = free_port();
    let overpass = format!("[places]\nprovider = \"overpass\"\nbase_url = \"http://127.0.0.1:{port}/\"\n");
    server.reload(&overpass, "SIGHUP: places: overpass");
    let mut client = Client::connect(server.port);
    client.ask("IAMAT kiwi +34.0-118.0 1");
    assert!(client.whats_at("kiwi", 10, 5).1.contains("refused"), "nobody listens where Overpass is said to be");
    server.reload("", "SIGHUP: places: offline");
    assert!(client.whats_at("kiwi", 10, 5).1.contains("\"OK\""));
}

#[test]
fn clients_do_not_wait_for_a_file_of_authorities_that_is_slow_to_read() {
    let server = Running::start("");
    let slow = server.directory.path().join("slow.pem");
    assert!(std::process::Command::new("mkfifo").arg(&slow).status().unwrap().success());
    let places = format!("provider = \"overpass\"\nbase_url = \"https://127.0.0.1:1/\"\nca_file = {slow:?}\n");
    server.write(&server.text(&format!("[places]\n{places}")));
    server.process.signal("HUP");
    // Opening it waits until the server has begun to read.
    let (opened, opening) = std::sync::mpsc::channel();
    std::thread::spawn(move || opened.send(std::fs::File::options().write(true).open(&slow)));
    let mut pipe = opening.recv_timeout(PATIENCE).expect("the server reads the file").unwrap();
    assert_eq!(Client::connect(server.port).ask("here?"), "? here?");
    assert!(!server.log().contains("SIGHUP: places"), "it waits for the rest of the file");
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertificateParams::new(vec!["Authority".to_owned()]).unwrap().self_signed(&key).unwrap();
    pipe.write_all(pem("CERTIFICATE", authority.der()).as_bytes()).unwrap();
    drop(pipe);
    wait_until("the places are taken", || server.log().contains("SIGHUP: places: overpass"));
}

#[test]
fn the_command_lines_level_stays() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "[log]\nlevel = \"error\"\n");
    let arguments = ["Alford", "--config", &config, "--log-level", "info"];
    let process = Process::start(directory.path(), &arguments, &[]);
    std::fs::write(&config, format!("[servers.Alford]\naddress = \"127.0.0.1:{port}\"\n")).unwrap();
    process.signal("HUP");
    wait_until("it is read", || logs(directory.path()).contains("SIGHUP: the configuration has not changed"));
}

#[test]
fn what_needs_a_restart_is_said() {
    let server = Running::start("");
    let restart = |what: &str| format!("WARN  SIGHUP: {what} has changed, and that needs a restart");
    server.reload("[log]\nshare = 5000\n", &restart("[log]"));
    server.reload("neighbors = [\"B\"]\n[servers.B]\naddress = \"127.0.0.1:1\"\n", &restart("[servers]"));
    assert_eq!(Client::connect(server.port).ask("PEER B"), "? PEER B");
}

#[test]
fn a_new_key_is_hidden_from_the_log_like_the_first() {
    let directory = Directory::new();
    let key = directory.write("key", "FirstSecret");
    let service = format!("http://127.0.0.1:{}/", free_port());
    let more = format!("[places]\nprovider = \"google\"\nbase_url = \"{service}\"\nkey_file = \"{key}\"\n");
    let (config, port) = alone(&directory, &more);
    let process = Process::start(directory.path(), &["Alford", "--config", &config, "--log-level", "debug"], &[]);
    std::fs::write(&key, "OtherSecret").unwrap();
    process.signal("HUP");
    wait_until("it is read", || logs(directory.path()).contains("SIGHUP: places: google"));
    let mut client = Client::connect(port);
    client.ask("IAMAT kiwi +34.0-118.0 1");
    client.whats_at("kiwi", 10, 5);
    assert!(!logs(directory.path()).contains("Secret") && !KEY.1.is_empty());
}
