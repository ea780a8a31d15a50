//! The examples that are servers, each asked over a socket.

use crate::files::{expected, masked, program, source};
use crate::skip::skipped;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long an answer may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An example that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&str], folder: &Path) -> Running {
        let mut command = Command::new(program(name));
        let command = command.args(arguments).current_dir(folder).stdout(Stdio::piped());
        let mut child = command.spawn().expect("an example can be run");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Running { child, output }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        line
    }
}

/// A server with what it says at its start, which must be what the example says.
pub(crate) struct Server {
    running: Running,
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a free port.
    pub(crate) fn start(name: &str) -> Server {
        Server::start_with(name, &["127.0.0.1:0"], &std::env::temp_dir())
    }

    pub(crate) fn start_with(name: &str, arguments: &[&str], folder: &Path) -> Server {
        let expected = expected(&source(name)).unwrap_or_else(|| panic!("{name} does not say what it prints"));
        let mut running = Running::start(name, arguments, folder);
        let said: String = expected.lines().map(|_| running.line()).collect();
        assert_eq!(masked(&said), masked(&expected), "{name}");
        let address = said.lines().find_map(|line| line.strip_prefix("listening on ")).expect("a server says where");
        let address = address.split(';').next().unwrap_or(address).to_owned();
        Server { running, address }
    }

    /// Connects to it.
    pub(crate) fn client(&self) -> BufReader<TcpStream> {
        client(&self.address)
    }

    /// Kills it.
    pub(crate) fn kill(self) {
        drop(self.running);
    }
}

pub(crate) fn client(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// Says a line, if it is not empty, and hears one.
#[track_caller]
pub(crate) fn ask(client: &mut BufReader<TcpStream>, line: &str) -> String {
    client.get_mut().write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_line(&mut answer).expect("an answer in time");
    answer
}

#[test]
fn the_echo_sends_everything_back_to_each_client() {
    let server = Server::start("03_echo");
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(ask(&mut one, "from one\n"), "from one\n");
    assert_eq!(ask(&mut other, "from the other\n"), "from the other\n");
}

#[test]
fn a_server_without_its_port_says_so_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in ["03_echo", "04_blocked_echo", "06_chat", "09_proxy", "10_key_value"] {
        let output = Command::new(program(name)).arg(&address).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let sentence = format!("Error: cannot listen on {address}: Address already in use");
        assert!(error.starts_with(&sentence), "{name}: {error}");
        assert!(error.contains(&format!("raised at examples/{name}.rs:")) && !error.contains('{'), "{name}: {error}");
    }
}

#[test]
fn the_blocked_echo_makes_everybody_wait_and_answers_in_the_end() {
    let server = Server::start("04_blocked_echo");
    let (mut sleeper, mut other) = (server.client(), server.client());
    assert_eq!(ask(&mut other, "awake?\n"), "awake?\n");
    assert_eq!(ask(&mut sleeper, "sleep\n"), "sleep\n");
    assert_eq!(ask(&mut other, "still?\n"), "still?\n");
}

#[test]
fn in_the_chat_all_hear_what_one_says() {
    let server = Server::start("06_chat");
    let mut ann = server.client();
    assert_eq!(ask(&mut ann, "anybody here?\n"), "anybody here?\n");
    let mut bob = server.client();
    assert_eq!(ask(&mut bob, "hello, Ann\n"), "hello, Ann\n");
    assert_eq!(ask(&mut ann, "hello, Bob\n"), "hello, Ann\n");
    assert_eq!(ask(&mut ann, ""), "hello, Bob\n");
    assert_eq!(ask(&mut bob, ""), "hello, Bob\n");
    drop(bob);
    assert_eq!(ask(&mut ann, "gone?\n"), "gone?\n", "one who leaves takes nobody along");
}

#[test]
fn the_proxy_forwards_both_ways_to_the_last_byte() {
    let echo = Server::start("03_echo");
    let proxy = Server::start_with("09_proxy", &["127.0.0.1:0", &echo.address], &std::env::temp_dir());
    let mut client = proxy.client();
    assert_eq!(ask(&mut client, "hello\n"), "hello\n");
    // More than fits into all buffers on the way: each end must wait for the other, and go on.
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n / 251 % 256) as u8).collect();
    let mut writer = client.get_ref().try_clone().unwrap();
    let bytes = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    writing.join().unwrap();
    assert!(heard == sent, "{} bytes of {} came back, or others", heard.len(), sent.len());
}

