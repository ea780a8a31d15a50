//! Exact decimal numbers: a number that a protocol writes as text never passes through floating point here.
//!
//! Two times that differ by a nanosecond are different times. As `f64` they could be equal, and then an older location
//! could win over a newer one. All functions take bytes as they came from a peer, and return `None` or `false` if those
//! are not a number.
//!
//! Next: [`digest.rs`](mod@crate::digest), by which two servers compare what they know.

use crate::word::{self, before_mark, each};
use std::fmt;
use std::time::{Duration, SystemTime};

/// Nanoseconds in a second.
const BILLION: i128 = 1_000_000_000;

/// The maximum number of digits of a time before its point: enough for thirty thousand years.
const MAX_WHOLE_DIGITS: usize = 12;

/// The maximum number of digits before the point of a difference between two times, one of them before 1970.
const MAX_DIFFERENCE_DIGITS: usize = 13;

/// The maximum number of digits of a time after its point: nanoseconds.
const MAX_FRACTION_DIGITS: usize = 9;

/// An unsigned decimal number taken apart: at most one point, at least one digit.
struct Number {
    /// The digits before the point as a number. Saturates at a value that is above every limit.
    whole: u64,
    whole_digits: usize,
    /// The digits after the point as a number. Saturates: a time with a fraction of that length is refused, and a limit
    /// only asks whether this is zero.
    fraction: u64,
    fraction_digits: usize,
}

/// `POWERS[n]` is ten to the power of `n`.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The value of the digits at the front of eight bytes, and how many there are. Multiplications join the digits to
/// pairs, the pairs to fours, the fours to eight.
#[inline]
fn leading_digits(word: u64) -> (u64, usize) {
    // Zero to nine for each digit, and more than nine for any other byte.
    let values = word ^ each(b'0');
    // Marks each byte that is not a digit. It may carry into the bytes after it, so only the first mark is used.
    let count = before_mark((values.wrapping_add(each(0x76)) | values) & each(0x80));
    // The digits go to the end of the word, behind zeros.
    let Some(digits) = values.checked_shl(64 - 8 * count as u32) else { return (0, 0) };
    let pairs = digits * 10 + (digits >> 8); // In every second byte.
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    // The upper half of `left` is the first and the third pair with their weights, that of `right` the second and the
    // fourth. The lower halves are too small to carry into them.
    let left = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let right = (pairs >> 16 & PAIR).wrapping_mul(1 + (10_000 << 32));
    (left.wrapping_add(right) >> 32, count)
}

/// Takes all digits off the front of `text`. Returns their value and how many there were.
#[inline]
fn take_digits(text: &mut &[u8]) -> (u64, usize) {
    let (value, count) = leading_digits(word::first(text));
    if count == 8 {
        return take_many_digits(text, value);
    }
    *text = &text[count..];
    (value, count)
}

/// The same for eight digits or more, the first eight of which have this value. Not inlined: it needs more registers
/// than the short numbers.
#[inline(never)]
fn take_many_digits(text: &mut &[u8], first: u64) -> (u64, usize) {
    let (mut value, mut count, mut rest) = (first, 8, &text[8..]);
    loop {
        let (more, digits) = leading_digits(word::first(rest));
        value = value.wrapping_mul(POWERS[digits]).wrapping_add(more);
        count += digits;
        rest = &rest[digits..];
        if digits < 8 {
            break;
        }
    }
    // Up to eighteen digits the wrapping arithmetic above cannot overflow. More digits are rare, so they are read
    // again, saturating; to check every step would make the usual number several times slower.
    if count > 18 {
        let add = |value: u64, byte: &u8| value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        value = text[..count].iter().fold(0, add);
    }
    *text = rest;
    (value, count)
}

