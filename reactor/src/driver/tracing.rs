//! [`TracingDriver`]: a decorator around any driver, that reports each call and its outcome to a trace.
//!
//! It is the kernel lane of a trace: on a [`MioDriver`](super::MioDriver), each report is a call to the system, or the
//! few of them that `docs/trace.md` names. A reactor without a trace has no decorator, so that it costs nothing.
//!
//! Next: `../error.rs`, the named errors.

use super::{
    AdoptedDatagramSocket, AdoptedListener, AdoptedStream, DatagramSocket, Driver, Event, Job, ListenOptions, Listener,
    LookupReply, Signal, Stream, Token, Wake, Watch,
};
use crate::trace::{Bytes, Call, Kind, Outcome, Scope, Trace};
use crate::transport::KeepAlive;
use crate::{Address, UnixAddress};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(crate) struct TracingDriver {
    inner: Box<dyn Driver>,
    scope: Rc<Scope>,
    /// The clock of a trace whose driver has none to lend.
    last_now: Rc<Cell<Instant>>,
}

impl TracingDriver {
    /// Puts the decorator around a driver. Returns it with the reactor's part of the trace, in which the loop reports,
    /// too.
    pub(crate) fn around(
        inner: Box<dyn Driver>,
        trace: Trace,
        host: Option<&str>,
        began: Option<Instant>,
    ) -> (Box<dyn Driver>, Rc<Scope>) {
        let last_now = Rc::new(Cell::new(inner.now()));
        let last = last_now.clone();
        let clock = inner.clock().unwrap_or_else(|| Box::new(move || last.get()));
        let scope = Rc::new(Scope::new(trace, host, clock, began));
        (Box::new(TracingDriver { inner, scope: scope.clone(), last_now }), scope)
    }

    fn opened(&self, call: Call<'_>, token: Token, result: io::Result<Box<dyn Stream>>) -> io::Result<Box<dyn Stream>> {
        self.scope.call(call, Outcome::of(&result, |_| 0));
        result.map(|inner| TracedStream::around(inner, &self.scope, token))
    }

    fn listens(
        &self,
        address: &str,
        token: Token,
        result: io::Result<Box<dyn Listener>>,
    ) -> io::Result<Box<dyn Listener>> {
        let call = Call::Listen { socket: token.serial(), address, datagrams: false };
        self.scope.call(call, Outcome::of(&result, |_| 0));
        Ok(Box::new(TracedListener { inner: result?, socket: Socket::new(&self.scope, token) }))
    }

    fn adopted<T>(&self, token: Token, result: &io::Result<T>) {
        self.scope.call(Call::Adopt { socket: token.serial() }, Outcome::of(result, |_| 0));
    }
}

impl Driver for TracingDriver {
    fn now(&self) -> Instant {
        let now = self.inner.now();
        self.last_now.set(now);
        now
    }

    fn clock(&self) -> Option<Box<dyn Fn() -> Instant>> {
        self.inner.clock()
    }

    fn watch(&self, limit: Duration) -> Option<Watch> {
        self.inner.watch(limit)
    }

    fn system_time(&self) -> SystemTime {
        self.inner.system_time()
    }

