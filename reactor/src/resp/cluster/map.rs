//! [`SlotMap`]: which server has which slots. [`Redirect`]: what a server says if it is another one. Pure.
//!
//! ```text
//!   CLUSTER SLOTS --> [[0, 5460, ["10.0.0.1", 7000, id], replica ..], [5461, 10922, ..], ..]
//!   -MOVED 3999 10.0.0.2:7001      the slot is there now: ask there from here on
//!   -ASK 3999 10.0.0.2:7001        this key has moved, and its slot is about to: ask there, this once
//! ```
//!
//! Next: `settings.rs`, the limits of a cluster.

use crate::Destination;
use crate::resp::error::ServerError;
use crate::resp::slot::SLOTS;
use crate::resp::value::Value;
use std::fmt;

/// Maximum number of servers: a thousand is what the cluster's own protocol is made for.
pub(super) const MAX_NODES: usize = 1000;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeAddress {
    pub(super) host: String,
    pub(super) port: u16,
}

impl NodeAddress {
    /// `host:port`, as servers write it: IPv6 without brackets. Without a host, or with `?` for one, it is the host of
    /// the server that says so, `asked`.
    fn parse(text: &str, asked: &str) -> Option<NodeAddress> {
        let (host, port) = text.rsplit_once(':')?;
        NodeAddress::new(host, port.parse().ok()?, asked)
    }

    fn new(host: &str, port: u16, asked: &str) -> Option<NodeAddress> {
        let host = if host.is_empty() || host == "?" { asked } else { host };
        (port > 0).then(|| NodeAddress { host: host.to_owned(), port })
    }

