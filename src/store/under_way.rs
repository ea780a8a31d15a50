//! [`UnderWay`]: questions and offers that the store has not answered yet. An answer may be remembered only if the
//! client has not changed since the question. Pure.
//!
//! ```text
//!   question ............ answer          may be remembered
//!   question .. push .... answer          not: the push came first, and there is no second one
//!   question .. offer ... answer          not: the store may have taken the offer, and does not push our own changes
//! ```
//!
//! An answer comes in order with the pushes, but not always to us: a batch hands its replies over when all of them are
//! there, and two servers of a cluster keep no order between them.
//!
//! Next: `confirming.rs`, offers that replicas must have.

use std::collections::BTreeMap;

/// What tells a question from later ones.
pub(super) type Number = u64;

#[derive(Default)]
pub(super) struct UnderWay {
    /// Only clients with questions or offers: the limits of those bound it.
    clients: BTreeMap<Box<[u8]>, Client>,
    last: Number,
    /// The last question before everything changed.
    everything_changed_after: Number,
}

#[derive(Default)]
struct Client {
    questions: usize,
    offers: usize,
    /// The last question of all before this client changed.
    changed_after: Number,
}

impl UnderWay {
    /// The store is asked about a client.
    pub(super) fn asked(&mut self, client: &[u8]) -> Number {
        self.last += 1;
        self.of(client).questions += 1;
        self.last
    }

    /// A question has an answer, or will have none. Returns whether the answer may be remembered.
    pub(super) fn answered(&mut self, client: &[u8], question: Number) -> bool {
        let Some(found) = self.clients.get_mut(client) else { return false };
        found.questions -= 1;
        let changed_after = found.changed_after.max(self.everything_changed_after);
        let is_fresh = found.offers == 0 && question > changed_after;
        self.remove_if_idle(client);
        is_fresh
    }

    /// The store is offered something about a client.
    pub(super) fn offered(&mut self, client: &[u8]) {
        self.of(client).offers += 1;
    }

    /// An offer has an answer, or will have none.
    pub(super) fn offer_over(&mut self, client: &[u8]) {
        if let Some(found) = self.clients.get_mut(client) {
            found.offers -= 1;
        }
        self.changed(client);
        self.remove_if_idle(client);
    }

    /// The store has changed what it has of a client.
    pub(super) fn changed(&mut self, client: &[u8]) {
        if let Some(found) = self.clients.get_mut(client) {
            found.changed_after = self.last;
        }
    }

    /// Nobody knows what has changed.
    pub(super) fn everything_changed(&mut self) {
        self.everything_changed_after = self.last;
    }

    fn of(&mut self, client: &[u8]) -> &mut Client {
        self.clients.entry(client.into()).or_default()
    }

    fn remove_if_idle(&mut self, client: &[u8]) {
        if self.clients.get(client).is_some_and(|found| found.questions + found.offers == 0) {
            self.clients.remove(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fresh_if_nothing_has_happened_to_its_client_since_the_question() {
        let mut under_way = UnderWay::default();
        let [early, other] = [under_way.asked(b"kiwi"), under_way.asked(b"moa")];
        under_way.changed(b"kiwi");
        let late = under_way.asked(b"kiwi");
        assert!(!under_way.answered(b"kiwi", early), "the client has changed");
        assert!(under_way.answered(b"kiwi", late) && under_way.answered(b"moa", other));
        let asked = under_way.asked(b"kiwi");
        under_way.everything_changed();
        assert!(!under_way.answered(b"kiwi", asked));
        assert!(under_way.clients.is_empty());
    }

    #[test]
    fn an_answer_is_not_fresh_if_an_offer_was_under_way_at_any_time_since_the_question() {
        let mut under_way = UnderWay::default();
        let before = under_way.asked(b"kiwi");
        under_way.offered(b"kiwi");
        under_way.offered(b"kiwi");
        let [during, long] = [under_way.asked(b"kiwi"), under_way.asked(b"kiwi")];
        under_way.offer_over(b"kiwi");
        assert!(!under_way.answered(b"kiwi", during), "one is left");
        under_way.offer_over(b"kiwi");
        let after = under_way.asked(b"kiwi");
        assert!(!under_way.answered(b"kiwi", before) && !under_way.answered(b"kiwi", long));
        assert!(under_way.answered(b"kiwi", after) && under_way.clients.is_empty());
    }
}
