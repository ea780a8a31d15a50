//! `proxyherd keys [DIR]`: makes the authority of a herd, and a key and a certificate for each of its servers.
//!
//! ```text
//!   DIR/herd.pem, herd-key.pem      the authority: its key makes anybody a member, so no server has it
//!   DIR/Alford/key.pem              for Alford alone
//!       Alford/certificate.pem      for the name "Alford"
//!       Alford/herd.pem             the authority's certificate: whom Alford believes
//! ```
//!
//! What is there already stays: nothing is ever overwritten. So a second run adds what is missing, such as a server
//! that has joined the herd. A server's directory is made under another name and then renamed: it is complete or not
//! there.
//!
//! Next: `cli/keys/pem.rs`, the text in which keys are stored.

mod pem;

use super::event_loop::short_lived_event_loop;
use super::outcome::{Error, print};
use crate::config::Config;
use crate::identity::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The authority's key, beside its certificate in the file [`AUTHORITY_FILE`].
const AUTHORITY_KEY_FILE: &str = "herd-key.pem";

/// How long certificates are valid: servers are asked for a new one in time, and nobody wants to replace an authority.
const YEARS_OF_AUTHORITY: u64 = 10;
const YEARS_OF_SERVER: u64 = 2;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The maximum size of the authority's files in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// What to make, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysOptions {
    /// The directory; `None` is that of the configuration.
    pub directory: Option<PathBuf>,
    /// The configuration file, which names the servers.
    pub config: Option<PathBuf>,
}

/// Makes what is missing, and says what to copy where.
pub(super) fn run(options: &KeysOptions) -> Result<(), Error> {
    let config = Config::read_or_default(options.config.as_deref()).map_err(|error| error.to_string())?;
    let directory = options.directory.as_ref().or(config.tls.keys.as_ref());
    let directory = directory.ok_or_else(|| {
        Error::Usage("keys needs DIR, the directory to write to, or a configuration with keys in [tls]".to_owned())
    })?;
    let now = short_lived_event_loop()?.system_time();
    make_directory(directory).map_err(|error| cannot("make", directory, &error))?;
    let (authority, is_new) = Authority::open(directory, now)?;
    let mut text = match is_new {
        true => format!("{}: a new authority, {AUTHORITY_FILE} and {AUTHORITY_KEY_FILE}\n", directory.display()),
        false => format!("{}: the authority is there already\n", directory.display()),
    };
    for (name, server) in &config.servers {
        let is_made = authority.make_server(directory, name, now)?;
        let state = if is_made { "made" } else { "is there already, and stays as it is" };
        let _ = writeln!(text, "  {name}: {state}");
        let there = config.tls.keys.as_ref().unwrap_or(directory).join(name);
        let host = server.places_to_listen().next().map_or("", |(_, place)| place.host.as_str());
        let _ = writeln!(text, "    copy {} to {host}, as {}", directory.join(name).display(), there.display());
    }
    let _ = writeln!(
        text,
        "\nOnly the user that runs a server may read its directory (mode 0700, and 0600 for the files).\n\
         {AUTHORITY_KEY_FILE} can make anybody a member of the herd: keep it away from the servers. None of them reads \
         it.\n\
         To renew a certificate, move the server's directory away, run this again, copy, and send the server a SIGHUP."
    );
    print(text.as_bytes());
    Ok(())
}

/// What signs the certificates of a herd.
struct Authority {
    key: KeyPair,
    /// Its own certificate, as it stands in its file.
    certificate: Vec<u8>,
}

