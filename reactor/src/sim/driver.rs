//! [`SimDriver`]: what the loop of one simulated host stands on. All of it is in [`Network`]; here are the handles.
//!
//! A handle whose program has ended (crashed, killed, run out) is dead: it does nothing, and says that it is broken.

use super::network::{Network, Power};
use super::queue::{Event, Id, Side};
use super::random::Random;
use super::trace::{Did, excerpt};
use super::{Resolution, World};
use crate::driver::{Driver, Event as Polled, Job, Listener, LookupReply, Stream, Token, Wake};
use crate::transport::KeepAlive;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// How many jobs and look-ups of one world may wait; more are refused, as by the real driver's threads.
const WAITING_LIMIT: usize = 1 << 20;

/// What all handles of a world share.
pub(super) struct Shared {
    pub(super) network: RefCell<Network>,
    /// The beginning of the world, on the clock that std has.
    begin: Instant,
    /// The time now, on that clock.
    now: Cell<Instant>,
    /// Whose turn it is.
    pub(super) turn_of: Cell<Option<u32>>,
    pub(super) programs: RefCell<Slab<Waiting>>,
    pub(super) names: RefCell<BTreeMap<String, Resolution>>,
    pub(super) woken: Arc<Woken>,
}

/// Something of a program's that waits for its time.
pub(super) struct Waiting {
    /// The host, and which life of its program it belongs to.
    pub(super) whose: Option<(u32, u32)>,
    pub(super) what: What,
}

pub(super) enum What {
    /// What a name means, and which it is.
    Answer(LookupReply, io::Result<Vec<IpAddr>>, Box<str>),
    Job(Job),
    Script(Box<dyn FnOnce(&World)>),
}

impl Shared {
    pub(super) fn new(network: Network) -> Rc<Shared> {
        let begin = crate::driver::some_moment();
        Rc::new(Shared {
            network: RefCell::new(network),
            begin,
            now: Cell::new(begin),
            turn_of: Cell::new(None),
            programs: RefCell::default(),
            names: RefCell::default(),
            woken: Arc::default(),
        })
    }

    pub(super) fn set_now(&self, now: u64) {
        self.network.borrow_mut().now = now;
        self.now.set(self.begin + Duration::from_nanos(now));
    }

    /// Has `what` done after so many nanoseconds.
    pub(super) fn later(&self, after: u64, whose: Option<(u32, u32)>, what: What) {
        let key = self.programs.borrow_mut().insert(Waiting { whose, what });
        self.network.borrow_mut().later(after, Event::Program(key));
    }
}

/// Hosts whose loop was woken, perhaps from another thread.
#[derive(Default)]
pub(super) struct Woken {
    is_any: AtomicBool,
    hosts: Mutex<Vec<u32>>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        // Nothing panics under this lock.
        self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn add(&self, host: u32) {
        self.lock().push(host);
        self.is_any.store(true, Ordering::Release);
    }

    /// Those woken since the last time, in order; each may stand there more than once.
    pub(super) fn take(&self) -> Vec<u32> {
        if !self.is_any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.lock())
    }
}

struct SimWaker {
    host: u32,
    woken: Arc<Woken>,
}

impl Wake for SimWaker {
    fn wake(&self) {
        self.woken.add(self.host);
    }
}

pub(super) struct SimDriver {
    place: Place,
    random: Random,
}

/// One life of one host's program.
#[derive(Clone)]
struct Place {
    shared: Rc<Shared>,
    host: u32,
    life: u32,
}

impl Place {
    /// Whether its program is alive.
    fn is_alive(&self) -> bool {
        let network = self.shared.network.borrow();
        let kernel = network.host(self.host);
        kernel.life == self.life && matches!(kernel.power, Power::Running | Power::Paused)
    }

    /// Asks the network for something, if the program is alive.
    fn ask<T>(&self, f: impl FnOnce(&mut Network) -> io::Result<T>) -> io::Result<T> {
        if self.is_alive() { f(&mut self.shared.network.borrow_mut()) } else { Err(ErrorKind::NotConnected.into()) }
    }
}

impl SimDriver {
    pub(super) fn new(shared: Rc<Shared>, host: u32, life: u32, random: Random) -> SimDriver {
        SimDriver { place: Place { shared, host, life }, random }
    }

    fn stream(&self, id: Id, side: Side) -> Box<dyn Stream> {
        Box::new(SimStream { place: self.place.clone(), id, side })
    }

