//! [`HerdProtocol`]: one connection that somebody made to a server: a client, a neighbour, or both in one.
//!
//! ```text
//!   Talking --- the client has sent its end ---> everything owed, then closed
//!      |
//!      +------- a line is too long ------------> one "? " line, our end, then what still comes is thrown away
//! ```

use crate::links::KEEP_ALIVE;
use crate::locations::NeighborId;
use crate::log_file::{Bytes, Traffic};
use crate::message::{self, At, Command, IamAt, WhatsAt};
use crate::replies::Replies;
use crate::server::Server;
use reactor::transport::KeepAlive;
use reactor::{Address, Deferred, LineProtocol, LineTransport, Reason, Transport};
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A client's machine that vanished without a word is noticed after ten minutes, or it would have its connection, and
/// a descriptor, for ever. So is one that has not read for as long what it is owed.
const CLIENT_KEEP_ALIVE: KeepAlive =
    KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(60), probes: 9 };

/// A buffer for replies that a long one made larger than this is not kept.
const SCRATCH: usize = 512;

/// How much longer an AT may be than the IAMAT that it tells of: a server's name and a difference. A neighbour that
/// could not send on what a client was allowed to say would be cut off again and again.
const AT_OVERHEAD: usize = 1024;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A client, or a neighbour that has not said so, or is not believed.
    Somebody,
    Neighbor(NeighborId),
    /// Nobody any more.
    Gone,
}

/// One connection to a server.
#[derive(Debug)]
pub struct HerdProtocol {
    server: Rc<Server>,
    peer: Option<IpAddr>,
    traffic: Traffic,
    replies: Option<Rc<Replies>>,
    /// Who it is, as far as is known: whoever looks a neighbour's name up sets it, too.
    who: Rc<Cell<Who>>,
    /// The neighbour as which its lines are taken: only between the answer to a look-up and the next line is this
    /// behind `who`.
    neighbor: Option<NeighborId>,
    made: Instant,
    /// It has said something that was news.
    said_news: bool,
    /// Whether PEER may still come.
    is_first_line: bool,
    /// Where replies are put together, so that most need no memory of their own.
    scratch: Vec<u8>,
}

impl HerdProtocol {
    /// The protocol of a connection from `peer`.
    pub fn new(server: Rc<Server>, peer: &Address) -> HerdProtocol {
        HerdProtocol {
            peer: peer.tcp().map(|address| address.ip()),
            traffic: Traffic::new(&peer.to_string(), server.reactor()),
            replies: None,
            who: Rc::new(Cell::new(Who::Somebody)),
            neighbor: None,
            made: server.reactor().now(),
            said_news: false,
            is_first_line: true,
            server,
            scratch: Vec::new(),
        }
    }

    fn command(&mut self, transport: &LineTransport, line: &[u8]) {
        let first = std::mem::replace(&mut self.is_first_line, false);
        let done = match message::parse(line) {
            Some(Command::IamAt(iamat)) => self.iamat(&iamat),
            Some(Command::WhatsAt(asked)) => self.whats_at(&asked),
            Some(Command::At(at)) => self.at(&at),
            Some(Command::Peer(name)) => first && self.peer(transport, line, name),
            None => false,
        };
        if !done {
            self.reply(&[b"? ", line, b"\n"].concat());
        }
    }

    /// Every command says whether it was a valid one; the others go back to where they came from.
    fn iamat(&mut self, iamat: &IamAt<'_>) -> bool {
        let now = self.server.time();
        if iamat.time.is_later_than(now, self.server.limits().ahead) {
            return false;
        }
        let difference = now.minus(iamat.time).text();
        let at = At { server: self.server.name().as_bytes(), difference: difference.as_bytes(), iamat: *iamat };
        let mut reply = std::mem::take(&mut self.scratch);
        reply.clear();
        at.write_to(&mut reply);
        // First to the neighbours, then to the client: the less is lost if we die in between.
        let taken = self.server.take_iamat(&at, &reply);
        if taken {
            reply.push(b'\n');
            self.reply(&reply);
        }
        if reply.capacity() <= SCRATCH {
            self.scratch = reply;
        }
        taken
    }

    fn whats_at(&self, asked: &WhatsAt<'_>) -> bool {
        let Some(replies) = &self.replies else { return true };
        let Some(answer) = self.server.whats_at(asked) else { return false };
        let ticket = replies.reserve();
        let filled = replies.clone();
        replies.attach(ticket, answer.add_callback(move |reply| filled.fill(ticket, reply)));
        true
    }

