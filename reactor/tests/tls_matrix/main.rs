//! Every way in which a TLS server can be wrong, and how a client reports it.
//!
//! Whatever is wrong, the failure has a type and a sentence that a person understands, not a byte of the request comes
//! out at the server's end, and nothing is left on the loop. Each run makes its certificates, valid around the one day
//! on which all these tests take place, so that no test depends on the calendar.
//!
//! `certificate_cells.rs` and `wire_cells.rs` have one test for each fault, `good_cells.rs` has the servers that must
//! be accepted, `truncation.rs` responses that are cut. `openssl_cells.rs` repeats what it can with certificates and a
//! server that share no code with ours, those of the command `openssl`; without it these tests say that they are
//! skipped.

mod certificate_cells;
#[path = "../util/certificates.rs"]
mod certificates;
#[path = "../util/driver.rs"]
mod driver;
#[path = "../util/events.rs"]
mod events;
mod good_cells;
mod openssl;
mod openssl_cells;
#[path = "../util/peer.rs"]
mod peer;
#[path = "../util/raw_tls.rs"]
mod raw_tls;
mod shown;
#[path = "../util/skip.rs"]
mod skip;
mod truncation;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;
mod wire_cells;
mod world;
