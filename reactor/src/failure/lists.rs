//! What lists and races fail with: [`FirstError`] and [`FailureGroup`], and how they are shown to a person.
//!
//! Lists wait for lists, so there may be a failure in a failure in a failure, a million deep, and groups of groups of
//! them. Nothing here recurses on that. A message names the outermost lists and the innermost ones, the number of those
//! between them, and the error that began it:
//!
//! ```text
//!   input 1 failed: input 1 failed: (999996 lists further in) input 1 failed: input 0 failed: boom
//! ```
//!
//! Next: `inside.rs`, how they are dropped without recursion.

use super::Failure;
use std::error::Error;
use std::fmt;
use std::iter;

/// What [`gather_results`](crate::deferred::gather_results) fails with: the first failure of an input. Its causes
/// ([`Error::source`]) are those of that failure; if that is a `FirstError` too, those of the innermost one.
///
/// If many are inside each other, the message names only the outermost and the innermost ones.
#[derive(Clone)]
pub struct FirstError {
    /// The index of the input that failed.
    pub index: usize,
    /// What it failed with.
    pub failure: Failure,
}

/// All inputs of a [`race`](crate::deferred::race) have failed: their failures, in the order of the inputs.
///
/// The message shows only the first few of them, and of groups inside groups only the outer ones.
#[derive(Clone)]
pub struct FailureGroup(pub Vec<Failure>);

/// Maximum number of failures of a group that a message shows. There may be a million.
pub(super) const MAX_TOLD_OF_GROUP: usize = 5;

/// Maximum number of groups inside each other that a message shows, as each may show [`MAX_TOLD_OF_GROUP`] others. Of
/// those further in it shows only the error that began it.
pub(super) const MAX_GROUPS_DEEP: usize = 2;

/// If there are too many [`FirstError`]s inside each other, a message shows this many of the outermost and of the
/// innermost.
const MAX_ENDS_TOLD: usize = 4;

/// Maximum depth to which `Debug` shows either inside each other.
const MAX_SHOWN_DEEP: usize = 4;

/// This error, the `FirstError` inside it, the one inside that, and so on.
fn firsts(first: &FirstError) -> impl Iterator<Item = &FirstError> {
    iter::successors(Some(first), |first| first.failure.check())
}

/// What the input of the innermost list failed with.
fn innermost_of(first: &FirstError) -> &Failure {
    firsts(first).last().map_or(&first.failure, |last| &last.failure)
}

/// The failure itself; or, if it came out of lists, the failure in the innermost of them.
pub(super) fn innermost_input(failure: &Failure) -> &Failure {
    failure.check().map_or(failure, innermost_of)
}

/// The failure that began it, and the number of lists and races through which it has come.
pub(super) fn origin(failure: &Failure) -> (&Failure, usize) {
    let way = iter::successors(Some(failure), |failure| inside(failure));
    way.enumerate().last().map_or((failure, 0), |(levels, origin)| (origin, levels))
}

/// The failure inside the failure of a list or a race. Of a race it is the first one that came out of another list or
/// race, or else the first.
fn inside(failure: &Failure) -> Option<&Failure> {
    if let Some(first) = failure.check::<FirstError>() {
        return Some(&first.failure);
    }
    let FailureGroup(failures) = failure.check()?;
    failures.iter().take(MAX_TOLD_OF_GROUP).find(|failure| is_of_list(failure)).or(failures.first())
}

fn is_of_list(failure: &Failure) -> bool {
    failure.check::<FirstError>().is_some() || failure.check::<FailureGroup>().is_some()
}

/// The word for `count` lists.
pub(super) fn lists(count: usize) -> &'static str {
    if count == 1 { "list" } else { "lists" }
}

