//! [`Waiting`]: what an unfired Deferred waits for, and what that one waits for, down to what has not been fired.

use super::held::Held;
use super::history::Place;
use super::root::{Gate, Root, WaitsOn};
use std::fmt;
use std::rc::Rc;

/// How many Deferreds are listed; of more there is only the number. Chains may wait for each other a million deep.
const LISTED: usize = 64;

/// What a Deferred waits for, recursively: what [`Deferred::waiting`](super::Deferred::waiting) gives. Made for a
/// person to read, with its [`Display`](fmt::Display).
///
/// ```
/// use reactor::{Deferred, deferred};
///
/// let (answer, firer) = Deferred::<u32>::new();
/// let page = deferred::succeed("question").add_callback(move |_| answer).add_callback(|n| Ok(n + 1));
/// let story = page.waiting().to_string();
/// assert_eq!(story.lines().count(), 3, "{story}");
/// // the Deferred made at src/main.rs:5:12 waits
/// //   for the one that the callback added at src/main.rs:5:43 gave back:
/// //   the Deferred made at src/main.rs:4:23 has not been fired
/// # drop(firer);
/// ```
#[derive(Debug, Clone)]
pub struct Waiting {
    lines: Vec<Line>,
    untold: usize,
}

#[derive(Debug, Clone)]
struct Line {
    depth: usize,
    /// How the one above came to wait for this one.
    link: LinkKind,
    made: Place,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum LinkKind {
    Top,
    GivenBackBy(Place),
    AwaitedAt(Place),
    Input,
}

#[derive(Debug, Clone, Copy)]
enum State {
    NotFired,
    Fired(Option<Place>),
    Paused(u32),
    Waits,
    /// A list, and how many of its inputs are still out.
    Inputs(usize),
    Coroutine,
}

/// How far one chain is: what its root can tell.
pub(super) struct Stage {
    made: Place,
    pauses: u32,
    pub(super) fired: Option<Place>,
    /// It has a firing end of its own.
    pub(super) has_head: bool,
    waits_on: Option<WaitsOn>,
    pub(super) inputs: Option<Vec<Held<dyn Root>>>,
    pub(super) awaits: Option<Vec<WaitsOn>>,
}

impl Stage {
    pub(super) fn of_gate(made: Place, gate: &Gate) -> Stage {
        Stage {
            made,
            pauses: gate.pauses(),
            fired: None,
            has_head: false,
            waits_on: gate.waits_on(),
            inputs: None,
            awaits: None,
        }
    }

    fn state(&self) -> State {
        match self {
            Stage { pauses: 1.., .. } => State::Paused(self.pauses),
            Stage { waits_on: Some(_), .. } => State::Waits,
            Stage { inputs: Some(inputs), .. } => State::Inputs(inputs.len()),
            Stage { awaits: Some(_), .. } => State::Coroutine,
            Stage { has_head: true, fired: None, .. } => State::NotFired,
            Stage { fired, .. } => State::Fired(*fired),
        }
    }
}

impl Waiting {
    /// For a Deferred that waits for nothing any more.
    pub(super) fn nothing(made: Place) -> Waiting {
        Waiting { lines: vec![Line { depth: 0, link: LinkKind::Top, made, state: State::Fired(None) }], untold: 0 }
    }

    /// For a chain by its root.
    pub(super) fn of_root(root: &Rc<dyn Root>) -> Waiting {
        let mut waiting = Waiting { lines: Vec::new(), untold: 0 };
        waiting.walk(vec![(0, LinkKind::Top, Rc::clone(root))]);
        waiting
    }

    fn walk(&mut self, mut rest: Vec<(usize, LinkKind, Rc<dyn Root>)>) {
        while let Some((depth, link, root)) = rest.pop() {
            let stage = root.stage();
            if self.lines.len() == LISTED {
                self.untold += 1;
                // The number alone is not worth a walk through a million of them.
                self.untold += rest.len();
                return;
            }
            self.lines.push(Line { depth, link, made: stage.made, state: stage.state() });
            let below = depth + 1;
            if let Some(waits) = stage.waits_on {
                rest.push((below, LinkKind::GivenBackBy(waits.by), waits.root.into_rc()));
            }
            for input in stage.inputs.into_iter().flatten().rev() {
                rest.push((below, LinkKind::Input, input.into_rc()));
            }
            for awaited in stage.awaits.into_iter().flatten().rev() {
                rest.push((below, LinkKind::AwaitedAt(awaited.by), awaited.root.into_rc()));
            }
        }
    }

    /// Where the Deferreds were made that all the waiting is for in the end, as far as they are listed.
    pub fn unfired(&self) -> impl Iterator<Item = Place> {
        self.lines.iter().filter(|line| matches!(line.state, State::NotFired)).map(|line| line.made)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines.iter().enumerate() {
            let indent = 2 * line.depth;
            if number > 0 {
                f.write_str("\n")?;
            }
            match line.link {
                LinkKind::Top => {}
                LinkKind::GivenBackBy(at) => {
                    writeln!(f, "{:indent$}for the one that the callback added at {at} gave back:", "")?;
                }
                LinkKind::AwaitedAt(at) => writeln!(f, "{:indent$}awaits, at {at}:", "")?,
                LinkKind::Input => writeln!(f, "{:indent$}for one of its inputs:", "")?,
            }
            let made = line.made;
            write!(f, "{:indent$}", "")?;
            match line.state {
                State::NotFired => write!(f, "the Deferred made at {made} has not been fired")?,
                State::Fired(None) => write!(f, "the Deferred made at {made} has its result")?,
                State::Fired(Some(at)) => write!(f, "the Deferred made at {made} was fired at {at}")?,
                State::Paused(1) => write!(f, "the Deferred made at {made} is paused")?,
                State::Paused(times) => write!(f, "the Deferred made at {made} is paused {times} times")?,
                State::Waits => write!(f, "the Deferred made at {made} waits")?,
                State::Inputs(left) => write!(f, "the list made at {made} waits for {left} more")?,
                State::Coroutine => write!(f, "the coroutine started at {made}")?,
            }
        }
        if self.untold > 0 {
            write!(f, "\n(and at least {} more)", self.untold)?;
        }
        Ok(())
    }
}
