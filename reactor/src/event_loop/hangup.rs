//! SIGHUP: the one signal that does not stop a run. A program asks for it, and does in its handler what it likes.
//!
//! Next: `run_until.rs`, a program that is one Deferred.

use super::callback::Description;
use super::{Core, Reactor};
use crate::context::Asked;
use crate::diagnostics::tell;
use crate::error::RunError;
use crate::foreign::Foreign;
use std::cell::Cell;
use std::io;

type Handler = (Foreign<Box<dyn FnMut()>>, Asked);

/// What a reactor does at SIGHUP.
#[derive(Default)]
pub(super) struct Hangups {
    /// `None` while it runs, and for a program that does not catch the signal.
    handler: Cell<Option<Handler>>,
    /// Whether the program has asked for the signal.
    is_wanted: Cell<bool>,
    is_running: Cell<bool>,
}

impl Reactor {
    /// Calls `f` at each SIGHUP while the loop runs, in place of what was registered before. Daemons open their log
    /// again then, or read their configuration. Without a call of this, SIGHUP ends the process as usual. The handler
    /// stays for the reactor's next runs.
    ///
    /// # Errors
    /// If the loop runs already, and the system refuses to report the signal.
    #[track_caller]
    pub fn on_hangup(&self, f: impl FnMut() + 'static) -> io::Result<()> {
        let hangups = &self.core.hangups;
        drop(hangups.handler.replace(Some((Foreign::new(Box::new(f)), Asked::here()))));
        if !hangups.is_wanted.replace(true) && hangups.is_running.get() {
            self.core.driver.borrow_mut().catch_hangups(true)?;
        }
        Ok(())
    }
}

impl Core {
    /// A run begins: from here on the signal comes to us, if the program wants it.
    pub(super) fn begin_hangups(&self) -> Result<(), RunError> {
        self.hangups.is_running.set(true);
        match self.hangups.is_wanted.get() {
            true => self.driver.borrow_mut().catch_hangups(true).map_err(RunError::Poll),
            false => Ok(()),
        }
    }

    /// The run is over: the signal has its usual effect again.
    pub(super) fn end_hangups(&self) {
        if self.hangups.is_running.replace(false)
            && self.hangups.is_wanted.get()
            && let Err(error) = self.driver.borrow_mut().catch_hangups(false)
        {
            tell!(Warn, "reactor", "cannot give SIGHUP back: {error}");
        }
    }

    /// Calls the program's handler. It is taken out while it runs: it may register another.
    pub(super) fn hung_up(&self) {
        let Some((mut handler, asked)) = self.hangups.handler.take() else { return };
        let describe = |out: &mut Description| {
            out.place(asked.place);
            out.write_fmt(format_args!("the handler of SIGHUP set at {asked}"))
        };
        asked.context.run(|| self.run_callback(describe, &mut *handler));
        let newer = self.hangups.handler.take();
        self.hangups.handler.set(newer.or(Some((handler, asked))));
    }

    /// Drops the handler, and what it captured.
    pub(super) fn forget_hangups(&self) {
        drop(self.hangups.handler.take());
    }
}
