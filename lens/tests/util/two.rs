//! A world of two hosts, and what a picture of it as text must keep to.

use crate::peers::{add_talker, echo_world};
use crate::util::Lines;
use lens::Model;
use std::time::Duration;

/// Two hosts of a world, which send 4000 bytes there and back.
pub(crate) fn world() -> Model {
    let lines = Lines::default();
    let (world, _server, address) = echo_world(lines.stream(), None);
    add_talker(&world, "client", &address);
    world.run_for(Duration::from_secs(5));
    drop(world);
    lines.model()
}

/// A text has at most 80 columns.
#[track_caller]
pub(crate) fn fits(text: &str) {
    let long = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None, "{text}");
}
