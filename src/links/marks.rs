//! [`Marks`]: a set of clients, one bit for each client that the server knows.
//!
//! With five million clients it needs 625 kB, and joining two sets reads and writes no more than that, however many
//! clients are in them. A queue of clients with a hash table beside it would stop the loop for half a second when it
//! grows.
//!
//! Next: `silence.rs`, a neighbor that says nothing.

use crate::locations::ClientId;

/// A set of clients.
#[derive(Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    len: usize,
    /// All words before this one are zero.
    first: usize,
}

impl Marks {
    pub(super) fn insert(&mut self, client: ClientId) {
        let (word, bit) = place(client);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.len += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
        self.first = self.first.min(word);
    }

    /// Returns whether it was in the set.
    pub(super) fn remove(&mut self, client: ClientId) -> bool {
        let (word, bit) = place(client);
        let Some(word) = self.words.get_mut(word) else { return false };
        let was_in = *word & bit != 0;
        self.len -= usize::from(was_in);
        *word &= !bit;
        was_in
    }

    /// Takes the client with the lowest number.
    pub(super) fn take(&mut self) -> Option<ClientId> {
        if self.len == 0 {
            return None;
        }
        while self.words[self.first] == 0 {
            self.first += 1; // Some word is not zero: `len` says so.
        }
        let word = &mut self.words[self.first];
        let bit = word.trailing_zeros() as usize;
        *word &= *word - 1;
        self.len -= 1;
        Some(ClientId::from_index(self.first * u64::BITS as usize + bit))
    }

    /// Takes all clients of another set.
    pub(super) fn append(&mut self, other: &mut Marks) {
        if self.len == 0 {
            return std::mem::swap(self, other);
        }
        self.words.resize(self.words.len().max(other.words.len()), 0);
        self.len = 0;
        for (at, word) in self.words.iter_mut().enumerate() {
            *word |= other.words.get_mut(at).map_or(0, std::mem::take);
            self.len += word.count_ones() as usize;
        }
        self.first = self.first.min(other.first);
        other.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

fn place(client: ClientId) -> (usize, u64) {
    let bits = u64::BITS as usize;
    (client.index() / bits, 1 << (client.index() % bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(clients: &[usize]) -> Marks {
        let mut marks = Marks::default();
        clients.iter().for_each(|client| marks.insert(ClientId::from_index(*client)));
        marks
    }

    /// Takes everything; checks the count on the way.
    fn taken(marks: &mut Marks) -> Vec<usize> {
        let count = marks.len();
        let all: Vec<usize> = std::iter::from_fn(|| marks.take()).map(ClientId::index).collect();
        assert_eq!((all.len(), marks.len()), (count, 0));
        all
    }

    #[test]
    fn a_client_is_in_the_set_once_however_often_it_was_put_in() {
        let mut marks = of(&[700, 3, 63, 3, 64, 700]);
        marks.remove(ClientId::from_index(63));
        marks.remove(ClientId::from_index(63));
        marks.remove(ClientId::from_index(1_000_000));
        assert_eq!(taken(&mut marks), [3, 64, 700]);
    }

    #[test]
    fn a_client_that_is_put_in_before_the_place_where_the_last_was_taken_is_found() {
        let mut marks = of(&[700, 900]);
        assert_eq!(marks.take().map(ClientId::index), Some(700));
        marks.insert(ClientId::from_index(5));
        assert_eq!(taken(&mut marks), [5, 900]);
    }

    #[test]
    fn joining_empties_the_other_set() {
        for (one, other) in
            [(vec![], vec![9, 70]), (vec![70], vec![9]), (vec![9], vec![70]), (vec![9, 70], vec![9, 70])]
        {
            let (mut all, mut other) = (of(&one), of(&other));
            all.append(&mut other);
            assert_eq!(taken(&mut all), [9, 70]);
            assert_eq!(taken(&mut other), Vec::<usize>::new());
            other.insert(ClientId::from_index(1));
            assert_eq!(taken(&mut other), [1]);
        }
    }
}
