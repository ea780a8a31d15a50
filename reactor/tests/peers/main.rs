//! Other people's programs at the other end of real sockets: Twisted, OpenSSL and socat, each as server and as client.
//!
//! Without such a program, its tests say that they are skipped. `TWISTED_PYTHON` names a Python that has Twisted, and
//! for TLS also pyOpenSSL and service_identity. Over UNIX sockets and UDP, Twisted and socat talk to ours beside the
//! other tests of these transports: `unix/peers.rs`, `udp/peers.rs`.
#![cfg(unix)]

#[path = "../util/certificates.rs"]
mod certificates;
#[path = "../util/events.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod events;
mod large;
mod openssl;
mod ours;
#[path = "../util/peer.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod peer;
#[path = "../util/pem.rs"]
mod pem;
mod program;
mod shop;
#[path = "../util/skip.rs"]
mod skip;
mod socat;
mod starttls;
mod twisted;
mod twisted_tls;
#[path = "../util/mod.rs"]
mod util;
