//! [`Secrets`]: bytes that a trace must not have, and how they are found in what the network has cut in pieces.
//!
//! Next: `json.rs`, how an event is written down.

use std::borrow::Cow;

#[derive(Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    pub(super) fn add(&mut self, secret: &[u8]) {
        if !secret.is_empty() && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_vec());
        }
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Puts a `*` in place of each byte of a secret. A piece may hold only a part of one: a stream has no borders. So
    /// the end of a piece is masked if a secret begins like it, its beginning if a secret ends like it, and the whole
    /// piece if it lies inside a secret. A few innocent bytes are masked, too.
    pub(super) fn mask<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked = Cow::Borrowed(bytes);
        for secret in &self.0 {
            let mut hide = |from: usize, to: usize| masked.to_mut()[from..to].fill(b'*');
            for at in 0..bytes.len() {
                let (rest, length) = (&bytes[at..], secret.len());
                if rest.starts_with(secret) {
                    hide(at, at + length);
                } else if rest.len() < length && secret.starts_with(rest) {
                    hide(at, bytes.len());
                }
            }
            let cut = (1..secret.len()).filter(|&at| bytes.starts_with(&secret[at..]));
            if let Some(at) = cut.min() {
                hide(0, secret.len() - at);
            }
            if bytes.len() < secret.len() && secret.windows(bytes.len().max(1)).any(|part| part == bytes) {
                hide(0, bytes.len());
            }
        }
        masked
    }
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
    fn what_is_no_secret_stays() {
        let secrets = secrets(&["", "k3y", "k3y"]);
        assert_eq!(secrets.0.len(), 1);
        assert_eq!(secrets.mask(b"no such thing"), &b"no such thing"[..]);
        assert_eq!(secrets.mask(b""), &b""[..]);
        assert!(matches!(secrets.mask(b"plain"), Cow::Borrowed(_)));
    }
}
