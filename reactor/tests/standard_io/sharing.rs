//! One connection at a time has the descriptors, and leaves them as they were: for the next, for std, and for the exit.

use crate::events::Events;
use crate::program::{Running, echo, open, program, reactor, run};
use reactor::Reactor;
use std::io::{self, ErrorKind, Write};
use std::process::Stdio;

#[test]
fn a_second_connection_is_refused_while_the_first_is_open_on_any_reactor() {
    let work = || {
        let (reactor, events) = (reactor(), Events::default());
        let _first = open(&reactor, &events, echo);
        let other = Reactor::new().unwrap();
        for reactor in [&reactor, &other] {
            let error = reactor.open_standard_io(crate::events::Noting::new(&events)).unwrap_err();
            eprintln!("{:?}: {error}", error.kind());
        }
        reactor.run().unwrap();
        eprintln!("{:?}", events.all());
        run(&other, |_| {}); // Now they are free. A pipe stays at its end.
    };
    let name = "sharing::a_second_connection_is_refused_while_the_first_is_open_on_any_reactor";
    let told = Running::start(program(name, work)).finish();
    let busy = format!("{:?}: a connection of this process has them already", ErrorKind::ResourceBusy);
    let first = "[\"made\", \"end\", \"lost Done\"]";
    assert_eq!(told, [&*busy, &*busy, first, "made", "end", "lost Done"]);
}

#[test]
fn input_that_a_connection_did_not_take_is_there_for_the_next_and_for_std() {
    let work = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).unwrap(); // std now holds what follows.
        eprintln!("std: {}", line.trim());
        let reactor = reactor();
        for _ in 0..2 {
            let events = Events::default();
            let transport = open(&reactor, &events, |noting| {
                noting.made = Box::new(|transport| transport.lose_connection());
            });
            reactor.run().unwrap();
            eprintln!("{:?} {}", events.all(), transport.buffered());
        }
        line.clear();
        io::stdin().read_line(&mut line).unwrap();
        eprintln!("std: {}", line.trim());
        run(&reactor, |_| {});
    };
    let mut program = Running::start(program(
        "sharing::input_that_a_connection_did_not_take_is_there_for_the_next_and_for_std",
        work,
    ));
    program.input.take().unwrap().write_all(b"one\ntwo\nthree\n").unwrap();
    let nothing = "[\"made\", \"lost Done\"] 0";
    let expected = ["std: one", nothing, nothing, "std: two", "made", "data three\\n", "end", "lost Done"];
    assert_eq!(program.finish(), expected);
}

#[test]
fn a_thread_that_waits_since_the_first_connection_serves_the_second() {
    let work = || {
        let reactor = reactor();
        run(&reactor, |noting| noting.made = Box::new(|transport| transport.lose_connection()));
        run(&reactor, |noting| {
            noting.made = Box::new(|_| eprintln!("the second has begun"));
        });
    };
    let mut program =
        Running::start(program("sharing::a_thread_that_waits_since_the_first_connection_serves_the_second", work));
    assert_eq!([program.told(), program.told(), program.told()], ["made", "lost Done", "the second has begun"]);
    program.input.as_mut().unwrap().write_all(b"for the second").unwrap();
    assert_eq!(program.finish(), ["made", "data for the second", "end", "lost Done"]);
}

#[test]
fn a_connection_after_an_abort_writes_after_the_piece_that_was_on_its_way() {
    let work = || {
        let reactor = reactor();
        let (stopper, events) = (reactor.clone(), Events::default());
        let transport = open(&reactor, &events, |_| {});
        transport.write(&[b'x'; 1_000_000]);
        reactor.call_when_running(move || stopper.stop());
        reactor.run().unwrap(); // Nobody reads: it ends by an abort, and a piece hangs in the system.
        eprintln!("{:?}", events.all());
        run(&reactor, |noting| noting.made = Box::new(|transport| transport.write(b"the second")));
    };
    let mut program = Running::start(program(
        "sharing::a_connection_after_an_abort_writes_after_the_piece_that_was_on_its_way",
        work,
    ));
    assert_eq!(program.told(), "[\"made\", \"lost Aborted\"]");
    program.input = None;
    let heard = program.output();
    let (first, second) = heard.split_at(heard.len() - "the second".len());
    assert!(first.bytes().all(|byte| byte == b'x') && first.len() < 1_000_000, "{}", first.len());
    assert_eq!(second, "the second");
    assert_eq!(program.finish(), ["made", "end", "lost Done"]);
}

#[test]
fn output_that_was_ended_stays_ended() {
    let work = || {
        let reactor = reactor();
        run(&reactor, |noting| {
            noting.made = Box::new(|transport| {
                transport.lose_write_connection();
                transport.lose_connection();
            });
        });
        run(&reactor, |noting| noting.made = Box::new(|transport| transport.write(b"too late")));
        run(&reactor, |noting| noting.made = Box::new(|transport| transport.lose_write_connection()));
    };
    let mut program = Running::start(program("sharing::output_that_was_ended_stays_ended", work));
    assert_eq!(program.output(), "");
    assert_eq!(program.finish(), ["made", "lost Done", "made", "lost Lost", "made", "end", "lost Done"]);
}

#[test]
fn a_reactor_that_is_dropped_gives_them_back() {
    let work = || {
        let (first, events) = (reactor(), Events::default());
        drop(first.open_standard_io(crate::events::Noting::new(&events)).unwrap());
        drop(first);
        run(&reactor(), echo);
    };
    let mut program = Running::start(program("sharing::a_reactor_that_is_dropped_gives_them_back", work));
    program.input.take().unwrap().write_all(b"hello").unwrap();
    assert_eq!(program.output(), "hello");
    assert_eq!(program.finish(), ["made", "data hello", "end", "lost Done"]);
}

#[test]
fn a_thread_that_waits_for_input_does_not_keep_the_process() {
    let work = || {
        let reactor = reactor();
        let stopper = reactor.clone();
        reactor.call_when_running(move || stopper.stop());
        run(&reactor, |_| {});
    };
    let mut program = Running::start(program("sharing::a_thread_that_waits_for_input_does_not_keep_the_process", work));
    let input = program.input.take();
    assert_eq!(program.finish(), ["made", "lost Done"]);
    drop(input); // Open to the end.
}

#[test]
fn a_program_that_panics_on_it_loses_that_connection_alone() {
    let work = || {
        let reactor = reactor();
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        reactor.quiet();
        run(&reactor, |noting| noting.data = Box::new(|_, _| panic!("on purpose")));
        std::panic::set_hook(quiet);
        println!("printed after it");
    };
    let mut command = program("sharing::a_program_that_panics_on_it_loses_that_connection_alone", work);
    command.stdin(Stdio::piped());
    let mut program = Running::start(command);
    program.input.as_mut().unwrap().write_all(b"boom").unwrap();
    assert_eq!(program.output(), "printed after it\n");
    assert_eq!(program.finish(), ["made", "data boom", "lost Panicked"]);
}
