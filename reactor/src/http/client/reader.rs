//! [`ResponseReader`]: the parser and, behind it, gzip: bytes of a connection in, events of a plain response out. It
//! touches no socket and calls nothing of the program but the closure that takes a piece of the body.
//!
//! Next: `proxy.rs`, the other way to a server.

use crate::Failure;
use crate::http::coding::Decoding;
use crate::http::head::Head;
use crate::http::response::{ResponseEvent, ResponseParser};

/// The response that a connection is reading.
pub(super) struct ResponseReader {
    parser: ResponseParser,
    accept_gzip: bool,
    max_body: u64,
    decoding: Option<Decoding>,
}

/// What [`ResponseReader::next`] found.
pub(super) enum ReadEvent {
    /// The head; a body follows.
    Head(Head),
    /// The head of a response without a body: the response is complete.
    HeadAlone(Head),
    /// A step in the body: there may be more to take from the same input.
    Body,
    /// The input is used up.
    NeedMore,
    /// The response is complete.
    End,
}

impl ResponseReader {
    /// A reader around `parser`. If `accept_gzip`, the body may be coded with gzip, and at most `max_body` bytes may
    /// come out of it.
    pub(super) fn new(parser: ResponseParser, accept_gzip: bool, max_body: u64) -> ResponseReader {
        ResponseReader { parser: parser.accept_codings(accept_gzip), accept_gzip, max_body, decoding: None }
    }

    pub(super) fn parser(&self) -> &ResponseParser {
        &self.parser
    }

    /// Takes one step with `input`, which moves on past it. A piece of the body goes to `body`.
    pub(super) fn next(&mut self, input: &mut &[u8], body: impl FnOnce(&[u8])) -> Result<ReadEvent, Failure> {
        // What was taken must be unpacked first, a buffer at a time: the pause of a slow program comes between two.
        if let Some(decoding) = &mut self.decoding
            && decoding.has_more()
        {
            decoding.unpack(body)?;
            return Ok(ReadEvent::Body);
        }
        match self.parser.next(input)? {
            ResponseEvent::NeedMore => Ok(ReadEvent::NeedMore),
            ResponseEvent::End => {
                self.finish_decoding()?;
                Ok(ReadEvent::End)
            }
            ResponseEvent::Data(data) => {
                match &mut self.decoding {
                    Some(decoding) => decoding.take(data),
                    None => body(data),
                }
                Ok(ReadEvent::Body)
            }
            ResponseEvent::Head(head) => {
                // Unless codings are asked for, the parser has refused a head that tells of one.
                let decoding = match self.accept_gzip {
                    true => Decoding::for_head(&head, self.max_body),
                    false => Ok(None),
                };
                // Before the coding is judged: a response without a body may name any.
                if self.parser.next(&mut &[][..])? == ResponseEvent::End {
                    return Ok(ReadEvent::HeadAlone(head));
                }
                self.decoding = decoding?;
                Ok(ReadEvent::Head(head))
            }
        }
    }

    /// The peer has ended its side in an orderly way; an error if that cuts the response short.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.parser.finish()?;
        self.finish_decoding()
    }

    fn finish_decoding(&self) -> Result<(), Failure> {
        match &self.decoding {
            Some(decoding) => Ok(decoding.finish()?),
            None => Ok(()),
        }
    }
}
