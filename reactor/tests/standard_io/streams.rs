//! Bytes in and out over pipes: ends, half-closes, back-pressure, readers that go away.

use crate::events::{Events, Noting};
use crate::program::{Running, echo, open, program, reactor, run};
use reactor::policies::Bandwidth;
use reactor::{Address, Producer, Reason};
use std::cell::RefCell;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

#[test]
fn what_comes_in_goes_out_and_the_end_of_the_input_ends_it_after_the_last_byte() {
    let name = "streams::what_comes_in_goes_out_and_the_end_of_the_input_ends_it_after_the_last_byte";
    let mut echo = Running::start(program(name, || run(&reactor(), echo)));
    let sent: Vec<u8> = (0..4_000_000_u32).map(|n| b'a' + (n / 251 % 26) as u8).collect();
    let (mut input, bytes) = (echo.input.take().unwrap(), sent.clone());
    let writing = thread::spawn(move || input.write_all(&bytes).unwrap());
    let mut heard = Vec::new();
    echo.output.as_mut().unwrap().read_to_end(&mut heard).unwrap();
    writing.join().unwrap();
    assert!(heard == sent, "{} bytes of {} came back, or others", heard.len(), sent.len());
    let told = echo.finish(); // With pauses, because the test may have been slow to read.
    assert_eq!((told[0].as_str(), &told[told.len() - 2..]), ("made", &["end", "lost Done"].map(str::to_owned)[..]));
}

