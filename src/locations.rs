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
//! Next: [`server.rs`](mod@crate::server), which decides where an AT goes.

use crate::decimal::Time;
use crate::message::{self, At, Command};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

/// A client's name, shared by all lists that hold it.
pub type ClientId = Rc<[u8]>;

/// The index of a neighbor in the server's list of links.
pub type NeighborId = usize;

/// What is kept of a client.
#[derive(Debug, Clone)]
pub struct Known {
    /// The client's name.
    pub client: ClientId,
    /// The AT line, without its end.
    pub line: Vec<u8>,
    /// The client's time in it.
    pub time: Time,
    /// The neighbor that sent it; `None` if it came from a client or from a server that has not said its name.
    pub from: Option<NeighborId>,
}

/// How an offered AT compares with what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is newer. It is now known, and must go on to the other servers.
    Newer(ClientId),
    /// It is already known.
    Same,
    /// It is older: its sender lacks what is known.
    Older(ClientId),
    /// There is no room for it: it is about a new client, or much longer than what is known.
    NoRoom,
}

/// Compares an offered version of a client's location, given as its time and its line, with the known one. `Greater`
/// is taken and passed on, `Equal` is dropped, and the peer that sent a `Less` one is told the known one.
///
/// The servers that ship use [`newness`]. The program `herdsim` has others, and shows what is wrong with them.
pub type Order = Box<dyn FnMut(Time, &[u8], &Known) -> Ordering>;

/// All locations that a server knows.
pub struct Locations {
    known: HashMap<ClientId, Known>,
    /// The clients in the order in which they became known. A hash map's own order differs from run to run, and a link
    /// that comes up would then send the same lines in another order each time.
    order: Vec<ClientId>,
    bytes: usize,
    limit: usize,
    version_order: Order,
}

/// The bytes that an entry needs besides its line and its name, roughly.
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
    /// Empty. It will hold about `limit` bytes at most: beyond that it refuses new clients and very long lines, so that
    /// a client that invents names cannot fill the memory.
    pub fn new(limit: usize) -> Locations {
        Locations::with_order(limit, Box::new(newness))
    }

    /// Empty, and with an order of versions that another rule asks for. `limit` is that of [`new`](Locations::new), in
    /// bytes.
    pub fn with_order(limit: usize, version_order: Order) -> Locations {
        Locations { known: HashMap::new(), order: Vec::new(), bytes: 0, limit, version_order }
    }

    /// Takes an AT if it is newer than what is known.
    pub fn offer(&mut self, at: &At<'_>, from: Option<NeighborId>) -> Verdict {
        let mut line = Vec::new();
        at.write_to(&mut line);
        self.offer_line(at.iamat.client, at.iamat.time, &line, from)
    }

    /// Takes an AT that has been written as a line already, if it is newer than what is known. `from` is the neighbor
    /// that told it, if one did.
    pub fn offer_line(&mut self, client: &[u8], time: Time, line: &[u8], from: Option<NeighborId>) -> Verdict {
        if let Some(known) = self.known.get_mut(client) {
            let id = known.client.clone();
            return match (self.version_order)(time, line, known) {
                Ordering::Equal => Verdict::Same,
                Ordering::Less => Verdict::Older(id),
                Ordering::Greater => {
                    // Before anything changes: a refused version must leave the known one whole.
                    let (old, new) = (size(client, &known.line), size(client, line));
                    if new > old && self.bytes + new - old > self.limit {
                        return Verdict::NoRoom;
                    }
                    self.bytes = self.bytes - old + new;
                    known.line.clear();
                    known.line.extend_from_slice(line);
                    known.line.shrink_to(RESERVED_LINE.max(line.len()));
                    (known.time, known.from) = (time, from);
                    Verdict::Newer(id)
                }
            };
        }
        let size = size(client, line);
        if self.bytes + size > self.limit {
            return Verdict::NoRoom;
        }
        self.bytes += size;
        let id: ClientId = client.into();
        self.order.push(id.clone());
        self.known.insert(id.clone(), Known { client: id.clone(), line: line.to_vec(), time, from });
        Verdict::Newer(id)
    }

    /// The newest known version of a client's location.
    pub fn get(&self, client: &[u8]) -> Option<&Known> {
        self.known.get(client)
    }

    /// Everything that is known, in the order in which the clients became known.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.order.iter().filter_map(|client| self.known.get(client))
    }

    /// All known clients, in the order in which they became known.
    pub fn clients(&self) -> impl Iterator<Item = &ClientId> {
        self.order.iter()
    }

    /// How many clients are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locations({} clients, {} of {} bytes)", self.len(), self.bytes, self.limit)
    }
}

