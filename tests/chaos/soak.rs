//! Memory and descriptors of the servers over a long run: they must be flat.

use crate::options::Options;
use crate::servers::Server;
use std::fs;
use std::time::Duration;

/// What each server held at one moment: its memory in KiB, its descriptors.
pub(crate) type Held = Vec<Option<(u64, u64)>>;

/// What the servers hold now. `None` where the system does not tell.
pub(crate) fn held(servers: &[Server]) -> Held {
    servers.iter().map(|server| held_by(server.process_id()?).map(|[memory, files, _]| (memory, files))).collect()
}

/// What a process holds: its memory in KiB, its descriptors, its threads.
pub(crate) fn held_by(id: u32) -> Option<[u64; 3]> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = memory.split_whitespace().next()?.parse().ok()?;
    let [files, threads] = ["fd", "task"].map(|what| fs::read_dir(format!("/proc/{id}/{what}")));
    Some([memory, files.ok()?.count() as u64, threads.ok()?.count() as u64])
}

/// What they held, as a line.
pub(crate) fn shown(held: &Held) -> String {
    let one = |held: &Option<(u64, u64)>| {
        held.map_or("-".to_owned(), |(memory, files)| format!("{:.1} MiB/{files}", memory as f64 / 1024.0))
    };
    held.iter().map(one).collect::<Vec<_>>().join("  ")
}

/// Growth from the mean of the second quarter to that of the last by more than this is a leak. The first quarter warms
/// up.
const MAX_GROWTH: f64 = 0.05;

/// The same where nothing goes wrong.
const MAX_CALM_GROWTH: f64 = 0.01;

/// The longest that a callback may take in a run in which nothing goes wrong.
const MAX_CALLBACK: Duration = Duration::from_millis(10);

/// The servers that had a longer callback than that, as they say themselves.
pub(crate) fn longest_callbacks(servers: &[Server]) -> Vec<String> {
    let mut slow = Vec::new();
    for server in servers {
        let Some(status) = server.status() else {
            slow.push(format!("{} does not say how it is", server.name));
            continue;
        };
        let longest = &status["longest_callback"];
        println!("{}: the longest callback took {} s: {}", server.name, longest["seconds"], longest["what"]);
        if longest["seconds"].as_f64().is_none_or(|seconds| seconds > MAX_CALLBACK.as_secs_f64()) {
            slow.push(format!("{} had a callback of {} s: {}", server.name, longest["seconds"], longest["what"]));
        }
    }
    slow
}

/// What has grown from the second quarter of a run to its last. All must have been the same processes.
pub(crate) fn growth(names: &[&str], samples: &[Held], options: &Options) -> Vec<String> {
    let most = if options.faults { MAX_GROWTH } else { MAX_CALM_GROWTH };
    let quarter = samples.len() / 4;
    if quarter < 4 {
        return Vec::new(); // Too short to tell.
    }
    let mean = |samples: &[Held], server: usize| {
        let found: Vec<(u64, u64)> = samples.iter().filter_map(|held| held[server]).collect();
        let count = found.len().max(1) as f64;
        let sum = found.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (sum.0 as f64 / count, sum.1 as f64 / count)
    };
    let mut grown = Vec::new();
    for (server, name) in names.iter().enumerate() {
        let before = mean(&samples[quarter..2 * quarter], server);
        let after = mean(&samples[samples.len() - quarter..], server);
        println!(
            "{name}: {:.0} KiB and {:.1} descriptors in the second quarter, {:.0} KiB and {:.1} in the last ({:+.2} %)",
            before.0,
            before.1,
            after.0,
            after.1,
            (after.0 / before.0 - 1.0) * 100.0
        );
        if after.0 > before.0 * (1.0 + most) {
            grown.push(format!("{name}'s memory has grown from {:.0} KiB to {:.0} KiB", before.0, after.0));
        }
        if after.1 > before.1 + 3.0 {
            grown.push(format!("{name}'s descriptors have grown from {:.1} to {:.1}", before.1, after.1));
        }
    }
    grown
}
