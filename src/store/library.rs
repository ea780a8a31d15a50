//! [`check`]: whether the store can be used: it has our functions, in a version that answers us, and our number of
//! buckets. What is missing or old is loaded, on each server that answers, whatever the others do.
//!
//! Two servers may load at the same time, also of different versions. A library is never replaced by an older one,
//! unless a server of an older version has looked before the newer one was loaded; the newer server finds that out at
//! its next look.
//!
//! A server that has lost its functions may have lost its data with them, and a server that was emptied (`FLUSHALL`)
//! keeps its functions. So a key in one bucket of each server is a mark. It was written once, with the time. A look
//! that finds none, or another one, knows that the server was emptied in between.
//!
//! Next: `health.rs`, what the store has lost.

use super::contract::{self, LIBRARY, LIBRARY_VERSION, NAME};
use super::nodes::Nodes;
use crate::log_file::Bytes;
use reactor::Failure;
use reactor::resp::{Command, CommandError, ServerError, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::SystemTime;

/// Why one server of a cluster cannot be used.
pub(super) const IS_PART: &str = "it is a server of a cluster: nodes needs more than one of them";

/// What a look at the store has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It can be used.
    Good,
    /// It can be used, except for a server that could not be looked at.
    Partly(String),
    /// It can be used, except for a server that does not take the functions now.
    Lacking(String),
    /// It cannot be asked now.
    Away(String),
    /// It answers, and cannot be used.
    Unusable(String),
}

/// The functions of one server of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Functions {
    None,
    Version(i64),
}

/// What earlier looks have found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The servers that had the functions.
    had_functions: BTreeSet<String>,
    /// The marks of buckets.
    marks: BTreeMap<u16, Vec<u8>>,
    /// The store has our number of buckets.
    buckets_agree: bool,
}

/// Looks at every server that has keys, and loads the functions where they are missing or old. A server that cannot be
/// looked at does not keep the others from being used. `now` becomes the mark of a server that has none.
pub(super) async fn check(
    nodes: Rc<Nodes>,
    buckets: u16,
    seen: Rc<RefCell<Seen>>,
    now: SystemTime,
) -> Result<Found, Failure> {
    let replies = match nodes.on_every_primary(version()).await {
        Ok(replies) => replies,
        Err(failure) => return Ok(of_failure(&failure)),
    };
    let (mut good, mut bad) = (BTreeSet::new(), None);
    let (mut loaded, mut removed) = (Vec::new(), BTreeSet::new());
    for (address, reply) in replies {
        let found = match functions(&address, reply) {
            Ok(before) if before >= Functions::Version(LIBRARY_VERSION) => Ok(()),
            Ok(before) => load(&nodes, &address, before).await.map(|()| {
                if before == Functions::None && seen.borrow().had_functions.contains(&address) {
                    removed.insert(address.clone());
                }
                loaded.push(address.clone());
            }),
            Err(found) => Err(found),
        };
        match found {
            Ok(()) => {
                seen.borrow_mut().had_functions.insert(address.clone());
                good.insert(address);
            }
            Err(Found::Away(why)) => bad = Some(worse(bad, Found::Partly(format!("{address}: {why}")))),
            Err(found) => bad = Some(worse(bad, found)),
        }
    }
    let (emptied, whole) = look_for_marks(&nodes, buckets, &seen, &good, now).await;
    if !emptied.is_empty() {
        log::warn!("the store was emptied, or began again without its data: {}", in_a_row(&emptied));
    }
    // What has no bucket of ours has no data, either.
    let removed: BTreeSet<String> = removed.intersection(&whole).cloned().collect();
    if !removed.is_empty() {
        log::warn!("our functions were removed from the store, and its data are there: {}", in_a_row(&removed));
    }
    if !loaded.is_empty() {
        let loaded = loaded.join(", ");
        log::info!("the functions of version {LIBRARY_VERSION} were loaded into the store: {loaded}");
    }
    match bad {
        Some(Found::Unusable(why)) => return Ok(Found::Unusable(why)),
        Some(Found::Partly(why) | Found::Lacking(why)) if good.is_empty() => return Ok(Found::Away(why)),
        None if good.is_empty() => return Ok(Found::Away("no server of it has keys".to_owned())),
        _ => {}
    }
    Ok(match nodes.command(contract::claim_buckets(buckets)).await {
        Ok(value) => {
            let agree = value == Value::Null || value.as_integer() == Some(i64::from(buckets));
            seen.borrow_mut().buckets_agree = agree;
            let theirs = value.as_bytes().map(|bytes| Bytes(bytes).to_string()).unwrap_or(format!("{value:?}"));
            let disagree = || format!("it has its clients in {theirs} buckets, and [store] says {buckets}");
            if agree { bad.unwrap_or(Found::Good) } else { Found::Unusable(disagree()) }
        }
        Err(failure) => match of_failure(&failure) {
            // The server with this key is away. An earlier look has read it, so the others can be used.
            Found::Away(why) if seen.borrow().buckets_agree => worse(bad, Found::Partly(why)),
            found => found,
        },
    })
}

