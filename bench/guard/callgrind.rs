//! Runs a program under callgrind, and reads the costs that callgrind has written.

use crate::shapes;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// The instructions that one operation takes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) total: f64,
    /// Those of each function itself, without what it calls.
    pub(crate) functions: BTreeMap<String, f64>,
}

impl Cost {
    /// The cost of one operation, from two runs with different numbers of them.
    pub(crate) fn of_one(less: &Cost, more: &Cost, operations: usize) -> Cost {
        let each = |less: f64, more: f64| (more - less) / operations as f64;
        let own = |name: &str| less.functions.get(name).copied().unwrap_or(0.0);
        Cost {
            total: each(less.total, more.total),
            functions: more.functions.iter().map(|(name, cost)| (name.clone(), each(own(name), *cost))).collect(),
        }
    }

    /// The functions that take more than `before`, and how much more; those that grew most come first.
    pub(crate) fn grown_since(&self, before: &Cost) -> impl Iterator<Item = (&str, f64)> {
        let more = |(name, now): (_, &f64)| (name, now - before.functions.get(name).copied().unwrap_or(0.0));
        let mut grown: Vec<(&String, f64)> = self.functions.iter().map(more).collect();
        grown.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        grown.into_iter().filter(|(_, more)| *more > 0.0).take(5).map(|(name, more)| (name.as_str(), more))
    }

    /// Reads what callgrind has written. `fn=` begins a function; a line of numbers is a position and a cost; the line
    /// after `calls=` is the cost of the callee, which counts where the callee stands. A name is written once, with a
    /// number, and then the number alone.
    pub(crate) fn parse(text: &str) -> Cost {
        let mut cost = Cost::default();
        let (mut names, mut current, mut is_callee) = (BTreeMap::new(), String::new(), false);
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                if let "fn" | "cfn" = key {
                    let (number, name) = value.split_once(' ').unwrap_or((value, ""));
                    if !name.is_empty() {
                        // A call of itself has the name again, with a mark behind it.
                        names.insert(number, name.split('\'').next().unwrap_or(name));
                    }
                    if key == "fn" {
                        current = names.get(number).copied().unwrap_or_default().to_owned();
                    }
                }
                is_callee = key == "calls";
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let own = line.split(' ').nth(1).and_then(|number| number.parse::<f64>().ok());
                if let Some(own) = own.filter(|_| !is_callee) {
                    cost.total += own;
                    *cost.functions.entry(current.clone()).or_default() += own;
                }
                is_callee = false;
            }
        }
        cost
    }
}

/// Whether the programs that are counted write a trace into a file.
static IS_TRACED: AtomicBool = AtomicBool::new(false);

/// Counts what `measure` runs while each program writes a trace.
pub(crate) fn traced<R>(measure: impl FnOnce() -> R) -> R {
    IS_TRACED.store(true, Ordering::Relaxed);
    let result = measure();
    IS_TRACED.store(false, Ordering::Relaxed);
    result
}

/// A command that runs this very program under callgrind, with these arguments; callgrind writes into `out`.
pub(crate) fn command(arguments: &[&str], out: &Path) -> std::io::Result<Command> {
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display()));
    // No trace and no backtrace that only the environment asks for.
    command.arg(std::env::current_exe()?).args(arguments).env_remove("REACTOR_TRACE").env("RUST_BACKTRACE", "0");
    if IS_TRACED.load(Ordering::Relaxed) {
        command.env("REACTOR_TRACE", out.with_extension("jsonl"));
    }
    Ok(command)
}

/// What callgrind has written into `out`.
pub(crate) fn read(out: &Path) -> Result<Cost, Box<dyn Error>> {
    let cost = Cost::parse(&fs::read_to_string(out)?);
    if cost.total == 0.0 { Err("callgrind has counted nothing".into()) } else { Ok(cost) }
}

/// The cost of this number of operations of a shape.
pub(crate) fn shape(name: &str, count: usize) -> Result<Cost, Box<dyn Error>> {
    let directory = Directory::new()?;
    let out = directory.0.join("callgrind.out");
    let output = command(&[shapes::OPTION, name, &count.to_string()], &out)?.output()?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    read(&out)
}

/// A directory for one run; removed when dropped.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> std::io::Result<Directory> {
        let number = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = std::env::temp_dir().join(format!("guard-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
