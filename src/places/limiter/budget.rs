//! [`Budget`]: how many questions the service may get in a minute and in a day, and who gets them.
//!
//! A minute begins with the first question after the last minute is over; so does a day. Within one, an asker gets its
//! equal share, and beyond that at most half of what is left:
//!
//! * Askers that ask little leave their share to those that ask more.
//! * One that asks for all that it can get leaves half to the others.
//!
//! An asker counts for a share if it has asked in this span or in the last one. Nobody knows who comes next, so an
//! asker that is alone leaves a tenth.
//!
//! The counts live in memory: a server that is started again begins a new day.
//!
//! Next: `breaker.rs`, which stops all questions to a service that is down.

use super::not_asked::NotAsked;
use crate::address_group::AddressGroup;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Maximum number of askers that are counted one by one. Those beyond it count as one asker.
const MAX_ASKERS: usize = 16 * 1024;

/// The time for which a number of questions is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// 60 seconds.
    Minute,
    /// 24 hours.
    Day,
}

impl Span {
    fn length(self) -> Duration {
        match self {
            Span::Minute => Duration::from_secs(60),
            Span::Day => Duration::from_secs(24 * 3600),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Span::Minute => "minute",
            Span::Day => "day",
        })
    }
}

/// The questions that may still be asked.
#[derive(Debug, Default)]
pub(super) struct Budget {
    accounts: Vec<Account>,
}

impl Budget {
    /// Grants `max` questions in each `span`, beside what is granted already: a question needs all of them.
    pub(super) fn limit(&mut self, span: Span, max: usize) {
        self.accounts.push(Account {
            span,
            max,
            end: None,
            spent: 0,
            by_asker: BTreeMap::new(),
            before: 0,
            told: false,
        });
    }

    /// Whether the asker may ask one more question now. It counts as one that asks from now on.
    ///
    /// # Errors
    /// If not: why.
    pub(super) fn check(&mut self, asker: AddressGroup, now: Instant) -> Result<(), NotAsked> {
        self.accounts.iter_mut().try_for_each(|account| account.check(asker, now))
    }

    /// Spends a question, which [`check`](Budget::check) has just allowed.
    pub(super) fn spend(&mut self, asker: AddressGroup) {
        self.accounts.iter_mut().for_each(|account| account.spend(asker));
    }
}

/// The budget for one span.
#[derive(Debug)]
struct Account {
    span: Span,
    max: usize,
    /// When the present span is over. `None` before the first question.
    end: Option<Instant>,
    spent: usize,
    /// What each asker has spent in this span, perhaps nothing.
    by_asker: BTreeMap<AddressGroup, usize>,
    /// How many askers the last span had.
    before: usize,
    /// Whether the log has been told that everything is spent.
    told: bool,
}

impl Account {
    fn check(&mut self, asker: AddressGroup, now: Instant) -> Result<(), NotAsked> {
        self.begin_anew(now);
        let asker = self.counted(asker);
        let own = *self.by_asker.entry(asker).or_insert(0);
        if self.spent >= self.max {
            if !std::mem::replace(&mut self.told, true) {
                log::warn!("the budget of {} questions for this {} is spent", self.max, self.span);
            }
            return Err(NotAsked::BudgetSpent(self.span));
        }
        let share = match self.by_asker.len().max(self.before) {
            0 | 1 => self.max - self.max / 10,
            several => self.max.div_ceil(several),
        };
        let left = self.max - self.spent;
        if own < share.max(left / 2) { Ok(()) } else { Err(NotAsked::ShareSpent(self.span)) }
    }

    fn spend(&mut self, asker: AddressGroup) {
        self.spent += 1;
        *self.by_asker.entry(self.counted(asker)).or_insert(0) += 1;
    }

    fn counted(&self, asker: AddressGroup) -> AddressGroup {
        let is_full = self.by_asker.len() >= MAX_ASKERS && !self.by_asker.contains_key(&asker);
        if is_full { AddressGroup::OPERATOR } else { asker }
    }

