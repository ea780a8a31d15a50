//! What a server and the store say to each other: keys, the arguments of the functions, and what they may reply. Pure.
//!
//! `function.lua` is the other half. A reply that is not one of those here is not believed.
//!
//! Next: `nodes.rs`, the servers of the store.

use crate::decimal::Time;
use crate::locations::{Stamp, Version};
use crate::message::{self, Command as Line, Location};
use reactor::resp::{Command, SLOTS, Value, slot_of};
use std::sync::LazyLock;
use std::time::Duration;

/// The library that is loaded into the store.
pub const LIBRARY: &str = include_str!("function.lua");

/// Its version, as `function.lua` has it.
pub const LIBRARY_VERSION: i64 = 1;

/// The name of the library, and the beginning of all keys.
pub(super) const NAME: &str = "proxyherd";

/// The number of digits of a time in a value.
const DIGITS: usize = 22;

/// The client that probes report. No client can have this name, because of the space.
const PROBE: &str = " probe";

/// A version of a client's location that the store shall have if it is newer than what is there.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The version.
    pub version: Version<'a>,
    /// Where the client is; a FORGOT has no location.
    pub location: Option<Location<'a>>,
    /// How long after it was heard it is forgotten.
    pub forget: Duration,
    /// Whether the client may be one that the store does not know.
    pub may_be_new: bool,
}

/// What has become of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// The store has it.
    Stored {
        /// The store had nothing of this client.
        is_new: bool,
    },
    /// The store had it already.
    Same,
    /// The store has a newer version.
    Older(Stored),
    /// The client would be a new one, and may not be.
    NotAdmitted,
}

/// What the store has of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The line: an AT or a FORGOT.
    pub line: Vec<u8>,
    /// The client's time.
    pub time: Time,
    /// When a server heard the client.
    pub heard: Stamp,
}

/// The bucket of a client.
pub fn bucket_of(client: &[u8], buckets: u16) -> u16 {
    slot_of(client) % buckets.max(1)
}

/// The key of a client.
pub(super) fn key_of(client: &[u8], bucket: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(client.len() + 20);
    key.extend_from_slice(format!("{{{NAME}:{bucket}}}:").as_bytes());
    key.extend_from_slice(client);
    key
}

/// The key of a bucket's index.
pub(super) fn places_of(bucket: u16) -> String {
    format!("{{{NAME}:{bucket}}}places")
}

/// The slot of all keys of a bucket.
pub(super) fn slot_of_bucket(bucket: u16) -> u16 {
    /// Made once: whatever concerns a server of a cluster looks at all buckets.
    static SLOTS_OF_BUCKETS: LazyLock<Vec<u16>> =
        LazyLock::new(|| (0..SLOTS).map(|bucket| slot_of(places_of(bucket).as_bytes())).collect());
    SLOTS_OF_BUCKETS[usize::from(bucket)] // There are no more buckets than slots.
}

/// The client of a key; `None` if it is another key.
pub(super) fn client_of(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(b"{proxyherd:")?;
    rest.get(memchr::memchr(b'}', rest)? + 1..)?.strip_prefix(b":")
}

/// The value of a version.
fn value_of(version: &Version<'_>) -> Vec<u8> {
    let mut value = Vec::with_capacity(DIGITS + 1 + version.line.len());
    value.extend_from_slice(version.time.sort_digits().as_bytes());
    value.push(b' ');
    value.extend_from_slice(version.line);
    value
}

