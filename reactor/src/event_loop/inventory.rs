//! [`Inventory`]: what a reactor holds at the moment: what listens, what connects, what waits.
//!
//! Next: `threads.rs`, the way in from other threads.

use super::registry::Source;
use super::{Destination, Reactor};
use crate::datagram::DatagramBackend;
use crate::transport::TransportBackend;
use crate::{Address, DelayedCall};
use std::fmt;
use std::net::SocketAddr;

/// What a reactor holds at the moment: [`Reactor::inventory`]. Its text has a line for each thing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inventory {
    /// The local address of each port that listens.
    pub ports: Vec<Address>,
    /// The local address of each UDP port.
    pub udp_ports: Vec<SocketAddr>,
    /// Where each attempt goes that the loop has begun.
    pub attempts: Vec<Destination>,
    /// The peer of each connection, accepted ones included.
    pub connections: Vec<Address>,
    /// Number of sockets that are still closing, though their protocols have heard of the end.
    pub closing: usize,
    /// The delayed calls that wait, in the order in which they are due.
    pub delayed_calls: Vec<DelayedCall>,
    /// Number of Deferreds that wait for another thread.
    pub thread_results: usize,
}

impl Reactor {
    /// What the reactor holds now. For status pages and tests: it is a copy, made for this call. Twisted's
    /// `getDelayedCalls`, `getReaders` and `MemoryReactor.tcpServers` in one.
    ///
    /// ```
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// struct Silent;
    /// impl Protocol for Silent {
    ///     fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    /// }
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", |_peer| Silent)?;
    /// assert_eq!(reactor.inventory().ports, [reactor::Address::from(port.host())]);
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory {
            ports: Vec::new(),
            udp_ports: Vec::new(),
            attempts: self.core.work.looking_up.borrow().iter().map(|it| it.destination().clone()).collect(),
            connections: Vec::new(),
            closing: 0,
            delayed_calls: self.core.work.timers.waiting(),
            thread_results: self.core.completions.len(),
        };
        for source in self.core.registry.borrow().all() {
            match source {
                Source::Port(port) => inventory.ports.push(port.host.clone()),
                Source::Datagrams(port) => inventory.udp_ports.push(port.host()),
                Source::Attempt(attempt) => {
                    let destination = attempt.connector().destination();
                    // An address that races against another is the same attempt.
                    if !inventory.attempts.contains(destination) {
                        inventory.attempts.push(destination.clone());
                    }
                }
                Source::Connection(connection) => inventory.connections.push(connection.peer()),
                Source::Lingering(_) => inventory.closing += 1,
                Source::Accepted => {}
            }
        }
        inventory
    }
}

impl Inventory {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.udp_ports.is_empty()
            && self.attempts.is_empty()
            && self.connections.is_empty()
            && self.closing == 0
            && self.delayed_calls.is_empty()
            && self.thread_results == 0
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.iter().try_for_each(|port| writeln!(f, "a port at {port}"))?;
        self.udp_ports.iter().try_for_each(|port| writeln!(f, "a UDP port at {port}"))?;
        self.attempts.iter().try_for_each(|attempt| writeln!(f, "an attempt to connect to {attempt}"))?;
        self.connections.iter().try_for_each(|peer| writeln!(f, "a connection to {peer}"))?;
        self.delayed_calls.iter().try_for_each(|call| writeln!(f, "{call:?}"))?;
        if self.closing > 0 {
            writeln!(f, "sockets that are closing: {}", self.closing)?;
        }
        if self.thread_results > 0 {
            writeln!(f, "Deferreds that wait for other threads: {}", self.thread_results)?;
        }
        Ok(())
    }
}
