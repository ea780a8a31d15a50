//! What the fuzz targets share: inputs in pieces, and the same answers computed in a plain way.
//!
//! Each target compares two accounts of one input: ours and a slow one, or ours whole and ours in pieces. So it finds
//! wrong answers as well as panics.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// Bytes that arrive in pieces.
#[derive(Debug, Clone, Arbitrary)]
pub struct Pieces {
    /// The lengths of the pieces. What is left when they are used up comes as one.
    pub lengths: Vec<u8>,
    /// All bytes.
    pub bytes: Vec<u8>,
}

impl Pieces {
    /// The pieces, in order. Some may be empty.
    pub fn cut(&self) -> Vec<&[u8]> {
        cut(&self.bytes, &self.lengths)
    }
}

/// `bytes` in pieces of these lengths, and the rest.
pub fn cut<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at(usize::from(*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// The nanoseconds of a decimal number of seconds, by nothing but the standard library's integers. `None` unless it is
/// an optional sign, one to twelve digits before the point or none, and at most nine after it.
pub fn nanoseconds(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, number) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = whole.len() <= 12 && fraction.len() <= 9 && whole.len() + fraction.len() > 0;
    if !fits || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    format!("0{whole}{fraction:0<9}").parse::<i128>().ok().map(|nanoseconds| sign * nanoseconds)
}
