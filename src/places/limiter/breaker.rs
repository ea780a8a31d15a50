//! [`Breaker`]: leaves a service alone that fails again and again.
//!
//! ```text
//!            MAX_FAILURES in a row           the pause is over
//!   Closed -----------------------> Open ----------------------> Probing (one question)
//!     ^                              ^                             |  |
//!     +--------- an answer ----------|-----------------------------+  |
//!                                    +---- a failure: a longer pause -+
//! ```
//!
//! Without it, each question to a service that is down would hold a permit until its timeout, and every client would
//! wait as long for an error.
//!
//! Next: `../key.rs`, the secret that must not leave.

use std::time::{Duration, Instant};

/// The number of failures in a row after which the service is left alone.
const MAX_FAILURES: u32 = 5;

/// How long it is left alone at first. Each failed probe doubles the time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The maximum time for which it is left alone.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How a question to the service has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskOutcome {
    /// The service has answered, if only with a refusal.
    Answered,
    /// The service cannot be reached, or says that it is broken.
    Failed,
    /// Nobody waited for the answer any more.
    GivenUp,
}

/// Whether the service may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// As usual. `failures` is the number of failures in a row so far.
    Closed { failures: u32 },
    /// Not before `until`.
    Open { until: Instant, pause: Duration },
    /// One question is under way, to see whether the service has recovered.
    Probing { pause: Duration },
}

impl Breaker {
    pub(super) fn new() -> Breaker {
        Breaker::Closed { failures: 0 }
    }

    /// Whether no question may start now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        match self {
            Breaker::Closed { .. } => false,
            Breaker::Open { until, .. } => now < *until,
            Breaker::Probing { .. } => true,
        }
    }

    /// Counts the start of a question, which [`is_open`](Breaker::is_open) has allowed. True if it is the probe.
    pub(super) fn start(&mut self) -> bool {
        match *self {
            Breaker::Open { pause, .. } => {
                *self = Breaker::Probing { pause };
                true
            }
            Breaker::Closed { .. } | Breaker::Probing { .. } => false,
        }
    }

    /// Counts the end of a question. Any answer shows that the service is well. The failures of questions that started
    /// before the service was left alone say nothing new.
    pub(super) fn end(&mut self, outcome: AskOutcome, is_probe: bool, now: Instant) {
        match (*self, outcome) {
            (Breaker::Closed { .. }, AskOutcome::Answered) => *self = Breaker::new(),
            (Breaker::Open { .. } | Breaker::Probing { .. }, AskOutcome::Answered) => {
                log::info!("the Places service answers again");
                *self = Breaker::new();
            }
            (Breaker::Closed { failures }, AskOutcome::Failed) if failures + 1 >= MAX_FAILURES => {
                self.open(FIRST_PAUSE, now);
            }
            (Breaker::Closed { failures }, AskOutcome::Failed) => *self = Breaker::Closed { failures: failures + 1 },
            (Breaker::Probing { pause }, AskOutcome::Failed) if is_probe => self.open((pause * 2).min(MAX_PAUSE), now),
            // The next question is the probe.
            (Breaker::Probing { pause }, AskOutcome::GivenUp) if is_probe => {
                *self = Breaker::Open { until: now, pause }
            }
            (_, AskOutcome::Failed | AskOutcome::GivenUp) => {}
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) {
        log::warn!("the Places service fails again and again; it is left alone for {pause:?}");
        *self = Breaker::Open { until: now + pause, pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reactor::testing::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &mut Breaker, clock: &ManualClock) {
        let is_probe = breaker.start();
        breaker.end(AskOutcome::Failed, is_probe, clock.now());
    }

    fn opened(clock: &ManualClock) -> Breaker {
        let mut breaker = Breaker::new();
        (0..MAX_FAILURES).for_each(|_| fail(&mut breaker, clock));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_begins_the_count_anew() {
        let (mut breaker, clock) = (Breaker::new(), ManualClock::new());
        for _ in 0..10 {
            (1..MAX_FAILURES).for_each(|_| fail(&mut breaker, &clock));
            breaker.end(AskOutcome::GivenUp, false, clock.now());
            assert!(!breaker.is_open(clock.now()));
            breaker.end(AskOutcome::Answered, false, clock.now());
        }
        (0..MAX_FAILURES).for_each(|_| fail(&mut breaker, &clock));
        assert!(breaker.is_open(clock.now()));
    }

    #[test]
    fn one_question_probes_after_the_pause_and_its_answer_closes_it() {
        let clock = ManualClock::new();
        let mut breaker = opened(&clock);
        clock.advance(FIRST_PAUSE - Duration::from_millis(1));
        assert!(breaker.is_open(clock.now()));
        clock.advance(Duration::from_millis(1));
        assert!(!breaker.is_open(clock.now()));
        assert!(breaker.start());
        assert!(breaker.is_open(clock.now()), "one at a time");
        breaker.end(AskOutcome::Answered, true, clock.now());
        assert!(!breaker.is_open(clock.now()));
        fail(&mut breaker, &clock);
        assert!(!breaker.is_open(clock.now()), "the count begins anew");
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_a_minute() {
        let clock = ManualClock::new();
        let mut breaker = opened(&clock);
        for pause in [5, 10, 20, 40, 60, 60] {
            clock.advance(pause * SECOND - Duration::from_millis(1));
            assert!(breaker.is_open(clock.now()), "{pause} s");
            clock.advance(Duration::from_millis(1));
            assert!(!breaker.is_open(clock.now()), "{pause} s");
            fail(&mut breaker, &clock);
        }
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_turn_to_the_next_question() {
        let clock = ManualClock::new();
        let mut breaker = opened(&clock);
        clock.advance(FIRST_PAUSE);
        assert!(breaker.start());
        breaker.end(AskOutcome::GivenUp, true, clock.now());
        assert!(!breaker.is_open(clock.now()));
        assert!(breaker.start());
    }

    #[test]
    fn questions_that_started_earlier_count_only_if_they_are_answered() {
        let clock = ManualClock::new();
        let mut breaker = opened(&clock);
        clock.advance(FIRST_PAUSE);
        assert!(breaker.start());
        breaker.end(AskOutcome::Failed, false, clock.now());
        breaker.end(AskOutcome::GivenUp, false, clock.now());
        assert_eq!(breaker, Breaker::Probing { pause: FIRST_PAUSE });
        breaker.end(AskOutcome::Answered, false, clock.now());
        assert!(!breaker.is_open(clock.now()));
        breaker.end(AskOutcome::Failed, true, clock.now());
        assert!(!breaker.is_open(clock.now()), "the probe's failure is the first of a new count");
    }
}
