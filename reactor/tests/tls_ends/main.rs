//! What the two ends of TLS show and find: certificates from files, by name, of clients; application protocols;
//! sessions that are resumed. All over connections in memory, on one day that never changes.

mod clients;
mod cuts;
#[path = "../util/events.rs"]
mod events;
mod files;
mod issuing;
mod names;
#[path = "../util/pem.rs"]
mod pem;
mod raw;
mod sessions;
#[path = "../util/tls_clock.rs"]
mod tls_clock;
mod warnings;
