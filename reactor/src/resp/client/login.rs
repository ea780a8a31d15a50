//! How a connection begins: the version of the protocol, the user, the database.
//!
//! ```text
//!   HELLO 3 AUTH user password SETNAME name --- refused: NOPROTO, or unknown ---> AUTH, CLIENT SETNAME
//!                  |                                                                        |
//!                  +-----------------------> SELECT <---------------------------------------+
//!                                              |
//!                                    CLIENT TRACKING, SUBSCRIBE, ... ---> commands that wait
//! ```
//!
//! If any of it fails, so does the attempt to connect, and the service tries again later.
//!
//! Next: `events.rs`, what comes without being asked for.

use super::error::{NeedsResp3, ServerFault};
use super::machine::Inner;
use super::pipeline::{Name, own_answer};
use super::settings::{ClientSettings, ProtocolVersion};
use crate::resp::command::Command;
use crate::resp::error::ServerError;
use crate::resp::value::Value;
use crate::service::ServiceError;
use crate::{Deferred, Failure, Transport, deferred};
use std::rc::{Rc, Weak};

impl Inner {
    /// Logs in on a new connection.
    pub(super) fn login(self: &Rc<Self>, transport: &Transport) -> Deferred<()> {
        let settings = self.settings();
        // Our own limits bound what waits to be sent. This one must not stand before them.
        transport.set_max_buffered(settings.max_bytes.saturating_add(1 << 20));
        drop(self.transport.replace(Some(transport.clone())));
        // Weak, because the pipeline of this client holds the Deferreds, and they hold their callbacks.
        let this = self.this.clone();
        let greeted = match settings.version {
            ProtocolVersion::Resp2 => self.greet_in_resp2(&settings),
            version => self.ask(&hello(&settings)).add_both(move |result| match result {
                Ok(info) if speaks_resp3(&info) => still_there(&this, |me| {
                    me.is_resp3.set(true);
                    deferred::succeed(())
                }),
                Ok(_) => deferred::fail(ServerFault::Nonsense { command: "HELLO" }),
                Err(failure) if version == ProtocolVersion::Any && is_about_the_version(&failure) => {
                    still_there(&this, |me| me.greet_in_resp2(&me.settings()))
                }
                Err(failure) => Deferred::from_result(Err(failure)),
            }),
        };
        let step = |step: fn(&Rc<Inner>) -> Deferred<()>| {
            let this = self.this.clone();
            move |()| still_there(&this, |me| step(&me))
        };
        greeted
            .add_callback(step(Inner::select))
            .add_callback(step(Inner::track))
            .add_callback(step(Inner::ask_for_all))
            .add_callback(step(Inner::begin))
    }

    fn greet_in_resp2(self: &Rc<Self>, settings: &ClientSettings) -> Deferred<()> {
        let authenticated = settings.password.as_ref().map(|password| {
            let auth = Command::new("AUTH").args(settings.user.as_deref()).arg(password.text());
            self.ask(&auth).add_callback(|reply| expect_ok("AUTH", &reply))
        });
        let named = settings.name.as_ref().map(|name| {
            // A server that forbids it can still be used.
            self.ask(&Command::from(["CLIENT", "SETNAME", name])).add_both(|_| Ok(()))
        });
        let nothing = || deferred::succeed(());
        authenticated.unwrap_or_else(nothing).add_callback(move |()| named.unwrap_or_else(nothing))
    }

    fn select(self: &Rc<Self>) -> Deferred<()> {
        match self.settings().database {
            0 => deferred::succeed(()), // Where every connection begins.
            number => self.ask(&Command::new("SELECT").arg(number)).add_callback(|reply| expect_ok("SELECT", &reply)),
        }
    }

    fn track(self: &Rc<Self>) -> Deferred<()> {
        let tracking = self.tracking.borrow();
        match &*tracking {
            None => deferred::succeed(()),
            Some(_) if !self.is_resp3.get() => deferred::fail(NeedsResp3),
            Some((tracking, _)) => {
                self.ask(&tracking.command()).add_callback(|reply| expect_ok("CLIENT TRACKING", &reply))
            }
        }
    }

    /// Sends a command of the client's own.
    fn ask(self: &Rc<Self>, command: &Command<'_>) -> Deferred<Value> {
        let Some(reactor) = self.reactor.upgrade() else { return deferred::fail(crate::CancelledError) };
        // The service limits the time of the whole login.
        let deadline = reactor.now() + self.settings().service.prepare_timeout;
        let (deferred, answer) = own_answer();
        self.push_own(&reactor, Name::new(command.name_bytes()), deadline, answer);
        self.write(std::slice::from_ref(command));
        deferred
    }
}

fn still_there(this: &Weak<Inner>, then: impl FnOnce(Rc<Inner>) -> Deferred<()>) -> Deferred<()> {
    this.upgrade().map_or_else(|| deferred::fail(ServiceError::Stopped), then)
}

fn hello(settings: &ClientSettings) -> Command<'_> {
    let mut hello = Command::from(["HELLO", "3"]);
    if let Some(password) = &settings.password {
        hello = hello.arg("AUTH").arg(settings.user.as_deref().unwrap_or("default")).arg(password.text());
    }
    match &settings.name {
        Some(name) => hello.arg("SETNAME").arg(name),
        None => hello,
    }
}

/// The server answers `HELLO` with a map about itself.
fn speaks_resp3(info: &Value) -> bool {
    let Value::Map(_) = info else { return false };
    info.pairs().is_some_and(|mut pairs| {
        pairs.any(|(key, value)| key.as_bytes() == Some(b"proto") && value.as_integer() == Some(3))
    })
}

/// Whether `HELLO` was refused because of its version, or is unknown. A wrong password is neither.
fn is_about_the_version(failure: &Failure) -> bool {
    failure.check::<ServerError>().is_some_and(|error| {
        error.code() == "NOPROTO" || (error.code() == "ERR" && error.message().starts_with("unknown command"))
    })
}

fn expect_ok(command: &'static str, reply: &Value) -> Result<(), Failure> {
    match reply.as_bytes() {
        Some(b"OK") => Ok(()),
        _ => Err(ServerFault::Nonsense { command }.into()),
    }
}
