//! [`RequestParser`]: the bytes of a connection in, the events of its requests out. Sans-I/O: no sockets, no clock, no
//! callbacks.
//!
//! ```text
//!   Head --+--> Length(left) --+--> Head (the next request), or Over
//!    ^     +--> Chunked -------+
//!    +-----+--> (no body) -----+         Failed: after any error, for good
//! ```
//!
//! It is the mirror image of `response.rs`, whose introduction gives the rule and its reasons: where two readings are
//! possible, refuse. A request never ends with its connection: one without a length has no body (RFC 9112, section
//! 6.3). What a server must check besides:
//!
//! * **`Host`, exactly once** (RFC 9112, section 3.2). With two, this server would believe one, and a proxy in front of
//!   it the other.
//! * **A target that is a whole URL must name the same host.** RFC 9112, section 3.2.2, lets the URL win over `Host`;
//!   programs that look at `Host` only would believe the other.
//! * **One empty line before a request is skipped** (RFC 9112, section 2.2), because old browsers sent one after a
//!   body. More of them, or a bare LF, are refused.
//!
//! The result does not depend on how the bytes are cut. The caller pulls, so it may stop between two requests of one
//! read, and answer the first before it looks at the next.
//!
//! Next: `client/mod.rs`, the client on top of all this.

use super::chunked::{Chunked, Piece, take};
use super::framing::Body;
use super::head::{is_tls, is_token_byte};
use super::limits::{HttpError, Limits};
use super::refusal::Refusal;
use super::request_head::{ReadHead, RequestHead, read_request_head};
use super::section::{Gathered, Section};
use std::mem;

/// What [`RequestParser::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestEvent<'a> {
    /// A head is complete.
    Head(RequestHead),
    /// Some of the body; never empty.
    Data(&'a [u8]),
    /// The request is complete. The next event belongs to the next request.
    End,
    /// The input is used up; call again with more.
    NeedMore,
}

/// Reads the requests of one connection, one after the other. [`Limits`] bounds the memory that it holds.
///
/// ```
/// use reactor::http::{Limits, RequestEvent, RequestParser};
///
/// let mut parser = RequestParser::new(Limits::for_requests());
/// let first = "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
/// let bytes = [first, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
/// let mut input = bytes.as_bytes();
/// assert!(matches!(parser.next(&mut input)?, RequestEvent::Head(head) if head.path() == "/x"));
/// assert_eq!(parser.next(&mut input)?, RequestEvent::Data(b"hi"));
/// assert_eq!(parser.next(&mut input)?, RequestEvent::End);
/// assert!(parser.keeps_alive());
/// assert!(matches!(parser.next(&mut input)?, RequestEvent::Head(head) if head.path() == "/y"));
/// # Ok::<(), reactor::http::Refusal>(())
/// ```
#[derive(Debug)]
pub struct RequestParser {
    limits: Limits,
    state: State,
    /// An unfinished head.
    partial: Section,
    /// An empty line before the head has been skipped.
    has_skipped: bool,
    /// The decoder of a chunked body, from its first byte to its last.
    chunks: Option<Box<Chunked>>,
    refusal: Option<Refusal>,
    /// Whether the last head lets the connection go on after its request.
    persists: bool,
}

/// It is copied at each step, so the large parts stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Chunked,
    /// The body is complete, and [`RequestEvent::End`] is due.
    End,
    /// The last request was one after which the connection ends. What follows is dropped.
    Over,
    Failed,
}

impl RequestParser {
    /// A parser for a new connection.
    pub fn new(limits: Limits) -> RequestParser {
        RequestParser {
            limits,
            state: State::Head,
            partial: Section::default(),
            has_skipped: false,
            chunks: None,
            refusal: None,
            persists: true,
        }
    }

