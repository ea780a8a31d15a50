//! [`Address`]: a whole run as text, as the address bar of a browser has it: the seed, the settings, and each act with
//! its time.
//!
//! ```text
//!   #seed=7&servers=5&links=paper&clients=12&rule=newest&delay=150&jitter=30&every=8&at=31.5
//!    &do=12.25:kill,Powell;20@4711:restart,Powell
//! ```
//!
//! A time is in seconds since the world began. An act that was done in the middle of a moment, between two events of
//! the same time, has the number of events that had happened before it behind an `@`.
//!
//! Next: `people.rs`, clients that move on their own.

use super::act::Act;
use crate::herd::rules::Rule;
use crate::herd::topology::Topology;
use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

/// The maximum number of servers on a page.
pub(crate) const MAX_SERVERS: usize = 200;

/// The maximum number of clients that a run begins with.
pub(crate) const MAX_CLIENTS: usize = 500;

/// The maximum number of acts in a run.
pub(crate) const MAX_ACTS: usize = 2000;

/// The maximum length of an address.
pub(crate) const MAX_LENGTH: usize = 200_000;

/// The maximum length of a run: a day.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// The maximum number of locations in a run. The book remembers each: some hundred bytes.
pub(crate) const MAX_VERSIONS: u64 = 1_000_000;

/// What a run begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) servers: usize,
    pub(crate) links: Topology,
    pub(crate) clients: usize,
    pub(crate) rule: Rule,
    /// How long a message takes on a link, on average, in milliseconds.
    pub(crate) delay: u64,
    /// By how many percent of that a message may be early or late.
    pub(crate) jitter: u64,
    /// How often a client moves, on average, in seconds. 0: none moves on its own.
    pub(crate) every: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        let (links, rule) = (Topology::Paper, Rule::Newest);
        Settings { seed: 1, servers: 5, links, clients: 12, rule, delay: 150, jitter: 30, every: 8 }
    }
}

/// A place in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The time since the world began.
    pub(crate) time: Duration,
    /// How many events have happened, if others of the same time are still to come.
    pub(crate) events: Option<u64>,
}

/// An act and where in the run it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Click {
    pub(crate) place: Place,
    pub(crate) act: Act,
}

/// A run, and how far it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Address {
    pub(crate) settings: Settings,
    pub(crate) clicks: Vec<Click>,
    pub(crate) at: Option<Place>,
}

impl Settings {
    /// Checks that there is such a herd.
    ///
    /// # Errors
    /// One line that says why there is none.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.servers == 0 || self.servers > MAX_SERVERS {
            return Err(format!("a herd on a page has from 1 to {MAX_SERVERS} servers, not {}", self.servers));
        }
        if self.clients > MAX_CLIENTS {
            return Err(format!("a herd on a page has at most {MAX_CLIENTS} clients at first, not {}", self.clients));
        }
        self.links.check(self.servers)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let (time, events) = text.split_once('@').map_or((text, None), |(time, events)| (time, Some(events)));
        let wrong = || format!("{text:?} is not a time in a run of at most a day, such as 12.25 or 12.25@4711");
        let events = events.map(str::parse).transpose().map_err(|_| wrong())?;
        let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let is_number = |text: &str| (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(seconds) || !is_number(fraction) {
            return Err(wrong());
        }
        let nanoseconds = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
        let time = Duration::new(seconds.parse().map_err(|_| wrong())?, nanoseconds);
        if time > MAX_TIME { Err(wrong()) } else { Ok(Place { time, events }) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.time.as_secs(), self.time.subsec_nanos());
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))?;
        self.events.map_or(Ok(()), |events| write!(f, "@{events}"))
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads what stands behind the `#` of an address; what stands before it does not matter.
    fn from_str(text: &str) -> Result<Address, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("an address has at most {MAX_LENGTH} bytes"));
        }
        let text = text.trim();
        let fragment = match text.split_once('#') {
            Some((_, fragment)) => fragment,
            None if text.contains("://") => "",
            None => text,
        };
        let mut address = Address::default();
        let mut links = None;
        for field in fragment.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').ok_or_else(|| format!("{field:?} has no ="))?;
            let settings = &mut address.settings;
            match name {
                "seed" => settings.seed = value.parse().map_err(|_| format!("{value:?} is not a seed"))?,
                "servers" => settings.servers = number(name, value, 1, MAX_SERVERS as u64)? as usize,
                "links" => links = Some(value.parse()?),
                "clients" => settings.clients = number(name, value, 0, MAX_CLIENTS as u64)? as usize,
                "rule" => settings.rule = value.parse()?,
                "delay" => settings.delay = number(name, value, 1, 10_000)?,
                "jitter" => settings.jitter = number(name, value, 0, 90)?,
                "every" => settings.every = number(name, value, 0, 3600)?,
                "at" => address.at = Some(value.parse()?),
                "do" => address.clicks = clicks(value)?,
                _ => return Err(format!("{name:?} is not a setting of a run")),
            }
        }
        let settings = &mut address.settings;
        let default = if settings.servers == 5 { Topology::Paper } else { Topology::Ring };
        settings.links = links.unwrap_or(default);
        settings.check()?;
        Ok(address)
    }
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} is a whole number from {least} to {most}, not {value:?}"))
}

