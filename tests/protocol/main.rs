//! The protocol, table by table.
//!
//! Most of it is tested on one server inside this process, with the test in all other roles and its own clock
//! (`stage.rs`): replies can then be compared byte for byte, and hours pass at once. What is about a whole herd or
//! about log files runs as processes.

mod answers;
mod commands;
mod flooding;
mod lines;
mod links;
mod neighbors;
mod providers;
mod refusals;
mod services;
mod stage;

#[path = "../util/herd.rs"]
mod herd;
#[path = "../util/mod.rs"]
mod util;
