//! [`Contender`]: one of those that are measured, here or in a process of its own.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use crate::peer::{Peer, Started};
use crate::shapes::Work;

/// How long one measurement of one shape takes at least: long against the clock's steps, short against what else the
/// machine does.
const BATCH: Duration = Duration::from_millis(10);
/// The smallest batch, a whole number of rows of every shape.
const SMALLEST: u64 = 1000;

pub struct Contender {
    /// The head of its column.
    pub name: &'static str,
    /// Its version, or why it is not here.
    pub about: String,
    place: Place,
    /// How many operations of each shape make a batch.
    batches: HashMap<&'static str, u64>,
}

enum Place {
    Here(Vec<Work>),
    Script(Peer),
    Nowhere,
}

impl Contender {
    /// One in this process.
    ///
    /// # Errors
    /// If one of its shapes comes to a wrong result.
    pub fn here(name: &'static str, about: impl Into<String>, works: Vec<Work>) -> io::Result<Self> {
        if let Some(wrong) = works.iter().find(|work| !(work.is_right)()) {
            return Err(io::Error::other(format!("{name}: {} comes to a wrong result", wrong.shape)));
        }
        Ok(Self { name, about: about.into(), place: Place::Here(works), batches: HashMap::new() })
    }

    /// One that a script measures.
    pub fn script(name: &'static str, started: Started) -> Self {
        let (about, place) = match started {
            Started::Ready { versions, peer } => (versions, Place::Script(peer)),
            Started::NotHere { why } => (format!("not here: {why}"), Place::Nowhere),
        };
        Self { name, about, place, batches: HashMap::new() }
    }

    pub fn is_here(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// Finds how many operations make a batch, and warms up on the way.
    ///
    /// # Errors
    /// If its process fails.
    pub fn calibrate(&mut self, shape: &'static str) -> io::Result<()> {
        let mut count = SMALLEST;
        while let Some(time) = self.time(shape, count)? {
            if time >= BATCH {
                self.batches.insert(shape, count);
                break;
            }
            count *= 2;
        }
        Ok(())
    }

    /// Nanoseconds for each operation of a batch; nothing if it has no such shape.
    ///
    /// # Errors
    /// If its process fails.
    pub fn measure(&mut self, shape: &'static str) -> io::Result<Option<f64>> {
        let Some(count) = self.batches.get(shape).copied() else { return Ok(None) };
        Ok(self.time(shape, count)?.map(|time| time.as_nanos() as f64 / count as f64))
    }

    fn time(&mut self, shape: &str, count: u64) -> io::Result<Option<Duration>> {
        match &mut self.place {
            Place::Here(works) => {
                let work = works.iter().find(|work| work.shape == shape);
                Ok(work.map(|work| {
                    let start = Instant::now();
                    (work.run)(count);
                    start.elapsed()
                }))
            }
            Place::Script(peer) => peer.time(shape, count).map(Some),
            Place::Nowhere => Ok(None),
        }
    }
}
