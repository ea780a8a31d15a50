//! What is near a location: the trait [`Places`], its providers, and the form of their answers.
//!
//! All providers answer with text in the form of Google's Nearby Search (legacy). A client gets that text as it came,
//! cut to the number of places that it asked for (`answer.rs`). `google.rs` and `offline.rs` receive this form already;
//! `google_new.rs` and `overpass.rs` translate what they receive into it (`style.rs` prints it).
//!
//! ```text
//!   a WHATSAT --> Coalescer ----> Cache --------> Limiter ----> a provider ----> Service ----> HTTP
//!                 equal questions as long as the  fair turns,   the request and  the key goes out here,
//!                 become one      terms allow     a budget      the form         and is masked in what returns
//! ```
//!
//! Next: [`answer.rs`](../../src/proxyherd/places/answer.rs.html), the form that all of them share.

mod answer;
mod cache;
mod coalescer;
mod google;
mod google_new;
mod json;
mod key;
mod limiter;
mod offline;
mod open;
mod overpass;
mod plain_words;
mod refusal;
mod service;
mod style;
mod table;

pub use answer::{AnswerError, AnswerStatus, cut, cut_into, error_answer, read_status};
pub use cache::Cache;
pub use coalescer::Coalescer;
pub use google::Google;
pub use google_new::GoogleNew;
pub use key::ApiKey;
pub use limiter::{Limiter, NotAsked, Span};
pub use offline::Offline;
pub use offline::offline_answer;
pub use open::{KEY_VARIABLE, find_key, key_variable, open, warnings};
pub(crate) use open::{open_with, read_roots};
pub use overpass::Overpass;
pub use plain_words::{explain, explain_status};
pub(crate) use service::DEFAULT_TIMEOUT;
pub use service::{Access, ServiceError};

use crate::address_group::AddressGroup;
use reactor::Deferred;
use std::time::Duration;

/// The maximum number of places that a provider is asked for, and that one of Google's answers has.
pub const MAX_PLACES: usize = 20;

/// A question: what is within `radius` of here?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nearby {
    /// Degrees, a plain decimal number, as JSON would have it.
    pub latitude: String,
    /// Degrees, a plain decimal number, as JSON would have it.
    pub longitude: String,
    /// Metres, a plain decimal number, as JSON would have it.
    pub radius: String,
    /// The maximum number of places that will be used, up to [`MAX_PLACES`]. An answer may have more; it is cut.
    pub bound: usize,
}

/// A source of places, or something that stands before one.
pub trait Places {
    /// Asks. Fires with the text of a Nearby Search answer, whatever status it has, or fails if there is no answer.
    /// Cancelling it gives up the question. `from` decides when its turn comes, not what the answer is.
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>>;

    /// The provider behind this one, if this one only stands before another. The defaults of the methods below ask
    /// it.
    fn behind(&self) -> Option<&dyn Places> {
        None
    }

    /// The answer, if it is known without asking the service. Such a question costs nothing, so it waits neither for
    /// its turn nor for a pause. A provider that knows no answer by itself need not implement this.
    fn without_asking(&self, question: &Nearby) -> Option<Vec<u8>> {
        self.behind()?.without_asking(question)
    }

    /// The question as the service hears it: two questions for which this is equal get the same answer. By default
    /// everything counts. A provider that does not tell its service the bound gives all questions the same bound.
    fn as_asked(&self, question: &Nearby) -> Nearby {
        self.behind().map_or_else(|| question.clone(), |behind| behind.as_asked(question))
    }

    /// Another asker wants the answer to a question that is under way: if the question still waits, it need not wait
    /// longer than that asker's own would.
    fn also_asked(&self, question: &Nearby, from: AddressGroup) {
        if let Some(behind) = self.behind() {
            behind.also_asked(question, from);
        }
    }

    /// How long an answer may be kept, by the terms of the service. By default not at all.
    fn kept_for(&self) -> Duration {
        self.behind().map_or(Duration::ZERO, Places::kept_for)
    }

    /// What it is, for a person: in the message at the start and in the log.
    fn describe(&self) -> String;
}

#[cfg(test)]
mod tests;
