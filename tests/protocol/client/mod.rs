//! What a client sends and what comes back.

mod allocations;
mod commands;
mod limits;
mod lines;
mod whatsat;
