//! [`Registry`]: the slab of everything that the driver knows under a [`Token`], with generations.
//!
//! A slab uses a key again as soon as it is free. A late event for a connection that is gone would then reach its
//! successor. So a token is a key **and** the number of the insertion. A token that does not match finds nothing.
//!
//! Next: `port.rs`, the first kind of source.

use super::connection::{Connection, Lingering};
use super::connector::Attempt;
use super::datagram_port::DatagramPort;
use super::port::Port;
use crate::driver::Token;
use slab::Slab;
use std::rc::Rc;

/// Half of a token is the key, and half is the generation. With 64 bits, four thousand million insertions come before a
/// generation is used again, and even then a late event is misled only if it has the same key, too.
const KEY_BITS: u32 = usize::BITS / 2;
const KEY_MASK: usize = (1 << KEY_BITS) - 1;

/// Number of generations. The highest one is left to the driver, for tokens of its own.
const GENERATIONS: usize = KEY_MASK;

impl Token {
    /// The number of the insertion, from 1 on: what a trace calls the socket.
    pub(crate) fn serial(self) -> u64 {
        (self.0 >> KEY_BITS) as u64 + 1
    }
}

#[derive(Clone)]
pub(super) enum Source {
    /// Keeps the place of an accepted connection while its factory builds the protocol.
    Accepted,
    Port(Rc<Port>),
    Attempt(Rc<Attempt>),
    Connection(Rc<Connection>),
    /// A socket that outlives its connection, which has ended for the program.
    Lingering(Rc<Lingering>),
    Datagrams(Rc<DatagramPort>),
}

#[derive(Default)]
pub(super) struct Registry {
    slab: Slab<(Token, Source)>,
    generation: usize,
}

impl Registry {
    /// The token that the next [`insert`](Registry::insert) will use. The driver needs it before: a source is
    /// registered when it is made.
    pub(super) fn next_token(&self) -> Token {
        Token(self.generation << KEY_BITS | self.slab.vacant_key())
    }

    /// Puts `source` under the token that [`next_token`](Registry::next_token) returned. No other insertion may come
    /// between the two.
    pub(super) fn insert(&mut self, token: Token, source: Source) {
        debug_assert_eq!(token, self.next_token());
        self.slab.insert((token, source));
        self.generation = (self.generation + 1) % GENERATIONS;
    }

    pub(super) fn get(&self, token: Token) -> Option<&Source> {
        let (theirs, source) = self.slab.get(token.0 & KEY_MASK)?;
        (*theirs == token).then_some(source)
    }

    /// Puts another source under the same token: an attempt, or an accepted socket, has become a connection.
    pub(super) fn replace(&mut self, token: Token, source: Source) {
        if let Some((theirs, old)) = self.slab.get_mut(token.0 & KEY_MASK)
            && *theirs == token
        {
            *old = source;
        }
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<Source> {
        self.get(token)?;
        Some(self.slab.remove(token.0 & KEY_MASK).1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// A copy of all sources. Whatever the caller does with them may change the registry.
    pub(super) fn all(&self) -> Vec<Source> {
        self.slab.iter().map(|(_, (_, source))| source.clone()).collect()
    }
}
