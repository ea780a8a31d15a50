//! [`Rule`]: the orders of versions that a simulated herd can have: the one that ships, and two that are wrong.
//!
//! Next: `topology.rs`, which servers are neighbors.

use proxyherd::locations::{Order, newness};
use std::cmp::Ordering;
use std::collections::HashSet;

/// When a server takes an AT about a client that it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// If it is newer than the known version: by time, then by server, then by line. The rule that ships.
    #[default]
    Newest,
    /// Unless its time equals the known version's. The paper's rule.
    Paper,
    /// Unless an AT with its time has been seen before.
    Seen,
}

impl Rule {
    /// The rule as an order, for one life of one server.
    pub(crate) fn order(self) -> Order {
        let taken_if = |is_taken: bool| if is_taken { Ordering::Greater } else { Ordering::Equal };
        match self {
            Rule::Newest => Box::new(newness),
            Rule::Paper => Box::new(move |time, _, known| taken_if(time != known.time)),
            Rule::Seen => {
                let mut seen = HashSet::new();
                Box::new(move |time, _, known| {
                    // A client's first version is not compared. It is the known one when the second is.
                    seen.insert((known.client.clone(), known.time));
                    taken_if(seen.insert((known.client.clone(), time)))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxyherd::locations::{Locations, Verdict};
    use proxyherd::message::{Command, parse};

    /// Whether each of these is taken, offered in this order.
    fn taken(rule: Rule, lines: &[&str]) -> Vec<bool> {
        let mut locations = Locations::with_order(1 << 20, rule.order());
        let offer = |line: &&str| {
            let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
            let verdict = locations.offer(&at, None);
            assert!(matches!(verdict, Verdict::Newer(_) | Verdict::Same), "neither rule knows what is older");
            matches!(verdict, Verdict::Newer(_))
        };
        lines.iter().map(offer).collect()
    }

    #[test]
    fn the_papers_rule_takes_whatever_has_another_time() {
        let lines = [
            "AT A +1.000000000 k +1+1 10",
            "AT B +1.000000000 k +2+2 10",
            "AT A +1.000000000 k +1+1 9",
            "AT A +1.000000000 k +1+1 10",
        ];
        assert_eq!(taken(Rule::Paper, &lines), [true, false, true, true]);
    }

    #[test]
    fn the_rule_of_seen_times_takes_each_time_of_a_client_once() {
        let lines = [
            "AT A +1.000000000 k +1+1 10",
            "AT B +1.000000000 k +2+2 10",
            "AT A +1.000000000 k +1+1 9",
            "AT A +1.000000000 k +1+1 10",
            "AT A +1.000000000 k +1+1 9",
            "AT A +1.000000000 j +1+1 10",
        ];
        assert_eq!(taken(Rule::Seen, &lines), [true, false, true, false, false, true]);
    }
}
