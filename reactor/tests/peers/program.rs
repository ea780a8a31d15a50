//! [`Program`]: a program at the other end.

use crate::peer::meanwhile;
use crate::skip::skipped;
use reactor::Reactor;
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    /// What it prints, and its errors among it. Taken while a thread reads.
    output: Option<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts `name` with `arguments`. `None`, with a message, if there is no such program: then the test is skipped,
    /// not passed.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Option<Program> {
        let path = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
            skipped(format_args!("there is no {name} here"));
            return None;
        }
        Some(Program::run(OsStr::new(name), arguments))
    }

    /// Starts the role of `twisted_peer.py` that `arguments` name.
    pub(crate) fn twisted(arguments: &[&str]) -> Option<Program> {
        let python = env::var("TWISTED_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        // They are looked for, not imported, which takes far longer.
        let needs = "import importlib.util as u, sys\n\
                     sys.exit(not all(map(u.find_spec, ('twisted', 'OpenSSL', 'service_identity'))))";
        let probe = Command::new(&python).args(["-c", needs]).stdin(Stdio::null()).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skipped(format_args!("{python} has no Twisted with TLS"));
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/twisted_peer.py");
        Some(Program::run(OsStr::new(&python), &[&[script], arguments].concat()))
    }

    fn run(program: &OsStr, arguments: &[&str]) -> Program {
        // A shell joins the errors to the output, and becomes the program.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Program { input: child.stdin.take(), output: Some(output), child }
    }

    /// The next line that it prints; empty at its end. For what it prints before it talks to ours.
    pub(crate) fn line(&mut self) -> String {
        read_line(self.output.as_mut().expect("nobody else reads")).trim_end().to_owned()
    }

    /// The next line with `word` in it, while the loop takes turns. Fails if it ends before.
    #[track_caller]
    pub(crate) fn line_with(&mut self, reactor: &Reactor, word: &'static str) -> String {
        let mut output = self.output.take().expect("nobody else reads");
        let (line, output) = meanwhile(reactor, move || {
            let mut before = String::new();
            loop {
                let line = read_line(&mut output);
                assert!(!line.is_empty(), "it did not say {word:?}, but {before}");
                if line.contains(word) {
                    return (line, output);
                }
                before.push_str(&line);
            }
        });
        self.output = Some(output);
        line.trim_end().to_owned()
    }

    /// Says something to its standard input.
    pub(crate) fn say(&mut self, what: &str) {
        self.input.as_mut().expect("it is open").write_all(what.as_bytes()).unwrap();
    }

    /// Says to its standard input that no more will come.
    pub(crate) fn say_end(&mut self) {
        self.input = None;
    }

    /// Everything that it still prints, when it has ended by itself, while the loop takes turns. Its standard input
    /// stays open.
    #[track_caller]
    pub(crate) fn rest(&mut self, reactor: &Reactor) -> String {
        let mut output = self.output.take().expect("nobody else reads");
        let all = meanwhile(reactor, move || {
            let mut all = Vec::new();
            output.read_to_end(&mut all).unwrap();
            all
        });
        String::from_utf8_lossy(&all).into_owned()
    }

    /// As [`rest`](Program::rest), and it says that it has succeeded.
    #[track_caller]
    pub(crate) fn success(&mut self, reactor: &Reactor) -> String {
        let rest = self.rest(reactor);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}; it said {rest}");
        rest
    }
}

fn read_line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = Vec::new();
    output.read_until(b'\n', &mut line).unwrap();
    String::from_utf8_lossy(&line).into_owned()
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}
