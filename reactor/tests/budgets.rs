//! The read budget: what one connection may cost in one turn, over a driver with a stream that never runs dry.

use reactor::driver::{
    Driver, Event, Job, ListenOptions, Listener, LookupReply, MioDriver, Readiness, Stream, Token, Wake,
};
use reactor::transport::KeepAlive;
use reactor::{Address, Protocol, Reactor, Settings, Transport};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A world in which every connection is made at once, has bytes to read for ever, and is reported by each poll.
struct Endless {
    inner: MioDriver,
    streams: Vec<Token>,
}

impl Driver for Endless {
    fn now(&self) -> Instant {
        self.inner.now()
    }
    fn system_time(&self) -> SystemTime {
        self.inner.system_time()
    }
    fn random(&mut self) -> u64 {
        self.inner.random()
    }
    fn poll(&mut self, _timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        events.extend(self.streams.iter().map(|token| {
            let token = *token;
            Event::Ready(Readiness { token, readable: true, writable: true, read_closed: false, broken: false })
        }));
        Ok(())
    }
    fn waker(&self) -> Arc<dyn Wake> {
        self.inner.waker()
    }
    fn listen_tcp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        self.inner.listen_tcp(address, options, token)
    }
    fn connect_tcp(
        &mut self,
        _address: SocketAddr,
        _bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        self.streams.push(token);
        Ok(Box::new(EndlessStream))
    }
    fn resolve(&mut self, host: &str, reply: LookupReply) {
        self.inner.resolve(host, reply);
    }
    fn spawn(&mut self, job: Job, max_threads: usize) -> Result<(), Job> {
        self.inner.spawn(job, max_threads)
    }
    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        self.inner.catch_signals(on)
    }
}

struct EndlessStream;

impl Stream for EndlessStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        Ok(true)
    }
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn reset_on_close(&mut self) {}
    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }
    fn set_keep_alive(&mut self, _keep_alive: Option<KeepAlive>) -> io::Result<()> {
        Ok(())
    }
    fn local_address(&self) -> io::Result<Address> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)).into())
    }
}

/// Counts its reads, and answers each, so that it also asks for attention.
struct Counting(Rc<Cell<usize>>);

impl Protocol for Counting {
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        self.0.set(self.0.get() + 1);
        transport.write(b"!");
    }
}

#[test]
fn a_connection_that_never_runs_dry_has_two_read_budgets_in_a_turn_and_no_more() {
    let driver = Endless { inner: MioDriver::new().unwrap(), streams: Vec::new() };
    let reactor = Reactor::with_driver(Box::new(driver), Settings::default());
    let reads = Rc::new(Cell::new(0));
    let counted = reads.clone();
    reactor.connect_tcp(("127.0.0.1", 1), move |_| Counting(counted.clone()));
    let mut counts = Vec::new();
    for _ in 0..20 {
        let before = reads.get();
        reactor.iterate(Duration::ZERO).unwrap();
        counts.push(reads.get() - before);
    }
    let budget = reactor.settings().max_reads_at_once;
    // One for its event, and one for what it could not finish then.
    assert_eq!(counts[2..], [2 * budget; 18], "after the turns in which it was made");
}
