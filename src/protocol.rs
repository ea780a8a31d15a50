//! [`HerdProtocol`]: one connection that somebody made to a server. The peer may be a client or a neighbor.
//!
//! ```text
//!   Talking --- the client has sent its end ---> everything owed, then closed
//!      |
//!      +------- a line is too long ------------> one "? " line and our end; further input is discarded, slowly.
//!      |                                         A neighbor goes on with its next line
//!      |
//!      +------- the server stops --------------> everything owed and our end; further commands are counted
//! ```
//!
//! Next: [`protocol/storing.rs`](../../src/proxyherd/protocol/storing.rs.html), the same with a store.

mod comparing;
mod deciding;
mod refusal;
mod storing;

use crate::address_group::AddressGroup;
use crate::config::Door;
use crate::connections::Registration;
use crate::identity;
use crate::links::{self, KEEP_ALIVE, Link, PING_EVERY, PING_LINE, TOO_LONG};
use crate::locations::{NeighborId, Verdict};
use crate::log_file::{Bytes, Traffic};
use crate::message::{self, At, Command, Forgot, IamAt, WhatsAt};
use crate::replies::Replies;
use crate::server::{Doubt, Server};
use log::Level;
use reactor::task::LoopingCall;
use reactor::{Address, LineProtocol, LineTransport, Reactor, Reason, Transport};
use refusal::{Refusal, Refusing};
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How much longer an AT may be than its IAMAT: it adds a server's name and a difference. With one limit for both, a
/// client could send a line that one server takes and its neighbors refuse, and their links would break again and
/// again.
const AT_OVERHEAD: usize = 1024;

/// What is at the other end, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// A client; or a neighbor that has not said PEER, or whose PEER was refused.
    Unnamed,
    /// This neighbor. It is treated as such from the next event of this connection on: a look-up has found it out, and
    /// cannot reach the protocol.
    Recognized(NeighborId),
    /// This neighbor: its lines may be longer, and they are logged under its name.
    Neighbor(NeighborId),
    /// The connection has ended.
    Gone,
}

/// What becomes of input that is not read as lines (raw mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// It is thrown away: a client has sent a line that is too long. This number of bytes has come since.
    Discarded(usize),
    /// It is thrown away up to the end of the line: a neighbor has sent a line that is too long.
    DiscardedToLineEnd,
    /// Its lines are counted, and not carried out: the server stops.
    Counted(usize),
}

/// One connection to a server.
#[derive(Debug)]
pub struct HerdProtocol {
    server: Rc<Server>,
    door: Door,
    peer: Option<IpAddr>,
    traffic: Traffic,
    replies: Option<Rc<Replies>>,
    /// Its entry among all connections, from the beginning of the connection to its end.
    registration: Option<Registration>,
    /// Which peer this is, as far as we know. Shared with a look-up of the neighbor's name, which may decide it later.
    identity: Rc<Cell<Peer>>,
    made: Instant,
    /// Whether any of its ATs was news.
    said_news: bool,
    /// Why the last AT that was not believed was refused, of which the log has a warning.
    warned_of: Option<Doubt>,
    /// PEER is allowed as the first line only.
    is_first_line: bool,
    /// `None` while input is read as lines.
    unread: Option<Unread>,
    /// The number of bytes that have arrived since the stop began.
    arrived: Rc<Cell<usize>>,
    /// Says PING to a neighbor.
    pinging: Option<LoopingCall>,
}

impl HerdProtocol {
    /// The protocol of a connection from `peer`, which came in by this door.
    pub fn new(server: Rc<Server>, peer: &Address, door: Door) -> HerdProtocol {
        let address = peer.tcp().map(|address| address.ip());
        HerdProtocol {
            door,
            peer: address,
            traffic: Traffic::of_client(&peer.to_string(), address, server.reactor()),
            replies: None,
            registration: None,
            identity: Rc::new(Cell::new(Peer::Unnamed)),
            made: server.reactor().now(),
            said_news: false,
            warned_of: None,
            is_first_line: true,
            unread: None,
            arrived: Rc::default(),
            pinging: None,
            server,
        }
    }

