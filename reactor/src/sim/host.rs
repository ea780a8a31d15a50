//! [`Host`]: one machine of a world, and what can be done to it.

use super::driver::SimDriver;
use super::network::Power;
use super::random::Random;
use super::trace::{Did, time_of_day};
use super::world::Inner;
use crate::driver::Signal;
use crate::event_loop::Run;
use crate::{Reactor, Settings};
use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

pub(super) type Boot = Box<dyn FnMut(&Reactor)>;

/// The program of a host: what starts it, and, while it lives, its loop.
pub(super) struct Program {
    /// `None` while it is being called.
    boot: Option<Boot>,
    settings: Settings,
    reactor: Option<Reactor>,
    run: Option<Run>,
    /// How many delayed calls waited when it ended by itself.
    calls_left: usize,
}

impl Program {
    pub(super) fn new(boot: Boot, settings: Settings) -> Program {
        Program { boot: Some(boot), settings, reactor: None, run: None, calls_left: 0 }
    }
}

/// What is to be done to a host when no callback runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Crash,
    Kill,
    Restart,
}

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// The machine is down, as after [`Host::crash`]: nothing answers.
    Down,
    /// The machine is up; the program has ended or was killed. Connections to it are refused.
    Idle,
    /// The program runs.
    Running,
    /// The program is stopped, as by SIGSTOP.
    Paused,
}

/// One machine of a [`World`](super::World): it has addresses, a clock, a kernel, and one program on one reactor. A
/// cheap handle to clone; it may be captured anywhere, and does nothing once its world is gone.
#[derive(Clone)]
pub struct Host {
    world: Weak<Inner>,
    host: u32,
    name: Rc<str>,
    address: IpAddr,
}

impl Host {
    pub(super) fn new(world: &Rc<Inner>, host: u32) -> Host {
        let network = world.shared.network.borrow();
        let kernel = network.host(host);
        Host { world: Rc::downgrade(world), host, name: kernel.name.as_str().into(), address: kernel.addresses[0] }
    }

    pub(super) fn index(&self) -> u32 {
        self.host
    }

    /// Its name, which is also its name in the world's table of names.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its (first) address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it is doing.
    pub fn state(&self) -> HostState {
        let power = self.world.upgrade().map(|world| world.shared.network.borrow().host(self.host).power);
        match power {
            None | Some(Power::Down) => HostState::Down,
            Some(Power::Idle) => HostState::Idle,
            Some(Power::Running) => HostState::Running,
            Some(Power::Paused) => HostState::Paused,
        }
    }

    /// Its program's reactor, if the program lives. What is asked of it from outside of its own callbacks is seen when
    /// the world runs next.
    pub fn reactor(&self) -> Option<Reactor> {
        self.world.upgrade()?.programs.borrow()[self.host as usize].reactor.clone()
    }

    /// How many descriptors its program has open, with the five that every program has.
    pub fn descriptor_count(&self) -> usize {
        self.world.upgrade().map_or(0, |world| world.shared.network.borrow().host(self.host).descriptors)
    }

    /// How many delayed calls waited when its reactor stopped last: whoever stops in good order has cancelled them.
    pub fn delayed_calls_left(&self) -> usize {
        self.world.upgrade().map_or(0, |world| world.programs.borrow()[self.host as usize].calls_left)
    }

    /// Says something in the trace, as this host.
    pub fn note(&self, text: &str) {
        if let Some(world) = self.world.upgrade() {
            let network = &mut *world.shared.network.borrow_mut();
            network.trace.say(network.now, &self.name, text);
        }
    }

    /// The machine fails, as when the power goes: nothing that waited is sent, nobody is told. Others notice when they
    /// get no answer; once it is up again they are told that their connections are unknown.
    ///
    /// The reactor and all that is in it is dropped. Drops of the program's own values run; nothing that they do
    /// reaches the network. Asked for from inside a callback, it comes when that turn is over.
    pub fn crash(&self) {
        self.ask_for(Deed::Crash);
    }

    /// The program is killed, as by SIGKILL: what it has written so far is still sent by its kernel, which closes its
    /// connections. The rest is as with [`crash`](Host::crash).
    pub fn kill(&self) {
        self.ask_for(Deed::Kill);
    }

    /// Starts the program anew, with a new reactor, after a crash or its end. If it runs, it is killed first.
    pub fn restart(&self) {
        self.ask_for(Deed::Restart);
    }

    /// Stops the program, as SIGSTOP does: time goes on, and so does the kernel, which accepts into backlogs and
    /// buffers what comes.
    pub fn pause(&self) {
        self.set_power(Power::Running, Power::Paused, Did::Pause);
    }

