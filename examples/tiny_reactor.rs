//! A reactor over mio alone, to be typed in: `cargo run --example tiny_reactor`, then `nc 127.0.0.1 8007`. One loop
//! runs an echo server, a client of it, and that client's timer. `docs/tiny-reactor.md` compares it with the real one.
use mio::{Events, Interest, Poll, Token, event::Source, net::TcpListener, net::TcpStream};
use std::collections::{BTreeMap, HashMap};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::time::{Duration, Instant};

/// What a program writes for one connection: called with what has arrived. Nobody else is called before it returns.
type Protocol = Box<dyn FnMut(&mut Reactor, Token, &[u8])>;
/// One step of a port or a connection, with bytes to send, if any. It never waits: `WouldBlock` says that it can do
/// nothing before the next event. Any other error is its end.
type Handler = Box<dyn FnMut(&mut Reactor, Token, &[u8]) -> Result<()>>;
type Call = Box<dyn FnOnce(&mut Reactor)>;

struct Reactor {
    poll: Poll,
    handlers: HashMap<Token, Handler>,
    timers: BTreeMap<Instant, Vec<Call>>,
    /// Who takes a step in the next turn, and what was written to it meanwhile.
    ready: BTreeMap<Token, Vec<u8>>,
    last_token: usize,
}

impl Reactor {
    /// The loop: wait, dispatch, call back.
    fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            let first_timer = self.timers.keys().next().map(|due| due.saturating_duration_since(Instant::now()));
            let timeout = if self.ready.is_empty() { first_timer } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => events.iter().for_each(|event| self.write(event.token(), b"")),
            }
            for (token, data) in std::mem::take(&mut self.ready) {
                self.dispatch(token, &data);
            }
            let later = self.timers.split_off(&Instant::now());
            for call in std::mem::replace(&mut self.timers, later).into_values().flatten() {
                call(self);
            }
        }
    }

    fn dispatch(&mut self, token: Token, data: &[u8]) {
        // Taken out while it runs, so that it may use the whole reactor.
        let Some(mut handler) = self.handlers.remove(&token) else { return };
        match handler(self, token, data) {
            Ok(()) => self.write(token, b""), // There may be more. The others take their steps first.
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&error.kind()) => {}
            Err(error) => return println!("the end of {token:?}: {error}"),
        }
        self.handlers.insert(token, handler);
    }

    /// Notes what is to be sent, and that a step is due. So it never waits, and calls nobody back before it returns.
    fn write(&mut self, token: Token, data: &[u8]) {
        self.ready.entry(token).or_default().extend(data);
    }

    fn call_later(&mut self, delay: Duration, call: Call) {
        self.timers.entry(Instant::now() + delay).or_default().push(call);
    }

    fn register(&mut self, source: &mut impl Source) -> Result<Token> {
        self.last_token += 1;
        let token = Token(self.last_token);
        self.poll.registry().register(source, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(token)
    }

    fn listen(&mut self, mut port: TcpListener, factory: fn() -> Protocol) -> Result<()> {
        let token = self.register(&mut port)?;
        let accept = move |reactor: &mut Reactor, _, _: &_| reactor.connect(port.accept()?.0, factory()).map(|_| ());
        self.handlers.insert(token, Box::new(accept));
        Ok(())
    }

    /// The stream is connected or soon will be: mio tells when the first step can be taken.
    fn connect(&mut self, mut stream: TcpStream, mut protocol: Protocol) -> Result<Token> {
        let token = self.register(&mut stream)?;
        let mut outgoing = Vec::new();
        let step = move |reactor: &mut Reactor, me, data: &[u8]| {
            outgoing.extend(data);
            while !outgoing.is_empty() {
                outgoing.drain(..stream.write(&outgoing)?);
            }
            // Only now: a peer that does not read what we have sent is not heard either.
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer)? {
                0 => return Err(Error::other("closed by its peer")),
                count => protocol(reactor, me, &buffer[..count]),
            }
            Ok(())
        };
        self.handlers.insert(token, Box::new(step));
        Ok(token)
    }
}

/// Says hello again, a second after it has heard the echo.
fn greet(reactor: &mut Reactor, me: Token, data: &[u8]) {
    println!("the client hears: {}", String::from_utf8_lossy(data));
    reactor.call_later(Duration::from_secs(1), Box::new(move |reactor| reactor.write(me, b"hello again")));
}

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8007".to_owned());
    let port = address.parse().map_err(Error::other).and_then(TcpListener::bind).unwrap_or_else(|error| {
        eprintln!("Error: cannot listen on {address}: {error}");
        std::process::exit(1)
    });
    let address = port.local_addr()?;
    println!("listening on {0}; try: nc {1} {2}", address, address.ip(), address.port());
    let (handlers, timers, ready) = Default::default();
    let mut reactor = Reactor { poll: Poll::new()?, handlers, timers, ready, last_token: 0 };
    reactor.listen(port, || Box::new(|reactor, me, data| reactor.write(me, data)))?;
    let client = reactor.connect(TcpStream::connect(address)?, Box::new(greet))?;
    reactor.write(client, b"hello");
    println!("next: docs/tiny-reactor.md");
    reactor.run()
}

// Prints:
// listening on 127.0.0.1:8007; try: nc 127.0.0.1 8007
// next: docs/tiny-reactor.md
// the client hears: hello
// the client hears: hello again
