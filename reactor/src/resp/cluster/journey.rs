//! [`travel`]: the way of one command, or one batch, through the cluster, as a coroutine.
//!
//! ```text
//!   where is its slot? --> send it there --> a reply: done
//!        ^   ^                 |  |  '------> not answered: failed, for it may have run
//!        |   '---- MOVED ------'  '-- ASK: send it to the other server, with ASKING, once
//!        '-- wait, and ask for a new map -- not sent; TRYAGAIN, CLUSTERDOWN, LOADING, ...
//! ```
//!
//! All arrows back are from states in which no server has carried the command out. Redirects are counted, and waits end
//! with the command's time.
//!
//! Next: `handle.rs`, the front.

use super::core::Core;
use super::map::{NodeAddress, Redirect};
use super::settings::ClusterError;
use crate::resp::client::{Client, CommandError, CommandStage};
use crate::resp::command::Command;
use crate::resp::error::ServerError;
use crate::resp::value::Value;
use crate::service::ServiceError;
use crate::{Deferred, Failure, TimeoutError};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// What is on its way.
pub(super) struct Journey {
    pub(super) core: Weak<Core>,
    pub(super) commands: Vec<Command<'static>>,
    pub(super) slot: u16,
    pub(super) end: Instant,
}

/// What a server's answer leads to.
enum Verdict {
    Done(Result<Vec<Value>, Failure>),
    /// Not carried out.
    Redirected(Redirect),
    /// Not carried out, and why.
    Later(String),
}

pub(super) async fn travel(journey: Journey) -> Result<Vec<Value>, Failure> {
    let (mut redirects, mut pauses) = (0, 0);
    let mut last = "there is no map of it".to_owned();
    let mut ask: Option<NodeAddress> = None;
    loop {
        let (core, left) = journey.go_on(&last)?;
        let max_redirects = core.settings().max_redirects;
        let address = ask.take().map(|address| (address, true)).or(core.address_of(journey.slot).map(|it| (it, false)));
        let sent =
            address.as_ref().and_then(|(address, asking)| Some(journey.send(&core.node(address)?, *asking, left)));
        let is_ready = address.is_some() || !core.primaries().is_empty();
        drop(core); // Not held while it waits: see `core.rs`.
        let verdict = match (sent, &address) {
            (Some(sent), Some((address, asking))) => journey.judge(sent.await, address, *asking),
            _ => Verdict::Later(if is_ready { "no server has its slot".to_owned() } else { last.clone() }),
        };
        match verdict {
            Verdict::Done(result) => return result,
            Verdict::Redirected(Redirect::Moved(..) | Redirect::Ask(_)) if redirects >= max_redirects => {
                return Err(journey.not_sent(ClusterError::TooManyRedirects { limit: max_redirects }));
            }
            Verdict::Redirected(Redirect::Moved(slot, address)) => {
                redirects += 1;
                journey.go_on(&last)?.0.moved(slot, address);
            }
            Verdict::Redirected(Redirect::Ask(address)) => {
                redirects += 1;
                ask = Some(address);
            }
            Verdict::Redirected(Redirect::Later) => {} // `judge` makes it a `Later`.
            Verdict::Later(why) => {
                last = why;
                pauses += 1;
                let (core, left) = journey.go_on(&last)?;
                let wait = match is_ready {
                    true => core.sleep(core.pause(pauses).min(left)),
                    false => core.when_ready(),
                };
                core.refresh();
                let reactor = core.reactor.upgrade().ok_or(ServiceError::Stopped)?;
                drop(core);
                let waited = wait.add_timeout(left, &reactor);
                drop(reactor);
                match waited.await {
                    Err(failure) if failure.check::<TimeoutError>().is_none() => return Err(failure),
                    _ => {}
                }
            }
        }
    }
}

impl Journey {
    /// What of its time is left. Fails if there is none, or no cluster any more.
    fn go_on(&self, last: &str) -> Result<(Rc<Core>, Duration), Failure> {
        let core = self.core.upgrade().filter(|core| core.is_running());
        let core = core.ok_or_else(|| self.not_sent(ServiceError::Stopped))?;
        let reactor = core.reactor.upgrade().ok_or_else(|| self.not_sent(ServiceError::Stopped))?;
        let left = self.end.saturating_duration_since(reactor.now());
        if left.is_zero() {
            return Err(self.not_sent(ClusterError::Unavailable { last: last.to_owned() }));
        }
        Ok((core, left))
    }

