//! Plays a program in a simulated world, from the start of its hosts to the end of their last run.

use crate::acts::address_of;
use crate::contract::{Limits, Subject};
use crate::identity;
use crate::mistakes::Mistake;
use crate::program::{Fault, HOSTS, Kind, Program, RUNS};
use crate::stage::{Stage, ms};
use reactor::sim::{Host, HostSettings, HostState, Latency, LinkSettings, Resolution, World, WorldSettings};
use reactor::{Phase, Reactor, Settings, SystemEvent};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

const LIMITS: Limits = Limits { close: ms(3000), stop: ms(1000), trigger: ms(2000), thread: ms(1500) };

/// When the programs do something outside of their loops.
const OUTSIDE: [Duration; 3] = [ms(30), ms(300), ms(2500)];
/// When everything has come to rest: all faults are over for long, and longer than each limit.
const AT_REST: Duration = ms(60_000);
/// How long a stop may take.
const STOPPED: Duration = ms(10_000);
/// How many descriptors a program has that has nothing open.
const DESCRIPTORS_OF_ITS_OWN: usize = 5;

/// What became of a program.
pub(crate) struct Outcome {
    pub(crate) difference: Option<String>,
    pub(crate) log: Vec<String>,
    pub(crate) callback_count: u64,
}

thread_local! {
    /// A panic that the program did not do on purpose.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics that are not on purpose known, wherever they are caught.
pub(crate) fn watch_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANIC.with(|panic| {
            panic.borrow_mut().get_or_insert_with(|| info.to_string());
        });
        before(info);
    }));
}

pub(crate) fn play(program: &Program, keeps_log: bool, mistake: Option<Mistake>) -> Outcome {
    PANIC.take();
    let stage = Stage::new(Rc::new(program.clone()), LIMITS, keeps_log, mistake);
    let played = panic::catch_unwind(AssertUnwindSafe(|| play_on(&stage)));
    stage.is_over.set(true);
    if played.is_err() {
        stage.contract().differ("the world panics");
    }
    let panicked = PANIC.take();
    if let Some(panicked) = panicked {
        stage.contract().differ(format_args!("a panic that is not on purpose: {panicked}"));
    }
    stage.clear();
    let left = stage.value_count.get();
    stage.contract().expect(left == 0, format_args!("{left} values are never dropped"));
    let contract = stage.look();
    Outcome {
        difference: contract.difference().map(str::to_owned),
        log: contract.log().to_vec(),
        callback_count: contract.callback_count,
    }
}

fn play_on(stage: &Rc<Stage>) {
    let program = stage.program.clone();
    let network = program.network;
    {
        let mut contract = stage.contract();
        contract.has_lines = network.has_lines;
        (contract.is_secure, contract.starts_tls) = (network.is_secure, network.starts_tls);
        contract.is_scarce = network.descriptors < 100;
        contract.has_faults = !program.faults.is_empty();
        contract.max_copies = if network.duplication > 0 { 2 } else { 1 };
    }
    let latency = |micros: u32| Duration::from_micros(micros.into());
    let link = LinkSettings::new(Latency::Uniform(latency(network.latency.0), latency(network.latency.1)))
        .max_segment(network.segment)
        .split(network.split)
        .loss(network.loss)
        .duplication(network.duplication);
    let mut settings = WorldSettings::default();
    (settings.link, settings.loopback) = (link, link.loss(0));
    let world = World::with_settings(program.seed, settings);
    world.set_name("silent", Resolution::Silent);
    let hosts: Vec<Host> = (0..HOSTS).map(|host| start(&world, stage, host)).collect();
    for (at, fault) in &program.faults {
        let (fault, hosts) = (*fault, hosts.clone());
        world.call_later(ms(u64::from(*at)), move |world| match fault {
            Fault::Cut(from) => world.cut(&hosts[from], &hosts[1 - from]),
            Fault::Heal => world.heal(),
            Fault::Reset => world.reset_connections(&hosts[0], &hosts[1]),
        });
    }
    let differs = || stage.look().difference().is_some() || PANIC.with(|panic| panic.borrow().is_some());
    for at in OUTSIDE {
        world.run_until(at.saturating_sub(world.now()), differs);
        for (host, handle) in hosts.iter().enumerate() {
            act_outside(stage, handle, host);
        }
    }
    // Each round ends one run of a host at least.
    for _ in 0..HOSTS as u32 * RUNS {
        world.run_until(AT_REST, differs);
        for (host, handle) in hosts.iter().enumerate().filter(|(_, handle)| handle.state() == HostState::Running) {
            stage.catch_up(host);
            stage.contract().check_at_rest(host);
            if let Some(reactor) = handle.reactor() {
                stage.contract().stop(host);
                reactor.stop();
            }
        }
        world.run_until(STOPPED, differs);
        if differs() {
            break;
        }
    }
    for (host, handle) in hosts.iter().enumerate() {
        let state = handle.state();
        stage.contract().expect(state == HostState::Idle, format_args!("host {host} does not end: it is {state:?}"));
    }
    stage.is_over.set(true);
}

