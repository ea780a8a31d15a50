//! What a server takes before anybody comes, and what an idle connection takes.

use std::io;
use std::thread::sleep;

use crate::load::{Load, Shape, Until};
use crate::peers::{Peer, Tools};
use crate::results::{Measure, Results};
use crate::server::SETTLE;

pub const WORK: &str = "idle";
/// Bytes of the whole process.
pub const AT_START: &str = "at the start";
/// Bytes for each of the connections.
pub const NEW: &str = "for a new connection";
pub const USED: &str = "after a reply";
/// From its start until it accepts a connection.
pub const START: &str = "ms to start";
/// The number of connections.
pub const CONNECTIONS: usize = 10_000;

/// Each peer is started anew: what a server once took, it may keep.
pub fn measure(tools: &Tools, names: &[&'static str], results: &mut Results) {
    for name in names {
        eprint!("\r{WORK}: {name}              ");
        if let Err(error) = tools.start(name).and_then(|peer| measure_one(&peer, results)) {
            results.fail(WORK, name, &error.to_string());
        }
    }
    eprintln!();
}

fn measure_one(peer: &Peer, results: &mut Results) -> io::Result<()> {
    let mut add = |measure, column, value| results.add(WORK, measure, column, peer.name, value);
    sleep(SETTLE);
    let start = peer.server.resident()?;
    add(Measure::Millis, START, peer.server.started_in.as_secs_f64() * 1000.0);
    add(Measure::Bytes, AT_START, start as f64);
    // What the first connections need is needed once.
    Load::connect(peer.server.address, Shape { connections: 50, in_flight: 1 }, peer.talk)?
        .drive(Until::Replies(500))?;
    sleep(SETTLE);
    let before = peer.server.resident()?;
    let shape = Shape { connections: CONNECTIONS, in_flight: 1 };
    let mut load = Load::connect(peer.server.address, shape, peer.talk)?;
    sleep(2 * SETTLE);
    let each = |now: u64| now.saturating_sub(before) as f64 / CONNECTIONS as f64;
    add(Measure::Bytes, NEW, each(peer.server.resident()?));
    load.drive(Until::Replies(1))?;
    sleep(2 * SETTLE);
    add(Measure::Bytes, USED, each(peer.server.resident()?));
    Ok(())
}
