//! The herd's commands, as `docs/protocol.md` defines them: bytes in, values out, and back. Pure.
//!
//! A line is bytes, not text: a client's name may hold any byte that is not white space, and comes back unchanged. This
//! file checks the form of a command. [`crate::protocol`] decides which peer may give it.
//!
//! Next: [`word.rs`](../../src/proxyherd/word.rs.html), eight bytes of a line at once.

use crate::decimal::{self, Difference, Time};
use crate::digest::Node;
use crate::word::{self, before_mark, each};
use std::fmt;

/// A command. Its fields borrow from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A client says where it is.
    IamAt(IamAt<'a>),
    /// A client asks what is near a client.
    WhatsAt(WhatsAt<'a>),
    /// A server passes on what a client said.
    At(At<'a>),
    /// A server says which one it is.
    Peer(&'a [u8]),
    /// An operator asks that this client be forgotten.
    Forget(&'a [u8]),
    /// A server passes on that a client is forgotten.
    Forgot(Forgot<'a>),
    /// A server says that it has forgotten everything that was heard before this time.
    Horizon(Time),
    /// A server wants to compare this part of its table with ours.
    Digest(Node),
}

/// `IAMAT client location time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IamAt<'a> {
    /// The client's name.
    pub client: &'a [u8],
    /// Where it says that it is.
    pub location: Location<'a>,
    /// The time that it gives, as it came: an AT repeats it byte for byte.
    pub time_text: &'a [u8],
    /// `time_text` as a number: of two locations, the later one counts.
    pub time: Time,
}

/// `WHATSAT client radius bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhatsAt<'a> {
    /// The client around which to look.
    pub client: &'a [u8],
    /// How far to look, in kilometres, as it came: a decimal number from 0 to [`MAX_RADIUS_KM`].
    pub radius: &'a [u8],
    /// The maximum number of places in the answer: 0 to [`MAX_BOUND`].
    pub bound: usize,
}

/// `AT server difference client location time`: the last three fields are those of the IAMAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The server that heard it from the client.
    pub server: &'a [u8],
    /// That server's clock minus the client's, as it came.
    pub difference: &'a [u8],
    /// The client's own words.
    pub iamat: IamAt<'a>,
}

/// `FORGOT server difference client time`: an AT without a location. It is newer than what it is to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgot<'a> {
    /// The server that was told to forget the client.
    pub server: &'a [u8],
    /// What its clock showed, minus `time`, as it came.
    pub difference: &'a [u8],
    /// The client.
    pub client: &'a [u8],
    /// The time that the version has, as it came.
    pub time_text: &'a [u8],
    /// `time_text` as a number.
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

/// Why a line is not a command: the first thing in it that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The line holds nothing but white space.
    Blank,
    /// The first field is not the name of a command.
    UnknownCommand,
    /// The line ends before this field.
    Missing(&'static str),
    /// Something follows the last field.
    ExtraField,
    /// A latitude or a longitude has no sign before it.
    SignMissing(&'static str),
    /// A latitude or a longitude is not a number of degrees.
    Degrees(&'static str, u32),
    /// Something follows the longitude.
    AfterLocation,
    /// A client's time is not one.
    Time,
    /// A radius is not one.
    Radius,
    /// A bound is not one.
    Bound,
    /// A difference is not what a server prints.
    Difference,
    /// The node of a digest is not one.
    Node,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Blank => f.write_str("the line is blank"),
            Malformed::UnknownCommand => f.write_str(
                "the first word is not a command: IAMAT, WHATSAT, FORGET, AT, FORGOT, HORIZON, DIGEST or PEER",
            ),
            Malformed::Missing(field) => write!(f, "the {field} is missing"),
            Malformed::ExtraField => f.write_str("something follows the last field"),
            Malformed::SignMissing(which) => write!(f, "the {which} has no sign before it"),
            Malformed::Degrees(which, most) => write!(f, "the {which} is not a number from 0 to {most} after its sign"),
            Malformed::AfterLocation => f.write_str("something follows the longitude"),
            Malformed::Time => f.write_str("the time is not seconds: at most twelve digits, and nine after a point"),
            Malformed::Radius => write!(f, "the radius is not a number from 0 to {MAX_RADIUS_KM}"),
            Malformed::Bound => write!(f, "the bound is not a whole number from 0 to {MAX_BOUND}"),
            Malformed::Node => f.write_str("the node is not a minus or one to three hexadecimal digits"),
            Malformed::Difference => f.write_str("the difference is not a sign, digits, a point and nine digits"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The maximum number of degrees of a latitude, north or south.
pub const MAX_LATITUDE: u32 = 90;

/// The maximum number of degrees of a longitude, east or west.
pub const MAX_LONGITUDE: u32 = 180;

/// The maximum radius of a WHATSAT, in kilometres: that of Google's Nearby Search.
pub const MAX_RADIUS_KM: u32 = 50;

/// The maximum number of places that a WHATSAT may ask for: one page of Google's.
pub const MAX_BOUND: u32 = 20;

/// Whether a byte separates fields: space, tab, carriage return, form feed or vertical tab.
pub fn is_white(byte: u8) -> bool {
    // Most bytes are above a space: for them the first comparison is enough.
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\r' | 0x0c | 0x0b)
}

/// Takes the white space off the front of a line. `None` if nothing else is left.
#[inline]
fn skip_white(rest: &mut &[u8]) -> Option<()> {
    // One space, as a rule.
    while is_white(*rest.first()?) {
        *rest = &rest[1..];
    }
    Some(())
}

/// Whether a field ends here.
#[inline]
fn is_end_of_field(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| is_white(*byte))
}

/// Takes the next field off the front of a line; `None` if only white space is left.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    skip_white(rest)?;
    let mut end = find_low(rest, 0);
    while !is_end_of_field(&rest[end..]) {
        end = find_low(rest, end + 1); // A control character that does not separate: it belongs to the field.
    }
    let (field, others) = rest.split_at(end);
    *rest = others;
    Some(field)
}

/// The position of the first byte from `start` on that is a space or lower; the length if there is none.
#[inline]
fn find_low(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        let word = word::first(&bytes[at..]);
        // Marks each byte below 0x21, and the zeros behind the end. Such a byte borrows from the one after it, which
        // may then be marked by mistake; so only the first mark is used.
        match before_mark(word.wrapping_sub(each(0x21)) & !word & each(0x80)) {
            8 => at += 8,
            place => return at + place,
        }
    }
    bytes.len()
}

/// Whether a line holds nothing but white space. Such a line gets no reply.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| is_white(*byte))
}

/// The command that a line holds.
///
/// ```
/// use proxyherd::message::{Command, Malformed, parse};
/// let line = b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450";
/// let Ok(Command::IamAt(iamat)) = parse(line) else { panic!() };
/// assert_eq!(iamat.client, b"kiwi.cs.ucla.edu");
/// assert_eq!(parse(b"IAMAT kiwi 34.068930-118.445127 1400794645"), Err(Malformed::SignMissing("latitude")));
/// ```
///
/// # Errors
/// What is wrong with it, if it is not well formed.
pub fn parse(line: &[u8]) -> Result<Command<'_>, Malformed> {
    let mut rest = line;
    let command = match next(&mut rest, "command").map_err(|_| Malformed::Blank)? {
        b"IAMAT" => Command::IamAt(IamAt::take(&mut rest)?),
        b"WHATSAT" => {
            let (client, radius) = (next(&mut rest, "client")?, next(&mut rest, "radius")?);
            let bound = next(&mut rest, "bound")?;
            decimal::is_at_most(radius, MAX_RADIUS_KM).then_some(()).ok_or(Malformed::Radius)?;
            let bound = decimal::whole_at_most(bound, MAX_BOUND).ok_or(Malformed::Bound)?;
            Command::WhatsAt(WhatsAt { client, radius, bound: bound as usize })
        }
        b"AT" => {
            let (server, difference) = (next(&mut rest, "server")?, next_difference(&mut rest)?);
            Command::At(At { server, difference, iamat: IamAt::take(&mut rest)? })
        }
        b"PEER" => Command::Peer(next(&mut rest, "server")?),
        b"FORGET" => Command::Forget(next(&mut rest, "client")?),
        b"FORGOT" => {
            let (server, difference) = (next(&mut rest, "server")?, next_difference(&mut rest)?);
            let client = next(&mut rest, "client")?;
            let (time_text, time) = next_time(&mut rest)?;
            Command::Forgot(Forgot { server, difference, client, time_text, time })
        }
        b"HORIZON" => Command::Horizon(next_time(&mut rest)?.1),
        b"DIGEST" => Command::Digest(Node::parse(next(&mut rest, "node")?).ok_or(Malformed::Node)?),
        _ => return Err(Malformed::UnknownCommand),
    };
    match next_field(&mut rest) {
        Some(_) => Err(Malformed::ExtraField),
        None => Ok(command),
    }
}

/// Takes a field that must be there.
fn next<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], Malformed> {
    next_field(rest).ok_or(Malformed::Missing(what))
}

