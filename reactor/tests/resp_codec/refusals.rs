//! Everything that is not a reply, each with its own error.

use crate::read;
use reactor::resp::ReplyError;

#[test]
fn what_is_not_resp_is_refused_from_its_first_byte() {
    assert_eq!(read(b"HTTP/1.1 400 Bad Request").1, Some(ReplyError::UnknownType(b'H')));
    assert_eq!(read(b"\x15\x03\x01").1, Some(ReplyError::UnknownType(0x15)));
    assert_eq!(read(b"+OK\r\n\r\n").1, Some(ReplyError::UnknownType(b'\r')));
    let (replies, error) = read(b":1\r\n:2\r\nPONG");
    assert_eq!((replies.len(), error), (2, Some(ReplyError::UnknownType(b'P'))));
    assert!(ReplyError::UnknownType(0x15).to_string().contains("TLS"));
    assert!(ReplyError::UnknownType(b'H').to_string().contains("HTTP"));
}

#[test]
fn a_line_ends_with_cr_lf() {
    for line in ["+OK\n", "+O\nK\r\n", "+O\rK\r\n", "+OK\r\r\n", ":1\n", "$1\na\r\n", "*1\n:1\r\n"] {
        assert_eq!(read(line.as_bytes()).1, Some(ReplyError::BareLineEnd), "{line:?}");
    }
}

#[test]
fn a_length_is_digits() {
    for text in ["", "-2", "+1", "01", "1 ", " 1", "1x", "-", "0x1", "99999999999999999999999"] {
        for kind in ["$", "*", "%", "~", ">", "!", "=", "|"] {
            let error = read(format!("{kind}{text}\r\n").as_bytes()).1;
            assert_eq!(error, Some(ReplyError::BadLength(text.to_owned())), "{kind}{text}");
        }
    }
    for kind in ["%", "~", ">", "!", "=", "|"] {
        assert_eq!(read(format!("{kind}-1\r\n").as_bytes()).1, Some(ReplyError::BadLength("-1".to_owned())), "{kind}");
    }
}

#[test]
fn numbers_are_numbers() {
    for text in ["", "-", "1.5", "1e3", "abc", "9223372036854775808", "- 1", "0x10"] {
        assert_eq!(read(format!(":{text}\r\n").as_bytes()).1, Some(ReplyError::BadInteger(text.to_owned())));
    }
    for text in ["", "abc", "1,5", "infinity", "NaN", "1e", "--1", "0x1p3", " 1"] {
        assert_eq!(read(format!(",{text}\r\n").as_bytes()).1, Some(ReplyError::BadNumber(text.to_owned())));
    }
    for text in ["", "-", "1.5", "12a"] {
        assert_eq!(read(format!("({text}\r\n").as_bytes()).1, Some(ReplyError::BadNumber(text.to_owned())));
    }
    for text in ["", "true", "T", "1"] {
        assert_eq!(read(format!("#{text}\r\n").as_bytes()).1, Some(ReplyError::BadBoolean(text.to_owned())));
    }
    assert_eq!(read(b"_x\r\n").1, Some(ReplyError::BadNull("x".to_owned())));
}

#[test]
fn a_value_has_the_length_that_it_says() {
    for text in ["$3\r\nhello\r\n", "$5\r\nhell\r\n\r\n", "$2\r\nhi\n\r", "!1\r\nab\r\n", "=5\r\ntxt:ab\r\n"] {
        assert_eq!(read(text.as_bytes()).1, Some(ReplyError::NoEnd), "{text:?}");
    }
    for text in ["=3\r\ntxt\r\n", "=0\r\n\r\n", "=5\r\nhello\r\n"] {
        assert_eq!(read(text.as_bytes()).1, Some(ReplyError::BadVerbatim), "{text:?}");
    }
}

#[test]
fn streamed_values_and_pushes_inside_of_a_reply_are_refused() {
    for text in ["$?\r\n", "*?\r\n", "%?\r\n", "~?\r\n", ">?\r\n", ";4\r\n", ".\r\n"] {
        assert_eq!(read(text.as_bytes()).1, Some(ReplyError::Streamed), "{text:?}");
    }
    assert_eq!(read(b"*1\r\n>1\r\n+a\r\n").1, Some(ReplyError::NestedPush));
    assert_eq!(read(b"|1\r\n+a\r\n>0\r\n").1, Some(ReplyError::NestedPush));
}

#[test]
fn every_error_says_something_of_its_own() {
    let text = || "x".to_owned();
    let errors = [
        ReplyError::UnknownType(b'x'),
        ReplyError::BareLineEnd,
        ReplyError::BadLength(text()),
        ReplyError::BadInteger(text()),
        ReplyError::BadNumber(text()),
        ReplyError::BadBoolean(text()),
        ReplyError::BadNull(text()),
        ReplyError::BadVerbatim,
        ReplyError::NoEnd,
        ReplyError::Streamed,
        ReplyError::NestedPush,
        ReplyError::LineTooLong,
        ReplyError::TooDeep,
        ReplyError::TooManyElements,
        ReplyError::TooLarge,
    ];
    let said: std::collections::BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), errors.len());
}
