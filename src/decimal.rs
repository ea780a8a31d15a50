//! Exact decimal numbers: what protocols write as text must not pass through floating point on its way.
//!
//! Two times that differ by a nanosecond are different; as `f64` they could be equal. All functions take bytes as they
//! came from a peer and say `None` to what is not a number.

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Nanoseconds in a second.
const BILLION: i128 = 1_000_000_000;

/// Digits of a time before and after its point: enough for thirty thousand years, and no more than `i128` holds.
const TIME_DIGITS: (usize, usize) = (12, 9);

/// Digits before and after the point: at most one point, at least one digit.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    let proper = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    (proper && whole.len() + fraction.len() > 0).then_some((whole, fraction))
}

/// An unsigned decimal number compared with a whole one, exactly, however many digits it has.
pub fn compare_with(text: &[u8], limit: u32) -> Option<Ordering> {
    let (whole, fraction) = digits(text)?;
    let significant = whole.iter().position(|digit| *digit != b'0').map_or(&[][..], |at| &whole[at..]);
    if significant.len() > 9 {
        return Some(Ordering::Greater);
    }
    let whole = significant.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    let rest = if fraction.iter().all(|digit| *digit == b'0') { Ordering::Equal } else { Ordering::Greater };
    Some(whole.cmp(&u64::from(limit)).then(rest))
}

/// Whether `text` is an unsigned decimal number of at most `limit`.
pub fn is_at_most(text: &[u8], limit: u32) -> bool {
    compare_with(text, limit).is_some_and(Ordering::is_le)
}

/// A whole number without a sign, of at most `limit`.
pub fn whole_at_most(text: &[u8], limit: u32) -> Option<u32> {
    if text.contains(&b'.') || !is_at_most(text, limit) {
        return None;
    }
    Some(text.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// A decimal number a thousand times as large, exactly, without needless zeros: kilometres to metres.
pub fn times_thousand(text: &[u8]) -> Option<String> {
    let (whole, fraction) = digits(text)?;
    let mut shifted: Vec<u8> = whole.to_vec();
    shifted.extend((0..3).map(|place| fraction.get(place).copied().unwrap_or(b'0')));
    let start = shifted.iter().position(|digit| *digit != b'0').unwrap_or(shifted.len() - 1);
    let mut number = shifted.split_off(start);
    let rest = fraction.get(3..).unwrap_or(&[]);
    let end = rest.iter().rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
    if end > 0 {
        number.push(b'.');
        number.extend_from_slice(&rest[..end]);
    }
    String::from_utf8(number).ok()
}

/// A moment in POSIX time, exact to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    nanoseconds: i128,
}

impl Time {
    /// A decimal number of seconds: an optional sign, at most twelve digits, a point and at most nine more. No
    /// exponent, no names.
    pub fn parse(text: &[u8]) -> Option<Time> {
        let (negative, number) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (whole, fraction) = digits(number)?;
        if whole.len() > TIME_DIGITS.0 || fraction.len() > TIME_DIGITS.1 {
            return None;
        }
        let read = |digits: &[u8]| digits.iter().fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let scale = 10i128.pow((TIME_DIGITS.1 - fraction.len()) as u32);
        let nanoseconds = read(whole) * BILLION + read(fraction) * scale;
        Some(Time { nanoseconds: if negative { -nanoseconds } else { nanoseconds } })
    }

    /// The exact difference `self - other`.
    pub fn minus(self, other: Time) -> Difference {
        Difference { nanoseconds: self.nanoseconds - other.nanoseconds }
    }

    /// Whether this is later than `other` by more than `by`.
    pub fn is_later_than(self, other: Time, by: Duration) -> bool {
        // Saturating: a century of nanoseconds is far from the end of i128.
        self.nanoseconds - other.nanoseconds > i128::try_from(by.as_nanos()).unwrap_or(i128::MAX)
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Time {
        let nanoseconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        };
        Time { nanoseconds }
    }
}

/// A difference between two moments: printed always signed, always with nine digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    nanoseconds: i128,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanoseconds < 0 { '-' } else { '+' };
        // 64-bit arithmetic where it suffices: 128-bit division is many times slower, and this runs for every reply.
        match u64::try_from(self.nanoseconds.unsigned_abs()) {
            Ok(size) => write!(f, "{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000),
            Err(_) => {
                let size = self.nanoseconds.unsigned_abs();
                write!(f, "{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
            }
        }
    }
}

/// Whether `text` could be the difference field of somebody's AT: a decimal number, perhaps signed.
pub fn is_signed_decimal(text: &[u8]) -> bool {
    let number = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    digits(number).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no time"))
    }

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_ne!(time("1400794645.392014450"), time("1400794645.392014451"));
        assert_eq!(time("1400794645.392014450"), time("+1400794645.39201445"));
        assert_eq!(time("5"), time("5."));
        assert_eq!(time("0.5"), time(".5"));
        assert_eq!(time("-0"), time("0"));
        assert!(time("-1.5") < time("-1.4"));
        assert!(time("999999999999.999999999") > time("0"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "+", "-", ".", "1.2.3", "1e9", "nan", "inf", "0x10", " 1", "1 ", "--1", "1,5", "1000000000000"]
        {
            assert_eq!(Time::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Time::parse(b"1.0000000001"), None);
        assert_eq!(Time::parse(b"\xff"), None);
    }

    #[test]
    fn differences_have_a_sign_and_nine_digits() {
        for (a, b, text) in [
            ("1.5", "1.25", "+0.250000000"),
            ("1.25", "1.5", "-0.250000000"),
            ("0", "0", "+0.000000000"),
            ("0.000000001", "0", "+0.000000001"),
            ("0", "0.000000001", "-0.000000001"),
            ("999999999999", "-999999999999.999999999", "+1999999999998.999999999"),
        ] {
            assert_eq!(time(a).minus(time(b)).to_string(), text);
        }
    }

    #[test]
    fn limits_are_compared_exactly() {
        assert!(is_at_most(b"90", 90) && is_at_most(b"90.000", 90) && is_at_most(b"0090.", 90) && is_at_most(b".5", 1));
        assert!(is_at_most(b"89.99999999999999999999999999", 90));
        assert!(!is_at_most(b"90.0000000000000000000000000001", 90));
        assert!(!is_at_most(b"100000000000000000000000", 90));
        assert!(!is_at_most(b"", 90) && !is_at_most(b".", 90) && !is_at_most(b"-1", 90) && !is_at_most(b"1e1", 90));
        assert_eq!(whole_at_most(b"20", 20), Some(20));
        assert_eq!(whole_at_most(b"0007", 20), Some(7));
        for bad in [&b"21"[..], b"5.0", b"5.", b"", b"-1", b"+1", b"x"] {
            assert_eq!(whole_at_most(bad, 20), None);
        }
    }

    #[test]
    fn kilometres_become_metres_exactly() {
        for (kilometres, metres) in
            [("10", "10000"), ("0.5", "500"), ("12.3456", "12345.6"), ("0", "0"), (".0001", "0.1"), ("050.", "50000")]
        {
            assert_eq!(times_thousand(kilometres.as_bytes()).as_deref(), Some(metres));
        }
    }
}
