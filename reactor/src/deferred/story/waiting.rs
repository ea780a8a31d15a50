//! [`Waiting`]: what an unfired Deferred waits for, and what that waits for, down to the Deferreds that have not been
//! fired.
//!
//! Next: `../future.rs`, the public side of `async`.

use super::history::Place;
use std::fmt;
use std::rc::Rc;

/// How many Deferreds are listed. The others are only counted, as chains may wait for each other a million deep.
const MAX_LISTED: usize = 64;

/// What a Deferred waits for, recursively: what [`Deferred::waiting`](crate::Deferred::waiting) returns. Its
/// [`Display`](fmt::Display) is for a person to read.
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
    /// Why the one above waits for this one.
    why: Why,
    made: Place,
    state: Progress,
}

#[derive(Debug, Clone, Copy)]
enum Why {
    Top,
    GivenBackBy(Place),
    AwaitedAt(Place),
    Input,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    NotFired,
    Fired(Option<Place>),
    Paused(u32),
    Waits,
    /// A list, and how many of its inputs have not fired.
    Inputs(usize),
    Coroutine,
    /// A coroutine that nothing can wake.
    Lost,
}

/// A chain that can report how far it is.
pub(crate) trait TellsStatus {
    fn status(&self) -> Status;

    /// The number of the chain in a trace of what happens; 0 if nobody listened when it was made.
    fn number(&self) -> u64;
}

/// How far one chain is.
pub(crate) struct Status {
    pub(crate) made: Place,
    pub(crate) pauses: u32,
    pub(crate) fired: Option<Place>,
    /// Whether it has a firing end of its own.
    pub(crate) has_head: bool,
    /// The Deferred that a callback returned, and where that callback was added.
    pub(crate) waits_on: Option<Told>,
    /// Of a list: the inputs that have not fired.
    pub(crate) inputs: Option<Vec<Rc<dyn TellsStatus>>>,
    /// Of a coroutine: what it awaits, and where.
    pub(crate) awaits: Option<Vec<Told>>,
    /// Of a coroutine: whether nothing can wake it.
    pub(crate) is_lost: bool,
}

/// A chain that another one waits for, and the place in the source that says so.
type Told = (Rc<dyn TellsStatus>, Place);

impl Status {
    pub(crate) fn new(made: Place, pauses: u32) -> Status {
        Status {
            made,
            pauses,
            fired: None,
            has_head: false,
            waits_on: None,
            inputs: None,
            awaits: None,
            is_lost: false,
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Status { pauses: 1.., .. } => Progress::Paused(self.pauses),
            Status { waits_on: Some(_), .. } => Progress::Waits,
            Status { inputs: Some(inputs), .. } => Progress::Inputs(inputs.len()),
            Status { awaits: Some(_), .. } => Progress::Coroutine,
            Status { is_lost: true, .. } => Progress::Lost,
            Status { has_head: true, fired: None, .. } => Progress::NotFired,
            Status { fired, .. } => Progress::Fired(*fired),
        }
    }
}

impl Waiting {
    /// The answer of a Deferred that waits for nothing any more.
    pub(crate) fn nothing(made: Place) -> Waiting {
        Waiting { lines: vec![Line { depth: 0, why: Why::Top, made, state: Progress::Fired(None) }], untold: 0 }
    }

    /// The answer of a chain.
    pub(crate) fn of(chain: Rc<dyn TellsStatus>) -> Waiting {
        let mut waiting = Waiting { lines: Vec::new(), untold: 0 };
        waiting.walk(vec![(0, Why::Top, chain)]);
        waiting
    }

    fn walk(&mut self, mut rest: Vec<(usize, Why, Rc<dyn TellsStatus>)>) {
        while let Some((depth, why, chain)) = rest.pop() {
            let status = chain.status();
            if self.lines.len() == MAX_LISTED {
                self.untold += 1;
                // Not counted to the end: that could be a walk through a million of them.
                self.untold += rest.len();
                return;
            }
            self.lines.push(Line { depth, why, made: status.made, state: status.progress() });
            let below = depth + 1;
            if let Some((inner, by)) = status.waits_on {
                rest.push((below, Why::GivenBackBy(by), inner));
            }
            for input in status.inputs.into_iter().flatten().rev() {
                rest.push((below, Why::Input, input));
            }
            for (awaited, at) in status.awaits.into_iter().flatten().rev() {
                rest.push((below, Why::AwaitedAt(at), awaited));
            }
        }
    }

    /// Where the unfired Deferreds at the end of all the waiting were made, as far as they are listed.
    pub fn unfired(&self) -> impl Iterator<Item = Place> {
        self.lines.iter().filter(|line| matches!(line.state, Progress::NotFired)).map(|line| line.made)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines.iter().enumerate() {
            let indent = 2 * line.depth;
            if number > 0 {
                f.write_str("\n")?;
            }
            match line.why {
                Why::Top => {}
                Why::GivenBackBy(at) => {
                    writeln!(f, "{:indent$}for the one that the callback added at {at} gave back:", "")?;
                }
                Why::AwaitedAt(at) => writeln!(f, "{:indent$}awaits, at {at}:", "")?,
                Why::Input => writeln!(f, "{:indent$}for one of its inputs:", "")?,
            }
            let made = line.made;
            write!(f, "{:indent$}", "")?;
            match line.state {
                Progress::NotFired => write!(f, "the Deferred made at {made} has not been fired")?,
                Progress::Fired(None) => write!(f, "the Deferred made at {made} has its result")?,
                Progress::Fired(Some(at)) => write!(f, "the Deferred made at {made} was fired at {at}")?,
                Progress::Paused(1) => write!(f, "the Deferred made at {made} is paused")?,
                Progress::Paused(times) => write!(f, "the Deferred made at {made} is paused {times} times")?,
                Progress::Waits => write!(f, "the Deferred made at {made} waits")?,
                Progress::Inputs(left) => write!(f, "the list made at {made} waits for {left} more")?,
                Progress::Coroutine => write!(f, "the coroutine started at {made}")?,
                Progress::Lost => write!(f, "the coroutine started at {made} will never end: nothing can wake it")?,
            }
        }
        if self.untold > 0 {
            write!(f, "\n(and at least {} more)", self.untold)?;
        }
        Ok(())
    }
}
