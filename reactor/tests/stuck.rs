//! Callbacks that do not return: they are told while they run, and a second signal ends the process.
//!
//! Each program runs in a process of its own: this one, asked for that one test.

#![cfg(unix)]

use reactor::{Phase, Reactor, SystemEvent};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

const PROGRAM: &str = "REACTOR_TEST_PROGRAM";

/// A process that runs a program of this file.
struct Program {
    child: Child,
    told: BufReader<ChildStderr>,
}

impl Program {
    /// Starts `program` in a process, for the test of this name. `None` in that process itself.
    fn start(name: &str, program: fn()) -> Option<Program> {
        if std::env::var(PROGRAM).is_ok_and(|child| child == name) {
            program();
            return None;
        }
        let mut child = with_usual_signals(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(PROGRAM, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        Some(Program { child, told })
    }

    /// Reads what it tells, up to the line that has `words`. Returns that line.
    #[track_caller]
    fn wait_for(&mut self, words: &str) -> String {
        let mut all = String::new();
        loop {
            let begin = all.len();
            assert!(self.told.read_line(&mut all).unwrap() > 0, "it has ended without {words:?}: {all}");
            if all[begin..].contains(words) {
                return all[begin..].to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until a thread of the process has taken what was sent. Where there is no `/proc`, it does not wait.
    fn until_signals_are_delivered(&self) {
        let path = format!("/proc/{}/status", self.child.id());
        let waits = |status: &str| {
            let mut masks = status.lines().filter_map(|line| line.strip_prefix("ShdPnd:"));
            masks.any(|mask| mask.trim().bytes().any(|digit| digit != b'0'))
        };
        while std::fs::read_to_string(&path).is_ok_and(|status| waits(&status)) {
            std::thread::yield_now();
        }
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// Gives SIGINT and SIGTERM their usual action, where `env` can. The tests may run under nohup or in the background of
/// a script, and a signal that is ignored there is inherited.
fn with_usual_signals(program: PathBuf) -> Command {
    const USUAL: &str = "--default-signal=INT,TERM";
    let is_possible = Command::new("env").args([USUAL, "true"]).output().is_ok_and(|output| output.status.success());
    if !is_possible {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg(USUAL).arg(program);
    command
}

/// Runs a loop with a callback that waits for a line on standard input.
fn run_blocked() {
    let reactor = Reactor::new().unwrap();
    reactor.call_when_running(|| {
        eprintln!("blocked");
        let _ = std::io::stdin().read_line(&mut String::new()); // blocks
    });
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, || eprintln!("an orderly end"));
    reactor.run().unwrap();
}

#[test]
fn a_second_signal_ends_a_process_whose_loop_is_held_up() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let program = Program::start("a_second_signal_ends_a_process_whose_loop_is_held_up", run_blocked);
        let Some(mut program) = program else { return };
        program.wait_for("blocked");
        program.signal(signal);
        let line = program.wait_for("does not return");
        assert!(line.contains(&format!("Another SIG{signal} ends the process")), "{line}");
        program.signal(signal);
        assert_eq!(program.wait().signal(), Some(number));
    }
}

#[test]
fn a_loop_that_goes_on_after_all_notices_the_signal_and_stops() {
    let program = Program::start("a_loop_that_goes_on_after_all_notices_the_signal_and_stops", run_blocked);
    let Some(mut program) = program else { return };
    program.wait_for("blocked");
    program.signal("TERM");
    program.wait_for("does not return");
    program.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    program.wait_for("an orderly end");
    assert!(program.wait().success());
}

#[test]
fn two_signals_at_once_do_not_end_a_process_that_is_busy_for_a_moment() {
    let name = "two_signals_at_once_do_not_end_a_process_that_is_busy_for_a_moment";
    let Some(mut program) = Program::start(name, run_blocked) else { return };
    program.wait_for("blocked");
    program.signal("TERM");
    program.signal("TERM");
    // A signal that comes after the end of the loop has its usual effect.
    program.until_signals_are_delivered();
    program.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    program.wait_for("an orderly end");
    assert!(program.wait().success());
}

#[cfg(debug_assertions)]
#[test]
fn a_callback_that_does_not_return_is_told_with_its_place() {
    let name = "a_callback_that_does_not_return_is_told_with_its_place";
    let Some(mut program) = Program::start(name, run_blocked) else { return };
    program.wait_for("blocked");
    let line = program.wait_for("has held the loop for");
    for part in ["has not returned", "the call when running requested at reactor/tests/stuck.rs:"] {
        assert!(line.contains(part), "without {part:?}: {line}");
    }
    program.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    program.wait_for("everybody else waited"); // And it is measured when it has returned.
    program.signal("TERM");
    program.wait_for("an orderly end");
    assert!(program.wait().success());
}
