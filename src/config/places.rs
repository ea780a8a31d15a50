//! `[places]`: which Places service the herd asks, and how.
//!
//! Next: `read_file.rs`, which reads a file and does not wait for ever.

use super::reader::{ConfigError, Reader, Value};
use reactor::http::Url;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The maximum of `max_in_flight`: each question may hold a connection and a megabyte of its answer.
const MAX_IN_FLIGHT: usize = 1024;

/// The maximum of `max_per_minute` and `max_per_day`: in effect none.
const MAX_BUDGET: usize = 1_000_000_000;

/// The maximum of `timeout` and `interval`: more is a mistake.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// The settings of `[places]`.
const KEYS: [&str; 11] = [
    "provider",
    "base_url",
    "ca_file",
    "connect_to",
    "timeout",
    "max_in_flight",
    "max_per_minute",
    "max_per_day",
    "key_file",
    "fields",
    "interval",
];

/// `[places]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlacesConfig {
    /// `provider`: by default `google` if there is a key, else `offline`.
    pub provider: Option<Provider>,
    /// `base_url`: the service's URL, if it is not the usual one.
    pub base_url: Option<String>,
    /// `ca_file`: certificates (PEM) to trust instead of those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// `connect_to`: host and port to connect to instead of those of the URL. The certificate must still be for the
    /// name in the URL.
    pub connect_to: Option<(String, u16)>,
    /// `timeout`: the maximum time for an answer.
    pub timeout: Option<Duration>,
    /// `max_in_flight`: the maximum number of questions under way.
    pub max_in_flight: Option<usize>,
    /// `max_per_minute`: the maximum number of questions to the service in a minute.
    pub max_per_minute: Option<usize>,
    /// `max_per_day`: the maximum number of questions to the service in a day.
    pub max_per_day: Option<usize>,
    /// `key_file`: a file with the key, for when it is not in the environment.
    pub key_file: Option<PathBuf>,
    /// `fields`: what `google-new` is asked for beyond the usual fields.
    pub fields: Vec<ExtraField>,
    /// `interval`: the minimum time from the start of one question to `overpass` to the start of the next.
    pub interval: Option<Duration>,
    /// The file and the line of each setting: some mistakes, such as a missing file, show only when the setting is
    /// used.
    pub lines: BTreeMap<String, String>,
}

impl PlacesConfig {
    /// An error about a setting, with its file and line if it came from a file.
    pub(crate) fn error(&self, setting: &str, what: impl fmt::Display) -> ConfigError {
        match self.lines.get(setting) {
            Some(line) => ConfigError(format!("{line}: {what}")),
            None => ConfigError(what.to_string()),
        }
    }
}

/// The Places services that a herd can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Google's Places API (legacy Nearby Search); needs a key.
    Google,
    /// Google's Places API (New); needs a key.
    GoogleNew,
    /// OpenStreetMap, through an instance of the Overpass API; needs a `base_url`.
    Overpass,
    /// Airports, helipads and cities that ship with the program.
    Offline,
}

impl Provider {
    const ALL: [Provider; 4] = [Provider::Google, Provider::GoogleNew, Provider::Overpass, Provider::Offline];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::GoogleNew => "google-new",
            Provider::Overpass => "overpass",
            Provider::Offline => "offline",
        }
    }

    /// Whether a setting makes sense with this provider.
    fn knows(self, setting: &str) -> bool {
        match setting {
            "base_url" | "ca_file" | "connect_to" => self != Provider::Offline,
            "key_file" => matches!(self, Provider::Google | Provider::GoogleNew),
            "fields" => self == Provider::GoogleNew,
            "interval" => self == Provider::Overpass,
            _ => true,
        }
    }
}

/// A field that Google's new API sends, and bills, only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraField {
    /// `rating` and `user_ratings_total`.
    Rating,
    /// `price_level`.
    Price,
    /// `opening_hours`.
    Opening,
}

impl ExtraField {
    const ALL: [ExtraField; 3] = [ExtraField::Rating, ExtraField::Price, ExtraField::Opening];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            ExtraField::Rating => "rating",
            ExtraField::Price => "price",
            ExtraField::Opening => "opening",
        }
    }
}