    fn not_sent(&self, reason: impl Into<Failure>) -> Failure {
        let name = self.commands.first().map(|command| command.name().to_ascii_uppercase()).unwrap_or_default();
        CommandError::new(CommandStage::NotSent, &name, reason).into()
    }

    /// Sends the commands to a server; if `asking`, each with the permission to find what its slot has moved there.
    fn send(&self, node: &Client, asking: bool, left: Duration) -> Deferred<Vec<Value>> {
        match (&self.commands[..], asking) {
            ([command], false) => node.send_one(command, left).add_both(|result| match result {
                Ok(value) => Ok(vec![value]),
                Err(failure) => match failure.check::<ServerError>() {
                    Some(error) => Ok(vec![Value::Error(error.clone())]),
                    None => Err(failure),
                },
            }),
            (commands, false) => node.send_all(commands, left),
            (commands, true) => {
                let with_permission = |command: &Command<'static>| match command.slot() {
                    Ok(None) => vec![command.clone()],
                    _ => vec![Command::from(["ASKING"]), command.clone()],
                };
                let all: Vec<Command<'static>> = commands.iter().flat_map(with_permission).collect();
                node.send_all(&all, left)
            }
        }
    }

    fn judge(&self, result: Result<Vec<Value>, Failure>, at: &NodeAddress, asking: bool) -> Verdict {
        let replies = match result {
            Ok(replies) => replies,
            Err(failure) => {
                return match failure.check::<CommandError>() {
                    Some(error) if error.stage() == CommandStage::NotSent && !is_ours(error) => {
                        Verdict::Later(error.reason().value().to_string())
                    }
                    _ => Verdict::Done(Err(failure)),
                };
            }
        };
        let replies = if asking { self.without_permissions(replies) } else { replies };
        match self.redirect(&replies, at) {
            None => Verdict::Done(Ok(replies)),
            // `ASKING` holds for one command, and not inside of a transaction. The slot will have moved soon.
            Some((Redirect::Ask(_), text)) if self.has_transaction() => Verdict::Later(text),
            Some((Redirect::Later, text)) => Verdict::Later(text),
            Some((redirect, _)) => Verdict::Redirected(redirect),
        }
    }

    /// Leaves out the replies to `ASKING`.
    fn without_permissions(&self, replies: Vec<Value>) -> Vec<Value> {
        let mut replies = replies.into_iter();
        let own = self.commands.iter().filter_map(|command| {
            if command.slot() != Ok(None) {
                replies.next();
            }
            replies.next()
        });
        own.collect()
    }

    /// The redirect among the replies, if no command with a key has been carried out. One that was must not be sent
    /// again, so the program gets the replies as they are. A transaction is refused as a whole: Redis redirects the
    /// command that would be queued, Valkey the `EXEC`.
    fn redirect(&self, replies: &[Value], at: &NodeAddress) -> Option<(Redirect, String)> {
        let has_transaction = self.has_transaction();
        let mut found = None;
        for (command, reply) in self.commands.iter().zip(replies) {
            let is_exec = command.name().eq_ignore_ascii_case("EXEC");
            if command.slot() == Ok(None) && !is_exec {
                continue;
            }
            match reply {
                Value::Error(error) => match Redirect::of(error, &at.host) {
                    Some(redirect) => found = found.or(Some((redirect, error.text().to_owned()))),
                    None if has_transaction => {} // It ends with EXECABORT, and nothing of it is carried out.
                    None => return None,          // Refused for another reason, which is the program's to know.
                },
                reply if has_transaction && !is_exec && reply.as_bytes() == Some(b"QUEUED") => {}
                _ => return None,
            }
        }
        found
    }

    fn has_transaction(&self) -> bool {
        self.commands.iter().any(|command| command.name().eq_ignore_ascii_case("MULTI"))
    }
}

/// Whether a command was not sent for a reason that another try does not change.
fn is_ours(error: &CommandError) -> bool {
    let reason = error.reason();
    reason.check::<crate::resp::NotAllowed>().is_some() || reason.check::<crate::resp::TooManyWaiting>().is_some()
}