    /// Takes the next event from the front of `input`, which moves on past it.
    ///
    /// After the end of a request that is the last of its connection ([`keeps_alive`](RequestParser::keeps_alive) is
    /// false), it drops all input.
    ///
    /// # Errors
    /// [`Refusal`]. The connection must then be closed; each later call returns the same.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<RequestEvent<'a>, Refusal> {
        let event = self.step(input);
        if let Err(refusal) = &event {
            self.fail(refusal);
        }
        event
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<RequestEvent<'a>, Refusal> {
        loop {
            match self.state {
                State::End => {
                    self.state = if self.persists { State::Head } else { State::Over };
                    return Ok(RequestEvent::End);
                }
                State::Failed => return Err(self.refusal.clone().unwrap_or(Refusal::Incomplete)),
                State::Over => *input = &[],
                _ if input.is_empty() => {}
                State::Head => {
                    if let Some(head) = self.head(input)? {
                        return Ok(RequestEvent::Head(head));
                    }
                }
                State::Length(left) => {
                    let data = take(input, left);
                    self.state = match left - data.len() as u64 {
                        0 => State::End,
                        left => State::Length(left),
                    };
                    return Ok(RequestEvent::Data(data));
                }
                State::Chunked => {
                    let chunks = self.chunks.get_or_insert_with(|| Box::new(Chunked::new(&self.limits)));
                    match chunks.next(input, &self.limits)? {
                        Piece::Data(data) => return Ok(RequestEvent::Data(data)),
                        Piece::NeedMore => {}
                        Piece::Done => {
                            self.chunks = None;
                            self.state = State::End;
                            continue;
                        }
                    }
                }
            }
            if input.is_empty() {
                return Ok(RequestEvent::NeedMore);
            }
        }
    }

    /// Keeps the refusal and frees everything else: nothing that follows can be trusted.
    #[cold]
    fn fail(&mut self, refusal: &Refusal) {
        self.state = State::Failed;
        self.refusal = Some(refusal.clone());
        self.partial.clear();
        self.chunks = None;
        self.persists = false;
    }

    /// Whether nothing of a request has come that is not complete: the peer may go now.
    pub fn is_between_requests(&self) -> bool {
        match self.state {
            State::Head => self.partial.is_empty(),
            State::Over => true,
            State::Length(_) | State::Chunked | State::End | State::Failed => false,
        }
    }

    /// Whether the body of the last head has come to its end, or there is none.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Head | State::End | State::Over)
    }

    /// Whether the connection may carry another request after the one whose head came last: RFC 9112, section 9.3.
    pub fn keeps_alive(&self) -> bool {
        self.persists
    }

    /// The head, if its end has come.
    #[inline(always)]
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<RequestHead>, Refusal> {
        // The usual case: the whole head is in the input, and is read where it lies. A refusal is dropped here and
        // found again below, where the same bytes fail in the same way however they are cut.
        if self.partial.is_empty()
            && let Ok(Some((head, length))) = read_request_head(input, &self.limits)
        {
            *input = &input[length..];
            return Ok(Some(self.accept_head(head)));
        }
        self.head_in_pieces(input)
    }

    fn head_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<RequestHead>, Refusal> {
        let gathered = self.partial.gather(input, self.limits.head);
        let bytes = self.partial.bytes();
        // A peer that speaks something else may never send an end of a head: tell it at once. This looks at the first
        // byte only, so its verdict is the same however the bytes are cut.
        match bytes.first() {
            _ if is_tls(bytes) => return Err(Refusal::Tls),
            Some(first) if !is_token_byte(*first) && *first != b'\r' => {
                return Err(Refusal::BadHead("it does not begin with a method".to_owned()));
            }
            _ => {}
        }
        match gathered {
            Gathered::NeedMore => return Ok(None),
            // Not even the first line has an end.
            Gathered::TooLarge if memchr::memchr(b'\n', bytes).is_none() => return Err(Refusal::TargetTooLong),
            Gathered::TooLarge => return Err(HttpError::HeadTooLarge.into()),
            Gathered::Complete => {}
        }
        let partial = mem::take(&mut self.partial);
        if partial.bytes() == b"\r\n" && !self.has_skipped {
            self.has_skipped = true;
            return Ok(None);
        }
        match read_request_head(partial.bytes(), &self.limits)? {
            Some((head, _)) => Ok(Some(self.accept_head(head))),
            None => Err(Refusal::BadHead("its lines have no end".to_owned())),
        }
    }

    #[inline(always)]
    fn accept_head(&mut self, ReadHead { head, framing }: ReadHead) -> RequestHead {
        self.has_skipped = false;
        self.persists = framing.persists;
        self.state = match framing.body {
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Chunked,
            // The others are of responses.
            Body::None | Body::UntilClose | Body::TooLarge => State::End,
        };
        head
    }
}