/// The names in quotes, as a list in a sentence.
fn list<const N: usize>(names: [&str; N]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

impl Reader<'_> {
    pub(super) fn places(&self, value: &Value<'_>) -> Result<PlacesConfig, ConfigError> {
        let mut places = PlacesConfig::default();
        let table = self.table(value, "places")?;
        for (key, value) in table {
            places.lines.insert(key.get_ref().to_string(), self.line_of(value.span().start));
            match key.get_ref().as_ref() {
                "provider" => places.provider = Some(self.provider(value)?),
                "base_url" => places.base_url = Some(self.base_url(value)?),
                "ca_file" => places.ca_file = Some(self.path(value, "ca_file")?),
                "connect_to" => places.connect_to = Some(self.address(value, "connect_to")?),
                "timeout" => places.timeout = Some(self.short_duration(value, "timeout")?),
                "max_in_flight" => {
                    places.max_in_flight = Some(self.number_to(value, "max_in_flight", 1, MAX_IN_FLIGHT)?);
                }
                "max_per_minute" => {
                    places.max_per_minute = Some(self.number_to(value, "max_per_minute", 1, MAX_BUDGET)?)
                }
                "max_per_day" => places.max_per_day = Some(self.number_to(value, "max_per_day", 1, MAX_BUDGET)?),
                "key_file" => places.key_file = Some(self.path(value, "key_file")?),
                "fields" => places.fields = self.fields(value)?,
                "interval" => places.interval = Some(self.interval(value)?),
                _ => return Err(self.unknown(key, " of places", &KEYS)),
            }
        }
        for (key, value) in table {
            self.check_sense(&places, key.get_ref(), value)?;
        }
        if places.provider == Some(Provider::Overpass) && places.base_url.is_none() {
            let what = "the provider overpass needs a base_url: it has no default, because the public instances are \
                        for mappers; run an instance, or choose one";
            return Err(self.error(table.get("provider").unwrap_or(value), what));
        }
        Ok(places)
    }

    /// Refuses a setting that is valid by itself, but makes no sense with the others.
    fn check_sense(&self, places: &PlacesConfig, setting: &str, value: &Value<'_>) -> Result<(), ConfigError> {
        let wrong = match places.provider {
            Some(provider) if !provider.knows(setting) => {
                format!("{setting} makes no sense with the provider {}", provider.name())
            }
            None if setting == "fields" => "fields needs provider = \"google-new\" beside it".to_owned(),
            None if setting == "interval" => "interval needs provider = \"overpass\" beside it".to_owned(),
            _ if setting == "ca_file" && places.base_url.as_ref().is_some_and(|url| is_plain(url)) => {
                "ca_file makes no sense with a base_url that is not https".to_owned()
            }
            _ => return Ok(()),
        };
        Err(self.error(value, wrong))
    }

    fn provider(&self, value: &Value<'_>) -> Result<Provider, ConfigError> {
        let name = self.string(value, "provider")?;
        Provider::ALL.into_iter().find(|provider| provider.name() == name).ok_or_else(|| {
            let known = list(Provider::ALL.map(Provider::name));
            self.error(value, format!("there is no provider {name:?}; there are {known}"))
        })
    }

    fn base_url(&self, value: &Value<'_>) -> Result<String, ConfigError> {
        let text = self.string(value, "base_url")?;
        // A URL may hold a password, which belongs into no message.
        let shown = || if text.contains('@') { "base_url".to_owned() } else { self.shown("base_url", value) };
        match text.parse::<Url>() {
            Err(error) => Err(self.error(value, format!("{}: {error}", shown()))),
            Ok(_) if text.contains(['?', '#']) => {
                let what = format!("{}: leave out the question mark or the # and what follows it", shown());
                Err(self.error(value, what))
            }
            Ok(_) => Ok(text.to_owned()),
        }
    }

    pub(super) fn path(&self, value: &Value<'_>, name: &str) -> Result<PathBuf, ConfigError> {
        match self.string(value, name)? {
            "" => Err(self.error(value, format!("{} names no file", self.shown(name, value)))),
            path => Ok(path.into()),
        }
    }

    fn short_duration(&self, value: &Value<'_>, name: &str) -> Result<Duration, ConfigError> {
        let duration = self.duration(value, name)?;
        match duration <= MAX_DURATION {
            true => Ok(duration),
            false => Err(self.error(value, format!("{} is more than an hour", self.shown(name, value)))),
        }
    }

    /// Reads a duration that may be zero: then there is no pause.
    fn interval(&self, value: &Value<'_>) -> Result<Duration, ConfigError> {
        let is_zero = humantime::parse_duration(self.string(value, "interval")?).is_ok_and(|it| it.is_zero());
        if is_zero { Ok(Duration::ZERO) } else { self.short_duration(value, "interval") }
    }

    fn fields(&self, value: &Value<'_>) -> Result<Vec<ExtraField>, ConfigError> {
        let items = value.get_ref().as_array();
        let wrong = || self.error(value, format!("{} is not a list of names", self.shown("fields", value)));
        let items = items.ok_or_else(wrong)?;
        let mut fields = Vec::new();
        for item in items.iter() {
            let name = self.string(item, "a field")?;
            let extra = ExtraField::ALL.into_iter().find(|extra| extra.name() == name).ok_or_else(|| {
                let known = list(ExtraField::ALL.map(ExtraField::name));
                self.error(item, format!("there is no field {name:?}; there are {known}"))
            })?;
            if fields.contains(&extra) {
                return Err(self.error(item, format!("the field {name:?} is named twice")));
            }
            fields.push(extra);
        }
        Ok(fields)
    }
}

fn is_plain(url: &str) -> bool {
    url.parse::<Url>().is_ok_and(|url| !url.is_secure())
}