    fn begin_anew(&mut self, now: Instant) {
        let length = self.span.length();
        match self.end {
            Some(end) if now < end => return,
            // After a span without a question, no asker of the last one counts.
            Some(end) if now >= end + length => self.before = 0,
            Some(_) => self.before = self.by_asker.len(),
            None => {}
        }
        self.end = Some(now + length);
        self.spent = 0;
        self.by_asker.clear();
        self.told = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reactor::testing::ManualClock;
    use std::net::IpAddr;

    const SECOND: Duration = Duration::from_secs(1);

    fn asker(last: u8) -> AddressGroup {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn budget(max: usize) -> (Budget, ManualClock) {
        let mut budget = Budget::default();
        budget.limit(Span::Minute, max);
        (budget, ManualClock::new())
    }

    /// Asks once. Whether that was allowed.
    fn take(budget: &mut Budget, clock: &ManualClock, from: AddressGroup) -> bool {
        let is_allowed = budget.check(from, clock.now()).is_ok();
        if is_allowed {
            budget.spend(from);
        }
        is_allowed
    }

    /// How many questions an asker gets that asks until it is refused.
    fn take_all(budget: &mut Budget, clock: &ManualClock, from: u8) -> usize {
        (0..).take_while(|_| take(budget, clock, asker(from))).count()
    }

    #[test]
    fn without_a_limit_everything_is_granted() {
        let (mut budget, clock) = (Budget::default(), ManualClock::new());
        assert!((0..1000).all(|_| take(&mut budget, &clock, asker(1))));
    }

    #[test]
    fn a_lone_asker_gets_all_but_a_tenth_and_a_small_budget_whole() {
        for (max, granted) in [(1, 1), (5, 5), (9, 9), (10, 9), (100, 90)] {
            let (mut budget, clock) = budget(max);
            assert_eq!(take_all(&mut budget, &clock, 1), granted, "of {max}");
        }
    }

    #[test]
    fn a_minute_never_has_more_than_its_budget_and_the_next_begins_anew() {
        let (mut budget, clock) = budget(100);
        for _ in 0..3 {
            let all: usize = (0..200).map(|from| take_all(&mut budget, &clock, from)).sum();
            assert_eq!(all, 100);
            clock.advance(60 * SECOND - Duration::from_millis(1));
            assert_eq!(budget.check(asker(1), clock.now()), Err(NotAsked::BudgetSpent(Span::Minute)));
            clock.advance(Duration::from_millis(1));
        }
    }

    #[test]
    fn one_that_takes_all_it_can_get_leaves_their_share_to_the_others() {
        let (mut budget, clock) = budget(100);
        assert_eq!(take_all(&mut budget, &clock, 1), 90);
        assert_eq!(budget.check(asker(1), clock.now()), Err(NotAsked::ShareSpent(Span::Minute)));
        assert_eq!(take_all(&mut budget, &clock, 2), 10, "what a newcomer finds");
        clock.advance(60 * SECOND);
        assert_eq!(take_all(&mut budget, &clock, 1), 50, "now it is known that there are two");
        assert_eq!(take_all(&mut budget, &clock, 2), 50);
    }

    #[test]
    fn what_askers_leave_goes_to_those_that_ask_more() {
        let (mut budget, clock) = budget(100);
        assert!((1..=20).all(|from| take(&mut budget, &clock, asker(from))));
        // An equal share would be five.
        assert_eq!(take_all(&mut budget, &clock, 1), 26);
        assert!(take_all(&mut budget, &clock, 2) > 5);
    }

    #[test]
    fn askers_of_long_ago_do_not_count() {
        let (mut budget, clock) = budget(100);
        assert!((1..=4).all(|from| take(&mut budget, &clock, asker(from))));
        clock.advance(120 * SECOND);
        assert_eq!(take_all(&mut budget, &clock, 1), 90);
    }

    #[test]
    fn a_question_needs_the_budget_of_the_minute_and_of_the_day() {
        let (mut budget, clock) = budget(5);
        budget.limit(Span::Day, 7);
        assert_eq!(take_all(&mut budget, &clock, 1), 5);
        clock.advance(60 * SECOND);
        assert_eq!(take_all(&mut budget, &clock, 1), 2);
        assert_eq!(budget.check(asker(1), clock.now()), Err(NotAsked::BudgetSpent(Span::Day)));
        clock.advance(24 * 3600 * SECOND);
        assert_eq!(take_all(&mut budget, &clock, 1), 5);
    }

    #[test]
    fn the_number_of_askers_that_are_counted_is_bounded() {
        let (mut budget, clock) = budget(1_000_000);
        for number in 0..MAX_ASKERS as u32 + 1000 {
            assert!(take(&mut budget, &clock, IpAddr::from((0x0a00_0000 + number).to_be_bytes()).into()));
        }
        assert_eq!(budget.accounts[0].by_asker.len(), MAX_ASKERS + 1);
        assert_eq!(budget.accounts[0].by_asker[&AddressGroup::OPERATOR], 1000);
    }
}
