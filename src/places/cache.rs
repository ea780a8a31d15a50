//! [`Cache`]: keeps answers for as long as the service's terms allow. The same question is then answered without
//! asking.
//!
//! A provider says in [`Places::kept_for`] how long its answers may be kept. Google's may not be kept at all.
//!
//! Next: `limiter.rs`, which shares the service out.

use super::{Nearby, Places, answer};
use crate::address_group::AddressGroup;
use reactor::{Clock, Deferred};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The maximum number of bytes of all answers together, with their questions: some hundred answers. At the limit the
/// oldest go. A crowd that asks for ever new places leaves it full, for as long as answers are kept. So it must be a
/// small part of what a small server takes.
const MAX_BYTES: usize = 1 << 20;

/// The maximum length of an answer that is kept: one must not push all others out.
const MAX_ANSWER: usize = 256 * 1024;

/// What an entry takes beside its texts, roughly.
const OVERHEAD: usize = 300;

/// Stands before a provider and answers what it has answered before.
pub struct Cache {
    inner: Rc<dyn Places>,
    clock: Rc<dyn Clock>,
    kept: Rc<RefCell<Kept>>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Nearby, Entry>,
    /// The questions from the oldest answer to the newest. All are kept for the same time, so that the first to become
    /// too old is at the front.
    order: VecDeque<Nearby>,
    bytes: usize,
}

struct Entry {
    answer: Vec<u8>,
    until: Instant,
}

impl Cache {
    /// Stands before `inner`.
    pub fn new(inner: Rc<dyn Places>, clock: Rc<dyn Clock>) -> Cache {
        Cache { inner, clock, kept: Rc::default() }
    }
}

impl Places for Cache {
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        let (answer, keep_for) = (self.inner.nearby(question, from), self.kept_for());
        if keep_for.is_zero() {
            return answer;
        }
        let (kept, clock, asked) = (self.kept.clone(), self.clock.clone(), self.as_asked(question));
        answer.add_callback(move |text: Vec<u8>| {
            // A refusal may be over a moment later.
            if answer::read_status(&text).is_ok_and(|told| told.is_success()) {
                kept.borrow_mut().keep(asked, &text, clock.now(), keep_for);
            }
            Ok(text)
        })
    }

    fn without_asking(&self, question: &Nearby) -> Option<Vec<u8>> {
        let known = self.inner.without_asking(question);
        known.or_else(|| self.kept.borrow().find(&self.as_asked(question), self.clock.now()))
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&*self.inner)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

impl Kept {
    fn find(&self, question: &Nearby, now: Instant) -> Option<Vec<u8>> {
        self.answers.get(question).filter(|entry| now < entry.until).map(|entry| entry.answer.clone())
    }

