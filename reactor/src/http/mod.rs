//! HTTP/1.1, the client's side: [`get_page`] and what it is made of.
//!
//! `response.rs` is the parser: bytes in, events out, no sockets (httparse reads the head, the framing is ours).
//! `url.rs` takes addresses apart. `page.rs` puts them on a connection, with TLS where the URL says https.
//!
//! Next: the herd in `src/`, which asks a Places service with it.

mod page;
mod response;
mod url;

pub use page::{Page, PageError, PageGetter, get_page};
pub use response::{Head, HttpError, Limits, ResponseEvent, ResponseParser};
pub use url::{Url, UrlError};
