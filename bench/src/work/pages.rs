//! A small page over HTTP, on connections that stay: CPU time for each GET.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::load::Shape;
use crate::peers::Peer;
use crate::results::Results;
use crate::talk::{PAGE, Talk};
use crate::work::{Effort, replies};

pub const WORK: &str = "HTTP";
/// The peer that the others are compared with.
pub const COMPARED: &str = "hyper";

/// More connections than these need other limits in every server.
const SHAPES: [(usize, usize); 3] = [(50, 1), (1000, 1), (50, 16)];

pub fn measure(mut peers: Vec<Peer>, effort: Effort, results: &mut Results) {
    peers.retain_mut(|peer| match lines(peer.server.address) {
        Ok(lines) => {
            peer.talk = Talk::Page { lines };
            true
        }
        Err(error) => {
            results.fail(WORK, peer.name, &error.to_string());
            false
        }
    });
    let shapes = SHAPES.map(|(connections, in_flight)| Shape { connections, in_flight });
    replies::measure(WORK, &mut peers, &shapes, effort, results);
}

/// The number of lines in a response: each server sends other headers. A second request on the same connection must be
/// answered, too.
fn lines(address: SocketAddr) -> io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = 0;
    for _ in 0..2 {
        let (mut request, mut response, mut byte) = (Vec::new(), Vec::new(), [0]);
        Talk::Page { lines }.request(&mut request, 0, 0, 0);
        stream.write_all(&request)?;
        while !response.ends_with(PAGE) {
            stream.read_exact(&mut byte)?;
            response.push(byte[0]);
        }
        lines = response.iter().filter(|byte| **byte == b'\n').count();
        Talk::Page { lines }.check(&request, &response, 0)?;
    }
    Ok(lines)
}
