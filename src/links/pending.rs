//! [`Pending`]: what a neighbor has still to be told.
//!
//! The server's table lists its clients in the order of their last change, and a link walks along that list. What the
//! walk has passed has been told; what lies ahead is pending. So a client is pending once, however often it changes,
//! and neither a link that comes up nor one that falls behind needs a queue.
//!
//! ```text
//!   oldest change                                                                newest change
//!   |--------- told ---------|------------- told next ------------|--------- news ---------|
//!                            ^ next                               ^ all_before: the link came up here
//! ```
//!
//! Beside the walk there are two sets of clients: those that the neighbor lacks although the walk has passed them, and
//! those that the neighbor has told us.
//!
//! Next: `marks.rs`, such a set.

use super::marks::Marks;
use crate::locations::{Change, ClientId, Forgotten, Known, Locations, NeighborId, Place};

/// What a neighbor has still to be told, while the link to it is up.
pub(super) struct Pending {
    neighbor: NeighborId,
    /// Where the walk goes on. `None` at the end of the list.
    next: Option<Place>,
    /// Changes before this one happened before the link came up: the neighbor is told them whatever their source. Later
    /// ones are news, which need not go to the neighbor that it came from.
    all_before: u64,
    /// The number of clients that the walk will tell.
    ahead: usize,
    /// Clients that the walk will not tell, but the neighbor must be told.
    lacking: Marks,
    /// Clients of which the neighbor itself has told us the newest version since the link came up, on connections that
    /// it made. If one of these connections was that of an earlier process, the neighbor lacks them.
    told_us: Marks,
}

/// What one look at the list has found.
pub(super) enum Look<'a> {
    /// The neighbor is to be told this.
    Tell(&'a Known),
    /// The neighbor need not be told this one.
    Skip,
    /// Nothing is pending.
    Nothing,
}

impl Pending {
    /// Nothing: for a link that is down.
    pub(super) fn nothing(neighbor: NeighborId) -> Pending {
        let (lacking, told_us) = (Marks::default(), Marks::default());
        Pending { neighbor, next: None, all_before: 0, ahead: 0, lacking, told_us }
    }

    /// Everything that is known: for a link that comes up.
    pub(super) fn everything(neighbor: NeighborId, locations: &Locations) -> Pending {
        let (next, all_before, ahead) = (locations.first(), locations.change_count(), locations.len());
        Pending { next, all_before, ahead, ..Pending::nothing(neighbor) }
    }

    /// A client has changed; `from` is the neighbor that told us. Must hear of every change while the link is up.
    pub(super) fn note_change(&mut self, change: &Change, from: Option<NeighborId>) {
        let client = change.place.client;
        if let Some(before) = &change.before {
            self.ahead -= usize::from(self.will_tell(before.change, before.from));
            // The client has left its place in the list: the walk must not follow it to the end.
            if self.next.is_some_and(|next| next.client == client) {
                self.next = before.next;
            }
        }
        // Either the walk will tell the new version, or the neighbor has it.
        self.lacking.remove(client);
        if from == Some(self.neighbor) {
            self.told_us.insert(client);
        } else {
            self.told_us.remove(client);
            self.ahead += 1;
            self.next = self.next.or(Some(change.place));
        }
    }

    /// A client was forgotten. Must hear of every one while the link is up: another client may get its number.
    pub(super) fn note_forgotten(&mut self, Forgotten { client, before, .. }: &Forgotten) {
        self.ahead -= usize::from(self.will_tell(before.change, before.from));
        if self.next.is_some_and(|next| next.client == *client) {
            self.next = before.next;
        }
        self.lacking.remove(*client);
        self.told_us.remove(*client);
    }

    /// The neighbor has said something older about a client that is known.
    pub(super) fn note_lacking(&mut self, client: ClientId, known: &Known) {
        if !self.will_tell(known.change(), known.from) {
            self.lacking.insert(client);
        }
    }

    /// The neighbor may be another process by now: it lacks what it has told us. Once it has been told on this link, it
    /// knows: so the same is not told back twice.
    pub(super) fn tell_back(&mut self) {
        self.lacking.append(&mut self.told_us);
    }

