//! [`Host`]: one machine of a world, and what a script can do to it. [`Console`]: what is typed and read there.
//!
//! Next: `program.rs`, the program that runs on it.

use super::kernel::HostState;
use super::network::Network;
use super::program::Command;
use super::random::nanoseconds;
use super::trace::{Action, time_of_day};
use super::world::WorldInner;
use crate::Reactor;
use crate::driver::Signal;
use std::fmt;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::SystemTime;

/// One machine of a [`World`](super::World): it has addresses, a clock, a kernel, and one program on one reactor.
///
/// This is a handle, cheap to clone. It does not keep the world alive: once the world is dropped, requests do nothing,
/// counts are 0 and the state is [`HostState::Down`].
#[derive(Clone)]
pub struct Host {
    world: Weak<WorldInner>,
    index: u32,
    name: Rc<str>,
    address: IpAddr,
}

impl Host {
    pub(super) fn new(world: &Rc<WorldInner>, index: u32) -> Host {
        let network = world.environment.network.borrow();
        let kernel = network.host(index);
        Host { world: Rc::downgrade(world), index, name: kernel.name.as_str().into(), address: kernel.addresses[0] }
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// The name that it was added under. Programs find it by this name, unless
    /// [`World::set_name`](super::World::set_name) says otherwise.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it is doing.
    pub fn state(&self) -> HostState {
        let world = self.world.upgrade();
        world.map_or(HostState::Down, |world| world.environment.network.borrow().host(self.index).state)
    }

    /// The reactor of its program; `None` if no program is alive. The loop does what you ask of it from outside its own
    /// callbacks when the world runs next.
    pub fn reactor(&self) -> Option<Reactor> {
        self.world.upgrade()?.programs.borrow()[self.index as usize].reactor()
    }

    /// Standard input and output of its program: what [`Reactor::open_standard_io`] speaks over.
    pub fn console(&self) -> Console {
        Console { world: self.world.clone(), host: self.index }
    }

    /// How many descriptors its program has open, including the five that every program has.
    pub fn descriptor_count(&self) -> usize {
        self.world.upgrade().map_or(0, |world| world.environment.network.borrow().host(self.index).descriptors)
    }

    /// How many delayed calls were still waiting when its reactor last stopped. A program that stops in good order has
    /// cancelled them, so this is 0.
    pub fn delayed_calls_left(&self) -> usize {
        self.world.upgrade().map_or(0, |world| world.programs.borrow()[self.index as usize].calls_left())
    }

    /// Writes a line into the trace, as said by this host. The [hash](super::World::trace_hash) covers it.
    pub fn note(&self, text: &str) {
        if let Some(world) = self.world.upgrade() {
            let network = &mut *world.environment.network.borrow_mut();
            network.trace.say(network.now, &self.name, text);
        }
    }

    /// Makes the machine fail, as in a power cut. Nothing that waited is sent, and nobody is told: peers notice only
    /// that no answer comes. If the machine is started again, its kernel answers their next segments with resets.
    ///
    /// The reactor and everything in it is dropped. The destructors of the program's values run, but nothing that they
    /// do reaches the network. If you call this inside a callback of a program, it happens when that turn is over.
    pub fn crash(&self) {
        self.command(Command::Crash);
    }

    /// Kills the program, as SIGKILL does. Its kernel stays up: it still sends what the program has written so far, and
    /// closes the connections. Otherwise this is as [`crash`](Host::crash).
    pub fn kill(&self) {
        self.command(Command::Kill);
    }

    /// Starts the program again, with a new reactor. A program that is still alive is killed first.
    pub fn restart(&self) {
        self.command(Command::Restart);
    }

    /// Stops the program, as SIGSTOP does. Time goes on, and so does the kernel: it accepts connections into backlogs
    /// and buffers the bytes that arrive.
    pub fn pause(&self) {
        self.change_state(HostState::Running, HostState::Paused, Action::Pause);
    }

    /// Lets a paused program go on, as SIGCONT does. Signals that were sent while it was paused arrive now.
    pub fn resume(&self) {
        self.change_state(HostState::Paused, HostState::Running, Action::Resume);
        let Some(world) = self.world.upgrade() else { return };
        let is_fatal = {
            let network = world.environment.network.borrow();
            let kernel = network.host(self.index);
            kernel.state == HostState::Running && !kernel.catches_signals && !kernel.signals.is_empty()
        };
        if is_fatal {
            self.kill();
        }
    }

    /// Sends SIGINT, as Ctrl-C does. It kills a program that does not catch it. A paused program gets it when it is
    /// resumed.
    pub fn interrupt(&self) {
        self.signal(Signal::Interrupt, Action::Interrupt);
    }

    /// Sends SIGTERM. It kills a program that does not catch it. A paused program gets it when it is resumed.
    pub fn terminate(&self) {
        self.signal(Signal::Terminate, Action::Terminate);
    }

    /// The time of day on this host.
    pub fn clock(&self) -> SystemTime {
        let world = self.world.upgrade();
        world.map_or(SystemTime::UNIX_EPOCH, |world| world.environment.network.borrow().time_of_day(self.index))
    }

    /// Sets its clock: it jumps to `time` and goes on from there. Delayed calls do not notice, because they run by the
    /// reactor's monotonic clock.
    pub fn set_clock(&self, time: SystemTime) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.environment.network.borrow_mut();
        network.host_mut(self.index).clock = network.clock_at_the_beginning(time);
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = Action::SetClock.count(nanoseconds(since));
        let detail = network.detail(|| format!("it says {}", time_of_day(time)));
        network.note_with(self.index, record, &detail);
        if let Some(reactor) = self.reactor() {
            reactor.forget_time_of_day();
        }
    }

