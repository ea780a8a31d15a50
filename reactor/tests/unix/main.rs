//! UNIX stream sockets over the real driver: the scripts of all stream sockets, the socket files, and peers that are
//! not ours.
#![cfg(unix)]

#[path = "../util/answering_later.rs"]
mod answering_later;
#[path = "../util/certificates.rs"]
mod certificates;
#[path = "../util/child.rs"]
mod child;
#[path = "../util/converse.rs"]
mod converse;
#[path = "../util/events.rs"]
mod events;
mod files;
#[path = "../util/unix_kind.rs"]
mod kind;
#[path = "../util/peer.rs"]
mod peer;
mod peers;
#[path = "../util/stream_scripts.rs"]
mod scripts;
#[path = "../util/skip.rs"]
mod skip;
mod streams;
#[path = "../util/twisted.rs"]
mod twisted;
#[path = "../util/mod.rs"]
mod util;
