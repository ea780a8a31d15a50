//! [`Race`]: the attempts of one connector to reach a host that has several addresses. RFC 8305, "Happy Eyeballs".
//!
//! An address may be silent for a long time before the system gives it up. So an address is tried alone only for the
//! Connection Attempt Delay; then the next is tried beside it. The first connection wins, and the other attempts are
//! closed. An address that fails hands on to the next at once.
//!
//! Next: `client_factory.rs`, what a program implements to hear of all this.

use super::Core;
use super::connector::{Attempt, ConnectorInner};
use crate::Address;
use crate::error::ConnectError;
use crate::timers::DelayedCall;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of attempts that run beside each other: a name with hundreds of addresses must not cost hundreds of
/// descriptors. The oldest is given up for the next address, so that each address has its turn.
const MAX_ATTEMPTS: usize = 16;

/// When a UNIX socket with a full backlog is tried again. The system reports no event when there is room, and a client
/// that is refused instead would have to wait, too. The time limit of the connector ends this.
const FULL_BACKLOG_RETRY: Duration = Duration::from_millis(10);

pub(super) struct Race {
    /// The addresses that have not been tried, the next one first.
    waiting: VecDeque<Address>,
    /// The attempts under way, the oldest first.
    running: VecDeque<Rc<Attempt>>,
    /// The addresses that failed, in the order in which they did.
    failed: Vec<(Address, io::Error)>,
    /// Tries the next address beside those that have not answered.
    timer: Option<DelayedCall>,
}

impl Race {
    /// A race between the addresses of one host, as the resolver ordered them.
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Race {
        Race::between(interleave(addresses).into_iter().map(Address::from).collect())
    }

    /// A race with one runner.
    pub(super) fn alone(address: Address) -> Race {
        Race::between(VecDeque::from([address]))
    }

    fn between(addresses: VecDeque<Address>) -> Race {
        Race { waiting: addresses, running: VecDeque::new(), failed: Vec::new(), timer: None }
    }

    /// Tries the next address. The error comes back when there is none, and no attempt is under way: the race is lost.
    pub(super) fn try_next(&mut self, core: &Core, connector: &Rc<ConnectorInner>) -> Result<(), ConnectError> {
        self.stop_timer();
        while let Some(address) = self.waiting.pop_front() {
            if self.running.len() >= MAX_ATTEMPTS
                && let Some(oldest) = self.running.pop_front()
            {
                oldest.close(core);
                let what = format!("no answer while {MAX_ATTEMPTS} later addresses were tried");
                self.failed.push((oldest.address(), io::Error::new(io::ErrorKind::TimedOut, what)));
            }
            match Attempt::begin(core, connector, address.clone()) {
                Ok(attempt) => {
                    self.running.push_back(attempt);
                    if !self.waiting.is_empty() {
                        self.timer = Some(connector.try_next_later(core));
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && address.unix().is_some() => {
                    self.waiting.push_front(address);
                    connector.wait_without_socket(core);
                    self.timer = Some(connector.try_next_after(core, FULL_BACKLOG_RETRY));
                    return Ok(());
                }
                Err(error) => self.failed.push((address, error)),
            }
        }
        match self.running.is_empty() {
            true => Err(self.why_lost(connector)),
            false => Ok(()),
        }
    }

    /// Takes out an attempt that has failed.
    pub(super) fn note_failure(&mut self, attempt: &Rc<Attempt>, error: io::Error) {
        self.running.retain(|other| !Rc::ptr_eq(other, attempt));
        self.failed.push((attempt.address(), error));
    }

    /// Gives up all attempts but the winner, and tries no further address.
    pub(super) fn keep_only(&mut self, core: &Core, winner: &Rc<Attempt>) {
        self.stop_timer();
        self.waiting.clear();
        self.running.retain(|attempt| {
            let won = Rc::ptr_eq(attempt, winner);
            if !won {
                attempt.close(core);
            }
            won
        });
    }

    /// Gives up all attempts.
    pub(super) fn close(mut self, core: &Core) {
        self.stop_timer();
        self.running.iter().for_each(|attempt| attempt.close(core));
    }

    fn stop_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn why_lost(&mut self, connector: &ConnectorInner) -> ConnectError {
        let mut failed = std::mem::take(&mut self.failed);
        match failed.pop() {
            Some((address, error)) => ConnectError::Failed { address, error, earlier: failed },
            None => ConnectError::NameLookup { host: connector.host_name(), error: io::ErrorKind::NotFound.into() },
        }
    }
}

/// The order in which addresses are tried: the kinds (IPv4, IPv6) take turns, the resolver's first kind first, and
/// within a kind the resolver's order stands (RFC 8305, section 4). So one kind that leads nowhere costs one delay.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_kind = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_kind);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = VecDeque::new();
    loop {
        let before = order.len();
        order.extend(first.next());
        order.extend(second.next());
        if order.len() == before {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn ordered(from: &[&str], expected: &[&str]) {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(Vec::from(interleave(parse(from))), parse(expected));
    }

    #[test]
    fn the_kinds_of_addresses_take_turns_and_the_resolvers_first_kind_is_first() {
        let (a, b, c) = ("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1");
        let (x, y, z) = ("[::1]:1", "[::2]:1", "[::3]:1");
        ordered(&[], &[]);
        ordered(&[a], &[a]);
        ordered(&[x, y, z], &[x, y, z]);
        ordered(&[x, y, z, a, b, c], &[x, a, y, b, z, c]);
        ordered(&[a, b, c, x], &[a, x, b, c]);
        ordered(&[a, x, y, z], &[a, x, y, z]);
        ordered(&[x, y, a], &[x, a, y]);
    }
}
