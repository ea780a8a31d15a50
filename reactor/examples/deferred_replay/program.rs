//! A program over Deferreds, read from JSON: all that can be wrong with it before it runs is found here.
//!
//! Deferreds have numbers in the JSON and places in a table here: the numbers need not be dense.
//!
//! Next: `replay.rs`, which runs it.

use serde_json::Value;
use std::collections::HashMap;

/// Operations in order, and the numbers of the Deferreds that they are about.
pub(crate) struct Program {
    pub(crate) numbers: Vec<u64>,
    pub(crate) operations: Vec<Operation>,
}

/// A Deferred's place in [`Program::numbers`].
pub(crate) type Place = usize;

pub(crate) enum Operation {
    New(Place, Canceller),
    Add(Place, i64, Callbacks),
    Fire(Firing),
    Cancel(Place),
    Pause(Place),
    Unpause(Place),
}

pub(crate) enum Canceller {
    None,
    /// It is called, and leaves the Deferred as it is.
    Nothing,
    Fires(Outcome),
}

/// What is added to a Deferred in one step.
pub(crate) enum Callbacks {
    Callback(Act),
    Errback(Act),
    Both(Act),
    SideBySide(Act, Act),
}

/// What a callback does: it fires other Deferreds, and then gives something back.
pub(crate) struct Act {
    pub(crate) effects: Vec<Firing>,
    pub(crate) then: Then,
}

pub(crate) enum Then {
    Give(Outcome),
    /// Gives back what came in.
    Pass,
    /// Gives back a Deferred.
    Wait(Place),
}

pub(crate) struct Firing {
    pub(crate) place: Place,
    pub(crate) outcome: Outcome,
}

/// A value, or an error by its name.
pub(crate) type Outcome = Result<i64, String>;

impl Program {
    /// Reads a program, or says which operation is wrong and how.
    pub(crate) fn parse(program: &Value) -> Result<Program, String> {
        let program = program.as_array().ok_or_else(|| format!("a program is a list of operations, not {program}"))?;
        let mut reader = Reader { numbers: Vec::new(), places: HashMap::new() };
        for operation in program {
            if let Some([Value::String(name), d, ..]) = operation.as_array().map(Vec::as_slice)
                && name == "new"
            {
                reader.make(d).map_err(|what| format!("in {operation}: {what}"))?;
            }
        }
        let operations = program
            .iter()
            .map(|operation| reader.operation(operation).map_err(|what| format!("in {operation}: {what}")))
            .collect::<Result<_, _>>()?;
        Ok(Program { numbers: reader.numbers, operations })
    }
}

/// Knows the Deferreds that the program makes.
struct Reader {
    numbers: Vec<u64>,
    places: HashMap<u64, Place>,
}

impl Reader {
    fn make(&mut self, d: &Value) -> Result<(), String> {
        let number = deferred_number(d)?;
        if self.places.insert(number, self.numbers.len()).is_some() {
            return Err(format!("Deferred {number} is made twice"));
        }
        self.numbers.push(number);
        Ok(())
    }

    fn place(&self, d: &Value) -> Result<Place, String> {
        let number = deferred_number(d)?;
        self.places.get(&number).copied().ok_or_else(|| format!("there is no Deferred {number}"))
    }

    fn operation(&self, operation: &Value) -> Result<Operation, String> {
        let (name, operands) = named(operation, "an operation")?;
        Ok(match (name, operands) {
            ("new", [d, canceller]) => Operation::New(self.place(d)?, read_canceller(canceller)?),
            ("add", [d, id, on, act]) => {
                let (place, id, act) = (self.place(d)?, integer(id)?, self.act(act)?);
                let callbacks = match on.as_str() {
                    Some("callback") => Callbacks::Callback(act),
                    Some("errback") => Callbacks::Errback(act),
                    Some("both") => Callbacks::Both(act),
                    _ => return Err(format!(r#""callback", "errback" or "both" expected, not {on}"#)),
                };
                Operation::Add(place, id, callbacks)
            }
            ("add2", [d, id, callback, errback]) => {
                let callbacks = Callbacks::SideBySide(self.act(callback)?, self.act(errback)?);
                Operation::Add(self.place(d)?, integer(id)?, callbacks)
            }
            ("fire" | "fail", _) => Operation::Fire(self.firing(operation)?),
            ("cancel", [d]) => Operation::Cancel(self.place(d)?),
            ("pause", [d]) => Operation::Pause(self.place(d)?),
            ("unpause", [d]) => Operation::Unpause(self.place(d)?),
            ("new" | "add" | "add2" | "cancel" | "pause" | "unpause", _) => {
                return Err(format!("{} operands are not what {name:?} has", operands.len()));
            }
            _ => return Err(format!("unknown operation {name:?}")),
        })
    }

    fn act(&self, act: &Value) -> Result<Act, String> {
        let (Some(effects), Some(then)) = (act["do"].as_array(), act.get("then")) else {
            return Err(format!(r#"{{"do": [..], "then": ..}} expected, not {act}"#));
        };
        let effects = effects.iter().map(|effect| self.firing(effect)).collect::<Result<_, _>>()?;
        Ok(Act { effects, then: self.then(then)? })
    }

    fn firing(&self, firing: &Value) -> Result<Firing, String> {
        Ok(match named(firing, "a firing")? {
            ("fire", [d, value]) => Firing { place: self.place(d)?, outcome: Ok(integer(value)?) },
            ("fail", [d, name]) => Firing { place: self.place(d)?, outcome: Err(error_name(name)?) },
            _ => return Err(format!(r#"["fire", d, n] or ["fail", d, name] expected, not {firing}"#)),
        })
    }

    fn then(&self, then: &Value) -> Result<Then, String> {
        Ok(match named(then, "an outcome")? {
            ("return", [value]) => Then::Give(Ok(integer(value)?)),
            ("raise", [name]) => Then::Give(Err(error_name(name)?)),
            ("pass", []) => Then::Pass,
            ("wait", [d]) => Then::Wait(self.place(d)?),
            _ => return Err(format!("unknown outcome {then}")),
        })
    }
}

fn read_canceller(canceller: &Value) -> Result<Canceller, String> {
    if canceller.is_null() {
        return Ok(Canceller::None);
    }
    if canceller == "nothing" {
        return Ok(Canceller::Nothing);
    }
    Ok(match named(canceller, "a canceller")? {
        ("value", [value]) => Canceller::Fires(Ok(integer(value)?)),
        ("error", [name]) => Canceller::Fires(Err(error_name(name)?)),
        _ => return Err(format!("unknown canceller {canceller}")),
    })
}

/// A list that starts with a name: the name and what follows it.
fn named<'a>(value: &'a Value, what: &str) -> Result<(&'a str, &'a [Value]), String> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), operands @ ..]) => Ok((name, operands)),
        _ => Err(format!("{what} is a list that starts with a name, not {value}")),
    }
}

fn deferred_number(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("a Deferred's number expected, not {value}"))
}

fn integer(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("an integer of 64 bits expected, not {value}"))
}

fn error_name(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("an error's name expected, not {value}"))
}