impl FirstError {
    /// Writes it as the content of this many groups.
    fn tell(&self, f: &mut fmt::Formatter<'_>, groups: usize) -> fmt::Result {
        let levels = firsts(self).count();
        let untold = levels.saturating_sub(2 * MAX_ENDS_TOLD);
        for (level, first) in firsts(self).enumerate() {
            if untold > 0 && level == MAX_ENDS_TOLD {
                write!(f, "({untold} {} further in) ", lists(untold))?;
            }
            if level < MAX_ENDS_TOLD || level >= MAX_ENDS_TOLD + untold {
                write!(f, "input {} failed: ", first.index)?;
            }
        }
        match innermost_of(self).check::<FailureGroup>() {
            Some(group) => group.tell(f, groups),
            None => write!(f, "{}", innermost_of(self).value()),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let failure = Shown { failure: &self.failure, depth: depth + 1 };
        f.debug_struct("FirstError").field("index", &self.index).field("failure", &failure).finish()
    }
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, 0)
    }
}

impl fmt::Debug for FirstError {
    /// As that of a [`Failure`]: the sentence, and with `{:#?}` what is inside.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.show(f, 0) } else { self.tell(f, 0) }
    }
}

impl Error for FirstError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        innermost_of(self).value().source()
    }
}

impl FailureGroup {
    /// Writes it as the content of this many groups.
    fn tell(&self, f: &mut fmt::Formatter<'_>, groups: usize) -> fmt::Result {
        let FailureGroup(failures) = self;
        if failures.is_empty() {
            return f.write_str("nobody took part in the race");
        }
        write!(f, "all {} inputs failed", failures.len())?;
        for (index, failure) in failures.iter().take(MAX_TOLD_OF_GROUP).enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            tell_input(failure, f, groups + 1)?;
        }
        if failures.len() > MAX_TOLD_OF_GROUP {
            write!(f, "; and {} more", failures.len() - MAX_TOLD_OF_GROUP)?;
        }
        Ok(())
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        f.debug_tuple("FailureGroup").field(&ShownGroup { failures: &self.0, depth: depth + 1 }).finish()
    }
}

/// Writes the failure of an input of a group that is inside this many groups.
fn tell_input(failure: &Failure, f: &mut fmt::Formatter<'_>, groups: usize) -> fmt::Result {
    if innermost_input(failure).check::<FailureGroup>().is_none() {
        return write!(f, "{failure}");
    }
    f.write_str("(")?;
    if groups == MAX_GROUPS_DEEP {
        let (origin, levels) = origin(failure);
        write!(f, "{levels} {} further in: {}", lists(levels), origin.value())?;
    } else if let Some(first) = failure.check::<FirstError>() {
        first.tell(f, groups)?;
    } else if let Some(group) = failure.check::<FailureGroup>() {
        group.tell(f, groups)?;
    }
    f.write_str(")")
}

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, 0)
    }
}

impl fmt::Debug for FailureGroup {
    /// As that of a [`Failure`]: the sentence, and with `{:#?}` what is inside.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.show(f, 0) } else { self.tell(f, 0) }
    }
}

impl Error for FailureGroup {}

/// A failure that is inside this many lists.
struct Shown<'a> {
    failure: &'a Failure,
    depth: usize,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { failure, depth } = *self;
        f.write_str("Failure(")?;
        match (failure.check::<FirstError>(), failure.check::<FailureGroup>()) {
            (None, None) => write!(f, "{:?}", failure.value())?,
            _ if depth == MAX_SHOWN_DEEP => {
                let (origin, levels) = origin(failure);
                write!(f, "{levels} {} further in: {:?}", lists(levels), origin.value())?;
            }
            (Some(first), _) => first.show(f, depth)?,
            (_, Some(group)) => group.show(f, depth)?,
        }
        write!(f, " raised at {})", failure.raised())
    }
}

/// The failures of a group that is inside this many lists.
struct ShownGroup<'a> {
    failures: &'a [Failure],
    depth: usize,
}

impl fmt::Debug for ShownGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.failures.iter().take(MAX_TOLD_OF_GROUP).map(|failure| Shown { failure, depth: self.depth }));
        if self.failures.len() > MAX_TOLD_OF_GROUP { list.finish_non_exhaustive() } else { list.finish() }
    }
}

impl fmt::Debug for Failure {
    /// `{:?}` is the [`report`](Failure::report): that is what `main` and `unwrap` print of a failure, and a person
    /// reads it. `{:#?}` has the lists and races instead, and the `Debug` of the errors in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => write!(f, "{:?}", Shown { failure: self, depth: 0 }),
            false => f.write_str(&self.report()),
        }
    }
}
