//! Every way in which a TLS server can be wrong, and what a client makes of it.
//!
//! Whatever is wrong: the failure has a type and a sentence that a person understands, not a byte of the request comes
//! out at the server's end, and nothing is left on the loop. The certificates are made in each run, for a year around a
//! day on which all these tests take place: no test depends on the calendar.
//!
//! `certificate_cells.rs` and `wire_cells.rs` have one test for each fault, `good_cells.rs` what must be let through,
//! `truncation.rs` answers that are cut off. `openssl_cells.rs` does what can be done with certificates and a server
//! that have nothing to do with ours, those of the command `openssl`; without it these tests say that they are skipped.

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
mod truncation;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;
mod wire_cells;
mod world;
