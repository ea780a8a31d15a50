//! TLS that begins in the middle of a connection (STARTTLS): what is sent in which form, and bytes in clear text that
//! must never pass for decrypted ones.

#[path = "../util/certificates.rs"]
mod certificates;
mod dialog;
#[path = "../util/events.rs"]
mod events;
mod injection;
mod rules;
mod sockets;
#[path = "../util/tls_clock.rs"]
mod tls_clock;
#[path = "../util/mod.rs"]
mod util;
#[path = "../util/wait.rs"]
mod wait;
