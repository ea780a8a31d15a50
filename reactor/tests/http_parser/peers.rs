//! Other HTTP clients: h11 (Python), Node's (llhttp) and curl. Each gets the same bytes as a response and reports its
//! reading of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs, io, process, thread};

/// A client's reading of a response: status and body, or its error.
pub(crate) type Verdict = Result<(u16, Vec<u8>), String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    H11,
    Node,
    Curl,
}

impl Peer {
    /// Its reading of each response, or why it cannot be asked: it is not installed.
    pub(crate) fn verdicts(self, answers: &Arc<Vec<Vec<u8>>>) -> Result<Vec<Verdict>, String> {
        let verdicts = match self {
            Peer::H11 => h11(answers)?,
            Peer::Node => node(answers)?,
            Peer::Curl => curl(answers)?,
        };
        assert_eq!(verdicts.len(), answers.len(), "{self:?} has not judged all");
        Ok(verdicts)
    }
}

/// Starts a program. A test may go on without a program that is not installed, but fails on any other error.
fn run(command: &mut Command, input: Option<String>) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = match command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(format!("{name} is not here")),
        Err(error) => panic!("{name}: {error}"),
    };
    let stdin = child.stdin.take();
    let writer = thread::spawn(move || match (stdin, input) {
        (Some(mut stdin), Some(input)) => stdin.write_all(input.as_bytes()),
        _ => Ok(()),
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Ok(String::from_utf8(output.stdout).unwrap())
}

/// `200 6869` or `error why`.
fn verdict(line: &str) -> Verdict {
    let (status, rest) = line.split_once(' ').unwrap_or((line, ""));
    match status.parse() {
        Ok(status) => Ok((status, unhex(rest))),
        Err(_) => Err(rest.to_owned()),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn h11(answers: &[Vec<u8>]) -> Result<Vec<Verdict>, String> {
    let python = env::var("H11_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_h11 = Command::new(&python).args(["-c", "import h11"]).stderr(Stdio::null()).status();
    if !has_h11.is_ok_and(|status| status.success()) {
        return Err(format!("{python} (or H11_PYTHON) with h11 is not here"));
    }
    let hex = |answer: &Vec<u8>| answer.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let input: String = answers.iter().map(|answer| hex(answer) + "\n").collect();
    let output = run(Command::new(python).args(["-c", include_str!("h11_peer.py")]), Some(input))?;
    Ok(output.lines().map(verdict).collect())
}

fn node(answers: &Arc<Vec<Vec<u8>>>) -> Result<Vec<Verdict>, String> {
    let node = env::var("NODE").unwrap_or_else(|_| "node".to_owned());
    let version = run(Command::new(&node).arg("--version"), None)?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    // Node 18 took, among others, a CR alone for the end of a head, which has been repaired since.
    if major.is_none_or(|major| major < 20) {
        return Err(format!("{node} (or NODE) is {}, and not 20 or later", version.trim()));
    }
    let server = Server::start(answers);
    let (port, count) = (server.port.to_string(), answers.len().to_string());
    let mut command = Command::new(node);
    command.args(["--input-type=module", "-e", include_str!("node_peer.mjs"), "--", &port, &count]);
    Ok(run(&mut command, None)?.lines().map(verdict).collect())
}

fn curl(answers: &Arc<Vec<Vec<u8>>>) -> Result<Vec<Verdict>, String> {
    let server = Server::start(answers);
    let folder = Folder::new();
    let mut verdicts = Vec::new();
    while verdicts.len() < answers.len() {
        let mut config = String::new();
        for number in verdicts.len()..answers.len() {
            let path = folder.0.join(number.to_string());
            config +=
                &format!("url = \"http://127.0.0.1:{}/{number}\"\noutput = \"{}\"\n", server.port, path.display());
        }
        let mut command = Command::new("curl");
        command.args(["-q", "--silent", "--http1.1", "--noproxy", "*", "--max-time", "20", "-H", "Connection: close"]);
        command.args(["-w", "%{http_code} %{exitcode}\n", "--config", "-"]);
        let before = verdicts.len();
        for line in run(&mut command, Some(config))?.lines() {
            let path = folder.0.join(verdicts.len().to_string());
            verdicts.push(match line.split_once(' ') {
                // An empty body makes no file.
                Some((status, "0")) => Ok((status.parse().unwrap(), fs::read(path).unwrap_or_default())),
                Some((_, code)) => Err(format!("exit code {code}")),
                None => panic!("curl said {line:?}"),
            });
        }
        // After some errors curl goes on with the next, and after some (a first header that is folded) it does not.
        assert!(verdicts.len() > before, "curl judges nothing");
    }
    Ok(verdicts)
}

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = env::temp_dir().join(format!("reactor-http-peers-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // If it fails, the files stay in the temporary folder.
    }
}

/// Serves response N to a request for `/N`, byte for byte, and ends the connection.
struct Server {
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(answers: &Arc<Vec<Vec<u8>>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, answers) = (is_over.clone(), answers.clone());
        let serve = move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let answers = answers.clone();
                // A client that breaks off has made up its mind.
                thread::spawn(move || stream.and_then(|stream| answer(stream, &answers)));
            }
        };
        Server { port, is_over, thread: Some(thread::spawn(serve)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // It looks at the flag only after accepting one more.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, answers: &[Vec<u8>]) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut more = [0; 1000];
        match stream.read(&mut more)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&more[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let number = request.split(['/', ' ']).nth(2).and_then(|number| number.parse::<usize>().ok());
    stream.set_nodelay(true)?;
    stream.write_all(&answers[number.expect("a number is asked for")])?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}
