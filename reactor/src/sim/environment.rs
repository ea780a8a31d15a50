//! [`Environment`]: what a world's hosts share: the network, the clock, the names, and the work that waits.
//!
//! Next: `host.rs`, one machine and its program.

use super::network::Network;
use super::queue::Event;
use super::settings::Resolution;
use super::world::World;
use crate::driver::{Job, LookupReply, Wake};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub(super) struct Environment {
    /// Never borrowed while code of a program runs, except the sink of a trace.
    pub(super) network: RefCell<Network>,
    /// The beginning of the world, as an `Instant`: that is the type in which reactors count.
    begin: Instant,
    /// The virtual clock as an `Instant`. It always agrees with [`Network::now`].
    now: Cell<Instant>,
    /// The host that is taking a turn.
    pub(super) turn_of: Cell<Option<u32>>,
    /// Work that waits in the event queue. It stands here, because it is code of programs and events are only names.
    pub(super) scheduled: RefCell<Slab<Scheduled>>,
    pub(super) names: RefCell<BTreeMap<String, Resolution>>,
    pub(super) woken: Arc<Woken>,
}

pub(super) struct Scheduled {
    /// The host, and the process on it, that asked for the work; if that process has ended, the work is dropped. `None`
    /// for the script.
    pub(super) process: Option<(u32, u32)>,
    pub(super) work: Work,
}

pub(super) enum Work {
    /// Answers a look-up: where the answer goes, the answer, and the name that was looked up.
    Answer(LookupReply, io::Result<Vec<IpAddr>>, Box<str>),
    /// Runs a job that was given to another thread.
    Job(Job),
    /// Runs a step of the script: see [`World::call_later`].
    Script(Box<dyn FnOnce(&World)>),
}

impl Environment {
    pub(super) fn new(network: Network) -> Rc<Environment> {
        let begin = crate::driver::some_moment();
        Rc::new(Environment {
            network: RefCell::new(network),
            begin,
            now: Cell::new(begin),
            turn_of: Cell::new(None),
            scheduled: RefCell::default(),
            names: RefCell::default(),
            woken: Arc::default(),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The beginning of the world.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// Sets the virtual clock, in nanoseconds since the world began.
    pub(super) fn set_now(&self, now: u64) {
        self.network.borrow_mut().now = now;
        self.now.set(self.begin + Duration::from_nanos(now));
    }

    /// Puts work into the event queue, `after` nanoseconds from now.
    pub(super) fn later(&self, after: u64, process: Option<(u32, u32)>, work: Work) {
        let key = self.scheduled.borrow_mut().insert(Scheduled { process, work });
        self.network.borrow_mut().later(after, Event::Scheduled(key));
    }
}

/// The hosts that were woken, perhaps by another thread. The only part of a world that threads share.
#[derive(Default)]
pub(super) struct Woken {
    /// Spares the world the lock when nobody was woken, which is nearly always.
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
        // After the push: a reader that sees the flag must find the host.
        self.is_any.store(true, Ordering::Release);
    }

    /// Takes the hosts woken since the last time, in order. A host may stand there more than once.
    pub(super) fn take(&self) -> Vec<u32> {
        // Before the lock: a host that is added in between sets the flag again, and is found by the next call at the
        // latest.
        if !self.is_any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.lock())
    }
}

pub(super) struct SimWaker {
    pub(super) host: u32,
    pub(super) woken: Arc<Woken>,
}

impl Wake for SimWaker {
    fn wake(&self) {
        self.woken.add(self.host);
    }
}
