//! How much one reply may cost.

use crate::{read, read_with};
use reactor::resp::{ReplyError, ReplyLimits, ReplyParser};

fn limits(change: impl FnOnce(&mut ReplyLimits)) -> ReplyLimits {
    let mut limits = ReplyLimits::default();
    change(&mut limits);
    limits
}

#[test]
fn a_reply_has_a_maximum_depth() {
    let limits = limits(|limits| limits.max_depth = 3);
    assert_eq!(read_with(&limits, b"*1\r\n%1\r\n:1\r\n*1\r\n:2\r\n").1, None);
    for deep in ["*1\r\n*1\r\n*1\r\n*1\r\n", "*1\r\n*1\r\n*1\r\n*0\r\n", "|1\r\n|1\r\n|1\r\n|1\r\n"] {
        assert_eq!(read_with(&limits, deep.as_bytes()).1, Some(ReplyError::TooDeep), "{deep:?}");
    }
}

#[test]
fn a_reply_has_a_maximum_number_of_values() {
    let limits = limits(|limits| limits.max_elements = 4);
    assert_eq!(read_with(&limits, b"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n").1, None);
    for many in ["*5\r\n", "%3\r\n", "*3\r\n:1\r\n*2\r\n", "|1\r\n:1\r\n:2\r\n*3\r\n", "%9223372036854775807\r\n"] {
        assert_eq!(read_with(&limits, many.as_bytes()).1, Some(ReplyError::TooManyElements), "{many:?}");
    }
}

#[test]
fn a_reply_has_a_maximum_size() {
    let limits = limits(|limits| limits.max_bytes = 20);
    let fits = [&b"$13\r\n1234567890123\r\n"[..], b"+12345678901234567\r\n", b"*3\r\n+1234\r\n+1\r\n:1\r\n"];
    for reply in fits {
        assert_eq!(read_with(&limits, &[reply, reply].concat()).1, None, "{}", reply.escape_ascii());
    }
    for large in ["$14\r\n", "+12345678901234567890123", "*3\r\n$20\r\n", "|0\r\n|0\r\n|0\r\n|0\r\n|0\r\n|0\r\n"] {
        assert_eq!(read_with(&limits, large.as_bytes()).1, Some(ReplyError::TooLarge), "{large:?}");
    }
    assert_eq!(read_with(&limits, b"$18446744073709551615\r\n").1, Some(ReplyError::TooLarge));
}

#[test]
fn the_end_of_a_line_counts_towards_the_size_of_a_reply() {
    let limits = limits(|limits| limits.max_bytes = 20);
    let too_large = ["+123456789012345678\r\n", "*2\r\n+23456789012345\r\n:1\r\n", "*2\r\n+3456789012345\r\n:\r\n"];
    for reply in too_large {
        assert_eq!(read_with(&limits, reply.as_bytes()).1, Some(ReplyError::TooLarge), "{reply:?}");
    }
}

#[test]
fn a_number_is_short() {
    let long = format!("*1\r\n:{}", "0".repeat(100));
    assert_eq!(read(long.as_bytes()).1, Some(ReplyError::LineTooLong));
    let long = format!("${}1\r\n", "0".repeat(100));
    assert_eq!(read(long.as_bytes()).1, Some(ReplyError::LineTooLong));
}

#[test]
fn what_was_announced_takes_no_memory_before_it_comes() {
    let info = allocation_counter::measure(|| {
        let mut parser = ReplyParser::new(ReplyLimits::default());
        let mut input = &b"*1048576\r\n$67000000\r\nabc"[..];
        assert_eq!(parser.next(&mut input), Ok(None));
    });
    assert!(info.bytes_max < 100_000, "{info:?}");
}

#[test]
fn a_long_text_in_pieces_is_read_in_linear_time() {
    // Searched again from its start for each piece, this would take 10^11 steps.
    let mut parser = ReplyParser::new(ReplyLimits::default());
    assert_eq!(parser.next(&mut &b"+"[..]), Ok(None));
    for _ in 0..1_000_000 {
        assert_eq!(parser.next(&mut &b"abc"[..]), Ok(None));
    }
    let reply = parser.next(&mut &b"\r\n"[..]).unwrap().unwrap();
    assert_eq!(reply.as_bytes().map(<[u8]>::len), Some(3_000_000));
}
