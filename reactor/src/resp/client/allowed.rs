//! Which commands may share a connection with others: [`check`] and [`check_batch`]. Pure.
//!
//! A connection has a state in the server: its user, its database, its subscriptions, the transaction that it is in.
//! All callers of a client share it, and a new connection begins without it. So what changes that state is either done
//! by the client itself, which does it again for each connection, or stands in a batch together with its end.
//!
//! Next: `handle.rs`, the front.

use super::error::NotAllowed;
use crate::resp::command::Command;

enum Scope {
    Anywhere,
    /// Begins something that has to end in the same batch.
    Begins,
    Ends,
    /// Concerns the next command.
    Prefix,
    Never,
}

fn scope(command: &Command<'_>) -> Scope {
    let mut upper = [0; 12];
    let name = command.name_bytes();
    let Some(word) = upper.get_mut(..name.len()) else { return Scope::Anywhere };
    word.copy_from_slice(name);
    word.make_ascii_uppercase();
    match &*word {
        b"MULTI" | b"WATCH" => Scope::Begins,
        b"EXEC" | b"DISCARD" | b"UNWATCH" => Scope::Ends,
        b"ASKING" => Scope::Prefix,
        b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => {
            Scope::Never
        }
        b"AUTH" | b"HELLO" | b"SELECT" | b"RESET" | b"QUIT" | b"MONITOR" | b"SYNC" | b"PSYNC" => Scope::Never,
        b"READONLY" | b"READWRITE" => Scope::Never,
        b"CLIENT" => match command.second_word() {
            Some(word) if word.eq_ignore_ascii_case(b"REPLY") || word.eq_ignore_ascii_case(b"TRACKING") => Scope::Never,
            _ => Scope::Anywhere,
        },
        _ => Scope::Anywhere,
    }
}

/// Whether `command` may be sent alone.
pub(super) fn check(command: &Command<'_>) -> Result<(), NotAllowed> {
    match scope(command) {
        Scope::Anywhere => Ok(()),
        Scope::Begins | Scope::Ends | Scope::Prefix => Err(NotAllowed::OutsideOfBatch),
        Scope::Never => Err(NotAllowed::ByHand),
    }
}

/// Whether these may be sent together.
pub(super) fn check_batch(commands: &[Command<'_>]) -> Result<(), NotAllowed> {
    let mut is_open = false;
    let mut is_prefixed = false;
    for command in commands {
        is_prefixed = false;
        match scope(command) {
            Scope::Anywhere => {}
            Scope::Begins => is_open = true,
            Scope::Ends => is_open = false,
            Scope::Prefix => is_prefixed = true,
            Scope::Never => return Err(NotAllowed::ByHand),
        }
    }
    if is_open || is_prefixed { Err(NotAllowed::OutsideOfBatch) } else { Ok(()) }
}
