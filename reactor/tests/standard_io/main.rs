//! Standard input and output as a transport. They belong to the process, so each test has a program in a process of its
//! own: this same binary, asked for that one test.

#![cfg(unix)]

#[path = "../util/events.rs"]
mod events;
mod kinds;
mod program;
mod sharing;
#[path = "../util/skip.rs"]
mod skip;
mod streams;
