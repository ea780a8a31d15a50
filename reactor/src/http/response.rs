//! [`ResponseParser`]: the bytes of one HTTP/1 response in, events out. Sans-I/O: no sockets, no clock, no callbacks.
//!
//! ```text
//!   Head --+--> Length(left) --+--> Done          Failed: after any error, for good
//!    ^ |   +--> Chunked -------+
//!    +-+   +--> UntilClose ----+
//!    1xx   +--> (no body) -----+
//!          +--> TooLarge: a redirect's head is given out, its body refused
//! ```
//!
//! # Theory of operation
//!
//! A response is a head and a body, and the head says where the body ends (RFC 9112, section 6.3). Nothing else on a
//! connection marks where one response ends and the next begins. If we and an intermediary, such as a proxy or a cache,
//! disagree about that point, the rest of this body becomes the head of the next response, and the author of that body
//! controls the answer to the next request (response splitting and smuggling: RFC 9112, sections 11.1 and 11.2).
//! Hence the rule of all these files: where two readings are possible, refuse, even if the RFC permits one of
//! them.
//!
//! The caller pulls. [`next`](ResponseParser::next) takes one event off the front of the input, and between two events
//! the caller may pause, abort or give the connection away. The parser never calls back, so nothing can re-enter it.
//! Pieces of the body are slices of the caller's input: a body passes through and is never stored. What is stored is
//! one unfinished head, chunk-size line or trailer section, and [`Limits`] bounds each.
//!
//! The result does not depend on how the bytes are cut. A head that comes in pieces is therefore kept until its end is
//! there and read as a whole, and a verdict that comes sooner (this is TLS; this is not HTTP) looks only at bytes
//! that no later one can change. The tests run each case whole, byte by byte, and cut at each place.
//!
//! What is refused, and what each refusal protects against:
//!
//! * **A line that ends with a bare LF** (RFC 9112, section 2.2, lets a recipient take it). An intermediary that does
//!   not take LF for an end sees one long line where we would see two headers.
//! * **A folded line, a space before the colon, a control character in a name or value** (RFC 9112, sections 5.1 and
//!   5.2; RFC 9110, section 5.5). Each hides a header from one of two readers.
//! * **A length given twice, even if both are equal** (RFC 9110, section 8.6, permits that), **or not plain digits**.
//!   Such a message was put together by parts that do not know of each other; `+5` and `5, 5` are lengths to some
//!   parsers and not to others.
//! * **A length beside a transfer coding** (RFC 9112, section 6.3). One reader ends the body by the one, the next by
//!   the other: the classic way to smuggle.
//! * **A transfer coding in HTTP/1.0, or any but `chunked` alone** (RFC 9112, sections 6.1 and 7). An intermediary
//!   that speaks 1.0 may have passed it on without understanding it; and without knowing the coding we cannot find the
//!   end.
//! * **A chunk that is not framed to the letter, trailers that speak of framing** (RFC 9112, section 7.1; RFC 9110,
//!   section 6.5.1). A lenient reader of sizes finds other chunks than a strict one.
//! * **`101 Switching Protocols`** (RFC 9110, section 15.2.2). We never ask for it, and what follows is not HTTP.
//! * **Endless interim responses, and everything larger than [`Limits`] allows**. They would keep us busy, or fill our
//!   memory.
//! * **An end of the connection before the end of the body** (RFC 9112, section 8). A cut response is not a response.
//!   The exception is a body that only the end delimits.
//!
//! Bytes after the end stay in the input. We send one request at a time, so they answer nothing, and the caller must
//! not use that connection again ([`keeps_alive`](ResponseParser::keeps_alive)).
//!
//! Next: `gzip.rs`, for a compressed body.

use super::chunked::{Chunked, Piece, take};
use super::framing::{Body, FramingHeaders, RequestMethod};
use super::head::{Head, NOT_HTTP, StatusLine, could_begin_response, is_tls, read_head};
use super::limits::{HttpError, Limits};
use super::section::{Gathered, Section};
use std::mem;

/// What [`ResponseParser::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseEvent<'a> {
    /// The head is complete. Interim (1xx) heads are skipped.
    Head(Head),
    /// Some of the body; never empty.
    Data(&'a [u8]),
    /// The response is complete; bytes after it are left in the input.
    End,
    /// The input is used up; call again with more.
    NeedMore,
}

