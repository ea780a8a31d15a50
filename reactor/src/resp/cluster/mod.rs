//! [`Cluster`]: many servers, each with a part of the keys.
//!
//! A key is in one of 16,384 slots ([`slot_of`](super::slot_of)), and each slot is at one server. Which one may change
//! at any time: slots move, servers die and others take their place. So a client keeps a map, and learns from the
//! servers where it is wrong.
//!
//! Next: `map.rs`, the map.

mod core;
mod handle;
mod journey;
mod map;
mod settings;

pub use handle::Cluster;
pub use settings::{ClusterError, ClusterSettings};
