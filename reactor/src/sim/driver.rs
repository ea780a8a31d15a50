//! [`SimDriver`]: the [`Driver`] under the loop of one simulated host, and the handles that it gives out.
//!
//! Each method is a system call of the simulated host: it asks the [`Network`], which does the work. One differs from a
//! real system in kind: `poll` never waits, because the world lets the loop take a turn when it is time.
//!
//! When a process has ended, its handles are dead: their system calls do nothing and fail with
//! [`NotConnected`](ErrorKind::NotConnected).
//!
//! Next: `network.rs`, which all of this asks.

use super::environment::{Environment, SimWaker, Work};
use super::latency::Latency;
use super::network::Network;
use super::queue::{ConnectionId, EndIndex};
use super::random::Random;
use super::settings::Resolution;
use super::trace::{Action, excerpt};
use crate::driver::{
    DatagramSocket, Driver, Event as Polled, Job, ListenOptions, Listener, LookupReply, Stream, Token, Wake,
};
use crate::transport::KeepAlive;
use crate::{Address, UnixAddress};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of look-ups and jobs that wait in one world. Beyond it they are refused, as by the threads of the
/// real driver.
const MAX_SCHEDULED: usize = 1 << 20;

pub(super) struct SimDriver {
    process: Process,
    random: Random,
}

/// One run of a host's program. A restart begins another process, with another number.
#[derive(Clone)]
struct Process {
    environment: Rc<Environment>,
    host: u32,
    pid: u32,
}

impl Process {
    fn is_alive(&self) -> bool {
        let network = self.environment.network.borrow();
        let kernel = network.host(self.host);
        kernel.pid == self.pid && kernel.state.has_program()
    }

    /// Makes a system call, if the process is alive.
    fn system_call<T>(&self, f: impl FnOnce(&mut Network) -> io::Result<T>) -> io::Result<T> {
        if self.is_alive() {
            f(&mut self.environment.network.borrow_mut())
        } else {
            Err(ErrorKind::NotConnected.into())
        }
    }
}

impl SimDriver {
    pub(super) fn new(environment: Rc<Environment>, host: u32, pid: u32, random: Random) -> SimDriver {
        SimDriver { process: Process { environment, host, pid }, random }
    }

    /// What a name resolves to; `None` if no answer ever comes.
    fn look_up(&self, host: &str) -> Option<io::Result<Vec<IpAddr>>> {
        if host == "localhost" {
            return Some(Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        }
        match self.process.environment.names.borrow().get(host) {
            Some(Resolution::Addresses(addresses)) => Some(Ok(addresses.clone())),
            Some(Resolution::Fails(error)) => Some(Err((*error).into())),
            Some(Resolution::Silent) => None,
            None => Some(Err(ErrorKind::NotFound.into())),
        }
    }

    /// Draws how long a look-up or a job takes, and notes it in the trace. `None` if it is refused.
    fn draw_duration(
        &self,
        action: Action,
        detail: impl FnOnce() -> String,
        latency: impl FnOnce(&Network) -> Latency,
    ) -> Option<u64> {
        let Process { environment, host, .. } = &self.process;
        if !self.process.is_alive() || environment.scheduled.borrow().len() >= MAX_SCHEDULED {
            return None;
        }
        let network = &mut *environment.network.borrow_mut();
        let detail = network.detail(detail);
        network.note_with(*host, action, &detail);
        Some(latency(network).draw(&mut network.random))
    }

    /// Has work done for this process after a time.
    fn later(&self, after: u64, work: Work) {
        let Process { environment, host, pid } = &self.process;
        environment.later(after, Some((*host, *pid)), work);
    }
}

impl Driver for SimDriver {
    fn now(&self) -> Instant {
        self.process.environment.now()
    }

    fn clock(&self) -> Option<Box<dyn Fn() -> Instant>> {
        let environment = self.process.environment.clone();
        Some(Box::new(move || environment.now()))
    }

    fn system_time(&self) -> SystemTime {
        self.process.environment.network.borrow().time_of_day(self.process.host)
    }

    fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Never waits, whatever the time-out: the world lets the loop take a turn when it is time.
    fn poll(&mut self, _timeout: Option<Duration>, events: &mut Vec<Polled>) -> io::Result<()> {
        let Process { environment, host, .. } = &self.process;
        if environment.turn_of.get() != Some(*host) || !self.process.is_alive() {
            // A program that runs its reactor itself would spin for ever, because no time goes by while it does.
            return Err(io::Error::other("a simulated reactor is run by its world"));
        }
        let network = &mut *environment.network.borrow_mut();
        while let Some(readiness) = network.next_ready(*host) {
            events.push(Polled::Ready(readiness));
        }
        events.extend(network.host_mut(*host).signals.drain(..).map(Polled::Signal));
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::new(SimWaker { host: self.process.host, woken: self.process.environment.woken.clone() })
    }

    fn listen_tcp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        let host = self.process.host;
        let (key, address) = self.process.system_call(|network| network.listen(host, address, options, token))?;
        Ok(Box::new(SimListener { process: self.process.clone(), key, address: address.into() }))
    }

    /// There are no users, so the permissions mean nothing.
    fn listen_unix(
        &mut self,
        address: &UnixAddress,
        _mode: u32,
        backlog: u32,
        token: Token,
    ) -> io::Result<Box<dyn Listener>> {
        let host = self.process.host;
        let key = self.process.system_call(|network| network.listen_unix(host, address, backlog, token))?;
        Ok(Box::new(SimListener { process: self.process.clone(), key, address: address.clone().into() }))
    }