#[test]
fn a_line_is_answered_before_the_next_comes() {
    let mut echo =
        Running::start(program("streams::a_line_is_answered_before_the_next_comes", || run(&reactor(), echo)));
    for line in ["one\n", "two\n"] {
        echo.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        echo.output.as_mut().unwrap().read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    assert_eq!(echo.finish(), ["made", "data one\\ntwo\\n", "end", "lost Done"]);
}

#[test]
fn after_the_end_of_the_input_the_protocol_may_go_on_writing() {
    let work = || {
        run(&reactor(), |noting| {
            noting.end = Box::new(|transport| {
                transport.write(b"the sum");
                transport.lose_connection();
            });
        });
    };
    let mut program =
        Running::start(program("streams::after_the_end_of_the_input_the_protocol_may_go_on_writing", work));
    program.input.take().unwrap().write_all(b"1 2 3").unwrap();
    assert_eq!(program.output(), "the sum");
    assert_eq!(program.finish(), ["made", "data 1 2 3", "end", "lost Done"]);
}

#[test]
fn a_half_close_ends_the_output_while_the_input_goes_on() {
    let work = || {
        run(&reactor(), |noting| {
            noting.made = Box::new(|transport| {
                transport.write(b"all of it");
                transport.lose_write_connection();
            });
        });
        println!("printed after the end of the output");
    };
    let mut program = Running::start(program("streams::a_half_close_ends_the_output_while_the_input_goes_on", work));
    assert_eq!(program.output(), "all of it", "and the reader meets the end");
    program.output = None; // Its reader goes, which is nothing to a program that has ended its output.
    program.input.as_mut().unwrap().write_all(b"still read").unwrap();
    assert_eq!(program.finish(), ["made", "data still read", "end", "lost Done"]);
}

#[test]
fn a_program_that_only_reads_hears_at_once_that_the_reader_of_its_output_has_gone() {
    let name = "streams::a_program_that_only_reads_hears_at_once_that_the_reader_of_its_output_has_gone";
    let mut program = Running::start(program(name, || run(&reactor(), |_| {})));
    program.output = None;
    let input = program.input.take(); // It stays open: only the output tells.
    assert_eq!([program.told(), program.told()], ["made", "lost Lost"]);
    drop(input);
    program.finish();
}

#[test]
fn a_write_to_a_reader_that_has_gone_is_a_broken_pipe() {
    let work = || {
        run(&reactor(), |noting| {
            noting.data = Box::new(|transport, _| transport.write(b"anybody?"));
            let stop = std::mem::replace(&mut noting.lost, Box::new(|_| {}));
            noting.lost = lost_as(ErrorKind::BrokenPipe, stop);
        });
    };
    let mut program = Running::start(program("streams::a_write_to_a_reader_that_has_gone_is_a_broken_pipe", work));
    let mut input = program.input.take().unwrap();
    program.output = None;
    let _ = input.write_all(b"go on"); // It may have gone already.
    let told = program.finish();
    assert!(told.contains(&"kind true".to_owned()), "{told:?}");
}

/// Tells whether the connection was lost with this error.
fn lost_as(kind: ErrorKind, mut then: Box<dyn FnMut(&Reason)>) -> Box<dyn FnMut(&Reason)> {
    Box::new(move |reason| {
        eprintln!("kind {}", matches!(reason, Reason::Lost(error) if error.kind() == kind));
        then(reason);
    })
}

#[test]
fn a_reader_that_does_not_read_pauses_the_producer_and_the_input() {
    struct Told;
    impl Producer for Told {
        fn pause_producing(&self) {
            eprintln!("paused");
        }
        fn resume_producing(&self) {
            eprintln!("resumed");
        }
    }
    let work = || {
        run(&reactor(), |noting| {
            noting.made = Box::new(|transport| {
                transport.register_producer(Told);
                transport.write(&[b'x'; 1_000_000]);
                eprintln!("input is paused: {}", transport.is_paused());
                transport.unregister_producer();
                transport.register_producer(Told);
            });
            noting.end = Box::new(|transport| {
                transport.unregister_producer();
                transport.lose_connection();
            });
        });
    };
    let mut program =
        Running::start(program("streams::a_reader_that_does_not_read_pauses_the_producer_and_the_input", work));
    let mut input = program.input.take().unwrap();
    input.write_all(b"not read yet").unwrap();
    assert_eq!([program.told(), program.told()], ["input is paused: true", "paused"]);
    drop(input);
    assert_eq!(program.output().len(), 1_000_000);
    assert_eq!(program.finish(), ["resumed", "made", "resumed", "data not read yet", "end", "lost Done"]);
}

#[test]
fn a_run_does_not_end_before_its_last_byte_and_waits_for_no_reader_that_does_not_read() {
    // The system takes some of it; then nobody reads.
    let work = || {
        let (reactor, events) = (reactor(), Events::default());
        let transport = open(&reactor, &events, |_| {});
        let stopper = reactor.clone();
        reactor.call_when_running(move || stopper.stop());
        transport.write(&[b'x'; 1_000_000]);
        reactor.run().unwrap();
        eprintln!("{} of a million sent, {:?}", transport.bytes_sent() > 0, events.all());
    };
    let name = "streams::a_run_does_not_end_before_its_last_byte_and_waits_for_no_reader_that_does_not_read";
    let mut program = Running::start(program(name, work));
    assert_eq!(program.told(), "true of a million sent, [\"made\", \"lost Aborted\"]");
    program.finish();
}

#[test]
fn an_abort_throws_away_what_waits_and_leaves_the_program_free_to_print() {
    let work = || {
        let (reactor, events) = (reactor(), Events::default());
        let transport = open(&reactor, &events, |noting| {
            noting.made = Box::new(|transport| {
                transport.write(b"never seen");
                transport.abort_connection();
            });
        });
        reactor.run().unwrap();
        println!("printed, {:?}, at {:?}", events.all(), transport.peer() == Address::StandardIo);
    };
    let mut program =
        Running::start(program("streams::an_abort_throws_away_what_waits_and_leaves_the_program_free_to_print", work));
    assert_eq!(program.output(), "printed, [\"made\", \"lost Aborted\"], at true\n");
    program.finish();
}

#[test]
fn a_protocol_that_pauses_keeps_its_input_waiting() {
    let work = || {
        let seen: Rc<RefCell<usize>> = Rc::default();
        let reactor = reactor();
        let (counted, again) = (seen.clone(), reactor.clone());
        run(&reactor, |noting| {
            noting.data = Box::new(move |transport, data| {
                *counted.borrow_mut() += data.len();
                transport.pause_producing();
                let transport = transport.clone();
                again.call_when_running(move || transport.resume_producing());
            });
        });
        eprintln!("{}", seen.borrow());
    };
    let mut program = Running::start(program("streams::a_protocol_that_pauses_keeps_its_input_waiting", work));
    program.input.take().unwrap().write_all(&[b'x'; 300_000]).unwrap();
    let told = program.finish();
    assert_eq!(told.last().unwrap(), "300000");
    assert!(told.iter().filter(|line| *line == "resumed").count() > 2, "{}", told.len());
}

#[test]
fn a_limit_on_bandwidth_holds_bytes_back_and_loses_none() {
    let work = || {
        let (reactor, events) = (reactor(), Events::default());
        let stopper = reactor.clone();
        let limits = Bandwidth::new(&reactor).write_each(200_000).read_each(200_000).burst(Duration::ZERO);
        let mut noting = Noting { lost: Box::new(move |_| stopper.stop()), ..Noting::new(&events) };
        echo(&mut noting);
        reactor.open_standard_io(limits.wrap(noting)).unwrap();
        reactor.run().unwrap();
        eprintln!("{} {}", limits.counts().written, limits.counts().waits > 0);
    };
    let mut program = Running::start(program("streams::a_limit_on_bandwidth_holds_bytes_back_and_loses_none", work));
    let mut input = program.input.take().unwrap();
    let writing = thread::spawn(move || input.write_all(&[b'x'; 100_000]).unwrap());
    assert_eq!(program.output().len(), 100_000);
    writing.join().unwrap();
    assert_eq!(program.finish(), ["100000 true"]);
}
