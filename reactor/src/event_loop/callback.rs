//! How the loop calls the program: a panic goes no further, a callback that takes long is logged, and a trace hears of
//! both ends.
//!
//! Next: `registry.rs`, where the loop finds the source of an event.

use super::Core;
use super::work_queue::Place;
use crate::diagnostics::tell;
use crate::driver::Token;
use crate::foreign::contain;
use crate::trace::{Callback, CallbackEnded, CallbackKind, Kind, Scope};
use std::fmt;
use std::time::Duration;

/// Names a callback: in words for a log, and in parts for a trace.
pub(super) struct Description {
    words: String,
    parts: Callback<'static>,
}

impl Description {
    fn new() -> Description {
        Description { words: String::new(), parts: Callback::default() }
    }

    pub(super) fn write_fmt(&mut self, words: fmt::Arguments<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut self.words, words)
    }

    pub(super) fn kind(&mut self, kind: CallbackKind) -> &mut Self {
        self.parts.kind = kind;
        self
    }

    pub(super) fn method(&mut self, kind: CallbackKind, method: &'static str, token: Option<Token>) -> &mut Self {
        (self.parts.kind, self.parts.method) = (kind, Some(method));
        self.parts.socket = token.map(Token::serial);
        self
    }

    pub(super) fn object(&mut self, type_name: &'static str) -> &mut Self {
        self.parts.object = Some(type_name);
        self
    }

    pub(super) fn timer(&mut self, timer: u64, late: Duration) -> &mut Self {
        (self.parts.kind, self.parts.timer, self.parts.late) = (CallbackKind::Timer, Some(timer), Some(late));
        self
    }

    pub(super) fn place(&mut self, place: Place) -> &mut Self {
        self.parts.place = Some(place);
        self
    }
}

impl Core {
    /// Runs a callback of the program. A panic is caught and logged; a callback that took long is logged. Returns false
    /// if it panicked.
    ///
    /// `describe` names the callback. It is called only if there is something to log, or a trace.
    pub(super) fn run_callback(
        &self,
        describe: impl FnOnce(&mut Description) -> fmt::Result,
        f: impl FnOnce(),
    ) -> bool {
        self.run_callback_of(&mut (), |(), out| describe(out), |()| f())
    }

    /// The same for a callback of `object`, which can tell its own name.
    pub(super) fn run_callback_of<T: ?Sized>(
        &self,
        object: &mut T,
        describe: impl FnOnce(&T, &mut Description) -> fmt::Result,
        f: impl FnOnce(&mut T),
    ) -> bool {
        if self.work.trace.is_some() || self.watch.is_some() {
            return self.run_watched(object, describe, f);
        }
        let (ended, own) = self.run(object, f);
        if is_notable(&ended, own, self.work.settings.slow_callback) || !self.longest.is_ordinary(own) {
            let mut description = Description::new();
            let _ = describe(object, &mut description); // Writing to a String cannot fail.
            self.longest.note(own, &description.words);
            report(&description.words, &ended, own, self.work.settings.slow_callback);
        }
        !ended.panicked
    }

    /// The same if a trace or a watch hears of the beginning, which needs the words then.
    #[cold]
    fn run_watched<T: ?Sized>(
        &self,
        object: &mut T,
        describe: impl FnOnce(&T, &mut Description) -> fmt::Result,
        f: impl FnOnce(&mut T),
    ) -> bool {
        let mut description = Description::new();
        let _ = describe(object, &mut description);
        let watch = self.watch.as_ref();
        watch.inspect(|watch| watch(Some(description.words.clone())));
        let (ended, own) = match &self.work.trace {
            Some(scope) => self.run_traced(scope, object, &description, f),
            None => self.run(object, f),
        };
        watch.inspect(|watch| watch(None));
        self.longest.note(own, &description.words);
        report(&description.words, &ended, own, self.work.settings.slow_callback);
        !ended.panicked
    }

    fn run_traced<T: ?Sized>(
        &self,
        scope: &Scope,
        object: &mut T,
        description: &Description,
        f: impl FnOnce(&mut T),
    ) -> (CallbackEnded, Duration) {
        let (id, outer) = scope.enter_callback();
        let begun = Callback { id, words: &description.words, ..description.parts };
        scope.emit(Kind::CallbackBegin(&begun));
        self.read_clock(); // What came since the last reading, such as a slow read, is not this callback's.
        let (ended, own) = self.run(object, f);
        let ended = CallbackEnded { id, ..ended };
        scope.emit(Kind::CallbackEnd(ended));
        scope.leave_callback(outer);
        (ended, own)
    }

    /// Also returns how long the callback took without the callbacks that ran inside of it. The library's own calls
    /// have such: a person is told of the inner one, and not of both.
    fn run<T: ?Sized>(&self, object: &mut T, f: impl FnOnce(&mut T)) -> (CallbackEnded, Duration) {
        // The last reading of the clock was taken when the previous callback ended, or after the poll. So a callback
        // costs one reading and not two.
        let begin = self.last_reading.get();
        let beside = self.time_inside.replace(Duration::ZERO);
        let mut sound = true;
        let spared = crate::deferred::sparing(|| sound = contain(|| f(object)));
        let took = self.read_clock().saturating_duration_since(begin);
        let inside = self.time_inside.replace(beside + took);
        (CallbackEnded { id: 0, took, panicked: !sound, spared }, took.saturating_sub(inside))
    }
}

fn is_notable(ended: &CallbackEnded, own: Duration, slow: Duration) -> bool {
    ended.panicked || ended.spared > 0 || own > slow
}

/// Tells what a person should hear of a callback that took `own` itself.
fn report(words: &str, ended: &CallbackEnded, own: Duration, slow: Duration) {
    let spared = &ended.spared;
    if ended.panicked {
        tell!(Error, "reactor", "{words} panicked");
    }
    if *spared > 0 {
        tell!(Error, "reactor", "{words} fired Deferreds, and {spared} of their callbacks panicked");
    }
    // To print the backtrace of a panic takes long, and is not what is to be told.
    if !ended.panicked && *spared == 0 && own > slow {
        tell!(Warn, "reactor", "{words} held the loop for {own:?}; everybody else waited");
    }
}
