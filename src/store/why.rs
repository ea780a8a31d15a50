//! Why the store has not done something, in words for an operator. Pure.
//!
//! Next: `cache.rs`, what is remembered.

use super::confirming::Unconfirmed;
use super::contract;
use crate::config::StoreConfig;
use reactor::resp::{ClusterError, CommandError, CommandStage, NotConnected, ServerError, ServerFault};
use reactor::{Failure, TimeoutError};

/// Why, without the command: what the server says, or how it is silent.
pub(super) fn in_words(failure: &Failure, config: &StoreConfig) -> String {
    let reason = failure.check::<CommandError>().map_or(failure, CommandError::reason);
    if reason.check::<TimeoutError>().is_some() {
        let timeout = humantime::format_duration(config.timeout);
        return match config.wait_replicas {
            0 => format!("no answer within {timeout}"),
            1 => format!("no answer within {timeout}, or its replica has not confirmed in that time"),
            count => format!("no answer within {timeout}, or {count} replicas have not confirmed in that time"),
        };
    }
    if let Some(error) = reason.check::<ServerError>() {
        let called = contract::called(error.text()).map(|command| format!(" ({command})")).unwrap_or_default();
        return format!("it says \"{}\"{called}", error.text());
    }
    if let Some(ServerFault::Silent { after }) = reason.check() {
        return format!("no answer for {}", humantime::format_duration(*after));
    }
    match reason.check::<Unconfirmed>() {
        Some(unconfirmed) => format!("{unconfirmed} (WAIT): is each replica connected?"),
        None => reason.value().to_string(),
    }
}

/// The same for an offer to this bucket, with the key if that is not the client's own.
pub(super) fn of_offer(failure: &Failure, bucket: u16, config: &StoreConfig) -> String {
    let why = in_words(failure, config);
    let error = failure.check::<ServerError>().filter(|error| error.code() == "WRONGTYPE");
    let index = error.and_then(|error| contract::index_of(contract::called(error.text())?, bucket));
    index.map_or(why.clone(), |index| format!("{index}: {why}"))
}

/// Whether an answer did not come in time, or a cluster took the command in no time. What is asked after it would be
/// late, too. Not so for a slot that moves (`TRYAGAIN`): its server answers everything else.
pub(super) fn is_late(failure: &Failure) -> bool {
    let reason = failure.check::<CommandError>().map_or(failure, CommandError::reason);
    match reason.check() {
        Some(ClusterError::Unavailable { last }) => !last.starts_with("TRYAGAIN "),
        _ => reason.check::<TimeoutError>().is_some(),
    }
}

/// Whether a command was not sent.
pub(super) fn is_not_sent(failure: &Failure) -> bool {
    let stage = failure.check::<CommandError>().map(CommandError::stage);
    stage == Some(CommandStage::NotSent) || failure.check::<NotConnected>().is_some()
}

/// Whether a command got no reply because its connection was cut, and not by us. It may have been carried out.
pub(super) fn is_cut(failure: &Failure) -> bool {
    failure.check::<CommandError>().is_some_and(|error| {
        let reason = error.reason();
        let is_silent = reason.check::<TimeoutError>().is_some() || reason.check::<ServerFault>().is_some();
        error.stage() == CommandStage::Unanswered && !is_silent
    })
}

/// Whether a server that has said this to an offer still answers questions: it refuses writes, or its replicas have not
/// confirmed one.
pub(super) fn concerns_writes(failure: &Failure) -> bool {
    const WRITES: [&str; 5] = ["OOM", "NOREPLICAS", "MISCONF", "NOPERM", "READONLY"];
    let is_refused = failure.check::<ServerError>().is_some_and(|error| {
        // A command of the function that the user may not use.
        let may_not = |words: &str| error.message().starts_with(words);
        WRITES.contains(&error.code())
            || may_not("ACL failure in script")
            || may_not("The user executing the script can't run this command")
    });
    is_refused || failure.check::<Unconfirmed>().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_reason_is_the_servers_or_names_what_is_missing() {
        let mut config = StoreConfig::of(Vec::new());
        let late = || TimeoutError { what: "the reply to FCALL".to_owned(), after: Duration::from_micros(499_989) };
        let said = |config: &StoreConfig| in_words(&late().into(), config);
        assert_eq!(said(&config), "no answer within 500ms");
        config.wait_replicas = 1;
        assert_eq!(said(&config), "no answer within 500ms, or its replica has not confirmed in that time");
        config.wait_replicas = 2;
        assert_eq!(said(&config), "no answer within 500ms, or 2 replicas have not confirmed in that time");
        let refused = ServerError::new("WRONGPASS invalid username-password pair or user is disabled.");
        let words = in_words(&refused.into(), &config);
        assert_eq!(words, "it says \"WRONGPASS invalid username-password pair or user is disabled.\"");
        let silent = ServerFault::Silent { after: Duration::from_secs(2) };
        assert_eq!(in_words(&silent.into(), &config), "no answer for 2s");
    }

    #[test]
    fn a_slot_that_moves_is_no_sign_of_a_late_server() {
        let refused = |last: &str| is_late(&ClusterError::Unavailable { last: last.to_owned() }.into());
        assert!(refused("CLUSTERDOWN The cluster is down") && refused("there is no map of it"));
        assert!(!refused("TRYAGAIN Multiple keys request during rehashing of slot"));
    }
}