    fn look_up(&self, host: &str) -> Option<io::Result<Vec<IpAddr>>> {
        if host == "localhost" {
            return Some(Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        }
        match self.place.shared.names.borrow().get(host) {
            Some(Resolution::Addresses(addresses)) => Some(Ok(addresses.clone())),
            Some(Resolution::Fails(error)) => Some(Err((*error).into())),
            Some(Resolution::Silent) => None,
            None => Some(Err(ErrorKind::NotFound.into())),
        }
    }

    /// How long something takes, or `None` if too much waits.
    fn takes(
        &self,
        did: Did,
        detail: impl FnOnce() -> String,
        latency: impl FnOnce(&Network) -> super::Latency,
    ) -> Option<u64> {
        if !self.place.is_alive() || self.place.shared.programs.borrow().len() >= WAITING_LIMIT {
            return None;
        }
        let network = &mut *self.place.shared.network.borrow_mut();
        let detail = network.detail(detail);
        network.note_with(self.place.host, did, &detail);
        Some(latency(network).draw(&mut network.random))
    }
}

impl Driver for SimDriver {
    fn now(&self) -> Instant {
        self.place.shared.now.get()
    }

    fn system_time(&self) -> SystemTime {
        self.place.shared.network.borrow().time_of_day(self.place.host)
    }

    fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Never waits: the world calls when it is time.
    fn poll(&mut self, _timeout: Option<Duration>, events: &mut Vec<Polled>) -> io::Result<()> {
        if self.place.shared.turn_of.get() != Some(self.place.host) || !self.place.is_alive() {
            // A loop of the program's own would turn for ever: no time goes by in it.
            return Err(io::Error::other("a simulated reactor is run by its world"));
        }
        let network = &mut *self.place.shared.network.borrow_mut();
        while let Some(readiness) = network.next_ready(self.place.host) {
            events.push(Polled::Ready(readiness));
        }
        events.extend(network.host_mut(self.place.host).signals.drain(..).map(Polled::Signal));
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(SimWaker { host: self.place.host, woken: self.place.shared.woken.clone() })
    }

    fn listen_tcp(&mut self, address: SocketAddr, backlog: u32, token: Token) -> io::Result<Box<dyn Listener>> {
        let host = self.place.host;
        let (key, address) = self.place.ask(|network| network.listen(host, address, backlog, token))?;
        Ok(Box::new(SimListener { place: self.place.clone(), key, address }))
    }

    fn connect_tcp(&mut self, address: SocketAddr, bind: Option<IpAddr>, token: Token) -> io::Result<Box<dyn Stream>> {
        let host = self.place.host;
        let id = self.place.ask(|network| network.connect(host, address, bind, token))?;
        Ok(self.stream(id, 0))
    }

    fn resolve(&mut self, host: &str, reply: LookupReply) {
        if let Some(after) = self.takes(Did::LookUp, || excerpt(host.bytes()), |network| network.settings.lookup)
            && let Some(answer) = self.look_up(host)
        {
            let answer = What::Answer(reply, answer, host.into());
            self.place.shared.later(after, Some((self.place.host, self.place.life)), answer);
        }
    }

    fn spawn(&mut self, job: Job) -> Result<(), Job> {
        let Some(after) = self.takes(Did::Work, String::new, |network| network.settings.job) else { return Err(job) };
        self.place.shared.later(after, Some((self.place.host, self.place.life)), What::Job(job));
        Ok(())
    }

    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        if self.place.is_alive() {
            self.place.shared.network.borrow_mut().host_mut(self.place.host).catches_signals = on;
        }
        Ok(())
    }
}

struct SimListener {
    place: Place,
    key: u32,
    address: SocketAddr,
}

impl Listener for SimListener {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
        let (id, peer) = self.place.ask(|network| network.accept(self.key, token))?;
        Ok((Box::new(SimStream { place: self.place.clone(), id, side: 1 }), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let _ = self.place.ask(|network| {
            network.close_port(self.key);
            Ok(())
        });
    }
}

struct SimStream {
    place: Place,
    id: Id,
    side: Side,
}

impl Stream for SimStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        self.place.ask(|network| Ok(network.finish_connect(self.id, self.side)?))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.place.ask(|network| network.read(self.id, self.side, buffer))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.place.ask(|network| network.write(self.id, self.side, slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.place.ask(|network| network.shut(self.id, self.side))
    }

    fn reset_on_close(&mut self) {
        let _ = self.place.ask(|network| {
            network.connections[self.id.key as usize].ends[self.side].resets = true;
            Ok(())
        });
    }

    /// Nothing waits for more here: what is written is sent.
    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.place.ask(|network| {
            network.keep_alive(self.id, self.side, keep_alive);
            Ok(())
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.place.ask(|network| Ok(network.connections[self.id.key as usize].ends[self.side].address))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let _ = self.place.ask(|network| {
            network.close(self.id, self.side);
            Ok(())
        });
    }
}
