//! The Deferred that can be typed in does what Twisted's does: of the oracle's programs it runs those that need no more
//! than it has, and leaves the recorded traces. `reactor/oracle/README.md` has the format.

#[path = "../../reactor/examples/deferred_replay/program.rs"]
#[expect(dead_code, reason = "a program has more than this Deferred can do")]
mod program;
#[path = "../../examples/tiny_deferred.rs"]
#[expect(dead_code, reason = "its main is for the example")]
mod tiny_deferred;

use program::{Act, Callbacks, Firing, Operation, Outcome, Place, Program, Then};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::rc::Rc;
use tiny_deferred::Deferred;

/// The Deferreds of one program, and what has happened to them.
struct World {
    numbers: Vec<u64>,
    deferreds: RefCell<Vec<Option<Deferred<i64>>>>,
    trace: RefCell<Vec<Value>>,
    told: Rc<RefCell<Vec<String>>>,
}

/// An error of a program: nothing but its name. To print it is to tell of it.
#[derive(Debug)]
struct Named {
    name: String,
    told: Rc<RefCell<Vec<String>>>,
}

impl Error for Named {}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.borrow_mut().push(self.name.clone());
        f.write_str(&self.name)
    }
}

impl World {
    /// The trace of a program.
    fn run(program: Program) -> Value {
        let deferreds = RefCell::new(vec![None; program.numbers.len()]);
        let world =
            Rc::new(World { numbers: program.numbers, deferreds, trace: RefCell::default(), told: Rc::default() });
        for operation in program.operations {
            world.operate(operation);
        }
        // With the Deferreds go the errors that nobody has handled.
        drop(world.deferreds.take());
        let mut names = world.told.take();
        names.sort_unstable();
        world.note(json!(["unhandled", names]));
        Value::Array(world.trace.take())
    }

    fn note(&self, event: Value) {
        self.trace.borrow_mut().push(event);
    }

    fn deferred(&self, place: Place) -> Deferred<i64> {
        self.deferreds.borrow()[place].clone().expect("it is made first")
    }

    fn outcome(&self, outcome: Outcome) -> tiny_deferred::Outcome<i64> {
        outcome.map_err(|name| Named { name, told: self.told.clone() }.into())
    }

    fn operate(self: &Rc<World>, operation: Operation) {
        match operation {
            Operation::New(place, _canceller) => self.deferreds.borrow_mut()[place] = Some(Deferred::new()),
            Operation::Add(place, id, callbacks) => {
                let deferred = self.deferred(place);
                let callback = |act| {
                    let world = self.clone();
                    move |result| world.call(id, act, result)
                };
                match callbacks {
                    Callbacks::Callback(act) => {
                        let call = callback(act);
                        deferred.add_callback(move |value| call(Ok(value)))
                    }
                    Callbacks::Errback(act) => {
                        let call = callback(act);
                        deferred.add_errback(move |error| call(Err(error)))
                    }
                    Callbacks::Both(act) => deferred.add_both(callback(act)),
                    Callbacks::SideBySide(act, other) => {
                        let (call, other) = (callback(act), callback(other));
                        deferred.add_both(move |result| if result.is_ok() { call(result) } else { other(result) })
                    }
                };
            }
            Operation::Fire(firing) => self.fire(firing),
            Operation::Cancel(_) | Operation::Pause(_) | Operation::Unpause(_) => unreachable!("it has none of these"),
        }
    }

    /// What every callback does.
    fn call(&self, id: i64, act: Act, result: tiny_deferred::Outcome<i64>) -> Deferred<i64> {
        self.note(match &result {
            Ok(value) => json!(["run", id, "ok", value]),
            Err(error) => json!(["run", id, "err", error.downcast_ref::<Named>().expect("ours").name]),
        });
        act.effects.into_iter().for_each(|effect| self.fire(effect));
        match act.then {
            Then::Pass => Deferred::fired(result),
            Then::Give(outcome) => Deferred::fired(self.outcome(outcome)),
            Then::Wait(place) => self.deferred(place),
        }
    }

    fn fire(&self, Firing { place, outcome }: Firing) {
        if self.deferred(place).fire(self.outcome(outcome)).is_err() {
            self.note(json!(["already", self.numbers[place]]));
        }
    }
}

#[test]
fn the_oracles_programs_leave_their_traces() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reactor/oracle/cases.jsonl");
    let cases = std::fs::read_to_string(path).expect("the oracle's cases are there");
    let (mut count, mut kinds) = (0, [0; 5]);
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).expect("a case is JSON");
        let program = Program::parse(&case["program"]).expect("a program");
        let is_beyond = |operation: &Operation| {
            matches!(operation, Operation::Cancel(_) | Operation::Pause(_) | Operation::Unpause(_))
        };
        if program.operations.iter().any(is_beyond) {
            continue;
        }
        count += 1;
        let text = case.to_string();
        let seen = ["\"ok\"", "\"err\"", "\"already\"", "[\"wait\"", "[\"unhandled\",[\""].map(|it| text.contains(it));
        kinds = std::array::from_fn(|kind| kinds[kind] + usize::from(seen[kind]));
        assert_eq!(World::run(program), case["trace"], "{}", case["program"]);
    }
    assert!(count >= 300 && kinds.iter().all(|kind| *kind >= 100), "only {count} programs, of the kinds {kinds:?}");
}
