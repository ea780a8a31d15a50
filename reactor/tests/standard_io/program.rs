//! [`program`]: a test's own program in a process of its own, and what several of them do.

use crate::events::{Events, Noting};
use reactor::{Reactor, Settings, Transport};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const CHILD: &str = "REACTOR_TEST_STANDARD_IO";

/// The test harness writes to standard output before a test runs. After this line, the output is the program's.
const BEGIN: &str = "\n--- the program begins ---\n";

/// How a process is started in which `work` runs. `name` is the test that calls this. In that process it does not
/// return; `work` tells the test what it has seen on standard error.
pub(crate) fn program(name: &str, work: impl FnOnce()) -> Command {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        print!("{BEGIN}");
        work();
        std::process::exit(0); // Without what the harness would still say.
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that runs, with its three pipes.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: Option<BufReader<ChildStdout>>,
    told: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it, and skips what the harness says.
    pub(crate) fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().map(BufReader::new);
        if let Some(output) = &mut output {
            let mut line = String::new();
            while line != BEGIN.trim_start() {
                line.clear();
                assert!(output.read_line(&mut line).unwrap() > 0, "the program has not begun");
            }
        }
        let told = BufReader::new(child.stderr.take().unwrap());
        Running { input: child.stdin.take(), output, told, child }
    }

    /// The next line that it tells.
    pub(crate) fn told(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// All of its output until the end.
    pub(crate) fn output(&mut self) -> String {
        let mut text = String::new();
        self.output.as_mut().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// What it has told until its end, which must be a good one.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.input = None;
        let told: Vec<String> = (&mut self.told).lines().map(Result::unwrap).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {told:?}");
        told
    }
}

/// What a program with the output `text` has said.
pub(crate) fn after_the_beginning(text: &str) -> &str {
    text.split_once(BEGIN).expect("the program has begun").1
}

/// A reactor of which nothing takes longer than a moment to stop.
pub(crate) fn reactor() -> Reactor {
    let mut settings = Settings::default();
    settings.stop_timeout = Duration::from_millis(100);
    settings.close_timeout = Duration::from_secs(60);
    Reactor::with_settings(settings).unwrap()
}

/// Runs a protocol until its connection has ended; the events go to standard error.
pub(crate) fn run(reactor: &Reactor, change: impl FnOnce(&mut Noting)) {
    let events = Events::default();
    let transport = open(reactor, &events, change);
    reactor.run().unwrap();
    drop(transport);
    for event in events.all() {
        match event.strip_prefix("data ") {
            // The test may not read this while the program runs, so it must be short.
            Some(data) if data.len() > 100 => eprintln!("data of {} bytes", data.len()),
            _ => eprintln!("{}", event.escape_debug()),
        }
    }
}

/// Opens a connection that stops `reactor` when it has ended.
pub(crate) fn open(reactor: &Reactor, events: &Events, change: impl FnOnce(&mut Noting)) -> Transport {
    let stopper = reactor.clone();
    let mut noting = Noting { lost: Box::new(move |_| stopper.stop()), ..Noting::new(events) };
    change(&mut noting);
    reactor.open_standard_io(noting).unwrap()
}

/// Sends back what it receives, without noting it.
pub(crate) fn echo(noting: &mut Noting) {
    noting.data = Box::new(|transport, data| transport.write(data));
}