/// Reads one response. [`Limits`] bounds the memory that it holds.
///
/// ```
/// use reactor::http::{Limits, ResponseEvent, ResponseParser};
///
/// let mut parser = ResponseParser::new(Limits::default());
/// let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// assert!(matches!(parser.next(&mut input)?, ResponseEvent::Head(head) if head.status == 200));
/// assert_eq!(parser.next(&mut input)?, ResponseEvent::Data(b"hi"));
/// assert_eq!(parser.next(&mut input)?, ResponseEvent::End);
/// assert!(parser.keeps_alive());
/// # Ok::<(), reactor::http::HttpError>(())
/// ```
#[derive(Debug)]
pub struct ResponseParser {
    limits: Limits,
    method: RequestMethod,
    accept_codings: bool,
    state: State,
    /// An unfinished head.
    partial: Section,
    /// The decoder of a chunked body, from its first byte to its last.
    chunks: Option<Box<Chunked>>,
    error: Option<HttpError>,
    /// Interim responses so far.
    interim: usize,
    /// Whether the headers so far let the connection go on after this response.
    persists: bool,
    /// Only the end of the connection ends the body. Stays true after that end, when the state no longer tells.
    until_close: bool,
}

/// It is copied at each step, so the large parts (`partial`, `chunks`, `error`) stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Chunked,
    /// Until the connection ends, with the number of bytes that the limit still allows.
    UntilClose(u64),
    /// A redirect's body that is larger than we allow. The head has been given out; a byte of the body is an error.
    TooLarge,
    Done,
    Failed,
}

impl ResponseParser {
    /// A parser for the response to GET, or to any other method that may get a body in response.
    pub fn new(limits: Limits) -> ResponseParser {
        ResponseParser {
            limits,
            method: RequestMethod::Other,
            accept_codings: false,
            state: State::Head,
            partial: Section::default(),
            chunks: None,
            error: None,
            interim: 0,
            persists: true,
            until_close: false,
        }
    }

    /// Sets the method of the request. A response to `HEAD` has no body. A 2xx response to `CONNECT` ends with its
    /// head, and the bytes after that belong to the tunnel. All other methods are like GET.
    pub fn for_method(mut self, method: &str) -> ResponseParser {
        self.method = match method {
            "HEAD" => RequestMethod::Head,
            "CONNECT" => RequestMethod::Connect,
            _ => RequestMethod::Other,
        };
        self
    }

    /// Sets whether a body with a `Content-Encoding` is passed on, still coded, for the caller to decode. Otherwise,
    /// which is the default, it is an error: [`HttpError::UnknownContentCoding`].
    pub fn accept_codings(mut self, on: bool) -> ResponseParser {
        self.accept_codings = on;
        self
    }

