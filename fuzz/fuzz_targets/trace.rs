//! A trace: what can be read can be drawn, in each view and form, and in one way only.

#![no_main]

#[path = "../../lens/tests/util/drawn.rs"]
mod drawn;

use lens::{Model, Trace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = Trace::read_part(bytes) else { return };
    let draw = || drawn::all(&mut Model::new(trace.clone()));
    assert!(draw() == draw(), "it is drawn in two ways");
});
