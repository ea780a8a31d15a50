//! A peer in another language: a script in a process of its own, which measures on demand.
//!
//! ```text
//!   script:  ready VERSIONS               or  missing WHY, and it ends
//!   here:    fired-first 64000            the shape, and how often
//!   script:  12345678                     nanoseconds for all of them
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

pub struct Peer {
    program: String,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

pub enum Started {
    Ready { versions: String, peer: Peer },
    NotHere { why: String },
}

impl Peer {
    /// Starts `program` and waits until its script has found what it needs and has checked the result of each shape.
    ///
    /// # Errors
    /// If the script fails. A program or a package that is not installed is not an error.
    pub fn start(program: &str, args: &[&str]) -> io::Result<Started> {
        let child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return Ok(Started::NotHere { why: format!("{program}: {error}") }),
        };
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other(format!("{program} has no pipes")));
        };
        let mut peer = Self { program: program.to_owned(), child, questions, answers: BufReader::new(answers) };
        let line = peer.line()?;
        match line.split_once(' ') {
            Some(("ready", versions)) => Ok(Started::Ready { versions: versions.to_owned(), peer }),
            Some(("missing", why)) => Ok(Started::NotHere { why: format!("{program}: {why}") }),
            _ => Err(peer.blame(&line)),
        }
    }

    /// How long `count` operations of this shape take.
    ///
    /// # Errors
    /// If the script fails.
    pub fn time(&mut self, shape: &str, count: u64) -> io::Result<Duration> {
        writeln!(self.questions, "{shape} {count}")?;
        let line = self.line()?;
        line.parse().map(Duration::from_nanos).map_err(|_| self.blame(&line))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn blame(&self, line: &str) -> io::Error {
        io::Error::other(format!("{} has failed; its last line is {line:?}", self.program))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing is left to do if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
