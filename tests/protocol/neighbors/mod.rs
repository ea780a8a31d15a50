//! What servers say to each other: who may say what, over which connection, and that all end up with the same.

mod flooding;
mod links;
mod peer_and_at;
