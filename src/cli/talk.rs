//! `proxyherd iamat`, `whatsat` and `forget`: one command to a server of the herd, and its reply. A client of the herd
//! in one file; `docs/protocol.md` is what it speaks.
//!
//! ```text
//!   for each address: connect --> send the line, end our side --> read to the end --> the reply
//!                        |                                             |
//!                        +--- the next address                         +--- nothing came: the next address
//! ```
//!
//! Next: `cli/status.rs`, the command that says how servers are.

use super::event_loop::short_lived_event_loop;
use super::outcome::{Error, print};
use super::reach::Way;
use crate::config::{Config, OnLoss, StoreConfig};
use crate::message::{self, At, Command, Forgot, Location, MAX_BOUND, MAX_RADIUS_KM};
use crate::{decimal, terminal};
use reactor::{Deferred, Failure, Firer, Protocol, Reactor, Reason, Transport};
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// How long a server may take to reply. It gives the Places service ten seconds, unless its configuration says
/// otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum size of a reply in bytes. Twenty places are some 40 kB; no server of the herd sends much more.
const MAX_REPLY: usize = 16 << 20;

/// What to tell a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// Where a client is.
    IamAt {
        /// The client's name.
        client: String,
        /// Latitude and longitude, each with its sign.
        location: String,
        /// Seconds since 1970; `None` is now.
        time: Option<String>,
    },
    /// What is near a client.
    WhatsAt {
        /// The client's name.
        client: String,
        /// How far to look, in kilometres.
        radius: String,
        /// The maximum number of places.
        bound: String,
    },
    /// That a client is to be forgotten.
    Forget {
        /// The client's name.
        client: String,
    },
}

/// One command to a server of the herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkOptions {
    /// What to tell it.
    pub saying: Saying,
    /// A name in the configuration, or `host:port`; `None` is the first server of the herd that answers.
    pub server: Option<String>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Whether the reply is printed as one JSON object.
    pub json: bool,
}

impl Saying {
    /// Reads the arguments of `iamat`. `None` if their number is wrong.
    ///
    /// # Errors
    /// A sentence that says which argument is wrong: a server would answer with a question mark and no reason.
    pub(super) fn parse_iamat(arguments: &[String]) -> Result<Option<Saying>, String> {
        match arguments {
            [client, location] => Saying::iamat(client, location, None).map(Some),
            [client, location, time] => Saying::iamat(client, location, Some(time)).map(Some),
            _ => Ok(None),
        }
    }

    /// The same for `whatsat`.
    ///
    /// # Errors
    /// As [`parse_iamat`](Saying::parse_iamat).
    pub(super) fn parse_whats_at(arguments: &[String]) -> Result<Option<Saying>, String> {
        match arguments {
            [client, radius, bound] => Saying::whats_at(client, radius, bound).map(Some),
            _ => Ok(None),
        }
    }

    /// The same for `forget`.
    ///
    /// # Errors
    /// As [`parse_iamat`](Saying::parse_iamat).
    pub(super) fn parse_forget(arguments: &[String]) -> Result<Option<Saying>, String> {
        let [client] = arguments else { return Ok(None) };
        check_client(client)?;
        Ok(Some(Saying::Forget { client: client.clone() }))
    }

    fn iamat(client: &str, location: &str, time: Option<&String>) -> Result<Saying, String> {
        check_client(client)?;
        if Location::parse(location.as_bytes()).is_err() {
            return Err(format!(
                "{location:?} is not a location: write latitude and longitude in degrees, each with its sign, such as \
                 +34.068930-118.445127"
            ));
        }
        if let Some(time) = time.filter(|time| decimal::Time::parse(time.as_bytes()).is_none()) {
            return Err(format!("{time:?} is not a time: write seconds since 1970, such as 1400794645.392014450"));
        }
        Ok(Saying::IamAt { client: client.to_owned(), location: location.to_owned(), time: time.cloned() })
    }

    fn whats_at(client: &str, radius: &str, bound: &str) -> Result<Saying, String> {
        check_client(client)?;
        if !decimal::is_at_most(radius.as_bytes(), MAX_RADIUS_KM) {
            return Err(format!("{radius:?} is not a radius: write a number of kilometres from 0 to {MAX_RADIUS_KM}"));
        }
        if decimal::whole_at_most(bound.as_bytes(), MAX_BOUND).is_none() {
            return Err(format!("{bound:?} is not a bound: write a whole number from 0 to {MAX_BOUND}"));
        }
        Ok(Saying::WhatsAt { client: client.to_owned(), radius: radius.to_owned(), bound: bound.to_owned() })
    }

    /// The line that says it.
    fn line(&self, now: Duration) -> String {
        match self {
            Saying::IamAt { client, location, time } => {
                let now = || format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
                format!("IAMAT {client} {location} {}\n", time.clone().unwrap_or_else(now))
            }
            Saying::WhatsAt { client, radius, bound } => format!("WHATSAT {client} {radius} {bound}\n"),
            Saying::Forget { client } => format!("FORGET {client}\n"),
        }
    }

    /// Why a server refuses a command that is well formed, as far as one can tell from here. With a store, that may
    /// be away.
    fn why_refused(&self, store: Option<&StoreConfig>) -> String {
        let refuses = store.is_some_and(|store| store.on_loss == OnLoss::Refuse);
        let (why, of_store) = match self {
            Saying::IamAt { .. } => (
                "the time is too far ahead of its clock, or it takes no more new clients from here",
                refuses.then_some("its store does not take the location now, and on_loss is \"refuse\""),
            ),
            Saying::WhatsAt { .. } => {
                ("it does not know the client", store.map(|_| "its store, which may know it, does not answer now"))
            }
            Saying::Forget { .. } => (
                "it does not know the client, or it runs on another machine: ask a server that runs here",
                store.map(|_| "its store does not answer now"),
            ),
        };
        match of_store {
            Some(of_store) => format!("{why}; or {of_store} (see `proxyherd status`)"),
            None => why.to_owned(),
        }
    }
}

