//! [`NotAsked`]: why a question did not reach the service.
//!
//! Next: `queue.rs`, which question is next.

use super::budget::Span;
use std::fmt;
use std::time::Duration;

/// Why a question was not put to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    /// Too many questions wait already.
    QueueFull,
    /// Too many questions wait: this one's turn did not come within this time.
    WaitedTooLong(Duration),
    /// The budget for this span is spent.
    BudgetSpent(Span),
    /// The asker has had its share of the budget for this span.
    ShareSpent(Span),
    /// The service has failed several times in a row, and is left alone for now.
    ServiceFails,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAsked::QueueFull | NotAsked::WaitedTooLong(_) => {
                f.write_str("too many questions are waiting for the Places service; ask again later")?;
            }
            NotAsked::BudgetSpent(span) => {
                write!(f, "the budget of the Places service for this {span} is spent; ask again later")?;
            }
            NotAsked::ShareSpent(span) => {
                write!(f, "your share of the Places service for this {span} is spent; ask again later")?;
            }
            NotAsked::ServiceFails => {
                f.write_str("the Places service has failed several times in a row; ask again later")?;
            }
        }
        match self {
            NotAsked::WaitedTooLong(after) => write!(f, " (this one's turn did not come within {after:?})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for NotAsked {}