/// Offers a version. With `must_write`, something is written in any case, so that a `WAIT` behind it has a meaning.
pub(super) fn offer(offer: &Offer<'_>, bucket: u16, must_write: bool) -> Command<'static> {
    let places = offer.location.map(|location| (location.longitude(), location.latitude()));
    let (longitude, latitude) = places.unwrap_or_default();
    let expires = offer.version.heard.later_by(offer.forget).milliseconds();
    Command::new("FCALL")
        .arg("proxyherd_offer")
        .arg(2)
        .key(key_of(offer.version.client, bucket))
        .key(places_of(bucket))
        .arg(value_of(&offer.version))
        .arg(expires.to_string())
        .arg(longitude)
        .arg(latitude)
        .arg(if offer.may_be_new { "1" } else { "0" })
        .arg(if must_write { "1" } else { "0" })
        .into_owned()
}

/// What a reply to [`offer`] means; `None` if the function cannot have given it.
pub(super) fn offered(reply: &Value, client: &[u8]) -> Option<Offered> {
    match reply {
        Value::Integer(2) => Some(Offered::Stored { is_new: true }),
        Value::Integer(1) => Some(Offered::Stored { is_new: false }),
        Value::Integer(0) => Some(Offered::Same),
        Value::Integer(-1) => Some(Offered::NotAdmitted),
        Value::Bytes(value) => Stored::parse(value.clone(), client).map(Offered::Older),
        _ => None,
    }
}

/// Asks for what the store has of a client.
pub(super) fn look_up(client: &[u8], bucket: u16) -> Command<'static> {
    Command::new("GET").key(key_of(client, bucket))
}

/// An offer to a bucket, to see whether it takes any. It goes the whole way of an offer of a new client. What it writes
/// has expired before, so that the next one does the same.
pub(super) fn probe(bucket: u16) -> Command<'static> {
    const EXPIRES: &str = "1";
    let value = format!("{:0DIGITS$} {PROBE}", 0);
    let [longitude, latitude, may_be_new, must_write] = ["0", "85", "1", "1"];
    Command::new("FCALL")
        .arg("proxyherd_offer")
        .arg("2")
        .key(key_of(PROBE.as_bytes(), bucket))
        .key(places_of(bucket))
        .args([&value, EXPIRES, longitude, latitude, may_be_new, must_write])
        .into_owned()
}

/// Marks a bucket with something that was never written before, unless it has a mark. A server of the store that has
/// lost its keys has lost its mark, too.
pub(super) fn mark(bucket: u16, with: &str) -> Command<'_> {
    Command::new("SET").key(format!("{{{NAME}:{bucket}}}mark")).arg(with).arg("NX").arg("GET")
}

/// The command of the function that the store has refused, from the text of its error, which names a line of the
/// library.
pub(super) fn called(error: &str) -> Option<&'static str> {
    let (_, place) = error.split_once("user_function:")?;
    let digits: String = place.trim_start().chars().take_while(char::is_ascii_digit).collect();
    let line = LIBRARY.lines().nth(digits.parse::<usize>().ok()?.checked_sub(1)?)?;
    let (_, command) = line.split_once("redis.call('")?;
    command.split('\'').next()
}

/// The key that a command of the function is about; `None` if that is a client's.
pub(super) fn index_of(command: &str, bucket: u16) -> Option<String> {
    matches!(command, "GEOADD" | "ZREM" | "ZRANDMEMBER").then(|| places_of(bucket))
}

/// Says how many buckets there are, unless somebody has said so before.
pub(super) fn claim_buckets(buckets: u16) -> Command<'static> {
    Command::new("SET").key(format!("{{{NAME}}}buckets")).arg(buckets).arg("NX").arg("GET")
}

impl Stored {
    /// Reads a value. `None` if it is not one, or one of another client.
    pub(super) fn parse(mut value: Vec<u8>, client: &[u8]) -> Option<Stored> {
        let digits = value.get(..DIGITS)?;
        let line = value.get(DIGITS..)?.strip_prefix(b" ")?;
        let (of, time, clock) = match message::parse(line).ok()? {
            Line::At(at) => (at.iamat.client, at.iamat.time, at.clock()?),
            Line::Forgot(forgot) => (forgot.client, forgot.time, forgot.clock()?),
            _ => return None,
        };
        if of != client || digits != time.sort_digits().as_bytes() {
            return None;
        }
        let heard = Stamp::from(clock);
        value.drain(..=DIGITS);
        Some(Stored { line: value, time, heard })
    }