    fn command(&mut self, transport: &LineTransport, line: &[u8]) {
        let first = std::mem::replace(&mut self.is_first_line, false);
        let done = message::parse(line).map_err(Refusal::Malformed).and_then(|command| match command {
            Command::IamAt(iamat) => self.iamat(line, &iamat),
            Command::WhatsAt(asked) => self.whats_at(line, &asked),
            Command::At(at) => self.at(transport, &at),
            Command::Peer(_) if !first => Err(Refusal::PeerNotFirst),
            Command::Peer(name) => self.peer(transport, line, name),
            Command::Forget(client) => self.forget(line, client),
            Command::Forgot(forgot) => self.forgot(transport, &forgot),
            Command::Digest(node) => self.digest(transport, node),
            Command::Horizon(time) => self.neighbor().map(|from| self.server.take_horizon(time, from)),
        });
        if let Err(why) = done {
            self.reply(&self.refusing().refuse(line, &why));
        }
    }

    fn refusing(&self) -> Refusing {
        Refusing { server: self.server.clone(), peer: self.peer, traffic: self.traffic.clone() }
    }

    /// Like the methods for the other commands below, fails if the command must be refused. The line is then sent back
    /// after a question mark and a space.
    fn iamat(&mut self, line: &[u8], iamat: &IamAt<'_>) -> Result<(), Refusal> {
        let now = self.server.time();
        let ahead = self.server.limits().ahead;
        if iamat.time.is_later_than(now, ahead) {
            return Err(Refusal::TooFarAhead(ahead));
        }
        let difference = now.minus(iamat.time).text();
        let at = At { server: self.server.name().as_bytes(), difference: difference.as_bytes(), iamat: *iamat };
        let mut reply = self.server.take_scratch();
        at.write_to(&mut reply);
        if self.server.storing().is_some() {
            self.iamat_with_store(line, &at, reply, now);
            return Ok(());
        }
        // First, because it decides whether the client gets a reply. That does not make the ATs leave first: they are
        // queued on other connections, and the loop usually flushes this one, with the reply, earlier in the turn. If
        // we die in between, the client has its reply and no neighbor has the location: see docs/operating.md.
        let taken = self.server.take_iamat(&at, &reply, now, || self.asker());
        if taken.is_ok() {
            self.server.counters().iamat.add();
            reply.push(b'\n');
            self.reply(&reply);
        }
        self.server.keep_scratch(reply);
        taken.map_err(Refusal::NotTaken)
    }

    fn whats_at(&self, line: &[u8], asked: &WhatsAt<'_>) -> Result<(), Refusal> {
        if let Some(storing) = self.server.storing() {
            self.whats_at_with_store(storing, line, asked);
            return Ok(());
        }
        let Some(replies) = &self.replies else { return Ok(()) };
        let answer = self.server.whats_at(asked, self.asker()).ok_or(Refusal::UnknownClient)?;
        self.server.counters().whatsat.add();
        let ticket = replies.reserve();
        let (filled, registration) = (replies.clone(), self.registration.clone());
        let sent = answer.add_callback(move |reply| {
            let length = reply.len();
            filled.fill(ticket, reply);
            if let Some(registration) = &registration {
                registration.charge(length);
            }
        });
        replies.attach(ticket, sent);
        Ok(())
    }

    /// An operator wants a client forgotten. Only a program on this machine may ask for that: otherwise anybody on the
    /// network could remove everybody's clients.
    fn forget(&mut self, line: &[u8], client: &[u8]) -> Result<(), Refusal> {
        let is_here = self.peer.is_none_or(|address| address.to_canonical().is_loopback());
        if !is_here || self.door == Door::Link {
            return Err(Refusal::NotFromHere);
        }
        if let Some(storing) = self.server.storing() {
            self.forget_with_store(storing, line, client);
            return Ok(());
        }
        let mut reply = self.server.forget(client).map_err(Refusal::NotTaken)?;
        self.traffic.event(Level::Info, format_args!("has had the client {} forgotten", Bytes(client)));
        reply.push(b'\n');
        self.reply(&reply);
        Ok(())
    }