#[test]
fn the_proxy_closes_a_client_if_the_server_is_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let proxy = Server::start_with("09_proxy", &["127.0.0.1:0", &gone], &std::env::temp_dir());
    match proxy.client().read(&mut [0; 10]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn the_key_value_server_keeps_what_one_client_sets_for_the_others() {
    let server = Server::start("10_key_value");
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(ask(&mut one, "set color dark blue\n"), "new\n");
    assert_eq!(ask(&mut other, "get color\n"), "dark blue\n");
    assert_eq!(ask(&mut other, "put color\n"), "say: get KEY, or: set KEY VALUE\n");
}

#[test]
fn the_udp_echo_sends_a_datagram_back() {
    let server = Server::start_with("udp_echo", &["127.0.0.1:0"], &std::env::temp_dir());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"hello", &server.address).unwrap();
    let mut echo = [0; 10];
    assert_eq!((socket.recv(&mut echo).unwrap(), &echo[..5]), (5, b"hello".as_slice()));
}

#[test]
#[cfg(unix)]
fn the_unix_echo_sends_back_what_it_gets_even_over_the_file_of_a_killed_one() {
    let folder = std::env::temp_dir().join(format!("unix-echo-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    for _ in 0..2 {
        let server = Server::start_with("unix_echo", &[], &folder);
        assert_eq!(server.address, "unix:echo.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(folder.join("echo.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).unwrap();
        assert_eq!(echo, b"hello");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_page_counts_its_visitors_as_they_come_and_go() {
    let server = Server::start("visitors");
    let ask = |target: &str| {
        let mut client = server.client();
        client.get_mut().write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        client
    };
    // The number in the next event.
    let next = |client: &mut BufReader<TcpStream>| loop {
        let mut line = String::new();
        assert!(client.read_line(&mut line).unwrap() > 0, "the events have ended");
        if let Some(count) = line.strip_prefix("data: ") {
            break count.trim().to_owned();
        }
    };
    let mut first = ask("/count");
    assert_eq!(next(&mut first), "1");
    let mut second = ask("/count");
    assert_eq!((next(&mut first), next(&mut second)), ("2".to_owned(), "2".to_owned()));
    drop(second);
    assert_eq!(next(&mut first), "1");
    let (mut page, mut line) = (ask("/"), String::new());
    page.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
}

/// The body of a page.
fn page(server: &Server) -> String {
    let mut client = server.client();
    client.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    client.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn two_counters_count_in_one_store_and_say_so_if_there_is_none() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (store, folder) = (format!("127.0.0.1:{port}"), std::env::temp_dir());
    let counters = [(); 2].map(|()| Server::start_with("counter", &["127.0.0.1:0", &store], &folder));
    let none = page(&counters[0]);
    assert!(
        none.starts_with("HTTP/1.1 503 ") && none.contains("The store is not there: INCR was not sent: "),
        "{none}"
    );
    let redis = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .stdout(Stdio::null())
        .spawn();
    let Ok(redis) = redis else {
        return skipped("there is no redis-server here");
    };
    let _redis = Killed(redis);
    // Each comes back to the store by itself. A visit without it is not counted.
    let counts = |server: &Server, visit: &str| {
        let begin = std::time::Instant::now();
        while !page(server).contains(&format!(">{visit}</output>")) {
            assert!(begin.elapsed() < PATIENCE, "the counter does not find the store");
        }
    };
    counts(&counters[0], "1");
    let mut live = counters[0].client();
    live.get_mut().write_all(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut line = String::new();
    live.read_line(&mut line).unwrap(); // It is told of each visit from here on.
    counts(&counters[1], "2");
    // It may still hear of the first visit, too.
    while line != "data: 2\n" {
        assert!(!line.starts_with("data: ") || line == "data: 1\n", "{line}");
        line.clear();
        assert!(live.read_line(&mut line).unwrap() > 0, "the events have ended");
    }
}

/// A process that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
