//! `counts.txt`: what each path took when it was recorded, and on what machine.

use crate::callgrind::Cost;
use std::error::Error;
use std::fmt::{self, Write};
use std::fs;
use std::process::Command;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/guard/counts.txt");

/// Functions that take less than this part of their path are not recorded.
const SMALL: f64 = 0.01;

/// What the counts depend on, beside the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine(Vec<String>);

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// If a tool is missing.
    pub(crate) fn this() -> Result<Machine, Box<dyn Error>> {
        let valgrind = first_line("valgrind", &["--version"])?;
        let (rustc, libc) = (first_line("rustc", &["--version"])?, first_line("ldd", &["--version"])?);
        Ok(Machine(vec![rustc, libc, valgrind, cpu()]))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Functions for moving and searching memory choose their code by this.
fn cpu() -> String {
    #[cfg(target_arch = "x86_64")]
    let widest = if std::arch::is_x86_feature_detected!("avx2") { "avx2" } else { "sse2" };
    #[cfg(not(target_arch = "x86_64"))]
    let widest = "";
    format!("{} {widest}", std::env::consts::ARCH).trim_end().to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().ok_or_else(|| format!("{program} says no version"))?.to_owned())
}

pub(crate) struct Counts {
    pub(crate) machine: Machine,
    pub(crate) paths: Vec<(String, Cost)>,
}

impl Counts {
    /// Reads the file: the lines of the machine, an empty line, then the paths. A line that begins with a space is a
    /// function of the path above it.
    pub(crate) fn read() -> Result<Counts, Box<dyn Error>> {
        let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let machine = Machine(lines.by_ref().take_while(|line| !line.is_empty()).map(str::to_owned).collect());
        let mut paths: Vec<(String, Cost)> = Vec::new();
        for line in lines {
            let (number, name) = line.trim_start().split_once(' ').ok_or_else(|| format!("{FILE}: {line}"))?;
            let count: f64 = number.parse().map_err(|_| format!("{FILE}: {line}"))?;
            match paths.last_mut().filter(|_| line.starts_with(' ')) {
                Some((_, cost)) => drop(cost.functions.insert(name.to_owned(), count)),
                None => paths.push((name.to_owned(), Cost { total: count, ..Cost::default() })),
            }
        }
        Ok(Counts { machine, paths })
    }

    pub(crate) fn of(&self, name: &str) -> Result<&Cost, Box<dyn Error>> {
        let found = self.paths.iter().find(|(path, _)| path == name);
        Ok(&found.ok_or_else(|| format!("{name} is not recorded: run with --record"))?.1)
    }

    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let mut text = String::from(
            "# Instructions for one operation. Written by: cargo run --release --example guard -- --record\n",
        );
        writeln!(text, "{}\n", self.machine)?;
        for (name, cost) in &self.paths {
            writeln!(text, "{:.1} {name}", cost.total)?;
            let mut functions: Vec<(&String, &f64)> = cost.functions.iter().collect();
            functions.sort_by(|(_, one), (_, other)| other.total_cmp(one));
            for (function, own) in functions.into_iter().filter(|(_, own)| **own >= cost.total * SMALL) {
                writeln!(text, "  {own:.1} {function}")?;
            }
        }
        Ok(fs::write(FILE, text)?)
    }
}