    /// As whom the peer asks the Places service, or brings new clients.
    fn asker(&self) -> AddressGroup {
        self.peer.map_or(AddressGroup::OPERATOR, AddressGroup::from)
    }

    fn at(&mut self, transport: &Transport, at: &At<'_>) -> Result<(), Refusal> {
        let from = self.neighbor()?;
        self.believe(self.server.check_at(at))?;
        if let Some(storing) = self.server.storing() {
            self.server.offer_at(storing, at, from, transport);
            return Ok(());
        }
        match self.server.take_at(at, from) {
            Verdict::Newer(_) => self.said_news = true,
            Verdict::Same | Verdict::Older(_) | Verdict::NoRoom | Verdict::Forgotten | Verdict::BeyondShare => {}
        }
        Ok(())
    }

    fn forgot(&mut self, transport: &Transport, forgot: &Forgot<'_>) -> Result<(), Refusal> {
        let from = self.neighbor()?;
        self.believe(self.server.check_version(forgot.server, forgot.time, forgot.clock()))?;
        if let Some(storing) = self.server.storing() {
            self.server.offer_forgot(storing, forgot, from, transport);
            return Ok(());
        }
        self.said_news |= self.server.take_forgot(forgot, from);
        Ok(())
    }

    /// The neighbor that says something, if it has said which one it is.
    fn neighbor(&self) -> Result<Option<NeighborId>, Refusal> {
        let from = match self.identity.get() {
            Peer::Neighbor(neighbor) => Some(neighbor),
            Peer::Unnamed | Peer::Recognized(_) | Peer::Gone => None,
        };
        if from.is_none() && !(self.door == Door::Plain && self.server.is_neighbors_address(self.peer)) {
            return Err(Refusal::NotFromANeighbor);
        }
        self.set_patient(); // A server of the paper's protocol does not say PEER.
        Ok(from)
    }

    /// Notes what is not believed.
    fn believe(&mut self, checked: Result<(), Doubt>) -> Result<(), Refusal> {
        checked.map_err(|doubt| {
            // A neighbor with another configuration may send a million of them: a warning for each reason is enough.
            let level = if self.warned_of.replace(doubt) == Some(doubt) { Level::Debug } else { Level::Warn };
            self.traffic.event(level, format_args!("sent an AT that is refused: {doubt}"));
            if doubt == Doubt::FromTheFuture {
                self.server.note_too_new();
            }
            Refusal::Doubtful(doubt)
        })
    }

    fn peer(&mut self, transport: &LineTransport, line: &[u8], name: &[u8]) -> Result<(), Refusal> {
        let called = self.server.neighbor_called(name).ok_or(Refusal::NotANeighbor)?;
        let link = &self.server.links()[called];
        let is_proved = match self.door {
            Door::Plain if link.is_secure() => {
                self.traffic.event(
                    Level::Warn,
                    format_args!("says that it is {} and did not come by our `link`: refused", link.name()),
                );
                return Err(Refusal::NotProved);
            }
            Door::Plain => link.may_come_from(self.peer),
            Door::Link if link.is_secure() && identity::is_for(transport, link.name()) => true,
            Door::Tls | Door::Link => return Err(Refusal::NotProved),
        };
        // We send nothing on this connection, so only keep-alive can notice that the neighbor's machine has failed. It
        // must do so as fast as our own link does.
        if let Some(registration) = &self.registration {
            registration.set_keep_alive(transport, KEEP_ALIVE);
        }
        if is_proved {
            self.identity.set(Peer::Recognized(called));
            self.server.neighbor_connected(called);
        } else if let Some(replies) = &self.replies {
            self.decide_later(link.look_up(), transport, replies.clone(), line, called);
        }
        self.adopt_neighbor(transport);
        Ok(())
    }

