//! [`Reactor::open_standard_io`]: a protocol on standard input and output. Twisted's `StandardIO`.
//!
//! It is a connection like all others: half-close, back-pressure, producers, TLS. These things differ:
//!
//! * The two descriptors belong to the process, and the connection borrows them. When it has ended, they are as before:
//!   input that its protocol did not get is there for the next connection, and for `std::io::stdin`; and the program
//!   may print.
//! * So the reader of the output meets the end when the process ends; or earlier, if the protocol half-closes
//!   ([`lose_write_connection`](crate::Transport::lose_write_connection)). That is for good: what the process prints
//!   after it goes nowhere, and a later connection that writes is lost.
//! * Bytes count as sent when the system has taken them. So the end of a run waits for the last of them, within
//!   [`Settings::stop_timeout`](crate::Settings::stop_timeout).
//!
//! Next: `policy_clock.rs`, the time of policies.

use super::{Reactor, adopt};
use crate::driver::Driver;
use crate::{Address, Protocol, Transport};
use std::io;

impl Reactor {
    /// Speaks `protocol` over standard input and output: what comes in at the one is received, what is written goes out
    /// at the other. Twisted's `stdio.StandardIO`. The loop calls `connection_made` before anything else, and never
    /// before this returns. [`pause_when_full`](Transport::pause_when_full) is on.
    ///
    /// Each of the two may be a terminal, a pipe, a file, a socket or the null device. No flag of a descriptor changes,
    /// so other processes that share it notice nothing. The end of the input is the protocol's
    /// [`read_connection_lost`](Protocol::read_connection_lost). If the reader of the output goes away, the connection
    /// is lost, with `BrokenPipe`: where the system reports it (a pipe, a socket) at once, otherwise at the next write.
    ///
    /// Text that the program has printed without a line break may still be in std's buffer, and come out later than
    /// what is written here. While the connection is there, do not read from `std::io::stdin`: that waits until it has
    /// ended.
    ///
    /// ```no_run
    /// use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor};
    ///
    /// struct Echo;
    /// impl LineProtocol for Echo {
    ///     fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
    ///         transport.send_line(&[b"Echo: ", line].concat());
    ///     }
    /// }
    /// let reactor = Reactor::new()?;
    /// reactor.open_standard_io(LineReceiver::new(Echo).with_delimiter(b"\n"))?;
    /// reactor.run()?;
    /// # Ok::<(), reactor::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `ResourceBusy` while another connection of the process has them; if no thread can be started; and while the
    /// reactor closes everything to stop. The protocol is dropped then.
    #[track_caller]
    pub fn open_standard_io(&self, protocol: impl Protocol + 'static) -> io::Result<Transport> {
        let open = |driver: &mut dyn Driver, token| Ok((driver.open_standard_io(token)?, Address::StandardIo));
        adopt::attach(&self.core, Box::new(protocol), open)
    }
}