    /// Looks at one client.
    pub(super) fn look<'a>(&mut self, locations: &'a Locations) -> Look<'a> {
        if let Some(client) = self.lacking.take() {
            return Look::Tell(locations.of(client));
        }
        let Some(place) = self.next else { return Look::Nothing };
        let known = locations.of(place.client);
        let is_told = self.will_tell(place.change, known.from);
        self.next = locations.after(place.client);
        if !is_told {
            return Look::Skip;
        }
        self.ahead -= 1;
        Look::Tell(known)
    }

    /// How many clients the neighbor has still to be told about: each counts once.
    pub(super) fn len(&self) -> usize {
        self.ahead + self.lacking.len()
    }

    /// Whether the walk will tell a client that changed last with this change.
    fn will_tell(&self, change: u64, from: Option<NeighborId>) -> bool {
        let is_ahead = self.next.is_some_and(|next| change >= next.change);
        is_ahead && (change < self.all_before || from != Some(self.neighbor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Time;
    use crate::locations::{Stamp, Verdict};
    use crate::message::{Command, parse};

    const THEM: NeighborId = 3;
    const OTHER: NeighborId = 4;

    /// A table, and what waits for the neighbor [`THEM`].
    struct Table {
        locations: Locations,
        pending: Pending,
        time: u32,
    }

    impl Table {
        fn new() -> Table {
            Table { locations: Locations::new(1 << 20), pending: Pending::nothing(THEM), time: 0 }
        }

        /// News about these clients.
        fn news(&mut self, clients: &str, from: Option<NeighborId>) {
            for client in clients.split(' ') {
                self.time += 1;
                let line = format!("AT A +1.000000000 {client} +1+1 {}", self.time);
                let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
                let Verdict::Newer(change) = self.locations.offer(&at, from) else { panic!("{line}") };
                self.pending.note_change(&change, from);
            }
        }

        /// The neighbor says something older.
        fn older(&mut self, client: &str) {
            let line = format!("AT A +1.000000000 {client} +1+1 0");
            let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
            let Verdict::Older(client) = self.locations.offer(&at, Some(THEM)) else { panic!("{line}") };
            self.pending.note_lacking(client, self.locations.of(client));
        }

        fn comes_up(&mut self) {
            self.pending = Pending::everything(THEM, &self.locations);
        }

        /// Forgets what was heard before this.
        fn forget(&mut self, horizon: u32) {
            let horizon = Stamp::from(Time::parse(horizon.to_string().as_bytes()).unwrap());
            self.locations.begin_sweep(false);
            self.locations.sweep(9999, horizon, |forgotten| self.pending.note_forgotten(forgotten));
        }

        /// The next clients that are told, this number at most; checks the count.
        fn told(&mut self, most: usize) -> String {
            let mut told: Vec<&str> = Vec::new();
            while told.len() < most {
                let before = self.pending.len();
                match self.pending.look(&self.locations) {
                    Look::Tell(known) => told.push(std::str::from_utf8(&known.client).unwrap()),
                    Look::Skip => assert_eq!(self.pending.len(), before),
                    Look::Nothing => {
                        assert_eq!((before, self.pending.len()), (0, 0));
                        break;
                    }
                }
                assert!(self.pending.len() <= before);
            }
            told.join(" ")
        }
    }

    #[test]
    fn a_link_that_comes_up_tells_everything_once_and_then_the_news() {
        let mut table = Table::new();
        table.news("a b", None);
        table.news("c", Some(THEM));
        table.news("a", Some(OTHER));
        table.comes_up();
        assert_eq!((table.pending.len(), table.told(9)), (3, "b c a".to_owned()));
        table.news("d a", None);
        table.news("b", Some(OTHER));
        assert_eq!((table.pending.len(), table.told(9)), (3, "d a b".to_owned()));
    }

    #[test]
    fn news_is_not_told_to_the_neighbor_that_it_came_from() {
        let mut table = Table::new();
        table.comes_up();
        table.news("a", Some(THEM));
        assert_eq!((table.pending.len(), table.told(9)), (0, String::new()));
        table.news("b", None);
        table.news("c", Some(THEM));
        table.news("d b", None);
        assert_eq!((table.pending.len(), table.told(9)), (2, "d b".to_owned()));
    }

    #[test]
    fn a_client_that_changes_while_it_waits_is_told_once_wherever_the_walk_is() {
        for passed in 0..=3 {
            for again in ["a", "b", "c", "c b a", "a a"] {
                let mut table = Table::new();
                table.news("a b c", None);
                table.comes_up();
                let before = table.told(passed);
                table.news(again, None);
                let mut expected: Vec<&str> = vec!["a", "b", "c"];
                expected.retain(|client| !before.contains(client) || again.contains(client));
                assert_eq!(table.pending.len(), expected.len(), "{passed} {again}");
                let told = table.told(9);
                let mut told: Vec<&str> = told.split_terminator(' ').collect();
                told.sort_unstable();
                assert_eq!(told, expected, "{passed} {again}");
            }
        }
    }

    #[test]
    fn what_the_neighbor_brings_while_it_waits_is_not_told_any_more() {
        for passed in 0..=3 {
            let mut table = Table::new();
            table.news("a b c", None);
            table.comes_up();
            table.told(passed);
            table.news("b", Some(THEM));
            let expected = ["a c", "c", "c", ""][passed];
            assert_eq!(
                (table.pending.len(), table.told(9)),
                (expected.split_terminator(' ').count(), expected.to_owned())
            );
        }
    }

    #[test]
    fn a_neighbor_that_says_something_older_is_told_once() {
        for passed in 0..=2 {
            let mut table = Table::new();
            table.news("a b", None);
            table.comes_up();
            table.told(passed);
            table.older("a");
            table.older("a");
            let expected = ["a b", "a b", "a"][passed];
            assert_eq!((table.pending.len(), table.told(9)), (expected.split(' ').count(), expected.to_owned()));
        }
        let mut table = Table::new();
        table.comes_up();
        table.news("a", Some(THEM));
        table.older("a");
        assert_eq!(table.told(9), "a", "even what it has told us itself");
        table.older("a");
        table.news("a", None);
        assert_eq!((table.pending.len(), table.told(9)), (1, "a".to_owned()), "the news is enough");
        table.older("a");
        table.news("a", Some(THEM));
        assert_eq!((table.pending.len(), table.told(9)), (0, String::new()), "it has the newest by now");
    }

    #[test]
    fn what_the_neighbor_has_told_us_is_told_back_once() {
        let mut table = Table::new();
        table.news("x", Some(THEM));
        table.comes_up();
        table.told(9);
        table.news("a b c", Some(THEM));
        table.news("b", Some(OTHER));
        assert_eq!(table.told(9), "b");
        table.pending.tell_back();
        table.pending.tell_back();
        assert_eq!(
            (table.pending.len(), table.told(9)),
            (2, "a c".to_owned()),
            "b has changed, x was told when it came up"
        );
        table.pending.tell_back();
        assert_eq!(table.told(9), "");
        table.news("c d", Some(THEM));
        table.pending.tell_back();
        table.news("d", None);
        assert_eq!((table.pending.len(), table.told(9)), (2, "c d".to_owned()), "d is news by now");
    }

    #[test]
    fn what_was_forgotten_is_not_told_and_leaves_the_walk_whole() {
        for passed in 0..=4 {
            for forgotten in 0..16u8 {
                let mut table = Table::new();
                // Heard at 2, 3, 4 and 5, or so long ago that it is forgotten.
                for (number, client) in ["a", "b", "c", "d"].into_iter().enumerate() {
                    table.time = if forgotten >> number & 1 == 1 { 0 } else { number as u32 + 10 };
                    table.news(client, None);
                }
                table.comes_up();
                let before = table.told(passed);
                table.older("a");
                table.forget(5);
                let is_gone = |number: &usize| forgotten >> number & 1 == 1;
                let left: Vec<&str> =
                    (0..4).filter(|number| !is_gone(number)).map(|number| ["a", "b", "c", "d"][number]).collect();
                let untold = left.iter().filter(|client| !before.contains(**client) || **client == "a");
                let mut expected: Vec<&str> = untold.copied().collect();
                assert_eq!(table.pending.len(), expected.len(), "{passed} {forgotten:b}");
                // Another client gets the number of the one that is gone.
                table.time = 100;
                table.news("e", Some(THEM));
                table.news("f", None);
                expected.push("f");
                assert_eq!((table.pending.len(), table.told(9)), (expected.len(), expected.join(" ")));
                table.pending.tell_back();
                assert_eq!(table.told(9), "e");
            }
        }
    }

    #[test]
    fn what_the_neighbor_told_us_and_was_forgotten_is_not_told_back() {
        let mut table = Table::new();
        table.comes_up();
        table.news("a b", Some(THEM));
        table.forget(3);
        table.news("c", None);
        assert_eq!(table.told(9), "c");
        table.pending.tell_back();
        assert_eq!(table.told(9), "b");
    }
}
