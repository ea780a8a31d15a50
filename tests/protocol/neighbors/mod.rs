//! What servers say to each other: which peer may say what, on which connection, and that all servers end up with the
//! same locations.

mod catching_up;
mod comparing;
mod flooding;
mod forgetting;
mod links;
mod peer_and_at;
mod pings;
mod secure_links;
mod silent_names;
