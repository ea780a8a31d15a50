//! RESP without a network: replies in every chunking, what is refused, limits, values of any depth, commands; and the
//! same bytes read by another parser.

mod commands;
mod differential;
mod limits;
mod reading;
mod refusals;
mod values;

use reactor::resp::{ReplyError, ReplyLimits, ReplyParser, Value};
use reactor::testing::for_every_chunking;

/// All replies in `chunks`, the error that ends them, and the number of bytes that were not used.
pub(crate) fn read_all(limits: &ReplyLimits, chunks: &[&[u8]]) -> (Vec<Value>, Option<ReplyError>) {
    let mut parser = ReplyParser::new(limits.clone());
    let mut replies = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        loop {
            match parser.next(&mut input) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => {
                    assert!(input.is_empty(), "bytes are left, and no reply came");
                    break;
                }
                Err(error) => {
                    assert_eq!(parser.next(&mut input).as_ref(), Err(&error), "a later call");
                    return (replies, Some(error));
                }
            }
        }
    }
    (replies, None)
}

/// What is in `bytes`, in whatever pieces they come. Compared as text: a NaN is unequal to itself.
#[track_caller]
pub(crate) fn read_with(limits: &ReplyLimits, bytes: &[u8]) -> (Vec<Value>, Option<ReplyError>) {
    let whole = read_all(limits, &[bytes]);
    for_every_chunking(bytes, |chunks| {
        let cut = read_all(limits, chunks);
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{} in pieces", bytes.escape_ascii());
    });
    whole
}

#[track_caller]
pub(crate) fn read(bytes: &[u8]) -> (Vec<Value>, Option<ReplyError>) {
    read_with(&ReplyLimits::default(), bytes)
}

/// The one reply in `bytes`, in whatever pieces they come, and whatever comes behind it.
#[track_caller]
pub(crate) fn reply(bytes: &[u8]) -> Value {
    let (alone, error) = read(bytes);
    assert_eq!(error, None, "{}", bytes.escape_ascii());
    for behind in [&b"+behind\r\n"[..], b"$-1", b"*1\r\n"] {
        let (with_more, error) = read(&[bytes, behind].concat());
        assert_eq!(error, None, "{}", bytes.escape_ascii());
        assert_eq!(format!("{:?}", with_more[..1].to_vec()), format!("{alone:?}"));
    }
    let [reply] = alone.try_into().unwrap_or_else(|replies| panic!("{replies:?}"));
    reply
}
