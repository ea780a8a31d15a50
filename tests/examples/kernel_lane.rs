//! The calls to the driver in a trace are the system's calls, call by call: compared with strace. Without it, SKIPPED.

use crate::files::program;
use crate::servers::{PATIENCE, ask, client};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A call of a trace, with its outcome; and the calls of the system that it is: see `docs/trace.md`.
const CALLS: [(&str, &[&str]); 7] = [
    ("poll", &["epoll_wait"]),
    ("accept", &["accept4"]),
    ("read", &["recvfrom"]),
    ("write", &["sendto", "writev"]),
    ("shutdown", &["shutdown"]),
    ("close", &["close"]),
    ("connect", &["connect"]),
];

/// An example under strace, with a trace of its own.
struct Watched {
    /// strace is a child of it, so this is the example itself.
    child: Child,
    folder: PathBuf,
}

/// What a program did: how often each call was made, by its name in a trace, with and without success.
type Counts = BTreeMap<String, u64>;

impl Watched {
    /// Starts it; `descriptors` is the maximum number of its descriptors.
    fn start(name: &str, test: &str, descriptors: u32, arguments: &[&str]) -> Option<Watched> {
        if Command::new("strace").arg("--version").output().is_err() {
            crate::skip::skipped("strace is not installed");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("kernel-lane-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let child = Command::new("strace")
            .args(["-D", "-f", "-yy", "-e", "trace=network,epoll_wait,read,write,readv,writev,close", "-o"])
            .arg(folder.join("calls"))
            .args(["sh", "-c", "ulimit -n \"$0\" && exec \"$@\""])
            .arg(descriptors.to_string())
            .arg(program(name))
            .args(arguments)
            .env("REACTOR_TRACE", folder.join("trace"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        Some(Watched { child, folder })
    }

    /// Where it listens.
    fn address(&mut self) -> String {
        let mut output = BufReader::new(self.child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        self.child.stdout = Some(output.into_inner());
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(';').next());
        address.unwrap_or_else(|| panic!("it says {line:?}")).trim().to_owned()
    }

    /// Stops it, and returns what the trace and what strace have counted.
    fn stop(self) -> (Counts, Counts) {
        let sent = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.wait()
    }

    /// Waits for its end.
    fn wait(mut self) -> (Counts, Counts) {
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap();
        let begin = Instant::now();
        let calls = loop {
            let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
            if calls.trim_end().ends_with("+++") || begin.elapsed() > PATIENCE {
                break calls;
            }
            thread::yield_now(); // strace writes its last line after the program has ended.
        };
        let trace = fs::read_to_string(self.folder.join("trace")).unwrap();
        (of_trace(&trace), of_system(&calls))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn of_trace(trace: &str) -> Counts {
    let mut counts = Counts::new();
    for event in trace.lines().map(|line| serde_json::from_str::<Value>(line).expect(line)) {
        let call = event["call"].as_str().unwrap_or_default();
        if CALLS.iter().any(|(name, _)| *name == call) {
            // A connect that is under way has not failed.
            let failed = if event["failed"].is_string() && call != "connect" { " failed" } else { "" };
            *counts.entry(format!("{call}{failed}")).or_default() += 1;
        }
    }
    counts
}

/// From the lines of strace: calls on TCP sockets, and waits. A signal comes over a UNIX socket, which no trace has.
fn of_system(calls: &str) -> Counts {
    let mut counts = Counts::new();
    for line in whole_calls(calls) {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let Some((call, _)) = CALLS.iter().find(|(_, names)| names.contains(&name)) else { continue };
        let first = rest.split([',', ')']).next().unwrap_or_default();
        if name != "epoll_wait" && !first.contains("<TCP") {
            continue;
        }
        // A wait that a signal interrupts has found nothing.
        let is_failure = rest.contains(") = -1") && !rest.contains("EINTR") && *call != "connect";
        let failed = if is_failure { " failed" } else { "" };
        *counts.entry(format!("{call}{failed}")).or_default() += 1;
    }
    counts
}

/// The lines of strace without the number of the thread in front. strace writes a call in two lines if another thread
/// makes a call meanwhile: these are joined.
fn whole_calls(calls: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut whole = Vec::new();
    for line in calls.lines() {
        let (thread, call) = line.trim_start().split_once(' ').unwrap_or_default();
        let call = call.trim_start();
        if let Some(beginning) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = call.split_once(" resumed>").filter(|_| call.starts_with("<... ")) {
            whole.push(format!("{}{end}", begun.remove(thread).unwrap_or_default()));
        } else {
            whole.push(call.to_owned());
        }
    }
    // A call that never ended, such as the wait of a thread at the end of the program.
    whole.extend(begun.into_values().map(str::to_owned));
    whole
}

#[track_caller]
fn same((trace, system): &(Counts, Counts)) {
    assert_eq!(trace, system, "left: the trace, right: strace");
}

#[test]
fn an_echo_under_load_makes_the_calls_that_its_trace_has() {
    let Some(mut server) = Watched::start("03_echo", "load", 1024, &["127.0.0.1:0"]) else { return };
    let address = server.address();
    let mut clients: Vec<_> = (0..20).map(|_| client(&address)).collect();
    for round in 0..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            let line = format!("{round} {number} {}\n", "x".repeat(number * 300));
            assert_eq!(ask(client, &line), line);
        }
    }
    drop(clients);
    let counts = server.stop();
    same(&counts);
    assert!(counts.0["read"] >= 400 && counts.0["write"] >= 400, "{counts:?}");
}

#[test]
fn a_half_close_makes_the_calls_that_its_trace_has() {
    let Some(mut server) = Watched::start("03_echo", "half", 1024, &["127.0.0.1:0"]) else { return };
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.write_all(b"the last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "the last words");
    same(&server.stop());
}

#[test]
fn a_port_without_descriptors_makes_the_calls_that_its_trace_has() {
    let Some(mut server) = Watched::start("03_echo", "full", 20, &["127.0.0.1:0"]) else { return };
    let address = server.address();
    let clients: Vec<_> = (0..20).map(|_| client(&address)).collect();
    // The first ones are served; the last ones wait in the backlog.
    let mut clients = clients.into_iter();
    let mut first = clients.next().unwrap();
    assert_eq!(ask(&mut first, "x\n"), "x\n");
    let stream = clients.next_back().unwrap().into_inner();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    (&stream).write_all(b"y\n").unwrap();
    assert!((&stream).read(&mut [0; 8]).is_err(), "this one is not served");
    drop((clients, stream));
    let counts = server.stop();
    same(&counts);
    assert!(counts.0.get("accept failed").is_some_and(|count| *count >= 2), "{counts:?}");
}

#[test]
fn tls_makes_the_calls_that_its_trace_has() {
    let Some(program) = Watched::start("11_tls", "tls", 1024, &[]) else { return };
    let counts = program.wait();
    same(&counts);
    assert!(counts.0["connect"] >= 2 && counts.0["read"] >= 6, "{counts:?}");
}

#[test]
fn lines_of_strace_are_read() {
    let calls = "\
        7 accept4(6<TCP:[127.0.0.1:8007]>, {sa_family=AF_INET}, [16], 0) = 13<TCP:[127.0.0.1:8007->127.0.0.1:5]>\n\
        7 accept4(6<TCP:[127.0.0.1:8007]>, 0x7, [128], SOCK_CLOEXEC) = -1 EAGAIN (Resource temporarily unavailable)\n\
        7 accept4(6<TCP:[127.0.0.1:8007]>,  <unfinished ...>\n\
        8 close(3</etc/hosts>) = 0\n\
        7 <... accept4 resumed>0x7, [128], SOCK_CLOEXEC) = -1 EMFILE (Too many open files)\n\
        7 recvfrom(8<UNIX-STREAM:[1->2]>, \"X\", 64, 0, NULL, NULL) = 1\n\
        7 close(3</etc/hosts>) = 0\n\
        7 close(13<TCP:[127.0.0.1:8007->127.0.0.1:5]>) = 0\n\
        7 epoll_wait(4<anon_inode:[eventpoll]>, [], 1024, 0) = 0\n\
        7 +++ exited with 0 +++\n";
    let expected = [("accept", 1), ("accept failed", 2), ("close", 1), ("poll", 1)];
    assert_eq!(of_system(calls), expected.map(|(name, count)| (name.to_owned(), count)).into());
}
