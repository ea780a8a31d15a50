//! [`Producer`]: what writes to a transport again and again, and can be told to wait.
//!
//! Next: `meter.rs`, what limits how fast a connection is.

use super::Transport;
use std::rc::Rc;

/// Something that writes to a transport again and again, and can be told to wait. Twisted's `IPushProducer`.
///
/// The loop calls these methods, never from inside a call that the producer makes. So, unlike in Twisted, a producer
/// cannot hear `pause_producing` while it writes: `while !self.is_paused.get()` would never end. One that writes
/// several pieces at once asks how much waits. It stops above the mark, not at it: then it is paused, and resumed
/// later.
///
/// ```
/// use reactor::transport::HIGH_WATER;
/// use reactor::{Producer, Transport};
/// use std::cell::Cell;
///
/// /// Sends the numbers up to `last`, a line each.
/// struct Numbers {
///     transport: Transport,
///     next: Cell<u32>,
///     last: u32,
/// }
/// impl Producer for Numbers {
///     fn pause_producing(&self) {}
///     fn resume_producing(&self) {
///         while self.transport.buffered() <= HIGH_WATER && self.next.get() <= self.last {
///             self.transport.write(format!("{}\r\n", self.next.get()).as_bytes());
///             self.next.set(self.next.get() + 1);
///         }
///         if self.next.get() > self.last {
///             self.transport.unregister_producer();
///         }
///     }
/// }
/// # use reactor::testing;
/// # struct Server;
/// # impl reactor::Protocol for Server {
/// #     fn connection_made(&mut self, transport: &Transport) {
/// #         let numbers = Numbers { transport: transport.clone(), next: Cell::new(1), last: 100_000 };
/// #         let numbers = std::rc::Rc::new(numbers);
/// #         transport.register_producer(numbers.clone());
/// #         numbers.resume_producing();
/// #         assert!(transport.buffered() <= HIGH_WATER + 10);
/// #         transport.lose_connection();
/// #     }
/// #     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// # }
/// # struct Client;
/// # impl reactor::Protocol for Client {
/// #     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// # }
/// # let pump = testing::connect(Server, Client);
/// # pump.flush();
/// # assert!(pump.said_by_server().ends_with(b"\r\n100000\r\n"));
/// ```
///
/// A [`Transport`] is a producer: of what it receives. A proxy registers each of its two connections with the other.
/// [`producers`](crate::producers) has producers for files and for bytes in memory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Producer`",
    label = "a `Producer` is wanted here",
    note = "a `Transport` is one, of what it receives",
    note = "files and bytes have `producers::send_file` and `producers::send_bytes`"
)]
pub trait Producer {
    /// Whether it writes only when it is asked: Twisted's `IPullProducer`. Then `resume_producing` asks for one piece,
    /// each time that everything has gone out, the first time soon after it was registered, and it is never told to
    /// pause. One that has nothing to write is asked again when something happens on the connection, and not before.
    ///
    /// Asked once, inside [`Transport::register_producer`].
    fn is_pull(&self) -> bool {
        false
    }
    /// Too many bytes wait to be sent. Write no more until `resume_producing`.
    fn pause_producing(&self);
    /// Everything has gone out. Write again.
    fn resume_producing(&self);
    /// The connection is gone. Write no more.
    fn stop_producing(&self) {}
}

/// What this connection receives is written to another. While the other is full, this one does not read, so its peer
/// has to wait. When the other is gone, this one closes. If the other was this one's producer in turn, as in a proxy,
/// the program unregisters it when its last byte has come: see `examples/09_proxy.rs`.
impl Producer for Transport {
    fn pause_producing(&self) {
        Transport::pause_producing(self);
    }
    fn resume_producing(&self) {
        Transport::resume_producing(self);
    }
    fn stop_producing(&self) {
        self.lose_connection();
    }
}

impl<P: Producer + ?Sized> Producer for Rc<P> {
    fn is_pull(&self) -> bool {
        (**self).is_pull()
    }
    fn pause_producing(&self) {
        (**self).pause_producing();
    }
    fn resume_producing(&self) {
        (**self).resume_producing();
    }
    fn stop_producing(&self) {
        (**self).stop_producing();
    }
}
