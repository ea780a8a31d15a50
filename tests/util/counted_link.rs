//! [`CountedLink`]: a proxy on the way to a server that counts what goes through it, in both directions.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What has gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// AT lines: news of clients.
    pub(crate) at_lines: u64,
    /// Bytes of all lines but PING and PONG, which come with time.
    pub(crate) bytes: u64,
}

/// A proxy; its threads end with the program.
pub(crate) struct CountedLink {
    pub(crate) port: u16,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    at_lines: AtomicU64,
    bytes: AtomicU64,
}

impl CountedLink {
    /// Listens on a free port, and passes everything on to a server on this one.
    pub(crate) fn to(server: u16) -> io::Result<CountedLink> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let counters = Arc::<Counters>::default();
        let counts = counters.clone();
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // If the server does not run, the neighbor hears that its connection is closed.
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                    if let (Ok(from), Ok(to)) = (from, to) {
                        let counts = counts.clone();
                        thread::spawn(move || pass(from, to, &counts));
                    }
                }
            }
        });
        Ok(CountedLink { port, counters })
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { at_lines: read(&self.counters.at_lines), bytes: read(&self.counters.bytes) }
    }
}

fn pass(from: TcpStream, mut to: TcpStream, counters: &Counters) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        counters.at_lines.fetch_add(u64::from(line.starts_with(b"AT ")), Ordering::Relaxed);
        if !line.starts_with(b"PING") && !line.starts_with(b"PONG") {
            counters.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        }
        if to.write_all(&line).is_err() {
            break;
        }
        line.clear();
    }
    let _ = to.shutdown(Shutdown::Both); // The other direction has nothing to say any more.
    let _ = from.get_ref().shutdown(Shutdown::Both);
}
