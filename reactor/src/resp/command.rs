//! [`Command`]: what is sent, an array of byte strings.
//!
//! ```text
//!   *3 CRLF     $3 CRLF SET CRLF   $3 CRLF key CRLF   $1000000 CRLF    a million bytes    CRLF
//!   the count   '-- short arguments, with their lengths: one buffer -'  '- kept apart -'  '-- the buffer goes on
//! ```
//!
//! The count stands first and is known last, so it is written when the command is sent. A long argument is not copied
//! into the buffer: the transport copies it once, from where it is.
//!
//! Next: `client/mod.rs`, the client on top of all this.

use super::error::CrossSlotError;
use super::slot::slot_of;
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::ops::Range;

/// An argument of more bytes is not copied into the command's buffer. Below that a copy costs less than a piece of its
/// own.
const LONG: usize = 1024;

/// A command: its name, and its arguments. It may borrow them: sending it copies them once.
///
/// ```
/// use reactor::resp::Command;
///
/// let command = Command::new("SET").arg("greeting").arg(b"hello").arg("EX").arg(60);
/// assert_eq!(command.to_bytes(), b"*5\r\n$3\r\nSET\r\n$8\r\ngreeting\r\n$5\r\nhello\r\n$2\r\nEX\r\n$2\r\n60\r\n");
/// // The same for arguments of one type:
/// assert_eq!(Command::from(["GET", "greeting"]).to_bytes(), b"*2\r\n$3\r\nGET\r\n$8\r\ngreeting\r\n");
/// ```
#[derive(Clone)]
pub struct Command<'a> {
    /// Number of arguments, the name included.
    count: usize,
    /// The arguments with their lengths, without the long ones.
    encoded: Vec<u8>,
    /// The long ones, each with the place in `encoded` where it belongs.
    long: Vec<(usize, Cow<'a, [u8]>)>,
    name: Range<usize>,
    keys: Keys,
}

/// The slots of the arguments that were marked as keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    In(u16),
    /// At least these two.
    Apart(u16, u16),
}

impl<'a> Command<'a> {
    /// A command of this name, without arguments.
    pub fn new(name: &'a str) -> Command<'a> {
        let mut command = Command::empty();
        command.append(Cow::Borrowed(name.as_bytes()));
        command
    }

    fn empty() -> Command<'a> {
        Command { count: 0, encoded: Vec::with_capacity(64), long: Vec::new(), name: 0..0, keys: Keys::None }
    }

