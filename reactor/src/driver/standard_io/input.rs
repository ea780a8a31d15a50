//! [`Input`]: the thread that waits for standard input, and the chunk that it has for the loop.
//!
//! ```text
//!   Nothing --bytes--> Chunk --the loop has taken all, or has closed--> Nothing
//!      |
//!      +--end, error--> End, Failed: the thread ends
//! ```
//!
//! The thread looks into std's buffer (`fill_buf`), copies what it finds, and takes it out (`consume`) when the loop
//! has read it. Meanwhile it holds the lock of std's standard input, so that nobody reads the same bytes. At most one
//! chunk is read ahead: a protocol that pauses holds its input up.
//!
//! Next: `output.rs`, the other direction.

#[cfg(unix)]
use super::output::wait_until;
use super::shared::{INPUT, shared};
use std::io::{self, BufRead, ErrorKind, StdinLock};
use std::mem;
use std::sync::PoisonError;
use std::thread;

pub(super) struct Input {
    held: Held,
    /// A thread lives. It may wait in the system since an earlier connection.
    has_thread: bool,
}

/// What the thread has for the loop.
enum Held {
    Nothing,
    /// Bytes, and how many of them the loop has taken.
    Chunk(Vec<u8>, usize),
    End,
    Failed(io::Error),
}

impl Input {
    pub(super) const fn new() -> Input {
        Input { held: Held::Nothing, has_thread: false }
    }

    /// A connection begins: there must be a thread for it.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if !self.has_thread {
            self.held = Held::Nothing; // At an end, a terminal may have more after it.
            thread::Builder::new().name("reactor-stdin".to_owned()).spawn(wait_for_input)?;
            self.has_thread = true;
        }
        Ok(())
    }

    /// As [`Stream::read`](crate::driver::Stream::read).
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.held {
            Held::Nothing => Err(ErrorKind::WouldBlock.into()),
            Held::Chunk(bytes, taken) => {
                let rest = &bytes[*taken..];
                let count = rest.len().min(buffer.len());
                if count == 0 {
                    return Err(ErrorKind::WouldBlock.into()); // All is taken; the thread has not noticed yet.
                }
                buffer[..count].copy_from_slice(&rest[..count]);
                *taken += count;
                if *taken == bytes.len() {
                    INPUT.notify_all();
                }
                Ok(count)
            }
            Held::End => Ok(0),
            Held::Failed(error) => Err(mem::replace(error, ErrorKind::BrokenPipe.into())),
        }
    }

    /// Whether the loop has something left to take.
    fn is_untaken(&self) -> bool {
        matches!(&self.held, Held::Chunk(bytes, taken) if *taken < bytes.len())
    }
}

/// The thread. It lives until there is no more input, or nobody who wants it.
fn wait_for_input() {
    while has_reader() {
        let mut stdin = io::stdin().lock();
        let found = next_bytes(&mut stdin);
        let mut shared = shared();
        let Some(number) = shared.open.as_ref().map(|open| open.number) else {
            // Nobody has it open any more. What was found stays in std's buffer.
            shared.input.has_thread = false;
            return;
        };
        let held = match found {
            Ok(bytes) if bytes.is_empty() => Held::End,
            Ok(bytes) => Held::Chunk(bytes, 0),
            Err(error) => Held::Failed(error),
        };
        let is_last = !matches!(held, Held::Chunk(..));
        shared.input.held = held;
        shared.tell(number, |open| {
            open.readable = true;
            open.read_closed |= is_last;
        });
        if is_last {
            shared.input.has_thread = false;
            return;
        }
        let waiting = INPUT.wait_while(shared, |shared| shared.is_open(number) && shared.input.is_untaken());
        let mut shared = waiting.unwrap_or_else(PoisonError::into_inner);
        if let Held::Chunk(_, taken) = mem::replace(&mut shared.input.held, Held::Nothing) {
            drop(shared);
            stdin.consume(taken);
        }
    }
}

/// Whether anybody has standard input open. If not, the thread ends.
fn has_reader() -> bool {
    let mut shared = shared();
    shared.input.has_thread = shared.open.is_some();
    shared.input.has_thread
}

/// Waits for bytes; none are the end.
fn next_bytes(stdin: &mut StdinLock<'static>) -> io::Result<Vec<u8>> {
    loop {
        match stdin.fill_buf() {
            Ok(bytes) => return Ok(bytes.to_vec()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the descriptor has made it non-blocking.
            #[cfg(unix)]
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait_until(&io::stdin(), rustix::event::PollFlags::IN)?;
            }
            Err(error) => return Err(error),
        }
    }
}
