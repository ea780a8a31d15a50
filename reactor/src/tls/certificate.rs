//! [`Certificate`]: a certificate in DER form, read as far as error messages and [`PeerCertificate`] need it.
//!
//! rustls alone decides whether a certificate is trusted: nothing that is read here has a part in that. This reader
//! runs after a refusal, so that the message can say more than "unknown issuer"; when a program asks who its peer is;
//! and over our own certificates, for the names that they are for.
//!
//! [`PeerCertificate`]: super::PeerCertificate
//!
//! Next: `der.rs`, the bytes of which it is made.

use super::der::{
    BIT_STRING, BMP_STRING, BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, element, expect, time,
};
use std::net::IpAddr;

/// Maximum number of characters of a peer's text that a message repeats: enough for any name, too few to flood a log.
const MAX_TEXT: usize = 100;
/// Maximum number of certificates of one chain that are searched for an issuer. rustls follows a chain no further than
/// 6.
pub(super) const MAX_CHAIN: usize = 8;

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

// The kinds of alternative names.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

pub(super) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
pub(super) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The parts of a certificate that matter here, as their DER bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    pub(super) serial_number: &'a [u8],
    pub(super) issuer: &'a [u8],
    validity: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) public_key: &'a [u8],
    /// What follows the public key.
    rest: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER form (RFC 5280, section 4.1); `None` if it is malformed.
    pub(super) fn parse(mut der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut certificate = expect(SEQUENCE, &mut der)?;
        let mut signed = expect(SEQUENCE, &mut certificate)?;
        if signed.first() == Some(&VERSION) {
            expect(VERSION, &mut signed)?;
        }
        let serial_number = expect(INTEGER, &mut signed)?;
        expect(SEQUENCE, &mut signed)?; // The algorithm of the signature.
        let issuer = expect(SEQUENCE, &mut signed)?;
        let validity = expect(SEQUENCE, &mut signed)?;
        let subject = expect(SEQUENCE, &mut signed)?;
        let public_key = expect(SEQUENCE, &mut signed)?;
        Some(Certificate { serial_number, issuer, validity, subject, public_key, rest: signed })
    }

    /// Whether issuer and subject are the same.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The first and the last moment at which it is valid, in seconds since 1970.
    pub(super) fn validity(&self) -> Option<(u64, u64)> {
        let mut both = self.validity;
        Some((time(&mut both)?, time(&mut both)?))
    }

    /// The host names and addresses that it is for, in order: its alternative names. The common name does not count,
    /// as it does not for rustls.
    pub(super) fn names(&self) -> Vec<Name> {
        let Some(mut names) = self.extension(SUBJECT_ALTERNATIVE_NAME) else { return Vec::new() };
        let mut found = Vec::new();
        let Some(mut names) = expect(SEQUENCE, &mut names) else { return found };
        while let Some((kind, content)) = element(&mut names) {
            match kind {
                DNS_NAME => found.extend(std::str::from_utf8(content).ok().map(|name| Name::Host(name.to_owned()))),
                IP_ADDRESS => found.extend(ip_address(content).map(Name::Address)),
                _ => {} // Mail addresses, directories: no server has such a name.
            }
        }
        found
    }

    /// The content of the extension of this kind.
    fn extension(&self, kind: &[u8]) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        let mut wrapped = loop {
            match element(&mut rest)? {
                (EXTENSIONS, content) => break content,
                _ => continue, // Unique identifiers, which nobody uses.
            }
        };
        let mut extensions = expect(SEQUENCE, &mut wrapped)?;
        while let Some(mut extension) = expect(SEQUENCE, &mut extensions) {
            let found = expect(OBJECT_IDENTIFIER, &mut extension)?;
            let _is_critical = expect(BOOLEAN, &mut extension); // It may be left out.
            if found == kind {
                return expect(OCTET_STRING, &mut extension);
            }
        }
        None
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

/// A name that a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A host name; its first label may be `*`.
    Host(String),
    Address(IpAddr),
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
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
    /// At an issuer that has sent no certificate of its own.
    NotSent(Option<String>),
}

/// The common name in a distinguished name, or else its organization, in quotes.
fn name(parts: &[u8]) -> Option<String> {
    part(parts, COMMON_NAME).or_else(|| part(parts, ORGANIZATION)).map(|text| readable(text.as_bytes()))
}

/// The first part of this kind of a distinguished name. What is not text becomes U+FFFD.
pub(super) fn part(mut parts: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some(mut set) = expect(SET, &mut parts) {
        while let Some(mut pair) = expect(SEQUENCE, &mut set) {
            let kind = expect(OBJECT_IDENTIFIER, &mut pair)?;
            let (tag, text) = element(&mut pair)?;
            if kind == wanted {
                return Some(match tag {
                    BMP_STRING => {
                        let units: Vec<u16> =
                            text.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
                        String::from_utf16_lossy(&units)
                    }
                    _ => String::from_utf8_lossy(text).into_owned(),
                });
            }
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, DnValue, Issuer, KeyPair, PKCS_ED25519, date_time_ymd};

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
    fn names_dates_and_subjects_are_read() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let names = ["a.test", "*.b.test", "10.0.0.1", "::1"].map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Org");
        params.distinguished_name.push(DnType::CommonName, DnValue::BmpString("Näme".try_into().unwrap()));
        params.not_before = date_time_ymd(2024, 2, 29);
        params.not_after = date_time_ymd(2100, 3, 1);
        let der = params.self_signed(&key).unwrap();
        let certificate = Certificate::parse(der.der()).unwrap();
        let host = |name: &str| Name::Host(name.to_owned());
        let address = |text: &str| Name::Address(text.parse().unwrap());
        let expected = [host("a.test"), host("*.b.test"), address("10.0.0.1"), address("::1")];
        assert_eq!(certificate.names(), expected);
        assert_eq!(certificate.validity(), Some((1_709_164_800, 4_107_542_400)));
        assert_eq!(part(certificate.subject, COMMON_NAME).unwrap(), "Näme");
        assert_eq!(part(certificate.subject, ORGANIZATION).unwrap(), "Org");
        assert_eq!(Certificate::parse(&issued("leaf", "root")).unwrap().names(), []);
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
                    let _ = (certificate.names(), certificate.validity(), part(certificate.subject, COMMON_NAME));
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
            let certificate = Certificate { public_key: &key, ..Certificate::parse(&ed25519).unwrap() };
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
