//! [`Storms`]: floods that do not end. Two versions of a location chase each other round a circle of servers, and each
//! server takes the newer one again and again. With the rule that ships there is none.
//!
//! Next: `view.rs`, how things stand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A version that a server has dropped and takes again, this often in a row, is a storm. Twice may be chance.
const TIMES: u32 = 3;

/// The longest time between two of those, unless the links of a world are slower.
const PATIENCE: Duration = Duration::from_secs(2);

/// What goes in circles, by client.
pub(super) struct Storms {
    running: BTreeMap<usize, Storm>,
    /// How many there have been.
    pub(super) seen: u64,
    pub(super) patience: Duration,
}

struct Storm {
    times: u32,
    last: Instant,
}

impl Default for Storms {
    fn default() -> Storms {
        Storms { running: BTreeMap::new(), seen: 0, patience: PATIENCE }
    }
}

impl Storms {
    /// A server has taken the newest version of a client that it ever knew, although it knew it before.
    pub(super) fn came_again(&mut self, client: usize, now: Instant) {
        let storm = self.running.entry(client).or_insert(Storm { times: 0, last: now });
        if now.saturating_duration_since(storm.last) > self.patience {
            storm.times = 0;
        }
        storm.times += 1;
        storm.last = now;
        self.seen += u64::from(storm.times == TIMES);
    }

    /// The clients whose locations go in circles now.
    pub(super) fn clients(&self, now: Instant) -> impl Iterator<Item = usize> {
        let is_on =
            move |storm: &Storm| storm.times >= TIMES && now.saturating_duration_since(storm.last) <= self.patience;
        self.running.iter().filter(move |(_, storm)| is_on(storm)).map(|(client, _)| *client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_begins_with_the_third_time_and_ends_when_nothing_comes_again() {
        let mut storms = Storms::default();
        let begin = Instant::now();
        let on = |storms: &Storms, at: Duration| storms.clients(begin + at).collect::<Vec<_>>();
        for (number, expected) in [(0, vec![]), (1, vec![]), (2, vec![7]), (3, vec![7])] {
            let at = PATIENCE / 2 * number;
            storms.came_again(7, begin + at);
            assert_eq!(on(&storms, at), expected, "{number}");
        }
        assert_eq!((on(&storms, PATIENCE * 4), storms.seen), (vec![], 1));
        storms.came_again(7, begin + PATIENCE * 4);
        assert_eq!((on(&storms, PATIENCE * 4), storms.seen), (vec![], 1), "it counts from the beginning");
    }
}
