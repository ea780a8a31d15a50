//! The real machine on which worlds are simulated: its threads, its clock, its standard output and its files. Nothing
//! inside a world sees any of them, so none of them can change what a seed does.
//!
//! Next: `threads.rs`, many seeds at once.

pub(crate) mod clock;
pub(crate) mod output;
pub(crate) mod threads;
