//! Deferreds, coroutines and jobs of several hosts on one thread: each continues in a turn of its own host.

use super::*;
use reactor::Deferred;
use reactor::sim::Random;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that is pending once, and wakes the coroutine that awaits it at once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_coroutine_continues_in_a_turn_of_its_own_host() {
    let (world, events) = (world(1), Events::default());
    // The host that takes its turn now: each sets this first.
    let turn: Rc<Cell<&'static str>> = Rc::new(Cell::new("nobody"));
    for name in ["one", "two", "three"] {
        let (events, turn) = (events.clone(), turn.clone());
        world.host(name, move |reactor| {
            let (events, turn) = (events.clone(), turn.clone());
            reactor.call_later(SECOND, move || {
                turn.set(name);
                Deferred::from_future(async move {
                    Yield(false).await;
                    events.note(format!("{name} in the turn of {}", turn.get()));
                    Yield(false).await;
                    events.note(format!("{name} in the turn of {}", turn.get()));
                    Ok::<_, Failure>(())
                })
                .detach();
            });
        });
    }
    world.run_for(2 * SECOND);
    let expected = ["one", "one", "two", "two", "three", "three"].map(|name| format!("{name} in the turn of {name}"));
    assert_eq!(events.all(), expected);
}

#[test]
fn jobs_run_on_the_same_thread_after_their_time() {
    let mut settings = WorldSettings::default();
    settings.job = Latency::Fixed(30 * MS);
    let (world, events) = (World::with_settings(1, settings), Events::default());
    let noted = events.clone();
    let host = world.host("host", move |reactor| {
        let noted = noted.clone();
        let here = std::thread::current().id();
        let work: Deferred<bool> =
            reactor.defer_to_thread(move || Ok::<_, io::Error>(std::thread::current().id() == here));
        work.add_callback(move |same| noted.note(format!("same thread: {same}"))).detach();
    });
    world.run_for(29 * MS);
    assert!(events.all().is_empty());
    world.run_for(MS);
    assert_eq!(events.all(), ["same thread: true"]);
    assert_eq!(host.reactor().unwrap().delayed_call_count(), 0);
}

#[test]
fn the_job_of_a_program_that_was_killed_is_not_done() {
    let mut settings = WorldSettings::default();
    settings.job = Latency::Fixed(SECOND);
    let world = World::with_settings(1, settings);
    let done = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = done.clone();
    let host = world.host("host", move |reactor| {
        let count = count.clone();
        drop(reactor.defer_to_thread(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, io::Error>(())
        }));
    });
    world.run_for(500 * MS);
    host.restart();
    world.run_for(10 * SECOND);
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 1, "only the job of the second process");
}

#[test]
fn each_process_draws_random_numbers_that_other_hosts_do_not_change() {
    let draw = |others: usize| {
        let world = World::new(1);
        let drawn = Rc::new(RefCell::new(Vec::new()));
        let noted = drawn.clone();
        let host = world.host("first", move |reactor| noted.borrow_mut().push(reactor.random()));
        for number in 0..others {
            let noted = drawn.clone();
            world.host(&number.to_string(), move |reactor| noted.borrow_mut().push(reactor.random()));
        }
        host.restart();
        drawn.take()
    };
    let (alone, together) = (draw(0), draw(2));
    assert_eq!((alone[0], alone[1]), (together[0], together[3]));
    let mut all = together;
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
}

#[test]
fn a_handle_wakes_the_loop_of_a_host() {
    let (world, called) = (world(1), Rc::new(Cell::new(false)));
    let host = world.host("host", |_| {});
    world.run_for(SECOND);
    let handle = host.reactor().unwrap().handle();
    let running = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let note = running.clone();
    let seen = called.clone();
    world.call_later(SECOND, move |_| {
        handle.call_from_thread(move |_| note.store(true, std::sync::atomic::Ordering::Relaxed)).unwrap();
        seen.set(true);
    });
    world.run_for(SECOND);
    assert!(called.get() && running.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn the_numbers_for_workloads_follow_from_the_seed() {
    let numbers = |seed| {
        let world = World::new(seed);
        let mut random: Random = world.new_random();
        (world.random(), random.next_u64())
    };
    assert_eq!(numbers(1), numbers(1));
    assert_ne!(numbers(1), numbers(2));
}
