//! The JSON of Places: whatever is accepted is JSON, and the cut answer is the answer with fewer results.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proxyherd::places::{cut, error_answer, read_status};
use serde_json::Value;

fuzz_target!(|input: (u8, &str)| {
    let (bound, text) = (usize::from(input.0 % 24), input.1);
    let message = error_answer("UNKNOWN_ERROR", text);
    let value: Value = serde_json::from_slice(&message).expect("our own error is JSON");
    assert_eq!(value["status"], "UNKNOWN_ERROR");
    assert!(read_status(&message).is_ok_and(|status| !status.is_success()));

    let status = read_status(text.as_bytes());
    match cut(text.as_bytes(), bound) {
        Ok(answer) => {
            status.expect("what can be cut has a status");
            // The protocol ends a reply with an empty line.
            assert!(!answer.windows(2).any(|pair| pair == b"\n\n") && answer.last() != Some(&b'\n'));
            // Numbers beyond what serde_json can hold are left as they are, and are not compared.
            let (Ok(mut before), Ok(after)) =
                (serde_json::from_str::<Value>(text), serde_json::from_slice::<Value>(&answer))
            else {
                return;
            };
            if let Some(results) = before["results"].as_array_mut() {
                results.truncate(bound);
            }
            assert_eq!(before, after);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
