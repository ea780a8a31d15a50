//! [`Pending`]: what a neighbor has still to be told.
//!
//! The server's table lists its clients in the order of their last change, and a link walks along that list. What the
//! walk has passed has been told; what lies ahead is pending. So a client is pending once, however often it changes,
//! and neither a link that comes up nor one that falls behind needs a queue.
//!
//! ```text
//!   oldest change                                                                newest change
//!   |--------- told ---------|--- told next, or held ---|---- told ----|--------- news --------|
//!                            ^ old                      ^ all_before   ^ news
//!                                                         the link came up here
//! ```
//!
//! There are two walks. That of the old clients waits until the comparison of the tables ([`super::comparison`]) has
//! found out which of them the neighbor lacks; the news do not wait.
//!
//! Beside the walks there are two sets of clients: those that the neighbor lacks although the walks have passed them,
//! and those that the neighbor has told us.
//!
//! Next: `comparison.rs`, what of the old the neighbor lacks.

use super::comparison::Leaves;
use super::marks::Marks;
use crate::locations::{Before, Change, ClientId, Forgotten, Known, Locations, NeighborId, Place};

/// What a neighbor has still to be told, while the link to it is up.
pub(super) struct Pending {
    neighbor: NeighborId,
    /// Changes before this one happened before the link came up: the neighbor is told them whatever their source, if it
    /// lacks them. Later ones are news, which need not go to the neighbor that it came from.
    all_before: u64,
    /// Where the walk of the old clients goes on. `None` at its end.
    old: Option<Place>,
    /// Which of the old clients are told.
    lacks: Lacks,
    /// Where the walk of the news goes on. `None` at the end of the list.
    news: Option<Place>,
    /// The number of clients that the walk of the old will come to.
    old_ahead: usize,
    /// The number of clients that the walk of the news will tell.
    news_ahead: usize,
    /// The last look was at an old client.
    is_turn_of_news: bool,
    /// Clients that the walks will not tell, but the neighbor must be told.
    lacking: Marks,
    /// Old clients that the walk will come to, and must tell whatever the comparison finds.
    lacking_ahead: Marks,
    /// Clients of which the neighbor itself has told us the newest version since the link came up, on connections that
    /// it made. If one of these connections was that of an earlier process, the neighbor lacks them.
    told_us: Marks,
}

/// What the neighbor lacks of what was known when the link came up.
pub(super) enum Lacks {
    /// That is not known yet: the walk waits.
    Unknown,
    /// Everything, as far as we know.
    All,
    /// What is in these leaves, or has no hash.
    Only(Leaves),
}

/// What one look at the list has found.
pub(super) enum Look<'a> {
    /// The neighbor is to be told this.
    Tell(&'a Known),
    /// The neighbor need not be told this one.
    Skip,
    /// Nothing is pending, or what is pending waits.
    Nothing,
}

impl Pending {
    /// Nothing: for a link that is down.
    pub(super) fn nothing(neighbor: NeighborId) -> Pending {
        let [lacking, lacking_ahead, told_us] = [(); 3].map(|()| Marks::default());
        let (old, news, lacks, is_turn_of_news) = (None, None, Lacks::All, false);
        let (all_before, old_ahead, news_ahead) = (0, 0, 0);
        Pending {
            neighbor,
            all_before,
            old,
            lacks,
            news,
            old_ahead,
            news_ahead,
            is_turn_of_news,
            lacking,
            lacking_ahead,
            told_us,
        }
    }

    /// Everything that is known: for a link that comes up.
    pub(super) fn everything(neighbor: NeighborId, locations: &Locations) -> Pending {
        let (old, all_before, old_ahead) = (locations.first(), locations.change_count(), locations.len());
        Pending { old, all_before, old_ahead, ..Pending::nothing(neighbor) }
    }

    /// Says what the neighbor lacks of what was known when the link came up.
    pub(super) fn set_lacks(&mut self, lacks: Lacks) {
        if matches!(&lacks, Lacks::Only(leaves) if leaves.is_empty()) {
            (self.old, self.old_ahead) = (None, 0);
            self.lacking.append(&mut self.lacking_ahead);
        }
        self.lacks = lacks;
    }

    /// A client has changed; `from` is the neighbor that told us. Must hear of every change while the link is up.
    pub(super) fn note_change(&mut self, change: &Change, from: Option<NeighborId>) {
        let client = change.place.client;
        if let Some(before) = &change.before {
            self.note_left(client, before);
        }
        // Either the walk will tell the new version, or the neighbor has it.
        self.lacking.remove(client);
        if from == Some(self.neighbor) {
            self.told_us.insert(client);
        } else {
            self.told_us.remove(client);
            self.news_ahead += 1;
            self.news = self.news.or(Some(change.place));
        }
    }

    /// A client was forgotten. Must hear of every one while the link is up: another client may get its number.
    pub(super) fn note_forgotten(&mut self, Forgotten { client, before, .. }: &Forgotten) {
        self.note_left(*client, before);
        self.lacking.remove(*client);
        self.told_us.remove(*client);
    }

    /// A client has left its place in the list: no walk must follow it to the end.
    fn note_left(&mut self, client: ClientId, before: &Before) {
        self.lacking_ahead.remove(client);
        let is_ahead = usize::from(self.may_tell(before.change, before.from));
        match before.change < self.all_before {
            true => self.old_ahead -= is_ahead,
            false => self.news_ahead -= is_ahead,
        }
        if self.old.is_some_and(|old| old.client == client) {
            self.old = self.if_old(before.next);
        }
        if self.news.is_some_and(|news| news.client == client) {
            self.news = before.next;
        }
    }

