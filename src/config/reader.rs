//! [`Reader`]: values out of a TOML table, each checked, and each mistake with its line.
//!
//! Every table of the configuration has its own part of the reader, in the file of what it makes.
//!
//! Next: `servers.rs`, where servers listen.

use std::fmt;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a configuration cannot be used: one line for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The maximum number of characters of a value in an error message: enough to find it again.
const MAX_SHOWN: usize = 60;

/// Turns a TOML table into a [`Config`]. Each error has the line of the value that is wrong.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    /// Its name in error messages.
    pub(super) source: &'a str,
}

pub(super) type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    /// The file and the line, as an error message names them.
    pub(super) fn line_of(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        format!("{}, line {}", self.source, before.matches('\n').count() + 1)
    }

    pub(super) fn error_at(&self, offset: usize, what: impl fmt::Display) -> ConfigError {
        ConfigError(format!("{}: {what}", self.line_of(offset)))
    }

    pub(super) fn error(&self, value: &Value<'_>, what: impl fmt::Display) -> ConfigError {
        self.error_at(value.span().start, what)
    }

    pub(super) fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>, table: &str, known: &[&str]) -> ConfigError {
        let known = known.join(", ");
        self.error_at(key.span().start, format!("unknown key {:?}{table}; known here: {known}", key.get_ref()))
    }

    /// A setting and its value as they stand in the file, for an error message. A long value is cut.
    pub(super) fn shown(&self, name: &str, value: &Value<'_>) -> String {
        let text = self.text.get(value.span()).unwrap_or("").trim();
        let line = text.lines().next().unwrap_or("");
        let shown: String = line.chars().take(MAX_SHOWN).collect();
        let cut = if shown.len() < text.len() { "..." } else { "" };
        format!("{name} {shown}{cut}")
    }

    pub(super) fn table<'v, 'i>(&self, value: &'v Value<'i>, name: &str) -> Result<&'v DeTable<'i>, ConfigError> {
        value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.error(value, format!("{} is not a table", self.shown(name, value))))
    }

    pub(super) fn string<'v>(&self, value: &'v Value<'_>, name: &str) -> Result<&'v str, ConfigError> {
        let wrong = || self.error(value, format!("{} is not a string in quotes", self.shown(name, value)));
        value.get_ref().as_str().ok_or_else(wrong)
    }

    pub(super) fn number(&self, value: &Value<'_>, name: &str, least: usize) -> Result<usize, ConfigError> {
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|integer| usize::from_str_radix(integer.as_str(), integer.radix()).ok());
        let wrong = || format!("{} is not a whole number of at least {least}", self.shown(name, value));
        number.filter(|number| *number >= least).ok_or_else(|| self.error(value, wrong()))
    }

    /// Reads a whole number from `least` to `most`.
    pub(super) fn number_to(
        &self,
        value: &Value<'_>,
        name: &str,
        least: usize,
        most: usize,
    ) -> Result<usize, ConfigError> {
        let number = self.number(value, name, least).ok().filter(|number| *number <= most);
        let wrong = || format!("{} is not a whole number from {least} to {most}", self.shown(name, value));
        number.ok_or_else(|| self.error(value, wrong()))
    }

    pub(super) fn duration(&self, value: &Value<'_>, name: &str) -> Result<Duration, ConfigError> {
        let shown = self.shown(name, value);
        let what = || self.error(value, format!("{shown} is not a duration above zero, such as \"2s\" or \"500ms\""));
        let duration = humantime::parse_duration(self.string(value, name)?).map_err(|_| what())?;
        if duration.is_zero() { Err(what()) } else { Ok(duration) }
    }

    pub(super) fn address(&self, value: &Value<'_>, name: &str) -> Result<(String, u16), ConfigError> {
        let text = self.string(value, name)?;
        let wrong = || self.error(value, format!("{name} {text:?} is not host:port, such as 127.0.0.1:12200"));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        let proper = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(proper) {
            return Err(wrong());
        }
        Ok((host.to_owned(), port))
    }
}
