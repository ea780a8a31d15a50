//! The path of ladders: the callbacks that ran, read off the rows of the picture.
//!
//! Next: `request.rs`, the ladders that have to do with each other.

use super::ladder::{Ladder, Ladders, Lane, RungKind};
use super::words;
use crate::model::{Passed, Side};
use std::fmt;

/// A callback that ran, as the picture shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnPath {
    /// What the program calls it: its name, or its number.
    pub name: String,
    /// Whether the path comes in on the lane of the failures.
    pub is_failure: bool,
    /// The value, or the name of the error.
    pub what: String,
    at: usize,
}

impl Ladders {
    /// The callbacks that ran, in the order in which they ran, read off the rows.
    pub fn path(&self) -> Vec<OnPath> {
        fn collect(ladders: &[Ladder], path: &mut Vec<OnPath>) {
            for rung in ladders.iter().flat_map(|ladder| &ladder.rungs) {
                match (&rung.kind, rung.when) {
                    (RungKind::Inside(inner), _) => collect(inner, path),
                    (RungKind::Ran { side, name, input }, Some((_, at))) if *side != Side::Body => {
                        let what = match input {
                            Some(Passed::Failure { type_name, text, .. }) => words::name_of_error(type_name, text),
                            Some(value) => words::passed(value),
                            None => String::new(),
                        };
                        path.push(OnPath { name: name.clone(), is_failure: rung.lane == Lane::Failure, what, at });
                    }
                    _ => {}
                }
            }
        }
        let mut path = Vec::new();
        collect(&self.0, &mut path);
        path.sort_by_key(|step| step.at);
        path
    }
}

impl fmt::Display for OnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.is_failure { "err" } else { "ok" };
        write!(f, "{} {way} {}", self.name, self.what)
    }
}
