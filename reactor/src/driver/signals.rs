//! [`SignalPipe`]: a signal as a readable pipe. A signal handler may do almost nothing, but it may write a byte.
//!
//! Several reactors of one process may catch a signal at the same time; each has a pipe of its own. When the last one
//! stops catching it, the signal gets its usual effect back, which signal-hook alone would not do.
//!
//! A signal that the process was started to ignore is a wish of its parent: see [`is_ignored`].
//!
//! Next: `no_signals.rs`, what stands in for this file on Windows.

use super::Signal;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One signal, caught until this is dropped.
pub(super) struct SignalPipe {
    signal: Signal,
    token: Token,
    reader: UnixStream,
    handler: SigId,
    _catching: Catching,
}

/// Catches `signal` and reports it under `token`; `None` if the signal is to be left alone.
pub(super) fn catch(signal: Signal, registry: &Registry, token: Token) -> io::Result<Option<SignalPipe>> {
    // A terminal sends SIGINT to everything that runs in it. A program in the background must not hear it.
    if signal == Signal::Interrupt && is_ignored(signal) {
        return Ok(None);
    }
    let catching = Catching::begin(signal)?;
    let (mut reader, writer) = UnixStream::pair()?;
    registry.register(&mut reader, token, Interest::READABLE)?;
    let writer = std::os::fd::OwnedFd::from(writer);
    let handler = signal_hook::low_level::pipe::register_raw(number(signal), writer)?;
    Ok(Some(SignalPipe { signal, token, reader, handler, _catching: catching }))
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

/// Counts as one catcher of a signal until it is dropped. While there is none, the signal ends the process as usual.
struct Catching(Signal);

/// The catchers of one signal.
#[derive(Default)]
struct Catchers {
    count: usize,
    /// Read by the handler that gives the signal its usual effect.
    nobody: Arc<AtomicBool>,
}

static CATCHERS: Mutex<BTreeMap<i32, Catchers>> = Mutex::new(BTreeMap::new());

fn catchers() -> MutexGuard<'static, BTreeMap<i32, Catchers>> {
    CATCHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catching {
    fn begin(signal: Signal) -> io::Result<Catching> {
        let mut all = catchers();
        let number = number(signal);
        let catchers = match all.entry(number) {
            Entry::Occupied(present) => present.into_mut(),
            Entry::Vacant(first) => {
                let catchers = Catchers::default();
                signal_hook::flag::register_conditional_default(number, catchers.nobody.clone())?;
                first.insert(catchers)
            }
        };
        catchers.count += 1;
        catchers.nobody.store(false, Ordering::SeqCst);
        Ok(Catching(signal))
    }
}

impl Drop for Catching {
    fn drop(&mut self) {
        if let Some(catchers) = catchers().get_mut(&number(self.0)) {
            catchers.count -= 1;
            catchers.nobody.store(catchers.count == 0, Ordering::SeqCst);
        }
    }
}
