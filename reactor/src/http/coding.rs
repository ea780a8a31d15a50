//! [`Decoding`]: a coded body on its way to whoever takes it, a buffer at a time. Pure.

use super::gzip::{GzipDecoder, GzipError};
use super::head::Head;
use super::limits::HttpError;
use crate::Failure;

/// Bytes that are unpacked at once.
const PLAIN: usize = 16 * 1024;

/// A body that is coded.
pub(super) struct Decoding {
    decoder: GzipDecoder,
    /// What has come and is not unpacked yet: at most what one read brought.
    coded: Vec<u8>,
    /// How much of it has been unpacked.
    at: usize,
    /// More may come out of it.
    has_more: bool,
    /// Bytes that have come out, and how many may.
    plain: u64,
    limit: u64,
}

impl Decoding {
    /// How the body after `head` is coded, of which at most `limit` bytes may come out.
    pub(super) fn of(head: &Head, limit: u64) -> Result<Option<Decoding>, HttpError> {
        let mut codings = head.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        let Some(coding) = codings.next() else { return Ok(None) };
        let is_gzip = coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
        if !is_gzip || codings.next().is_some() {
            return Err(HttpError::UnknownContentCoding(String::from_utf8_lossy(coding).into_owned()));
        }
        let (decoder, coded) = (GzipDecoder::new(), Vec::new());
        Ok(Some(Decoding { decoder, coded, at: 0, has_more: false, plain: 0, limit }))
    }

    /// Whether more may come out of what was taken.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// The body has ended.
    pub(super) fn finish(&self) -> Result<(), GzipError> {
        self.decoder.finish()
    }

    /// Takes what has come; what was taken before must be used up.
    pub(super) fn take(&mut self, coded: &[u8]) {
        self.coded.clear();
        self.coded.extend_from_slice(coded);
        (self.at, self.has_more) = (0, true);
    }

    /// Gives one buffer of plain bytes to `taker`, if there is one.
    pub(super) fn unpack(&mut self, taker: impl FnOnce(&[u8])) -> Result<(), Failure> {
        let mut plain = [0; PLAIN];
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
