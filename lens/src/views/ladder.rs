//! [`Ladder`]: a Deferred as a ladder of two lanes, one for values and one for failures, with the path that was taken.
//!
//! ```text
//!   ok  err
//!   ●    ┆   fired with 7
//!   █    ┆   callback 1: 7 raised an error
//!   ┗━━━━┓
//!   □    ┃   callback 2 is passed by
//!   ┆    █   errback 3: recovers with 0
//!   ┏━━━━┛
//! ```
//!
//! A Deferred that a callback gave back stands inside, as a ladder of its own; so do the inputs of a list, and what a
//! coroutine awaits. Everything that is drawn is in this structure, and [`Ladders::path`] reads the path off it.
//!
//! Next: `ladder_rows.rs`, how its rows are made.

use super::ladder_rows::Builder;
use super::words;
use crate::model::{Chain, ChainEvent, Model, Passed, Side};
use std::collections::{BTreeSet, HashMap};

/// Maximum nesting of ladders in a picture. Deeper ones stand beside it.
pub const MAX_DEPTH: usize = 4;

/// The lane on which the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Nothing has been fired, or the chain waits for another Deferred, or a pause holds it.
    Neither,
    /// A value.
    Value,
    /// A failure.
    Failure,
}

impl Lane {
    pub(super) fn of(passed: &Passed) -> Lane {
        if passed.is_failure() { Lane::Failure } else { Lane::Value }
    }
}

/// A Deferred, drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// The number of the Deferred.
    pub chain: u64,
    /// What it is called.
    pub title: String,
    /// Why it stands inside another one; empty at the top.
    pub role: String,
    /// Where it was made.
    pub place: String,
    /// In which callback of another ladder of the picture it was made, or in which call that one caused; empty if in none.
    pub maker: String,
    /// Whether it is older than the trace.
    pub is_partial: bool,
    /// The event that made it.
    pub made_at: Option<usize>,
    /// From top to bottom.
    pub rungs: Vec<Rung>,
    /// How many pauses hold the chain after the last row.
    pub(super) pauses: usize,
    /// The lane on which the path goes on when the last pause ends.
    pub(super) held: Lane,
}

/// A row of a ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// What it is.
    pub kind: RungKind,
    /// The lane on which the path comes in.
    pub lane: Lane,
    /// The lane on which it goes on.
    pub after: Lane,
    /// What it is called.
    pub label: String,
    /// What happened, in words.
    pub detail: String,
    /// The place in the source.
    pub place: String,
    /// When, and which event.
    pub when: Option<(u64, usize)>,
    /// Its place in the order in which everything in the picture happened, from 1 on; 0 if it did not happen.
    pub order: usize,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq)]
pub enum RungKind {
    /// A result came into the chain.
    Source,
    /// A callback that ran.
    Ran {
        /// Which results it gets.
        side: Side,
        /// What the program calls it: its name, or its number.
        name: String,
        /// What it got.
        input: Option<Passed>,
    },
    /// A callback that a result passed by.
    PassedBy {
        /// Which results it gets.
        side: Side,
    },
    /// A callback to which no result came.
    NotReached {
        /// Which results it gets.
        side: Side,
    },
    /// Ladders inside.
    Inside(Vec<Ladder>),
    /// Something else that happened.
    Note,
    /// Something that is wrong.
    Alarm,
}

/// All ladders of a trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ladders(pub Vec<Ladder>);

impl Ladders {
    /// The ladders of all Deferreds.
    pub fn new(model: &Model) -> Ladders {
        Ladders::of(model, |_| true)
    }

    /// The ladders of the Deferreds for which `wanted` holds, and of what stands inside them.
    pub fn of(model: &Model, wanted: impl Fn(&Chain) -> bool) -> Ladders {
        let mut builder = Builder::new(model);
        let chains = &model.chains.chains;
        let is_inside = |chain: &Chain| {
            let outer = chain.inner_of.or(chain.list);
            outer
                .and_then(|outer| chains.get(&outer))
                .is_some_and(|outer| outer.number != chain.number && wanted(outer))
        };
        let mut ladders = Vec::new();
        for chain in chains.values().filter(|chain| wanted(chain) && !is_inside(chain)) {
            ladders.extend(builder.ladder(chain.number, "", 0));
        }
        // What a circle or a picture that is too deep has left out.
        for chain in chains.values().filter(|chain| wanted(chain)) {
            ladders.extend(builder.ladder(chain.number, "", 0));
        }
        for ladder in &mut ladders {
            ladder.maker = builder.maker(ladder.chain);
        }
        Ladders(ladders).in_order()
    }

