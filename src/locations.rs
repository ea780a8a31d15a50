//! What a server knows: the newest AT of each client. Last writer wins; [`newness`] decides which writer was the last.
//!
//! Two versions of one client's location may reach two servers in opposite orders. Both servers must end with the same
//! one, so versions are *totally* ordered: by time, then by the name of the server that heard the client, then by the
//! whole line. If any two versions compared as equal, each server would keep the one that came first, and the herd
//! would disagree for good.
//!
//! The paper drops an AT only if its time *equals* the known one. Then an older message that arrives late overwrites a
//! newer one, and two of them chase each other round the ring for ever. `herdsim --rule paper` shows it.
//!
//! The clients stand in the order of their last change. A link walks along that order ([`crate::links`]): whatever it
//! has not passed, its neighbor has not been told.
//!
//! Circle: this file and `locations/` are one table. How it forgets has a file of its own.
//!
//! Next: [`locations/stamp.rs`](../../src/proxyherd/locations/stamp.rs.html), when a location was heard.

use crate::decimal::Time;
use crate::message::{self, At, Command};
use digests::Digests;
use forgetting::Sweep;
use std::cmp::Ordering;
use std::fmt;
use table::{Chunks, Hash, Index};

mod digests;
mod forgetting;
mod stamp;
mod table;
mod text;

pub use forgetting::Forgotten;
pub use stamp::Stamp;
pub use text::Text;

/// A client's number in the table of one server. When the client is forgotten, another one may get its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId(u32);

impl ClientId {
    /// The number. Those of the clients that are known have few gaps.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The client of this number, which [`index`](ClientId::index) has returned.
    pub(crate) fn from_index(index: usize) -> ClientId {
        ClientId(index as u32)
    }
}

/// Stands for no client in the list of changes.
const NOBODY: u32 = u32::MAX;

/// The index of a neighbor in the server's list of links.
pub type NeighborId = usize;

/// Where a version came from, in half the room of an `Option<NeighborId>`: a table has millions of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source(u32);

impl From<Option<NeighborId>> for Source {
    fn from(neighbor: Option<NeighborId>) -> Source {
        Source(neighbor.map_or(NOBODY, |neighbor| neighbor as u32)) // A server has fewer neighbors.
    }
}

/// What is kept of a client.
#[derive(Debug, Clone)]
pub struct Known {
    /// The client's name.
    pub client: Text<30>,
    /// The AT line, without its end. It has 93 bytes if the client's name has twenty, the server's seven, and nine
    /// digits stand after each point.
    pub line: Text<94>,
    /// The client's time in it.
    pub time: Time,
    /// When a server heard the client: by this it is forgotten.
    pub heard: Stamp,
    /// The neighbor that sent it.
    from: Source,
    /// How much later than this version another one was heard that it has beaten, in milliseconds: see
    /// `forgetting.rs`. Zero if there is none.
    has_beaten_later: u32,
    /// The number of its last change.
    change: u64,
    /// The hash of its line, or zero if it has none yet.
    hash: u64,
    /// The clients that changed before it and after it.
    before: u32,
    after: u32,
}

/// A client's place in the order of changes. It holds until the client changes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The client.
    pub client: ClientId,
    /// The number of its last change. Later changes have greater numbers.
    pub change: u64,
}

/// A client has changed: its new version has been stored, and its place is now the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its new place.
    pub place: Place,
    /// What the new version has replaced. `None` if the client was not known.
    pub before: Option<Before>,
}

/// A version that a newer one has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The number of the change that had brought it.
    pub change: u64,
    /// The client's time in it. Under the [`Order`] that ships it is never later than the new version's.
    pub time: Time,
    /// The neighbor that had sent it.
    pub from: Option<NeighborId>,
    /// The place that stood after it. `None` if it was the last one.
    pub next: Option<Place>,
}

/// A version of a client's location, or the news that it is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The client's name.
    pub client: &'a [u8],
    /// By this it is newer or older than another version.
    pub time: Time,
    /// When a server heard it.
    pub heard: Stamp,
    /// The line, without its end.
    pub line: &'a [u8],
}

/// How an offered AT compares with what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is newer. It is now known, and must go on to the other servers.
    Newer(Change),
    /// It is already known.
    Same,
    /// It is older: its sender lacks what is known.
    Older(ClientId),
    /// There is no room for it: it is about a new client, or much longer than what is known.
    NoRoom,
    /// It is about a client that is not known, and it is so old that it would be forgotten at once.
    Forgotten,
    /// It is about a client that is not known, and its peer has brought too many of those.
    BeyondShare,
}

/// Compares an offered version of a client's location, given as its time and its line, with the known one. `Greater`
/// is taken and passed on, `Equal` is dropped, and the peer that sent a `Less` one is told the known one.
///
/// The servers that ship use [`newness`]. The program `herdsim` has others, and shows what is wrong with them.
pub type Order = Box<dyn FnMut(Time, &[u8], &Known) -> Ordering>;

