//! [`Link`]: the proxy on one direction of a link. A server connects to it as to its neighbor.

use reactor::task::LoopingCall;
use reactor::{Destination, ListeningPort, Protocol, Reactor, Reason, Transport};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What the link does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It passes them on.
    All,
    /// It keeps them, and takes no more once it holds [`MAX_HELD`].
    Nothing,
    /// It passes on one byte every few milliseconds.
    Drops,
    /// Connections are broken off, and new ones, too.
    Cut,
}

/// The bytes that a link holds in one direction before it stops reading.
const MAX_HELD: usize = 64 * 1024;

/// One direction of a link.
pub(crate) struct Link {
    passing: Cell<Passing>,
    pipes: RefCell<Vec<Rc<Pipe>>>,
}

/// One connection through the link: the near end is that of the server that connects.
#[derive(Default)]
struct Pipe {
    ends: [RefCell<Option<Transport>>; 2],
    /// What has come from each end and has not been passed on.
    held: [RefCell<VecDeque<u8>>; 2],
    /// Whether an end will send no more.
    ended: [Cell<bool>; 2],
    is_over: Cell<bool>,
}

const NEAR: usize = 0;
const FAR: usize = 1;

impl Link {
    /// A proxy at `near` for connections to the server at `target`.
    pub(crate) fn open(
        reactor: &Reactor,
        near: SocketAddr,
        target: SocketAddr,
    ) -> (Rc<Link>, ListeningPort<SocketAddr>) {
        let link = Rc::new(Link { passing: Cell::new(Passing::All), pipes: RefCell::default() });
        let (own, dialer) = (link.clone(), reactor.clone());
        let build = move |_peer| {
            let pipe = Rc::<Pipe>::default();
            if own.passing.get() != Passing::Cut {
                own.pipes.borrow_mut().retain(|pipe| !pipe.is_over.get());
                own.pipes.borrow_mut().push(pipe.clone());
                let far = End { link: own.clone(), pipe: pipe.clone(), side: FAR };
                let to = Destination::from(target).timeout(Duration::from_secs(3));
                let refused = pipe.clone();
                let reached = dialer.connect(to, move |_peer| far);
                reached
                    .add_both(move |reached| {
                        if reached.is_err() {
                            refused.abort()
                        }
                    })
                    .detach();
            } else {
                pipe.is_over.set(true);
            }
            End { link: own.clone(), pipe, side: NEAR }
        };
        let listening = reactor.listen_tcp(near, build).expect("a free port for a link");
        let dripping = Rc::downgrade(&link);
        let (_, ended) = LoopingCall::start(reactor, Duration::from_millis(5), move |_| {
            if let Some(link) = dripping.upgrade().filter(|link| link.passing.get() == Passing::Drops) {
                link.each(|pipe| pipe.pass_on(1));
            }
        });
        ended.detach();
        (link, listening)
    }

    fn each(&self, mut act: impl FnMut(&Pipe)) {
        let pipes = self.pipes.borrow().clone();
        pipes.iter().for_each(|pipe| act(pipe));
    }

    pub(crate) fn set(&self, passing: Passing) {
        self.passing.set(passing);
        match passing {
            Passing::All => self.each(|pipe| pipe.pass_on(usize::MAX)),
            Passing::Cut => self.each(Pipe::abort),
            Passing::Nothing | Passing::Drops => {}
        }
    }

    /// Breaks off what is there. A new connection is taken at once.
    pub(crate) fn reset(&self) {
        self.each(Pipe::abort);
    }

    /// Ends the direction in which the lines go, and leaves the other one open.
    pub(crate) fn half_close(&self) {
        self.each(|pipe| {
            if let Some(far) = &*pipe.ends[FAR].borrow() {
                far.lose_write_connection();
            }
        });
    }
}

impl Pipe {
    fn end(&self, side: usize) -> Option<Transport> {
        self.ends[side].borrow().clone()
    }

    fn abort(&self) {
        self.is_over.set(true);
        [NEAR, FAR].into_iter().filter_map(|side| self.end(side)).for_each(|end| end.abort_connection());
    }

    /// Passes on at most this many bytes in each direction, and then the end of what has ended.
    fn pass_on(&self, most: usize) {
        for side in [NEAR, FAR] {
            let Some(to) = self.end(1 - side) else { continue };
            let mut held = self.held[side].borrow_mut();
            let count = held.len().min(most);
            let bytes: Vec<u8> = held.drain(..count).collect();
            if !bytes.is_empty() {
                to.write(&bytes);
            }
            if held.len() < MAX_HELD
                && let Some(from) = self.end(side)
            {
                from.resume_producing();
            }
            if held.is_empty() && self.ended[side].get() {
                to.lose_write_connection();
            }
        }
    }
}

/// One end of a pipe, as a protocol.
struct End {
    link: Rc<Link>,
    pipe: Rc<Pipe>,
    side: usize,
}

impl End {
    fn pass_on(&self) {
        if self.link.passing.get() == Passing::All {
            self.pipe.pass_on(usize::MAX);
        }
    }
}

impl Protocol for End {
    fn connection_made(&mut self, transport: &Transport) {
        if self.pipe.is_over.get() {
            return transport.abort_connection();
        }
        *self.pipe.ends[self.side].borrow_mut() = Some(transport.clone());
        self.pass_on();
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.pipe.held[self.side].borrow_mut().extend(data);
        self.pass_on();
        if self.pipe.held[self.side].borrow().len() >= MAX_HELD {
            transport.pause_producing();
        }
    }

    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.pipe.ended[self.side].set(true);
        self.pass_on();
    }

    fn connection_lost(&mut self, reason: &Reason) {
        self.pipe.ends[self.side].borrow_mut().take();
        // A stalled link keeps the other end in the dark, as a network would.
        if let Some(other) = self.pipe.end(1 - self.side) {
            match reason {
                Reason::Done => other.lose_connection(),
                _ => other.abort_connection(),
            }
        }
        self.pipe.is_over.set(true);
    }
}
