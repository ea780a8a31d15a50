//! A server tested in fifty simulated worlds: a seed decides every delay, the server crashes, and the client comes
//! back. An hour passes in a moment. Run it with `cargo run --example 14_simulated_world`.
use reactor::service::ClientService;
use reactor::sim::{Latency, LinkSettings, World, for_each_seed};
use reactor::task::LoopingCall;
use reactor::{Protocol, Reactor, Transport};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The server: the same code as on a real network.
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// Says something every second, and counts the echoes.
struct Talker {
    reactor: Reactor,
    echoes: Rc<Cell<u32>>,
}

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        let transport = transport.clone();
        let talk = LoopingCall::start(&self.reactor, SECOND, move |tick| match transport.is_disconnecting() {
            false => transport.write(b"."),
            true => tick.stop(),
        });
        talk.1.detach();
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.echoes.set(self.echoes.get() + data.len() as u32);
    }
}

fn main() {
    let (worlds, echoes) = (Cell::new(0), Rc::new(Cell::new(0)));
    // If a world breaks the rule, this prints what happened in it and the command that repeats it.
    for_each_seed(1..51, |world: &World| {
        world.set_links(LinkSettings::new(Latency::LogNormal { median: SECOND / 20, sigma: 50 }));
        let server = world.host("server", |reactor| {
            reactor.listen_tcp("0.0.0.0:8007", |_peer| Echo).expect("the port is free");
        });
        let count = echoes.clone();
        world.host("client", move |reactor| {
            let (same, echoes) = (reactor.clone(), count.clone());
            let talker = move |_peer| Talker { reactor: same.clone(), echoes: echoes.clone() };
            ClientService::new(reactor, ("server", 8007), talker).start();
        });
        world.run_for(SECOND * 10);
        server.crash();
        world.run_for(SECOND * (world.random() % 30) as u32);
        server.restart();
        let before = echoes.get();
        world.run_for(SECOND * 60);
        assert!(echoes.get() > before + 10, "the client has not come back in a minute");
        worlds.set(worlds.get() + 1);
    });
    println!("{} worlds, {} echoes: the client came back in every one", worlds.get(), echoes.get());
    println!("next: a program of your own; the README shows how to begin");
}

// Prints:
// 50 worlds, 3213 echoes: the client came back in every one
// next: a program of your own; the README shows how to begin
