//! Standard input and output of a simulated host.

use super::*;
use std::io::ErrorKind;

/// A host whose program speaks over its console.
fn machine(world: &World, shape: fn(Noting) -> Noting) -> (Host, Events) {
    let events = Events::default();
    let noted = events.clone();
    let host = world.host("machine", move |reactor| {
        reactor.open_standard_io(shape(Noting::new(&noted))).unwrap();
    });
    (host, events)
}

#[test]
fn what_is_typed_comes_in_and_what_is_written_is_shown() {
    let world = world(1);
    let (host, events) = machine(&world, echoing);
    let console = host.console();
    console.type_in("one\n");
    world.run_for(MS);
    assert_eq!(console.take_output(), b"one\n");
    console.type_in("two\n");
    console.end_input();
    console.type_in("after the end");
    world.run_for(MS);
    assert_eq!(console.take_output(), b"two\n");
    assert_eq!(events.all(), ["made", "data one\ntwo\n", "end", "lost Done"]);
    assert!(!console.output_has_ended(), "the program runs on, and may print");
}

#[test]
fn a_script_types_while_the_world_runs_and_each_seed_repeats() {
    let run = |seed| {
        let world = world(seed);
        world.keep_trace(100);
        let (host, events) = machine(&world, echoing);
        for second in 1..4 {
            let console = host.console();
            world.call_later(SECOND * second, move |world| console.type_in(format!("{}", world.random() % 1000)));
        }
        world.run_for(5 * SECOND);
        (events.all(), world.trace_hash(), world.trace().join("\n"))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).1, run(2).1);
    assert!(run(1).2.contains("typed in: \""), "{}", run(1).2);
}

#[test]
fn output_that_nobody_takes_holds_the_program_up_and_not_the_world() {
    let world = world(1);
    let (host, events) = machine(&world, |noting| Noting {
        made: Box::new(|transport| {
            transport.write(&[b'x'; 200_000]);
            transport.lose_connection();
        }),
        ..noting
    });
    let console = host.console();
    let mut heard = Vec::new();
    for _ in 0..3 {
        world.run_for(SECOND);
        assert_eq!(events.all(), ["made"]);
        let output = console.take_output();
        assert_eq!(output.len(), 65_536);
        heard.extend(output);
    }
    world.run_for(SECOND);
    heard.extend(console.take_output());
    assert_eq!((heard.len(), events.all()), (200_000, vec!["made".to_owned(), "lost Done".to_owned()]));
}

#[test]
fn a_half_close_ends_the_output_and_the_input_goes_on() {
    let world = world(1);
    let (host, events) = machine(&world, |noting| Noting {
        made: Box::new(|transport| {
            transport.write(b"all");
            transport.lose_write_connection();
        }),
        ..noting
    });
    let console = host.console();
    world.run_for(MS);
    assert!(console.output_has_ended());
    console.close_output(); // Nobody writes any more, so nobody notices.
    console.type_in("more");
    world.run_for(MS);
    assert_eq!(
        (console.take_output(), events.all()),
        (b"all".to_vec(), vec!["made".to_owned(), "data more".to_owned()])
    );
}

#[test]
fn a_reader_that_goes_away_breaks_the_connection_at_once() {
    let world = world(1);
    let (host, events) = machine(&world, plain);
    host.console().type_in("last words");
    host.console().close_output();
    world.run_for(MS);
    assert_eq!(events.all(), ["made", "data last words", "lost Lost"]);
}

#[test]
fn one_connection_at_a_time_has_the_console() {
    let world = world(1);
    let events = Events::default();
    let noted = events.clone();
    world.host("machine", move |reactor| {
        let first = reactor.open_standard_io(Noting::new(&noted)).unwrap();
        let refused = reactor.open_standard_io(Noting::new(&noted)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
        first.lose_connection();
        let (reactor, noted) = (reactor.clone(), noted.clone());
        reactor.clone().call_later(SECOND, move || {
            reactor.open_standard_io(echoing(Noting::new(&noted))).unwrap();
        });
    });
    world.run_for(2 * SECOND);
    assert_eq!(events.all(), ["made", "lost Done", "made"]);
}

#[test]
fn what_was_typed_waits_for_the_next_program_after_a_kill_but_not_after_a_crash() {
    for (crashes, expected) in [(false, vec!["made", "made", "data unread"]), (true, vec!["made", "made"])] {
        let world = world(1);
        let (host, events) = machine(&world, |noting| Noting {
            // The first program reads nothing.
            made: match noting.events.all().is_empty() {
                true => Box::new(|transport| transport.pause_producing()),
                false => Box::new(|_| {}),
            },
            ..noting
        });
        host.console().type_in("unread");
        world.run_for(MS);
        if crashes {
            host.crash()
        } else {
            host.kill()
        }
        world.run_for(MS);
        assert!(host.console().output_has_ended());
        host.restart();
        world.run_for(MS);
        assert_eq!(events.all(), expected, "crashes: {crashes}");
    }
}