    /// Adds an argument: text, bytes or a number.
    pub fn arg(mut self, argument: impl Argument<'a>) -> Command<'a> {
        argument.add_to(&mut self);
        self
    }

    /// Adds several arguments.
    pub fn args<A: Argument<'a>>(self, arguments: impl IntoIterator<Item = A>) -> Command<'a> {
        arguments.into_iter().fold(self, Command::arg)
    }

    /// Adds an argument that is a key. A `Cluster` sends the command where the key is. For a single server this is the
    /// same as [`arg`](Command::arg).
    ///
    /// The program says which arguments are keys. The alternative, a table of all commands, would be wrong for the next
    /// version of the server, for modules and for functions.
    pub fn key(mut self, key: impl Argument<'a>) -> Command<'a> {
        let (before, long_before) = (self.encoded.len(), self.long.len());
        key.add_to(&mut self);
        let bytes: &[u8] = match self.long.get(long_before) {
            Some((_, long)) => long,
            None => {
                let added = &self.encoded[before..];
                let length = memchr::memchr(b'\n', added).unwrap_or(0) + 1;
                added.get(length..added.len().saturating_sub(2)).unwrap_or(&[])
            }
        };
        let slot = slot_of(bytes);
        self.keys = match self.keys {
            Keys::None => Keys::In(slot),
            Keys::In(other) if other != slot => Keys::Apart(other, slot),
            keys => keys,
        };
        self
    }

    /// Adds one argument: what an [`Argument`] calls, exactly once.
    pub fn append(&mut self, bytes: impl Into<Cow<'a, [u8]>>) {
        let bytes = bytes.into();
        self.encoded.push(b'$');
        push_decimal(bytes.len(), &mut self.encoded);
        self.encoded.extend_from_slice(b"\r\n");
        let start = self.encoded.len();
        if bytes.len() > LONG && self.count > 0 {
            self.long.push((start, bytes));
        } else {
            self.encoded.extend_from_slice(&bytes);
        }
        if self.count == 0 {
            self.name = start..self.encoded.len();
        }
        self.encoded.extend_from_slice(b"\r\n");
        self.count += 1;
    }

    /// Its name, as the program wrote it.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name_bytes())
    }

    pub(super) fn name_bytes(&self) -> &[u8] {
        &self.encoded[self.name.clone()]
    }

    /// The first argument, if it is a short one: the name of a subcommand.
    pub(super) fn second_word(&self) -> Option<&[u8]> {
        let rest = self.encoded.get(self.name.end + 2..)?;
        let end = memchr::memchr(b'\n', rest)?;
        let length: usize = std::str::from_utf8(rest.get(1..end.checked_sub(1)?)?).ok()?.parse().ok()?;
        rest.get(end + 1..)?.get(..length)
    }

    /// The slot of its keys; `None` if no argument was marked as a [`key`](Command::key).
    ///
    /// # Errors
    /// If its keys are in different slots: no server of a cluster takes such a command.
    pub fn slot(&self) -> Result<Option<u16>, CrossSlotError> {
        match self.keys {
            Keys::None => Ok(None),
            Keys::In(slot) => Ok(Some(slot)),
            Keys::Apart(slot, other) => Err(CrossSlotError { slot, other }),
        }
    }

    /// Number of bytes that it takes on the wire.
    pub fn wire_size(&self) -> usize {
        let long: usize = self.long.iter().map(|(_, bytes)| bytes.len()).sum();
        1 + decimal_digits(self.count) + 2 + self.encoded.len() + long
    }

    /// The bytes that are sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.wire_size());
        self.each_piece(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    /// The same command, which borrows nothing.
    pub fn into_owned(self) -> Command<'static> {
        let long = self.long.into_iter().map(|(at, bytes)| (at, Cow::Owned(bytes.into_owned()))).collect();
        Command { count: self.count, encoded: self.encoded, long, name: self.name, keys: self.keys }
    }

    /// Calls `take` with each piece of what is sent, in order.
    pub(super) fn each_piece(&self, mut take: impl FnMut(&[u8])) {
        let mut head = Head::default();
        take(head.of(self.count));
        let mut from = 0;
        for (at, bytes) in &self.long {
            take(&self.encoded[from..*at]);
            take(bytes);
            from = *at;
        }
        take(&self.encoded[from..]);
    }
}

/// The line in front of the arguments, made without an allocation.
#[derive(Default)]
struct Head([u8; 24]);

impl Head {
    fn of(&mut self, count: usize) -> &[u8] {
        let mut rest = &mut self.0[..];
        // Twenty digits, and three bytes around them, fit.
        let _ = write!(rest, "*{count}\r\n");
        let left = rest.len();
        &self.0[..self.0.len() - left]
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn push_decimal(number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// Shows its name and the number of its arguments. They may be secrets.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} with {} arguments)", self.name(), self.count - 1)
    }
}

impl<'a, A: Argument<'a>, const N: usize> From<[A; N]> for Command<'a> {
    fn from(words: [A; N]) -> Command<'a> {
        const { assert!(N > 0, "a command has a name") };
        Command::empty().args(words)
    }
}

/// What can be an argument of a [`Command`]: text, bytes, and numbers, which go out in decimal.
pub trait Argument<'a> {
    /// Adds it by one call of [`Command::append`].
    fn add_to(self, command: &mut Command<'a>);
}

impl<'a> Argument<'a> for &'a str {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self.as_bytes());
    }
}

impl<'a> Argument<'a> for &'a String {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self.as_bytes());
    }
}

impl<'a> Argument<'a> for String {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self.into_bytes());
    }
}

impl<'a> Argument<'a> for &'a [u8] {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self);
    }
}

impl<'a, const N: usize> Argument<'a> for &'a [u8; N] {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(&self[..]);
    }
}

impl<'a> Argument<'a> for &'a Vec<u8> {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(&self[..]);
    }
}

impl<'a> Argument<'a> for Vec<u8> {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self);
    }
}

impl<'a> Argument<'a> for Cow<'a, [u8]> {
    fn add_to(self, command: &mut Command<'a>) {
        command.append(self);
    }
}

macro_rules! numbers_are_arguments {
    ($($number:ty)*) => {$(
        impl<'a> Argument<'a> for $number {
            fn add_to(self, command: &mut Command<'a>) {
                command.append(self.to_string().into_bytes());
            }
        }
    )*};
}

numbers_are_arguments!(i32 i64 u16 u32 u64 usize);

/// Written so that reading it gives the same number; infinity and NaN as the server writes them.
impl<'a> Argument<'a> for f64 {
    fn add_to(self, command: &mut Command<'a>) {
        let text = if self.is_nan() { "nan".to_owned() } else { self.to_string() };
        command.append(text.into_bytes());
    }
}