    fn random(&mut self) -> u64 {
        self.inner.random()
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.scope.flush();
        }
        let (begin, before) = (self.now(), events.len());
        let result = self.inner.poll(timeout, events);
        let took = self.now().checked_duration_since(begin).unwrap_or_default();
        let new = &events[before..];
        self.scope.call(Call::Poll { timeout, took }, Outcome::of(&result, |()| new.len()));
        for event in new {
            self.scope.emit(match event {
                Event::Ready(it) => Kind::Ready {
                    socket: it.token.serial(),
                    readable: it.readable,
                    writable: it.writable,
                    read_closed: it.read_closed,
                    broken: it.broken,
                },
                Event::Signal(Signal::Interrupt) => Kind::Signal("interrupt"),
                Event::Signal(Signal::Terminate) => Kind::Signal("terminate"),
                Event::Signal(Signal::Hangup) => Kind::Signal("hangup"),
            });
        }
        result
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
        let result = self.inner.listen_tcp(address, options, token);
        self.listens(&address.to_string(), token, result)
    }

    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        let result = self.inner.connect_tcp(address, bind, token);
        self.opened(Call::Connect { socket: token.serial(), address: &address.to_string() }, token, result)
    }

    fn listen_unix(
        &mut self,
        address: &UnixAddress,
        mode: u32,
        backlog: u32,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        let result = self.inner.listen_unix(address, mode, backlog, token);
        self.listens(&address.to_string(), token, result)
    }

    fn connect_unix(&mut self, address: &UnixAddress, token: Token) -> io::Result<Box<dyn Stream>> {
        let result = self.inner.connect_unix(address, token);
        self.opened(Call::Connect { socket: token.serial(), address: &address.to_string() }, token, result)
    }

    fn listen_udp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        let result = self.inner.listen_udp(address, options, token);
        let call = Call::Listen { socket: token.serial(), address: &address.to_string(), datagrams: true };
        self.scope.call(call, Outcome::of(&result, |_| 0));
        Ok(Box::new(TracedDatagramSocket { inner: result?, socket: Socket::new(&self.scope, token) }))
    }

    fn adopt_listener(&mut self, listener: AdoptedListener, token: Token) -> io::Result<Box<dyn Listener>> {
        let result = self.inner.adopt_listener(listener, token);
        self.adopted(token, &result);
        Ok(Box::new(TracedListener { inner: result?, socket: Socket::new(&self.scope, token) }))
    }

    fn adopt_stream(&mut self, stream: AdoptedStream, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let result = self.inner.adopt_stream(stream, token);
        self.adopted(token, &result);
        let (inner, peer) = result?;
        Ok((TracedStream::around(inner, &self.scope, token), peer))
    }

    fn adopt_datagram_socket(
        &mut self,
        socket: AdoptedDatagramSocket,
        token: Token,
    ) -> io::Result<(Box<dyn DatagramSocket>, Option<SocketAddr>)> {
        let result = self.inner.adopt_datagram_socket(socket, token);
        self.adopted(token, &result);
        let (inner, peer) = result?;
        Ok((Box::new(TracedDatagramSocket { inner, socket: Socket::new(&self.scope, token) }), peer))
    }

    fn open_standard_io(&mut self, token: Token) -> io::Result<Box<dyn Stream>> {
        let result = self.inner.open_standard_io(token);
        self.opened(Call::Adopt { socket: token.serial() }, token, result)
    }

    fn resolve(&mut self, host: &str, reply: LookupReply) {
        self.scope.call(Call::Resolve { name: host }, Outcome::Done(0));
        self.inner.resolve(host, reply);
    }

    fn spawn(&mut self, job: Job, max_threads: usize) -> Result<(), Job> {
        let result = self.inner.spawn(job, max_threads);
        let outcome = match result {
            Ok(()) => Outcome::Done(0),
            Err(_) => Outcome::Failed { kind: io::ErrorKind::Other, code: None },
        };
        self.scope.call(Call::Spawn, outcome);
        result
    }

    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        let result = self.inner.catch_signals(on);
        self.scope.call(Call::CatchSignals { name: "interrupt, terminate", on }, Outcome::of(&result, |()| 0));
        result
    }

    fn catch_hangups(&mut self, on: bool) -> io::Result<()> {
        let result = self.inner.catch_hangups(on);
        self.scope.call(Call::CatchSignals { name: "hangup", on }, Outcome::of(&result, |()| 0));
        result
    }
}

impl Drop for TracingDriver {
    fn drop(&mut self) {
        self.scope.end();
    }
}

/// What a decorated socket needs for its reports. Its drop reports the close: it stands behind the socket in each
/// struct, so the socket is closed by then.
struct Socket {
    scope: Rc<Scope>,
    serial: u64,
}

impl Socket {
    fn new(scope: &Rc<Scope>, token: Token) -> Socket {
        Socket { scope: scope.clone(), serial: token.serial() }
    }

    /// Reports a call, and returns its result.
    fn report<T>(&self, call: impl FnOnce(u64) -> Call<'static>, result: io::Result<T>) -> io::Result<T> {
        self.count(call, |_| 0, result)
    }

    fn count<T>(
        &self,
        call: impl FnOnce(u64) -> Call<'static>,
        count: impl FnOnce(&T) -> usize,
        result: io::Result<T>,
    ) -> io::Result<T> {
        self.scope.call(call(self.serial), Outcome::of(&result, count));
        result
    }