    /// From the next line on, treats the peer as the neighbor that it has turned out to be, if it has.
    fn adopt_neighbor(&mut self, transport: &LineTransport) {
        let Peer::Recognized(neighbor) = self.identity.get() else { return };
        self.identity.set(Peer::Neighbor(neighbor));
        self.set_patient();
        let name = self.server.links()[neighbor].name();
        self.traffic = Traffic::of_neighbor(&format!("{} ({name})", self.traffic.label()), name, self.server.reactor());
        transport.set_max_length(self.server.limits().line + AT_OVERHEAD);
        let to = Transport::clone(transport);
        let (pinging, ended) = LoopingCall::start_later(self.server.reactor(), PING_EVERY, move |_| {
            // One that waits is enough: the neighbor may not read.
            if to.buffered() == 0 {
                to.write(PING_LINE);
            }
        });
        ended.detach();
        self.pinging = Some(pinging);
    }

    /// The peer is a neighbor, and may be silent for as long as nobody moves.
    fn set_patient(&self) {
        if let Some(registration) = &self.registration {
            registration.set_neighbor();
        }
    }

    /// If the server stops before the client has had all of its replies: says what is missing.
    fn report_owed(&self, replies: &Replies) {
        let Some(Unread::Counted(too_late)) = self.unread else { return };
        let (under_way, bytes) = replies.owed();
        let commands = too_late + under_way;
        if commands > 0 || bytes > 0 {
            let what = format_args!("was owed replies to {commands} commands, and {bytes} bytes of earlier replies");
            self.traffic.event(Level::Warn, what);
            self.server.count_owed(commands, bytes);
        }
    }

    fn reply(&self, reply: &[u8]) {
        if let Some(replies) = &self.replies {
            replies.push(reply);
        }
        if let Some(registration) = &self.registration {
            registration.charge(reply.len());
        }
    }
}

