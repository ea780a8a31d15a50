//! The parser of HTTP responses: what it takes, what it refuses and for what reason, how much it holds; llhttp's own
//! suite through it; and what other clients make of the same bytes.

mod bodiless;
mod corpus;
mod differential;
mod framing;
mod limits;
mod llhttp;
mod llhttp_cases;
mod mutations;
mod peers;
mod reading;
