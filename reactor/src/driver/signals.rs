//! [`SignalPipe`]: a signal as a readable pipe. A signal handler may do almost nothing, but it may write a byte.
//!
//! Several reactors of one process may catch a signal at the same time; each has a pipe of its own. When the last one
//! stops catching it, the signal gets its usual effect back, which signal-hook alone would not do.
//!
//! A loop that is held up by a callback cannot hear a signal. So a thread, the sentry, sees to it that SIGINT and
//! SIGTERM still end such a process:
//!
//! ```text
//!   a signal --> unnoticed --no loop has read it after PATIENCE--> armed --another one--> the process ends
//!                   |                                                |
//!                   +--------------- a loop reads it ----------------+--> caught, as usual
//! ```
//!
//! A signal that the process was started to ignore is a wish of its parent: see [`is_ignored`].
//!
//! Next: `no_signals.rs`, what stands in for this file on Windows.

use super::Signal;
use crate::diagnostics::tell;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One signal, caught until this is dropped.
pub(super) struct SignalPipe {
    signal: Signal,
    token: Token,
    reader: mio::net::UnixStream,
    handler: SigId,
    catching: Catching,
}

/// Catches `signal` and reports it under `token`; `None` if the signal is to be left alone.
pub(super) fn catch(signal: Signal, registry: &Registry, token: Token) -> io::Result<Option<SignalPipe>> {
    // A terminal sends SIGINT to everything that runs in it. A program in the background must not hear it.
    if signal == Signal::Interrupt && is_ignored(signal) {
        return Ok(None);
    }
    let catching = Catching::begin(signal)?;
    let (mut reader, writer) = mio::net::UnixStream::pair()?;
    registry.register(&mut reader, token, Interest::READABLE)?;
    let writer = OwnedFd::from(writer);
    let handler = signal_hook::low_level::pipe::register_raw(number(signal), writer)?;
    Ok(Some(SignalPipe { signal, token, reader, handler, catching }))
}

impl SignalPipe {
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Empties the pipe, and returns the signal once for each byte in it.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Signal> + use<> {
        let mut bytes = [0; 64];
        let mut count = 0;
        while let Ok(more @ 1..) = self.reader.read(&mut bytes) {
            count += more;
        }
        if count > 0 {
            self.catching.note();
        }
        std::iter::repeat_n(self.signal, count)
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.handler);
    }
}

fn number(signal: Signal) -> i32 {
    match signal {
        Signal::Interrupt => SIGINT,
        Signal::Terminate => SIGTERM,
        Signal::Hangup => SIGHUP,
    }
}

/// Whether the process ignores `signal`: its parent made it so (a shell that starts it in the background of a script
/// ignores SIGINT for it), or the program. It is not ignored any more once we have caught it.
///
/// Only Linux tells this without `unsafe` code, in `/proc`. Elsewhere, or without `/proc`, the answer is no.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (number(signal) - 1) & 1 == 1 // Signals are numbered from 1, and the mask has a bit for each.
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_ignored(_signal: Signal) -> bool {
    false
}

/// How long the loops may take to notice SIGINT or SIGTERM before another one ends the process. Programs such as
/// `timeout` send a signal twice in a row, and the second one must not cut an orderly stop off.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts as one catcher of a signal until it is dropped. While there is none, the signal ends the process as usual.
struct Catching(Signal);

/// The catchers of one signal.
#[derive(Default)]
struct Catchers {
    count: usize,
    /// Read by the handler that gives the signal its usual effect: nobody catches it, or nobody has noticed the last
    /// one.
    has_usual_effect: Arc<AtomicBool>,
    /// Set by a handler when the signal comes, and cleared when a loop has noticed it.
    is_unnoticed: Arc<AtomicBool>,
}

struct AllCatchers {
    by_number: BTreeMap<i32, Catchers>,
    /// A byte for it wakes the sentry. `None` as long as no signal has been caught.
    sentry: Option<UnixStream>,
}

static CATCHERS: Mutex<AllCatchers> = Mutex::new(AllCatchers { by_number: BTreeMap::new(), sentry: None });

fn catchers() -> MutexGuard<'static, AllCatchers> {
    CATCHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AllCatchers {
    /// Handlers run in the order in which they are registered, and before those of the loops' pipes.
    fn register(&mut self, signal: Signal) -> io::Result<&mut Catchers> {
        let (number, catchers) = (number(signal), Catchers::default());
        register_conditional_default(number, catchers.has_usual_effect.clone())?;
        // SIGHUP asks for no end, so two of them must not be one.
        if signal != Signal::Hangup {
            signal_hook::flag::register(number, catchers.is_unnoticed.clone())?;
            let wakes = OwnedFd::from(self.sentry()?.try_clone()?);
            signal_hook::low_level::pipe::register_raw(number, wakes)?;
        }
        Ok(self.by_number.entry(number).or_insert(catchers))
    }

    fn sentry(&mut self) -> io::Result<&UnixStream> {
        let (asleep, wakes) = UnixStream::pair()?;
        if self.sentry.is_none() {
            std::thread::Builder::new().name("reactor-sentry".to_owned()).spawn(move || stand_sentry(asleep))?;
        }
        Ok(self.sentry.get_or_insert(wakes))
    }
}

impl Catching {
    fn begin(signal: Signal) -> io::Result<Catching> {
        let mut all = catchers();
        let catchers = match all.by_number.contains_key(&number(signal)) {
            true => all.by_number.get_mut(&number(signal)).expect("it is there"),
            false => all.register(signal)?,
        };
        catchers.count += 1;
        catchers.has_usual_effect.store(false, SeqCst);
        Ok(Catching(signal))
    }

    /// A loop has noticed the signal.
    fn note(&self) {
        if let Some(catchers) = catchers().by_number.get_mut(&number(self.0)) {
            catchers.is_unnoticed.store(false, SeqCst);
            catchers.has_usual_effect.store(false, SeqCst);
        }
    }
}

impl Drop for Catching {
    fn drop(&mut self) {
        if let Some(catchers) = catchers().by_number.get_mut(&number(self.0)) {
            catchers.count -= 1;
            if catchers.count == 0 {
                catchers.is_unnoticed.store(false, SeqCst);
                catchers.has_usual_effect.store(true, SeqCst);
            }
        }
    }
}

/// The sentry's thread. It sleeps until a signal comes, for as long as the process lives.
fn stand_sentry(mut asleep: UnixStream) {
    while let Ok(1..) = asleep.read(&mut [0; 64]) {
        let begin = Instant::now();
        while let Some(rest) = PATIENCE.checked_sub(begin.elapsed()) {
            std::thread::park_timeout(rest); // Nobody unparks it, but it may return early.
        }
        for (signal, name) in [(Signal::Interrupt, "SIGINT"), (Signal::Terminate, "SIGTERM")] {
            if arm(signal) {
                tell!(
                    Warn,
                    "reactor",
                    "{name} has come, and no loop has noticed it for {PATIENCE:?}: a callback does not return. Another \
                    {name} ends the process at once"
                );
            }
        }
    }
}

/// Gives the signal its usual effect, if no loop has noticed the last one. False if it has that effect already.
fn arm(signal: Signal) -> bool {
    let mut all = catchers();
    let catchers = all.by_number.get_mut(&number(signal)).filter(|catchers| catchers.count > 0);
    catchers.is_some_and(|catchers| catchers.is_unnoticed.load(SeqCst) && !catchers.has_usual_effect.swap(true, SeqCst))
}