fn start(world: &World, stage: &Rc<Stage>, host: usize) -> Host {
    let network = stage.program.network;
    let mut settings = HostSettings::at(address_of(host));
    let reactor: &mut Settings = &mut settings.reactor;
    reactor.close_timeout = LIMITS.close;
    reactor.stop_timeout = LIMITS.stop;
    reactor.trigger_timeout = LIMITS.trigger;
    reactor.thread_timeout = LIMITS.thread;
    settings.runs = RUNS;
    (settings.send_buffer, settings.receive_buffer) = (network.buffer, network.buffer);
    settings.max_descriptors = network.descriptors;
    let booted = stage.clone();
    let handle = world.host_with(&format!("host{host}"), settings, move |reactor| boot(&booted, host, reactor));
    *stage.hosts[host].handle.borrow_mut() = Some(handle.clone());
    handle
}

/// What a program does before each run of its reactor.
fn boot(stage: &Rc<Stage>, host: usize, reactor: &Reactor) {
    stage.begins_with(reactor);
    *stage.hosts[host].reactor.borrow_mut() = Some(reactor.clone());
    if stage.program.network.is_secure {
        *stage.hosts[host].tls.borrow_mut() = Some(identity::tls_of(reactor));
    }
    stage.contract().boots(host);
    for phase in [Phase::Before, Phase::During, Phase::After] {
        let watching = stage.clone();
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, move || watch_phase(&watching, host, phase));
    }
    if let Some(inside) = stage.enter(host, Kind::Boot, Subject::Nothing) {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| inside.act()));
    }
    stage.contract().runs(host);
}

/// Looks on as a phase of a stop begins.
fn watch_phase(stage: &Rc<Stage>, host: usize, phase: Phase) {
    if stage.is_over.get() {
        return;
    }
    stage.catch_up(host);
    stage.contract().reach_phase(host, phase);
    if phase == Phase::After {
        let inventory = stage.reactor(host).inventory();
        let waiting = stage.look().waiting_timer_count(host);
        let is_right = inventory.ports.is_empty()
            && inventory.udp_ports.is_empty()
            && inventory.attempts.is_empty()
            && inventory.connections.is_empty()
            && inventory.closing == 0
            && inventory.delayed_calls.len() == waiting;
        stage.contract().expect(is_right, format_args!("the stop leaves, besides {waiting} calls: {inventory}"));
        let descriptors = stage.hosts[host].handle.borrow().as_ref().map(Host::descriptor_count);
        let has_closed_all = descriptors.is_none_or(|count| count == DESCRIPTORS_OF_ITS_OWN);
        stage.contract().expect(has_closed_all, format_args!("the stop leaves {descriptors:?} descriptors"));
    }
}

fn act_outside(stage: &Rc<Stage>, handle: &Host, host: usize) {
    if handle.state() == HostState::Running
        && let Some(inside) = stage.enter(host, Kind::Outside, Subject::Nothing)
    {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| inside.act()));
    }
}
