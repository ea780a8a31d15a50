//! TLS that begins in the middle of a connection (STARTTLS): what is sent in which form, and bytes in clear text that
//! must never pass for decrypted ones.

#[path = "../util/certificates.rs"]
mod certificates;
mod dialog;
#[path = "../util/events.rs"]
mod events;
mod injection;
#[path = "../util/memory.rs"]
mod memory;
mod rules;
mod sockets;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;
