//! What the tests of the lens share.

use lens::{Model, Trace};
use reactor::trace::{Event, Trace as Stream};
use std::cell::RefCell;
use std::rc::Rc;

/// The lines of a trace.
#[derive(Clone, Default)]
pub struct Lines(Rc<RefCell<String>>);

impl Lines {
    /// A trace that writes into these lines, with the usual values shown.
    pub fn stream(&self) -> Stream {
        let lines = self.0.clone();
        Stream::new(move |event: &Event<'_>| lines.borrow_mut().push_str(&(event.to_json() + "\n"))).show_values()
    }

    /// What they mean so far.
    pub fn model(&self) -> Model {
        model(&self.0.borrow())
    }

    /// The lines themselves.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Whether a line has this in it.
    pub fn has(&self, text: &str) -> bool {
        self.0.borrow().contains(text)
    }
}

/// What these lines of a trace mean.
pub fn model(text: &str) -> Model {
    Model::new(Trace::read_part(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}")))
}
