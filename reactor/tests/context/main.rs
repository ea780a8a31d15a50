//! Contexts: for each way in which work can be handed over, that it runs in the context of the code that asked for it.

#[path = "../util/driver.rs"]
mod driver;
#[path = "../util/mod.rs"]
mod util;

mod connections;
mod deferreds;
mod lines;
mod threads;
mod time;
mod values;

use reactor::Context;
use std::cell::RefCell;
use std::rc::Rc;

/// What the tests put into a context.
struct Id(u32);

/// Calls `f` in a context with this number.
fn inside<R>(id: u32, f: impl FnOnce() -> R) -> R {
    Context::current().with(Id(id)).run(f)
}

/// The number in the current context.
fn here() -> Option<u32> {
    Context::current().get::<Id>().map(|id| id.0)
}

/// What ran, and the number in its context.
#[derive(Clone, Default)]
struct Seen(Rc<RefCell<Vec<Note>>>);

type Note = (&'static str, Option<u32>);

impl Seen {
    fn note(&self, what: &'static str) {
        self.0.borrow_mut().push((what, here()));
    }

    /// A closure that notes when it runs.
    fn noting(&self, what: &'static str) -> impl Fn() + Clone + 'static {
        let seen = self.clone();
        move || seen.note(what)
    }

    fn has(&self, what: &str) -> bool {
        self.0.borrow().iter().any(|(noted, _)| *noted == what)
    }

    fn take(&self) -> Vec<Note> {
        self.0.take()
    }
}
