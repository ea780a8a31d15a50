//! [`Program`]: the program of a host, and how the world starts it, lets its loop take turns, and ends it.
//!
//! Next: `driver.rs`, what the program's loop stands on.

use super::driver::SimDriver;
use super::kernel::HostState;
use super::random::{Random, nanoseconds};
use super::trace::{Action, time_of_day};
use super::world::WorldInner;
use crate::driver::{Driver, TracingDriver};
use crate::event_loop::Run;
use crate::{Reactor, Settings};
use std::cell::Cell;
use std::mem;

pub(super) type Boot = Box<dyn FnMut(&Reactor)>;

pub(super) struct Program {
    /// What `main` does before it runs the reactor. `None` while it is being called.
    boot: Option<Boot>,
    settings: Settings,
    /// How many times it runs its reactor.
    max_runs: u32,
    /// How many runs it has begun.
    run_count: u32,
    /// `None` when the program is not alive.
    reactor: Option<Reactor>,
    /// Its running loop. `None` while the loop takes a turn, and when the program is not alive.
    run: Option<Run>,
    /// How many delayed calls waited when it last ended by itself.
    calls_left: usize,
}

impl Program {
    pub(super) fn new(boot: Boot, settings: Settings, max_runs: u32) -> Program {
        Program { boot: Some(boot), settings, max_runs, run_count: 0, reactor: None, run: None, calls_left: 0 }
    }

    pub(super) fn reactor(&self) -> Option<Reactor> {
        self.reactor.clone()
    }

    pub(super) fn calls_left(&self) -> usize {
        self.calls_left
    }
}

/// What is to be done to a host's program. It waits until no callback runs: a callback that crashes its own host must
/// not have its reactor dropped under it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Crash,
    Kill,
    Restart,
}

impl WorldInner {
    /// Runs the commands that wait, unless code of a program runs: then the caller of that code does it afterwards.
    pub(super) fn run_commands(&self) {
        // To end a program runs its destructors, which may ask for more commands.
        while !self.is_in_program.get() && !self.commands.borrow().is_empty() {
            for (host, command) in self.commands.take() {
                match command {
                    Command::Crash => self.end(host, HostState::Down, Action::Crash),
                    Command::Kill => self.kill_if_alive(host),
                    Command::Restart => {
                        self.kill_if_alive(host);
                        self.start(host);
                    }
                }
            }
        }
    }

    fn kill_if_alive(&self, host: u32) {
        let state = self.environment.network.borrow().host(host).state;
        if state.has_program() {
            self.end(host, HostState::Idle, Action::Kill);
        }
    }

    /// Starts the program of `host`.
    pub(super) fn start(&self, host: u32) {
        let pid = {
            let network = &mut *self.environment.network.borrow_mut();
            let kernel = network.host_mut(host);
            kernel.state = HostState::Running;
            kernel.pid += 1;
            let pid = kernel.pid;
            let detail = network.detail(|| format!("its clock says {}", time_of_day(network.time_of_day(host))));
            network.note_with(host, Action::Start, &detail);
            pid
        };
        // Each process of each host draws from a stream of its own, so that what one draws changes nothing for others.
        let random = Random::stream(self.seed, u64::from(host + 1) << 32 | u64::from(pid));
        let driver = SimDriver::new(self.environment.clone(), host, pid, random);
        let settings = self.programs.borrow()[host as usize].settings.clone();
        let reactor = self.reactor(host, Box::new(driver), settings);
        {
            let program = &mut self.programs.borrow_mut()[host as usize];
            program.reactor = Some(reactor.clone());
            program.run_count = 0;
        }
        self.begin_run(host, &reactor);
    }

    /// A reactor for the program of `host`. It reports to the world's trace, if there is one.
    fn reactor(&self, host: u32, driver: Box<dyn Driver>, settings: Settings) -> Reactor {
        let (stream, name) = {
            let network = self.environment.network.borrow();
            (network.trace.stream().cloned(), network.host(host).name.clone())
        };
        let Some(stream) = stream else { return Reactor::with_driver(driver, settings) };
        let (driver, scope) = TracingDriver::around(driver, stream, Some(&name), Some(self.environment.begin()));
        self.environment.network.borrow_mut().trace.begin_host(host, scope.clone());
        Reactor::build(driver, Some(scope), settings)
    }

