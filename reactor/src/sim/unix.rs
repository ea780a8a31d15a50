//! UNIX sockets: names, the sockets that listen under them, and connections that begin at once.
//!
//! ```text
//!   name   absent --listen--> listening --drop--> absent
//!                                |  ^
//!                         killed |  | listen again
//!                                v  |
//!                             left behind (a path only: an abstract name is gone with its socket)
//! ```
//!
//! Once it is there, a connection is one like all others, over a link that nothing cuts. There is no SYN: whether
//! somebody listens is known at once.
//!
//! Next: `datagrams.rs`, UDP.

use super::connection::{Connection, End, EndState, Owner, Pipe};
use super::kernel::{ListeningSocket, Ready};
use super::network::Network;
use super::queue::ConnectionId;
use super::trace::{Action, Record};
use crate::driver::Token;
use crate::{Address, UnixAddress};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;

impl Network {
    /// Opens a listening socket under a name. A file that was left behind is replaced.
    pub(super) fn listen_unix(
        &mut self,
        host: u32,
        address: &UnixAddress,
        backlog: u32,
        token: Token,
    ) -> io::Result<u32> {
        address.check()?;
        if let Some(Some(_)) = self.host(host).unix.get(address) {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.open_descriptor(host)?;
        let listener = ListeningSocket {
            host,
            address: address.clone().into(),
            token,
            max_backlog: backlog as usize,
            backlog: VecDeque::new(),
            is_in_ready_list: false,
        };
        let key = u32::try_from(self.listeners.insert(listener)).expect("fewer listening sockets than that");
        self.host_mut(host).unix.insert(address.clone(), Some(key));
        self.note_name(host, Action::ListenUnix, address);
        Ok(key)
    }

    /// The listening socket of a name is closed, and its file removed with it.
    pub(super) fn close_unix_listener(&mut self, host: u32, address: &UnixAddress) {
        self.host_mut(host).unix.remove(address);
        self.note_name(host, Action::CloseUnixListener, address);
    }

    /// The program of a listening socket has been killed.
    pub(super) fn leave_behind(&mut self, key: u32) {
        let ListeningSocket { host, address, .. } = &self.listeners[key as usize];
        let (host, address) = (*host, address.clone());
        self.close_listener(key);
        if let Address::Unix(address @ UnixAddress::Path(_)) = address {
            self.note_name(host, Action::LeaveSocketFile, &address);
            self.host_mut(host).unix.insert(address, None);
        }
    }

    /// Connects to a name. The client hears of it by a poll, as with a socket of the real driver.
    pub(super) fn connect_unix(&mut self, host: u32, address: &UnixAddress, token: Token) -> io::Result<ConnectionId> {
        address.check()?;
        let key = self.listener_of(host, address);
        let key = key.inspect_err(|_| self.note_name(host, Action::FailToConnectUnix, address))?;
        self.open_descriptor(host)?;
        let (now, link) = (self.now, self.unix_link(host));
        let end = |address, owner| {
            let (state, last_heard) = (EndState::Open, now);
            End { state, owner, last_heard, ..End::new(host, address) }
        };
        let connection = Connection {
            serial: self.next_serial,
            ends: [end(UnixAddress::Unnamed, Owner::Program(token)), end(address.clone(), Owner::Backlog(key))],
            pipes: [Pipe::new(), Pipe::new()],
            links: [link, link],
            syns_sent: 0,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        let serial = connection.serial;
        let id_key = u32::try_from(self.connections.insert(connection)).expect("fewer connections than that");
        let id = ConnectionId { key: id_key, serial };
        let name = self.detail(|| address.to_string());
        self.note_end_with(id, 0, Action::ConnectUnix, 0, &name);
        let listener = &mut self.listeners[key as usize];
        listener.backlog.push_back(id);
        let (is_listed, token) = (mem::replace(&mut listener.is_in_ready_list, true), listener.token);
        if !is_listed {
            self.host_mut(host).ready.push_back(Ready::Listener(key, token));
        }
        self.mark_ready(id, 0);
        Ok(id)
    }

    /// The listening socket of a name that has room in its backlog.
    fn listener_of(&self, host: u32, address: &UnixAddress) -> io::Result<u32> {
        let key = match (self.host(host).unix.get(address), address) {
            (Some(Some(key)), _) => *key,
            (None, UnixAddress::Path(_)) => return Err(ErrorKind::NotFound.into()),
            (Some(None), _) | (None, _) => return Err(ErrorKind::ConnectionRefused.into()),
        };
        let listener = &self.listeners[key as usize];
        // Linux lets one connection more wait than the program asked for.
        if listener.backlog.len() > listener.max_backlog {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(key)
    }

    /// The hash covers the name, so that two programs that differ in it have different runs.
    fn note_name(&mut self, host: u32, action: Action, address: &UnixAddress) {
        let name = address.to_string();
        self.trace.mix_bytes(name.as_bytes());
        self.note_with(host, Record::from(action), &name);
    }
}
