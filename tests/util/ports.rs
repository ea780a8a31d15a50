//! Free ports, for servers that a test starts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port on 127.0.0.1. It lies below the ports that systems give to outgoing connections, so none of those can
/// take it while a server is down.
pub(crate) fn free_port() -> u16 {
    const RANGE: (u16, u16) = (20_000, 4_000);
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 100 * 40) as u16;
    loop {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % RANGE.1;
        if TcpListener::bind(("127.0.0.1", RANGE.0 + offset)).is_ok() {
            return RANGE.0 + offset;
        }
    }
}
