//! What tests of protocols need, without a network: chunkings of bytes and a transport that only remembers.
//!
//! Twisted's `proto_helpers`.

mod chunks;
mod string_transport;

pub use chunks::for_every_chunking;
pub use string_transport::StringTransport;
