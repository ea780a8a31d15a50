//! [`Producer`]: what writes to a transport again and again, and can be told to wait.
//!
//! Next: `meter.rs`, what limits how fast a connection is.

use super::Transport;
use std::rc::Rc;

/// Something that writes to a transport again and again, and can be told to wait. Twisted's `IPushProducer`.
///
/// The loop calls these methods, never from inside a call that the producer makes.
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
