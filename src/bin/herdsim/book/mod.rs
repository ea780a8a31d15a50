//! [`Book`]: an observer that sees all servers and all clients of a run. It knows which server has held which version,
//! what was acknowledged, and how many lines may have been sent. It decides what is newer by code of its own, so that
//! it does not repeat a mistake of the servers.
//!
//! Next: `invariants.rs`, what must hold.

use crate::book::invariants::Invariant;
use crate::book::life::Life;
use crate::herd::Member;
use crate::herd::topology::Graph;
use observer::{LifeWatch, Told};
use proxyherd::locations::{Known, NeighborId, Stamp, Verdict};
use proxyherd::watch::{HeardFrom, Watch};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Instant, UNIX_EPOCH};
use store::Beside;
use storms::Storms;

pub(crate) mod answers;
mod checks;
pub(crate) mod invariants;
mod life;
mod observer;
pub(crate) mod panics;
pub(crate) mod store;
mod storms;
pub(crate) mod view;

/// One second in nanoseconds, the unit of the times in [`Entry`].
const SECOND: i128 = 1_000_000_000;

/// The number of a version: an AT line that some server made of an IAMAT.
pub(crate) type Version = usize;

/// The book of one run.
pub(crate) struct Book {
    inner: RefCell<Inner>,
    members: RefCell<Vec<Rc<Member>>>,
    failure: RefCell<Option<(Invariant, String)>>,
    /// The first failure of each invariant.
    failures: RefCell<BTreeMap<Invariant, String>>,
    has_failed: Cell<bool>,
    /// Whether servers forget clients in this run.
    may_forget: Cell<bool>,
    /// The store beside the herd, if there is one.
    beside: OnceCell<Beside>,
}

struct Inner {
    graph: Graph,
    clients: Vec<Vec<u8>>,
    client_numbers: HashMap<Vec<u8>, usize>,
    versions: Vec<Entry>,
    /// The length of the longest AT line in bytes, with its line end.
    longest: usize,
    by_line: HashMap<Rc<[u8]>, Version>,
    lives: Vec<Life>,
    /// The current life of each server, if it runs.
    current: Vec<Option<usize>>,
    acknowledged: Vec<Version>,
    /// The versions that were news to a life that did not take them: the life, and the version.
    dropped: Vec<(usize, Version)>,
    /// For each client, the newest version that some server has forgotten, or has refused for its age or for want of
    /// room.
    forgotten: Vec<Option<Version>>,
    /// How many AT lines have arrived from other servers.
    heard: u64,
    storms: Storms,
    /// When a server last heard news of a client.
    last_news: Option<Instant>,
    count: Count,
}

/// What was counted in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// AT lines sent from server to server.
    pub told: u64,
    /// The maximum number of those that the account allows.
    pub allowed: u64,
    /// New versions: IAMATs that were news to the server that got them.
    pub versions: u64,
    /// AT lines that came to a server that knew a newer version.
    pub older: u64,
    /// How often a link came up, counted at each end.
    pub links_up: u64,
    /// Commands that clients sent.
    pub asked: u64,
    /// Replies that clients got.
    pub replies: u64,
    /// Acknowledged versions that were lost because every server that held them died.
    pub lost: u64,
    /// Acknowledged versions that no server holds because servers forget: they, or newer ones of the same client.
    pub forgotten: u64,
}

struct Entry {
    client: usize,
    /// What makes it newer: time, server, line.
    nanoseconds: i128,
    server: Rc<[u8]>,
    line: Rc<[u8]>,
    /// What the clock of its server showed.
    heard: i128,
    /// The life that made it.
    made_by: usize,
}

impl Inner {
    fn is_newer(&self, one: Version, other: Option<Version>) -> bool {
        let key = |version: Version| {
            let Entry { nanoseconds, server, line, .. } = &self.versions[version];
            (nanoseconds, server, line)
        };
        other.is_none_or(|other| key(one) > key(other))
    }

    /// The number of the version with this line; it gets one if it has none.
    fn version(&mut self, client: usize, told: &Told<'_>, line: &[u8], made_by: usize) -> Version {
        if let Some(version) = self.by_line.get(line) {
            return *version;
        }
        let version = self.versions.len();
        self.longest = self.longest.max(line.len() + 1);
        let line: Rc<[u8]> = line.into();
        self.by_line.insert(line.clone(), version);
        let time = nanoseconds(told.time).unwrap_or_default();
        let heard = time + nanoseconds(told.difference).unwrap_or_default();
        self.versions.push(Entry { client, nanoseconds: time, server: told.server.into(), line, heard, made_by });
        version
    }

