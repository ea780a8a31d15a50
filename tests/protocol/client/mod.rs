//! What a client sends and what comes back.

mod commands;
mod lines;
mod whatsat;
