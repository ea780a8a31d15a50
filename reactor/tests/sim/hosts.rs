//! What can happen to machines and programs: crash, kill, end, restart, pause, signals, clocks.

use super::*;
use reactor::sim::HostState;
use reactor::{Phase, SystemEvent};
use std::cell::Cell;
use std::time::SystemTime;

/// A client with a connection to an echoing server.
fn pair(world: &World) -> (Host, Host, Events, LastTransport) {
    let (answers, line) = (Events::default(), LastTransport::default());
    let server = server(world, &Events::default(), echoing);
    let keep = line.clone();
    let client = client(world, &answers, move |noting| keep.of(noting));
    world.run_for(SECOND);
    (server, client, answers, line)
}

#[test]
fn a_crash_tells_nobody_and_after_a_restart_a_peer_that_writes_gets_a_reset() {
    let world = world(1);
    let (server, _, answers, line) = pair(&world);
    server.crash();
    assert_eq!(server.state(), HostState::Down);
    world.run_for(100 * SECOND);
    assert_eq!(answers.all(), ["made"]);
    server.restart();
    world.run_for(100 * SECOND);
    assert_eq!(answers.all(), ["made"], "nobody has written anything");
    line.write("still there?");
    world.run_for(20 * MS);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn a_program_that_ends_during_a_look_up_leaves_no_timer_behind() {
    let mut settings = WorldSettings::default();
    settings.lookup = Latency::Fixed(10 * SECOND);
    let world = World::with_settings(1, settings);
    let host = world.host("asker", |reactor| {
        drop(reactor.resolve("nobody.example"));
        let stopper = reactor.clone();
        reactor.call_later(SECOND, move || stopper.stop());
    });
    world.run_for(2 * SECOND);
    assert_eq!((host.state(), host.delayed_calls_left()), (HostState::Idle, 0));
}

#[test]
fn a_program_may_run_its_reactor_several_times_and_then_it_has_ended() {
    let (world, runs) = (world(1), Events::default());
    let mut settings = HostSettings::default();
    settings.runs = 3;
    let told = runs.clone();
    let host = world.host_with("again", settings, move |reactor| {
        told.note(format!("{} calls wait", reactor.delayed_call_count()));
        let stopper = reactor.clone();
        reactor.call_later(SECOND, move || stopper.stop());
        reactor.call_later(10 * SECOND, || {});
    });
    world.run_for(2 * SECOND + 500 * MS);
    // The same reactor: what waited when it stopped still waits.
    assert_eq!(runs.all(), ["0 calls wait", "1 calls wait", "2 calls wait"]);
    assert_eq!(host.state(), HostState::Running);
    world.run_for(SECOND);
    assert_eq!((host.state(), host.delayed_calls_left()), (HostState::Idle, 3));
    host.restart();
    assert_eq!(runs.all().last().unwrap(), "0 calls wait", "another program, with a reactor of its own");
    world.run_for(4 * SECOND);
    assert_eq!((runs.all().len(), host.state()), (6, HostState::Idle));
}

#[test]
fn a_crash_loses_unsent_bytes_and_a_kill_still_sends_them() {
    for (crash, expected) in [(true, 1460), (false, 100_000)] {
        let world = world(1);
        world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).bandwidth(10_000));
        let got = Rc::new(Cell::new(0));
        let count = got.clone();
        server(&world, &Events::default(), move |noting| {
            let count = count.clone();
            Noting { data: Box::new(move |_, data| count.set(count.get() + data.len())), ..noting }
        });
        let line = LastTransport::default();
        let keep = line.clone();
        let client = client(&world, &Events::default(), move |noting| keep.of(noting));
        world.run_for(SECOND);
        line.transport().write(&vec![7; 100_000]);
        world.run_for(100 * MS);
        if crash {
            client.crash()
        } else {
            client.kill()
        }
        world.run_for(100 * SECOND);
        if crash {
            // Segments that had left before the crash still arrive.
            assert!(got.get() >= expected, "{}", got.get());
        } else {
            assert_eq!(got.get(), expected);
        }
    }
}