fn clicks(text: &str) -> Result<Vec<Click>, String> {
    let mut clicks: Vec<Click> = Vec::new();
    for one in text.split(';').filter(|one| !one.is_empty()) {
        let (place, act) = one.split_once(':').ok_or_else(|| format!("{one:?} has no time before a colon"))?;
        let click = Click { place: place.parse()?, act: decoded(act)?.parse()? };
        if clicks.last().is_some_and(|last| last.place.time > click.place.time) {
            return Err(format!("the act at {} stands behind a later one", click.place));
        }
        clicks.push(click);
    }
    match clicks.len() {
        ..=MAX_ACTS => Ok(clicks),
        _ => Err(format!("a run has at most {MAX_ACTS} acts")),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { seed, servers, links, clients, rule, delay, jitter, every } = &self.settings;
        write!(f, "#seed={seed}&servers={servers}&links={links}&clients={clients}&rule={rule}")?;
        write!(f, "&delay={delay}&jitter={jitter}&every={every}")?;
        if let Some(at) = &self.at {
            write!(f, "&at={at}")?;
        }
        for (number, Click { place, act }) in self.clicks.iter().enumerate() {
            write!(f, "{}{place}:{}", if number == 0 { "&do=" } else { ";" }, encoded(&act.to_string()))?;
        }
        Ok(())
    }
}

/// The words of an act with commas between them. Other characters than those that an address has anyway are written
/// as `%` and two digits.
fn encoded(act: &str) -> String {
    let mut text = String::new();
    for byte in act.bytes() {
        match byte {
            b' ' => text.push(','),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'+' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}"); // Writing to a String cannot fail.
            }
        }
    }
    text
}

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not percent-encoded UTF-8");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b',' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(wrong);
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        let text = "#seed=7&servers=9&links=random:3&clients=0&rule=paper&delay=100&jitter=0&every=0&at=31.5&\
                    do=0.000000001:kill,S0001;12.25@4711:iamat,k%C3%AFwi%2C%3B,S0001,+34.1-118;12.25:rule,newest";
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(format!("http://127.0.0.1:12400/{text}").parse(), Ok(address.clone()));
        assert_eq!(address.clicks[1].act.to_string(), "iamat kïwi,; S0001 +34.1-118");
        let place = |nanoseconds, events| Place { time: Duration::from_nanos(nanoseconds), events };
        assert_eq!(address.clicks[1].place, place(12_250_000_000, Some(4711)));
        assert_eq!(address.at, Some(place(31_500_000_000, None)));
    }

    #[test]
    fn what_an_address_leaves_out_is_as_usual() {
        for text in ["", "http://127.0.0.1:12400/", "http://127.0.0.1:12400/#"] {
            assert_eq!(text.parse(), Ok(Address::default()), "{text}");
        }
        let six: Address = "#servers=6".parse().unwrap();
        assert_eq!(six.settings.links, Topology::Ring);
    }

    #[test]
    fn a_wrong_address_is_refused_with_a_reason() {
        for (text, why) in [
            ("#seed=x", "\"x\" is not a seed"),
            ("#servers=201", "servers is a whole number from 1 to 200, not \"201\""),
            ("#servers=4&links=paper", "the paper's herd has five servers, not 4: choose other links"),
            ("#colour=red", "\"colour\" is not a setting of a run"),
            ("#seed", "\"seed\" has no ="),
            ("#do=kill", "\"kill\" has no time before a colon"),
            ("#do=1:kill,A;0.5:kill,A", "the act at 0.5 stands behind a later one"),
            ("#do=1:kill%4,A", "\"kill%4,A\" is not percent-encoded UTF-8"),
            ("#at=-1", "\"-1\" is not a time in a run of at most a day, such as 12.25 or 12.25@4711"),
            ("#at=86401", "\"86401\" is not a time in a run of at most a day, such as 12.25 or 12.25@4711"),
        ] {
            assert_eq!(text.parse::<Address>(), Err(why.to_owned()), "{text}");
        }
        let many: String = (0..=MAX_ACTS).map(|_| "1:heal;").collect();
        assert!(format!("#do={many}").parse::<Address>().is_err());
        assert!("x".repeat(MAX_LENGTH + 1).parse::<Address>().is_err());
    }
}
