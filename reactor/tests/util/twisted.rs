//! Twisted as a peer: programs in Python, run beside the loop under test.

use crate::skip::skipped;
use crate::util::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What every program begins with. It ends by itself when nothing happens for too long.
const PREAMBLE: &str = "\
import sys
from twisted.internet import reactor, protocol, interfaces
from zope.interface import implementer
def say(text):
    print(text, flush=True)
";

/// A running program; killed when dropped.
pub(crate) struct Twisted {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Twisted {
    /// Starts `program` with `arguments`, which it finds in `sys.argv[1:]`. `None`, with a message, if there is no
    /// Python with Twisted: then the test is skipped, not passed. `TWISTED_PYTHON` names the Python to take.
    pub(crate) fn start(test: &str, program: &str, arguments: &[&str]) -> Option<Twisted> {
        let python = std::env::var("TWISTED_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let probe = Command::new(&python).args(["-c", "import twisted"]).stdin(Stdio::null()).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skipped(format_args!("{test}: {python} has no Twisted"));
            return None;
        }
        let end = format!("reactor.callLater({}, reactor.stop)\nreactor.run()\n", PATIENCE.as_secs());
        let mut child = Command::new(&python)
            .args(["-c", &format!("{PREAMBLE}{program}\n{end}")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Twisted { child, output })
    }

    /// The next line that it says; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Everything that it still says, when it has ended.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "it said {rest}");
        rest
    }
}

impl Drop for Twisted {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}
