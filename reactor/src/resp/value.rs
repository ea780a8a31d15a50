//! [`Value`]: what a server sends, RESP2 and RESP3 alike.
//!
//! A server may nest arrays in arrays. The parser limits the depth, but a program can build a value of any depth by
//! itself. So nothing here recurses: [`Values`] is dropped, copied, compared and shown with a stack of its own.
//!
//! Next: `error.rs`, what can be wrong with a reply.

use super::error::ServerError;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::slice;

/// One value of the protocol.
///
/// RESP2 has three ways to say "nothing", and RESP3 has a fourth; here all of them are [`Null`](Value::Null).
/// Attributes of RESP3 are read and dropped: no server sends one unless it was asked to.
///
/// ```
/// use reactor::resp::Value;
///
/// let value = Value::Bytes(b"42".to_vec());
/// assert_eq!(value.as_integer(), Some(42));
/// assert_eq!(value.as_str(), Some("42"));
/// ```
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A short text without line ends, such as `OK`.
    Simple(Vec<u8>),
    /// An error. As the whole reply to a command it becomes the failure of the Deferred; inside an array it stands
    /// here.
    Error(ServerError),
    /// A number of 64 bits.
    Integer(i64),
    /// A number of any size: an optional sign and digits.
    BigNumber(String),
    /// A number with a binary point. NaN is unequal to itself, so a value with a NaN in it is, too.
    Double(f64),
    /// True or false.
    Boolean(bool),
    /// Nothing: a key that is not there, for example.
    Null,
    /// Any bytes.
    Bytes(Vec<u8>),
    /// Text, with its format in three bytes: `txt` or `mkd` (Markdown).
    Verbatim([u8; 3], Vec<u8>),
    /// Values in their order.
    Array(Values),
    /// Keys and values in turn, so always an even number; see [`Value::pairs`].
    Map(Values),
    /// Values without an order. The server promises that they differ; nobody checks it.
    Set(Values),
    /// A message that answers no command. Only the parser gives these out; a client takes them for itself.
    Push(Values),
}

impl Value {
    /// The bytes of a text of any kind, and of a big number. `None` for everything else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bytes(bytes) | Value::Verbatim(_, bytes) => Some(bytes),
            Value::BigNumber(digits) => Some(digits.as_bytes()),
            _ => None,
        }
    }

    /// As [`as_bytes`](Value::as_bytes), if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An integer, or a text that is one: many commands answer numbers as text.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// A double or an integer, or a text that is a number: RESP2 has no doubles.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Value::Double(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// Whether it is [`Null`](Value::Null).
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The values in an array, a set, a push or a map (keys and values in turn). `None` for everything else.
    pub fn elements(&self) -> Option<&Values> {
        match self {
            Value::Array(values) | Value::Map(values) | Value::Set(values) | Value::Push(values) => Some(values),
            _ => None,
        }
    }

    /// The pairs of a map, or of an array with an even number of values, which is how RESP2 sends a map. A program that
    /// uses this need not know which of the two it speaks. `None` for everything else.
    pub fn pairs(&self) -> Option<impl ExactSizeIterator<Item = (&Value, &Value)>> {
        match self {
            Value::Array(values) | Value::Map(values) if values.len().is_multiple_of(2) => {
                Some(values.chunks_exact(2).map(|pair| (&pair[0], &pair[1])))
            }
            _ => None,
        }
    }

    /// The bytes themselves, where [`as_bytes`](Value::as_bytes) would show them.
    ///
    /// # Errors
    /// The value, if it is something else.
    pub fn into_bytes(self) -> Result<Vec<u8>, Value> {
        match self {
            Value::Simple(bytes) | Value::Bytes(bytes) | Value::Verbatim(_, bytes) => Ok(bytes),
            Value::BigNumber(digits) => Ok(digits.into_bytes()),
            other => Err(other),
        }
    }

    /// The same kind of aggregate with other values, if it is an aggregate.
    fn with_elements(&self, values: Values) -> Option<Value> {
        match self {
            Value::Array(_) => Some(Value::Array(values)),
            Value::Map(_) => Some(Value::Map(values)),
            Value::Set(_) => Some(Value::Set(values)),
            Value::Push(_) => Some(Value::Push(values)),
            _ => None,
        }
    }

    fn elements_mut(&mut self) -> Option<&mut Values> {
        match self {
            Value::Array(values) | Value::Map(values) | Value::Set(values) | Value::Push(values) => Some(values),
            _ => None,
        }
    }
}

/// The values in an aggregate: a slice of [`Value`], owned. It may be nested as deep as memory allows.
#[derive(Default)]
pub struct Values(Vec<Value>);