    /// Takes the next event from the front of `input`, which moves on past it.
    ///
    /// # Errors
    /// [`HttpError`]. The connection must then be closed; each later call returns the same error.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<ResponseEvent<'a>, HttpError> {
        let event = self.step(input);
        if let Err(error) = &event {
            self.fail(error);
        }
        event
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<ResponseEvent<'a>, HttpError> {
        loop {
            match self.state {
                State::Done | State::Length(0) => {
                    self.state = State::Done;
                    return Ok(ResponseEvent::End);
                }
                State::Failed => return Err(self.error.clone().unwrap_or(HttpError::Incomplete)),
                _ if input.is_empty() => return Ok(ResponseEvent::NeedMore),
                State::Head => match self.head(input)? {
                    Some(head) => return Ok(ResponseEvent::Head(head)),
                    None if self.partial.is_empty() => {} // An interim head is done; read the next one.
                    None => return Ok(ResponseEvent::NeedMore),
                },
                State::TooLarge => return Err(HttpError::BodyTooLarge),
                State::Length(left) => {
                    let data = take(input, left);
                    self.state = State::Length(left - data.len() as u64);
                    return Ok(ResponseEvent::Data(data));
                }
                State::UntilClose(room) => {
                    let data = mem::take(input);
                    let room = room.checked_sub(data.len() as u64).ok_or(HttpError::BodyTooLarge)?;
                    self.state = State::UntilClose(room);
                    return Ok(ResponseEvent::Data(data));
                }
                State::Chunked => {
                    let chunks = self.chunks.get_or_insert_with(|| Box::new(Chunked::new(&self.limits)));
                    match chunks.next(input, &self.limits)? {
                        Piece::Data(data) => return Ok(ResponseEvent::Data(data)),
                        Piece::NeedMore => return Ok(ResponseEvent::NeedMore),
                        Piece::Done => {
                            self.chunks = None;
                            self.state = State::Done;
                        }
                    }
                }
            }
        }
    }

    /// Keeps the error and frees everything else: nothing that follows can be trusted.
    #[cold]
    fn fail(&mut self, error: &HttpError) {
        self.state = State::Failed;
        self.error = Some(error.clone());
        self.partial.clear();
        self.chunks = None;
    }

    /// Call this when the peer has ended its sending in an orderly way. That completes a body without a length, and
    /// nothing else.
    ///
    /// # Errors
    /// [`HttpError::Incomplete`], or the error that came before.
    pub fn finish(&mut self) -> Result<(), HttpError> {
        match self.state {
            State::Done | State::UntilClose(_) | State::Length(0) => {
                self.state = State::Done;
                return Ok(());
            }
            State::Head | State::Length(_) | State::Chunked => self.fail(&HttpError::Incomplete),
            State::TooLarge => self.fail(&HttpError::BodyTooLarge),
            State::Failed => {}
        }
        Err(self.error.clone().unwrap_or(HttpError::Incomplete))
    }

    /// Whether all of the response has been given out.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Done | State::Length(0))
    }

    /// Whether only the end of the connection ends the body: known after the head.
    pub fn is_delimited_by_close(&self) -> bool {
        self.until_close
    }

    /// Whether the response is complete and its connection may carry another one, judged by framing, version and
    /// headers (RFC 9112, section 9.3). If bytes are left in the input after the end, close the connection all the
    /// same: they answer no request.
    pub fn keeps_alive(&self) -> bool {
        self.is_complete() && self.persists
    }

    /// The head, if its end has come. `None` if it has not, and after an interim head.
    #[inline(always)]
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        if self.partial.is_empty() {
            let mut headers = FramingHeaders::default();
            // The usual case: the whole head is in the input, and is read where it lies. An error is dropped here and
            // found again below, where the same bytes fail in the same way however they are cut.
            if let Ok(Some(line)) = read_head(input, &self.limits, |name, value| headers.note(name, value)) {
                let (head, rest) = input.split_at(line.length);
                *input = rest;
                return self.accept_head(&line, &headers, head);
            }
        }
        self.head_in_pieces(input)
    }

    fn head_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        let gathered = self.partial.gather(input, self.limits.head);
        // A peer that speaks something else may never send an end of a head: report it at once. Both checks look at the
        // first bytes only, so their verdict is the same however the bytes are cut.
        if is_tls(self.partial.bytes()) {
            return Err(HttpError::Tls);
        }
        if !could_begin_response(self.partial.bytes()) {
            return Err(HttpError::BadHead(NOT_HTTP.to_owned()));
        }
        match gathered {
            Gathered::TooLarge => return Err(HttpError::HeadTooLarge),
            Gathered::NeedMore => return Ok(None),
            Gathered::Complete => {}
        }
        let partial = mem::take(&mut self.partial);
        let mut headers = FramingHeaders::default();
        match read_head(partial.bytes(), &self.limits, |name, value| headers.note(name, value))? {
            Some(line) => self.accept_head(&line, &headers, partial.bytes()),
            None => Err(HttpError::BadHead("its lines have no end".to_owned())),
        }
    }

    /// Takes a head that has been read: from here on its framing decides. `None` if it is an interim one.
    #[inline(always)]
    fn accept_head(
        &mut self,
        line: &StatusLine,
        headers: &FramingHeaders<'_>,
        head: &[u8],
    ) -> Result<Option<Head>, HttpError> {
        let (method, codings) = (self.method, self.accept_codings);
        let framing = headers.response_framing(line.status, line.version, method, codings, &self.limits)?;
        // `&=`, because an interim head that says `close` has said it for the connection. Such a head does not end the
        // connection, but it is a reason not to use it again after the real response.
        self.persists &= framing.persists;
        self.until_close = matches!(framing.body, Body::UntilClose);
        if line.status < 200 {
            self.interim += 1;
            return match line.status {
                101 => Err(HttpError::UnexpectedUpgrade),
                _ if self.interim > self.limits.interim => Err(HttpError::TooManyInterim),
                _ => Ok(None),
            };
        }
        self.state = match framing.body {
            Body::None => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Chunked,
            Body::UntilClose => State::UntilClose(self.limits.body),
            Body::TooLarge => State::TooLarge,
        };
        Ok(Some(Head::new(line, head)))
    }
}
