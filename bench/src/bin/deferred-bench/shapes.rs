//! The shapes that are measured, after Twisted's own benchmarks, and [`Work`], a shape in Rust.

use std::hint::black_box;

/// How many Deferreds the shape `await-fired` awaits in a row.
pub const FIRED_IN_A_ROW: u64 = 1000;
/// How many Deferreds wait at once in the shape `await-unfired`.
pub const UNFIRED_AT_ONCE: u64 = 20;

/// One use of a Deferred; every contender does the same under this name.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// For the reader of the table.
    pub title: &'static str,
}

pub const SHAPES: [Shape; 8] = [
    Shape { name: "succeed", title: "made fired" },
    Shape { name: "fired-first", title: "fired first" },
    Shape { name: "fired-at-end", title: "fired at the end" },
    Shape { name: "errback-chain", title: "errback chain" },
    Shape { name: "chained-fired", title: "chained, fired" },
    Shape { name: "chained-not-fired", title: "chained, not fired" },
    Shape { name: "await-fired", title: "await fired" },
    Shape { name: "await-unfired", title: "await unfired" },
];

/// A shape in Rust.
pub struct Work {
    /// The shape's name.
    pub shape: &'static str,
    /// Does it this many times; the shapes that await round that up to whole rows.
    pub run: fn(u64),
    /// Does it once, and tells whether the right result came out.
    pub is_right: fn() -> bool,
}

/// Runs `shape` `count` times. Each result is made, seen and dropped.
pub fn repeat<T>(count: u64, shape: impl Fn() -> T) {
    for _ in 0..count {
        drop(black_box(shape()));
    }
}

/// What an errback gets to trap.
#[derive(Debug)]
pub struct Boom {
    pub what: &'static str,
}

impl std::fmt::Display for Boom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for Boom {}
