//! Work for other threads, in virtual time: how much runs at once, and what a stop does with it.

use super::*;
use reactor::error::ThreadError;
use reactor::sim::HostState;
use std::io;

/// A world in which each piece of work takes a second.
fn slow_world() -> World {
    let mut settings = WorldSettings::default();
    settings.job = Latency::Fixed(SECOND);
    World::with_settings(1, settings)
}

/// A program that asks for this many pieces of work, and notes how each of them ends.
fn working(world: &World, change: impl FnOnce(&mut reactor::Settings), pieces: usize) -> (Host, Events) {
    let events = Events::default();
    let (noted, mut settings) = (events.clone(), HostSettings::default());
    change(&mut settings.reactor);
    let host = world.host_with("host", settings, move |reactor| {
        for piece in 0..pieces {
            let noted = noted.clone();
            let note = move |result: Result<(), Failure>| match result {
                Ok(()) => noted.note(format!("{piece} done")),
                Err(failure) if failure.check() == Some(&ThreadError::Stopped) => {
                    noted.note(format!("{piece} dropped"))
                }
                Err(failure) => noted.note(format!("{piece} failed: {failure}")),
            };
            reactor.defer_to_thread(|| Ok::<_, io::Error>(())).add_both(note).detach();
        }
    });
    (host, events)
}

#[test]
fn as_much_work_runs_at_a_time_as_there_are_threads() {
    let world = slow_world();
    let (_, events) = working(&world, |settings| settings.max_threads = 2, 5);
    for (second, done) in [(1, 2), (2, 4), (3, 5)] {
        world.run_for(SECOND - MS);
        assert_eq!(events.all().len(), if second == 1 { 0 } else { 2 * (second - 1) });
        world.run_for(MS);
        assert_eq!(events.all().len(), done);
    }
    assert_eq!(events.all(), [0, 1, 2, 3, 4].map(|piece| format!("{piece} done")));
}

#[test]
fn a_stop_ends_when_the_work_that_has_begun_is_done() {
    let world = slow_world();
    let (host, events) = working(&world, |settings| settings.max_threads = 2, 4);
    world.run_for(500 * MS);
    host.terminate();
    world.run_for(MS);
    assert_eq!(events.all(), ["2 dropped", "3 dropped"]);
    world.run_for(498 * MS);
    assert_eq!(host.state(), HostState::Running);
    world.run_for(MS);
    assert_eq!((host.state(), host.delayed_calls_left()), (HostState::Idle, 0));
    assert_eq!(events.all()[2..], ["0 done", "1 done"]);
}

#[test]
fn a_stop_waits_for_work_until_its_limit_or_a_second_signal() {
    for second_signal in [None, Some(70 * MS)] {
        let world = slow_world();
        let (host, events) = working(&world, |settings| settings.thread_timeout = 300 * MS, 1);
        world.run_for(100 * MS);
        host.terminate();
        let end = second_signal.unwrap_or(300 * MS);
        world.run_for(end - MS);
        assert_eq!(host.state(), HostState::Running);
        world.run_for(MS - Duration::from_nanos(1));
        if second_signal.is_some() {
            host.terminate();
        }
        assert_eq!(host.state(), HostState::Running);
        world.run_for(Duration::from_nanos(1));
        assert_eq!((host.state(), host.delayed_calls_left()), (HostState::Idle, 0), "{second_signal:?}");
        world.run_for(2 * SECOND);
        assert_eq!(events.all(), [""; 0]);
    }
}

#[test]
fn a_second_signal_while_the_stop_waits_for_triggers_waits_for_no_work_either() {
    let world = slow_world();
    let (host, _) = working(&world, |_| {}, 1);
    let reactor = host.reactor().unwrap();
    reactor.add_system_event_trigger(reactor::Phase::Before, reactor::SystemEvent::Shutdown, || {
        let (deferred, firer) = reactor::Deferred::<()>::new();
        std::mem::forget(firer); // It never fires.
        deferred
    });
    drop(reactor);
    host.terminate();
    world.run_for(100 * MS);
    assert_eq!(host.state(), HostState::Running);
    host.terminate();
    world.run_for(MS);
    assert_eq!(host.state(), HostState::Idle);
}
