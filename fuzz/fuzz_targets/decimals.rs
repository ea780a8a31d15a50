//! Exact numbers beside the standard library's integers.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd::decimal::{Difference, Time, is_at_most, times_thousand, whole_at_most};
use proxyherd_fuzz::nanoseconds;

#[derive(Debug, Arbitrary)]
struct Input {
    one: Vec<u8>,
    other: Vec<u8>,
    limit: u16,
}

/// Whole and fraction of an unsigned decimal number, without needless zeros.
fn parts(text: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number =
        whole.len() + fraction.len() > 0 && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let whole = whole.trim_start_matches('0');
    is_number.then(|| (whole.to_owned(), fraction.trim_end_matches('0').to_owned()))
}

fuzz_target!(|input: Input| {
    let Input { one, other, limit } = &input;
    let limit = u32::from(*limit);
    let (first, second) = (Time::parse(one), Time::parse(other));
    assert_eq!(first.is_some(), nanoseconds(one).is_some(), "{}", one.escape_ascii());
    if let (Some(first), Some(second)) = (first, second) {
        let (a, b) = (nanoseconds(one).unwrap(), nanoseconds(other).unwrap());
        assert_eq!(first.cmp(&second), a.cmp(&b));
        let difference = first.minus(second);
        let text = difference.text();
        let size = (a - b).unsigned_abs();
        let sign = if a < b { '-' } else { '+' };
        let expected = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
        assert_eq!(text.as_bytes(), expected.as_bytes());
        assert_eq!(Difference::parse(text.as_bytes()), Some(difference));
        assert_eq!(second.plus(difference), first);
    }
    let number = parts(one);
    let is_small = number.as_ref().is_some_and(|(whole, fraction)| {
        let limit = if limit == 0 { String::new() } else { limit.to_string() };
        (whole.len(), whole.as_str()) < (limit.len(), limit.as_str()) || *whole == limit && fraction.is_empty()
    });
    assert_eq!(is_at_most(one, limit), is_small, "{}", one.escape_ascii());
    let whole = whole_at_most(one, limit);
    assert_eq!(whole.is_some(), is_small && !one.contains(&b'.'));
    let shifted = times_thousand(one);
    assert_eq!(shifted.is_some(), number.is_some());
    if let (Some(shifted), Some((whole, fraction))) = (shifted, number) {
        let expected = parts(
            format!("{whole}{:0<3}.{}", &fraction[..fraction.len().min(3)], fraction.get(3..).unwrap_or("")).as_bytes(),
        );
        assert_eq!(parts(shifted.as_bytes()), expected);
        // A number of JSON; serde_json takes none that an f64 cannot hold.
        assert!(
            shifted.len() > 300 || serde_json::from_str::<serde_json::value::Number>(&shifted).is_ok(),
            "{shifted}"
        );
    }
});
