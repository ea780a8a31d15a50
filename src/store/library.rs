//! [`check`]: whether the store can be used: it has our functions, in a version that answers us, and our number of
//! buckets. What is missing or old is loaded.
//!
//! Two servers may load at the same time, also of different versions. A library is never replaced by an older one,
//! unless a server of an older version has looked before the newer one was loaded; the newer server finds that out at
//! its next look.
//!
//! Next: `health.rs`, what the store has lost.

use super::contract::{self, LIBRARY, LIBRARY_VERSION};
use super::nodes::Nodes;
use reactor::Failure;
use reactor::resp::{Command, CommandError, ServerError, Value};
use std::rc::Rc;

/// Why one server of a cluster cannot be used.
pub(super) const IS_PART: &str = "it is a server of a cluster: nodes needs more than one of them";

/// What a look at the store has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It can be used.
    Good,
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

/// Looks at every server that has keys, and loads the functions where they are missing or old. `had_them` if all of
/// them had the functions before.
pub(super) async fn check(nodes: Rc<Nodes>, buckets: u16, had_them: bool) -> Result<Found, Failure> {
    match functions(&nodes).await {
        Ok((oldest, newest)) if oldest < Functions::Version(LIBRARY_VERSION) => {
            // Not by force if one of them is newer: it would be replaced, too.
            let by_force = oldest != Functions::None && newest <= Functions::Version(LIBRARY_VERSION);
            match load(&nodes, by_force).await {
                Ok(()) => {
                    if had_them && oldest == Functions::None {
                        log::warn!("the store had lost our functions: it was emptied, or began again without its data");
                    }
                    log::info!("the functions of version {LIBRARY_VERSION} were loaded into the store");
                }
                Err(found) => return Ok(found),
            }
        }
        Ok(_) => {}
        Err(found) => return Ok(found),
    }
    Ok(match nodes.command(contract::claim_buckets(buckets)).await {
        Ok(Value::Null) => Found::Good,
        Ok(value) if value.as_integer() == Some(i64::from(buckets)) => Found::Good,
        Ok(value) => Found::Unusable(format!("it has its clients in {value:?} buckets, and [store] says {buckets}")),
        Err(failure) => of_failure(&failure),
    })
}

/// The oldest and the newest functions that a server of the store has.
async fn functions(nodes: &Nodes) -> Result<(Functions, Functions), Found> {
    let asked = nodes.on_every_primary(Command::from(["FCALL", "proxyherd_version", "0"])).await;
    let mut all = Vec::new();
    for (address, reply) in asked.map_err(|failure| of_failure(&failure))? {
        all.push(match reply {
            Ok(Value::Integer(version)) if version > 0 => Functions::Version(version),
            Ok(other) => {
                return Err(Found::Unusable(format!("{address} has functions of our name, and says {other:?}")));
            }
            Err(failure) if is_missing(&failure) => Functions::None,
            Err(failure) => return Err(of_failure(&failure)),
        });
    }
    match (all.iter().min(), all.iter().max()) {
        (Some(oldest), Some(newest)) => Ok((*oldest, *newest)),
        _ => Err(Found::Away("no server of it has keys".to_owned())),
    }
}

async fn load(nodes: &Nodes, by_force: bool) -> Result<(), Found> {
    let command = Command::from(["FUNCTION", "LOAD"]);
    let command = if by_force { command.arg("REPLACE") } else { command };
    let loaded = nodes.on_every_primary(command.arg(LIBRARY)).await;
    for (address, reply) in loaded.map_err(|failure| of_failure(&failure))? {
        let Err(failure) = reply else { continue };
        let exists = failure.check::<ServerError>().is_some_and(|error| error.message().contains("already exists"));
        if !exists {
            return Err(match of_failure(&failure) {
                Found::Unusable(why) => Found::Unusable(format!("{address} does not take our functions: {why}")),
                found => found,
            });
        }
    }
    Ok(())
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
