//! [`Reactor::resolve`]: host names, as a Deferred. Which names are asked for and which answers are kept, `resolver.rs`
//! decides.
//!
//! Next: `race.rs`, how several addresses are tried.

use super::callback::Description;
use super::resolver::{self, Found};
use super::{Core, Reactor, threads};
#[cfg(doc)]
use crate::Settings;
use crate::trace::{Kind, Outcome};
use crate::{Deferred, Failure};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::Location;

impl Reactor {
    /// Looks up the addresses of a host name without blocking the loop, and waits at most
    /// [`Settings::lookup_timeout`]. For an IP address, the answer is that address, at once. The Deferred can be
    /// cancelled.
    ///
    /// Callers that ask for the same name at the same time share one look-up. An answer is used again for
    /// [`Settings::lookup_kept`], a failure for [`Settings::failed_lookup_kept`]. The Deferred has fired already then,
    /// when it is returned.
    ///
    /// Fails with [`ConnectError::NameLookup`](crate::error::ConnectError::NameLookup). If the reactor stops before the
    /// answer, the Deferred may stay unfired.
    #[track_caller]
    pub fn resolve(&self, host: &str) -> Deferred<Vec<IpAddr>> {
        self.resolve_in(resolver::DEFAULT_LANE, host)
    }

    /// Looks up the addresses of a host name in a *lane*: a purpose with threads of its own, so that silent names in
    /// one lane do not delay the names of another. All else, such as the time limit and the error, is as for
    /// [`resolve`](Reactor::resolve). Sixteen names of a lane are looked up at a time; more wait for
    /// their turn. There are up to eight lanes, the default one included; a ninth name of a lane means the default
    /// lane.
    #[track_caller]
    pub fn resolve_in(&self, lane: &'static str, host: &str) -> Deferred<Vec<IpAddr>> {
        match host.parse() {
            Ok(address) => crate::deferred::succeed(vec![address]),
            Err(_) => without_ports(self.core.resolve(lane, host)),
        }
    }

    /// Looks up the addresses of a host name, and never uses the answer of an earlier look-up again. All else, such as
    /// the time limit and the error, is as for [`resolve`](Reactor::resolve). Use it where a
    /// decision depends on the address, such as whether to trust a peer. A look-up that is under way is still shared.
    #[track_caller]
    pub fn resolve_anew(&self, host: &str) -> Deferred<Vec<IpAddr>> {
        match host.parse() {
            Ok(address) => crate::deferred::succeed(vec![address]),
            Err(_) => without_ports(self.core.look_up(resolver::DEFAULT_LANE, host)),
        }
    }
}

/// The addresses alone: in what a look-up has found, the port means nothing.
#[track_caller]
fn without_ports(found: Deferred<Vec<SocketAddr>>) -> Deferred<Vec<IpAddr>> {
    found.add_callback(|found| Ok(found.iter().map(SocketAddr::ip).collect::<Vec<_>>()))
}

impl Core {
    /// Looks a host name up, unless the answer is known.
    #[track_caller]
    pub(super) fn resolve(&self, lane: &'static str, host: &str) -> Deferred<Vec<SocketAddr>> {
        let known = self.resolver.borrow().known(host, self.read_clock());
        match known.map(|found| resolver::addresses(host, found)) {
            Some(Ok(addresses)) => crate::deferred::succeed(addresses),
            Some(Err(error)) => crate::deferred::fail(error),
            None => self.look_up(lane, host),
        }
    }

    #[track_caller]
    fn look_up(&self, lane: &'static str, host: &str) -> Deferred<Vec<SocketAddr>> {
        let (reactor, timeout) = (self.weak(), self.work.settings.lookup_timeout);
        let (deferred, completion) = self.completions.deferred::<Found>(&reactor);
        let refused = self.resolver.borrow_mut().wait(lane, host, completion).err();

        let core = self.weak();
        let (slow, failed, place) = (host.to_owned(), host.to_owned(), Location::caller());
        let limit = self.work.timers.call_later_at(
            place,
            timeout,
            Box::new(move || {
                if let Some(core) = core.core() {
                    let error = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}"));
                    core.completions.finish::<Found>(completion, Err(error));
                    log::debug!(target: "reactor", "the look-up of {slow} is too slow");
                }
            }),
        );
        self.work.lookup_limits.borrow_mut().insert(completion, limit);
        let core = self.weak();
        let deferred = deferred.add_both(move |result| {
            if let Some(core) = core.core() {
                let limit = core.work.lookup_limits.borrow_mut().remove(&completion);
                if let Some(limit) = limit {
                    limit.cancel();
                }
                core.resolver.borrow_mut().leave(&failed, completion);
            }
            resolver::addresses(&failed, result?).map_err(|error| Failure::at(error, place))
        });
        match refused {
            Some(error) => self.completions.finish::<Found>(completion, Err(error)),
            None => self.ask_for_names(place),
        }
        deferred
    }

    /// Hands the driver the names that are next.
    fn ask_for_names(&self, place: &'static Location<'static>) {
        loop {
            // Both borrows end with their statement: the driver may drop the reply at once.
            let Some(host) = self.resolver.borrow_mut().next() else { return };
            let reply = threads::lookup_reply(&self.calls_from_threads, &host, place);
            self.driver.borrow_mut().resolve(&host, reply);
        }
    }

    /// The driver is done with a name. `None` if it dropped the look-up without an answer.
    pub(super) fn name_answered(&self, host: &str, found: Option<Found>, place: &'static Location<'static>) {
        let Some(found) = found else {
            self.resolver.borrow_mut().lost(host);
            return self.ask_for_names(place);
        };
        if let Some(scope) = &self.work.trace {
            scope.emit(Kind::Resolved { name: host, outcome: Outcome::of(&found, Vec::len) });
        }
        let (now, settings) = (self.read_clock(), &self.work.settings);
        let is_good = matches!(&found, Ok(addresses) if !addresses.is_empty());
        let kept = if is_good { settings.lookup_kept } else { settings.failed_lookup_kept };
        let callers = self.resolver.borrow_mut().answered(host, &found, now, now + kept);
        // Each in a callback of its own: if one panics, the others still get their answer.
        for caller in callers {
            let Some(place) = self.completions.place(caller) else { continue };
            let answer = resolver::copy(&found);
            let describe = |out: &mut Description| {
                out.place(place);
                out.write_fmt(format_args!("the look-up of {host} requested at {place}"))
            };
            self.run_callback(describe, || self.completions.finish::<Found>(caller, answer));
        }
        self.ask_for_names(place);
    }
}
