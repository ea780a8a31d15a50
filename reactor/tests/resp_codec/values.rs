//! What a program does with values: reads them, and drops, copies, compares and shows them, however deep they are.

use reactor::resp::{ReplyLimits, ReplyParser, Value, Values};

/// Deeper than any stack of calls could follow.
const DEEP: usize = 200_000;

/// An array in an array, and so on, with this in the innermost one.
fn deep(innermost: i64) -> Value {
    (0..DEEP).fold(innermost.into(), |value, _| Value::from(vec![Value::Null, value]))
}

#[test]
fn a_deep_value_is_copied_compared_shown_and_dropped_in_constant_stack() {
    let value = deep(1);
    let copy = value.clone();
    assert!(copy == value);
    assert!(copy != deep(2));
    let shown = format!("{copy:?}");
    assert!(shown.starts_with("[nil, [nil, [") && shown.ends_with("]]]"));
    assert_eq!(shown.len(), "[nil, ]".len() * DEEP + 1);
    drop((value, copy));
}

#[test]
fn a_deep_reply_is_read_and_dropped_in_constant_stack() {
    let mut limits = ReplyLimits::default();
    limits.max_depth = DEEP;
    let bytes = b"*1\r\n".repeat(DEEP);
    let mut parser = ReplyParser::new(limits.clone());
    assert_eq!(parser.next(&mut &bytes[..]).unwrap(), None);
    let reply = parser.next(&mut &b":1\r\n"[..]).unwrap().unwrap();
    assert!(reply == (0..DEEP).fold(1.into(), |value, _| Value::from(vec![value])));
    let mut cut = ReplyParser::new(limits);
    assert_eq!(cut.next(&mut &bytes[..]).unwrap(), None);
    drop(cut);
}

#[test]
fn values_of_different_kinds_differ() {
    let inner = || Values::from(vec![1.into(), 2.into()]);
    let kinds = [
        Value::Array(inner()),
        Value::Map(inner()),
        Value::Set(inner()),
        Value::Push(inner()),
        Value::Integer(1),
        Value::Double(1.0),
        Value::from("1"),
        Value::Simple(b"1".to_vec()),
        Value::BigNumber("1".to_owned()),
        Value::Verbatim(*b"txt", b"1".to_vec()),
        Value::Boolean(true),
        Value::Null,
        Value::from(vec![1.into()]),
        Value::from(vec![1.into(), 3.into()]),
        Value::from(vec![1.into(), Value::Array(inner())]),
    ];
    for (at, one) in kinds.iter().enumerate() {
        assert!(one.clone() == *one, "{one:?}");
        for other in &kinds[at + 1..] {
            assert!(one != other, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn values_are_shown_as_what_they_are_like() {
    let map = Value::Map(vec!["a".into(), Value::Set(vec![1.into(), Value::Null].into()), "b".into(), 2.into()].into());
    let all = vec![map, Value::Boolean(true), Value::Double(0.5), Value::from(&b"\xFF\n"[..]), Value::from(vec![])];
    assert_eq!(format!("{:?}", Values::from(all)), r#"[{"a": set[1, nil], "b": 2}, true, 0.5, "\xff\n", []]"#);
}

#[test]
fn a_value_is_read_as_what_the_program_wants() {
    assert_eq!(Value::from("-17").as_integer(), Some(-17));
    assert_eq!(Value::from("1.5").as_integer(), None);
    assert_eq!(Value::from("1.5").as_double(), Some(1.5));
    assert_eq!(Value::Integer(3).as_double(), Some(3.0));
    assert_eq!(Value::from(&b"\xFF"[..]).as_str(), None);
    assert_eq!(Value::Verbatim(*b"txt", b"abc".to_vec()).into_bytes(), Ok(b"abc".to_vec()));
    assert_eq!(Value::Null.into_bytes(), Err(Value::Null));
    assert_eq!(Value::from(vec![1.into()]).elements().map(|values| values.len()), Some(1));
}

#[test]
fn a_map_and_an_array_of_pairs_are_read_alike() {
    let flat = || vec!["a".into(), 1.into(), "b".into(), 2.into()];
    for value in [Value::Map(flat().into()), Value::from(flat())] {
        let pairs: Vec<_> = value.pairs().unwrap().map(|(key, value)| (key.as_str(), value.as_integer())).collect();
        assert_eq!(pairs, [(Some("a"), Some(1)), (Some("b"), Some(2))]);
    }
    assert!(Value::from(vec![1.into()]).pairs().is_none());
    assert!(Value::Set(flat().into()).pairs().is_none());
}
