//! [`Decoding`]: decodes a compressed body, a buffer at a time. Sans-I/O.
//!
//! Next: `refusal.rs`, what a server answers to a request that it refuses.

use super::gzip::{GzipDecoder, GzipError};
use super::head::Head;
use super::limits::HttpError;
use crate::Failure;

/// Maximum number of plain bytes in one piece.
const MAX_PLAIN_PIECE: usize = 16 * 1024;

/// A compressed body.
pub(super) struct Decoding {
    decoder: GzipDecoder,
    /// Received bytes, not all decoded yet; at most one read's worth.
    coded: Vec<u8>,
    /// Number of them that have been decoded.
    at: usize,
    /// More plain bytes may come out of them.
    has_more: bool,
    /// Plain bytes so far, and their maximum.
    plain: u64,
    limit: u64,
}

impl Decoding {
    /// The decoding of the body after `head`, which may give at most `limit` plain bytes. `None` if it is not coded.
    pub(super) fn for_head(head: &Head, limit: u64) -> Result<Option<Decoding>, HttpError> {
        let mut codings = head.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        let Some(coding) = codings.next() else { return Ok(None) };
        let is_gzip = coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
        if !is_gzip || codings.next().is_some() {
            return Err(HttpError::UnknownContentCoding(String::from_utf8_lossy(coding).into_owned()));
        }
        let (decoder, coded) = (GzipDecoder::new(), Vec::new());
        Ok(Some(Decoding { decoder, coded, at: 0, has_more: false, plain: 0, limit }))
    }

    /// Whether more may come out of the bytes that were taken.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// The body has ended; an error if it was cut.
    pub(super) fn finish(&self) -> Result<(), GzipError> {
        self.decoder.finish()
    }

    /// Takes received bytes. All earlier ones must be decoded ([`has_more`](Decoding::has_more) is false): this call
    /// throws them away.
    pub(super) fn take(&mut self, coded: &[u8]) {
        self.coded.clear();
        self.coded.extend_from_slice(coded);
        (self.at, self.has_more) = (0, true);
    }

    /// Gives one buffer of plain bytes to `taker`, if there are any. One buffer only: between two, the program may
    /// pause or give the body up, and the limit is checked before the bytes are given out.
    pub(super) fn unpack(&mut self, taker: impl FnOnce(&[u8])) -> Result<(), Failure> {
        let mut plain = [0; MAX_PLAIN_PIECE];
        let mut rest = &self.coded[self.at..];
        let count = self.decoder.next(&mut rest, &mut plain)?;
        self.at = self.coded.len() - rest.len();
        self.has_more = count > 0;
        self.plain += count as u64;
        if self.plain > self.limit {
            return Err(HttpError::BodyTooLarge.into());
        }
        if count > 0 {
            taker(&plain[..count]);
        }
        Ok(())
    }
}
