//! PEM texts, and the files that they come from: certificates and keys as people have them.
//!
//! rustls reads PEM too, but it passes over what it does not know, an encrypted key among it, and does not say where an
//! error is. So the objects are found here, each with its line, and rustls decodes them one by one.
//!
//! Next: `private_certificate.rs`, a certificate with its key.

use super::config_error::TlsConfigError;
use rustls::pki_types::pem::{PemObject, SectionKind};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Maximum length of a PEM file: twenty times the roots of all browsers. A larger one is not what it should be, and
/// reading it would stop the loop.
const MAX_PEM_FILE: u64 = 4 * 1024 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A PEM text and where it came from, for errors.
pub(super) struct Pem {
    text: Vec<u8>,
    pub(super) source: String,
}

/// One object of a PEM text, still encoded.
struct Section<'a> {
    label: &'a str,
    /// The number of its first line, counted from 1.
    line: usize,
    text: &'a str,
}

impl Pem {
    pub(super) fn new(text: &[u8], source: &str) -> Pem {
        Pem { text: text.to_vec(), source: source.to_owned() }
    }

    /// Reads a file: only a regular one of at most [`MAX_PEM_FILE`] bytes. A FIFO or a device could block the loop for
    /// ever.
    pub(super) fn read(path: &Path) -> Result<Pem, TlsConfigError> {
        let text = read(path).map_err(|error| TlsConfigError::Unreadable { path: path.into(), error })?;
        Ok(Pem { text, source: path.display().to_string() })
    }

    /// All certificates, in DER form, each with the place where it begins. At least one.
    pub(super) fn certificates(&self) -> Result<Vec<(String, Vec<u8>)>, TlsConfigError> {
        let sections = self.sections()?;
        let mut found = Vec::new();
        for section in sections.iter().filter(|section| section.label == "CERTIFICATE") {
            found.push((self.place(section.line), self.decode(section)?.1));
        }
        if found.is_empty() {
            return Err(TlsConfigError::NoCertificate { source: self.source.clone(), found: listed(&sections) });
        }
        Ok(found)
    }

    /// The only private key: the place where it begins, its kind, and its DER form.
    pub(super) fn private_key(&self) -> Result<(String, SectionKind, Vec<u8>), TlsConfigError> {
        let sections = self.sections()?;
        let mut keys = sections.iter().filter(|section| section.label.ends_with("PRIVATE KEY"));
        let Some(key) = keys.next() else {
            return Err(TlsConfigError::NoKey { source: self.source.clone(), found: listed(&sections) });
        };
        let place = self.place(key.line);
        if let Some(second) = keys.next() {
            let reason = format!("there is a second private key in line {}; which one is meant?", second.line);
            return Err(TlsConfigError::Bad { source: place, reason });
        }
        // PKCS #8 says so in its label; the older forms say so in a header, which rustls would take for base64.
        if key.label.starts_with("ENCRYPTED") || key.text.contains("ENCRYPTED") {
            return Err(TlsConfigError::EncryptedKey { source: place });
        }
        let (kind, der) = self.decode(key)?;
        Ok((place, kind, der))
    }

    /// The objects in the text.
    fn sections(&self) -> Result<Vec<Section<'_>>, TlsConfigError> {
        let text = std::str::from_utf8(&self.text).map_err(|_| {
            self.bad(
                1,
                "it is not text, so not PEM; DER can be \
            converted (openssl x509 -inform DER, openssl pkey -inform DER)",
            )
        })?;
        let mut found = Vec::new();
        let mut open: Option<(&str, usize, usize)> = None; // Label, line, offset.
        let mut at = 0;
        for (number, line_text) in (1..).zip(text.split_inclusive('\n')) {
            let bare = line_text.trim();
            if let Some(rest) = bare.strip_prefix(BEGIN) {
                let Some(label) = rest.strip_suffix(DASHES) else {
                    return Err(self.bad(number, "the line does not end in five dashes"));
                };
                if let Some((label, line, _)) = open {
                    return Err(self.bad(line, &format!("{label} begins here, but does not end")));
                }
                open = Some((label, number, at));
            } else if let Some(rest) = bare.strip_prefix(END) {
                match open.take() {
                    Some((label, line, from)) if rest.strip_suffix(DASHES) == Some(label) => {
                        found.push(Section { label, line, text: &text[from..at + line_text.trim_end().len()] });
                    }
                    Some((label, line, _)) => {
                        return Err(self.bad(line, &format!("{label} begins here, but line {number} ends {rest:?}")));
                    }
                    None => return Err(self.bad(number, "an object ends here that has not begun")),
                }
            }
            at += line_text.len();
        }
        match open {
            Some((label, line, _)) => Err(self.bad(line, &format!("{label} begins here, but does not end"))),
            None => Ok(found),
        }
    }

    fn decode(&self, section: &Section<'_>) -> Result<(SectionKind, Vec<u8>), TlsConfigError> {
        match <(SectionKind, Vec<u8>)>::from_pem_slice(section.text.as_bytes()) {
            Ok(object) => Ok(object),
            Err(error) => Err(self.bad(section.line, &format!("{} is malformed: {error}", section.label))),
        }
    }

    fn place(&self, line: usize) -> String {
        format!("{}, line {line}", self.source)
    }

    fn bad(&self, line: usize, reason: &str) -> TlsConfigError {
        TlsConfigError::Bad { source: self.place(line), reason: reason.to_owned() }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a FIFO waits for its other end.
    check(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    let mut text = Vec::new();
    // One byte more than allowed: the file may have grown since it was looked at.
    file.take(MAX_PEM_FILE + 1).read_to_end(&mut text)?;
    check_length(text.len() as u64)?;
    Ok(text)
}

fn check(metadata: &std::fs::Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !metadata.is_file() {
        let what = "it is not a file but a FIFO, socket or device, which could block for ever; \
                    read it yourself, and give its text";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    check_length(metadata.len())
}

fn check_length(length: u64) -> io::Result<()> {
    if length > MAX_PEM_FILE {
        let what = format!("it has more than {MAX_PEM_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(())
}

/// What a text has, for an error: `a private key and 2 certificates`.
fn listed(sections: &[Section<'_>]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for section in sections {
        match counts.iter_mut().find(|(label, _)| *label == section.label) {
            Some((_, count)) => *count += 1,
            None => counts.push((section.label, 1)),
        }
    }
    let texts: Vec<String> = counts.iter().map(|(label, count)| format!("{count} x {label:?}")).collect();
    if texts.is_empty() { "nothing in PEM".to_owned() } else { texts.join(", ") }
}
