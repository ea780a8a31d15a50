//! The herd's commands: bytes in, values out, and back. Pure.
//!
//! A line is bytes, not text: a client's name may hold any byte that is not white space, and comes back unchanged. What
//! is checked here is form; who may say what is for [`crate::protocol`].

use crate::decimal::{self, Time};

/// A command, its fields as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A client says where it is.
    IamAt(IamAt<'a>),
    /// A client asks what is near another.
    WhatsAt(WhatsAt<'a>),
    /// A server tells what it knows.
    At(At<'a>),
    /// A server says which one it is.
    Peer(&'a [u8]),
}

/// `IAMAT client location time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IamAt<'a> {
    /// The client's name.
    pub client: &'a [u8],
    /// Where it is.
    pub location: Location<'a>,
    /// When that was, as it came.
    pub time_text: &'a [u8],
    /// When that was.
    pub time: Time,
}

/// `WHATSAT client radius bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhatsAt<'a> {
    /// The client around which to look.
    pub client: &'a [u8],
    /// How far to look, in kilometres, as it came: a decimal number from 0 to 50.
    pub radius: &'a [u8],
    /// How many places at most, 0 to 20.
    pub bound: usize,
}

/// `AT server difference client location time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The server that heard it from the client.
    pub server: &'a [u8],
    /// That server's clock minus the client's, as it came.
    pub difference: &'a [u8],
    /// The client's name.
    pub client: &'a [u8],
    /// Where it is.
    pub location: Location<'a>,
    /// When that was, as it came.
    pub time_text: &'a [u8],
    /// When that was.
    pub time: Time,
}

/// An ISO 6709 location in decimal degrees, such as `+34.068930-118.445127`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    /// As it came.
    pub text: &'a [u8],
    /// Where in `text` the longitude begins.
    split: usize,
}

/// The most degrees of a latitude and a longitude.
const DEGREES: (u32, u32) = (90, 180);

/// The farthest that a WHATSAT may look, in kilometres, and the most places that it may ask for.
const MOST: (u32, u32) = (50, 20);

/// White space of the protocol: space, tab, CR, form feed, vertical tab.
pub fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0c | 0x0b)
}

/// Whether a line holds nothing at all: it gets no reply.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| is_white(*byte))
}

/// The command that a line holds, or `None` if it is not a proper one.
///
/// ```
/// use proxyherd::message::{Command, parse};
/// let line = b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450";
/// let Some(Command::IamAt(iamat)) = parse(line) else { panic!() };
/// assert_eq!(iamat.client, b"kiwi.cs.ucla.edu");
/// ```
pub fn parse(line: &[u8]) -> Option<Command<'_>> {
    let mut fields = line.split(|byte| is_white(*byte)).filter(|field| !field.is_empty());
    let mut next = || fields.next();
    let command = match next()? {
        b"IAMAT" => {
            let (client, location, time_text) = (next()?, Location::parse(next()?)?, next()?);
            Command::IamAt(IamAt { client, location, time_text, time: Time::parse(time_text)? })
        }
        b"WHATSAT" => {
            let (client, radius, bound) = (next()?, next()?, decimal::whole_at_most(next()?, MOST.1)?);
            decimal::is_at_most(radius, MOST.0).then_some(())?;
            Command::WhatsAt(WhatsAt { client, radius, bound: bound as usize })
        }
        b"AT" => {
            let (server, difference, client) = (next()?, next()?, next()?);
            decimal::is_signed_decimal(difference).then_some(())?;
            let (location, time_text) = (Location::parse(next()?)?, next()?);
            Command::At(At { server, difference, client, location, time_text, time: Time::parse(time_text)? })
        }
        b"PEER" => Command::Peer(next()?),
        _ => return None,
    };
    next().is_none().then_some(command)
}

impl<'a> Location<'a> {
    /// Sign, latitude, sign, longitude.
    pub fn parse(text: &'a [u8]) -> Option<Location<'a>> {
        let sign = |byte: &u8| matches!(byte, b'+' | b'-');
        text.first().filter(|byte| sign(byte))?;
        let split = 1 + text[1..].iter().position(sign)?;
        let (latitude, longitude) = text.split_at(split);
        let proper = decimal::is_at_most(&latitude[1..], DEGREES.0) && decimal::is_at_most(&longitude[1..], DEGREES.1);
        proper.then_some(Location { text, split })
    }

    /// The latitude in degrees, as a plain number without a plus.
    pub fn latitude(&self) -> String {
        plain(&self.text[..self.split])
    }

    /// The longitude in degrees, as a plain number without a plus.
    pub fn longitude(&self) -> String {
        plain(&self.text[self.split..])
    }
}

/// Digits that a Places service cannot make use of are left out: this is far less than an atom's width.
const DEGREE_DIGITS: usize = 20;

/// `+.5` is `0.5`, `-7.` is `-7`, `-0.0` is `0.0`.
fn plain(signed: &[u8]) -> String {
    let (sign, number) = signed.split_at(1);
    let number = String::from_utf8_lossy(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = &fraction[..fraction.len().min(DEGREE_DIGITS)];
    let is_zero = whole == "0" && fraction.bytes().all(|digit| digit == b'0');
    let sign = if sign == b"-" && !is_zero { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl At<'_> {
    /// The line that servers send each other, with single spaces and without an end, appended to `line`.
    pub fn write_to(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b"AT");
        for field in [self.server, self.difference, self.client, self.location.text, self.time_text] {
            line.push(b' ');
            line.extend_from_slice(field);
        }
    }
}

#[cfg(test)]
mod tests;
