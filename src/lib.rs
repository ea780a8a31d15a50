//! The Twisted Places proxy herd: servers that take their clients' locations, pass them on to each other, and say what
//! is near a client. `cargo run -- Powell` starts one.
//!
//! In the order in which to read it:
//!
//! * [`message`] and [`decimal`]: the commands, bytes in and out. Pure.
//! * [`locations`]: what is known, and what is newer; [`digest`]: by which two servers compare that. Pure.
//! * [`identity`]: the keys and certificates of a server.
//! * [`store`]: a store beside the herd, if it has one.
//! * [`server`]: one server: what it knows, its links, its Places service.
//! * [`newcomers`] and [`connections`]: how many clients a peer may bring, and what connections may cost.
//! * [`protocol`]: one connection, and [`replies`], which keeps its replies in order.
//! * [`links`]: the connection to each neighbor.
//! * [`status`] and [`counters`]: how a server is, and what it has done; [`control`]: the socket by which its operator
//!   asks; [`page`]: what a browser shows, and numbers for other programs.
//! * [`watch`]: an observer of a server. The program `herdsim`, which runs the whole herd in a simulated world, keeps
//!   its books with one.
//! * [`places`]: what is near a location, from one of several services.
//! * [`config`], [`log_file`], [`terminal`], [`address_group`] and [`cli`]: the program around it.
//!
//! DESIGN.md has a picture of the layers that these modules form, and `tests/tidy.rs` checks it. So the commands and
//! the decisions know no connection, the log knows no key, the configuration knows no command line, and nothing knows
//! the simulation.
//!
//! Circle: `server.rs`, `server/`, `protocol.rs`, `protocol/`, `links.rs` and `links/` are one thing, a server at work.
//! A connection and a link tell the server what they received, and the server tells the links what to pass on.
//!
//! Next: [`message.rs`](mod@crate::message).

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]

pub mod address_group;
pub mod cli;
pub mod config;
pub mod connections;
pub mod control;
pub mod counters;
pub mod decimal;
pub mod digest;
pub mod identity;
pub mod links;
pub mod locations;
pub mod log_file;
pub mod message;
pub mod newcomers;
mod next_turn;
pub mod page;
pub mod places;
pub mod protocol;
pub mod replies;
pub mod server;
pub mod status;
pub mod store;
pub mod terminal;
pub mod watch;
mod word;

/// The README's and DESIGN.md's code, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../DESIGN.md")]
struct Documents;
