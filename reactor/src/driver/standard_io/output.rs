//! [`Output`]: the thread that writes to standard output, and the chunk that it has from the loop.
//!
//! ```text
//!   chunk   | reported to the loop | written | being written: a piece | waits |
//! ```
//!
//! The chunk is a copy of the first bytes that wait in the connection. When the thread has written some of them, it
//! wakes the loop; the loop offers its bytes again, and is told how many are gone. A piece is small, because a write to
//! a pipe returns only when all of it has gone in: so a slow reader is seen to read.
//!
//! Next: `../threads.rs`, the threads for work that blocks.

use super::shared::{OUTPUT, shared};
use mio::Registry;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::thread;

/// Maximum number of bytes that are copied for the thread at a time.
const MAX_CHUNK: usize = 64 * 1024;

/// Maximum number of bytes in one write. Linux writes up to this many (`PIPE_BUF`) to a pipe without the bytes of
/// another process between them.
const MAX_PIECE: usize = 4096;

pub(super) struct Output {
    /// The descriptor, while a connection has it: a copy, which has no buffer of std's before it.
    file: Option<Arc<File>>,
    chunk: Vec<u8>,
    written: usize,
    /// How many of the written bytes the loop knows of.
    reported: usize,
    failed: Option<io::Error>,
    /// A connection has ended the output, for the rest of the process.
    has_ended: bool,
    /// A thread lives. It may wait in the system since an earlier connection.
    has_thread: bool,
}

impl Output {
    pub(super) const fn new() -> Output {
        Output {
            file: None,
            chunk: Vec::new(),
            written: 0,
            reported: 0,
            failed: None,
            has_ended: false,
            has_thread: false,
        }
    }

    pub(super) fn open(&mut self) -> io::Result<()> {
        self.file = Some(Arc::new(standard_output()?));
        Ok(())
    }

    /// A connection begins: there must be a thread for it.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if !self.has_thread {
            thread::Builder::new().name("reactor-stdout".to_owned()).spawn(write_chunks)?;
            self.has_thread = true;
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.file = None;
        self.failed = None;
        self.forget_chunk();
    }

    fn forget_chunk(&mut self) {
        self.chunk = Vec::new();
        (self.written, self.reported) = (0, 0);
    }

    /// As [`Stream::write_vectored`](crate::driver::Stream::write_vectored): how many of the offered bytes have been
    /// written by now. The next of them go to the thread. The caller offers those that were not taken again, first.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.has_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = self.written - self.reported;
        self.reported = self.written;
        if self.written == self.chunk.len() {
            self.chunk.clear();
            (self.written, self.reported) = (0, 0);
            copy_after(count, slices, &mut self.chunk);
            OUTPUT.notify_all();
        }
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    /// Ends the output: its reader meets the end. Everything has been written.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.file = None;
        if !self.has_ended {
            end_standard_output()?;
            self.has_ended = true;
        }
        Ok(())
    }

    /// The next piece to write.
    fn piece(&self) -> &[u8] {
        let rest = &self.chunk[self.written..];
        &rest[..rest.len().min(MAX_PIECE)]
    }
}

/// Appends what follows the first `skipped` bytes of `slices`, up to [`MAX_CHUNK`].
fn copy_after(mut skipped: usize, slices: &[IoSlice<'_>], chunk: &mut Vec<u8>) {
    for slice in slices {
        let rest = &slice[skipped.min(slice.len())..];
        skipped -= skipped.min(slice.len());
        chunk.extend_from_slice(&rest[..rest.len().min(MAX_CHUNK - chunk.len())]);
    }
}

/// The thread. It lives until no connection wants it.
fn write_chunks() {
    let mut piece = Vec::with_capacity(MAX_PIECE);
    loop {
        let waiting = OUTPUT.wait_while(shared(), |shared| shared.open.is_some() && shared.output.piece().is_empty());
        let mut shared = waiting.unwrap_or_else(PoisonError::into_inner);
        let (Some(open), Some(file)) = (&shared.open, &shared.output.file) else {
            shared.output.has_thread = false;
            return;
        };
        let (number, file) = (open.number, file.clone());
        piece.clear();
        piece.extend_from_slice(shared.output.piece());
        drop(shared);

        let result = write(&file, &piece);
        drop(file);
        let mut shared = super::shared::shared();
        if shared.is_open(number) {
            match result {
                Ok(count) => shared.output.written += count,
                Err(error) => {
                    shared.output.failed = Some(error);
                    shared.output.forget_chunk();
                }
            }
            shared.tell(number, |open| open.writable = true);
        }
    }
}

/// Writes some of the bytes.
fn write(mut file: &File, piece: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(piece) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the descriptor has made it non-blocking.
            #[cfg(unix)]
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait_until(file, rustix::event::PollFlags::OUT)?;
            }
            result => return result,
        }
    }
}

/// Waits until the descriptor is ready, for as long as that takes.
#[cfg(unix)]
pub(super) fn wait_until(descriptor: &impl std::os::fd::AsFd, ready: rustix::event::PollFlags) -> io::Result<()> {
    let mut polled = [rustix::event::PollFd::new(descriptor, ready)];
    match rustix::event::poll(&mut polled, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn standard_output() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Puts the null device in the place of standard output. If it were closed instead, the next file that the program
/// opens would get its number, and what is printed.
#[cfg(unix)]
fn end_standard_output() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}

/// Its reader meets the end when the process ends.
#[cfg(windows)]
fn end_standard_output() -> io::Result<()> {
    Ok(())
}

/// Has the system report that the reader of the output has gone, where it can: of a pipe or a socket, not of a file.
/// Without it, a program that waits would notice only when it writes.
pub(super) struct HangUpWatch(Option<Rc<Registry>>);

impl HangUpWatch {
    #[cfg(unix)]
    pub(super) fn begin(registry: &Rc<Registry>, token: mio::Token) -> HangUpWatch {
        use std::os::fd::AsRawFd;
        let descriptor = io::stdout().as_raw_fd();
        let registered = registry.register(&mut mio::unix::SourceFd(&descriptor), token, mio::Interest::WRITABLE);
        HangUpWatch(registered.is_ok().then(|| registry.clone()))
    }

    #[cfg(windows)]
    pub(super) fn begin(_registry: &Rc<Registry>, _token: mio::Token) -> HangUpWatch {
        HangUpWatch(None)
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn end(&mut self) {
        #[cfg(unix)]
        if let Some(registry) = self.0.take() {
            use std::os::fd::AsRawFd;
            let descriptor = io::stdout().as_raw_fd();
            if let Err(error) = registry.deregister(&mut mio::unix::SourceFd(&descriptor)) {
                log::debug!(target: "reactor", "standard output is still watched: {error}");
            }
        }
    }
}
