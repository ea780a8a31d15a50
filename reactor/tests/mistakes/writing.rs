//! Writes that come too late, and peers that do not read.

use crate::told::{self, Speaker, run_pair, silent, told_by};
use reactor::{Settings, Transport};

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    told::place(include_str!("writing.rs"), "writing", comment)
}

#[test]
fn a_write_after_lose_connection() {
    let told = told_by("writing::a_write_after_lose_connection", || {
        fn farewell(transport: &Transport) {
            transport.lose_connection();
            for _ in 0..2 {
                transport.write(b"bye"); // too late
            }
        }
        let server = || Speaker { greeting: b"welcome", then: farewell };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_connection", "3 bytes", &place("too late"), &told::opened()]);
}

#[test]
fn a_write_after_lose_write_connection() {
    let told = told_by("writing::a_write_after_lose_write_connection", || {
        fn farewell(transport: &Transport) {
            transport.lose_write_connection();
            transport.write(b"bye"); // half too late
        }
        let server = || Speaker { greeting: b"welcome", then: farewell };
        run_pair(Settings::default(), server, || Speaker { greeting: b"", then: silent });
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["after lose_write_connection", "3 bytes", &place("half too late"), &told::opened()]);
}

#[test]
fn a_peer_that_does_not_read() {
    let told = told_by("writing::a_peer_that_does_not_read", || {
        fn flood(transport: &Transport) {
            transport.set_max_buffered(1 << 20);
            for _ in 0..20 {
                transport.write(&[0; 1 << 16]); // flood
            }
        }
        let server = || Speaker { greeting: b"", then: flood };
        let client = || Speaker { greeting: b"", then: |transport| transport.pause_producing() };
        run_pair(Settings::default(), server, client);
    });
    let Some(told) = told else { return };
    // While there is still time, and not again when it is broken off.
    let parts = ["does not read", "524288 bytes wait", "With 1048576 bytes", "from 127.0.0.1:", &place("flood")];
    told.expect_one_message(&parts);
}