    fn newest_held(&self, client: usize) -> Option<Version> {
        let alive = self.lives.iter().filter(|life| !life.is_over);
        let mut newest = None;
        for version in alive.filter_map(|life| life.held[client]) {
            if self.is_newer(version, newest) {
                newest = Some(version);
            }
        }
        newest
    }

    /// Whether a version was heard before this.
    fn is_before(&self, version: Version, horizon: Option<Stamp>) -> bool {
        let heard = self.versions[version].heard.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        horizon.is_some_and(|horizon| Stamp::from_nanoseconds(heard as i64) < horizon)
    }

    /// A server has forgotten a version, or has refused it for its age or for want of room.
    fn note_forgotten(&mut self, client: usize, version: Version) {
        if self.is_newer(version, self.forgotten[client]) {
            self.forgotten[client] = Some(version);
        }
    }

    fn text(&self, version: Option<Version>) -> String {
        version.map_or("nothing".to_owned(), |version| shown(&self.versions[version].line))
    }
}

fn shown(line: &[u8]) -> String {
    format!("\"{}\"", line.escape_ascii())
}

/// The nanoseconds of a decimal number with at most nine decimal places. It does not use the servers' parser: see the
/// top of the file.
fn nanoseconds(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.trim_start_matches('+')), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    format!("{whole}{fraction:0<9}").parse::<i128>().ok().map(|nanoseconds| sign * nanoseconds)
}

impl Book {
    pub(crate) fn new(graph: &Graph, clients: Vec<Vec<u8>>) -> Rc<Book> {
        let client_numbers = clients.iter().cloned().enumerate().map(|(number, name)| (name, number)).collect();
        let (current, forgotten) = (vec![None; graph.names.len()], vec![None; clients.len()]);
        Rc::new(Book {
            inner: RefCell::new(Inner {
                graph: graph.clone(),
                clients,
                client_numbers,
                versions: Vec::new(),
                longest: 0,
                by_line: HashMap::new(),
                lives: Vec::new(),
                current,
                acknowledged: Vec::new(),
                dropped: Vec::new(),
                forgotten,
                heard: 0,
                storms: Storms::default(),
                last_news: None,
                count: Count::default(),
            }),
            members: RefCell::default(),
            failure: RefCell::default(),
            failures: RefCell::default(),
            has_failed: Cell::new(false),
            may_forget: Cell::new(false),
            beside: OnceCell::new(),
        })
    }

    /// Servers forget clients in this run.
    /// The names of the clients.
    pub(crate) fn client_names(&self) -> Vec<Vec<u8>> {
        self.inner.borrow().clients.clone()
    }

    pub(crate) fn expect_forgetting(&self) {
        self.may_forget.set(true);
    }

    pub(crate) fn may_forget(&self) -> bool {
        self.may_forget.get()
    }

    /// What was heard before this is forgotten, as far as any running server knows.
    fn horizon(&self) -> Option<Stamp> {
        let members = self.members.borrow();
        members.iter().filter_map(|member| member.server()).map(|server| server.horizon()).max()
    }

    pub(crate) fn set_members(&self, members: &[Rc<Member>]) {
        *self.members.borrow_mut() = members.to_vec();
    }

