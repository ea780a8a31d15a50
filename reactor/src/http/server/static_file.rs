//! [`StaticFile`]: a file that was compiled in, with its content type and its ETag.
//!
//! The ETag is a hash of the bytes, so it changes with them and not with each start. It guards against mistakes and not
//! against an adversary, who cannot change the program's own files: FNV-1a with 64 bits is enough.
//!
//! Next: `../../service/mod.rs`, a connection that comes back when it is lost.

use super::request::Request;
use super::response::{HeaderError, Response};
use super::service::Service;
use crate::deferred::{Given, IntoDeferred};
use std::borrow::Cow;

/// A file that was compiled in, with `include_bytes!` for example. It is a [`Service`] for `GET` and `HEAD`.
///
/// The client may keep it, and asks each time whether it has changed (`Cache-Control: no-cache`). If it has not, the
/// answer is 304. Ranges are ignored, as RFC 9110, section 14.2, permits: the whole file comes.
#[derive(Debug, Clone)]
pub struct StaticFile {
    bytes: &'static [u8],
    content_type: &'static str,
    etag: String,
    headers: Vec<(String, String)>,
}

impl StaticFile {
    /// A file with this content type.
    pub fn new(content_type: &'static str, bytes: &'static [u8]) -> StaticFile {
        StaticFile { bytes, content_type, etag: format!("\"{:016x}\"", fnv_1a(bytes)), headers: Vec::new() }
    }

    /// A file whose content type follows from the end of its name: `index.html`, `style.css`.
    pub fn named(name: &str, bytes: &'static [u8]) -> StaticFile {
        StaticFile::new(content_type(name), bytes)
    }

    /// Adds a header to all of its responses, such as `Content-Security-Policy`.
    ///
    /// # Errors
    /// As [`Response::header`].
    pub fn header(mut self, name: &str, value: &str) -> Result<StaticFile, HeaderError> {
        let _checked = Response::new(200).header(name, value)?;
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Its ETag, with the quotation marks.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Whether a client that has versions with these ETags has this one: RFC 9110, section 13.1.2.
    fn is_known(&self, etags: &[u8]) -> bool {
        etags
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|etag| etag == b"*" || etag.strip_prefix(b"W/").unwrap_or(etag) == self.etag.as_bytes())
    }
}

impl Service for StaticFile {
    fn serve(&self, request: Request) -> Given<Response> {
        let is_known = request.header("if-none-match").any(|etags| self.is_known(etags));
        let mut response = Response::new(304);
        if !is_known {
            response = Response::new(200);
            response.content_type = Some(Cow::Borrowed(self.content_type));
            response.body = super::response::Body::Bytes(Cow::Borrowed(self.bytes));
        }
        response.add_checked("ETag", &self.etag);
        response.add_checked("Cache-Control", "no-cache");
        response.forbid_sniffing();
        for (name, value) in &self.headers {
            response.add_checked(name, value);
        }
        response.into_given()
    }
}

/// The content type of a file with this name.
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit(['/', '.']).next().unwrap_or_default().to_ascii_lowercase();
    match &ending[..] {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_authors() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_content_type_follows_from_the_name() {
        assert_eq!(content_type("/a.b/INDEX.HTML"), "text/html; charset=utf-8");
        assert_eq!(content_type("/x.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("/html"), "text/html; charset=utf-8");
        assert_eq!(content_type("/x.unknown"), "application/octet-stream");
    }

    #[test]
    fn an_etag_is_found_in_a_list_strong_or_weak() {
        let file = StaticFile::named("x.txt", b"x");
        let etag = file.etag().to_owned();
        for list in [etag.clone(), format!("W/{etag}"), format!("\"a\", {etag}"), "*".to_owned()] {
            assert!(file.is_known(list.as_bytes()), "{list}");
        }
        for list in ["", "\"a\"", etag.trim_matches('"'), &etag[1..]] {
            assert!(!file.is_known(list.as_bytes()), "{list}");
        }
    }
}
