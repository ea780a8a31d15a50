//! [`Rule`]: the orders of versions that a simulated herd can have: the one that ships, and two that are wrong.
//!
//! Next: `topology.rs`, which servers are neighbors.

use proxyherd::locations::{Order, newness};
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

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
                    seen.insert((known.client.to_vec(), known.time));
                    taken_if(seen.insert((known.client.to_vec(), time)))
                })
            }
        }
    }
}

/// The order for one life of one server whose rule may change while it runs: it follows what `rule` says then.
pub(crate) fn switchable(rule: &Rc<Cell<Rule>>) -> Order {
    let rule = rule.clone();
    let mut orders = [Rule::Newest, Rule::Paper, Rule::Seen].map(|rule| (rule, rule.order()));
    Box::new(move |time, line, known| {
        let now = rule.get();
        let mut order = Ordering::Equal;
        for (rule, compare) in &mut orders {
            if *rule == now {
                order = compare(time, line, known);
            }
        }
        order
    })
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        match text {
            "newest" => Ok(Rule::Newest),
            "paper" => Ok(Rule::Paper),
            "seen" => Ok(Rule::Seen),
            _ => Err(format!("{text:?} is not a rule: newest, paper or seen")),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Newest => "newest",
            Rule::Paper => "paper",
            Rule::Seen => "seen",
        })
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
    fn a_rule_that_is_switched_decides_from_then_on() {
        let rule = Rc::new(Cell::new(Rule::Paper));
        let mut locations = Locations::with_order(1 << 20, switchable(&rule));
        let mut offer = |line: &str| {
            let Ok(Command::At(at)) = parse(line.as_bytes()) else { panic!("{line}") };
            locations.offer(&at, None)
        };
        offer("AT A +1.000000000 k +1+1 10");
        assert!(matches!(offer("AT A +1.000000000 k +1+1 9"), Verdict::Newer(_)), "the paper's rule takes it");
        rule.set(Rule::Newest);
        assert!(matches!(offer("AT A +1.000000000 k +1+1 8"), Verdict::Older(_)));
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
