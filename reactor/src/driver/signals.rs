//! [`SignalPipes`]: SIGINT and SIGTERM as readable pipes. A signal handler may do almost nothing, but it may write a
//! byte.
//!
//! Several reactors of one process may catch signals at the same time; each has pipes of its own. When the last one
//! stops catching, the signals get their usual effect back, which signal-hook alone would not do.
//!
//! Next: `../error.rs`, the named errors.

use super::Signal;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

pub(super) struct SignalPipes {
    interrupt: Pipe,
    terminate: Pipe,
    _listening: Listening,
}

struct Pipe {
    reader: UnixStream,
    handler: SigId,
}

impl SignalPipes {
    pub(super) fn new(registry: &Registry, interrupt: Token, terminate: Token) -> io::Result<SignalPipes> {
        let listening = Listening::begin()?;
        Ok(SignalPipes {
            interrupt: Pipe::new(SIGINT, registry, interrupt)?,
            terminate: Pipe::new(SIGTERM, registry, terminate)?,
            _listening: listening,
        })
    }

    /// Empties one pipe, and returns a signal for each byte in it.
    pub(super) fn drain(&mut self, interrupt: bool) -> impl Iterator<Item = Signal> + use<> {
        let (pipe, signal) = match interrupt {
            true => (&mut self.interrupt, Signal::Interrupt),
            false => (&mut self.terminate, Signal::Terminate),
        };
        let mut bytes = [0; 64];
        let mut count = 0;
        while let Ok(more @ 1..) = pipe.reader.read(&mut bytes) {
            count += more;
        }
        std::iter::repeat_n(signal, count)
    }
}

impl Pipe {
    fn new(signal: i32, registry: &Registry, token: Token) -> io::Result<Pipe> {
        let (mut reader, writer) = UnixStream::pair()?;
        registry.register(&mut reader, token, Interest::READABLE)?;
        let writer = std::os::fd::OwnedFd::from(writer);
        let handler = signal_hook::low_level::pipe::register_raw(signal, writer)?;
        Ok(Pipe { reader, handler })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.handler);
    }
}

/// Counts as one catcher of signals until it is dropped. While there is none, SIGINT and SIGTERM end the process as
/// usual.
struct Listening;

struct Catchers {
    count: usize,
    nobody: Arc<AtomicBool>,
    installed: bool,
}

static CATCHERS: LazyLock<Mutex<Catchers>> =
    LazyLock::new(|| Mutex::new(Catchers { count: 0, nobody: Arc::new(AtomicBool::new(false)), installed: false }));

impl Listening {
    fn begin() -> io::Result<Listening> {
        let mut catchers = CATCHERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !catchers.installed {
            for signal in [SIGINT, SIGTERM] {
                signal_hook::flag::register_conditional_default(signal, catchers.nobody.clone())?;
            }
            catchers.installed = true;
        }
        catchers.count += 1;
        catchers.nobody.store(false, Ordering::SeqCst);
        Ok(Listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut catchers = CATCHERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        catchers.count -= 1;
        catchers.nobody.store(catchers.count == 0, Ordering::SeqCst);
    }
}
