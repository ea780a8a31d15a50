//! Runs a program over real Deferreds and writes down what happens, event by event.
//!
//! ```text
//!   table: number -> handle (until it is handed over), Firer, pauses
//!      ^                 |
//!      +-- callbacks ----+   fire through the table, take handles out of it, write events
//! ```
//!
//! The table is never borrowed while a callback may run.

use super::program::{Act, Callbacks, Canceller, Firing, Operation, Outcome, Place, Program, Then};
use reactor::deferred::{self, Pause};
use reactor::testing::collect_unhandled;
use reactor::trace::{self, Trace};
use reactor::{CancelledError, Deferred, Failure, Firer};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::mem;
use std::rc::Rc;

/// How deep callbacks may fire one another: each level is on the stack, here as in Twisted, where Python ends it
/// somewhat earlier.
const NESTING_LIMIT: usize = 200;

/// Runs a program; gives back its trace, or what is wrong with the program.
#[allow(dead_code, reason = "not every crate that this file is part of uses it")]
pub(crate) fn replay(program: &Value) -> Result<Value, String> {
    run(program, None)
}

/// The same, and reports to `trace` what its Deferreds do until the program ends, with the program's own numbers as
/// names, and which failures nobody handled.
#[allow(dead_code, reason = "not every crate that this file is part of uses it")]
pub(crate) fn replay_traced(program: &Value, trace: &Trace) -> Result<Value, String> {
    run(program, Some(trace))
}

fn run(program: &Value, trace: Option<&Trace>) -> Result<Value, String> {
    let program = Program::parse(program)?;
    let world = Rc::new(World::new(&program.numbers));
    let mut done = Ok(());
    let unhandled = collect_unhandled(|| {
        let run = || {
            let done = world.run(program.operations);
            world.drop_results();
            done
        };
        done = match trace {
            Some(trace) => trace.during(run),
            None => run(),
        };
        world.end();
    });
    done?;
    let mut names: Vec<String> = unhandled.iter().map(name_of).collect();
    names.sort_unstable();
    world.note(json!(["unhandled", names]));
    Ok(Value::Array(world.trace.take()))
}

/// The Deferreds of one program, and what has happened to them.
struct World {
    table: RefCell<Vec<Entry>>,
    trace: RefCell<Vec<Value>>,
    /// The first thing that the program may not do, found while it ran.
    fault: RefCell<Option<String>>,
    /// The program has ended: callbacks that run now, because pauses end with it, do nothing.
    over: Cell<bool>,
    depth: Cell<usize>,
}

struct Entry {
    number: u64,
    handle: Handle,
    firer: Option<Firer<i64>>,
    /// Outlive the handle's stay in the table.
    pauses: Vec<Pause>,
    /// Whether the result was there before the first of `pauses`.
    fired_before_pause: bool,
    /// How many of its callbacks are running.
    running: usize,
}

enum Handle {
    NotMade,
    Here(Deferred<i64>),
    /// An operation has it; it comes back.
    InUse,
    HandedOver,
}

impl World {
    fn new(numbers: &[u64]) -> World {
        let entry = |&number| Entry {
            number,
            handle: Handle::NotMade,
            firer: None,
            pauses: Vec::new(),
            fired_before_pause: false,
            running: 0,
        };
        World {
            table: RefCell::new(numbers.iter().map(entry).collect()),
            trace: RefCell::new(Vec::new()),
            fault: RefCell::new(None),
            over: Cell::new(false),
            depth: Cell::new(0),
        }
    }

