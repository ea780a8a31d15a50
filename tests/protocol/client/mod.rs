//! What a client sends and what comes back.

mod commands;
mod limits;
mod lines;
mod whatsat;
