//! Calls from other threads, and work for them.

use super::util::until;
use super::{here, inside};
use reactor::Reactor;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

#[test]
fn a_call_from_a_thread_runs_in_the_context_of_the_code_on_that_thread() {
    let reactor = Reactor::new().unwrap();
    let seen: Arc<Mutex<Vec<Option<u32>>>> = Arc::default();
    let (handle, notes) = (reactor.handle(), seen.clone());
    let call = move |id| {
        let notes = notes.clone();
        let note = move |_: &Reactor| notes.lock().unwrap().push(here());
        match id {
            Some(id) => inside(id, || handle.call_from_thread(note)),
            None => handle.call_from_thread(note),
        }
    };
    thread::spawn(move || [Some(1), None, Some(2)].into_iter().try_for_each(call)).join().unwrap().unwrap();
    inside(9, || until(&reactor, "all calls", || seen.lock().unwrap().len() == 3));
    assert_eq!(*seen.lock().unwrap(), [Some(1), None, Some(2)]);
}

#[test]
fn work_on_a_thread_and_what_waits_for_it_run_in_the_context_of_the_code_that_wants_it() {
    let reactor = Reactor::new().unwrap();
    let work = |()| reactor.defer_to_thread(|| Ok::<_, io::Error>((here(), thread::current().id())));
    let answers = [Some(1), Some(2), None].map(|id| {
        let add = || work(()).add_callback(move |(there, thread)| Ok((there, here(), thread)));
        id.map_or_else(add, |id| inside(id, add))
    });
    for (answer, id) in answers.into_iter().zip([Some(1), Some(2), None]) {
        let (there, back_here, thread) = reactor.run_until(answer).unwrap();
        assert_eq!((there, back_here), (id, id));
        assert_ne!(thread, thread::current().id());
    }
}

#[test]
fn a_blocking_call_runs_in_the_context_of_the_thread_that_waits_for_it() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let thread = thread::spawn(move || {
        let answer = inside(1, || handle.blocking_call_from_thread(|_| Ok(here())));
        handle.call_from_thread(Reactor::stop).unwrap();
        answer
    });
    reactor.run().unwrap();
    assert_eq!(thread.join().unwrap().unwrap(), Some(1));
}
