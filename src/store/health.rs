//! [`Health`]: which buckets the store has lost, and why. Pure.
//!
//! ```text
//!            an offer fails, or is not confirmed
//!   there -------------------------------------> lost: nobody waits for it
//!     ^                                            |
//!     '---------- a probe has succeeded -----------'   one each second
//! ```
//!
//! Next: `news.rs`, what the log has said of it.

use super::news::{Line, News};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Which buckets are lost.
#[derive(Debug)]
pub(super) struct Health {
    buckets: RefCell<Vec<bool>>,
    lost: Cell<usize>,
    /// Since when some are lost.
    since: Cell<Option<Instant>>,
    /// Why the last one was lost.
    reason: RefCell<String>,
    /// Why nothing may be offered at all.
    barred: RefCell<Option<String>>,
    news: RefCell<News>,
}

impl Health {
    pub(super) fn new(buckets: u16) -> Health {
        Health {
            buckets: RefCell::new(vec![false; usize::from(buckets)]),
            lost: Cell::new(0),
            since: Cell::new(None),
            reason: RefCell::default(),
            barred: RefCell::default(),
            news: RefCell::default(),
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

    /// The same for several, which may be lost already for a reason that says less.
    pub(super) fn lose_all(&self, buckets: &[u16], why: &dyn Display, now: Instant) {
        buckets.iter().for_each(|bucket| self.lose(*bucket, why, now));
        self.explain(why);
    }

    /// This is why the buckets are lost that are.
    pub(super) fn explain(&self, why: &dyn Display) {
        if self.lost.get() > 0 {
            *self.reason.borrow_mut() = why.to_string();
        }
    }

    /// A bucket takes again what it is offered. Returns whether that is new.
    pub(super) fn regain(&self, bucket: u16, now: Instant) -> bool {
        let was_lost = std::mem::replace(&mut self.buckets.borrow_mut()[usize::from(bucket)], false);
        if was_lost {
            self.lost.set(self.lost.get() - 1);
            self.end_trouble(&self.reason.borrow(), now);
        }
        was_lost
    }

    /// The store must not be used, for this reason; `None` lifts that.
    pub(super) fn bar(&self, why: Option<String>, now: Instant) {
        let before = self.barred.replace(why.clone());
        match why {
            Some(_) => self.begin_trouble(now),
            None => {
                if let Some(before) = before {
                    self.end_trouble(&before, now);
                }
            }
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
        if self.since.get().is_none() {
            self.since.set(Some(now));
            self.news.borrow_mut().began(now);
        }
        self.news.borrow_mut().lost = (self.lost_count(), self.buckets.borrow().len());
    }

    fn end_trouble(&self, why: &str, now: Instant) {
        if self.lost_count() == 0 && self.since.take().is_some() {
            self.news.borrow_mut().ended(why.to_owned(), now);
        }
    }

    /// Writes into the log what it lacks. To be called each second.
    pub(super) fn tell(&self, now: Instant) {
        let barred = self.barred.borrow().clone();
        let trouble = self.trouble().map(|(since, why)| (since, barred.is_some(), why));
        if trouble.is_some() {
            self.news.borrow_mut().lost = (self.lost_count(), self.buckets.borrow().len());
        }
        match self.news.borrow_mut().next(trouble, now) {
            Some(Line::Unusable(why)) => log::error!("the store is not used: {why}"),
            Some(Line::Lost(why)) => log::warn!("the store does not take locations, or not all: {why}"),
            Some(Line::Back(lasted)) => {
                let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs().max(1)));
                log::info!("the store takes all locations again; it did not for {lasted}");
            }
            None => {}
        }
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
