//! Exact decimal numbers: what protocols write as text must not pass through floating point on its way.
//!
//! Two times that differ by a nanosecond are different; as `f64` they could be equal. All functions take bytes as they
//! came from a peer and say `None` to what is not a number.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Nanoseconds in a second.
const BILLION: i128 = 1_000_000_000;

/// Digits of a time before and after its point: enough for thirty thousand years, and no more than `i128` holds.
const TIME_DIGITS: (usize, usize) = (12, 9);

/// An unsigned decimal number taken apart: at most one point, at least one digit.
struct Number {
    /// The digits before the point as a number; saturated, which is more than any limit.
    whole: u64,
    whole_digits: usize,
    /// The digits after the point as a number; saturated.
    fraction: u64,
    fraction_digits: usize,
}

/// The value of eight digits at once: three multiplications join neighbours to pairs, pairs to fours, fours to eight.
/// Times are long numbers, and one comes with every command.
fn eight_digits(chunk: &[u8]) -> Option<u64> {
    const EACH: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(chunk.try_into().ok()?);
    // '0' to '9' are 0x30 to 0x39: adding six must not carry out of the lower half either.
    let high = word & (EACH * 0xf0) | (word.wrapping_add(EACH * 6) & (EACH * 0xf0)) >> 4;
    if high != EACH * 0x33 {
        return None;
    }
    let digits = word - EACH * 0x30;
    let pairs = digits * 10 + (digits >> 8); // In every second byte.
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    let left = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let right = (pairs >> 16 & PAIR).wrapping_mul(1 + (10_000 << 32));
    Some(left.wrapping_add(right) >> 32)
}

/// Takes digits off the front: their value and how many they are.
fn take_digits(text: &mut &[u8]) -> (u64, usize) {
    let (mut value, mut count) = (0u64, 0);
    while let Some(chunk) = text.get(count..count + 8)
        && let Some(eight) = eight_digits(chunk)
    {
        value = value.wrapping_mul(100_000_000).wrapping_add(eight);
        count += 8;
    }
    for byte in &text[count..] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    let (digits, rest) = text.split_at(count);
    *text = rest;
    // Eighteen digits cannot overflow; checking for each would make the usual number several times slower.
    if count > 18 {
        let add = |value: u64, byte: &u8| value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        value = digits.iter().fold(0, add);
    }
    (value, count)
}

impl Number {
    /// Takes a number off the front.
    fn take(text: &mut &[u8]) -> Option<Number> {
        let (whole, whole_digits) = take_digits(text);
        let (mut fraction, mut fraction_digits) = (0, 0);
        if let [b'.', rest @ ..] = *text {
            *text = rest;
            (fraction, fraction_digits) = take_digits(text);
        }
        (whole_digits + fraction_digits > 0).then_some(Number { whole, whole_digits, fraction, fraction_digits })
    }

    /// The number that `text` is.
    fn parse(mut text: &[u8]) -> Option<Number> {
        Number::take(&mut text).filter(|_| text.is_empty())
    }

    fn is_at_most(&self, limit: u32) -> bool {
        self.whole < u64::from(limit) || self.whole == u64::from(limit) && self.fraction == 0
    }
}

/// Takes an unsigned decimal number of at most `limit` off the front of `text`, compared exactly, however many digits
/// it has.
pub fn take_at_most(text: &mut &[u8], limit: u32) -> Option<()> {
    Number::take(text)?.is_at_most(limit).then_some(())
}

/// Whether `text` is an unsigned decimal number of at most `limit`.
pub fn is_at_most(text: &[u8], limit: u32) -> bool {
    Number::parse(text).is_some_and(|number| number.is_at_most(limit))
}

/// A whole number without a sign, of at most `limit`.
pub fn whole_at_most(text: &[u8], limit: u32) -> Option<u32> {
    let number = Number::parse(text).filter(|number| number.is_at_most(limit) && !text.contains(&b'.'))?;
    u32::try_from(number.whole).ok()
}

/// A decimal number a thousand times as large, exactly, without needless zeros: kilometres to metres.
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

/// What a fraction of so many digits is to be multiplied with to become nanoseconds.
const SCALE: [u64; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

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
        let number = Number::parse(number)?;
        if number.whole_digits > TIME_DIGITS.0 || number.fraction_digits > TIME_DIGITS.1 {
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

impl Difference {
    /// As it is printed.
    pub fn text(self) -> DifferenceText {
        let mut text = DifferenceText { bytes: [0; 48], start: 48 };
        let size = self.nanoseconds.unsigned_abs();
        // 64-bit arithmetic where it suffices: 128-bit division is many times slower, and this runs for every reply.
        let (mut whole, mut fraction) = match u64::try_from(size) {
            Ok(size) => (size / 1_000_000_000, (size % 1_000_000_000) as u32),
            // Whole seconds always fit: times have at most twelve digits before the point.
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
    /// Two digits: half as many divisions.
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

/// Whether `text` could be the difference field of somebody's AT: a decimal number, perhaps signed.
pub fn is_signed_decimal(text: &[u8]) -> bool {
    let number = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    Number::parse(number).is_some()
}

#[cfg(test)]
mod tests;
