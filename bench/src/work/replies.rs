//! Requests and replies over connections that stay: CPU time for each reply, and how long a reply takes.

use std::io;
use std::thread::sleep;

use crate::load::{Load, Shape, Until, percentile};
use crate::peers::Peer;
use crate::results::{Measure, Results};
use crate::server::SETTLE;
use crate::work::{Effort, progress};

/// The shapes of the load, one request in flight first.
pub fn shapes(effort: Effort) -> Vec<Shape> {
    let quick = [(50, 1), (1000, 1), (50, 16)];
    let full = [(1, 1), (10, 1), (50, 1), (200, 1), (1000, 1), (10_000, 1), (50, 4), (50, 16), (50, 64)];
    let all = if effort.full { &full[..] } else { &quick[..] };
    all.iter().map(|&(connections, in_flight)| Shape { connections, in_flight }).collect()
}

/// In each round, every shape is measured with every peer in turn; each round begins with another peer.
pub fn measure(work: &'static str, peers: &mut Vec<Peer>, shapes: &[Shape], effort: Effort, results: &mut Results) {
    for round in 0..effort.rounds {
        for shape in shapes {
            let mut failed = Vec::new();
            for turn in 0..peers.len() {
                let peer = &peers[(round + turn) % peers.len()];
                if let Err(error) = measure_one(work, peer, *shape, effort, results) {
                    failed.push(peer.name);
                    results.fail(work, peer.name, &format!("{shape}: {error}"));
                }
            }
            peers.retain(|peer| !failed.contains(&peer.name));
        }
        progress(work, round, effort);
    }
}

fn measure_one(work: &'static str, peer: &Peer, shape: Shape, effort: Effort, results: &mut Results) -> io::Result<()> {
    let mut load = Load::connect(peer.server.address, shape, peer.talk)?;
    load.drive(Until::Time(effort.time / 5))?;
    sleep(SETTLE);
    let (before, logged) = (peer.server.cpu()?, peer.server.logged()?);
    let mut run = load.drive(Until::Time(effort.time))?;
    sleep(SETTLE);
    let spent = peer.server.cpu()?.since(&before)? as f64;
    let logged = peer.server.logged()?.saturating_sub(logged) as f64;
    let column = shape.to_string();
    results.add(work, Measure::Cpu, &column, peer.name, spent / run.replies as f64);
    results.add(work, Measure::Logged, &column, peer.name, logged / run.replies as f64);
    run.latencies.sort_unstable();
    for (measure, part) in [(Measure::Median, 0.5), (Measure::P99, 0.99), (Measure::P999, 0.999)] {
        results.add(work, measure, &column, peer.name, percentile(&run.latencies, part) / 1000.0);
    }
    Ok(())
}
