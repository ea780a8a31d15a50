//! What is sent: the bytes of a command, and what making it costs.

use reactor::resp::{Command, CrossSlotError, slot_of};
use std::borrow::Cow;

#[test]
fn arguments_are_byte_strings_with_their_lengths() {
    let command = Command::new("XADD").arg("a b\r\n").arg(vec![0, 255]).arg(-5i64).arg(0.1).arg(String::new());
    assert_eq!(
        command.to_bytes(),
        b"*6\r\n$4\r\nXADD\r\n$5\r\na b\r\n\r\n$2\r\n\x00\xFF\r\n$2\r\n-5\r\n$3\r\n0.1\r\n$0\r\n\r\n"
    );
    assert_eq!(command.name(), "XADD");
    assert_eq!(format!("{command:?}"), "Command(XADD with 5 arguments)");
    let command = Command::from(["MGET", "a", "b"]).args(["c"; 8]);
    assert!(command.to_bytes().starts_with(b"*11\r\n$4\r\nMGET\r\n$1\r\na\r\n"));
}

#[test]
fn special_numbers_are_written_as_the_server_reads_them() {
    let command = Command::new("x").args([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300]);
    let text = String::from_utf8(command.to_bytes()).unwrap();
    for word in ["\ninf\r", "\n-inf\r", "\nnan\r"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(text.split("\r\n").nth(10).and_then(|number| number.parse().ok()), Some(1e300));
}

#[test]
fn long_and_short_arguments_mix_in_order() {
    for lengths in [vec![2000, 3, 5000], vec![1, 2000, 0, 2000, 1], vec![1024, 1025, 1023], vec![100_000; 3]] {
        let arguments: Vec<Vec<u8>> = lengths.iter().map(|length| vec![b'x'; *length]).collect();
        let mut expected = format!("*{}\r\n$3\r\nSET\r\n", lengths.len() + 1).into_bytes();
        for argument in &arguments {
            expected.extend([format!("${}\r\n", argument.len()).as_bytes(), argument, b"\r\n"].concat());
        }
        let command = Command::new("SET").args(&arguments);
        assert_eq!(command.to_bytes(), expected);
        assert_eq!(command.wire_size(), expected.len());
        assert_eq!(command.clone().into_owned().to_bytes(), expected);
    }
    let long_name = "x".repeat(2000);
    assert_eq!(Command::new(&long_name).name(), long_name);
}

#[test]
fn a_long_argument_is_not_copied() {
    let million = vec![0; 1_000_000];
    let info = allocation_counter::measure(|| {
        let command = Command::new("SET").key("a").arg(&million).arg(Cow::Borrowed(&million[..]));
        assert!(command.wire_size() > 2_000_000);
    });
    assert!(info.bytes_total < 2000, "{info:?}");
}

#[test]
fn a_command_knows_the_slot_of_its_keys() {
    assert_eq!(Command::new("PING").arg("foo").slot(), Ok(None));
    assert_eq!(Command::new("GET").key("foo").slot(), Ok(Some(12182)));
    let long = "k".repeat(3000);
    assert_eq!(Command::new("GET").arg("x").key(&long).slot(), Ok(Some(slot_of(long.as_bytes()))));
    assert_eq!(Command::new("GET").key(17).slot(), Ok(Some(slot_of(b"17"))));
    assert_eq!(Command::new("MSET").key("{a}1").arg("foo").key("{a}2").arg("bar").slot(), Ok(Some(slot_of(b"a"))));
    let apart = Command::new("MGET").key("foo").key("bar").key("hello");
    assert_eq!(apart.slot(), Err(CrossSlotError { slot: 12182, other: 5061 }));
}
