//! [`Secrets`]: bytes that a trace must not have, and how they are found in what the network has cut in pieces.
//!
//! Next: `masked.rs`, the texts of an event.

use std::borrow::Cow;
use std::ops::Range;

/// Maximum number of characters that `Debug` needs for a byte of a list: `255, `.
const LISTED: usize = 5;

/// Fewer numbers of a list than these are not taken for a part of a secret: most lists of numbers are not bytes.
const MIN_LISTED: usize = 2;

#[derive(Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    pub(super) fn add(&mut self, secret: &[u8]) {
        if !secret.is_empty() && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_vec());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The same in a text, in which the secret may be a list of numbers.
    pub(super) fn longest_in_text(&self) -> usize {
        self.longest().saturating_mul(LISTED)
    }

    /// Puts a `*` in place of each byte of a secret. A piece may hold only a part of one: a stream has no borders. So
    /// the end of a piece is masked if a secret begins like it, its beginning if a secret ends like it, and the whole
    /// piece if it lies inside a secret. A few innocent bytes are masked, too.
    pub(super) fn mask<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked = Cow::Borrowed(bytes);
        self.find(bytes, |range| masked.to_mut()[range].fill(b'*'));
        masked
    }

    /// The same in a text of the program, such as a value. A list of bytes is numbers there, as in `[107, 51]`: each
    /// number of a secret becomes that of `*`.
    pub(super) fn mask_text(&self, text: &str) -> String {
        let text = self.mask_lists(text);
        String::from_utf8_lossy(&self.mask(text.as_bytes())).into_owned()
    }

    /// The same in a text that nothing has cut, such as a name: only whole secrets are masked. `None` if there is none.
    pub(super) fn mask_whole(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut masked: Option<Vec<u8>> = None;
        for secret in self.0.iter().filter(|secret| secret.len() <= bytes.len()) {
            for at in 0..=bytes.len() - secret.len() {
                if bytes[at] == secret[0] && bytes[at..].starts_with(secret) {
                    masked.get_or_insert_with(|| bytes.to_vec())[at..at + secret.len()].fill(b'*');
                }
            }
        }
        masked.map(|masked| String::from_utf8_lossy(&masked).into_owned())
    }

    /// Finds the bytes of secrets, and of what may be a part of one.
    fn find(&self, bytes: &[u8], mut hide: impl FnMut(Range<usize>)) {
        for secret in &self.0 {
            for at in 0..bytes.len() {
                let (rest, length) = (&bytes[at..], secret.len());
                if rest.starts_with(secret) {
                    hide(at..at + length);
                } else if rest.len() < length && secret.starts_with(rest) {
                    hide(at..bytes.len());
                }
            }
            let cut = (1..secret.len()).filter(|&at| bytes.starts_with(&secret[at..]));
            if let Some(at) = cut.min() {
                hide(0..secret.len() - at);
            }
            if bytes.len() < secret.len() && secret.windows(bytes.len().max(1)).any(|part| part == bytes) {
                hide(0..bytes.len());
            }
        }
    }

    fn mask_lists<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        if self.is_empty() {
            return masked;
        }
        // From the end on, so that what stands before stays where it is.
        for (bracket, _) in text.rmatch_indices('[') {
            let (places, bytes): (Vec<Range<usize>>, Vec<u8>) = listed(text, bracket + 1).into_iter().unzip();
            let mut is_hidden = vec![false; bytes.len()];
            self.find(&bytes, |range| {
                if range.len() >= MIN_LISTED {
                    is_hidden[range].fill(true);
                }
            });
            for (place, _) in places.into_iter().zip(is_hidden).rev().filter(|(_, is_hidden)| *is_hidden) {
                // No shorter than before: what is beyond the part that is shown must stay there.
                let mask = format!("{:0width$}", b'*', width = place.len());
                masked.to_mut().replace_range(place, &mask);
            }
        }
        masked
    }
}

/// The bytes of a list that begins there, and where each stands.
fn listed(text: &str, begin: usize) -> Vec<(Range<usize>, u8)> {
    let mut listed = Vec::new();
    let mut at = begin;
    loop {
        let end = at + text[at..].bytes().take_while(u8::is_ascii_digit).count();
        let Ok(byte) = text[at..end].parse() else { break };
        listed.push((at..end, byte));
        if !text[end..].starts_with(", ") {
            break;
        }
        at = end + ", ".len();
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(of: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        of.iter().for_each(|secret| secrets.add(secret.as_bytes()));
        secrets
    }

    #[test]
    fn a_secret_is_masked_wherever_the_stream_is_cut() {
        let (secrets, text) = (secrets(&["k3y-Z9"]), b"GET /?key=k3y-Z9&q=k3y-Z9k3y-Z9");
        let whole = secrets.mask(text).into_owned();
        assert_eq!(whole, b"GET /?key=******&q=************");
        for one in 0..=text.len() {
            for other in one..=text.len() {
                let pieces = [&text[..one], &text[one..other], &text[other..]];
                let masked = pieces.map(|piece| secrets.mask(piece).into_owned()).concat();
                let leaks = masked.iter().zip(&whole).any(|(shown, wanted)| *wanted == b'*' && *shown != b'*');
                assert!(!leaks, "{one} {other}: {}", masked.escape_ascii());
            }
        }
        let bytes = text.chunks(1).map(|piece| secrets.mask(piece).into_owned()).collect::<Vec<_>>().concat();
        assert!(!bytes.iter().any(|byte| b"k3y-Z9".contains(byte)), "{}", bytes.escape_ascii());
    }

    #[test]
    fn a_secret_in_a_list_of_bytes_is_masked_as_bytes() {
        let secrets = secrets(&["k3y"]);
        let shown = |bytes: &[u8]| secrets.mask_text(&format!("Page {{ body: {bytes:?} }}"));
        assert_eq!(shown(b"ak3yb"), "Page { body: [97, 042, 42, 042, 98] }");
        assert_eq!(shown(b"ak3"), "Page { body: [97, 042, 42] }", "a part at the end");
        assert_eq!(shown(b"3yb"), "Page { body: [42, 042, 98] }", "a part at the beginning");
        for other in ["[107]", "[1070, 51, 121]", "(107, 51, 121)", "[", "[1, 2", "[[], [107, 3]]"] {
            assert_eq!(secrets.mask_text(other), other);
        }
    }

    #[test]
    fn a_text_that_nothing_has_cut_keeps_what_only_begins_like_a_secret() {
        let secrets = secrets(&["k3y"]);
        assert_eq!(secrets.mask_whole("k3y.example, k3").as_deref(), Some("***.example, k3"));
        assert_eq!(secrets.mask_whole("k3"), None);
        assert_eq!(secrets.mask_whole(""), None);
    }

    #[test]
    fn what_is_no_secret_stays() {
        let secrets = secrets(&["", "k3y", "k3y"]);
        assert_eq!(secrets.0.len(), 1);
        assert_eq!(secrets.mask(b"no such thing"), &b"no such thing"[..]);
        assert_eq!(secrets.mask(b""), &b""[..]);
        assert!(matches!(secrets.mask(b"plain"), Cow::Borrowed(_)));
    }
}
