//! The herd's contract, as tests: what a client, a neighbor and a Places service may rely on.
//!
//! Most tests run one server inside this process. The test plays everybody else and moves the clock ([`harness`]), so
//! that replies can be compared byte for byte and hours pass at once. What needs a whole herd, or a log file, runs as
//! real processes ([`herd`], [`util`]).

/// What a client sends and what comes back.
mod client;
/// What servers say to each other.
mod neighbors;
/// Where the answer to a WHATSAT comes from.
mod places;

#[path = "../../reactor/tests/util/certificates.rs"]
mod certificates;
mod harness;
#[path = "../util/held_places.rs"]
mod held_places;
#[path = "../util/herd.rs"]
mod herd;
#[path = "../../reactor/tests/util/pem.rs"]
mod pem;
mod secure;
#[path = "../util/mod.rs"]
mod util;

// What the shared files find one module above themselves.
use proxyherd::address_group::AddressGroup;
use proxyherd::places::{Nearby, Places};