    fn at(&mut self, at: &At<'_>) -> bool {
        let allowed = self.neighbor.is_some() || self.server.is_neighbors_address(self.peer);
        if allowed {
            self.said_news |= self.server.take_at(at, self.neighbor);
        }
        allowed
    }

    fn peer(&mut self, transport: &LineTransport, line: &[u8], name: &[u8]) -> bool {
        let Some(called) = self.server.neighbor_called(name) else { return false };
        // We send nothing on this connection: without this, one whose machine has failed would stay for ever.
        transport.set_keep_alive(Some(KEEP_ALIVE));
        let link = &self.server.links()[called];
        if link.may_come_from(self.peer) {
            self.who.set(Who::Neighbor(called));
            self.server.neighbor_came(called);
        } else if let Some(replies) = &self.replies {
            self.decide_later(link.look_up(), transport, replies.clone(), line, called);
        }
        self.meet(transport);
        true
    }

    /// The neighbour may be sooner here than the answer about its name, or have a new address by now. Refused now, its
    /// link would stay up and be of no use for ever. What it sends meanwhile waits.
    fn decide_later(
        &self,
        looked_up: Deferred<()>,
        transport: &Transport,
        replies: Rc<Replies>,
        line: &[u8],
        called: NeighborId,
    ) {
        let (server, peer, who, transport) = (self.server.clone(), self.peer, self.who.clone(), transport.clone());
        let refusal = [b"? ", line, b"\n"].concat();
        // It may have sent its end already: it is not closed while an answer may be owed.
        let ticket = replies.reserve();
        transport.pause_producing();
        drop(looked_up.add_both(move |_| {
            if who.get() == Who::Gone {
                return; // What it said before is all that there is of it.
            }
            let is_known = server.links()[called].may_come_from(peer);
            if is_known {
                who.set(Who::Neighbor(called));
                server.neighbor_came(called);
            } else {
                server.links()[called].was_refused(peer, &replies);
            }
            transport.resume_producing();
            replies.fill(ticket, if is_known { Vec::new() } else { refusal });
        }));
    }

    /// Takes it for the neighbour that it turned out to be, if it did, from the next line on.
    fn meet(&mut self, transport: &LineTransport) {
        let Who::Neighbor(neighbor) = self.who.get() else { return };
        if self.neighbor.replace(neighbor).is_some() {
            return;
        }
        let label = format!("{} ({})", self.traffic.label(), self.server.links()[neighbor].name());
        self.traffic = Traffic::new(&label, self.server.reactor());
        transport.set_max_length(self.server.limits().line + AT_OVERHEAD);
    }

    fn reply(&self, reply: &[u8]) {
        if let Some(replies) = &self.replies {
            replies.push(reply);
        }
    }
}

impl LineProtocol for HerdProtocol {
    fn connection_made(&mut self, transport: &LineTransport) {
        log::info!("{} connected; {} open", self.traffic.label(), self.server.connection_opened());
        transport.set_no_delay(true);
        transport.set_keep_alive(Some(CLIENT_KEEP_ALIVE));
        self.replies = Some(Replies::new(Transport::clone(transport), self.traffic.clone()));
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        self.traffic.line_in(line);
        if !message::is_blank(line) {
            self.command(transport, line);
        }
    }

    fn line_length_exceeded(&mut self, transport: &LineTransport, start: &[u8]) {
        let limit = self.server.limits().line;
        log::warn!(
            "{} sent a line of more than {limit} bytes: {}",
            self.traffic.label(),
            Bytes(&start[..start.len().min(80)])
        );
        self.reply(format!("? a line is longer than {limit} bytes\n").as_bytes());
        transport.set_raw_mode();
        if let Some(replies) = &self.replies {
            replies.send_end_when_paid();
        }
    }

    fn reading_resumed(&mut self, transport: &LineTransport) {
        self.meet(transport);
    }

    fn read_connection_lost(&mut self, transport: &LineTransport, rest: &[u8]) {
        if !rest.is_empty() {
            self.line_received(transport, rest);
        }
        if let Some(replies) = &self.replies {
            replies.close_when_paid();
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        if let Some(replies) = self.replies.take() {
            replies.abandon();
        }
        log::info!("{} disconnected ({reason}); {} open", self.traffic.label(), self.server.connection_closed());
        if let Who::Neighbor(neighbor) = self.who.replace(Who::Gone) {
            self.server.neighbor_left(neighbor, self.made, self.said_news);
        }
    }
}
