//! Every example runs, and prints what the comment at the end of its file says.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test examples` alone does not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An example has fewer lines than this, so that a learner can read it at one sitting.
const MAX_LINES: usize = 80;

/// Examples that are not run here, each with the reason.
const NOT_RUN: [(&str, &str); 9] = [
    ("echo", "a server: it runs until it is stopped"),
    ("chat", "a server: it runs until it is stopped"),
    ("proxy", "a server: it runs until it is stopped"),
    ("echo_client", "it needs the echo server"),
    ("udp_echo", "a server: it has a test of its own here"),
    ("unix_echo", "a server: it has a test of its own here"),
    ("starttls_server", "a server: it has a test of its own, `starttls_example.rs`"),
    ("starttls_client", "the client in that test"),
    ("client_service", "it needs the echo server, and waits for it"),
];

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The line before the expected output. Each line of the output is a comment.
const PRINTS: &str = "// Prints:";

struct Example {
    name: String,
    text: String,
}

/// All examples that are run, by name.
fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the examples' folder can be read") {
        let path = entry.expect("the examples' folder can be read").path();
        assert!(path.extension().is_some_and(|extension| extension == "rs"), "{path:?} would not be run here");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        found.push(Example { name, text: fs::read_to_string(&path).expect("an example can be read") });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    for (name, why) in NOT_RUN {
        assert!(found.iter().any(|example| example.name == name), "{name} ({why}) is excused, but is not there");
    }
    found.retain(|example| NOT_RUN.iter().all(|(name, _)| *name != example.name));
    assert!(!found.is_empty(), "no example is found: is this test blind?");
    found
}

/// The path of an example's program: Cargo puts the examples beside the folder of this test's own program.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo test`, or `cargo build --examples` first");
    program
}

/// The output that the end of `text` promises; `None` if anything else follows it.
fn expected(text: &str) -> Option<String> {
    let (_, block) = text.split_once(&format!("\n{PRINTS}\n"))?;
    let uncommented =
        |line: &str| line.strip_prefix("// ").or((line == "//").then_some("")).map(|line| format!("{line}\n"));
    block.lines().map(uncommented).collect()
}

#[test]
fn every_example_prints_what_it_says() {
    for Example { name, text } in examples() {
        let expected = expected(&text).unwrap_or_else(|| panic!("{name} does not end in comments behind `{PRINTS}`"));
        let output = Command::new(program(&name)).output().expect("an example can be run");
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && errors.is_empty(), "{name}: {}\n{errors}", output.status);
        assert!(printed == expected, "{name} says that it prints\n{expected}\nbut it prints\n{printed}");
        assert!(!printed.is_empty(), "{name} shows nothing");
    }
}

/// A running server; killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an example that is a server, in `folder`. Returns it with the address that it prints.
fn serve(name: &str, folder: &Path) -> (Server, String) {
    let mut child = Command::new(program(name)).current_dir(folder).stdout(Stdio::piped()).spawn().expect("it starts");
    let output = child.stdout.take().expect("it is piped");
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address).expect("it prints its address");
    (Server(child), address.trim_end().to_owned())
}

#[test]
fn the_udp_echo_sends_a_datagram_back() {
    let (_server, address) = serve("udp_echo", &std::env::temp_dir());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"hello", address).unwrap();
    let mut echo = [0; 10];
    assert_eq!((socket.recv(&mut echo).unwrap(), &echo[..5]), (5, b"hello".as_slice()));
}

#[test]
#[cfg(unix)]
fn the_unix_echo_sends_back_what_it_gets_even_over_the_file_of_a_killed_one() {
    let folder = std::env::temp_dir().join(format!("unix-echo-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    for _ in 0..2 {
        let (_server, address) = serve("unix_echo", &folder);
        assert_eq!(address, "unix:echo.sock");
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
fn every_example_is_short_and_says_how_to_run_it() {
    for Example { name, text } in examples() {
        let lines = text.lines().count();
        assert!(lines < MAX_LINES, "{name} has {lines} lines");
        let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(header.contains(&format!("`cargo run --example {name}`")), "{name} does not say how to run it");
    }
}

#[test]
fn the_expected_output_is_read_from_the_end_of_an_example() {
    let text = format!("fn main() {{}}\n\n{PRINTS}\n// one\n//   two\n//\n// three\n");
    assert_eq!(expected(&text).unwrap(), "one\n  two\n\nthree\n");
    assert_eq!(expected(&format!("\n{PRINTS}\n// one\nfn more() {{}}\n")), None);
    assert_eq!(expected("fn main() {}\n"), None);
}