impl Known {
    /// The fields of the line.
    pub fn at(&self) -> Option<At<'_>> {
        match message::parse(&self.line) {
            Some(Command::At(at)) => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(locations: &mut Locations, line: &str) -> Verdict {
        let Some(Command::At(at)) = message::parse(line.as_bytes()) else { panic!("{line}") };
        locations.offer(&at, None)
    }

    fn id(name: &str) -> ClientId {
        name.as_bytes().into()
    }

    #[test]
    fn only_a_newer_at_is_taken() {
        let mut locations = Locations::new(1 << 20);
        assert_eq!(offer(&mut locations, "AT A +1 k +1+1 10"), Verdict::Newer(id("k")));
        assert_eq!(offer(&mut locations, "AT A +1 k +1+1 10"), Verdict::Same);
        assert_eq!(offer(&mut locations, "AT A +1 k +2+2 9.999999999"), Verdict::Older(id("k")));
        assert_eq!(offer(&mut locations, "AT A +1 k +2+2 10.000000001"), Verdict::Newer(id("k")));
        assert_eq!(locations.get(b"k").unwrap().line, b"AT A +1 k +2+2 10.000000001");
        assert_eq!(locations.len(), 1);
    }

    #[test]
    fn of_two_ats_with_the_same_time_the_greater_server_wins_and_then_the_greater_line() {
        let mut locations = Locations::new(1 << 20);
        for (line, is_newer) in [
            ("AT Bolden +0.5 kiwi +1+1 100.5", true),
            ("AT Alford +0.9 kiwi +9+9 100.5", false),
            ("AT Parker +0.1 kiwi +0+0 100.5", true),
            ("AT Parker +0.0 kiwi +9+9 100.5", false),
            ("AT Parker +0.1 kiwi +0+1 100.5", true),
            ("AT Bolden +9.9 kiwi +9+9 100.500", false),
            ("AT Parker2 +0.0 kiwi +0+0 +100.50", true),
            ("AT Zed +9.9 kiwi +9+9 100.499999999", false),
            ("AT Alford +0.0 kiwi +0+0 100.500000001", true),
            ("AT Alford +0.0 kiwi +0+0 1400794645.392014451", true),
            ("AT Zed +9.0 kiwi +9+9 1400794645.392014450", false),
        ] {
            let verdict = if is_newer { Verdict::Newer(id("kiwi")) } else { Verdict::Older(id("kiwi")) };
            assert_eq!(offer(&mut locations, line), verdict, "{line}");
        }
    }

    #[test]
    fn every_order_of_arrival_ends_with_the_same_at() {
        // At equal times the greater server wins, then the greater line. "Bolden\x01" is the greatest server, though in
        // whole lines its \x01 sorts before the space after "Bolden".
        let lines = [
            "AT Alford +9 k +1+1 10",
            "AT Bolden +1 k +1+1 10",
            "AT Bolden +1 k +1+1 10.000",
            "AT Bolden +2 k +1+1 10",
            "AT Bolden\x01 +1 k +1+1 10",
            "AT Alford +1 k +1+1 9",
        ];
        let mut ends = std::collections::BTreeSet::new();
        for first in 0..lines.len() {
            for step in [1, 5] {
                let mut locations = Locations::new(1 << 20);
                for turn in 0..lines.len() {
                    offer(&mut locations, lines[(first + turn * step) % lines.len()]);
                }
                ends.insert(locations.get(b"k").unwrap().line.to_vec());
            }
        }
        assert_eq!(ends.len(), 1);
        assert!(ends.contains(&b"AT Bolden\x01 +1 k +1+1 10"[..]));
    }

    #[test]
    fn a_full_server_takes_updates_but_no_new_clients_and_no_much_longer_lines() {
        let mut locations = Locations::new(2 * (ENTRY_OVERHEAD + RESERVED_LINE + 1));
        assert!(matches!(offer(&mut locations, "AT A +1 a +1+1 1"), Verdict::Newer(_)));
        assert!(matches!(offer(&mut locations, "AT A +1 b +1+1 1"), Verdict::Newer(_)));
        assert_eq!(offer(&mut locations, "AT A +1 c +1+1 1"), Verdict::NoRoom);
        assert!(matches!(offer(&mut locations, "AT A +1 a +1+1 2"), Verdict::Newer(_)));
        let long = format!("AT A +1 a +1.{}+1 3", "0".repeat(RESERVED_LINE));
        assert_eq!(offer(&mut locations, &long), Verdict::NoRoom);
        assert!(matches!(offer(&mut locations, "AT A +1 a +1+1 3"), Verdict::Newer(_)));
    }

    #[test]
    fn an_entry_counts_with_its_name_and_at_least_the_usual_line() {
        let mut locations = Locations::new(1 << 20);
        offer(&mut locations, "AT A +1 kiwi +1+1 1");
        assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + RESERVED_LINE);
        let long = format!("AT A +1 kiwi +1.{}+1 2", "0".repeat(RESERVED_LINE));
        offer(&mut locations, &long);
        assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + long.len());
        offer(&mut locations, "AT A +1 kiwi +1+1 3");
        assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + RESERVED_LINE);
    }

    #[test]
    fn the_limit_is_reached_to_the_byte_and_not_passed() {
        let long = format!("AT A +1 a +1.{}+1 2", "0".repeat(RESERVED_LINE));
        let needed = ENTRY_OVERHEAD + 1 + long.len();
        for (limit, has_room) in [(needed, true), (needed - 1, false)] {
            let mut locations = Locations::new(limit);
            assert!(matches!(offer(&mut locations, "AT A +1 a +1+1 1"), Verdict::Newer(_)));
            assert_eq!(offer(&mut locations, &long) != Verdict::NoRoom, has_room);
            let mut locations = Locations::new(limit);
            assert_eq!(offer(&mut locations, &long) != Verdict::NoRoom, has_room);
        }
    }

    #[test]
    fn clients_are_listed_in_the_order_in_which_they_became_known() {
        let mut locations = Locations::new(1 << 20);
        assert!(locations.is_empty());
        for line in ["AT A +1 c +1+1 1", "AT A +1 a +1+1 1", "AT A +1 b +1+1 1", "AT A +1 c +1+1 2"] {
            offer(&mut locations, line);
        }
        assert_eq!((locations.len(), locations.is_empty()), (3, false));
        assert!(locations.clients().eq(&[id("c"), id("a"), id("b")]));
        let seconds = |known: &Known| known.at().unwrap().iamat.time_text.to_vec();
        assert!(locations.iter().map(seconds).eq([b"2", b"1", b"1"]));
    }
}