    /// Notes that an invariant does not hold. For the verdict only the first one counts: the others may follow from it.
    pub(crate) fn fail(&self, invariant: Invariant, what: impl FnOnce() -> String) {
        let failures = &mut *self.failures.borrow_mut();
        let what = failures.entry(invariant).or_insert_with(what);
        if !self.has_failed.replace(true) {
            *self.failure.borrow_mut() = Some((invariant, what.clone()));
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    pub(crate) fn failure(&self) -> Option<(Invariant, String)> {
        self.failure.borrow().clone()
    }

    pub(crate) fn count(&self) -> Count {
        self.inner.borrow().count
    }

    /// A server starts. Returns the observer of this life of it.
    pub(crate) fn began(self: &Rc<Self>, server: usize) -> Rc<dyn Watch> {
        self.died(server);
        let inner = &mut *self.inner.borrow_mut();
        let life = inner.lives.len();
        let (clients, degree) = (inner.clients.len(), inner.graph.degree(server));
        inner.lives.push(Life::new(server, clients, degree));
        inner.current[server] = Some(life);
        if inner.lives[..life].iter().any(|other| other.server == server) {
            // Each neighbor brings it up to date, perhaps with another version of each client, and it forwards each
            // one.
            let degree = degree as u64;
            inner.count.allowed += degree * degree.saturating_sub(1) * inner.clients.len() as u64;
        }
        Rc::new(LifeWatch { book: self.clone(), life })
    }

    /// A server ends, or is about to end.
    pub(crate) fn died(&self, server: usize) {
        let inner = &mut *self.inner.borrow_mut();
        if let Some(life) = inner.current[server].take() {
            inner.lives[life].is_over = true;
        }
    }

    /// The number of a server's current life.
    pub(crate) fn life(&self, server: usize) -> Option<usize> {
        self.inner.borrow().current[server]
    }

    /// The version of a client that a life holds.
    pub(crate) fn held(&self, life: usize, client: &[u8]) -> Option<Version> {
        let inner = self.inner.borrow();
        inner.client_numbers.get(client).and_then(|client| inner.lives[life].held[*client])
    }

    pub(crate) fn asked(&self) {
        self.inner.borrow_mut().count.asked += 1;
    }

    /// A client has received the reply to an IAMAT.
    pub(crate) fn acknowledged(&self, line: &[u8]) -> Option<Version> {
        let inner = &mut *self.inner.borrow_mut();
        inner.count.replies += 1;
        let Some(version) = inner.by_line.get(line).copied() else {
            self.fail(Invariant::RepliesInOrder, || format!("{} was answered, but no server heard it", shown(line)));
            return None;
        };
        let Entry { client, made_by, .. } = inner.versions[version];
        let Life { held, confirmed, .. } = &inner.lives[made_by];
        let (held, confirmed) = (held[client], confirmed[client]);
        let held = confirmed.filter(|confirmed| inner.is_newer(*confirmed, held)).or(held);
        // It may have been forgotten while the reply was on its way.
        if inner.is_newer(version, held) && !self.may_forget() {
            let name = &inner.graph.names[inner.lives[made_by].server];
            self.fail(Invariant::KeepsAcknowledged, || {
                format!("{name} acknowledged {}, but holds {}", shown(line), inner.text(held))
            });
        }
        inner.acknowledged.push(version);
        Some(version)
    }

    /// A client has received an AT as the first line of the reply to a WHATSAT. `before` is the newest version that it
    /// had said or heard on that connection.
    pub(crate) fn replied(&self, client: &[u8], line: &[u8], before: Option<Version>) -> Option<Version> {
        let inner = &mut *self.inner.borrow_mut();
        inner.count.replies += 1;
        let version = inner.by_line.get(line).copied();
        let version = version.filter(|version| inner.clients[inner.versions[*version].client] == client);
        let Some(version) = version else {
            self.fail(Invariant::RepliesInOrder, || format!("{} is about another client, or invented", shown(line)));
            return None;
        };
        let before = before.filter(|before| inner.versions[*before].client == inner.versions[version].client);
        if before.is_some_and(|before| inner.is_newer(before, Some(version))) && !self.may_forget() {
            self.fail(Invariant::NeverBackwards, || {
                format!("a connection that had heard {} then heard {}", inner.text(before), shown(line))
            });
        }
        Some(version)
    }

    /// The newer of two versions of one client.
    pub(crate) fn newer_of(&self, one: Option<Version>, other: Option<Version>) -> Option<Version> {
        match other {
            Some(version) if self.inner.borrow().is_newer(version, one) => other,
            _ => one,
        }
    }

    pub(crate) fn replied_otherwise(&self) {
        self.inner.borrow_mut().count.replies += 1;
    }

    fn heard(&self, life: usize, told: &Told<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(&client) = inner.client_numbers.get(told.client) else {
            return self.fail(Invariant::RepliesInOrder, || format!("{} is about nobody", shown(line)));
        };
        if from != HeardFrom::Client && !inner.by_line.contains_key(line) {
            self.fail(Invariant::NeverBackwards, || format!("{} was never said by a client", shown(line)));
        }
        let version = inner.version(client, told, line, life);
        match from {
            // An operator's version is as young as the one that it removes, if that is younger than the clock.
            HeardFrom::Client if told.is_forgot => {}
            // The store was asked first: it was checked before that.
            HeardFrom::Client if self.has_store() => {}
            HeardFrom::Client => self.check_difference(inner, life, told.difference, version),
            HeardFrom::Neighbor(_) | HeardFrom::Unnamed => inner.heard += 1,
        }
        if inner.heard > inner.count.told {
            self.fail(Invariant::MessageBound, || format!("nobody has told {}", shown(line)));
        }
        let held = inner.lives[life].held[client];
        if !matches!(verdict, Verdict::Newer(_)) && inner.is_newer(version, held) {
            inner.dropped.push((life, version));
        }
        match verdict {
            Verdict::Newer(_) => {
                if !inner.is_newer(version, held) {
                    let name = &inner.graph.names[inner.lives[life].server];
                    self.fail(Invariant::NeverBackwards, || {
                        format!("{name} knew {} and took {}", inner.text(held), shown(line))
                    });
                }
                let best = inner.lives[life].best[client];
                if best == Some(version)
                    && let Some(now) = self.now(inner.lives[life].server)
                {
                    inner.storms.came_again(client, now);
                }
                inner.lives[life].took(client, version, from);
                if let Some(beside) = self.beside.get() {
                    beside.taken.borrow_mut().push((life, version));
                }
                if inner.is_newer(version, best) {
                    inner.lives[life].best[client] = Some(version);
                }
                if from == HeardFrom::Client {
                    inner.count.versions += 1;
                    inner.last_news = self.now(inner.lives[life].server).or(inner.last_news);
                    inner.count.allowed += inner.graph.messages_a_version();
                }
            }
            Verdict::Older(_) if from != HeardFrom::Client => {
                inner.count.older += 1;
                inner.count.allowed += 1;
                if let HeardFrom::Neighbor(neighbor) = from {
                    inner.lives[life].heard_older(client, neighbor);
                }
            }
            Verdict::Older(_) | Verdict::Same => {}
            Verdict::NoRoom | Verdict::Forgotten | Verdict::BeyondShare if self.may_forget() => {
                inner.note_forgotten(client, version);
            }
            Verdict::NoRoom | Verdict::Forgotten | Verdict::BeyondShare => {
                self.fail(Invariant::KeepsAcknowledged, || "there was no room for a handful of clients".to_owned());
            }
        }
    }

    /// Checks the difference in an AT: the server's clock minus the client's time, always with a sign and nine digits.
    fn check_difference(&self, inner: &Inner, life: usize, shown: &[u8], version: Version) {
        let server = inner.lives[life].server;
        let Some(clock) = self.members.borrow().get(server).map(|member| member.host().clock()) else { return };
        let since = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
        let difference = i128::from(since.as_secs()) * SECOND + i128::from(since.subsec_nanos())
            - inner.versions[version].nanoseconds;
        let (sign, size) = (if difference < 0 { '-' } else { '+' }, difference.unsigned_abs());
        let second = SECOND.unsigned_abs();
        let expected = format!("{sign}{}.{:09}", size / second, size % second);
        if shown != expected.as_bytes() {
            self.fail(Invariant::RepliesInOrder, || format!("{} should say {expected}", inner.text(Some(version))));
        }
    }

    fn told(&self, life: usize, neighbor: NeighborId, line: &[u8]) {
        let inner = &mut *self.inner.borrow_mut();
        // The same field in an AT and in a FORGOT.
        let client = line.split(|byte| *byte == b' ').nth(3).and_then(|client| inner.client_numbers.get(client));
        let Some(&client) = client else {
            return self.fail(Invariant::MessageBound, || format!("{} is about nobody, but was told", shown(line)));
        };
        let held = inner.lives[life].held[client];
        let may = inner.lives[life].told(neighbor, client);
        let name = &inner.graph.names[inner.lives[life].server];
        if held.is_none_or(|held| *inner.versions[held].line != *line) {
            self.fail(Invariant::NeverBackwards, || {
                format!("{name} told {}, but holds {}", shown(line), inner.text(held))
            });
        }
        if !may {
            self.fail(Invariant::MessageBound, || format!("{name} told a neighbor {} once too often", shown(line)));
        }
        inner.count.told += 1;
        let Count { told, allowed, versions, older, links_up, .. } = inner.count;
        if told > allowed {
            self.fail(Invariant::MessageBound, || {
                format!(
                    "{told} AT lines were sent, but {versions} versions, {older} older arrivals, {links_up} links up, \
                     what was told back and the restarts account for only {allowed}"
                )
            });
        }
    }

    /// A server has forgotten a client. If it is told of it again, it may pass that on again.
    fn forgot(&self, life: usize, known: &Known) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(&client) = inner.client_numbers.get(&known.client[..]) else { return };
        let name = &inner.graph.names[inner.lives[life].server];
        if !self.may_forget() {
            self.fail(Invariant::KeepsAcknowledged, || format!("{name} has forgotten {}", shown(&known.line)));
        }
        if let Some(version) = inner.by_line.get(&known.line[..]).copied() {
            inner.note_forgotten(client, version);
        }
        inner.lives[life].forgot(client);
        inner.count.allowed += inner.graph.messages_a_version();
    }

    fn linked(&self, life: usize, neighbor: NeighborId) {
        let inner = &mut *self.inner.borrow_mut();
        inner.lives[life].linked(neighbor);
        inner.count.links_up += 1;
        inner.count.allowed += inner.lives[life].known() as u64;
    }

    fn told_back(&self, life: usize, neighbor: NeighborId) {
        let inner = &mut *self.inner.borrow_mut();
        inner.count.allowed += inner.lives[life].told_back(neighbor);
    }
}

#[cfg(test)]
mod tests;