    /// The neighbor has said something older about a client that is known.
    pub(super) fn note_lacking(&mut self, client: ClientId, known: &Known) {
        if !self.may_tell(known.change(), known.from()) {
            self.lacking.insert(client);
        } else if known.change() < self.all_before {
            // The comparison may find that the neighbor has it, because it sees an earlier state.
            self.lacking_ahead.insert(client);
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
        let is_held = matches!(self.lacks, Lacks::Unknown);
        let (old, news) = (self.old.filter(|_| !is_held), self.news);
        // In turn: neither waits for the end of the other.
        self.is_turn_of_news = !self.is_turn_of_news;
        match (old, news) {
            (None, None) => Look::Nothing,
            (Some(old), None) => self.look_at_old(old, locations),
            (Some(old), Some(_)) if !self.is_turn_of_news => self.look_at_old(old, locations),
            (_, Some(news)) => self.look_at_news(news, locations),
        }
    }

    fn look_at_old<'a>(&mut self, place: Place, locations: &'a Locations) -> Look<'a> {
        let known = locations.of(place.client);
        self.old = self.if_old(locations.after(place.client));
        self.old_ahead -= 1;
        let must_tell = self.lacking_ahead.remove(place.client);
        match (&self.lacks, known.leaf()) {
            (Lacks::Only(leaves), Some(leaf)) if !must_tell && !leaves.contains(leaf) => Look::Skip,
            _ => Look::Tell(known),
        }
    }

    fn look_at_news<'a>(&mut self, place: Place, locations: &'a Locations) -> Look<'a> {
        let known = locations.of(place.client);
        let is_told = self.may_tell(place.change, known.from());
        self.news = locations.after(place.client);
        if !is_told {
            return Look::Skip;
        }
        self.news_ahead -= 1;
        Look::Tell(known)
    }

    /// How many clients the neighbor has still to be told about: each counts once. As long as it is not known what the
    /// neighbor lacks, all that were known when the link came up count.
    pub(super) fn len(&self) -> usize {
        self.old_ahead + self.news_ahead + self.lacking.len()
    }

    /// The place, if that client has not changed since the link came up.
    fn if_old(&self, place: Option<Place>) -> Option<Place> {
        place.filter(|place| place.change < self.all_before)
    }

    /// Whether a walk will come to a client that changed last with this change, and tell it if the neighbor lacks it.
    fn may_tell(&self, change: u64, from: Option<NeighborId>) -> bool {
        if change < self.all_before {
            return self.old.is_some_and(|old| change >= old.change);
        }
        self.news.is_some_and(|news| change >= news.change) && from != Some(self.neighbor)
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
                    Look::Skip => {}
                    Look::Nothing => {
                        let is_held = matches!(self.pending.lacks, Lacks::Unknown);
                        assert!(is_held || before == 0, "{before}");
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
                assert_eq!(table.pending.len(), expected.len());
                // The old and the news are told in turn.
                let told = table.told(9);
                let mut told: Vec<&str> = told.split(' ').collect();
                told.sort_unstable();
                assert_eq!(told, expected);
                table.pending.tell_back();
                assert_eq!(table.told(9), "e");
            }
        }
    }

    /// The leaves that these clients are in.
    fn leaves_of(table: &mut Table, clients: &[&str]) -> Leaves {
        assert!(table.locations.hash_some(usize::MAX));
        let leaf = |client: &&str| table.locations.get(client.as_bytes()).unwrap().leaf().unwrap();
        let mut leaves = Leaves::none();
        clients.iter().map(leaf).for_each(|leaf| leaves.insert(leaf));
        leaves
    }

    #[test]
    fn while_it_is_not_known_what_the_neighbor_lacks_only_news_is_told() {
        let mut table = Table::new();
        table.news("a b c d", None);
        table.comes_up();
        table.pending.set_lacks(Lacks::Unknown);
        table.news("b e", None);
        table.news("c", Some(THEM));
        assert_eq!((table.pending.len(), table.told(9)), (4, "b e".to_owned()));
        table.older("a");
        assert_eq!((table.pending.len(), table.told(9)), (2, String::new()), "each counts once");
        let leaves = leaves_of(&mut table, &["d", "b"]);
        table.pending.set_lacks(Lacks::Only(leaves));
        table.news("f", Some(OTHER));
        let mut told: Vec<String> = table.told(9).split(' ').map(str::to_owned).collect();
        told.sort_unstable();
        assert_eq!((told.join(" "), table.pending.len()), ("a d f".to_owned(), 0));
    }

    #[test]
    fn nothing_old_is_told_to_a_neighbor_that_lacks_nothing() {
        let mut table = Table::new();
        table.news("a b c d", None);
        table.comes_up();
        table.pending.set_lacks(Lacks::Unknown);
        table.older("c");
        let leaves = leaves_of(&mut table, &[]);
        table.pending.set_lacks(Lacks::Only(leaves));
        assert_eq!((table.pending.len(), table.told(9)), (1, "c".to_owned()), "but for what it has said");
        table.news("b", None);
        table.forget(4);
        assert_eq!((table.pending.len(), table.told(9)), (1, "b".to_owned()));
        table.older("d");
        assert_eq!(table.told(9), "d");
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
