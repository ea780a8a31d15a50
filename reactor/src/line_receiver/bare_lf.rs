//! [`tell_bare_lf`]: a peer ends its lines with LF alone, and the program waits for CR LF.
//!
//! `nc` does that, and so does `telnet` in some modes. Without a word the server looks dead: it has the line and waits
//! for the end of it.
//!
//! Next: [`../string_receiver.rs`](mod@crate::string_receiver), strings with their length in front.

use super::line_transport::LineTransport;
use crate::diagnostics::{is_first_at, tell};
use crate::line_buffer::LineBuffer;
use std::panic::Location;

/// Tells it, once for each place that makes receivers, if what was received of a line looks like that.
pub(super) fn tell_bare_lf(received: &LineBuffer, made: &'static Location<'static>, transport: &LineTransport) {
    if received.rest().ends_with(b"\n") && received.delimiter() == b"\r\n" && is_first_at(made) {
        let peer = transport.peer();
        tell!(
            Warn,
            "reactor",
            "{peer} ends its line with LF alone, and the LineReceiver made at {made} waits for CR LF: \
            `nc -C` sends that, or take LF with `.with_delimiter(b\"\\n\")`"
        );
    }
}