impl Values {
    /// The values as a vector.
    pub fn into_vec(mut self) -> Vec<Value> {
        mem::take(&mut self.0)
    }
}

impl From<Vec<Value>> for Values {
    fn from(values: Vec<Value>) -> Values {
        Values(values)
    }
}

impl Deref for Values {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl IntoIterator for Values {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a Values {
    type Item = &'a Value;
    type IntoIter = slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Drop for Values {
    /// Takes the values apart level by level. What is dropped inside has been emptied before, so it has nothing to do.
    fn drop(&mut self) {
        let mut inner = Vec::new();
        take_inner(&mut self.0, &mut inner);
        while let Some(mut values) = inner.pop() {
            take_inner(&mut values, &mut inner);
        }
    }
}

fn take_inner(values: &mut [Value], inner: &mut Vec<Vec<Value>>) {
    for value in values {
        if let Some(values) = value.elements_mut().filter(|values| !values.is_empty()) {
            inner.push(mem::take(&mut values.0));
        }
    }
}

impl Clone for Values {
    fn clone(&self) -> Values {
        /// A level that is being copied: what is left of it, its copy so far, and the aggregate that it is.
        struct Level<'a> {
            left: slice::Iter<'a, Value>,
            copy: Vec<Value>,
            of: Option<&'a Value>,
        }
        fn level<'a>(values: &'a [Value], of: Option<&'a Value>) -> Level<'a> {
            Level { left: values.iter(), copy: Vec::with_capacity(values.len()), of }
        }
        let mut above = Vec::new();
        let mut now = level(self, None);
        loop {
            match now.left.next() {
                Some(value) => match value.elements() {
                    Some(values) => above.push(mem::replace(&mut now, level(values, Some(value)))),
                    None => now.copy.push(value.clone()),
                },
                None => match (above.pop(), now.of.and_then(|of| of.with_elements(Values(mem::take(&mut now.copy))))) {
                    (Some(mut up), Some(copy)) => {
                        up.copy.push(copy);
                        now = up;
                    }
                    _ => return Values(now.copy),
                },
            }
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        let mut left = vec![(&self.0, &other.0)];
        while let Some((ours, theirs)) = left.pop() {
            if ours.len() != theirs.len() {
                return false;
            }
            for (our, their) in ours.iter().zip(theirs) {
                match (our, their) {
                    (Value::Array(ours), Value::Array(theirs))
                    | (Value::Map(ours), Value::Map(theirs))
                    | (Value::Set(ours), Value::Set(theirs))
                    | (Value::Push(ours), Value::Push(theirs)) => left.push((&ours.0, &theirs.0)),
                    // Of two kinds, or neither has values in it: this does not come back here.
                    _ if our != their => return false,
                    _ => {}
                }
            }
        }
        true
    }
}

/// As the values of Rust that they are like: `[1, "two", {"three": nil}]`. Bytes that are not UTF-8 are escaped.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Value::Error(error) => write!(f, "error {:?}", error.text()),
            Value::Integer(number) => write!(f, "{number}"),
            Value::BigNumber(digits) => write!(f, "{digits}n"),
            Value::Double(number) => write!(f, "{number:?}"),
            Value::Boolean(is_true) => write!(f, "{is_true}"),
            Value::Null => f.write_str("nil"),
            Value::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::Verbatim(format, text) => write!(f, "{}:\"{}\"", format.escape_ascii(), text.escape_ascii()),
            Value::Array(_) | Value::Map(_) | Value::Set(_) | Value::Push(_) => show(slice::from_ref(self), f),
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        show(self, f)?;
        f.write_str("]")
    }
}

/// Shows `values`, with commas between them, and all that is in them.
fn show(values: &[Value], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // For each level: what is left of it, how many were shown, whether they are keys and values, and what ends it.
    let mut levels = vec![(values.iter(), 0, false, "")];
    while let Some((left, shown, is_map, end)) = levels.last_mut() {
        let Some(value) = left.next() else {
            f.write_str(end)?;
            levels.pop();
            continue;
        };
        match *shown {
            0 => {}
            count if *is_map && count % 2 == 1 => f.write_str(": ")?,
            _ => f.write_str(", ")?,
        }
        *shown += 1;
        let (begin, end) = match value {
            Value::Array(_) => ("[", "]"),
            Value::Map(_) => ("{", "}"),
            Value::Set(_) => ("set[", "]"),
            Value::Push(_) => ("push[", "]"),
            _ => ("", ""),
        };
        match value.elements() {
            Some(values) => {
                f.write_str(begin)?;
                levels.push((values.iter(), 0, matches!(value, Value::Map(_)), end));
            }
            None => write!(f, "{value:?}")?,
        }
    }
    Ok(())
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.to_vec())
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::Array(values.into())
    }
}
