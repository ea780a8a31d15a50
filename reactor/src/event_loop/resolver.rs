//! [`Resolver`]: the names that are being looked up, and the answers of the last seconds.
//!
//! The system's look-up blocks a thread, for half a minute if the name server is silent, and nothing can end it early.
//! So the threads are what must not run out:
//!
//! ```text
//!             a lane's queue      at most MAX_IN_LANE       for a few seconds
//!   resolve --> Queued ------------> Asked ------------------> Known --> forgotten
//!                 ^                    |
//!                 +--- next look-up -- Lost (the driver dropped it)
//! ```
//!
//! * A name is with the driver once at a time. Callers that ask for it meanwhile wait for the same answer, so a
//!   thousand callers with one silent name hold one thread.
//! * Each lane has threads of its own. A lane is a purpose that the program names; names that are silent in one lane
//!   cannot delay the names of another.
//! * An answer is used again for a short time, and so is a failure: a caller that asks in a loop asks the name server
//!   once a second.
//!
//! Each caller keeps its own time limit. If all of them give up, the look-up goes on, and its answer is kept for the
//! next caller.
//!
//! Next: `looking_up.rs`, what a program sees of it.

use crate::driver::MAX_LOOKUPS;
use crate::error::ConnectError;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// The lane of look-ups for which the program names none.
pub(super) const DEFAULT_LANE: &str = "";

/// Maximum number of lanes, the default lane included. Look-ups for another one use the default lane.
const MAX_LANES: usize = 8;

/// Maximum number of names of one lane that are with the driver at a time.
const MAX_IN_LANE: usize = MAX_LOOKUPS / MAX_LANES;

/// Maximum number of callers of one lane that wait for a name. Another one fails at once.
const MAX_CALLERS: usize = 4096;

/// Maximum number of names with an answer that is kept. At the limit, the one that would be forgotten next goes.
const MAX_KNOWN: usize = 1024;

/// What the driver said about a name.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

/// All names that somebody waits for, and those of which we know the answer.
pub(super) struct Resolver {
    names: BTreeMap<String, Name>,
    /// The default lane is always there, so that others cannot take its place.
    lanes: BTreeMap<&'static str, Lane>,
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver { names: BTreeMap::new(), lanes: BTreeMap::from([(DEFAULT_LANE, Lane::default())]) }
    }
}

#[derive(Default)]
struct Lane {
    /// The names that wait for a thread, each once.
    queue: VecDeque<String>,
    asked: usize,
    callers: usize,
}

struct Name {
    state: State,
    /// The numbers of the completions that wait for the answer, in the order in which they came, with their lanes.
    callers: BTreeMap<u64, &'static str>,
}

enum State {
    /// It waits for its turn in at least one lane.
    Queued,
    /// The driver has it, in this lane.
    Asked(&'static str),
    /// The driver dropped it without an answer. Callers may still wait, until their time limits. The next one makes the
    /// driver look again.
    Lost,
    Known(Found, Instant),
}

impl Resolver {
    /// The answer, if it is known now.
    pub(super) fn known(&self, host: &str, now: Instant) -> Option<Found> {
        match &self.names.get(host)?.state {
            State::Known(found, until) if now < *until => Some(copy(found)),
            _ => None,
        }
    }