    fn local_address<A: ToString>(&self, result: io::Result<A>) -> io::Result<A> {
        let address = result.as_ref().ok().map(A::to_string);
        let call = Call::LocalAddress { socket: self.serial, address: address.as_deref() };
        self.scope.call(call, Outcome::of(&result, |_| 0));
        result
    }

    fn read(&self, buffer: &[u8], peer: Option<&str>, count: Outcome) {
        let (socket, room) = (self.serial, buffer.len());
        let filled = if let Outcome::Done(count) = count { &buffer[..count.min(room)] } else { &[] };
        self.scope.with_bytes(filled, |bytes| self.scope.call(Call::Read { socket, room, peer, bytes }, count));
    }

    fn wrote(&self, slices: &[IoSlice<'_>], peer: Option<&str>, outcome: Outcome) {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let (socket, pieces) = (self.serial, slices.len());
        let count = if let Outcome::Done(count) = outcome { count } else { 0 };
        let report = |bytes: Bytes<'_>| self.scope.call(Call::Write { socket, offered, pieces, peer, bytes }, outcome);
        self.scope.with_pieces(slices, count, report);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.scope.call(Call::Close { socket: self.serial }, Outcome::Done(0));
    }
}

struct TracedListener {
    inner: Box<dyn Listener>,
    socket: Socket,
}

impl Listener for TracedListener {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let result = self.inner.accept(token);
        let peer = result.as_ref().ok().map(|(_, peer)| peer.to_string());
        let call = Call::Accept { listener: self.socket.serial, socket: token.serial(), peer: peer.as_deref() };
        self.socket.scope.call(call, Outcome::of(&result, |_| 0));
        let (inner, peer) = result?;
        Ok((TracedStream::around(inner, &self.socket.scope, token), peer))
    }

    fn local_address(&self) -> io::Result<Address> {
        self.socket.local_address(self.inner.local_address())
    }
}

struct TracedStream {
    inner: Box<dyn Stream>,
    socket: Socket,
}

impl TracedStream {
    fn around(inner: Box<dyn Stream>, scope: &Rc<Scope>, token: Token) -> Box<dyn Stream> {
        Box::new(TracedStream { inner, socket: Socket::new(scope, token) })
    }
}

impl Stream for TracedStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        let result = self.inner.finish_connect();
        self.socket.count(|socket| Call::FinishConnect { socket }, |done| usize::from(*done), result)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.socket.read(buffer, None, Outcome::of(&result, |count| *count));
        result
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.inner.write_vectored(slices);
        self.socket.wrote(slices, None, Outcome::of(&result, |count| *count));
        result
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let result = self.inner.shutdown_write();
        self.socket.report(|socket| Call::Shutdown { socket }, result)
    }

    fn reset_on_close(&mut self) {
        self.inner.reset_on_close();
        let _ = self.socket.report(|socket| Call::ResetOnClose { socket }, Ok(()));
    }

    fn is_borrowed(&self) -> bool {
        self.inner.is_borrowed()
    }

    fn set_no_delay(&mut self, on: bool) -> io::Result<()> {
        let result = self.inner.set_no_delay(on);
        self.socket.report(|socket| Call::SetOption { socket, name: "TCP_NODELAY" }, result)
    }

    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        let result = self.inner.set_keep_alive(keep_alive);
        self.socket.report(|socket| Call::SetOption { socket, name: "SO_KEEPALIVE" }, result)
    }

    fn local_address(&self) -> io::Result<Address> {
        self.socket.local_address(self.inner.local_address())
    }
}

struct TracedDatagramSocket {
    inner: Box<dyn DatagramSocket>,
    socket: Socket,
}

impl DatagramSocket for TracedDatagramSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let result = self.inner.receive(buffer);
        let peer = result.as_ref().ok().map(|(_, peer)| peer.to_string());
        self.socket.read(buffer, peer.as_deref(), Outcome::of(&result, |(count, _)| *count));
        result
    }

    fn send(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let result = self.inner.send(datagram, to);
        let peer = to.map(|to| to.to_string());
        self.socket.wrote(&[IoSlice::new(datagram)], peer.as_deref(), Outcome::of(&result, |()| datagram.len()));
        result
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.report(|socket| Call::SetOption { socket, name: "connect" }, self.inner.connect(peer))
    }

    fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.socket.report(|socket| Call::SetOption { socket, name: "SO_BROADCAST" }, self.inner.set_broadcast(on))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_address(self.inner.local_address())
    }
}