#[test]
fn a_killed_programs_kernel_refuses_connections_and_ends_the_open_ones() {
    let world = world(1);
    let (server, _, answers, _) = pair(&world);
    server.kill();
    assert_eq!((server.state(), server.descriptor_count()), (HostState::Idle, 5));
    let late = Events::default();
    let noted = late.clone();
    world.host("late", move |reactor| {
        reactor.connect_tcp(("server", PORT), Once { events: noted.clone(), shape: plain });
    });
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "end", "lost Done", "client lost"]);
    assert!(late.all()[0].contains("refused"), "{:?}", late.all());
}

#[test]
fn a_restart_is_a_new_program_at_the_same_address() {
    let (world, starts) = (world(1), Rc::new(Cell::new(0)));
    let count = starts.clone();
    let server = world.host("server", move |reactor| {
        count.set(count.get() + 1);
        echo(reactor);
    });
    world.run_for(SECOND);
    let (address, first) = (server.address(), server.reactor().unwrap());
    server.restart();
    world.run_for(SECOND);
    assert_eq!((starts.get(), server.address(), server.state()), (2, address, HostState::Running));
    assert!(!first.running() && server.reactor().unwrap().running());
    assert!(first.listen_tcp("0.0.0.0:1", |_| Echo).is_err(), "the old process cannot do anything any more");
    let answers = Events::default();
    client(&world, &answers, saying("hello"));
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "data hello"]);
}

#[test]
fn a_crash_drops_what_the_program_held_and_its_destructors_reach_nobody() {
    struct Testament {
        events: Events,
        transport: Option<Transport>,
        reactor: Reactor,
    }
    impl Protocol for Testament {
        fn connection_made(&mut self, transport: &Transport) {
            self.transport = Some(transport.clone());
            // A reference cycle: the call holds the reactor that holds the call.
            let reactor = self.reactor.clone();
            self.reactor.call_later(1000 * SECOND, move || reactor.stop());
        }
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
        fn connection_lost(&mut self, _: &Reason) {
            self.events.note("lost");
        }
    }
    impl Drop for Testament {
        fn drop(&mut self) {
            self.events.note("dropped");
            self.transport.iter().for_each(|transport| transport.write(b"from beyond"));
            self.reactor.connect_tcp(("server", PORT), |_| Echo);
            assert!(self.reactor.listen_tcp("0.0.0.0:1", |_| Echo).is_err());
        }
    }
    let (world, events, dropped) = (world(1), Events::default(), Events::default());
    server(&world, &events, plain);
    let noted = dropped.clone();
    let client = world.host("client", move |reactor| {
        let (noted, reactor_) = (noted.clone(), reactor.clone());
        reactor.connect_tcp(("server", PORT), move |_| Testament {
            events: noted.clone(),
            transport: None,
            reactor: reactor_.clone(),
        });
    });
    world.run_for(SECOND);
    client.crash();
    assert_eq!(dropped.all(), ["dropped"], "at once, and without a connection_lost");
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made"]);
}

#[test]
fn a_program_that_crashes_its_own_host_finishes_its_turn_first() {
    let (world, events) = (world(1), Events::default());
    let host: Rc<RefCell<Option<Host>>> = Rc::default();
    let (this, noted) = (host.clone(), events.clone());
    let made = world.host("host", move |reactor| {
        let (this, noted) = (this.clone(), noted.clone());
        reactor.call_later(SECOND, move || {
            this.borrow().as_ref().expect("it is known by now").crash();
            noted.note("goes on");
        });
    });
    *host.borrow_mut() = Some(made.clone());
    world.run_for(2 * SECOND);
    assert_eq!((events.all(), made.state()), (vec!["goes on".to_owned()], HostState::Down));
}

