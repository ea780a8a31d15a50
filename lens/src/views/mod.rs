//! The views: each has a structure that is worked out once, and is written as text and as SVG. A page of HTML holds all of them.
//!
//! * `ladder.rs`: Deferreds, with the path that was taken;
//! * `loop_view.rs`: turns, and what held them;
//! * `wire.rs`: connections as a sequence of bytes and callbacks;
//! * `connections.rs`: a list of the connections;
//! * `waits.rs`: what waits for what, at any moment;
//! * `page.rs`: everything in one file;
//! * `ink.rs`: a text, and its colours on a terminal.
//!
//! Next: `words.rs`, times and texts for a person.

pub mod connections;
mod ink;
pub mod ladder;
mod ladder_svg;
mod ladder_text;
pub mod loop_view;
pub mod page;
mod svg;
mod tls;
mod waiting;
pub mod waits;
pub mod wire;
mod wire_text;
pub(crate) mod words;

pub(crate) use ink::Ink;
pub use ink::Text;