/// Whether a client can have this name.
pub(super) fn check_client(client: &str) -> Result<(), String> {
    let is_wrong = client.is_empty() || client.bytes().any(|byte| message::is_white(byte) || byte == b'\n');
    if is_wrong {
        Err(format!("{client:?} is not a client's name: it has at least one byte, and no white space"))
    } else {
        Ok(())
    }
}

/// Talks, waits, and prints.
pub(super) fn run(options: &TalkOptions) -> Result<(), Error> {
    let config = Config::read_or_default(options.config.as_deref()).map_err(|error| error.to_string())?;
    let reactor = short_lived_event_loop()?;
    let now = reactor.system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    let line = options.saying.line(now);
    let mut failures = Vec::new();
    for way in Way::all(&reactor, &config, options.server.as_deref())? {
        match reactor.run_until(ask(&reactor, &way, line.clone(), TIMEOUT)) {
            Ok(reply) => return show(&way.name, &reply, options, config.store.as_ref()),
            Err(failure) if failure.check::<reactor::CancelledError>().is_some() => {
                return Err("ended before there was a reply".to_owned().into());
            }
            Err(failure) => failures.push(format!("{}: {failure}", way.name)),
        }
    }
    Err(format!("no server answers: {}", failures.join("; ")).into())
}

/// One command to one server, which must reply in time. The Deferred fires with all that it sent.
pub(super) fn ask(reactor: &Reactor, way: &Way, line: String, timeout: Duration) -> Deferred<Vec<u8>> {
    let (reply, firer) = Deferred::new();
    let client = Client { line, received: Vec::new(), firer: Some(firer) };
    way.connect(reactor, move |_peer| client)
        .add_callback(move |transport| {
            reply.add_callback(move |got| {
                transport.abort_connection(); // After a reply, it has ended already. After a timeout, it has not.
                got
            })
        })
        .add_timeout(timeout, reactor)
}

/// The connection of one command.
struct Client {
    line: String,
    received: Vec<u8>,
    /// Gets the end, too, as a value: if the handshake fails, the caller hears of that from `connect`, and nobody asks
    /// here.
    firer: Option<Firer<Result<Vec<u8>, Failure>>>,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(self.line.as_bytes());
        // A server still sends all that it owes, and then closes: so the end of the connection is the end of the reply.
        transport.lose_write_connection();
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if self.received.len() + data.len() > MAX_REPLY {
            transport.abort_connection();
            return;
        }
        self.received.extend_from_slice(data);
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let Some(firer) = self.firer.take() else { return };
        let received = std::mem::take(&mut self.received);
        let is_whole = received.last() == Some(&b'\n');
        // It may have been cancelled. Then there is nobody to tell.
        let _ = firer.callback(if is_whole { Ok(received) } else { Err(Failure::from(reason.clone())) });
    }
}

/// Prints a reply, or says that it is a refusal.
fn show(server: &str, reply: &[u8], options: &TalkOptions, store: Option<&StoreConfig>) -> Result<(), Error> {
    let refused = || Error::Failed(format!("{server} refuses: {}", options.saying.why_refused(store)));
    let odd = || Error::Failed(format!("{server} sent a reply that is not one of the herd's"));
    if reply.starts_with(b"? ") {
        return Err(refused());
    }
    let end = memchr::memchr(b'\n', reply).ok_or_else(odd)?;
    let places = std::str::from_utf8(&reply[end..]).map_err(|_| odd())?.trim();
    let object = match message::parse(&reply[..end]) {
        Ok(Command::At(at)) => json(&at, places),
        Ok(Command::Forgot(forgot)) => Some(forgot_json(&forgot)),
        _ => return Err(odd()),
    };
    if options.json {
        let object = object.ok_or_else(odd)?;
        print(format!("{}\n", terminal::in_json(&object)).as_bytes());
        return Ok(());
    }
    print(format!("{}\n", terminal::in_one_line(&String::from_utf8_lossy(&reply[..end]))).as_bytes());
    if !places.is_empty() {
        print(format!("{}\n", terminal::in_json(places)).as_bytes());
    }
    Ok(())
}

/// A text in JSON. A client's name that is not UTF-8 is shown as near as JSON can.
fn text(bytes: &[u8]) -> serde_json::Value {
    serde_json::Value::String(String::from_utf8_lossy(bytes).into_owned())
}

fn forgot_json(forgot: &Forgot<'_>) -> String {
    let Forgot { server, difference, client, time_text, .. } = *forgot;
    let [server, difference, client, time] = [server, difference, client, time_text].map(text);
    format!("{{\"server\":{server},\"difference\":{difference},\"client\":{client},\"time\":{time}}}")
}

/// The reply as one JSON object.
fn json(at: &At<'_>, places: &str) -> Option<String> {
    let location = &at.iamat.location;
    let number = |text: String| RawValue::from_string(text).ok();
    let (latitude, longitude) = (number(location.latitude())?, number(location.longitude())?);
    let mut object = format!(
        "{{\"server\":{},\"difference\":{},\"client\":{},\"latitude\":{latitude},\"longitude\":{longitude},\"time\":{}",
        text(at.server),
        text(at.difference),
        text(at.iamat.client),
        text(at.iamat.time_text),
    );
    if !places.is_empty() {
        let places: &RawValue = serde_json::from_str(places).ok()?;
        object += &format!(",\"places\":{places}");
    }
    object.push('}');
    Some(object)
}