#[test]
fn a_paused_program_does_nothing_while_its_kernel_accepts_and_buffers() {
    let world = world(1);
    let (server, _, answers, line) = pair(&world);
    let ticks = Rc::new(RefCell::new(Vec::new()));
    let (noted, reactor) = (ticks.clone(), server.reactor().unwrap());
    reactor.clone().call_later(SECOND, move || noted.borrow_mut().push(reactor.now()));
    let before = server.reactor().unwrap().now();
    world.run_for(MS);
    server.pause();
    line.write("hello");
    world.run_for(10 * SECOND);
    assert_eq!((answers.all(), ticks.borrow().len()), (vec!["made".to_owned()], 0));
    server.resume();
    world.run_for(MS);
    let now = before + 10 * SECOND + MS;
    assert_eq!(*ticks.borrow(), [now], "time went on during the pause");
    world.run_for(10 * MS);
    assert_eq!(answers.all(), ["made", "data hello"]);
}

#[test]
fn a_program_ends_in_the_usual_order_when_its_reactor_stops() {
    let (world, events) = (world(1), Events::default());
    let noted = events.clone();
    let host = server(&world, &events, plain);
    client(&world, &Events::default(), plain);
    let reactor = host.reactor().unwrap();
    for phase in [Phase::Before, Phase::During, Phase::After] {
        let noted = noted.clone();
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, move || noted.note(format!("{phase:?}")));
    }
    world.run_for(SECOND);
    reactor.stop();
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "Before", "During", "lost Done", "After"]);
    assert_eq!((host.state(), world.connection_count(), host.descriptor_count()), (HostState::Idle, 0, 5));
    assert!(host.reactor().is_none() && !reactor.running());
    assert_eq!(host.delayed_calls_left(), 0);
    host.restart();
    let _left = host.reactor().unwrap().call_later(1000 * SECOND, || {});
    host.terminate();
    world.run_for(SECOND);
    assert_eq!((host.state(), host.delayed_calls_left()), (HostState::Idle, 1));
}

#[test]
fn a_stop_waits_for_a_peer_that_does_not_read_only_until_its_timeout() {
    let (world, line) = (world(1), LastTransport::default());
    let keep = line.clone();
    let server = server(&world, &Events::default(), move |noting| keep.of(noting));
    let client = client(&world, &Events::default(), plain);
    world.run_for(SECOND);
    client.pause();
    line.transport().write(&vec![7; 2_000_000]);
    world.run_for(SECOND);
    server.terminate();
    world.run_for(1900 * MS);
    assert_eq!(server.state(), HostState::Running);
    world.run_for(200 * MS);
    assert_eq!(server.state(), HostState::Idle, "the reactor's stop_timeout is two seconds");
}

#[test]
fn signals_stop_a_program_and_kill_one_that_does_not_catch_them() {
    for (catches, kill, expected) in [(true, false, "lost Done"), (false, false, ""), (true, true, "lost Done")] {
        let (world, events) = (world(1), Events::default());
        let mut settings = HostSettings::default();
        settings.reactor.catch_signals = catches;
        let noted = events.clone();
        let host = world.host_with("server", settings, move |reactor| {
            let noted = noted.clone();
            reactor.listen_tcp("0.0.0.0:8007", move |_| Noting::new(&noted)).unwrap();
        });
        client(&world, &Events::default(), plain);
        world.run_for(SECOND);
        if kill {
            host.interrupt()
        } else {
            host.terminate()
        }
        world.run_for(SECOND);
        assert_eq!(host.state(), HostState::Idle);
        assert_eq!(events.all().get(1).map_or("", |event| event), expected);
    }
}

#[test]
fn a_paused_program_gets_its_signals_when_it_resumes_but_a_kill_at_once() {
    for catches in [true, false] {
        let world = world(1);
        let mut settings = HostSettings::default();
        settings.reactor.catch_signals = catches;
        let host = world.host_with("server", settings, echo);
        world.run_for(SECOND);
        host.pause();
        host.terminate();
        host.interrupt();
        world.run_for(SECOND);
        assert_eq!(host.state(), HostState::Paused);
        host.resume();
        world.run_for(SECOND);
        assert_eq!(host.state(), HostState::Idle);
        host.restart();
        world.run_for(SECOND);
        assert_eq!(host.state(), HostState::Running, "the signals were for the old process");
        host.pause();
        host.terminate();
        host.kill();
        assert_eq!(host.state(), HostState::Idle);
    }
}

