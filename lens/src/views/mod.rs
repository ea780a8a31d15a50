//! The views: each has a structure that is worked out once, and is written as text and as SVG. A page of HTML holds all of them.
//!
//! * `words.rs`: times, places and values, short enough for a picture;
//! * `ink.rs`: a text, and its colours on a terminal;
//! * `svg.rs`: a picture made of a few shapes;
//! * `ladder.rs`: Deferreds, with the path that was taken (`ladder_rows.rs`, `path.rs`, `request.rs`,
//!   `ladder_text.rs`, `ladder_svg.rs`);
//! * `loop_view.rs`: turns, and what held them (`column.rs`, `turn_steps.rs`, `calls.rs`);
//! * `tls.rs`: what encrypted bytes are, as far as anybody can tell;
//! * `wire.rs`: connections as a sequence of bytes and callbacks (`wire_world.rs`, `wire_svg.rs`, `wire_text.rs`);
//! * `connections.rs`: a list of the connections;
//! * `waiting.rs`: what waits for what, at each moment (`attempts.rs`); `waits.rs`: at one of them;
//! * `page/`: everything in one file.
//!
//! Next: `words.rs`, times and texts for a person.

mod attempts;
mod calls;
mod column;
pub mod connections;
mod ink;
pub mod ladder;
mod ladder_rows;
mod ladder_svg;
mod ladder_text;
pub mod loop_view;
pub mod page;
mod path;
mod request;
mod svg;
mod tls;
mod turn_steps;
mod waiting;
pub mod waits;
pub mod wire;
mod wire_svg;
mod wire_text;
mod wire_world;
pub(crate) mod words;

pub use calls::Calls;
pub use column::Column;
pub(crate) use ink::Ink;
pub use ink::{Text, shown};
pub use path::OnPath;