    /// Sets the maximum number of descriptors that its program may have open. Those above a lower maximum stay open.
    pub fn set_max_descriptors(&self, max: usize) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.environment.network.borrow_mut();
        network.host_mut(self.index).max_descriptors = max;
        network.note(self.index, Action::LimitDescriptors.count(max as u64));
    }

    fn change_state(&self, from: HostState, to: HostState, action: Action) {
        let Some(world) = self.world.upgrade() else { return };
        let network = &mut *world.environment.network.borrow_mut();
        if network.host(self.index).state == from {
            network.host_mut(self.index).state = to;
            network.note(self.index, action);
            network.make_due(self.index);
        }
    }

    fn signal(&self, signal: Signal, action: Action) {
        let Some(world) = self.world.upgrade() else { return };
        let is_fatal = {
            let network = &mut *world.environment.network.borrow_mut();
            let kernel = network.host_mut(self.index);
            if !kernel.state.has_program() {
                return;
            }
            let is_fatal = kernel.state == HostState::Running && !kernel.catches_signals;
            if !is_fatal {
                kernel.signals.push(signal);
            }
            network.note(self.index, action);
            network.make_due(self.index);
            is_fatal
        };
        // After the borrow of the network has ended: to kill a program is to run its destructors.
        if is_fatal {
            self.kill();
        }
    }

    fn command(&self, command: Command) {
        if let Some(world) = self.world.upgrade() {
            world.commands.borrow_mut().push((self.index, command));
            world.run_commands();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} at {}, {:?})", self.name, self.address, self.state())
    }
}

/// Standard input and output of a simulated host: see [`Host::console`]. A cheap handle; once the
/// world is dropped it does nothing.
#[derive(Clone)]
pub struct Console {
    world: Weak<WorldInner>,
    host: u32,
}

impl Console {
    /// Types `bytes`. They wait for the program until it reads them. After [`end_input`](Console::end_input) they are
    /// dropped.
    pub fn type_in(&self, bytes: impl AsRef<[u8]>) {
        self.change(|network| network.type_in(self.host, bytes.as_ref()));
    }

    /// Ends the input: the program meets the end after what was typed.
    pub fn end_input(&self) {
        self.change(|network| network.end_input(self.host));
    }

    /// Takes what the program has written since the last call. That makes room for more: 64 KiB at most wait here.
    pub fn take_output(&self) -> Vec<u8> {
        self.change(|network| network.take_output(self.host)).unwrap_or_default()
    }

    /// Whether the program has ended its output, by a half-close or by its own end. What it wrote before may still be
    /// there to be taken.
    pub fn output_has_ended(&self) -> bool {
        self.change(|network| network.has_console_output_ended(self.host)).unwrap_or(true)
    }

    /// Stops reading the output, for good: the program that writes meets a broken pipe.
    pub fn close_output(&self) {
        self.change(|network| network.close_console_output(self.host));
    }

    fn change<T>(&self, f: impl FnOnce(&mut Network) -> T) -> Option<T> {
        let world = self.world.upgrade()?;
        let network = &mut *world.environment.network.borrow_mut();
        Some(f(network))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}
