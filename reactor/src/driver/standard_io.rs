//! Standard input and output of the real driver, as one stream.
//!
//! They may be anything: a terminal, a pipe, a file, the null device, a socket. The system reports readiness of some of
//! them only, and the flag that makes a descriptor non-blocking belongs to everybody who shares it: a shell would find
//! its terminal non-blocking. So two threads wait here, one in each direction, and blocking calls are theirs. One
//! mechanism serves all cases.
//!
//! ```text
//!      input.rs: a thread          the loop                        output.rs: a thread
//!   wait --> a chunk is here --> read --> data_received
//!    ^                            |       write --> write_vectored --> a chunk --> written, piece by piece
//!    +------- it was taken -------+                      ^                                  |
//!                                                        +---- how many bytes are written --+
//! ```
//!
//! * **No byte of input is lost.** The thread looks into the buffer of std's standard input, and takes bytes out only
//!   when the loop has read them. What a connection leaves is there for the next, or for `std::io::stdin`.
//! * **Bytes count as sent when the system has them.** `write_vectored` takes a copy and says `WouldBlock`. It is
//!   offered the same bytes again when some of them have been written. So a close waits for the last byte, and
//!   what is buffered in the transport is the truth.
//! * **A thread that waits in the system cannot be stopped.** It outlives its connection, until there is input or room,
//!   or until the process ends. A later connection goes on with it.
//!
//! Next: `standard_io/shared.rs`, what the loop and the threads share.

mod input;
mod output;
mod shared;

use super::{Readiness, Stream, Token, Wake};
use crate::Address;
use crate::transport::KeepAlive;
use mio::Registry;
use output::HangUpWatch;
use shared::{Open, Shared, shared};
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;

/// What a driver knows of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandardIo {
    number: u64,
    token: Token,
}

/// Takes the two descriptors, for a loop that `waker` wakes. News are to be asked for with the first value.
pub(super) fn open(
    token: Token,
    waker: Arc<dyn Wake>,
    registry: &Rc<Registry>,
    watch: mio::Token,
) -> io::Result<(StandardIo, Box<dyn Stream>)> {
    let shared = &mut *shared();
    if shared.open.is_some() {
        return Err(io::Error::new(ErrorKind::ResourceBusy, "a connection of this process has them already"));
    }
    shared.output.open()?;
    let number = shared.opened + 1;
    // The threads look at these when they begin.
    shared.opened = number;
    shared.open = Some(Open { number, waker, readable: false, read_closed: false, writable: false, broken: false });
    if let Err(error) = shared.input.start().and_then(|()| shared.output.start()) {
        shared.close();
        return Err(error);
    }
    let stream = StandardStream { number, watch: HangUpWatch::begin(registry, watch) };
    Ok((StandardIo { number, token }, Box::new(stream)))
}

impl StandardIo {
    /// What is new since the last call, for the loop.
    pub(super) fn news(self) -> Option<Readiness> {
        let shared = &mut *shared();
        let open = shared.open.as_mut().filter(|open| open.number == self.number)?;
        let readiness = Readiness {
            token: self.token,
            readable: open.readable || open.broken,
            writable: open.writable || open.broken,
            // The loop then reads on until it meets the error.
            read_closed: open.read_closed || open.broken,
            broken: open.broken,
        };
        (open.readable, open.writable) = (false, false);
        (readiness.readable || readiness.writable).then_some(readiness)
    }

    /// The system has reported something about the descriptor of the output: that its reader has gone, if `broken`.
    pub(super) fn note_watched(self, broken: bool) {
        if let Some(open) = shared().open.as_mut().filter(|open| broken && open.number == self.number) {
            open.broken = true;
        }
    }
}

/// The loop's end. Gives the descriptors back when dropped.
struct StandardStream {
    number: u64,
    watch: HangUpWatch,
}

impl Stream for StandardStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = &mut *shared();
        match shared.input.read(buffer) {
            // Input that has come is still given out. But if nobody reads our output, we do not wait for more input.
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.is_broken(shared) => {
                Err(ErrorKind::BrokenPipe.into())
            }
            result => result,
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let shared = &mut *shared();
        if self.is_broken(shared) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        shared.output.write(slices)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.watch.end();
        let shared = &mut *shared();
        if let Some(open) = &mut shared.open {
            open.broken = false; // Nobody is to read what nobody writes.
        }
        shared.output.end()
    }

    fn reset_on_close(&mut self) {}

    fn is_borrowed(&self) -> bool {
        true
    }

    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_keep_alive(&mut self, _keep_alive: Option<KeepAlive>) -> io::Result<()> {
        Ok(())
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(Address::StandardIo)
    }
}

impl StandardStream {
    fn is_broken(&self, shared: &Shared) -> bool {
        self.watch.is_on() && shared.open.as_ref().is_some_and(|open| open.number == self.number && open.broken)
    }
}

impl Drop for StandardStream {
    fn drop(&mut self) {
        self.watch.end();
        shared().close();
    }
}
