//! Deferreds: failures that nobody handles, and Firers that fire twice or never.

use crate::told::{self, Speaker, stop_soon, told_by};
use reactor::{Deferred, Failure, Protocol, Reactor, Transport, react};
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// The place of the line in this file that ends with this comment.
fn place(comment: &str) -> String {
    told::place(include_str!("firing.rs"), "firing", comment)
}

#[test]
fn a_forgotten_errback() {
    let told = told_by("firing::a_forgotten_errback", || {
        let (answer, firer) = Deferred::<u32>::new();
        answer.add_callback(|n| Ok(n + 1)).detach(); // forgotten
        firer.errback(Failure::msg("no answer")).unwrap(); // failed
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["no answer", &place("forgotten"), &place("failed")]);
}

#[test]
fn a_firer_that_is_dropped_before_callbacks_are_added() {
    let told = told_by("firing::a_firer_that_is_dropped_before_callbacks_are_added", || {
        fn ask() -> Deferred<u32> {
            Deferred::new().0 // unfired
        }
        let reactor = Reactor::new().unwrap();
        let answer = ask().add_callback(|n| println!("{n}"));
        stop_soon(&reactor);
        reactor.run().unwrap();
        drop(answer);
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("unfired")]);
}

#[test]
fn a_firer_that_is_dropped_after_callbacks_were_added() {
    let told = told_by("firing::a_firer_that_is_dropped_after_callbacks_were_added", || {
        let (answer, firer) = Deferred::<u32>::new(); // dropped
        let answer = answer.add_callback(|n| println!("{n}"));
        drop(firer);
        drop(answer);
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("dropped")]);
}

#[test]
fn a_firer_that_is_dropped_first_in_a_program_without_a_loop() {
    let told = told_by("firing::a_firer_that_is_dropped_first_in_a_program_without_a_loop", || {
        let (answer, firer) = Deferred::<u32>::new(); // without a loop
        drop(firer);
        drop(answer.add_callback(|n| println!("{n}")));
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never fire", &place("without a loop")]);
}

#[test]
fn a_coroutine_that_nothing_can_wake() {
    let told = told_by("firing::a_coroutine_that_nothing_can_wake", || {
        let (question, firer) = Deferred::<u32>::new();
        let body = async move {
            question.await?;
            std::future::pending().await
        };
        let answer = Deferred::<u32>::from_future(body); // asleep
        let answer = answer.add_callback(|n| println!("{n}"));
        firer.callback(1).unwrap();
        assert!(answer.waiting().to_string().contains("nothing can wake it"), "{}", answer.waiting());
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["will never end", "nothing can wake it", &place("asleep")]);
}

#[test]
fn a_second_firing() {
    let told = told_by("firing::a_second_firing", || {
        let (answer, firer) = Deferred::<u32>::new(); // made
        answer.detach();
        for n in [1, 2, 3] {
            let _ = firer.callback(n); // fired
        }
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["a second time", &place("made"), &place("fired")]);
}

#[test]
fn a_second_firing_after_a_time_limit() {
    let told = told_by("firing::a_second_firing_after_a_time_limit", || {
        let clock = reactor::testing::ManualClock::new();
        let pending = || {
            let (answer, firer) = Deferred::<u32>::new(); // limited
            answer.add_timeout(Duration::from_secs(1), &clock).add_errback(|_late| Ok(0)).detach();
            firer
        };
        let (once, twice) = (pending(), pending());
        clock.advance(Duration::from_secs(1));
        once.callback(1).unwrap(); // It comes late, and could not know.
        twice.callback(1).unwrap();
        twice.callback(2).unwrap_err(); // fired twice
    });
    let Some(told) = told else { return };
    let parts = ["a second time", &place("limited"), &place("fired twice"), "it was cancelled at"];
    told.expect_one_message(&parts);
}

#[test]
fn a_second_late_firing_after_a_cancel() {
    let told = told_by("firing::a_second_late_firing_after_a_cancel", || {
        let (answer, firer) = Deferred::<u32>::with_canceller(|_| {}); // cancelled
        answer.cancel();
        answer.add_errback(|_cancelled| Ok(0)).detach();
        firer.callback(1).unwrap_err();
        firer.callback(2).unwrap_err(); // late again
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["a second time", &place("cancelled"), &place("late again"), "it was cancelled at"]);
}

#[cfg(debug_assertions)]
#[test]
fn what_the_end_of_a_run_leaves_unfired() {
    let told = told_by("firing::what_the_end_of_a_run_leaves_unfired", || {
        let firers: Rc<RefCell<Vec<reactor::Firer<u32>>>> = Rc::default();
        let reactor = Reactor::new().unwrap();
        let mut pages = Vec::new();
        for _ in 0..3 {
            let (answer, firer) = Deferred::<u32>::new(); // left
            firers.borrow_mut().push(firer);
            let page = reactor::deferred::succeed(()).add_callback(move |()| answer); // waits
            pages.push(page.add_callback(|n| Ok(n + 1)));
        }
        reactor::task::sleep(&reactor, Duration::from_secs(60)).detach(); // A stop cuts it short.
        let (_unheard, _firer) = Deferred::<u32>::new();
        stop_soon(&reactor);
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    told.expect_one_message(&["3 times", &place("left"), &place("waits"), "has not been fired"]);
}

#[test]
fn what_a_program_does_not_hear_of() {
    let told = told_by("firing::what_a_program_does_not_hear_of", || {
        // Both ends go, and nothing waited.
        let (_answer, _firer) = Deferred::<u32>::new();
        // A late result of work that was cancelled.
        let (answer, firer) = Deferred::<u32>::with_canceller(|_| {});
        answer.cancel();
        answer.add_errback(|_cancelled| Ok(0)).detach();
        let _ = firer.callback(1);
        // A write to a peer that has closed; timers and pending Deferreds that a stop cuts short.
        fn leave(transport: &Transport) {
            transport.lose_connection();
        }
        struct Late(Reactor);
        impl Protocol for Late {
            fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
            fn read_connection_lost(&mut self, transport: &Transport) {
                transport.lose_connection();
                let transport = transport.clone();
                self.0.call_later(Duration::ZERO, move || transport.write(b"late"));
            }
        }
        let code = react(|reactor| {
            let late = reactor.clone();
            let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Late(late.clone())).unwrap();
            reactor.connect_tcp(port.host(), |_peer| Speaker { greeting: b"hello", then: leave });
            let (never, firer) = Deferred::<()>::new();
            never.add_callback(|()| Ok(())).detach();
            reactor.call_later(Duration::from_secs(60), move || drop(firer));
            reactor::task::sleep(reactor, Duration::from_millis(20))
        });
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    });
    let Some(told) = told else { return };
    let text = told.without_logger.split("reactor: warning: the run has ended").next().unwrap();
    assert!(!text.contains("reactor: "), "{text}");
}

#[test]
fn failures_of_the_library_are_raised_at_a_line_of_the_program() {
    let told = told_by("firing::failures_of_the_library_are_raised_at_a_line_of_the_program", || {
        let reactor = Reactor::new().unwrap();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let name = format!("{}.invalid", "x".repeat(64));
        reactor.connect(nobody, |_peer| Speaker { greeting: b"", then: |_| {} }).detach(); // to nobody
        reactor.connect((&*name, 80), |_peer| Speaker { greeting: b"", then: |_| {} }).detach(); // to no name
        reactor.resolve(&name).detach(); // name
        let fails = |_: reactor::task::Tick<'_>| -> Result<(), Failure> { Err(Failure::msg("no more")) };
        reactor::task::LoopingCall::start(&reactor, Duration::from_millis(1), fails).1.detach(); // fails
        reactor.defer_to_thread(|| "x".parse::<u8>()).detach(); // parses
        let stopper = reactor.clone();
        reactor
            .resolve(&name)
            .add_both(move |_| {
                reactor::task::sleep(&stopper.clone(), Duration::from_millis(20)).add_callback(move |()| stopper.stop())
            })
            .detach();
        reactor.run().unwrap();
    });
    let Some(told) = told else { return };
    let text = &told.without_logger;
    for comment in ["to nobody", "to no name", "name", "fails", "parses"] {
        assert!(text.contains(&place(comment)), "no {comment}: {text}");
    }
    assert!(!text.contains("reactor/src/"), "{text}");
}
