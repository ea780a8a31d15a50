//! [`Inner`]: what a client does.
//!
//! ```text
//!   no connection --- connected ---> logging in --- done ---> ready --- lost ---> no connection
//!   commands wait                    commands wait            commands are written at once
//! ```
//!
//! The service below makes the connections. Each begins with a login (`login.rs`); then everything that waits is
//! written in one go. When a connection is lost, what was written on it fails: it may have been carried out, so it is
//! never written again. What was not written waits on.
//!
//! # Ownership: what keeps what alive
//!
//! The program's handles hold this, and so does the timer of deadlines, which runs as long as a command has no reply.
//! The service and its connections refer to it weakly. So a dropped handle leaves its commands to finish, and the
//! connection closes after the last one; a reactor that is dropped takes everything with it.
//!
//! Nothing is borrowed while a Deferred fires: its callbacks may send commands, cancel, stop or drop the client.
//!
//! Next: `deadlines.rs`, what it does as time goes by.

use super::allowed::{check, check_batch};
use super::deadlines::MAX_TIME;
use super::error::{CommandError, CommandStage, NotConnected, ServerFault};
use super::events::{Invalidation, Tracking};
use super::handle::Client;
use super::pipeline::{Answer, Batch, Due, Entry, Load, Name, Pipeline};
use super::registry::Registry;
use super::settings::{ClientSettings, WhenDown};
use crate::diagnostics::tell;
use crate::event_loop::WeakReactor;
use crate::foreign::{Foreign, contain};
use crate::resp::command::Command;
use crate::resp::value::Value;
use crate::service::{ClientService, ServiceError};
use crate::{Deferred, DelayedCall, Destination, Failure, Firer, Reactor, Transport, deferred};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Puts something between a service and its connections: TLS.
pub(in crate::resp) type Layer = Rc<dyn Fn(ClientService<()>) -> ClientService<()>>;

