//! Lessons: what the rule of a flood decides, shown with the real servers and nothing else in the way.
//!
//! * [`storm`]: the smallest herd in which the paper's rule never comes to rest, told message by message.
//! * [`model`]: how often each rule ends in a storm, in stale servers, or right; beside a model of messages alone.
//! * [`growth`]: what a flood costs as the herd grows.
//!
//! Next: `storm.rs`, the smallest case.

pub(crate) mod growth;
pub(crate) mod model;
pub(crate) mod storm;
