//! PEM (RFC 7468): bytes as lines of text between two lines that say what they are.
//!
//! Next: `../../cli/reach.rs`, how the program reaches a server.

/// The digits of base64, in order.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The number of characters in a line.
const WIDTH: usize = 64;

/// `der` as a text; `label` is such as `CERTIFICATE`.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let mut digits = String::new();
    for three in der.chunks(3) {
        let word = (0..3).fold(0, |word, at| word << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) as usize % 64;
            digits.push(if digit <= three.len() { char::from(DIGITS[value]) } else { '=' });
        }
    }
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, digit) in digits.chars().enumerate() {
        text.push(digit);
        if at % WIDTH == WIDTH - 1 {
            text.push('\n');
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// The bytes of the first object with this label; `None` if there is none, or if it is malformed.
pub(super) fn decode(label: &str, text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let count = four.iter().position(|byte| *byte == b'=').unwrap_or(four.len());
        // One digit alone is less than a byte.
        if four.len() < 4 || count < 2 || four[count..].iter().any(|byte| *byte != b'=') {
            return None;
        }
        let mut word = 0u32;
        for digit in &four[..count] {
            word = word << 6 | u32::try_from(DIGITS.iter().position(|known| known == digit)?).ok()?;
        }
        let word = word << (6 * (4 - count)) << 8;
        bytes.extend_from_slice(&word.to_be_bytes()[..count - 1]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_whatever_its_length() {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 37 % 256) as u8).collect();
            let text = encode("THING", &bytes);
            assert_eq!(decode("THING", text.as_bytes()).unwrap(), bytes, "{text}");
            assert!(text.lines().all(|line| line.len() <= WIDTH));
        }
        assert_eq!(encode("X", b"proxyherd"), "-----BEGIN X-----\ncHJveHloZXJk\n-----END X-----\n");
    }

    #[test]
    fn malformed_text_is_not_decoded() {
        for body in ["AAA", "A===", "A=A=", "AA=A", "AA!A", "\u{e9}AAA"] {
            assert_eq!(decode("X", format!("-----BEGIN X-----\n{body}\n-----END X-----\n").as_bytes()), None, "{body}");
        }
        assert_eq!(decode("X", b"-----BEGIN Y-----\nAAAA\n-----END Y-----\n"), None);
        assert_eq!(decode("X", b"-----BEGIN X-----\nAAAA\n"), None);
        assert_eq!(decode("X", b"\xff"), None);
    }
}
