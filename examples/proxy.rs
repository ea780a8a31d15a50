//! Forwards the port 8008 to the echo server on 8007, as fast as the slower end reads: `cargo run --example proxy`.
use reactor::{Protocol, Reactor, Reason, Transport};
use std::cell::OnceCell;
use std::rc::Rc;

/// One of the two connections.
struct Side {
    other: Rc<OnceCell<Transport>>,
    /// Only the side of the client connects to the server.
    connect: Option<Reactor>,
}

impl Side {
    fn end_other(&self, how: fn(&Transport)) {
        if let Some(other) = self.other.get() {
            other.unregister_producer(); // It is this side, from which nothing more will come.
            how(other);
        }
    }
}

impl Protocol for Side {
    fn connection_made(&mut self, front: &Transport) {
        let Some(reactor) = self.connect.take() else { return };
        front.pause_producing();
        let (known, front, alone) = (self.other.clone(), front.clone(), front.clone());
        let back = Side { other: Rc::new(front.clone().into()), connect: None };
        let join = move |back: Transport| {
            front.register_producer(back.clone());
            back.register_producer(front.clone());
            front.resume_producing();
            known.set(back).expect("it is known once");
        };
        let connected = reactor.connect(("127.0.0.1", 8007), |_peer| back);
        connected.add_callbacks(join, move |_failure| alone.lose_connection()).detach();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.other.get().expect("reading begins when it is known").write(data);
    }
    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.end_other(Transport::lose_write_connection);
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.end_other(Transport::lose_connection);
    }
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let connect = reactor.clone();
    reactor.listen_tcp("127.0.0.1:8008", move |_peer| Side { other: Rc::default(), connect: Some(connect.clone()) })?;
    Ok(reactor.run()?)
}