#[test]
fn each_host_has_a_clock_that_may_be_wrong_or_jump_without_touching_its_timers() {
    let world = world(1);
    let (one, other) = (world.host("one", |_| {}), world.host("other", |_| {}));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200);
    assert_eq!((one.clock(), other.clock()), (start, start));
    other.set_clock(start - 3600 * SECOND);
    world.run_for(SECOND);
    assert_eq!((one.clock(), other.clock()), (start + SECOND, start - 3599 * SECOND));
    let reactor = one.reactor().unwrap();
    assert_eq!(reactor.system_time(), start + SECOND);
    let called = Rc::new(Cell::new(None));
    let (note, clock) = (called.clone(), reactor.clone());
    reactor.call_later(10 * SECOND, move || note.set(Some(clock.system_time())));
    world.run_for(5 * SECOND);
    one.set_clock(start + 86_400 * SECOND);
    assert_eq!(reactor.system_time(), start + 86_400 * SECOND);
    world.run_for(5 * SECOND);
    assert_eq!(called.get(), Some(start + 86_405 * SECOND));
    let mut settings = HostSettings::default();
    settings.clock = Some(start);
    let late = world.host_with("late", settings, move |reactor| assert_eq!(reactor.system_time(), start));
    world.run_for(SECOND);
    assert_eq!(late.clock(), start + SECOND);
}

#[test]
fn a_clock_set_between_two_turns_of_one_moment_is_seen() {
    let world = world(1);
    let times = Rc::new(RefCell::new(Vec::new()));
    let noted = times.clone();
    let host = world.host("host", move |reactor| {
        let (noted, clock) = (noted.clone(), reactor.clone());
        reactor.call_when_running(move || noted.borrow_mut().push(clock.system_time()));
    });
    world.run_for(Duration::ZERO);
    let later = host.clock() + 3600 * SECOND;
    host.set_clock(later);
    let (noted, clock) = (times.clone(), host.reactor().unwrap());
    clock.clone().call_when_running(move || noted.borrow_mut().push(clock.system_time()));
    world.run_for(Duration::ZERO);
    assert_eq!(*times.borrow(), [later - 3600 * SECOND, later]);
}

#[test]
fn a_call_due_earlier_than_the_ones_before_it_is_made_in_time() {
    let world = world(1);
    let host = world.host("host", |reactor| drop(reactor.call_later(100 * SECOND, || {})));
    world.run_for(SECOND);
    let (called, reactor) = (Rc::new(Cell::new(None)), host.reactor().unwrap());
    let (note, begin) = (called.clone(), reactor.now());
    let clock = reactor.clone();
    reactor.call_later(SECOND, move || note.set(Some(clock.now() - begin)));
    world.run_for(50 * SECOND);
    assert_eq!(called.get(), Some(SECOND));
}

#[test]
fn a_program_cannot_run_its_own_reactor() {
    let world = world(1);
    let host = world.host("host", |reactor| {
        for result in [reactor.run(), reactor.iterate(SECOND)] {
            assert!(result.unwrap_err().to_string().contains("is run by its world"));
        }
    });
    world.run_for(SECOND);
    let reactor = host.reactor().unwrap();
    assert!(reactor.running() && reactor.run().is_err(), "it runs already");
}

#[test]
#[should_panic(expected = "no time goes by")]
fn programs_that_never_wait_make_the_world_panic() {
    let world = world(1);
    fn again(reactor: &Reactor) {
        let next = reactor.clone();
        reactor.call_when_running(move || again(&next));
    }
    world.host("busy", again);
    world.run_for(SECOND);
}

#[test]
fn a_dropped_world_drops_everything_its_programs_hold() {
    let token = Rc::new(());
    for running in [false, true] {
        let world = world(1);
        let held = token.clone();
        world.host("server", move |reactor| {
            let (held, keeper) = (held.clone(), reactor.clone());
            let factory = move |_| {
                let _ = (&held, &keeper);
                Echo
            };
            reactor.listen_tcp("0.0.0.0:8007", factory).unwrap();
        });
        client(&world, &Events::default(), plain);
        if running {
            world.run_for(SECOND);
        }
        drop(world);
        assert_eq!(Rc::strong_count(&token), 1);
    }
}
