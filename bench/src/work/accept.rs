//! A connection that is made, gets one reply, and is closed: the CPU time for all of it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::peers::Peer;
use crate::results::{Measure, Results};
use crate::server::SETTLE;
use crate::talk;
use crate::work::{Effort, progress};

pub const WORK: &str = "accept";
pub const COLUMN: &str = "connect, one reply, close";

pub fn measure(peers: &mut Vec<Peer>, effort: Effort, results: &mut Results) {
    for round in 0..effort.rounds {
        let mut failed = Vec::new();
        for turn in 0..peers.len() {
            let peer = &peers[(round + turn) % peers.len()];
            match measure_one(peer, effort.time) {
                Ok(nanos) => results.add(WORK, Measure::Cpu, COLUMN, peer.name, nanos),
                Err(error) => {
                    failed.push(peer.name);
                    results.fail(WORK, peer.name, &format!("{COLUMN}: {error}"));
                }
            }
        }
        peers.retain(|peer| !failed.contains(&peer.name));
        progress(WORK, round, effort);
    }
}

fn measure_one(peer: &Peer, time: Duration) -> io::Result<f64> {
    (0..50).try_for_each(|count| once(peer, count))?;
    sleep(SETTLE);
    let before = peer.server.cpu()?;
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < time {
        once(peer, count)?;
        count += 1;
    }
    sleep(SETTLE);
    Ok(peer.server.cpu()?.since(&before)? as f64 / count as f64)
}

fn once(peer: &Peer, count: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(peer.server.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    let clock = talk::clock();
    peer.talk.request(&mut request, 0, count, clock);
    stream.write_all(&request)?;
    let mut chunk = [0; 1024];
    while !reply.ends_with(b"\n") {
        match stream.read(&mut chunk)? {
            0 => return Err(io::Error::other("the server closed the connection")),
            length => reply.extend_from_slice(&chunk[..length]),
        }
    }
    peer.talk.check(&request, &reply, clock)
}
