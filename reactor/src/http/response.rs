//! [`ResponseParser`]: the bytes of one HTTP/1 response in, events out. Pure: no sockets, no callbacks.
//!
//! ```text
//!   Head --+--> Length(left) --+--> Done          Failed: after any error, for good
//!    ^ |   +--> Chunked -------+
//!    +-+   +--> UntilClose ----+
//!    1xx   +--> (no body) -----+
//!          +--> TooLarge: a redirect's head is given out, its body refused
//! ```
//!
//! Next: `head.rs`, `framing.rs`, `chunked.rs`; `limits.rs` for what can go wrong.

use super::chunked::{Chunked, Piece, take};
use super::framing::{Asked, Body, Claims};
use super::head::{Head, NOT_HTTP, StatusLine, begins_like_tls, begins_right, read};
use super::limits::{HttpError, Limits};
use super::section::{Gathered, Section};
use std::mem;

/// What [`ResponseParser::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseEvent<'a> {
    /// The head is complete. Interim (1xx) heads are passed over.
    Head(Head),
    /// Some of the body; never empty.
    Data(&'a [u8]),
    /// The response is complete; bytes after it are left in the input.
    End,
    /// The input is used up.
    NeedMore,
}

/// Reads one response. What it may hold in memory [`Limits`] says.
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
    asked: Asked,
    accept_codings: bool,
    state: State,
    /// An unfinished head.
    partial: Section,
    /// What takes chunks apart, while there are any.
    chunks: Option<Box<Chunked>>,
    error: Option<HttpError>,
    interim: usize,
    persists: bool,
    /// The body goes on until the connection ends; kept beyond that.
    until_close: bool,
}

/// It is copied often, so what is large stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Chunked,
    /// With the bytes that may still come.
    UntilClose(u64),
    /// A redirect's body that is larger than we allow: the head has been given out, and that is all.
    TooLarge,
    Done,
    Failed,
}

impl ResponseParser {
    /// A parser for the response to a GET, or any other request whose answer may have a body.
    pub fn new(limits: Limits) -> ResponseParser {
        ResponseParser {
            limits,
            asked: Asked::Body,
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

    /// Says what was asked: an answer to `HEAD` has no body, and one to `CONNECT` that agrees (2xx) ends with its head:
    /// bytes after that are the tunnel's. All other methods are as GET.
    pub fn for_method(mut self, method: &str) -> ResponseParser {
        self.asked = match method {
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ => Asked::Body,
        };
        self
    }

    /// Whether a body with a `Content-Encoding` is passed on, to be decoded by whoever asked for it. It is an error
    /// ([`HttpError::UnknownContentCoding`]) unless this says otherwise.
    pub fn accept_codings(mut self, on: bool) -> ResponseParser {
        self.accept_codings = on;
        self
    }

    /// Takes the next event from the front of `input`, which moves on past it.
    ///
    /// # Errors
    /// [`HttpError`]; the connection is then of no more use, and this gives the same error ever after.
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
                    None if self.partial.is_empty() => {} // An interim one; go on.
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

    /// Remembers what is wrong, and nothing else.
    #[cold]
    fn fail(&mut self, error: &HttpError) {
        self.state = State::Failed;
        self.error = Some(error.clone());
        self.partial.clear();
        self.chunks = None;
    }

    /// The peer's sending has ended in an orderly way: that completes a body without a length, and nothing else.
    ///
    /// # Errors
    /// [`HttpError::Incomplete`], or what was wrong before.
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

    /// Whether the response is complete and its connection may carry another one, by its framing, its version and what
    /// its headers say. Bytes left in the input after the end forbid it all the same: nobody asked for them.
    pub fn keeps_alive(&self) -> bool {
        self.is_complete() && self.persists
    }

    /// The head, if its end has come; `None` after an interim one, too.
    ///
    /// A head in one piece is read where it lies. Otherwise it is kept until its end is there, and only then judged: so
    /// that it comes to the same however it is cut, and costs no more.
    #[inline(always)]
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        if self.partial.is_empty() {
            let mut claims = Claims::default();
            if let Ok(Some(line)) = read(input, &self.limits, |name, value| claims.note(name, value)) {
                let (head, rest) = input.split_at(line.length);
                *input = rest;
                return self.judge(&line, &claims, head);
            }
        }
        self.head_in_pieces(input)
    }

    fn head_in_pieces(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        let gathered = self.partial.gather(input, self.limits.head);
        // Something that does not even begin like HTTP is told at once.
        if begins_like_tls(self.partial.bytes()) {
            return Err(HttpError::Tls);
        }
        if !begins_right(self.partial.bytes()) {
            return Err(HttpError::BadHead(NOT_HTTP.to_owned()));
        }
        match gathered {
            Gathered::TooLarge => return Err(HttpError::HeadTooLarge),
            Gathered::NeedMore => return Ok(None),
            Gathered::Complete => {}
        }
        let partial = mem::take(&mut self.partial);
        let mut claims = Claims::default();
        match read(partial.bytes(), &self.limits, |name, value| claims.note(name, value))? {
            Some(line) => self.judge(&line, &claims, partial.bytes()),
            None => Err(HttpError::BadHead("its lines have no end".to_owned())),
        }
    }

    /// Decides how to go on after a head.
    #[inline(always)]
    fn judge(&mut self, line: &StatusLine, claims: &Claims<'_>, head: &[u8]) -> Result<Option<Head>, HttpError> {
        let framing = claims.framing(line.status, line.version, self.asked, self.accept_codings, &self.limits)?;
        // An interim head may not end the connection, but a reason not to go on after the real one it can be.
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
