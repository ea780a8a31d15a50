//! `[tls]`: the files with keys and certificates, for servers that have `link` or `tls`.
//!
//! Next: `store.rs`, the store beside a herd.

use super::reader::{ConfigError, Reader, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The settings of `[tls]`.
const KEYS: [&str; 4] = ["keys", "certificate", "key", "ca_file"];

/// `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// `keys`: a directory that has, for each server with `link`, a directory of its name with its key, its
    /// certificate, and those of the herd's authority.
    pub keys: Option<PathBuf>,
    /// `certificate`: a file with the certificate chain that clients see (PEM).
    pub certificate: Option<PathBuf>,
    /// `key`: a file with the private key of `certificate` (PEM).
    pub key: Option<PathBuf>,
    /// `ca_file`: the authorities that `proxyherd iamat` and the like trust instead of those that browsers trust, when
    /// they connect to a server that has only `tls`.
    pub ca_file: Option<PathBuf>,
    /// The file and the line of each setting: a missing file shows only when the setting is used.
    pub lines: BTreeMap<String, String>,
}

impl TlsConfig {
    /// An error about a setting, with its file and line if it came from a file.
    pub(crate) fn error(&self, setting: &str, what: impl fmt::Display) -> ConfigError {
        match self.lines.get(setting) {
            Some(line) => ConfigError(format!("{line}: {setting}: {what}")),
            None => ConfigError(what.to_string()),
        }
    }
}

impl Reader<'_> {
    pub(super) fn tls(&self, value: &Value<'_>) -> Result<TlsConfig, ConfigError> {
        let mut tls = TlsConfig::default();
        for (key, value) in self.table(value, "tls")? {
            tls.lines.insert(key.get_ref().to_string(), self.line_of(value.span().start));
            match key.get_ref().as_ref() {
                "keys" => tls.keys = Some(self.path(value, "keys")?),
                "certificate" => tls.certificate = Some(self.path(value, "certificate")?),
                "key" => tls.key = Some(self.path(value, "key")?),
                "ca_file" => tls.ca_file = Some(self.path(value, "ca_file")?),
                _ => return Err(self.unknown(key, " of tls", &KEYS)),
            }
        }
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => Err(self.error(value, "certificate needs key beside it: the file with its private key")),
            (None, Some(_)) => Err(self.error(value, "key needs certificate beside it: the file with the certificate")),
            _ => Ok(tls),
        }
    }
}
