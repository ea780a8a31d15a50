//! The machine: which CPU the servers have and which the load, and what the report says of it.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// Set in the second life of the program, which [`settle`] has begun: the CPU of the load.
const SETTLED: &str = "HERD_BENCH_CPU";

/// The CPU of every measured server.
pub const SERVER_CPU: usize = 0;

/// The CPU of the load: another one, if there is another.
fn load_cpu() -> usize {
    let settled = env::var(SETTLED).ok().and_then(|cpu| cpu.parse().ok());
    settled.unwrap_or_else(|| usize::from(thread::available_parallelism().is_ok_and(|count| count.get() > 1)))
}

/// Begins this program anew on the CPU of the load, with as many open files as the system allows. Ten thousand
/// connections need more than the usual 1,024, here and in the servers, which inherit the limit.
pub fn settle() -> io::Result<()> {
    if env::var_os(SETTLED).is_some() {
        return Ok(());
    }
    let script = "ulimit -n \"$(ulimit -Hn)\"; cpu=$1; shift; exec taskset -c \"$cpu\" \"$@\"";
    let mut shell = Command::new("sh");
    let cpu = load_cpu().to_string();
    shell.args(["-c", script, "sh", &cpu]).arg(env::current_exe()?).args(env::args_os().skip(1));
    Err(shell.env(SETTLED, &cpu).exec())
}

/// A few words on the machine, one fact a line.
pub fn describe() -> Vec<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(3).collect();
    vec![
        format!("{count} CPUs, {}", model.map_or("unknown", |(_, name)| name.trim())),
        format!("Linux {}", kernel.trim()),
        format!("servers on CPU {SERVER_CPU}, the load on CPU {}", load_cpu()),
        format!("load averages at the end: {}", load.join(", ")),
    ]
}

/// The first line that a command prints, for its version.
pub fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
