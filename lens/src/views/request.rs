//! Which Deferreds belong to one request: those that wait for each other, and those that caused each other.
//!
//! Next: `ladder_text.rs`, the ladder as text.

use super::ladder::Ladders;
use crate::model::{Chain, Happened, Model};
use std::collections::{BTreeSet, HashMap, VecDeque};

impl Ladders {
    /// The ladders of all that has to do with this Deferred: what it waits for and what waits for it, what its callbacks made
    /// and fired, and what was made in the calls of the loop that they caused.
    pub fn of_request(model: &Model, deferred: u64) -> Ladders {
        let mut beside: HashMap<u64, Vec<u64>> = HashMap::new();
        let causes = causes(model);
        for chain in model.chains.chains.values() {
            let cause = causes.get(&chain.number).copied();
            for other in related(model, chain).into_iter().chain(cause) {
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
        let mut ladders = Ladders::of(model, |chain| wanted.contains(&chain.number));
        for ladder in ladders.0.iter_mut().filter(|ladder| ladder.maker.is_empty()) {
            if let Some(cause) = causes.get(&ladder.chain) {
                ladder.maker = format!("a call that {} caused", model.chains.name(*cause));
            }
        }
        ladders
    }
}

/// Maps a Deferred to the Deferred that caused it. A Deferred causes the delayed calls that its callbacks ask for, and
/// the Deferreds that are made in those calls. An attempt to connect begins in a call that the loop makes soon, and no
/// event names who asked for it. We find the Deferred by its place in the source, where the call was asked for, and by
/// the order.
fn causes(model: &Model) -> HashMap<u64, u64> {
    let mut by_timer: HashMap<(&str, u64), u64> = HashMap::new();
    let mut by_callback: HashMap<(&str, u64), u64> = HashMap::new();
    let mut made: HashMap<(&str, &str), VecDeque<u64>> = HashMap::new();
    let mut causes = HashMap::new();
    for event in &model.events {
        let (host, place) = (&*event.host, event.text("place"));
        let by = event.step.and_then(|step| model.chains.steps.get(&step)).map(|step| step.chain);
        match &*event.kind {
            "timer_set" => {
                if let (Some(timer), Some(by)) = (event.number("timer"), by) {
                    by_timer.insert((host, timer), by);
                }
            }
            "deferred_made" => {
                let Some(number) = event.number("deferred") else { continue };
                made.entry((host, place)).or_default().push_back(number);
                let callback = event.callback.filter(|_| event.step.is_none());
                let cause = callback.and_then(|callback| by_callback.get(&(host, callback)));
                causes.extend(cause.map(|cause| (number, *cause)));
            }
            "callback_begin" => {
                let Some(callback) = event.number("callback") else { continue };
                let cause = match (event.text("what"), event.number("timer")) {
                    (_, Some(timer)) => by_timer.remove(&(host, timer)),
                    ("soon_call", _) => made.get_mut(&(host, place)).and_then(VecDeque::pop_front),
                    _ => None,
                };
                // A host that is started again counts from the beginning.
                match cause {
                    Some(cause) => drop(by_callback.insert((host, callback), cause)),
                    None => drop(by_callback.remove(&(host, callback))),
                }
            }
            _ => {}
        }
    }
    causes
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
