//! What a command costs the loop in memory: an IAMAT of a known client allocates nothing, from the read of its line to
//! the write of its reply.

use crate::harness::{Harness, NOW, herd};
use crate::held_places::HeldPlaces;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

/// Another thread sends this number of IAMATs of four clients, `at_once` of them together, and waits for the replies.
/// Returns the allocations of the loop meanwhile. The connection is there before that, and is closed after it.
fn allocations(harness: &Harness, address: SocketAddr, count: usize, at_once: usize) -> u64 {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a setting of the connection");
    let (_, stream) = talk(harness, BufReader::new(stream), 16, at_once);
    talk(harness, stream, count, at_once).0
}

fn talk(
    harness: &Harness,
    mut stream: BufReader<TcpStream>,
    count: usize,
    at_once: usize,
) -> (u64, BufReader<TcpStream>) {
    let first = harness.next() as usize * 10_000;
    let line = move |number: usize| {
        let (client, time) = (number % 4, NOW.as_secs_f64() + (first + number) as f64 / 1e6);
        format!("IAMAT client{client} +34.068930-118.445127 {time:.6}\n")
    };
    let talk = move || -> std::io::Result<BufReader<TcpStream>> {
        let mut reply = String::new();
        for start in (0..count).step_by(at_once) {
            let lines: String = (start..start + at_once).map(line).collect();
            stream.get_mut().write_all(lines.as_bytes())?;
            for _ in 0..at_once {
                reply.clear();
                stream.read_line(&mut reply)?;
                assert!(reply.starts_with("AT Alford "), "{reply}");
            }
        }
        Ok(stream)
    };
    let client = std::thread::spawn(talk);
    let counted = allocation_counter::measure(|| harness.turn_until("all replies", || client.is_finished()));
    let stream = client.join().expect("no reply is wrong").expect("every reply comes");
    (counted.count_total, stream)
}

#[test]
fn an_iamat_of_a_known_client_allocates_nothing() {
    let harness = Harness::new();
    let address = harness.start(&herd(&[]), Rc::new(HeldPlaces::default()));
    for at_once in [1, 16] {
        // From here on the clients are known, and what is made once is there.
        allocations(&harness, address, 160, at_once);
        let (few, many) = (allocations(&harness, address, 160, at_once), allocations(&harness, address, 1760, at_once));
        assert_eq!((few, many), (0, 0), "for 160 and for 1760 IAMATs, {at_once} at once");
    }
}