    /// Lets a paused program go on. Signals that came meanwhile come now.
    pub fn resume(&self) {
        self.set_power(Power::Paused, Power::Running, Did::Resume);
        let Some(world) = self.world.upgrade() else { return };
        let is_fatal = {
            let network = world.shared.network.borrow();
            let kernel = network.host(self.host);
            kernel.power == Power::Running && !kernel.catches_signals && !kernel.signals.is_empty()
        };
        if is_fatal {
            self.kill();
        }
    }

    /// Ctrl-C: SIGINT. Kills a program that does not catch it. One that is paused meets it when it goes on.
    pub fn interrupt(&self) {
        self.signal(Signal::Interrupt, Did::Interrupt);
    }

    /// SIGTERM. Kills a program that does not catch it. One that is paused meets it when it goes on.
    pub fn terminate(&self) {
        self.signal(Signal::Terminate, Did::Terminate);
    }

    /// The time of day on this host.
    pub fn clock(&self) -> SystemTime {
        let world = self.world.upgrade();
        world.map_or(SystemTime::UNIX_EPOCH, |world| world.shared.network.borrow().time_of_day(self.host))
    }

    /// Sets its clock: it jumps there, and goes on from there. Delayed calls do not notice.
    pub fn set_clock(&self, time: SystemTime) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.shared.network.borrow_mut();
        network.host_mut(self.host).clock = network.clock_at_the_beginning(time);
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let step = Did::SetClock.count(super::random::nanoseconds(since));
        let detail = network.detail(|| format!("it says {}", time_of_day(time)));
        network.note_with(self.host, step, &detail);
        if let Some(reactor) = self.reactor() {
            reactor.forget_time_of_day();
        }
    }

    /// Sets how many descriptors its program may have open. Those that it has open already stay.
    pub fn set_max_descriptors(&self, limit: usize) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.shared.network.borrow_mut();
        network.host_mut(self.host).max_descriptors = limit;
        network.note(self.host, Did::Limit.count(limit as u64));
    }

    fn set_power(&self, from: Power, to: Power, did: Did) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.shared.network.borrow_mut();
        if network.host(self.host).power == from {
            network.host_mut(self.host).power = to;
            network.note(self.host, did);
            network.make_due(self.host);
        }
    }

    fn signal(&self, signal: Signal, did: Did) {
        let Some(world) = self.world.upgrade() else { return };
        let is_fatal = {
            let network = &mut *world.shared.network.borrow_mut();
            let kernel = network.host_mut(self.host);
            if !matches!(kernel.power, Power::Running | Power::Paused) {
                return;
            }
            let is_fatal = kernel.power == Power::Running && !kernel.catches_signals;
            if !is_fatal {
                kernel.signals.push(signal);
            }
            network.note(self.host, did);
            network.make_due(self.host);
            is_fatal
        };
        if is_fatal {
            self.kill();
        }
    }

    fn ask_for(&self, deed: Deed) {
        if let Some(world) = self.world.upgrade() {
            world.deeds.borrow_mut().push((self.host, deed));
            world.do_deeds();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} at {}, {:?})", self.name, self.address, self.state())
    }
}

impl Inner {
    /// Does what was asked for, unless a callback of some program runs: then later.
    pub(super) fn do_deeds(&self) {
        while !self.is_in_program.get() && !self.deeds.borrow().is_empty() {
            for (host, deed) in self.deeds.take() {
                match deed {
                    Deed::Crash => self.end(host, Power::Down, Did::Crash),
                    Deed::Kill => self.end_if_alive(host),
                    Deed::Restart => {
                        self.end_if_alive(host);
                        self.start(host);
                    }
                }
            }
        }
    }

    fn end_if_alive(&self, host: u32) {
        let power = self.shared.network.borrow().host(host).power;
        if matches!(power, Power::Running | Power::Paused) {
            self.end(host, Power::Idle, Did::Die);
        }
    }