/// All locations that a server knows.
pub struct Locations {
    index: Index,
    known: Chunks<Known>,
    /// The ends of the list of clients in the order of their last change. A hash table's own order differs from run to
    /// run, and a link that comes up would then send the same lines in another order each time.
    first: u32,
    last: u32,
    /// How many changes there have been.
    changes: u64,
    bytes: usize,
    limit: usize,
    /// What was heard before this is forgotten.
    horizon: Stamp,
    sweep: Sweep,
    digests: Digests,
    version_order: Order,
}

/// The bytes that an entry needs besides its line and its name, roughly. If these stand in the entry, it needs some
/// more, but less than is reserved for the line.
const ENTRY_OVERHEAD: usize = 160;

/// Each entry counts as if its line had at least this length. So a client that was taken once can go on reporting its
/// location in lines of usual length, even when there is no room for new clients.
const RESERVED_LINE: usize = 256;

fn size(client: &[u8], line: &[u8]) -> usize {
    ENTRY_OVERHEAD + client.len() + line.len().max(RESERVED_LINE)
}

/// The [`Order`] that ships. The later time wins; at the same time the greater name of a server, then the greater line,
/// compared as bytes.
pub fn newness(time: Time, line: &[u8], known: &Known) -> Ordering {
    time.cmp(&known.time).then_with(|| tie_break(line, &known.line))
}

/// Not inlined: times are rarely equal, and every IAMAT goes through [`newness`].
#[cold]
fn tie_break(one: &[u8], other: &[u8]) -> Ordering {
    // The name is compared as a field: in whole lines the space after it would take part, too, and a longer name whose
    // next byte is below a space would sort first.
    let server = |line: &[u8]| line.split(|byte| *byte == b' ').nth(1).map(<[u8]>::to_vec);
    server(one).cmp(&server(other)).then_with(|| one.cmp(other))
}

impl Locations {
    /// Empty. It will hold about `limit` bytes at most: beyond that it refuses new clients and very long lines. Before
    /// it comes to that, the server has it forget the oldest.
    pub fn new(limit: usize) -> Locations {
        Locations::with_order(limit, Box::new(newness))
    }

    /// Empty, and with an order of versions that another rule asks for. `limit` is that of [`new`](Locations::new), in
    /// bytes.
    pub fn with_order(limit: usize, version_order: Order) -> Locations {
        let (index, known) = (Index::new(), Chunks::new());
        let (first, last, horizon, sweep) = (NOBODY, NOBODY, Stamp::FIRST, Sweep::default());
        let digests = Digests::new();
        Locations { index, known, first, last, changes: 0, bytes: 0, limit, horizon, sweep, digests, version_order }
    }

    /// Sets the limit of [`new`](Locations::new). What is stored beyond a lower one stays, and takes no more room.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes an AT if it is newer than what is known.
    pub fn offer(&mut self, at: &At<'_>, from: Option<NeighborId>) -> Verdict {
        let mut line = Vec::new();
        at.write_to(&mut line);
        let heard = Stamp::from(at.clock().unwrap_or(at.iamat.time));
        let version = Version { client: at.iamat.client, time: at.iamat.time, heard, line: &line };
        self.offer_version(&version, from, || Ok(()))
    }

    /// Takes a version if it is newer than what is known. `from` is the neighbor that told it, if one did. If the
    /// client is not known, `admit` decides whether it may be; its error is the verdict.
    ///
    /// A version of a client that is known is taken however old it is: the next sweep will find it. Otherwise two
    /// servers, one of which has heard the older and one the newer version, could go on to differ.
    pub fn offer_version(
        &mut self,
        version: &Version<'_>,
        from: Option<NeighborId>,
        admit: impl FnOnce() -> Result<(), Verdict>,
    ) -> Verdict {
        let Version { client, time, heard, line } = *version;
        let hash = self.index.hash(client);
        let Some(number) = self.find(hash, client) else { return self.add(hash, version, from, admit) };
        let known = self.known.at_mut(number);
        match (self.version_order)(time, line, known) {
            Ordering::Equal => Verdict::Same,
            Ordering::Less => Verdict::Older(ClientId(number)),
            Ordering::Greater => {
                // Before anything changes: a refused version must leave the known one whole.
                let (old, new) = (size(client, &known.line), size(client, line));
                if new > old && self.bytes + new - old > self.limit {
                    return Verdict::NoRoom;
                }
                self.bytes = self.bytes - old + new;
                known.line.set(line);
                let time_before = std::mem::replace(&mut known.time, time);
                let last_beaten = std::mem::replace(&mut known.heard, heard);
                if last_beaten > heard || known.has_beaten_later > 0 {
                    known.note_replaced(last_beaten);
                }
                self.digests.take_out(std::mem::take(&mut known.hash));
                let before = Before { change: known.change, time: time_before, from: known.from(), next: None };
                known.from = from.into();
                Verdict::Newer(self.move_to_end(number, before))
            }
        }
    }