impl Number {
    /// Takes a number off the front of `text`; `None` if there is not a digit.
    fn take(text: &mut &[u8]) -> Option<Number> {
        let (whole, whole_digits) = take_digits(text);
        let (mut fraction, mut fraction_digits) = (0, 0);
        if let [b'.', rest @ ..] = *text {
            *text = rest;
            (fraction, fraction_digits) = take_digits(text);
        }
        (whole_digits + fraction_digits > 0).then_some(Number { whole, whole_digits, fraction, fraction_digits })
    }

    /// The number that all of `text` is.
    fn parse(mut text: &[u8]) -> Option<Number> {
        Number::take(&mut text).filter(|_| text.is_empty())
    }

    fn is_at_most(&self, limit: u32) -> bool {
        self.whole < u64::from(limit) || self.whole == u64::from(limit) && self.fraction == 0
    }
}

/// Takes an unsigned decimal number off the front of `text`; `None` if it is above `limit`. The comparison is exact for
/// any number of digits.
pub fn take_at_most(text: &mut &[u8], limit: u32) -> Option<()> {
    Number::take(text)?.is_at_most(limit).then_some(())
}

/// Whether `text` is an unsigned decimal number of at most `limit`.
pub fn is_at_most(text: &[u8], limit: u32) -> bool {
    Number::parse(text).is_some_and(|number| number.is_at_most(limit))
}

/// The whole number that `text` is, without sign or point; `None` if it is above `limit`.
pub fn whole_at_most(text: &[u8], limit: u32) -> Option<u32> {
    let number = Number::parse(text).filter(|number| number.is_at_most(limit) && !text.contains(&b'.'))?;
    u32::try_from(number.whole).ok()
}