    fn keep(&mut self, question: Nearby, answer: &[u8], now: Instant, keep_for: Duration) {
        if answer.len() > MAX_ANSWER {
            return;
        }
        // Equal questions that are under way are one request, so an entry that is there already is too old.
        if self.answers.contains_key(&question) {
            self.order.retain(|other| *other != question);
            self.forget(&question);
        }
        self.bytes += size(&question, answer);
        let entry = Entry { answer: answer.to_vec(), until: now + keep_for };
        self.answers.insert(question.clone(), entry);
        self.order.push_back(question);
        let is_old = |kept: &Kept| {
            let first = kept.order.front().and_then(|question| kept.answers.get(question));
            first.is_some_and(|entry| entry.until <= now)
        };
        while self.bytes > MAX_BYTES || is_old(self) {
            let Some(oldest) = self.order.pop_front() else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, question: &Nearby) {
        if let Some(entry) = self.answers.remove(question) {
            self.bytes -= size(question, &entry.answer);
        }
    }
}

/// The bytes that an entry takes. Its question is stored twice.
fn size(question: &Nearby, answer: &[u8]) -> usize {
    let Nearby { latitude, longitude, radius, .. } = question;
    2 * (latitude.len() + longitude.len() + radius.len()) + answer.len() + OVERHEAD
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.borrow();
        write!(f, "Cache({} answers, {} bytes)", kept.answers.len(), kept.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::tests::{HeldPlaces, SOMEBODY, ask};
    use reactor::Failure;
    use reactor::testing::ManualClock;

    const MINUTE: Duration = Duration::from_secs(60);
    const FOUND: &str = "{\"results\":[1],\"status\":\"OK\"}";
    const NOTHING: &str = "{\"results\":[],\"status\":\"ZERO_RESULTS\"}";

    struct World {
        held: Rc<HeldPlaces>,
        clock: Rc<ManualClock>,
        cache: Cache,
    }

    fn world(keep_for: Duration) -> World {
        let held = Rc::new(HeldPlaces::keeping_for(keep_for));
        let clock = Rc::new(ManualClock::new());
        World { held: held.clone(), clock: clock.clone(), cache: Cache::new(held, clock) }
    }

    impl World {
        /// Asks, with this answer of the service if it is asked. Whether it was asked.
        fn ask(&self, question: &Nearby, answer: &str) -> bool {
            let told = self.cache.nearby(question, SOMEBODY);
            let was_asked = !self.held.questions().is_empty();
            if was_asked {
                self.held.answer(answer);
            }
            assert_eq!(told.result().map(|text| text.len()), Some(answer.len()));
            was_asked
        }
    }

    #[test]
    fn an_answer_is_given_again_until_its_time_is_over() {
        let world = world(MINUTE);
        for answer in [FOUND, NOTHING] {
            assert!(world.ask(&ask("1", 5), answer));
            world.clock.advance(MINUTE - Duration::from_millis(1));
            assert!(!world.ask(&ask("1", 5), answer));
            world.clock.advance(Duration::from_millis(1));
        }
        assert!(world.ask(&ask("1", 6), FOUND), "another question");
    }

    #[test]
    fn a_provider_that_allows_nothing_is_asked_each_time() {
        let world = world(Duration::ZERO);
        assert!(world.ask(&ask("1", 5), FOUND));
        assert!(world.ask(&ask("1", 5), FOUND));
        assert_eq!(format!("{:?}", world.cache), "Cache(0 answers, 0 bytes)");
    }

    #[test]
    fn a_refusal_a_failure_and_a_huge_answer_are_not_kept() {
        let world = world(MINUTE);
        let huge = FOUND.replace("[1]", &format!("[\"{}\"]", "x".repeat(MAX_ANSWER)));
        for answer in ["{\"results\":[],\"status\":\"OVER_QUERY_LIMIT\"}", "nonsense", &huge] {
            assert!(world.ask(&ask("1", 5), answer));
            assert!(world.ask(&ask("1", 5), answer));
        }
        let failed = world.cache.nearby(&ask("1", 5), SOMEBODY);
        world.held.take().1.errback(Failure::msg("broken")).unwrap();
        failed.add_errback(|_| Ok(Vec::new())).detach();
        assert_eq!(format!("{:?}", world.cache), "Cache(0 answers, 0 bytes)");
    }

    #[test]
    fn the_bytes_are_bounded_and_the_oldest_answer_goes_first() {
        let world = world(MINUTE);
        let long = FOUND.replace("[1]", &format!("[\"{}\"]", "x".repeat(MAX_ANSWER / 2)));
        let question = |number: usize| ask(&number.to_string(), 5);
        for number in 0..100 {
            assert!(world.ask(&question(number), &long));
            assert!(world.cache.kept.borrow().bytes <= MAX_BYTES);
        }
        assert!(!world.ask(&question(99), &long) && !world.ask(&question(95), &long));
        assert!(world.ask(&question(0), &long));
        for _ in 0..3 {
            world.clock.advance(MINUTE);
            assert!(world.ask(&question(0), &long));
        }
        assert_eq!(world.cache.kept.borrow().order.len(), 1, "what is too old goes with the next answer");
        let kept = world.cache.kept.borrow();
        assert_eq!(kept.bytes, size(&question(0), long.as_bytes()));
    }
}