    fn entry(&self, place: Place) -> RefMut<'_, Entry> {
        RefMut::map(self.table.borrow_mut(), |table| &mut table[place])
    }

    fn note(&self, event: Value) {
        self.trace.borrow_mut().push(event);
    }

    fn run(self: &Rc<World>, operations: Vec<Operation>) -> Result<(), String> {
        for operation in operations {
            self.operate(operation)?;
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
        }
        Ok(())
    }

    fn operate(self: &Rc<World>, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::New(place, canceller) => {
                let (deferred, firer) = self.make(place, canceller);
                let mut entry = self.entry(place);
                entry.handle = Handle::Here(deferred);
                entry.firer = Some(firer);
            }
            Operation::Add(place, id, callbacks) => {
                let deferred = self.take(place)?;
                let next = self.add(deferred, place, id, callbacks);
                self.entry(place).handle = Handle::Here(next);
            }
            Operation::Fire(firing) => self.fire(firing)?,
            Operation::Cancel(place) => {
                let deferred = self.take(place)?;
                deferred.cancel();
                self.entry(place).handle = Handle::Here(deferred);
            }
            Operation::Pause(place) => {
                let mut deferred = self.take(place)?;
                let fired = deferred.has_fired();
                let pause = deferred.pause();
                let mut entry = self.entry(place);
                if entry.pauses.is_empty() {
                    entry.fired_before_pause = fired;
                }
                entry.pauses.push(pause);
                entry.handle = Handle::Here(deferred);
            }
            Operation::Unpause(place) => {
                let mut entry = self.entry(place);
                let number = entry.number;
                let pause = entry.pauses.pop();
                drop(entry);
                pause.ok_or_else(|| format!("Deferred {number} is not paused"))?.unpause();
            }
        }
        Ok(())
    }

    fn make(self: &Rc<World>, place: Place, canceller: Canceller) -> (Deferred<i64>, Firer<i64>) {
        trace::name_next(self.entry(place).number);
        let outcome = match canceller {
            Canceller::None => return Deferred::new(),
            Canceller::Nothing => None,
            Canceller::Fires(outcome) => Some(outcome),
        };
        let world = self.clone();
        Deferred::with_canceller(move |firer| {
            let number = world.entry(place).number;
            world.note(json!(["canceller", number]));
            if let Some(outcome) = outcome {
                world.fire_through(firer, number, outcome);
            }
        })
    }

    fn add(self: &Rc<World>, deferred: Deferred<i64>, place: Place, id: i64, callbacks: Callbacks) -> Deferred<i64> {
        let callback = |act| {
            let world = self.clone();
            move |result| world.call(place, id, act, result)
        };
        trace::name_next(id);
        match callbacks {
            Callbacks::Callback(act) => {
                let call = callback(act);
                deferred.add_callback(move |value| call(Ok(value)))
            }
            Callbacks::Errback(act) => {
                let call = callback(act);
                deferred.add_errback(move |failure| call(Err(failure)))
            }
            Callbacks::Both(act) => deferred.add_both(callback(act)),
            Callbacks::SideBySide(act, other) => {
                let (call, other) = (callback(act), callback(other));
                deferred.add_callbacks(move |value| call(Ok(value)), move |failure| other(Err(failure)))
            }
        }
    }

    /// What every callback does.
    fn call(&self, place: Place, id: i64, act: Act, result: Result<i64, Failure>) -> Deferred<i64> {
        if self.over.get() {
            return given(result);
        }
        self.note(match &result {
            Ok(value) => json!(["run", id, "ok", value]),
            Err(failure) => json!(["run", id, "err", name_of(failure)]),
        });
        self.entry(place).running += 1;
        self.depth.set(self.depth.get() + 1);
        let then = self.act(act);
        self.depth.set(self.depth.get() - 1);
        self.entry(place).running -= 1;
        match then {
            Ok(Given::Back) => given(result),
            Ok(Given::New(deferred)) => deferred,
            Err(fault) => {
                self.over.set(true);
                self.fault.borrow_mut().get_or_insert(fault);
                given(result)
            }
        }
    }

    fn act(&self, act: Act) -> Result<Given, String> {
        if self.depth.get() > NESTING_LIMIT {
            return Err(format!("its callbacks fire one another more than {NESTING_LIMIT} deep"));
        }
        for effect in act.effects {
            self.fire(effect)?;
        }
        Ok(match act.then {
            Then::Pass => Given::Back,
            Then::Give(outcome) => Given::New(given(outcome.map_err(failure))),
            Then::Wait(place) => Given::New(self.hand_over(place)?),
        })
    }

    fn fire(&self, Firing { place, outcome }: Firing) -> Result<(), String> {
        let entry = self.entry(place);
        let (number, firer) = (entry.number, entry.firer.clone());
        drop(entry);
        let firer = firer.ok_or_else(|| format!("Deferred {number} is not made yet"))?;
        self.fire_through(&firer, number, outcome);
        Ok(())
    }

    fn fire_through(&self, firer: &Firer<i64>, number: u64, outcome: Outcome) {
        if firer.fire(outcome.map_err(failure)).is_err() {
            self.note(json!(["already", number]));
        }
    }

    /// Takes a handle out of the table, for good unless it is put back.
    fn take(&self, place: Place) -> Result<Deferred<i64>, String> {
        let mut entry = self.entry(place);
        let number = entry.number;
        match mem::replace(&mut entry.handle, Handle::InUse) {
            Handle::Here(deferred) => Ok(deferred),
            Handle::NotMade => Err(format!("Deferred {number} is not made yet")),
            Handle::InUse => Err(format!("Deferred {number} is handed over while an operation on it runs")),
            Handle::HandedOver => Err(format!("Deferred {number} has been handed over")),
        }
    }

    fn hand_over(&self, place: Place) -> Result<Deferred<i64>, String> {
        let entry = self.entry(place);
        let (number, running) = (entry.number, entry.running > 0);
        drop(entry);
        if running {
            // Twisted gives the waiter a stale value then.
            return Err(format!("Deferred {number} is handed over while its callbacks run"));
        }
        let deferred = self.take(place)?;
        self.entry(place).handle = Handle::HandedOver;
        Ok(deferred)
    }

    /// Drops the results that no pause holds, at the end of the program: nobody has handled the failures among them.
    /// The Firers of the other Deferreds stay, so none of these is lost.
    fn drop_results(&self) {
        let mut table = self.table.borrow_mut();
        let has_result = |entry: &Entry| {
            matches!(&entry.handle, Handle::Here(deferred) if deferred.has_fired()) && entry.pauses.is_empty()
        };
        let done = table.iter_mut().filter(|entry| has_result(entry));
        let results: Vec<_> =
            done.map(|entry| (mem::replace(&mut entry.handle, Handle::HandedOver), entry.firer.take())).collect();
        drop(table);
        drop(results);
    }

    /// Drops all Deferreds, so that what nobody handled is reported.
    ///
    /// In Twisted a pause that nobody takes back lasts for ever, and a failure that came during it is not reported:
    /// it has not come to the end of its chain. Here pauses end with their guards, so such a failure is handled; all
    /// others find callbacks that do nothing any more.
    fn end(&self) {
        self.over.set(true);
        let mut table = self.table.take();
        for entry in &mut table {
            if !entry.pauses.is_empty()
                && !entry.fired_before_pause
                && let Handle::Here(deferred) = mem::replace(&mut entry.handle, Handle::InUse)
            {
                entry.handle = Handle::Here(deferred.add_errback(|_failure| Ok(0)));
            }
        }
        for entry in &mut table {
            entry.pauses.clear();
        }
    }
}

/// What a callback gives back.
enum Given {
    Back,
    New(Deferred<i64>),
}

fn given(result: Result<i64, Failure>) -> Deferred<i64> {
    match result {
        Ok(value) => deferred::succeed(value),
        Err(failure) => deferred::fail(failure),
    }
}

/// An error of a program: nothing but its name.
#[derive(Debug)]
struct Named(String);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Named {}

fn failure(name: String) -> Failure {
    Failure::new(Named(name))
}

/// The name that a trace has for this error.
fn name_of(failure: &Failure) -> String {
    match failure.check::<CancelledError>() {
        Some(CancelledError) => "CancelledError".to_owned(),
        None => failure.to_string(),
    }
}
