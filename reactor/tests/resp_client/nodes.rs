//! Three servers that play a cluster.

use super::server::{self, Server};
use reactor::resp::slot_of;
use reactor::sim::World;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

pub(crate) const NAMES: [&str; 3] = ["n0", "n1", "n2"];

/// What the servers agree on.
pub(crate) struct Model {
    /// The server of each slot, as each server says.
    pub(crate) owners: RefCell<[Vec<usize>; 3]>,
    /// Their answers to CLUSTER SLOTS, as long as nothing changes.
    pub(crate) maps: RefCell<[Option<String>; 3]>,
    pub(crate) moving: RefCell<Option<Moving>>,
    /// What each server answers to everything about keys, instead.
    pub(crate) instead: RefCell<[Option<&'static str>; 3]>,
}

/// A slot that moves, from one server to another, and the keys that have gone already.
pub(crate) type Moving = (u16, usize, usize, BTreeSet<String>);

pub(crate) struct Nodes {
    pub(crate) servers: Vec<Server>,
    pub(crate) model: Rc<Model>,
}

impl Nodes {
    /// Three servers: slots 0 to 5460, 5461 to 10922, and the rest.
    pub(crate) fn new(world: &World) -> Nodes {
        let owners: Vec<usize> = (0..16_384).map(|slot| usize::min(slot / 5461, 2)).collect();
        let model = Rc::new(Model {
            owners: RefCell::new([(); 3].map(|()| owners.clone())),
            maps: RefCell::default(),
            moving: RefCell::default(),
            instead: RefCell::default(),
        });
        let servers: Vec<Server> = NAMES.iter().map(|name| Server::named(world, name)).collect();
        for (me, server) in servers.iter().enumerate() {
            let (model, may_ask) = (model.clone(), Rc::new(RefCell::new(false)));
            server.answer(move |_, words| {
                if words[0] == "ASKING" {
                    *may_ask.borrow_mut() = true;
                    return Some(b"+OK\r\n".to_vec());
                }
                let asking = may_ask.replace(false);
                answer(&model, me, asking, words).map(String::into_bytes)
            });
        }
        Nodes { servers, model }
    }

    /// Gives a slot to a server; each server learns it, or only these.
    pub(crate) fn give(&self, slot: u16, to: usize, told: &[usize]) {
        for server in told {
            self.model.maps.borrow_mut()[*server] = None;
            self.model.owners.borrow_mut()[*server][usize::from(slot)] = to;
        }
    }

    pub(crate) fn log(&self, server: usize) -> Vec<String> {
        self.servers[server].take_log().into_iter().filter(|line| !line.starts_with("CLUSTER")).collect()
    }
}

fn answer(model: &Model, me: usize, asking: bool, words: &[String]) -> Option<String> {
    if words[..] == ["CLUSTER", "SLOTS"] {
        return Some(model.maps.borrow_mut()[me].get_or_insert_with(|| slots(&model.owners.borrow()[me])).clone());
    }
    let key = words.get(1).filter(|_| ["GET", "SET", "INCR"].contains(&words[0].as_str()))?;
    if let Some(instead) = model.instead.borrow()[me] {
        return Some(instead.to_owned());
    }
    let slot = slot_of(key.as_bytes());
    if let Some((moving, from, to, gone)) = &*model.moving.borrow()
        && *moving == slot
    {
        match (me == *from, me == *to) {
            (true, _) if gone.contains(key) => return Some(format!("-ASK {slot} {}:{}\r\n", NAMES[*to], server::PORT)),
            (true, _) => return None,
            (_, true) if asking => return None,
            _ => {}
        }
    }
    let owner = model.owners.borrow()[me][usize::from(slot)];
    (owner != me).then(|| format!("-MOVED {slot} {}:{}\r\n", NAMES[owner], server::PORT))
}

fn slots(owners: &[usize]) -> String {
    let mut ranges = Vec::new();
    let mut first = 0;
    for slot in 1..=owners.len() {
        if slot == owners.len() || owners[slot] != owners[first] {
            let name = NAMES[owners[first]];
            ranges.push(format!(
                "*3\r\n:{first}\r\n:{}\r\n*3\r\n$2\r\n{name}\r\n:{}\r\n$2\r\nid\r\n",
                slot - 1,
                server::PORT
            ));
            first = slot;
        }
    }
    format!("*{}\r\n{}", ranges.len(), ranges.concat())
}
