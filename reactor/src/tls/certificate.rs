//! [`Certificate`]: issuer, subject and key of a certificate, read as far as an error message needs them.
//!
//! rustls alone decides whether a certificate is trusted. This reader runs only after a refusal, so that the message
//! can say more than "unknown issuer". It reads DER in one pass, never recurses, and every length is checked against
//! the bytes that are there.
//!
//! Next: `../http/mod.rs`, a protocol on top of all this.

/// Maximum number of characters of a peer's text that a message repeats: enough for any name, too few to flood a log.
const MAX_TEXT: usize = 100;
/// Maximum number of certificates of one chain that are searched for an issuer. rustls follows a chain no further than
/// 6.
pub(super) const MAX_CHAIN: usize = 8;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The parts of a certificate that matter here, as their DER bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    public_key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER form (RFC 5280, section 4.1); `None` if it is malformed.
    pub(super) fn parse(mut der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut certificate = expect(SEQUENCE, &mut der)?;
        let mut signed = expect(SEQUENCE, &mut certificate)?;
        if signed.first() == Some(&VERSION) {
            expect(VERSION, &mut signed)?;
        }
        expect(INTEGER, &mut signed)?; // The serial number.
        expect(SEQUENCE, &mut signed)?; // The algorithm of the signature.
        let issuer = expect(SEQUENCE, &mut signed)?;
        expect(SEQUENCE, &mut signed)?; // The period of validity.
        let subject = expect(SEQUENCE, &mut signed)?;
        let public_key = expect(SEQUENCE, &mut signed)?;
        Some(Certificate { issuer, subject, public_key })
    }

    /// Whether issuer and subject are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The number of bits of its key, if that is an RSA key.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        let mut key = self.public_key;
        let mut algorithm = expect(SEQUENCE, &mut key)?;
        if expect(OBJECT_IDENTIFIER, &mut algorithm)? != RSA_ENCRYPTION {
            return None;
        }
        // The first byte of a bit string is the number of unused bits in its last byte: none here.
        let (0, mut numbers) = expect(BIT_STRING, &mut key)?.split_first()? else { return None };
        let mut numbers = expect(SEQUENCE, &mut numbers)?;
        let modulus = expect(INTEGER, &mut numbers)?;
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let top = modulus.get(leading)?;
        Some((modulus.len() - leading) * 8 - top.leading_zeros() as usize)
    }
}

/// Follows the chain from `leaf` through `others` and returns the issuer of the last certificate that is there.
pub(super) fn last_issuer(leaf: Certificate<'_>, others: &[impl AsRef<[u8]>]) -> LastIssuer {
    let mut at = leaf;
    for _ in 0..MAX_CHAIN {
        if at.is_self_issued() {
            return LastIssuer::Sent(name(at.subject));
        }
        let others = others.iter().take(MAX_CHAIN).filter_map(|der| Certificate::parse(der.as_ref()));
        match others.into_iter().find(|other| other.subject == at.issuer) {
            Some(issuer) => at = issuer,
            None => break,
        }
    }
    LastIssuer::NotSent(name(at.issuer))
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LastIssuer {
    /// At a root that the peer has sent.
    Sent(Option<String>),
    /// At an issuer whose own certificate was not sent.
    NotSent(Option<String>),
}

/// The common name in a distinguished name, or else its organization, in quotes.
fn name(mut parts: &[u8]) -> Option<String> {
    let mut organization = None;
    while let Some(mut set) = expect(SET, &mut parts) {
        while let Some(mut pair) = expect(SEQUENCE, &mut set) {
            let kind = expect(OBJECT_IDENTIFIER, &mut pair)?;
            let (_, text) = element(&mut pair)?;
            match kind {
                COMMON_NAME => return Some(readable(text)),
                ORGANIZATION => organization = Some(readable(text)),
                _ => {}
            }
        }
    }
    organization
}

/// A peer's text, safe for a message: in quotes, cut short, and with all control characters escaped.
pub(super) fn readable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_TEXT + 1)]);
    let mut short: String = text.chars().take(MAX_TEXT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Takes the next element off `input` if it has this tag, and returns its content.
fn expect<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *input;
    let (found, content) = element(&mut rest)?;
    if found != tag {
        return None;
    }
    *input = rest;
    Some(content)
}

/// Takes the next element off `input`, and returns its tag, of one byte, and its content.
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // A long length: the low bits say how many bytes it has. No certificate needs more than four.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, PKCS_ED25519};

    /// The certificate of `subject`, issued by `issuer`.
    fn issued(subject: &str, issuer: &str) -> Vec<u8> {
        let params = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CountryName, "UK");
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let issuer = params(issuer);
        params(subject).signed_by(&key, &Issuer::from_params(&issuer, &key)).unwrap().der().to_vec()
    }

    #[test]
    fn a_chain_leads_to_its_last_issuer() {
        let [leaf, middle, root] = [issued("leaf", "middle"), issued("middle", "root"), issued("root", "root")];
        let parsed = Certificate::parse(&leaf).unwrap();
        assert!(!parsed.is_self_issued());
        assert!(Certificate::parse(&root).unwrap().is_self_issued());
        let named = |name: &str| Some(format!("{name:?}"));
        assert_eq!(last_issuer(parsed, &[] as &[Vec<u8>]), LastIssuer::NotSent(named("middle")));
        assert_eq!(last_issuer(parsed, std::slice::from_ref(&middle)), LastIssuer::NotSent(named("root")));
        assert_eq!(last_issuer(parsed, &[root, middle]), LastIssuer::Sent(named("root")));
    }

    #[test]
    fn a_circle_of_issuers_has_an_end() {
        let [one, other] = [issued("one", "other"), issued("other", "one")];
        let leaf = Certificate::parse(&one).unwrap();
        assert!(matches!(last_issuer(leaf, &[one.clone(), other]), LastIssuer::NotSent(Some(_))));
    }

    #[test]
    fn no_cut_and_no_changed_byte_of_a_certificate_panics() {
        let whole = issued("leaf", "root");
        for end in 0..whole.len() {
            assert_eq!(Certificate::parse(&whole[..end]), None, "cut at {end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                if let Some(certificate) = Certificate::parse(&changed) {
                    let _ = (certificate.rsa_bits(), last_issuer(certificate, &[&changed]));
                }
            }
        }
    }

    #[test]
    fn only_an_rsa_key_has_its_bits_counted() {
        let ed25519 = issued("leaf", "root");
        assert_eq!(Certificate::parse(&ed25519).unwrap().rsa_bits(), None);
        for (modulus, bits) in [(&[0, 0x80, 0][..], 16), (&[0x7f, 0xff], 15), (&[0, 1], 1)] {
            let numbers = tagged(SEQUENCE, &[tagged(INTEGER, modulus), tagged(INTEGER, &[3])].concat());
            let algorithm = tagged(SEQUENCE, &tagged(OBJECT_IDENTIFIER, RSA_ENCRYPTION));
            let key = [algorithm, tagged(BIT_STRING, &[&[0], &numbers[..]].concat())].concat();
            let certificate = Certificate { issuer: &[], subject: &[], public_key: &key };
            assert_eq!(certificate.rsa_bits(), Some(bits));
        }
    }

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_peers_text_is_short_and_harmless() {
        assert_eq!(readable(b"Acme \x1b[2J\r\nRoot"), "\"Acme \\u{1b}[2J\\r\\nRoot\"");
        assert_eq!(readable(&[b'x'; 10_000]).chars().count(), MAX_TEXT + 3);
        assert_eq!(readable(&[0xff; 2]), "\"\u{fffd}\u{fffd}\"");
    }
}
