//! Every type of both versions.

use crate::{read, reply};
use reactor::resp::{ReplyLimits, ReplyParser, ServerError, Value, Values};

fn bytes(text: &str) -> Value {
    Value::from(text)
}

#[test]
fn texts_and_numbers() {
    assert_eq!(reply(b"+OK\r\n"), Value::Simple(b"OK".to_vec()));
    assert_eq!(reply(b"+\r\n"), Value::Simple(Vec::new()));
    assert_eq!(reply(b"$5\r\nhello\r\n"), bytes("hello"));
    assert_eq!(reply(b"$0\r\n\r\n"), bytes(""));
    assert_eq!(reply(b"$4\r\n\r\n\r\n\r\n"), bytes("\r\n\r\n"));
    assert_eq!(reply(b"=7\r\ntxt:abc\r\n"), Value::Verbatim(*b"txt", b"abc".to_vec()));
    for (text, number) in [("0", 0), ("-0", 0), ("+7", 7), ("007", 7), ("-9223372036854775808", i64::MIN)] {
        assert_eq!(reply(format!(":{text}\r\n").as_bytes()), Value::Integer(number));
    }
    let large = "-3492890328409238509324850943850943825024385";
    assert_eq!(reply(format!("({large}\r\n").as_bytes()), Value::BigNumber(large.to_owned()));
    assert_eq!(reply(b"#t\r\n"), Value::Boolean(true));
    assert_eq!(reply(b"#f\r\n"), Value::Boolean(false));
}

#[test]
fn doubles_as_servers_print_them() {
    for (text, number) in [("1.23", 1.23), ("10", 10.0), ("-1.5e-300", -1.5e-300), ("1E5", 1e5), ("-0", -0.0)] {
        assert_eq!(reply(format!(",{text}\r\n").as_bytes()), Value::Double(number), "{text}");
    }
    let all_digits = format!(",1{}\r\n", "0".repeat(300));
    assert_eq!(reply(all_digits.as_bytes()), Value::Double(1e300));
    assert_eq!(reply(b",inf\r\n"), Value::Double(f64::INFINITY));
    assert_eq!(reply(b",-inf\r\n"), Value::Double(f64::NEG_INFINITY));
    for text in ["nan", "-nan"] {
        let Value::Double(number) = reply(format!(",{text}\r\n").as_bytes()) else { panic!("{text}") };
        assert!(number.is_nan(), "{text}");
    }
}

#[test]
fn all_nulls_are_one() {
    for null in ["_\r\n", "$-1\r\n", "*-1\r\n"] {
        assert_eq!(reply(null.as_bytes()), Value::Null);
    }
}

#[test]
fn an_error_has_a_code_and_a_text() {
    let Value::Error(error) = reply(b"-WRONGTYPE not a list\r\n") else { panic!() };
    assert_eq!((error.code(), error.message()), ("WRONGTYPE", "not a list"));
    let Value::Error(error) = reply(b"!21\r\nSYNTAX invalid syntax\r\n") else { panic!() };
    assert_eq!(error.to_string(), "the server answers: SYNTAX invalid syntax");
    // What a script raises need not have a code, and may hold anything.
    let Value::Error(error) = reply(b"!9\r\nmy\x1b[31m\r\n\r\n") else { panic!() };
    assert_eq!((error.code(), error.text()), ("", "my\u{FFFD}[31m\u{FFFD}\u{FFFD}"));
    assert_eq!(ServerError::new("").code(), "");
}

#[test]
fn values_in_values() {
    assert_eq!(reply(b"*0\r\n"), Value::from(vec![]));
    let nested = Value::from(vec![1.into(), Value::from(vec![bytes("a"), Value::Null]), Value::from(vec![])]);
    assert_eq!(reply(b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*-1\r\n*0\r\n"), nested);
    let pairs = Values::from(vec![bytes("a"), 1.into(), bytes("b"), Value::Set(vec![2.into()].into())]);
    assert_eq!(reply(b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n~1\r\n:2\r\n"), Value::Map(pairs));
    let push = Value::Push(vec![bytes("message"), bytes("news"), bytes("hi")].into());
    assert_eq!(reply(b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n"), push);
}

#[test]
fn attributes_are_dropped_wherever_they_stand() {
    let plain = Value::from(vec![1.into(), 2.into()]);
    assert_eq!(reply(b"|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n:2\r\n"), plain);
    assert_eq!(reply(b"*2\r\n|1\r\n+ttl\r\n*1\r\n:9\r\n:1\r\n|0\r\n:2\r\n"), plain);
    assert_eq!(reply(b"|1\r\n|1\r\n:0\r\n:0\r\n+a\r\n+b\r\n+c\r\n"), Value::Simple(b"c".to_vec()));
}

#[test]
fn replies_keep_their_order() {
    let (replies, error) = read(b"+1\r\n:2\r\n$1\r\n3\r\n*1\r\n:4\r\n+5\r\n");
    assert_eq!(format!("{replies:?}"), r#"[1, 2, "3", [4], 5]"#);
    assert_eq!(error, None);
}

#[test]
fn it_knows_whether_a_reply_is_cut() {
    for (input, is_between) in [
        ("", true),
        ("+OK\r\n", true),
        ("+", false),
        ("+OK\r", false),
        ("$1\r\n", false),
        ("*1\r\n", false),
        ("*1\r\n:1\r\n", true),
        ("|0\r\n", false),
    ] {
        let mut parser = ReplyParser::new(ReplyLimits::default());
        let mut rest = input.as_bytes();
        while parser.next(&mut rest).unwrap().is_some() {}
        assert_eq!(parser.is_between_replies(), is_between, "{input:?}");
    }
}
