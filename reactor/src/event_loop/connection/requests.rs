//! What is asked of a connection through its [`Transport`](crate::Transport): noted here, carried out by the loop.

use super::{Connection, Life, Producing, Sending};
use crate::transport::HIGH_WATER;
use crate::transport::KeepAlive;
use crate::transport::TransportBackend;
use crate::{Address, Producer, Reason};
use std::rc::Rc;

impl TransportBackend for Connection {
    fn write(&self, data: &[u8]) {
        self.write_vectored(&[data]);
    }

    fn write_vectored(&self, pieces: &[&[u8]]) {
        if self.life.get() != Life::Open || self.sending.get() != Sending::Open {
            return;
        }
        let mut out = self.out.borrow_mut();
        for piece in pieces {
            out.push(piece, &self.work.blocks);
        }
        let len = out.len();
        drop(out);
        if len > HIGH_WATER {
            if self.pauses_when_full.get() {
                self.full.set(true);
            }
            if self.producing.get() == Producing::Runs && self.producer.borrow().is_some() {
                self.producing.set(Producing::ToBePaused);
            }
        }
        if len > self.limit.get() {
            self.end(Reason::BufferFull);
        } else {
            self.need_attention();
        }
    }

    fn lose_connection(&self) {
        if self.life.get() == Life::Open {
            self.life.set(Life::Losing);
            self.need_attention();
        }
    }

    fn lose_write_connection(&self) {
        if self.life.get() == Life::Open && self.sending.get() == Sending::Open {
            self.sending.set(Sending::Closing);
            self.need_attention();
        }
    }

    fn abort_connection(&self) {
        self.end(Reason::Aborted);
    }

    fn pause_producing(&self) {
        self.paused.set(true);
    }

    fn resume_producing(&self) {
        if self.paused.replace(false) {
            self.owes_resumed.set(true);
            self.need_attention();
        }
    }

    fn is_paused(&self) -> bool {
        self.paused.get() || self.full.get()
    }

    fn is_disconnecting(&self) -> bool {
        self.life.get() != Life::Open
    }

    fn pause_when_full(&self, on: bool) {
        self.pauses_when_full.set(on);
        if !on && self.full.replace(false) {
            self.owes_resumed.set(true);
            self.need_attention();
        }
    }

    fn register_producer(&self, producer: Rc<dyn Producer>) {
        if self.life.get() == Life::Ended {
            self.work.call_soon(Box::new(move || producer.stop_producing()));
            return;
        }
        drop(self.producer.replace(Some(producer)));
        let full = self.out.borrow().len() > HIGH_WATER;
        self.producing.set(if full { Producing::ToBePaused } else { Producing::Runs });
    }

    fn unregister_producer(&self) {
        drop(self.producer.take());
        self.producing.set(Producing::Runs);
    }

    fn buffered(&self) -> usize {
        self.out.borrow().len()
    }

    fn set_max_buffered(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    fn set_no_delay(&self, on: bool) {
        self.set_option("TCP_NODELAY", |stream| stream.set_no_delay(on));
    }

    fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.set_option("SO_KEEPALIVE", |stream| stream.set_keep_alive(keep_alive));
    }

    fn peer(&self) -> Address {
        self.peer.clone()
    }

    fn host(&self) -> Address {
        let stream = self.stream.borrow();
        stream.as_ref().and_then(|stream| stream.local_address().ok()).map_or(Address::Unknown, Address::from)
    }
}
