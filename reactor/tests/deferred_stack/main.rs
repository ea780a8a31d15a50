//! Rule M11 of `tests/deferred_rules`: chains of any length, and in any nesting, use the stack of one. A million of
//! each.
//!
//! It is a test target of its own, because these tests run in an optimized build, too.

// `async move { it.await }` is what is to be tested.
#![allow(clippy::redundant_async_block)]

mod chains;
mod coroutines;
mod nested;
#[path = "../util/outcome.rs"]
mod outcome;
#[path = "../util/pieces.rs"]
mod pieces;

use outcome::outcome;
use pieces::{Dropped, boom, lost, panic_of, pending};
use reactor::Deferred;