    /// Adds a new client.
    fn add(
        &mut self,
        hash: Hash,
        version: &Version<'_>,
        from: Option<NeighborId>,
        admit: impl FnOnce() -> Result<(), Verdict>,
    ) -> Verdict {
        let Version { client, time, heard, line } = *version;
        let size = size(client, line);
        if self.bytes + size > self.limit {
            return Verdict::NoRoom;
        }
        if let Err(verdict) = admit() {
            return verdict;
        }
        let (client, line) = (client.into(), line.into());
        let (change, before) = (self.changes, self.last);
        let from = from.into();
        let (has_beaten_later, after) = (0, NOBODY);
        let known = Known { client, line, time, heard, from, has_beaten_later, change, hash: 0, before, after };
        let Some(number) = self.known.insert(known) else { return Verdict::NoRoom };
        self.bytes += size;
        self.changes += 1;
        self.index.insert(hash, number);
        match before {
            NOBODY => self.first = number,
            before => self.known.at_mut(before).after = number,
        }
        self.last = number;
        self.digests.appended(number);
        Verdict::Newer(Change { place: Place { client: ClientId(number), change }, before: None })
    }

    /// A client has changed: gives it the last place. `version` is what it had before; this fills in its place.
    fn move_to_end(&mut self, number: u32, mut version: Before) -> Change {
        let (change, last) = (self.changes, self.last);
        self.changes += 1;
        let known = self.known.at_mut(number);
        known.change = change;
        if number != last {
            let (before, after) = (known.before, known.after);
            (known.before, known.after) = (last, NOBODY);
            let next = self.known.at_mut(after); // It was not the last: there is one.
            version.next = Some(Place { client: ClientId(after), change: next.change });
            next.before = before;
            match before {
                NOBODY => self.first = after,
                before => self.known.at_mut(before).after = after,
            }
            self.known.at_mut(last).after = number;
            self.last = number;
            self.digests.left(number, after);
        }
        self.digests.appended(number);
        Change { place: Place { client: ClientId(number), change }, before: Some(version) }
    }

    fn place(&self, number: u32) -> Option<Place> {
        (number != NOBODY).then(|| Place { client: ClientId(number), change: self.known.at(number).change })
    }

    fn find(&self, hash: Hash, client: &[u8]) -> Option<u32> {
        self.index.find(hash, |number| *self.known.at(number).client == *client)
    }

    /// The newest known version of a client's location.
    pub fn get(&self, client: &[u8]) -> Option<&Known> {
        self.find(self.index.hash(client), client).map(|number| self.known.at(number))
    }

    /// The newest known version of the location of a client that this table has numbered.
    ///
    /// # Panics
    /// If no client has this number.
    pub fn of(&self, client: ClientId) -> &Known {
        self.known.at(client.0)
    }

    /// The place of a client, and what is known of it; `None` if no client has this number.
    pub(crate) fn known_at(&self, client: ClientId) -> Option<(Place, &Known)> {
        let known = self.known.get(client.0)?;
        Some((Place { client, change: known.change }, known))
    }

    /// The place of the client that has not changed for the longest time.
    pub fn first(&self) -> Option<Place> {
        self.place(self.first)
    }

    /// The place after that of a client.
    ///
    /// # Panics
    /// If no client has this number.
    pub fn after(&self, client: ClientId) -> Option<Place> {
        self.place(self.known.at(client.0).after)
    }

    /// How many changes there have been. Their numbers are lower than this; those of later ones are not.
    pub fn change_count(&self) -> u64 {
        self.changes
    }

    /// Everything that is known, in the order of the last change.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        std::iter::successors(self.first(), |place| self.after(place.client)).map(|place| self.of(place.client))
    }

    /// The same from the last change back.
    pub fn newest(&self) -> impl Iterator<Item = &Known> {
        let before = |known: &&Known| (known.before != NOBODY).then(|| self.known.at(known.before));
        std::iter::successors((self.last != NOBODY).then(|| self.known.at(self.last)), before)
    }

    /// How many clients are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locations({} clients, {} of {} bytes)", self.len(), self.bytes, self.limit)
    }
}

impl Known {
    /// The neighbor that sent it; `None` if it came from a client or from a server that has not said its name.
    pub fn from(&self) -> Option<NeighborId> {
        (self.from.0 != NOBODY).then_some(self.from.0 as NeighborId)
    }

    /// The number of its last change.
    pub(crate) fn change(&self) -> u64 {
        self.change
    }

    /// The fields of the line.
    pub fn at(&self) -> Option<At<'_>> {
        match message::parse(&self.line) {
            Ok(Command::At(at)) => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
