//! Which Deferreds belong to one request: those that wait for each other, and those that caused each other.
//!
//! Next: `ladder_text.rs`, the ladder as text.

use super::ladder::Ladders;
use crate::model::{Chain, Happened, Model};
use std::collections::{BTreeSet, HashMap};

impl Ladders {
    /// The ladders of all that has to do with this Deferred: what it waits for and what waits for it, what its callbacks made
    /// and fired.
    pub fn of_request(model: &Model, deferred: u64) -> Ladders {
        let mut beside: HashMap<u64, Vec<u64>> = HashMap::new();
        for chain in model.chains.chains.values() {
            for other in related(model, chain) {
                beside.entry(chain.number).or_default().push(other);
                beside.entry(other).or_default().push(chain.number);
            }
        }
        let (mut wanted, mut left) = (BTreeSet::new(), vec![deferred]);
        while let Some(number) = left.pop() {
            if wanted.insert(number) {
                left.extend(beside.get(&number).into_iter().flatten());
            }
        }
        Ladders::of(model, |chain| wanted.contains(&chain.number))
    }
}

/// The Deferreds that this one has to do with.
fn related(model: &Model, chain: &Chain) -> Vec<u64> {
    let mut related: Vec<u64> = chain.inner_of.into_iter().chain(chain.list).chain(chain.waits_for).collect();
    for event in &chain.log {
        let by = event.in_step.and_then(|step| model.chains.steps.get(&step));
        related.extend(by.map(|step| step.chain));
        match event.what {
            Happened::Shares(other)
            | Happened::WillHandOn(other)
            | Happened::HandedOn(other)
            | Happened::Awaited(Some(other)) => related.push(other),
            _ => {}
        }
    }
    related
}