/// A decimal number times a thousand, exactly and without needless zeros: kilometres as metres.
pub fn times_thousand(text: &[u8]) -> Option<String> {
    Number::parse(text)?;
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
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

/// `SCALE[n]` times a fraction of `n` digits is nanoseconds.
const SCALE: [u64; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A moment in POSIX time, exact to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    nanoseconds: i128,
}

impl Time {
    /// Reads a decimal number of seconds: an optional sign, at most twelve digits, and perhaps a point and at most nine
    /// more. There are no exponents, and no names such as `nan`.
    pub fn parse(text: &[u8]) -> Option<Time> {
        let mut rest = text;
        Time::take(&mut rest).filter(|_| rest.is_empty())
    }

    /// Takes it off the front of `text`.
    #[inline]
    pub(crate) fn take(text: &mut &[u8]) -> Option<Time> {
        let negative = text.first() == Some(&b'-');
        if let [b'+' | b'-', rest @ ..] = *text {
            *text = rest;
        }
        let number = Number::take(text)?;
        if number.whole_digits > MAX_WHOLE_DIGITS || number.fraction_digits > MAX_FRACTION_DIGITS {
            return None;
        }
        let (whole, fraction) = (number.whole, number.fraction * SCALE[number.fraction_digits]);
        let nanoseconds = i128::from(whole) * BILLION + i128::from(fraction);
        Some(Time { nanoseconds: if negative { -nanoseconds } else { nanoseconds } })
    }

    /// The exact difference `self - other`.
    pub fn minus(self, other: Time) -> Difference {
        Difference { nanoseconds: self.nanoseconds - other.nanoseconds }
    }

    /// The moment that is later by this difference: `time.plus(now.minus(time))` is `now`.
    pub fn plus(self, difference: Difference) -> Time {
        Time { nanoseconds: self.nanoseconds + difference.nanoseconds }
    }

    /// Nanoseconds since 1970, as far as 64 bits go.
    pub(crate) fn clamped_nanoseconds(self) -> i64 {
        self.nanoseconds.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// The moment that is this many nanoseconds after 1970.
    pub(crate) fn from_nanoseconds(nanoseconds: i64) -> Time {
        Time { nanoseconds: i128::from(nanoseconds) }
    }

    /// 22 digits, which are ordered, as bytes, as the times are: nanoseconds since a moment before all times.
    pub fn sort_digits(self) -> String {
        /// More nanoseconds than a time can have.
        const BEFORE_ALL: i128 = 10_i128.pow(MAX_WHOLE_DIGITS as u32 + 9);
        const HALF: u128 = 10_u128.pow(11);
        // A sum of a time and a difference can be larger than a time that somebody wrote.
        let number = (self.nanoseconds + BEFORE_ALL).clamp(0, 10 * BEFORE_ALL - 1).unsigned_abs();
        format!("{:011}{:011}", (number / HALF) as u64, (number % HALF) as u64)
    }

    /// The next moment.
    pub fn next(self) -> Time {
        Time { nanoseconds: self.nanoseconds + 1 }
    }

    /// Whether this is later than `other` by more than `by`.
    pub fn is_later_than(self, other: Time, by: Duration) -> bool {
        self.nanoseconds_since(other) > i128::try_from(by.as_nanos()).unwrap_or(i128::MAX)
    }

    /// How much later than `other` this is, in nanoseconds.
    pub fn nanoseconds_since(self, other: Time) -> i128 {
        self.nanoseconds - other.nanoseconds // No two times are as far apart as the end of i128.
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

/// In seconds since 1970, with nine digits after the point: [`Time::parse`] reads it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Difference { nanoseconds: self.nanoseconds }.text();
        let text = String::from_utf8_lossy(text.as_bytes());
        f.write_str(text.strip_prefix('+').unwrap_or(&text))
    }
}

/// A difference between two moments. It is always printed with a sign and nine digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    nanoseconds: i128,
}

impl Difference {
    /// Reads the difference of an AT: a sign, at most thirteen digits without a zero before the others, a point, and
    /// nine more digits. That is how every server prints it ([`text`](Difference::text)).
    pub fn parse(text: &[u8]) -> Option<Difference> {
        let (sign, number) = match text {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return None,
        };
        let has_spare_zero = matches!(number, [b'0', b'0'..=b'9', ..]);
        let number = Number::parse(number)?;
        let is_ours = !has_spare_zero
            && (1..=MAX_DIFFERENCE_DIGITS).contains(&number.whole_digits)
            && number.fraction_digits == 9;
        is_ours.then(|| Difference {
            nanoseconds: sign * (i128::from(number.whole) * BILLION + i128::from(number.fraction)),
        })
    }

    /// Its text, built from the last digit to the sign.
    pub fn text(self) -> DifferenceText {
        let mut text = DifferenceText { bytes: [0; 48], start: 48 };
        let size = self.nanoseconds.unsigned_abs();
        // 64-bit arithmetic where it is enough: 128-bit division is many times slower, and every reply needs this.
        let (mut whole, mut fraction) = match u64::try_from(size) {
            Ok(size) => (size / 1_000_000_000, (size % 1_000_000_000) as u32),
            // The whole seconds fit in any case: a time has at most twelve digits before its point.
            Err(_) => ((size / BILLION.unsigned_abs()) as u64, (size % BILLION.unsigned_abs()) as u32),
        };
        text.prepend(b'0' + (fraction % 10) as u8);
        fraction /= 10;
        for _ in 0..4 {
            text.prepend_pair(fraction % 100);
            fraction /= 100;
        }
        text.prepend(b'.');
        while whole >= 100 {
            text.prepend_pair((whole % 100) as u32);
            whole /= 100;
        }
        match whole as u32 {
            one @ ..10 => text.prepend(b'0' + one as u8),
            two => text.prepend_pair(two),
        }
        text.prepend(if self.nanoseconds < 0 { b'-' } else { b'+' });
        text
    }
}

/// A printed [`Difference`], without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct DifferenceText {
    /// Sign, at most 30 digits, point, nine digits.
    bytes: [u8; 48],
    start: usize,
}

impl DifferenceText {
    /// Two digits at a time take half as many divisions.
    fn prepend_pair(&mut self, pair: u32) {
        self.prepend(b'0' + (pair % 10) as u8);
        self.prepend(b'0' + (pair / 10) as u8);
    }

    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text().as_bytes()))
    }
}

#[cfg(test)]
mod tests;