    /// Numbers the rows in the order in which they happened.
    fn in_order(mut self) -> Ladders {
        fn each(ladders: &mut [Ladder], f: &mut dyn FnMut(&mut Rung)) {
            for rung in ladders.iter_mut().flat_map(|ladder| &mut ladder.rungs).rev() {
                match &mut rung.kind {
                    RungKind::Inside(inner) => each(inner, f),
                    _ => f(rung),
                }
            }
        }
        let mut events = BTreeSet::new();
        each(&mut self.0, &mut |rung| events.extend(rung.when.map(|(_, at)| at)));
        let mut numbers: HashMap<usize, usize> = events.into_iter().zip(1..).collect();
        // Of several rows of one event, the last one has its number: the others say how it came to that.
        each(&mut self.0, &mut |rung| {
            rung.order = rung.when.and_then(|(_, at)| numbers.remove(&at)).unwrap_or(0);
        });
        self
    }

    /// Whether the body of a coroutine ran in one of them.
    pub(super) fn has_body(&self) -> bool {
        let mut left: Vec<&Ladder> = self.0.iter().collect();
        while let Some(ladder) = left.pop() {
            for rung in &ladder.rungs {
                match &rung.kind {
                    RungKind::Inside(inner) => left.extend(inner),
                    RungKind::Ran { side: Side::Body, .. } => return true,
                    _ => {}
                }
            }
        }
        false
    }
}

impl Rung {
    /// The lane of a result that came into the chain here. While a pause holds it, it goes no further.
    pub(super) fn came(&self) -> Lane {
        if self.after == Lane::Neither { self.lane } else { self.after }
    }
}

impl Ladder {
    /// Where it was made, in words.
    pub(super) fn made(&self) -> String {
        match self.is_partial {
            true => "made before this trace begins".to_owned(),
            false if self.maker.is_empty() => format!("made at {}", words::short_place(&self.place)),
            false => format!("made in {} at {}", self.maker, words::short_place(&self.place)),
        }
    }

    pub(super) fn lane(&self) -> Lane {
        self.rungs.last().map_or(Lane::Neither, |rung| rung.after)
    }

    /// Adds a row. A row that has no lanes of its own has those of the row before; but after a callback that waits, and
    /// while a pause holds the chain, the path is interrupted. It does not come to a callback that was not reached.
    pub(super) fn push(&mut self, mut rung: Rung) {
        if matches!(rung.kind, RungKind::NotReached { .. }) {
            self.rungs.push(rung);
            return;
        }
        if rung.lane == Lane::Neither {
            rung.lane = self.lane();
        }
        if rung.after == Lane::Neither && !matches!(rung.kind, RungKind::Ran { .. }) {
            rung.after = rung.lane;
        }
        if self.pauses > 0 && rung.after != Lane::Neither {
            self.held = std::mem::replace(&mut rung.after, Lane::Neither);
        }
        self.rungs.push(rung);
    }

    /// Adds the row of a pause that begins.
    pub(super) fn pause(&mut self, rung: Rung) {
        if self.pauses == 0 {
            self.held = Lane::Neither;
        }
        self.pauses += 1;
        self.push(rung);
    }

    /// Adds the row of a pause that ends.
    pub(super) fn unpause(&mut self, rung: Rung) {
        let after = if self.pauses == 1 { self.held } else { Lane::Neither };
        self.pauses = self.pauses.saturating_sub(1);
        self.push(Rung { after, ..rung });
    }

    pub(super) fn source(&mut self, detail: String, result: Option<&Passed>, event: &ChainEvent) {
        let lane = result.map_or(Lane::Value, Lane::of);
        let when = Some((event.ns, event.at));
        self.push(Rung { lane, after: lane, detail, ..rung(RungKind::Source, String::new(), &event.place, when) });
    }

    pub(super) fn inside(&mut self, ladders: Vec<Ladder>) {
        if !ladders.is_empty() {
            self.push(rung(RungKind::Inside(ladders), String::new(), "", None));
        }
    }
}

pub(super) fn rung(kind: RungKind, label: String, place: &str, when: Option<(u64, usize)>) -> Rung {
    let (lane, after) = (Lane::Neither, Lane::Neither);
    Rung { kind, lane, after, label, detail: String::new(), place: place.to_owned(), when, order: 0 }
}