fn next_difference<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let difference = next(rest, "difference")?;
    Difference::parse(difference).ok_or(Malformed::Difference)?;
    Ok(difference)
}

/// Takes a time, as it came and as a number. Its digits say where it ends, so nothing is searched.
fn next_time<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], Time), Malformed> {
    skip_white(rest).ok_or(Malformed::Missing("time"))?;
    let text = *rest;
    let time = Time::take(rest).filter(|_| is_end_of_field(rest)).ok_or(Malformed::Time)?;
    Ok((&text[..text.len() - rest.len()], time))
}

impl<'a> IamAt<'a> {
    /// The three fields that an IAMAT and an AT have in common.
    #[inline]
    fn take(rest: &mut &'a [u8]) -> Result<IamAt<'a>, Malformed> {
        let client = next(rest, "client")?;
        skip_white(rest).ok_or(Malformed::Missing("location"))?;
        let location = Location::take(rest)?;
        let (time_text, time) = next_time(rest)?;
        Ok(IamAt { client, location, time_text, time })
    }
}

impl<'a> Location<'a> {
    /// Reads sign, latitude, sign, longitude.
    ///
    /// # Errors
    /// If something else stands there, or follows.
    pub fn parse(text: &'a [u8]) -> Result<Location<'a>, Malformed> {
        let mut rest = text;
        let location = Location::take(&mut rest)?;
        rest.is_empty().then_some(location).ok_or(Malformed::AfterLocation)
    }

    /// Takes it off the front of a line, up to the end of a field.
    #[inline]
    fn take(rest: &mut &'a [u8]) -> Result<Location<'a>, Malformed> {
        let text = *rest;
        take_signed(rest, "latitude", MAX_LATITUDE)?;
        let split = text.len() - rest.len();
        take_signed(rest, "longitude", MAX_LONGITUDE)?;
        let text = &text[..text.len() - rest.len()];
        is_end_of_field(rest).then_some(Location { text, split }).ok_or(Malformed::AfterLocation)
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

/// Takes a sign and a number of at most `most` degrees off the front.
fn take_signed(rest: &mut &[u8], which: &'static str, most: u32) -> Result<(), Malformed> {
    *rest = match *rest {
        [b'+' | b'-', number @ ..] => number,
        other if is_end_of_field(other) => return Err(Malformed::Missing(which)),
        _ => return Err(Malformed::SignMissing(which)),
    };
    decimal::take_at_most(rest, most).ok_or(Malformed::Degrees(which, most))
}

/// The maximum number of digits after the point that a Places service is sent. The last of them stands for far less
/// than the width of an atom; without a limit a client could make a request as long as its line.
const MAX_FRACTION_DIGITS: usize = 20;

/// The number as JSON and a URL take it: `+.5` becomes `0.5`, `-7.` becomes `-7`, `-0.0` becomes `0.0`.
fn plain(signed: &[u8]) -> String {
    let (sign, number) = signed.split_at(1);
    let number = String::from_utf8_lossy(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let is_zero = whole == "0" && fraction.bytes().all(|digit| digit == b'0');
    let sign = if sign == b"-" && !is_zero { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl At<'_> {
    /// What the server's clock showed when it heard the client. `None` if the difference is not one that a server
    /// prints.
    pub fn clock(&self) -> Option<Time> {
        Some(self.iamat.time.plus(Difference::parse(self.difference)?))
    }

    /// Appends the line that servers send each other to `line`: single spaces, no line end.
    pub fn write_to(&self, line: &mut Vec<u8>) {
        let IamAt { client, location, time_text, .. } = self.iamat;
        write_fields(line, b"AT", [self.server, self.difference, client, location.text, time_text]);
    }
}

impl Forgot<'_> {
    /// What the server's clock showed. `None` if the difference is not one that a server prints.
    pub fn clock(&self) -> Option<Time> {
        Some(self.time.plus(Difference::parse(self.difference)?))
    }

    /// Appends the line that servers send each other to `line`, as that of an [`At`].
    pub fn write_to(&self, line: &mut Vec<u8>) {
        write_fields(line, b"FORGOT", [self.server, self.difference, self.client, self.time_text]);
    }
}

#[inline]
fn write_fields<const N: usize>(line: &mut Vec<u8>, word: &[u8], fields: [&[u8]; N]) {
    // One more than the fields need, for a line end later.
    line.reserve(word.len() + fields.iter().map(|field| field.len() + 1).sum::<usize>() + 1);
    line.extend_from_slice(word);
    for field in fields {
        line.push(b' ');
        line.extend_from_slice(field);
    }
}

#[cfg(test)]
mod tests;