    /// Lets the program of `host` run its reactor: for the first time, or again.
    fn begin_run(&self, host: u32, reactor: &Reactor) {
        let boot = {
            let program = &mut self.programs.borrow_mut()[host as usize];
            program.run_count += 1;
            program.boot.take()
        };
        let mut boot = boot.expect("a program is not started while it starts");
        let run = self.in_program(|| {
            let _entered = reactor.enter_trace();
            boot(reactor);
            let run = Run::new(reactor).expect("the boot function leaves running to the world");
            let hooked = reactor.install_hook();
            run.start().expect("a simulated host can wait for events");
            drop(hooked);
            run
        });
        let program = &mut self.programs.borrow_mut()[host as usize];
        (program.boot, program.run) = (Some(boot), Some(run));
        self.environment.network.borrow_mut().make_due(host);
    }

    /// Lets the loop of `host` take a turn, and further ones at once as long as it wakes itself: otherwise what it left
    /// undone would be done after the turns of other hosts.
    pub(super) fn take_turn(&self, host: u32) {
        let Some(run) = self.programs.borrow_mut()[host as usize].run.take() else { return };
        let mut turn_memory = self.turn_memory.take();
        run.reactor().swap_turn_memory(&mut turn_memory);
        let hooked = run.reactor().install_hook();
        self.environment.turn_of.set(Some(host));
        let mut result = Ok(());
        self.in_program(|| {
            loop {
                self.count_turn(host);
                result = run.take_turn();
                let woken = self.environment.woken.take();
                let is_woken = woken.contains(&host);
                let network = &mut *self.environment.network.borrow_mut();
                for other in woken.into_iter().filter(|other| *other != host) {
                    network.make_due(other);
                }
                if !is_woken || run.is_over() || network.host(host).state != HostState::Running {
                    break;
                }
            }
        });
        self.environment.turn_of.set(None);
        drop(hooked);
        run.reactor().swap_turn_memory(&mut turn_memory);
        self.turn_memory.set(turn_memory);
        if run.is_over() || result.is_err() {
            let is_last = {
                let program = &mut self.programs.borrow_mut()[host as usize];
                program.calls_left = run.reactor().delayed_call_count();
                program.run_count >= program.max_runs
            };
            let reactor = run.reactor().clone();
            // Before what follows: the next run begins, or `end` discards the reactor, after this one has let go of it.
            drop(run);
            return if is_last || result.is_err() {
                drop(reactor);
                self.end(host, HostState::Idle, Action::Exit);
            } else {
                self.begin_run(host, &reactor);
            };
        }
        self.schedule(host, &run);
        self.programs.borrow_mut()[host as usize].run = Some(run);
    }

    /// Makes sure that the loop of `host` takes its next turn in time.
    fn schedule(&self, host: u32, run: &Run) {
        let network = &mut *self.environment.network.borrow_mut();
        match run.wait_time() {
            None => {}
            Some(wait) if wait.is_zero() => network.make_due(host),
            Some(wait) => network.wake_later(host, nanoseconds(wait)),
        }
    }

    /// Schedules the next turn of every host. Needed before each run of the world: since the last run, a test may have
    /// asked something of any reactor.
    pub(super) fn schedule_all(&self) {
        let programs = self.programs.borrow();
        for (host, program) in programs.iter().enumerate() {
            if let Some(run) = &program.run {
                self.schedule(host as u32, run);
            }
        }
    }

    /// Ends the program of `host`, which is in `state` afterwards.
    fn end(&self, host: u32, state: HostState, action: Action) {
        // First the kernel, then the reactor: destructors that write or close find their handles dead, so that nothing
        // they do reaches the network.
        {
            let network = &mut *self.environment.network.borrow_mut();
            network.end_program(host, state, action);
            // Before the destructors: what they ask of their handles reaches nothing.
            network.trace.end_host(host);
        }
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

    /// Runs code of a program. Commands given meanwhile wait until it has returned.
    pub(super) fn in_program<T>(&self, f: impl FnOnce() -> T) -> T {
        /// Restores the flag also if the code panics.
        struct Restore<'a>(&'a Cell<bool>, bool);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        // Restored, not cleared: a program's code may be run inside a program's code, when a reactor is discarded.
        let _restore = Restore(&self.is_in_program, self.is_in_program.replace(true));
        f()
    }
}

impl Drop for WorldInner {
    /// Drops everything that the programs hold, even if somebody still has a handle to a reactor. The trace does not
    /// record this: it is not part of what happened in the world.
    fn drop(&mut self) {
        let sink = self.environment.network.borrow_mut().trace.close();
        drop(sink);
        let programs = mem::take(self.programs.get_mut());
        // All kernels first: a destructor of one program must not reach a host that is still up.
        for (host, program) in programs.iter().enumerate() {
            if program.reactor.is_some() {
                let network = &mut *self.environment.network.borrow_mut();
                network.end_program(host as u32, HostState::Down, Action::Crash);
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
