//! What a supervisor such as systemd gives a server and wants to hear of it: a port that is open already, the news that
//! it serves, that it ends, and that its loop still turns.
//!
//! The protocol is that of `sd_notify(3)`: a datagram of `NAME=value` to the socket that `NOTIFY_SOCKET` names. It is
//! written by hand because it is this small. Without a supervisor nothing is sent.
//!
//! Next: `reload.rs`, a SIGHUP.

use reactor::task::LoopingCall;
use reactor::{Phase, Reactor, SystemEvent};
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

/// The supervisor, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    socket: Rc<Option<OsString>>,
    /// How often the server must say that its loop turns.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(super) fn of_environment() -> Supervisor {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        // A value for another process was inherited by mistake.
        let is_for_us = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_for_us && *micros > 0).map(Duration::from_micros);
        Supervisor { socket: Rc::new(std::env::var_os("NOTIFY_SOCKET")), watchdog }
    }

    /// Tells it that the server serves, from now on that its loop turns, and in the end that it stops.
    pub(super) fn ready(&self, reactor: &Reactor) {
        if self.socket.is_none() {
            return;
        }
        self.tell("READY=1\nSTATUS=serving");
        let stopping = self.clone();
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            stopping.tell("STOPPING=1\nSTATUS=stopping");
        });
        if let Some(limit) = self.watchdog {
            // Half the limit, as `sd_watchdog_enabled(3)` advises. From the loop: one that hangs says nothing.
            let turning = self.clone();
            let (_, ended) = LoopingCall::start(reactor, limit / 2, move |_| turning.tell("WATCHDOG=1"));
            ended.detach();
        }
    }

    #[cfg(unix)]
    fn tell(&self, what: &str) {
        let Some(socket) = &*self.socket else { return };
        if let Err(error) = send(socket, what.as_bytes()) {
            log::warn!("the supervisor cannot be told {what:?}: {error}");
        }
    }

    /// Only UNIX systems have such supervisors.
    #[cfg(not(unix))]
    fn tell(&self, _: &str) {}
}

/// One datagram. It does not wait: a supervisor that does not read must not hold up the herd.
#[cfg(unix)]
fn send(socket: &std::ffi::OsStr, what: &[u8]) -> std::io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    let from = UnixDatagram::unbound()?;
    from.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return from.send_to_addr(what, &address).map(drop);
    }
    from.send_to(what, socket).map(drop)
}

/// The port that the supervisor has opened for `address`, if it has handed one over: as standard input, which needs no
/// `unsafe` code (systemd: `StandardInput=socket` beside a socket unit with one address).
///
/// # Errors
/// If it has opened another number of ports than one, or if standard input is not an open file.
#[cfg(unix)]
pub(super) fn inherited_port() -> Result<Option<std::os::fd::OwnedFd>, String> {
    use std::os::fd::AsFd;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(id), Some(1)) if id == std::process::id() => {
            let copy = std::io::stdin().as_fd().try_clone_to_owned();
            copy.map(Some).map_err(|error| format!("the supervisor's port cannot be taken: {error}"))
        }
        (Some(id), Some(count)) if id == std::process::id() => {
            Err(format!("the supervisor hands over {count} ports, and a server takes one: that of `address`"))
        }
        _ => Ok(None),
    }
}
