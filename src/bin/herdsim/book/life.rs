//! [`Life`]: one server from a start to its end, as the book sees it: what it holds, and what it may still tell to
//! which neighbor.
//!
//! The book has an account of the whole herd; this is the account of one server. A server may tell a neighbor about a
//! client once for each version that it takes from elsewhere, once for each older version that the neighbor sent, once
//! when the link comes up, and once when it tells the neighbor back what the neighbor has said since. After an older
//! version it not only may, it must, unless the neighbor then sends a newer one.
//!
//! Next: `checks.rs`, what is checked when.

use crate::book::Version;
use proxyherd::locations::NeighborId;
use proxyherd::watch::HeardFrom;

/// From one start of a server to its end.
pub(crate) struct Life {
    pub(crate) server: usize,
    pub(crate) is_over: bool,
    /// The version of each client that it holds: the one that it took last.
    pub(crate) held: Vec<Option<Version>>,
    /// The newest version of each client that it has taken. With the rule that ships, it holds that one.
    pub(crate) best: Vec<Option<Version>>,
    /// The newest version of each client of which a store beside the herd has confirmed that it has it.
    pub(crate) confirmed: Vec<Option<Version>>,
    /// How often it may still tell each neighbor about each client.
    may_tell: Vec<Vec<u32>>,
    /// For each neighbor and client: whether the neighbor has said something older, and has not been told since.
    owes: Vec<Vec<bool>>,
    /// For each neighbor and client: whether the version that is held came from the neighbor since the link to it came
    /// up, and has not been told back.
    may_tell_back: Vec<Vec<bool>>,
}

impl Life {
    pub(crate) fn new(server: usize, clients: usize, neighbors: usize) -> Life {
        let may_tell = vec![vec![0; clients]; neighbors];
        let no = vec![vec![false; clients]; neighbors];
        let none = vec![None; clients];
        let (held, best, confirmed) = (none.clone(), none.clone(), none);
        Life { server, is_over: false, held, best, confirmed, may_tell, owes: no.clone(), may_tell_back: no }
    }

    /// There is one more client.
    pub(crate) fn add_client(&mut self) {
        self.held.push(None);
        self.best.push(None);
        self.confirmed.push(None);
        self.may_tell.iter_mut().for_each(|clients| clients.push(0));
        self.owes.iter_mut().chain(&mut self.may_tell_back).for_each(|clients| clients.push(false));
    }

    /// How many clients it knows.
    pub(crate) fn known(&self) -> usize {
        self.held.iter().flatten().count()
    }

    /// It has taken a version, and forwards it to all neighbors except the one that it came from.
    pub(crate) fn took(&mut self, client: usize, version: Version, from: HeardFrom) {
        self.held[client] = Some(version);
        for neighbor in 0..self.may_tell.len() {
            let is_theirs = from == HeardFrom::Neighbor(neighbor);
            self.may_tell[neighbor][client] += u32::from(!is_theirs);
            self.owes[neighbor][client] &= !is_theirs;
            self.may_tell_back[neighbor][client] = is_theirs;
        }
    }

    /// A neighbor has said something old.
    pub(crate) fn heard_older(&mut self, client: usize, neighbor: NeighborId) {
        self.may_tell[neighbor][client] += 1;
        self.owes[neighbor][client] = true;
    }

    /// A link has come up: everything is told from the beginning. What waited before is forgotten.
    pub(crate) fn linked(&mut self, neighbor: NeighborId) {
        for (left, held) in self.may_tell[neighbor].iter_mut().zip(&self.held) {
            *left = u32::from(held.is_some());
        }
        self.owes[neighbor].fill(false);
        self.may_tell_back[neighbor].fill(false);
    }

    /// It has forgotten a client.
    pub(crate) fn forgot(&mut self, client: usize) {
        (self.held[client], self.best[client]) = (None, None);
        for neighbor in 0..self.may_tell.len() {
            self.may_tell[neighbor][client] = 0;
            self.owes[neighbor][client] = false;
            self.may_tell_back[neighbor][client] = false;
        }
    }

    /// A neighbor that has said something older about a client, and has never been told the newer version.
    pub(crate) fn debt(&self) -> Option<(NeighborId, usize)> {
        let owes = |clients: &Vec<bool>| clients.iter().position(|owes| *owes);
        self.owes.iter().enumerate().find_map(|(neighbor, clients)| Some((neighbor, owes(clients)?)))
    }

    /// A neighbor may be another process by now, and is told back what it had said. Returns the number of clients that
    /// this is about.
    pub(crate) fn told_back(&mut self, neighbor: NeighborId) -> u64 {
        let mut count = 0;
        for (left, may_tell_back) in self.may_tell[neighbor].iter_mut().zip(&mut self.may_tell_back[neighbor]) {
            let has_said = std::mem::take(may_tell_back);
            *left += u32::from(has_said);
            count += u64::from(has_said);
        }
        count
    }

    /// It has told a neighbor about a client. Returns whether it was allowed to.
    pub(crate) fn told(&mut self, neighbor: NeighborId, client: usize) -> bool {
        self.owes[neighbor][client] = false;
        let left = &mut self.may_tell[neighbor][client];
        let may = *left > 0;
        *left = left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it may tell each of two neighbors about the first client.
    fn spent(life: &mut Life) -> [usize; 2] {
        [0, 1].map(|neighbor| (0..).take_while(|_| life.told(neighbor, 0)).count())
    }

    #[test]
    fn a_version_is_forwarded_once_and_not_back() {
        let mut life = Life::new(0, 2, 2);
        life.took(0, 7, HeardFrom::Client);
        assert_eq!(spent(&mut life), [1, 1]);
        life.took(0, 8, HeardFrom::Neighbor(1));
        assert_eq!((life.known(), spent(&mut life)), (1, [1, 0]));
    }

    #[test]
    fn an_older_version_may_be_answered_and_what_a_neighbor_said_may_be_told_back() {
        let mut life = Life::new(0, 2, 2);
        life.took(0, 7, HeardFrom::Neighbor(1));
        assert_eq!(spent(&mut life), [1, 0]);
        life.heard_older(0, 0);
        assert_eq!(spent(&mut life), [1, 0]);
        assert_eq!((life.told_back(0), life.told_back(1)), (0, 1));
        assert_eq!(spent(&mut life), [0, 1]);
    }

    #[test]
    fn a_neighbor_that_said_something_older_is_owed_the_newer_until_it_is_told_or_its_link_is_new() {
        let mut life = Life::new(0, 2, 2);
        life.took(1, 7, HeardFrom::Client);
        assert_eq!(life.debt(), None);
        life.heard_older(1, 0);
        assert!(!life.told(1, 0) && life.told(1, 1) && life.debt() == Some((0, 1)), "others are told, or of others");
        assert!(life.told(0, 1) && life.debt().is_none());
        life.heard_older(1, 0);
        life.linked(1);
        assert_eq!(life.debt(), Some((0, 1)));
        life.linked(0);
        assert_eq!(life.debt(), None);
    }

    #[test]
    fn a_link_that_comes_up_is_told_all_that_is_known_once() {
        let mut life = Life::new(0, 2, 2);
        for version in 0..5 {
            life.took(0, version, HeardFrom::Client);
        }
        life.linked(0);
        assert_eq!(spent(&mut life), [1, 5]);
    }
}