    /// Starts the program of `host`.
    pub(super) fn start(&self, host: u32) {
        let life = {
            let network = &mut *self.shared.network.borrow_mut();
            let kernel = network.host_mut(host);
            kernel.power = Power::Running;
            kernel.life += 1;
            let life = kernel.life;
            let detail = network.detail(|| format!("its clock says {}", time_of_day(network.time_of_day(host))));
            network.note_with(host, Did::Start, &detail);
            life
        };
        // A stream of numbers for each life of each host: what one draws changes nothing for the others.
        let random = Random::stream(self.seed, u64::from(host + 1) << 32 | u64::from(life));
        let driver = SimDriver::new(self.shared.clone(), host, life, random);
        let (boot, settings) = {
            let program = &mut self.programs.borrow_mut()[host as usize];
            (program.boot.take(), program.settings.clone())
        };
        let reactor = Reactor::with_driver(Box::new(driver), settings);
        self.programs.borrow_mut()[host as usize].reactor = Some(reactor.clone());
        let mut boot = boot.expect("a program is not started while it starts");
        let run = self.in_program(|| {
            boot(&reactor);
            let run = Run::new(&reactor).expect("the boot function leaves running to the world");
            let hooked = run.hooked();
            run.start().expect("a simulated host can wait for events");
            drop(hooked);
            run
        });
        let program = &mut self.programs.borrow_mut()[host as usize];
        (program.boot, program.run) = (Some(boot), Some(run));
        self.shared.network.borrow_mut().make_due(host);
    }

    /// The loop of `host` takes a turn. Again at once if it wakes itself, so that nothing that it left undone happens
    /// in the turn of another host.
    pub(super) fn take_turn(&self, host: u32) {
        let Some(run) = self.programs.borrow_mut()[host as usize].run.take() else { return };
        let mut spare = self.spare.take();
        run.reactor().swap_spare(&mut spare);
        let hooked = run.hooked();
        self.shared.turn_of.set(Some(host));
        let mut result = Ok(());
        self.in_program(|| {
            loop {
                self.count_turn(host);
                result = run.take_turn();
                let woken = self.shared.woken.take();
                let is_woken = woken.contains(&host);
                let network = &mut *self.shared.network.borrow_mut();
                for other in woken.into_iter().filter(|other| *other != host) {
                    network.make_due(other);
                }
                if !is_woken || run.is_over() || network.host(host).power != Power::Running {
                    break;
                }
            }
        });
        self.shared.turn_of.set(None);
        drop(hooked);
        run.reactor().swap_spare(&mut spare);
        self.spare.set(spare);
        if run.is_over() || result.is_err() {
            self.programs.borrow_mut()[host as usize].calls_left = run.reactor().delayed_call_count();
            drop(run);
            return self.end(host, Power::Idle, Did::Exit);
        }
        self.schedule(host, &run);
        self.programs.borrow_mut()[host as usize].run = Some(run);
    }

    /// Sees to it that the loop of `host` goes on in time.
    fn schedule(&self, host: u32, run: &Run) {
        let network = &mut *self.shared.network.borrow_mut();
        match run.wait_time() {
            None => {}
            Some(wait) if wait.is_zero() => network.make_due(host),
            Some(wait) => network.wake_later(host, super::random::nanoseconds(wait)),
        }
    }

    /// Something may have been asked of reactors from outside: looks after all of them.
    pub(super) fn schedule_all(&self) {
        let programs = self.programs.borrow();
        for (host, program) in programs.iter().enumerate() {
            if let Some(run) = &program.run {
                self.schedule(host as u32, run);
            }
        }
    }

    /// The program of `host` is no more.
    fn end(&self, host: u32, power: Power, did: Did) {
        self.shared.network.borrow_mut().end_program(host, power, did);
        let (run, reactor) = {
            let program = &mut self.programs.borrow_mut()[host as usize];
            (program.run.take(), program.reactor.take())
        };
        self.in_program(|| {
            drop(run);
            if let Some(reactor) = reactor {
                reactor.discard();
            }
        });
    }

    /// Runs code of a program: what is asked of hosts meanwhile waits until it has returned.
    pub(super) fn in_program<T>(&self, f: impl FnOnce() -> T) -> T {
        /// Also if it panics.
        struct Restore<'a>(&'a std::cell::Cell<bool>, bool);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _restore = Restore(&self.is_in_program, self.is_in_program.replace(true));
        f()
    }
}

impl Drop for Inner {
    /// All that the programs hold goes, whoever still holds a reactor. That is no part of what has happened: it stands
    /// in no trace.
    fn drop(&mut self) {
        let sink = self.shared.network.borrow_mut().trace.close();
        drop(sink);
        let programs = mem::take(self.programs.get_mut());
        for (host, program) in programs.iter().enumerate() {
            if program.reactor.is_some() {
                let network = &mut *self.shared.network.borrow_mut();
                network.end_program(host as u32, Power::Down, Did::Crash);
            }
        }
        for program in programs {
            drop(program.run);
            if let Some(reactor) = program.reactor {
                reactor.discard();
            }
        }
    }
}