    pub(super) fn of(destination: &Destination) -> NodeAddress {
        NodeAddress { host: destination.host_name().to_owned(), port: destination.port() }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// No server has the slot.
const NONE: u16 = u16::MAX;

/// Which server has which slots.
#[derive(Debug, Clone)]
pub(super) struct SlotMap {
    /// For each slot the place of its server among `primaries`, or [`NONE`].
    slots: Vec<u16>,
    primaries: Vec<NodeAddress>,
}

impl SlotMap {
    pub(super) fn empty() -> SlotMap {
        SlotMap { slots: vec![NONE; SLOTS.into()], primaries: Vec::new() }
    }

    /// What a server answers to `CLUSTER SLOTS`. `None` if it makes no sense. It is empty if no slot has a server.
    pub(super) fn parse(reply: &Value, asked: &str) -> Option<SlotMap> {
        let Value::Array(ranges) = reply else { return None };
        let mut map = SlotMap::empty();
        for range in ranges {
            let [first, last, primary, ..] = &range.elements()?[..] else { return None };
            let (first, last) = (slot(first)?, slot(last)?);
            let [host, port, ..] = &primary.elements()?[..] else { return None };
            let host = if host.is_null() { "" } else { host.as_str()? };
            let address = NodeAddress::new(host, u16::try_from(port.as_integer()?).ok()?, asked)?;
            let primary = map.primary(address)?;
            map.slots.get_mut(first.into()..=last.into())?.fill(primary);
        }
        Some(map)
    }

    /// The place of a server; `None` if there are too many.
    fn primary(&mut self, address: NodeAddress) -> Option<u16> {
        let known = self.primaries.iter().position(|other| *other == address);
        if known.is_none() && self.primaries.len() < MAX_NODES {
            self.primaries.push(address);
            return u16::try_from(self.primaries.len() - 1).ok();
        }
        u16::try_from(known?).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.primaries.is_empty()
    }

    pub(super) fn primaries(&self) -> &[NodeAddress] {
        &self.primaries
    }

    /// The server of a slot.
    pub(super) fn get(&self, slot: u16) -> Option<&NodeAddress> {
        self.primaries.get(usize::from(self.place(slot)?))
    }

    /// The place of a slot's server among the primaries.
    pub(super) fn place(&self, slot: u16) -> Option<u16> {
        self.slots.get(usize::from(slot)).copied().filter(|place| *place != NONE)
    }

    /// A server has said that this slot is there.
    pub(super) fn moved(&mut self, slot: u16, address: NodeAddress) {
        if let Some(primary) = self.primary(address)
            && let Some(place) = self.slots.get_mut(usize::from(slot))
        {
            *place = primary;
        }
    }
}

fn slot(value: &Value) -> Option<u16> {
    value.as_integer().and_then(|slot| u16::try_from(slot).ok()).filter(|slot| *slot < SLOTS)
}

/// Why a server has not carried out a command, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// `MOVED`: the slot is there.
    Moved(u16, NodeAddress),
    /// `ASK`: the key is there.
    Ask(NodeAddress),
    /// `TRYAGAIN`: the keys of the command are not all on one server while their slot moves. `CLUSTERDOWN`, `LOADING`,
    /// `MASTERDOWN`, `READONLY`: the server cannot, now; another one may soon be in its place.
    Later,
}

impl Redirect {
    /// `None` if it is another error. `asked` is the host of the server that said it.
    pub(super) fn of(error: &ServerError, asked: &str) -> Option<Redirect> {
        let mut words = error.message().split(' ');
        match error.code() {
            "MOVED" => {
                let slot = words.next()?.parse().ok().filter(|slot| *slot < SLOTS)?;
                Some(Redirect::Moved(slot, NodeAddress::parse(words.next()?, asked)?))
            }
            "ASK" => Some(Redirect::Ask(NodeAddress::parse(words.nth(1)?, asked)?)),
            "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" => Some(Redirect::Later),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> NodeAddress {
        NodeAddress { host: host.to_owned(), port }
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        Value::from(vec![first.into(), last.into(), Value::from(vec![host, port.into(), "id".into()])])
    }

    #[test]
    fn a_map_says_where_each_slot_is() {
        let reply = Value::from(vec![
            range(0, 99, "10.0.0.1".into(), 7000),
            range(100, 16_383, "".into(), 7001),
            range(50, 50, Value::Null, 7002),
        ]);
        let mut map = SlotMap::parse(&reply, "asked").unwrap();
        assert_eq!(map.get(0), Some(&address("10.0.0.1", 7000)));
        assert_eq!(map.get(99), Some(&address("10.0.0.1", 7000)));
        assert_eq!(map.get(16_383), Some(&address("asked", 7001)));
        assert_eq!(map.get(50), Some(&address("asked", 7002)));
        map.moved(99, address("::1", 1));
        assert_eq!(map.get(99).map(NodeAddress::to_string).as_deref(), Some("[::1]:1"));
        assert_eq!(map.primaries().len(), 4);
        let part = Value::from(vec![range(5, 6, "a".into(), 1)]);
        assert_eq!(SlotMap::parse(&part, "").unwrap().get(7), None);
    }

    #[test]
    fn maps_that_make_no_sense_are_refused() {
        let lies = [
            Value::Null,
            Value::from(vec![1.into()]),
            Value::from(vec![range(0, 16_384, "a".into(), 1)]),
            Value::from(vec![range(-1, 1, "a".into(), 1)]),
            Value::from(vec![range(5, 3, "a".into(), 1)]),
            Value::from(vec![range(0, 1, "a".into(), 0)]),
            Value::from(vec![range(0, 1, "a".into(), 70_000)]),
            Value::from(vec![range(0, 1, 5.into(), 1)]),
            Value::from(vec![Value::from(vec![0.into(), 1.into()])]),
            Value::from((0..2000).map(|port| range(port, port, "a".into(), port + 1)).collect::<Vec<_>>()),
        ];
        for lie in lies {
            assert!(SlotMap::parse(&lie, "asked").is_none(), "{lie:?}");
        }
    }

    #[test]
    fn a_cluster_without_slots_has_an_empty_map() {
        assert!(SlotMap::parse(&Value::from(vec![]), "asked").is_some_and(|map| map.is_empty()));
    }

    #[test]
    fn a_server_that_always_names_another_one_does_not_make_the_map_grow_for_ever() {
        let mut map = SlotMap::empty();
        (1..5000).for_each(|port| map.moved(7, address("10.0.0.1", port)));
        assert_eq!(map.primaries().len(), MAX_NODES);
    }

    #[test]
    fn redirects_are_read_as_servers_write_them() {
        let of = |text: &str| Redirect::of(&ServerError::new(text), "asked");
        assert_eq!(of("MOVED 3999 10.0.0.2:7001"), Some(Redirect::Moved(3999, address("10.0.0.2", 7001))));
        assert_eq!(of("MOVED 3999 :7001"), Some(Redirect::Moved(3999, address("asked", 7001))));
        assert_eq!(of("ASK 3999 ::1:7001"), Some(Redirect::Ask(address("::1", 7001))));
        assert_eq!(of("TRYAGAIN Multiple keys request during rehashing of slot"), Some(Redirect::Later));
        assert_eq!(of("CLUSTERDOWN The cluster is down"), Some(Redirect::Later));
        for other in
            ["ERR no", "MOVED", "MOVED 1", "MOVED x a:1", "MOVED 1 a", "MOVED 16384 a:1", "MOVED 1 a:0", "ASK 1"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
