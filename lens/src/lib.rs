//! Reads a trace of `deferred-reactor`, says what went wrong in it, and draws it.
//!
//! ```text
//!   trace.jsonl --> trace: events --> model: what they mean --> verdict: in sentences
//!                                                           --> views:   text, SVG, one page of HTML
//! ```
//!
//! Rules: nothing here knows the reactor; the schema in `docs/trace.md` is all that both know. A view adds nothing: what it
//! draws is in the model. What a trace does not have (a field, a kind) is unknown and never an error, so that older and newer
//! traces can be read.
//!
//! Next: `trace.rs`, how a line becomes an event.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

pub mod methods;
pub mod model;
pub mod trace;
pub mod verdict;
pub mod views;

pub use model::Model;
pub use trace::{Event, Trace};
