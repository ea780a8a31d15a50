//! [`Shared`]: what all connections of a server share.
//!
//! Next: `turns.rs`, how many requests begin in a turn of the loop.

use super::date::DateLine;
use super::service::Service;
use super::settings::ServerSettings;
use super::turns::Turns;
use crate::policies::PolicyClock;
use std::cell::{Cell, RefCell};

/// What a server has counted, for an operator to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Requests whose head was complete and sound.
    pub requests: u64,
    /// Requests that were refused because of a rule or a limit, before or after a service has seen them.
    pub refused: u64,
    /// Services that failed, or did not answer in time.
    pub failed: u64,
    /// Peers that were dropped because they did not read their events.
    pub too_slow: u64,
}

pub(super) struct Shared {
    pub(super) service: Box<dyn Service>,
    pub(super) settings: ServerSettings,
    pub(super) clock: PolicyClock,
    pub(super) counts: Cell<ServerCounts>,
    pub(super) turns: Turns,
    date: RefCell<DateLine>,
    /// Where heads are put together; one for all, as nothing is kept in it.
    scratch: RefCell<Vec<u8>>,
}

impl Shared {
    pub(super) fn new(service: Box<dyn Service>, settings: ServerSettings, clock: PolicyClock) -> Shared {
        Shared {
            service,
            settings,
            clock,
            counts: Cell::default(),
            turns: Turns::default(),
            date: RefCell::default(),
            scratch: RefCell::default(),
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut ServerCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Puts a head together and gives it to `write`, which must not call anybody back.
    pub(super) fn with_scratch(&self, fill: impl FnOnce(&mut Vec<u8>), write: impl FnOnce(&[u8])) {
        let mut scratch = self.scratch.borrow_mut();
        scratch.clear();
        fill(&mut scratch);
        write(&scratch);
    }

    /// Appends the header `Date`, if there is a clock that has one: RFC 9110, section 6.6.1.
    pub(super) fn add_date(&self, head: &mut Vec<u8>) {
        if let Some(now) = self.clock.system_time() {
            head.extend_from_slice(self.date.borrow_mut().at(now).as_bytes());
        }
    }
}