impl LineProtocol for HerdProtocol {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.set_no_delay(true);
        let replies = Replies::new(Transport::clone(transport), self.traffic.clone());
        let connections = self.server.connections();
        self.registration = Some(connections.enter(self.peer.into(), transport, &replies, &self.traffic));
        self.replies = Some(replies);
        self.traffic.event(Level::Info, format_args!("connected; {} open", connections.count()));
    }

    /// At the door for neighbors, the peer has shown a certificate of the herd's authority. It must be a neighbor's.
    fn handshake_completed(&mut self, transport: &LineTransport) {
        let is_neighbors = |link: &Rc<Link>| link.is_secure() && identity::is_for(transport, link.name());
        if self.door == Door::Link && !self.server.links().iter().any(is_neighbors) {
            let names = transport.peer_certificate().map(|certificate| certificate.host_names().join(", "));
            let names = Bytes(names.as_deref().unwrap_or_default().as_bytes()).to_string();
            let what = format_args!("closed: its certificate is for {names}, and that is not a neighbor with `link`");
            self.traffic.event(Level::Warn, what);
            transport.lose_connection();
        }
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        if let Some(registration) = &self.registration {
            registration.line_received(transport);
        }
        if message::is_blank(line) {
            return self.traffic.blank_line_in();
        }
        self.traffic.line_in(line);
        self.command(transport, line);
    }

    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        // A neighbor may have a larger limit than we do. If we closed its connection, it would come back and send the
        // same line again, for ever, and whatever is behind that line would never reach us.
        let is_neighbor = matches!(self.identity.get(), Peer::Neighbor(_));
        let limit = self.server.limits().line + if is_neighbor { AT_OVERHEAD } else { 0 };
        let start = Bytes(&start[..start.len().min(80)]);
        let so = if is_neighbor { ", which is left out" } else { "" };
        self.traffic.event(Level::Warn, format_args!("sent a line of more than {limit} bytes{so}: {start}"));
        self.reply(format!("{TOO_LONG}{limit} bytes\n").as_bytes());
        transport.set_raw_mode();
        if is_neighbor {
            self.unread = Some(Unread::DiscardedToLineEnd);
        } else if let Some(replies) = &self.replies {
            self.unread = Some(Unread::Discarded(0));
            replies.send_end_when_paid();
        }
    }

    fn raw_data_received(&mut self, transport: &LineTransport, data: &[u8]) {
        match &mut self.unread {
            None => {} // Lines are read as lines.
            Some(Unread::Discarded(count)) => {
                *count += data.len();
                let pause = self.registration.as_ref().and_then(|registration| registration.pause_after(*count));
                if let Some(pause) = pause {
                    transport.pause_producing();
                    let to = Transport::clone(transport);
                    self.server.reactor().call_later(pause, move || to.resume_producing());
                }
            }
            Some(Unread::DiscardedToLineEnd) => links::go_on_after_line(transport, data),
            Some(Unread::Counted(count)) => {
                self.arrived.set(self.arrived.get() + data.len());
                *count += memchr::memchr_iter(b'\n', data).count();
            }
        }
    }

    /// A client that is owed nothing is closed as soon as all that has arrived from it is read; with any other we go on
    /// reading until everything is sent. If we closed while its commands lie unread, the system would send a reset,
    /// which destroys the replies on their way. `stop_timeout` is the limit for all of this.
    fn reactor_stopping(&mut self, transport: &LineTransport) {
        let Some(replies) = &self.replies else { return transport.lose_connection() };
        // What follows a line that is too long holds no commands, so nothing is left to read or to count.
        if matches!(self.unread, Some(Unread::Discarded(_))) && !replies.is_owing() {
            return transport.lose_connection();
        }
        self.unread = Some(Unread::Counted(0));
        transport.set_raw_mode();
        match replies.is_owing() || transport.is_paused() {
            true => replies.send_end_when_paid(),
            false => close_when_quiet(self.server.reactor(), Transport::clone(transport), self.arrived.clone()),
        }
        // Whatever paused us: what is read from here on costs nothing but the count.
        transport.pause_when_full(false);
        transport.resume_producing();
    }

    fn reading_resumed(&mut self, transport: &LineTransport) {
        // Before the lines that waited: the first may be an AT of the maximum length, which only a neighbor may send.
        self.adopt_neighbor(transport);
    }

    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        // A client may send its last line without an end.
        if !rest.is_empty() {
            self.line_received(transport, rest);
        }
        if let Some(replies) = &self.replies {
            replies.close_when_paid();
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        if let Some(replies) = self.replies.take() {
            self.report_owed(&replies);
            replies.abandon();
        }
        if let Some(pinging) = self.pinging.take() {
            pinging.stop();
        }
        let open = self.registration.take().map_or(0, |registration| registration.leave());
        let end = format_args!("disconnected ({reason}); {open} open");
        match reason.tls_error().filter(|error| self.door == Door::Link && identity::is_about_keys(error)) {
            Some(error) => self.traffic.event(Level::Warn, format_args!("{end}; {}", identity::advice(error))),
            None => self.traffic.event(Level::Info, end),
        }
        match self.identity.replace(Peer::Gone) {
            Peer::Recognized(neighbor) | Peer::Neighbor(neighbor) => {
                self.server.neighbor_disconnected(neighbor, self.made, self.said_news);
            }
            Peer::Unnamed | Peer::Gone => {}
        }
    }
}

/// Closes a connection after the first turn of the loop in which nothing has arrived on it.
fn close_when_quiet(reactor: &Reactor, transport: Transport, arrived: Rc<Cell<usize>>) {
    let (again, before) = (reactor.clone(), arrived.get());
    reactor.call_later(Duration::ZERO, move || match arrived.get() == before {
        true => transport.lose_connection(),
        false => close_when_quiet(&again, transport, arrived),
    });
}
