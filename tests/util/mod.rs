//! What the tests with real processes share: a directory, a free port, a running server, a client.
//!
//! Each of them ends with the test that made it. No test waits for a fixed time: [`wait_until`] is the only place where
//! one waits, and it has a deadline.

mod ports;

pub(crate) use ports::free_port;

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The maximum time for anything that a test waits for: far more than it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and asks for it every two milliseconds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A directory for one test, removed at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("proxyherd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file. Returns its path, to be an argument of a command.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, with the usual action for HUP, INT and TERM, where `env` can give it back. The tests may run under
/// nohup or in the background of a script: a signal that is ignored there is inherited, and a server leaves it ignored.
fn program() -> Command {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_proxyherd");
    const USUAL: &str = "--default-signal=HUP,INT,TERM";
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = || Command::new("env").args([USUAL, "true"]).output().is_ok_and(|output| output.status.success());
    if !*CAN.get_or_init(can) {
        return Command::new(PROGRAM);
    }
    let mut command = Command::new("env");
    command.args([USUAL, PROGRAM]);
    command
}

/// A run of the program; killed when dropped.
pub(crate) struct Process {
    child: Child,
    output: PathBuf,
    errors: PathBuf,
}

impl Process {
    /// Runs the program in the directory `logs`. Its environment has no key unless `variables` has one.
    pub(crate) fn spawn(logs: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (output, errors) = (logs.join(format!("{number}.out")), logs.join(format!("{number}.err")));
        let child = program()
            .args(arguments)
            .current_dir(logs)
            .env_remove("GOOGLE_PLACES_API_KEY")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        Process { child, output, errors }
    }

    /// The same, and waits until the server listens: the last line that it prints then says how to stop it.
    pub(crate) fn start(logs: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut process = Process::spawn(logs, arguments, variables);
        wait_until("the server listens", || {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended with {ended:?}: {}", process.errors());
            process.output().contains("stop:")
        });
        process
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// What it has printed on standard error.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// Waits for it to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends it a signal and waits for it to end.
    pub(crate) fn end(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of all logs in `directory`.
pub(crate) fn logs(directory: &Path) -> String {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "log")).collect();
    logs.sort();
    logs.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// A connection to a server, line by line.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    /// The next line, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(_) => line.strip_suffix('\n').expect("the connection has ended").to_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came within {PATIENCE:?}"),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn send(&mut self, command: &str) {
        self.stream.get_mut().write_all(format!("{command}\n").as_bytes()).unwrap();
    }

    /// Sends a command. Returns the first line of the reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.line()
    }

    /// Asks what is near. Returns the AT line and the JSON, or the one line that says that the command is invalid.
    #[track_caller]
    pub(crate) fn whats_at(&mut self, client: &str, radius: u32, bound: u32) -> (String, String) {
        let first = self.ask(&format!("WHATSAT {client} {radius} {bound}"));
        let mut json = Vec::new();
        while first.starts_with("AT ") && json.last().is_none_or(|line: &String| !line.is_empty()) {
            json.push(self.line());
        }
        json.pop();
        (first, json.join("\n"))
    }
}