    /// Whether it says where the client is.
    pub fn has_location(&self) -> bool {
        self.line.starts_with(b"AT ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"AT Powell +0.250000000 kiwi +34.5-118 1000.5";
    const VALUE: &str = "1000000001000500000000 AT Powell +0.250000000 kiwi +34.5-118 1000.5";

    #[test]
    fn times_and_their_digits_have_one_order() {
        let texts =
            ["-999999999999.999999999", "-1.5", "-1.000000001", "-1", "0", "0.000000001", "1", "999999999999.9"];
        let digits: Vec<String> =
            texts.iter().map(|text| Time::parse(text.as_bytes()).unwrap().sort_digits()).collect();
        assert!(digits.is_sorted() && digits.iter().all(|digits| digits.len() == DIGITS), "{digits:?}");
        assert_eq!(digits[4], "1000000000000000000000");
    }

    #[test]
    fn an_offer_is_what_the_function_takes() {
        let Ok(Line::At(at)) = message::parse(LINE) else { panic!() };
        let heard = Stamp::from(at.clock().unwrap());
        let version = Version { client: b"kiwi", time: at.iamat.time, heard, line: LINE };
        let location = Some(at.iamat.location);
        let made = Offer { version, location, forget: Duration::from_secs(10), may_be_new: true };
        let text = String::from_utf8(offer(&made, 7, false).to_bytes()).unwrap();
        let words: Vec<&str> = text.split("\r\n").skip(2).step_by(2).collect();
        let expected =
            ["FCALL", "proxyherd_offer", "2", "{proxyherd:7}:kiwi", "{proxyherd:7}places", VALUE, "1010750", "-118"];
        assert_eq!(words[..8], expected);
        assert_eq!(words[8..], ["34.5", "1", "0"]);
        assert_eq!(client_of(b"{proxyherd:7}:kiwi"), Some(&b"kiwi"[..]));
        assert_eq!((client_of(b"{proxyherd:7}places"), client_of(b"x")), (None, None));
    }

    #[test]
    fn only_replies_of_the_function_are_believed() {
        let stored = Stored::parse(VALUE.into(), b"kiwi").unwrap();
        assert_eq!((&stored.line[..], stored.heard.to_string().as_str()), (LINE, "1000.750000000"));
        assert_eq!(offered(&Value::from(VALUE), b"kiwi"), Some(Offered::Older(stored)));
        assert_eq!(offered(&Value::Integer(0), b"kiwi"), Some(Offered::Same));
        for lie in [Value::Integer(3), Value::Null, Value::from("x"), Value::Boolean(true), Value::Array(vec![].into())]
        {
            assert_eq!(offered(&lie, b"kiwi"), None, "{lie:?}");
        }
        let wrong_time = VALUE.replace("0001000500", "0001000501");
        for lie in [&wrong_time, &VALUE.replace("AT P", "PEER P"), &VALUE.replace("kiwi", "kiwi2"), &VALUE[..40], ""] {
            assert_eq!(Stored::parse(lie.into(), b"kiwi"), None, "{lie}");
        }
    }

    #[test]
    fn an_error_of_the_function_names_the_command_in_its_line() {
        let error = |line: usize| format!("WRONGTYPE x script: proxyherd_offer, on @user_function:{line}.");
        let line = |call: &str| LIBRARY.lines().position(|line| line.contains(call)).unwrap() + 1;
        assert_eq!(called(&error(line("call('GEOADD', places, lo"))), Some("GEOADD"));
        assert_eq!(called(&error(line("call('GET', key)"))), Some("GET"));
        for none in [error(0), error(1), error(100_000), "WRONGTYPE x".to_owned(), "user_function:x".to_owned()] {
            assert_eq!(called(&none), None, "{none}");
        }
        assert_eq!(index_of("GEOADD", 7).as_deref(), Some("{proxyherd:7}places"));
        assert_eq!(index_of("GET", 7), None);
    }

    #[test]
    fn the_library_says_its_version() {
        assert!(LIBRARY.contains(&format!("local VERSION = {LIBRARY_VERSION}\n")));
        assert!(LIBRARY.starts_with(&format!("#!lua name={NAME}\n")));
    }
}