    fn connect_unix(&mut self, address: &UnixAddress, token: Token) -> io::Result<Box<dyn Stream>> {
        let host = self.process.host;
        let id = self.process.system_call(|network| network.connect_unix(host, address, token))?;
        Ok(Box::new(SimStream { process: self.process.clone(), id, side: 0 }))
    }

    fn connect_tcp(
        &mut self,
        address: SocketAddr,
        bind: Option<SocketAddr>,
        token: Token,
    ) -> io::Result<Box<dyn Stream>> {
        let host = self.process.host;
        let id = self.process.system_call(|network| network.connect(host, address, bind, token))?;
        Ok(Box::new(SimStream { process: self.process.clone(), id, side: 0 }))
    }

    fn listen_udp(
        &mut self,
        address: SocketAddr,
        options: ListenOptions,
        token: Token,
    ) -> io::Result<Box<dyn DatagramSocket>> {
        let host = self.process.host;
        let (key, address) = self.process.system_call(|network| network.listen_udp(host, address, options, token))?;
        Ok(Box::new(SimDatagramSocket { process: self.process.clone(), key, address }))
    }

    fn open_standard_io(&mut self, token: Token) -> io::Result<Box<dyn Stream>> {
        let host = self.process.host;
        self.process.system_call(|network| network.open_console(host, token))?;
        Ok(Box::new(SimConsole(self.process.clone())))
    }

    fn resolve(&mut self, host: &str, reply: LookupReply) {
        // The time is drawn even if no answer comes, so that a name that falls silent changes nothing else in the run.
        if let Some(after) =
            self.draw_duration(Action::LookUp, || excerpt(host.bytes()), |network| network.settings.lookup)
            && let Some(answer) = self.look_up(host)
        {
            self.later(after, Work::Answer(reply, answer, host.into()));
        }
    }

    fn spawn(&mut self, job: Job, _max_threads: usize) -> Result<(), Job> {
        let after = self.draw_duration(Action::Work, String::new, |network| network.settings.job);
        let Some(after) = after else { return Err(job) };
        self.later(after, Work::Job(job));
        Ok(())
    }

    fn catch_signals(&mut self, on: bool) -> io::Result<()> {
        if self.process.is_alive() {
            self.process.environment.network.borrow_mut().host_mut(self.process.host).catches_signals = on;
        }
        Ok(())
    }
}

struct SimListener {
    process: Process,
    key: u32,
    address: Address,
}

impl Listener for SimListener {
    fn accept(&self, token: Token) -> io::Result<(Box<dyn Stream>, Address)> {
        let (id, peer) = self.process.system_call(|network| network.accept(self.key, token))?;
        Ok((Box::new(SimStream { process: self.process.clone(), id, side: 1 }), peer))
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let _ = self.process.system_call(|network| {
            network.close_listener(self.key);
            Ok(())
        });
    }
}

struct SimStream {
    process: Process,
    id: ConnectionId,
    side: EndIndex,
}

impl Stream for SimStream {
    fn finish_connect(&mut self) -> io::Result<bool> {
        self.process.system_call(|network| Ok(network.finish_connect(self.id, self.side)?))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.process.system_call(|network| network.read(self.id, self.side, buffer))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.process.system_call(|network| network.write(self.id, self.side, slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.process.system_call(|network| network.shutdown_write(self.id, self.side))
    }

    fn reset_on_close(&mut self) {
        let _ = self.process.system_call(|network| {
            network.connections[self.id.key as usize].ends[self.side].reset_on_close = true;
            Ok(())
        });
    }

    /// There is nothing to switch off: Nagle's algorithm, which holds small writes back, is not simulated.
    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.process.system_call(|network| {
            network.set_keep_alive(self.id, self.side, keep_alive);
            Ok(())
        })
    }

    fn local_address(&self) -> io::Result<Address> {
        self.process
            .system_call(|network| Ok(network.connections[self.id.key as usize].ends[self.side].address.clone()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let _ = self.process.system_call(|network| {
            network.close(self.id, self.side);
            Ok(())
        });
    }
}

struct SimConsole(Process);

impl Stream for SimConsole {
    fn finish_connect(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.system_call(|network| network.read_console(self.0.host, buffer))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.system_call(|network| network.write_console(self.0.host, slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.system_call(|network| {
            network.end_console_output(self.0.host);
            Ok(())
        })
    }

    fn reset_on_close(&mut self) {}

    fn is_borrowed(&self) -> bool {
        true
    }

    fn set_no_delay(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_keep_alive(&mut self, _keep_alive: Option<KeepAlive>) -> io::Result<()> {
        Ok(())
    }

    fn local_address(&self) -> io::Result<Address> {
        Ok(Address::StandardIo)
    }
}

impl Drop for SimConsole {
    fn drop(&mut self) {
        let _ = self.0.system_call(|network| {
            network.close_console(self.0.host);
            Ok(())
        });
    }
}

struct SimDatagramSocket {
    process: Process,
    key: u32,
    address: SocketAddr,
}

impl DatagramSocket for SimDatagramSocket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.process.system_call(|network| network.receive_datagram(self.key, buffer))
    }

    fn send(&self, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        self.process.system_call(|network| network.send_datagram(self.key, datagram, to))
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.process.system_call(|network| {
            network.udp(self.key).connect(peer);
            Ok(())
        })
    }

    fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.process.system_call(|network| {
            network.udp(self.key).set_broadcast(on);
            Ok(())
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for SimDatagramSocket {
    fn drop(&mut self) {
        let _ = self.process.system_call(|network| {
            network.close_udp(self.key);
            Ok(())
        });
    }
}