/// The program's closure for invalidations, borrowed while it runs.
pub(super) type OnInvalidation = RefCell<Foreign<Box<dyn FnMut(Invalidation<'_>)>>>;

pub(super) struct Inner {
    pub(super) this: Weak<Inner>,
    pub(super) reactor: WeakReactor,
    pub(super) service: RefCell<ClientService<()>>,
    pub(super) settings: RefCell<Rc<ClientSettings>>,
    pub(super) pipeline: RefCell<Pipeline>,
    /// The present connection, from the beginning of its login.
    pub(super) transport: RefCell<Option<Transport>>,
    /// Whether commands are written at once.
    pub(super) is_ready: Cell<bool>,
    /// Which version the present connection speaks.
    pub(super) is_resp3: Cell<bool>,
    /// Whether this carries the subscriptions of another client, in RESP2.
    pub(super) is_companion: bool,
    pub(super) companion: RefCell<Option<Client>>,
    pub(super) registry: Rc<Registry>,
    pub(super) tracking: RefCell<Option<(Tracking, OnInvalidation)>>,
    /// What stands between the connections and TCP, for the companion.
    pub(super) layer: RefCell<Option<Layer>>,
    /// Since when nothing has come, or nothing had to.
    pub(super) quiet_since: Cell<Instant>,
    /// Looks at the deadlines; holds this.
    pub(super) timer: RefCell<Option<DelayedCall>>,
    /// Asks for a sign of life.
    pub(super) heartbeat: RefCell<Option<DelayedCall>>,
    /// What the server did wrong on the present connection, or that the program has stopped the client.
    pub(super) ending: RefCell<Option<Failure>>,
    /// The same of the last connection.
    pub(super) last_ending: RefCell<Option<Failure>>,
    pub(super) has_stopped: Cell<bool>,
    /// Whether the service tells when commands cannot wait any longer.
    is_watching: Cell<bool>,
    pub(super) room: RefCell<VecDeque<Firer<()>>>,
    pub(super) has_handles: Cell<bool>,
}

impl Inner {
    /// With a registry, one that carries the subscriptions of another client.
    #[track_caller]
    pub(super) fn new(reactor: &Reactor, destination: Destination, registry: Option<Rc<Registry>>) -> Rc<Inner> {
        // Filled in below. The service is made here, where the caller's place is known.
        let client: Rc<RefCell<Weak<Inner>>> = Rc::default();
        let (of_build, of_login) = (client.clone(), client.clone());
        let service = ClientService::prepared(
            reactor,
            destination,
            move |_peer| super::connection::Connection::new(of_build.borrow().clone()),
            move |transport| match of_login.borrow().upgrade() {
                Some(inner) => inner.login(transport),
                None => deferred::fail(ServiceError::Stopped),
            },
        );
        let inner = Rc::new_cyclic(|this: &Weak<Inner>| Inner {
            this: this.clone(),
            reactor: reactor.weak(),
            service: RefCell::new(service),
            settings: RefCell::default(),
            pipeline: RefCell::default(),
            transport: RefCell::new(None),
            is_ready: Cell::new(false),
            is_resp3: Cell::new(false),
            is_companion: registry.is_some(),
            companion: RefCell::new(None),
            registry: registry.unwrap_or_default(),
            tracking: RefCell::new(None),
            layer: RefCell::new(None),
            quiet_since: Cell::new(reactor.now()),
            timer: RefCell::new(None),
            heartbeat: RefCell::new(None),
            ending: RefCell::new(None),
            last_ending: RefCell::new(None),
            has_stopped: Cell::new(false),
            is_watching: Cell::new(false),
            room: RefCell::default(),
            has_handles: Cell::new(true),
        });
        *client.borrow_mut() = Rc::downgrade(&inner);
        inner
    }

    pub(super) fn settings(&self) -> Rc<ClientSettings> {
        self.settings.borrow().clone()
    }

    pub(super) fn set_settings(&self, settings: ClientSettings) {
        let reactor = self.reactor.upgrade();
        if let (Some(trace), Some(password)) = (reactor.as_ref().and_then(Reactor::trace), &settings.password) {
            trace.mask(password.text().as_bytes());
        }
        let service = self.service.borrow().clone().with_settings(settings.service.clone());
        drop(self.service.replace(service));
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.get() && self.transport.borrow().as_ref().is_some_and(|it| !it.is_disconnecting())
    }

    pub(super) fn start(&self) {
        self.has_stopped.set(false);
        let service = self.service.borrow().clone();
        service.start();
    }

    // ---- Commands in.

    #[track_caller]
    pub(super) fn command(self: &Rc<Self>, command: &Command<'_>, time: Duration) -> Deferred<Value> {
        let name = Name::new(command.name_bytes());
        if let Err(reason) = check(command) {
            return deferred::fail(not_sent(name, reason));
        }
        self.submit(name, time, std::slice::from_ref(command), Answer::One)
    }

    #[track_caller]
    pub(super) fn batch(self: &Rc<Self>, commands: &[Command<'_>], time: Duration) -> Deferred<Vec<Value>> {
        let Some(first) = commands.first() else { return deferred::succeed(Vec::new()) };
        let name = Name::new(first.name_bytes());
        if let Err(reason) = check_batch(commands) {
            return deferred::fail(not_sent(name, reason));
        }
        let left = commands.len();
        self.submit(name, time, commands, |firer| {
            Answer::Batch(Box::new(Batch { firer, replies: Vec::with_capacity(left.min(1024)), left }))
        })
    }

    /// Writes the commands, or has them wait. They stay together.
    #[track_caller]
    fn submit<T: 'static>(
        self: &Rc<Self>,
        name: Name,
        time: Duration,
        commands: &[Command<'_>],
        answer: impl FnOnce(Firer<T>) -> Answer,
    ) -> Deferred<T> {
        let settings = self.settings.borrow().clone();
        let size = commands.iter().map(Command::wire_size).sum();
        if let Err(reason) = self.check_open(&settings, size) {
            return deferred::fail(CommandError::new(CommandStage::NotSent, &name.text(), reason));
        }
        let Some(reactor) = self.reactor.upgrade() else {
            return deferred::fail(not_sent(name, ServiceError::Stopped));
        };
        let number = self.pipeline.borrow_mut().number();
        let this = self.this.clone();
        let (deferred, firer) = Deferred::unwatched_with_canceller(move |_| {
            if let Some(inner) = this.upgrade() {
                inner.cancel(number);
            }
        });
        let now = reactor.now();
        let deadline = now + time.min(MAX_TIME);
        let is_ready = self.is_ready();
        let mut pipeline = self.pipeline.borrow_mut();
        if is_ready && pipeline.owes_nothing() {
            self.quiet_since.set(now);
        }
        let load = Load { commands: commands.len(), bytes: size };
        pipeline.push(Entry::new(number, name, deadline, time, load, answer(firer)), !is_ready);
        if is_ready {
            drop(pipeline);
            self.write(commands);
        } else {
            if let Some(bytes) = pipeline.last_waiting() {
                bytes.reserve_exact(size);
                commands.iter().for_each(|command| command.each_piece(|piece| bytes.extend_from_slice(piece)));
            }
            drop(pipeline);
            self.watch(&settings);
        }
        self.look_at(&reactor, deadline);
        deferred
    }

    /// Whether a command may be taken in now.
    pub(super) fn check_open(&self, settings: &ClientSettings, size: usize) -> Result<(), Failure> {
        if self.has_stopped.get() {
            return Err(ServiceError::Stopped.into());
        }
        let has_failed = || {
            let service = self.service.borrow();
            !self.is_ready() && service.failure_count() > 0 && !service.is_connected()
        };
        if settings.when_down == WhenDown::Refuse && has_failed() {
            return Err(NotConnected.into());
        }
        Ok(self.pipeline.borrow().check_room(size, settings.max_commands, settings.max_bytes)?)
    }

    pub(super) fn write(&self, commands: &[Command<'_>]) {
        if let Some(transport) = &*self.transport.borrow() {
            // Borrowed arguments are copied once, by the transport, which gathers what a turn of the loop writes.
            commands.iter().for_each(|command| command.each_piece(|piece| transport.write(piece)));
        }
    }

    /// A command of the client's own, to be written now. The deadline of an answer that nobody waits for is when
    /// silence becomes suspicious.
    pub(super) fn push_own(self: &Rc<Self>, reactor: &Reactor, name: Name, deadline: Instant, answer: Answer) {
        let mut pipeline = self.pipeline.borrow_mut();
        if pipeline.owes_nothing() {
            self.quiet_since.set(reactor.now());
        }
        pipeline.push_own(name, deadline, answer);
        drop(pipeline);
        if self.is_ready() {
            self.look_at(reactor, deadline); // During the login, the service limits the time.
        }
    }

    fn cancel(&self, number: u64) {
        let given_up = self.pipeline.borrow_mut().cancel(number);
        drop(given_up); // After the borrow: it may be the last end of a chain.
        self.note_room();
        self.end_if_idle();
    }

    /// What waits must hear that the client has been stopped, or, if it is to fail fast, that an attempt has failed.
    fn watch(self: &Rc<Self>, settings: &ClientSettings) {
        if self.is_watching.replace(true) {
            return;
        }
        let service = self.service.borrow().clone();
        let connected = match settings.when_down {
            WhenDown::Wait => service.when_connected(),
            WhenDown::Refuse => service.when_connected_within(1),
        };
        let this = self.this.clone();
        connected
            .add_both(move |result| {
                let Some(inner) = this.upgrade() else { return };
                inner.is_watching.set(false);
                if let Err(failure) = result {
                    inner.fail_waiting(&failure);
                }
            })
            .detach();
    }

    // ---- The connection.

    /// The login is done: everything that waits goes out.
    pub(super) fn begin(self: &Rc<Self>) -> Deferred<()> {
        let Some(reactor) = self.reactor.upgrade() else { return deferred::fail(ServiceError::Stopped) };
        self.is_ready.set(true);
        self.quiet_since.set(reactor.now());
        if let Some(transport) = &*self.transport.borrow() {
            let mut pipeline = self.pipeline.borrow_mut();
            while let Some(bytes) = pipeline.next_to_write() {
                transport.write(&bytes);
            }
        }
        self.beat_later(&reactor);
        self.ask_for_all().detach(); // Those that came during the login.
        self.settle_companion();
        deferred::succeed(())
    }

    /// Bytes have come.
    pub(super) fn heard(&self) {
        if let Some(reactor) = self.reactor.upgrade() {
            self.quiet_since.set(reactor.now());
        }
    }

    /// A reply has come. `None` if nobody asked for it.
    pub(super) fn replied(&self, value: Value) -> Option<()> {
        let due = self.pipeline.borrow_mut().reply(value)?;
        self.deliver(due);
        Some(())
    }

    pub(super) fn deliver(&self, due: Due) {
        match due {
            Due::Nothing => return,
            Due::One(firer, Value::Error(error)) => fire(&firer, Err(error.into())),
            Due::One(firer, value) => fire(&firer, Ok(value)),
            Due::Batch(firer, replies) => fire(&firer, Ok(replies)),
            Due::Confirmed(firer, Some(Value::Error(error))) => fire(&firer, Err(error.into())),
            Due::Confirmed(firer, _) => fire(&firer, Ok(())),
        }
        self.note_room();
        self.end_if_idle();
    }

    /// The server cannot be trusted any more: the connection is broken off.
    pub(super) fn blame(&self, fault: ServerFault) {
        let service = self.service.borrow().clone();
        // A server that is wrong each time must not fill the log.
        let is_news = self.settings().service.warns && service.failure_count() == 0;
        let level = if is_news { log::Level::Warn } else { log::Level::Debug };
        tell!(at level, "reactor", "{fault}; the connection to {} is broken off", service.destination());
        *self.ending.borrow_mut() = Some(fault.into());
        if let Some(transport) = &*self.transport.borrow() {
            transport.abort_connection();
        }
    }

    /// The connection is gone, and with it the replies that are owed.
    pub(super) fn lost(&self, reason: Failure) {
        self.is_ready.set(false);
        let ending = self.ending.take();
        drop(self.last_ending.replace(ending.clone()));
        let reason = ending.unwrap_or(reason);
        drop(self.transport.take());
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.cancel();
        }
        // A cache must know before anybody can look into it.
        self.invalidate(Invalidation::Everything);
        if self.carries() {
            self.registry.lost();
        }
        self.is_resp3.set(false);
        let owed = self.pipeline.borrow_mut().take_owed();
        // Those that waited for this connection. What hears now that it is lost may say more, for the next one.
        let waiting = match self.settings().when_down {
            WhenDown::Refuse => self.pipeline.borrow_mut().take_waiting(),
            WhenDown::Wait => Vec::new(),
        };
        for entry in owed {
            fail(entry.name, entry.answer, CommandStage::Unanswered, &reason);
        }
        for entry in waiting {
            fail(entry.name, entry.answer, CommandStage::NotSent, &reason);
        }
        self.note_room();
        self.end_if_idle();
    }

    pub(super) fn fail_waiting(&self, reason: &Failure) {
        let waiting = self.pipeline.borrow_mut().take_waiting();
        for Entry { name, answer, .. } in waiting {
            fail(name, answer, CommandStage::NotSent, reason);
        }
        self.note_room();
        self.end_if_idle();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.cancel();
        }
    }
}

fn not_sent(name: Name, reason: impl Into<Failure>) -> CommandError {
    CommandError::new(CommandStage::NotSent, &name.text(), reason)
}

pub(super) fn fail(name: Name, answer: Answer, stage: CommandStage, reason: &Failure) {
    let error = || Failure::from(CommandError::new(stage, &name.text(), reason.clone()));
    match answer {
        Answer::Nobody(_) => {}
        Answer::One(firer) => fire(&firer, Err(error())),
        Answer::Batch(batch) => fire(&batch.firer, Err(error())),
        Answer::Confirmation(firer) => fire(&firer, Err(error())),
    }
}

/// Fires one Deferred. If a callback of it panics, the others must still hear, and the connection is not to blame.
pub(super) fn fire<T>(firer: &Firer<T>, result: Result<T, Failure>) {
    let is_sound = contain(|| {
        let _ = firer.fire(result); // It was not cancelled: a cancel takes it out.
    });
    if !is_sound {
        tell!(Error, "reactor", "a callback of a command panicked");
    }
}