/// Looks for the marks of these servers, and makes those that are missing. Returns which of them were emptied since the
/// last look, and which were not.
async fn look_for_marks(
    nodes: &Nodes,
    buckets: u16,
    seen: &RefCell<Seen>,
    servers: &BTreeSet<String>,
    now: SystemTime,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
    let (mut emptied, mut whole) = (BTreeSet::new(), BTreeSet::new());
    let theirs = nodes.first_buckets(buckets).into_iter().filter(|(_, address)| servers.contains(address));
    for (bucket, address) in theirs {
        // A server that cannot say it now is asked again with the next look.
        let Ok(reply) = nodes.command(contract::mark(bucket, &now)).await else { continue };
        let found = reply.as_bytes().map(<[u8]>::to_vec);
        let is_new = found.is_none();
        let mark = found.unwrap_or_else(|| now.clone().into_bytes());
        match seen.borrow_mut().marks.insert(bucket, mark.clone()) {
            Some(before) if is_new || before != mark => emptied.insert(address),
            Some(_) => whole.insert(address),
            None => false,
        };
    }
    (emptied, whole)
}

fn in_a_row(addresses: &BTreeSet<String>) -> String {
    addresses.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Which of two says more about what an operator has to do; the first one if both say as much.
fn worse(one: Option<Found>, other: Found) -> Found {
    let weight = |found: &Found| match found {
        Found::Good => 0,
        Found::Partly(_) | Found::Away(_) => 1,
        Found::Lacking(_) => 2,
        Found::Unusable(_) => 3,
    };
    match one {
        Some(one) if weight(&one) >= weight(&other) => one,
        _ => other,
    }
}

fn version() -> Command<'static> {
    Command::from(["FCALL", "proxyherd_version", "0"])
}

/// The functions that a server has, from its reply to [`version`].
fn functions(address: &str, reply: Result<Value, Failure>) -> Result<Functions, Found> {
    match reply {
        Ok(Value::Integer(version)) if version > 0 => Ok(Functions::Version(version)),
        Ok(other) => Err(Found::Unusable(format!("{address} has functions of our name, and says {other:?}"))),
        Err(failure) if is_missing(&failure) => Ok(Functions::None),
        Err(failure) => Err(of_failure(&failure)),
    }
}

async fn load(nodes: &Nodes, address: &str, before: Functions) -> Result<(), Found> {
    let command = Command::from(["FUNCTION", "LOAD"]);
    // A library that was not there, or is newer by now, is not replaced.
    let command = if before == Functions::None { command } else { command.arg("REPLACE") };
    let Err(failure) = nodes.on_primary(address, command.arg(LIBRARY)).await else { return Ok(()) };
    let exists = format!("Library '{NAME}' already exists");
    if failure.check::<ServerError>().is_some_and(|error| error.message().contains(&exists)) {
        // Another server of the herd was faster, or somebody else has a library of our name.
        return match functions(address, nodes.on_primary(address, version()).await)? {
            Functions::Version(_) => Ok(()),
            Functions::None => Err(Found::Unusable(format!("{address} has a library of our name that is not ours"))),
        };
    }
    if failure.check::<ServerError>().is_some_and(|error| error.message().contains("already exists")) {
        let why = in_short(&failure);
        return Err(Found::Unusable(format!("{address} has a function of our name in another library: {why}")));
    }
    let refused = |why: String| format!("{address} does not take our functions: {why}");
    Err(match of_failure(&failure) {
        Found::Unusable(why) => Found::Unusable(refused(why)),
        Found::Away(why) => Found::Lacking(refused(why)),
        found => found,
    })
}

/// Whether the store has not got the function that was called.
pub(super) fn is_missing(failure: &Failure) -> bool {
    failure.check::<ServerError>().is_some_and(|error| error.message().contains("Function not found"))
}

/// Errors that pass. With all others, the store is not one that can be used.
fn of_failure(failure: &Failure) -> Found {
    const PASSING: [&str; 9] =
        ["LOADING", "BUSY", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "OOM", "NOREPLICAS"];
    match failure.check::<ServerError>() {
        Some(error) if PASSING.contains(&error.code()) => Found::Away(error.to_string()),
        Some(error) if error.code() == "MOVED" => Found::Unusable(IS_PART.to_owned()),
        Some(error) if error.message().starts_with("unknown command") => {
            Found::Unusable(format!("{error} (it must be Redis 7, Valkey, or newer)"))
        }
        Some(error) => Found::Unusable(error.to_string()),
        None => Found::Away(in_short(failure)),
    }
}

/// Why a command got no answer, without the command.
pub(super) fn in_short(failure: &Failure) -> String {
    match failure.check::<CommandError>() {
        Some(error) => error.reason().value().to_string(),
        None => failure.value().to_string(),
    }
}
