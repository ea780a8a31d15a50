//! The parser of HTTP responses: what it takes, what it refuses and why, how much it holds. llhttp's own suite runs
//! through it, and other clients read the same bytes.

mod bodiless;
mod corpus;
mod differential;
mod framing;
mod limits;
mod llhttp;
mod llhttp_cases;
#[path = "../util/llhttp_markdown.rs"]
mod llhttp_markdown;
mod mutations;
mod peers;
mod reading;
#[path = "../util/skip.rs"]
mod skip;
