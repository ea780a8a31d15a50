//! [`Health`]: which buckets the store has lost, and what the log says about it. Pure.
//!
//! ```text
//!            an offer fails, or is not confirmed
//!   there -------------------------------------> lost: nobody waits for it
//!     ^                                            |
//!     '---------- a probe has succeeded -----------'   one each second
//! ```
//!
//! Next: `losing.rs`, what loses a bucket.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// A store that is lost again this soon gets no second warning: it may come and go each second.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Which buckets are lost.
#[derive(Debug)]
pub(super) struct Health {
    buckets: RefCell<Vec<bool>>,
    lost: Cell<usize>,
    /// Since when some are lost.
    since: Cell<Option<Instant>>,
    warned: Cell<Option<Instant>>,
    /// Why the last one was lost.
    reason: RefCell<String>,
    /// Why nothing may be offered at all.
    barred: RefCell<Option<String>>,
}

impl Health {
    pub(super) fn new(buckets: u16) -> Health {
        Health {
            buckets: RefCell::new(vec![false; usize::from(buckets)]),
            lost: Cell::new(0),
            since: Cell::new(None),
            warned: Cell::new(None),
            reason: RefCell::default(),
            barred: RefCell::default(),
        }
    }

    pub(super) fn is_lost(&self, bucket: u16) -> bool {
        self.barred.borrow().is_some() || self.buckets.borrow()[usize::from(bucket)]
    }

    /// How many buckets are lost.
    pub(super) fn lost_count(&self) -> usize {
        match &*self.barred.borrow() {
            Some(_) => self.buckets.borrow().len(),
            None => self.lost.get(),
        }
    }

    /// Since when, and why.
    pub(super) fn trouble(&self) -> Option<(Instant, String)> {
        let reason = self.barred.borrow().clone().unwrap_or_else(|| self.reason.borrow().clone());
        Some((self.since.get()?, reason))
    }

    /// A bucket does not take what it is offered.
    pub(super) fn lose(&self, bucket: u16, why: &dyn Display, now: Instant) {
        if std::mem::replace(&mut self.buckets.borrow_mut()[usize::from(bucket)], true) {
            return;
        }
        self.lost.set(self.lost.get() + 1);
        *self.reason.borrow_mut() = why.to_string();
        self.begin_trouble(now);
    }

    /// A bucket takes again what it is offered. Returns whether that is new.
    pub(super) fn regain(&self, bucket: u16, now: Instant) -> bool {
        let was_lost = std::mem::replace(&mut self.buckets.borrow_mut()[usize::from(bucket)], false);
        if was_lost {
            self.lost.set(self.lost.get() - 1);
            self.end_trouble(now);
        }
        was_lost
    }

    /// The store must not be used, for this reason; `None` lifts that.
    pub(super) fn bar(&self, why: Option<String>, now: Instant) {
        let before = self.barred.replace(why.clone());
        match why {
            Some(why) if before.as_ref() != Some(&why) => {
                self.since.set(self.since.get().or(Some(now)));
                log::error!("the store is not used: {why}");
            }
            None if before.is_some() => self.end_trouble(now),
            _ => {}
        }
    }

    pub(super) fn is_barred(&self) -> bool {
        self.barred.borrow().is_some()
    }

    /// The buckets that are lost.
    pub(super) fn lost(&self) -> Vec<u16> {
        let buckets = self.buckets.borrow();
        (0_u16..).zip(&*buckets).filter(|(_, is_lost)| **is_lost).map(|(bucket, _)| bucket).collect()
    }

    fn begin_trouble(&self, now: Instant) {
        if self.since.get().is_some() {
            return;
        }
        self.since.set(Some(now));
        let reason = self.reason.borrow();
        if self.warned.get().is_some_and(|warned| now.saturating_duration_since(warned) < QUIET_FOR) {
            return log::debug!("the store is lost again: {reason}");
        }
        self.warned.set(Some(now));
        log::warn!("the store does not take locations, or not all: {reason}");
    }

    fn end_trouble(&self, now: Instant) {
        if self.lost_count() > 0 {
            return;
        }
        let Some(since) = self.since.take() else { return };
        let lasted = Duration::from_millis(now.saturating_duration_since(since).as_millis() as u64);
        let lasted = humantime::format_duration(lasted);
        log::info!("the store takes all locations again, after {lasted}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_lost_alone_and_trouble_ends_with_the_last_one() {
        let (health, now) = (Health::new(4), Instant::now());
        assert_eq!((health.lost_count(), health.trouble()), (0, None));
        health.lose(1, &"slow", now);
        health.lose(3, &"gone", now + Duration::from_secs(1));
        health.lose(3, &"again", now + Duration::from_secs(2));
        assert_eq!((health.is_lost(1), health.is_lost(2), health.lost()), (true, false, vec![1, 3]));
        assert_eq!(health.trouble(), Some((now, "gone".to_owned())));
        assert!(health.regain(1, now) && !health.regain(1, now));
        assert_eq!(health.lost_count(), 1);
        assert!(health.regain(3, now));
        assert_eq!((health.lost_count(), health.trouble()), (0, None));
    }

    #[test]
    fn a_store_that_is_barred_has_nothing() {
        let (health, now) = (Health::new(2), Instant::now());
        health.lose(0, &"slow", now);
        health.bar(Some("it lies".to_owned()), now);
        assert_eq!((health.is_lost(1), health.lost_count()), (true, 2));
        assert_eq!(health.trouble(), Some((now, "it lies".to_owned())));
        health.bar(None, now);
        assert_eq!((health.is_lost(0), health.is_lost(1), health.lost_count()), (true, false, 1));
        health.regain(0, now);
        assert_eq!(health.trouble(), None);
    }
}