    /// Lets a caller wait for the name. Then [`next`](Resolver::next) has a name to ask the driver for, unless all
    /// threads of the lane are taken.
    ///
    /// # Errors
    /// If too many callers of the lane wait already.
    pub(super) fn wait(&mut self, lane: &'static str, host: &str, caller: u64) -> io::Result<()> {
        let has_room = self.lanes.contains_key(lane) || self.lanes.len() < MAX_LANES;
        let lane_name = if has_room { lane } else { DEFAULT_LANE };
        let lane = self.lanes.entry(lane_name).or_default();
        if lane.callers >= MAX_CALLERS {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "too many callers wait for names"));
        }
        lane.callers += 1;
        let new = || Name { state: State::Lost, callers: BTreeMap::new() };
        let name = self.names.entry(host.to_owned()).or_insert_with(new);
        name.callers.insert(caller, lane_name);
        if matches!(name.state, State::Asked(_)) {
            return Ok(());
        }
        // Also if it is queued already: this lane may have a free thread when the threads of the other are all taken.
        name.state = State::Queued;
        if !lane.queue.iter().any(|other| other == host) {
            lane.queue.push_back(host.to_owned());
        }
        Ok(())
    }

    /// The next name to ask the driver for, if there is one in a lane that has a free thread.
    pub(super) fn next(&mut self) -> Option<String> {
        let (lane, host) = self.lanes.iter_mut().find_map(|(name, lane)| {
            let host = if lane.asked < MAX_IN_LANE { lane.queue.pop_front() } else { None };
            Some((*name, host?))
        })?;
        self.strike_off_queues(&host);
        if let Some(name) = self.names.get_mut(&host) {
            name.state = State::Asked(lane);
        }
        self.lanes.entry(lane).or_default().asked += 1;
        Some(host)
    }

    /// A caller waits no longer: it has its answer, has given up, or is out of time.
    pub(super) fn leave(&mut self, host: &str, caller: u64) {
        let Some(name) = self.names.get_mut(host) else { return };
        let Some(lane) = name.callers.remove(&caller) else { return }; // It was there when the answer came.
        self.lanes.entry(lane).or_default().callers -= 1;
        if name.callers.is_empty() && matches!(name.state, State::Lost | State::Queued) {
            self.names.remove(host);
            self.strike_off_queues(host);
        }
    }

    fn strike_off_queues(&mut self, host: &str) {
        self.lanes.values_mut().for_each(|lane| lane.queue.retain(|other| other != host));
    }

    /// The driver has answered. The callers that waited, in order; the answer is known until `until`.
    pub(super) fn answered(&mut self, host: &str, found: &Found, now: Instant, until: Instant) -> Vec<u64> {
        self.release_thread(host);
        let Some(name) = self.names.get_mut(host) else { return Vec::new() };
        let callers = std::mem::take(&mut name.callers);
        callers.values().for_each(|lane| self.lanes.entry(lane).or_default().callers -= 1);
        let callers = callers.into_keys().collect();
        if until <= now {
            self.names.remove(host);
            return callers;
        }
        name.state = State::Known(copy(found), until);
        self.forget_some(now);
        callers
    }

    /// The driver has dropped a look-up without an answer.
    pub(super) fn lost(&mut self, host: &str) {
        self.release_thread(host);
        if self.names.get(host).is_some_and(|name| name.callers.is_empty()) {
            self.names.remove(host);
        }
    }

    /// Gives the thread of a name back to its lane.
    fn release_thread(&mut self, host: &str) {
        let Some(name) = self.names.get_mut(host) else { return };
        if let State::Asked(lane) = std::mem::replace(&mut name.state, State::Lost)
            && let Some(lane) = self.lanes.get_mut(lane)
        {
            lane.asked -= 1;
        }
    }

    /// Keeps the number of known answers within its limit.
    fn forget_some(&mut self, now: Instant) {
        let until = |name: &Name| match name.state {
            State::Known(_, until) => Some(until),
            _ => None,
        };
        if self.names.values().filter(|name| until(name).is_some()).count() <= MAX_KNOWN {
            return;
        }
        self.names.retain(|_, name| until(name).is_none_or(|until| now < until));
        let known = self.names.iter().filter_map(|(host, name)| Some((until(name)?, host)));
        let (count, first) = known.fold((0, None), |(count, first), this| {
            (count + 1, Some(first.map_or(this, |first| std::cmp::min(first, this))))
        });
        if count > MAX_KNOWN
            && let Some((_, host)) = first
        {
            let host = host.clone();
            self.names.remove(&host);
        }
    }
}

/// The same answer once more: an `io::Error` cannot be cloned.
pub(super) fn copy(found: &Found) -> Found {
    match found {
        Ok(addresses) => Ok(addresses.clone()),
        Err(error) => Err(match (error.raw_os_error(), error.get_ref()) {
            (Some(code), _) => io::Error::from_raw_os_error(code),
            (None, Some(inner)) => io::Error::new(error.kind(), inner.to_string()),
            (None, None) => error.kind().into(),
        }),
    }
}

/// What a caller gets: a name without an address is a failure.
pub(super) fn addresses(host: &str, found: Found) -> Result<Vec<SocketAddr>, ConnectError> {
    let error = match found {
        Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
        Ok(_) => io::ErrorKind::NotFound.into(),
        Err(error) => error,
    };
    Err(ConnectError::NameLookup { host: host.to_owned(), error })
}
