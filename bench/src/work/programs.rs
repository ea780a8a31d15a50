//! The benchmarks that are programs of their own. Their tables go into the report as they print them.

use std::env;
use std::io;
use std::process::Command;

use crate::peers::Tools;
use crate::work::Effort;

/// A program with its arguments for a quick and for a full run.
struct Program {
    title: &'static str,
    name: &'static str,
    quick: &'static [&'static str],
    full: &'static [&'static str],
}

const PYTHON: &str = "PYTHON";
const NODE: &str = "NODE";

const PROGRAMS: &[Program] = &[
    Program {
        title: "Deferreds, beside Twisted's, V8's promises and the futures crate",
        name: "deferred-bench",
        quick: &["--python", PYTHON, "--node", NODE, "--rounds", "7"],
        full: &["--python", PYTHON, "--node", NODE],
    },
    Program {
        title: "A delayed call that is requested and cancelled while a million wait, beside Twisted",
        name: "timers_bench",
        quick: &["among-million", "1000000", PYTHON],
        full: &["among-million", "3000000", PYTHON],
    },
    Program {
        title: "A million delayed calls, all requested and then all cancelled, beside Twisted",
        name: "timers_bench",
        quick: &["burst-cancel", "1000000", PYTHON],
        full: &["burst-cancel", "1000000", PYTHON],
    },
    Program {
        title: "A thousand lines of fifty bytes, by the size of the pieces in which they come, beside Twisted",
        name: "line_bench",
        quick: &[PYTHON],
        full: &[PYTHON],
    },
    Program {
        title: "TLS handshakes, beside rustls and mio with nothing in between",
        name: "tls-bench",
        quick: &["--rounds", "7"],
        full: &[],
    },
    Program {
        title: "HTTPS GETs, beside hyper, from a local nginx",
        name: "https-bench",
        quick: &["--rounds", "7"],
        full: &[],
    },
    Program {
        title: "Commands to redis-server, beside redis-rs",
        name: "resp_bench",
        quick: &["3", "40000"],
        full: &["9", "100000"],
    },
];

/// The names of the programs, which must be built first.
pub fn names() -> Vec<&'static str> {
    PROGRAMS.iter().map(|program| program.name).collect()
}

/// What a program has printed.
pub struct Printed {
    pub title: &'static str,
    pub command: String,
    pub text: Result<String, String>,
}

pub fn run(tools: &Tools, effort: Effort) -> Vec<Printed> {
    let run = |program: &Program| {
        eprintln!("{}", program.name);
        let arguments = if effort.full { program.full } else { program.quick };
        let with = |argument: &&'static str| match *argument {
            PYTHON => tools.python.clone(),
            NODE => tools.node.clone(),
            other => other.to_owned(),
        };
        let command = ["cargo run --release --bin", program.name, "--"].into_iter().chain(arguments.iter().copied());
        Printed {
            title: program.title,
            command: command.collect::<Vec<_>>().join(" "),
            text: output(program.name, &arguments.iter().map(with).collect::<Vec<_>>()).map_err(|e| e.to_string()),
        }
    };
    PROGRAMS.iter().map(run).collect()
}

fn output(name: &str, arguments: &[String]) -> io::Result<String> {
    let output = Command::new(env::current_exe()?.with_file_name(name)).args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(said.lines().last().unwrap_or("it failed and said nothing").to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
