//! A host that sends given lines at given times over links without delay, on connections that it opened before. For the
//! lessons and for tests, in which only the flood itself counts.
//!
//! Next: `book/mod.rs`, the observer of it all.

use crate::herd::{Herd, PORT};
use reactor::sim::{Host, Latency, LinkSettings};
use reactor::{Address, ClientFactory, Protocol, Reactor, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// When a line is sent, to which server, and the line.
pub(crate) type FeedLine = (Duration, usize, Vec<u8>);

/// When the host connects. All servers listen by then.
const START: Duration = Duration::from_secs(1);

type Ways = Rc<RefCell<Vec<Option<Transport>>>>;

/// Adds the host. It connects to all servers; the first line should come some seconds later.
pub(crate) fn add(herd: &Herd, names: &[String], lines: Vec<FeedLine>) -> Host {
    let names = names.to_vec();
    let host = herd.world.host("feeder", move |reactor: &Reactor| {
        let ways: Ways = Rc::new(RefCell::new(vec![None; names.len()]));
        for (server, name) in names.iter().enumerate() {
            let (own, name, ways) = (reactor.clone(), name.clone(), ways.clone());
            reactor.call_later(START, move || {
                own.connect_tcp((name.as_str(), PORT), Opening { ways, server });
            });
        }
        for (at, server, line) in lines.clone() {
            let ways = ways.clone();
            reactor.call_later(at, move || {
                if let Some(Some(way)) = ways.borrow().get(server) {
                    way.write(&line);
                }
            });
        }
    });
    for member in &herd.servers {
        for (from, to) in [(&host, &member.host()), (&member.host(), &host)] {
            herd.world.set_link(from, to, LinkSettings::new(Latency::Fixed(Duration::ZERO)));
        }
    }
    host
}

struct Opening {
    ways: Ways,
    server: usize,
}

impl ClientFactory for Opening {
    fn build_protocol(&mut self, _peer: &Address) -> Option<Box<dyn Protocol>> {
        Some(Box::new(Way { ways: self.ways.clone(), server: self.server }))
    }
}

struct Way {
    ways: Ways,
    server: usize,
}

impl Protocol for Way {
    fn connection_made(&mut self, transport: &Transport) {
        self.ways.borrow_mut()[self.server] = Some(transport.clone());
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}
