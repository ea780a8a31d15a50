//! The stack inside a callback, from `main` down to it: the loop calls a protocol, and nobody else does. Run it with
//! `cargo run --example 05_who_called_me`.
use reactor::{Protocol, Reactor, Transport};
use std::backtrace::Backtrace;

/// What stands on the stack, and why. In a release build some of it is compiled into its caller, and missing.
const FRAMES: [(&str, &str); 9] = [
    ("main", "we have called run(), which has not returned since"),
    ("Reactor::run", "takes turn after turn until somebody says stop()"),
    ("Turn::take", "one turn: waits for events, then handles each of them"),
    ("Core::dispatch", "finds the connection that an event belongs to"),
    ("Connection::ready", "notes what the socket can do now: here, be read"),
    ("Connection::read", "reads from the socket, once or a few times"),
    ("Connection::call", "takes the protocol out, and puts it back afterwards"),
    ("Core::run_callback_of", "measures our callback, and catches its panic"),
    ("Protocol::data_received", "our code. The loop goes on when this returns"),
];

struct Curious(Reactor);

impl Protocol for Curious {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        println!("received {:?}; the stack, outermost call first:", String::from_utf8_lossy(data));
        let stack = Backtrace::force_capture().to_string().replace(['<', '>'], "");
        // A frame is a line such as "12: reactor::event_loop::turn::Turn::take"; the innermost comes first.
        for frame in stack.lines().rev().filter(|line| line.contains("reactor::") || line.contains("who_called_me")) {
            let known = FRAMES.iter().find(|(name, _)| frame.ends_with(&format!("::{name}")));
            known.inspect(|(name, why)| println!("  {name:<24} {why}"));
        }
        self.0.stop();
        println!("next: cargo run --example 06_chat");
    }
}

/// The other end of the connection, in the same loop.
struct Caller;

impl Protocol for Caller {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"who are you?");
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    reactor.quiet(); // To look through the stack takes long, and the reactor would say so.
    let same = reactor.clone();
    let port = reactor.listen_tcp("127.0.0.1:0", move |_peer| Curious(same.clone()))?;
    reactor.connect(port.host(), |_peer| Caller).detach();
    Ok(reactor.run()?)
}

// Prints:
// received "who are you?"; the stack, outermost call first:
//   main                     we have called run(), which has not returned since
//   Reactor::run             takes turn after turn until somebody says stop()
//   Turn::take               one turn: waits for events, then handles each of them
//   Core::dispatch           finds the connection that an event belongs to
//   Connection::ready        notes what the socket can do now: here, be read
//   Connection::read         reads from the socket, once or a few times
//   Connection::call         takes the protocol out, and puts it back afterwards
//   Core::run_callback_of    measures our callback, and catches its panic
//   Protocol::data_received  our code. The loop goes on when this returns
// next: cargo run --example 06_chat