impl Authority {
    /// The authority in a directory; a new one if there is none. Also returns whether it is new.
    fn open(directory: &Path, now: SystemTime) -> Result<(Authority, bool), Error> {
        let (key_path, path) = (directory.join(AUTHORITY_KEY_FILE), directory.join(AUTHORITY_FILE));
        match (key_path.exists(), path.exists()) {
            (true, true) => {}
            (false, false) => {
                let key = new_key()?;
                let mut params = params_of_authority(&key);
                set_validity(&mut params, now, YEARS_OF_AUTHORITY);
                let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
                let certificate = pem::encode("CERTIFICATE", certificate.der());
                write_new(&key_path, &pem::encode("PRIVATE KEY", key.serialized_der()))?;
                write_new(&path, &certificate)?;
                return Ok((Authority { key, certificate: certificate.into_bytes() }, true));
            }
            (has_key, _) => {
                let (there, missing) = if has_key { (&key_path, &path) } else { (&path, &key_path) };
                let what = "certificates can be made only where the authority's two files are";
                return Err(format!("{} is there, and {} is not: {what}", there.display(), missing.display()).into());
            }
        }
        let key = pem::decode("PRIVATE KEY", &read(&key_path)?);
        let key = key.ok_or_else(|| format!("{} has no private key", key_path.display()))?;
        let key = KeyPair::try_from(key).map_err(|error| format!("{}: {error}", key_path.display()))?;
        Ok((Authority { key, certificate: read(&path)? }, false))
    }

    /// Makes a server's directory. Returns false if it is there already.
    fn make_server(&self, directory: &Path, name: &str, now: SystemTime) -> Result<bool, Error> {
        let place = directory.join(name);
        if fs::symlink_metadata(&place).is_ok() {
            return Ok(false);
        }
        let key = new_key()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])
            .map_err(|error| format!("no certificate can be for the name {name:?}: {error}"))?;
        params.distinguished_name = common_name(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, YEARS_OF_SERVER);
        let issuer = params_of_authority(&self.key);
        let certificate =
            params.signed_by(&key, &Issuer::from_params(&issuer, &self.key)).map_err(|error| error.to_string())?;

        let unfinished = directory.join(format!(".{name}.{}", std::process::id()));
        make_directory(&unfinished).map_err(|error| cannot("make", &unfinished, &error))?;
        write_new(&unfinished.join(KEY_FILE), &pem::encode("PRIVATE KEY", key.serialized_der()))?;
        write_new(&unfinished.join(CERTIFICATE_FILE), &pem::encode("CERTIFICATE", certificate.der()))?;
        write_new(&unfinished.join(AUTHORITY_FILE), &String::from_utf8_lossy(&self.certificate))?;
        fs::rename(&unfinished, &place).map_err(|error| cannot("make", &place, &error))?;
        Ok(true)
    }
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(|error| Error::Failed(format!("cannot make a key: {error}")))
}

/// The same for the same key: the name in the authority's certificate comes from there. So two authorities have
/// different names, and an error can tell them apart.
fn params_of_authority(key: &KeyPair) -> CertificateParams {
    // The first byte says only how the point on the curve is written.
    let number = key.public_key_raw().iter().skip(1).take(4).fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("proxyherd authority {number:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From yesterday, because clocks differ.
fn set_validity(params: &mut CertificateParams, now: SystemTime, years: u64) {
    let date = |time: SystemTime| {
        let text = humantime::format_rfc3339_seconds(time).to_string(); // 2026-11-22T14:27:00Z
        let mut parts = text.split(['-', 'T']).map(|part| part.parse::<u16>().unwrap_or(1));
        let mut next = || parts.next().unwrap_or(1);
        date_time_ymd(i32::from(next()), next() as u8, next() as u8)
    };
    params.not_before = date(now - DAY);
    params.not_after = date(now + DAY * 365 * u32::try_from(years).unwrap_or(1));
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Failed(format!("cannot {what} {}: {error}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    crate::config::read_file(path, MAX_SIZE as usize).map_err(|error| cannot("read", path, &error))
}

/// A directory that nobody else can look into. One that is there already stays as it is.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file that nobody else can read. Never one that exists, not even through a link.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written =
        options.open(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| cannot("write", path, &error))
}
