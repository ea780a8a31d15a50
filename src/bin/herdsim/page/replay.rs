//! [`replay`]: a run from an address, as text: what happens, line by line, and what the judge of all seeds says of it.
//!
//! Next: `cli.rs`, which uses all of this.

use super::address::{Address, Place};
use super::show::Show;
use crate::book::Count;
use crate::run::RunOutcome;
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

/// How long a run goes on after its last act, if its address does not say.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// The run is moved on by this much at once, so that everything in it is noted.
const PIECE: Duration = Duration::from_secs(30);

/// Runs what an address says, and tells it line by line. At the end everything heals, and what must hold is checked.
/// Returns whether it held.
///
/// # Errors
/// One line that says what is wrong with the address.
pub(crate) fn replay(text: &str, print: impl Fn(&str) + Clone + 'static) -> Result<bool, String> {
    let address: Address = text.parse()?;
    let Address { settings, clicks, at } = address;
    let last = clicks.last().map_or(Duration::ZERO, |click| click.place.time);
    let end = at.unwrap_or(Place { time: last + AFTERWARDS, events: None });
    let mut show = Show::new(&settings, clicks)?;
    let tell = print.clone();
    show.journal.read_by(move |time, note| {
        if let Some(line) = line(time, note) {
            tell(&line);
        }
    });
    show.note(true);
    loop {
        let time = (show.world().now() + PIECE).min(end.time);
        let is_last = time == end.time;
        let to = if is_last { end } else { Place { time, events: None } };
        show.advance(to, Duration::MAX);
        if is_last {
            break;
        }
    }
    print(&summary(&show));
    let failures = show.failures();
    for (invariant, what) in &failures {
        print(&format!("FAILED: {invariant}: {what}\n"));
    }
    let hash = show.world().trace_hash();
    print(&format!("hash at {end} s: {hash:016x}\n"));
    show.note(false);
    let outcome = show.into_simulation().play();
    print(&verdict(&outcome));
    Ok(failures.is_empty() && outcome.failure.is_none())
}

fn summary(show: &Show) -> String {
    let Count { told, allowed, versions, older, asked, replies, .. } = show.book.count();
    let (storms, storms_seen) = show.storms();
    let stale = show.book.stale().iter().flatten().filter(|stale| **stale > 0).count();
    format!(
        "\n{asked} commands, {replies} replies, {versions} versions, {older} came older; {told} AT lines of at most \
         {allowed}\n{stale} servers lack something newer; {storms} storms now, {storms_seen} in all\n"
    )
}

fn verdict(outcome: &RunOutcome) -> String {
    match &outcome.failure {
        None => {
            let seconds = outcome.converged_in.as_secs();
            format!("Then everything heals: all servers know the same after {seconds} s. All held.\n")
        }
        Some(failure) => format!("FAILED: {failure}\n"),
    }
}

/// A note as a line; `None` if it is only for the eye.
fn line(time: Duration, note: &Value) -> Option<String> {
    let word = |name: &str| note[name].as_str().unwrap_or_default();
    let by = word("by");
    let client = || format!("{} of {}", word("client"), word("time"));
    let (who, what) = match word("kind") {
        "act" => ("--", word("text").to_owned()),
        "heard" => {
            let from = match word("from") {
                "" => "a server",
                "client" => "its client",
                from => from,
            };
            let (latitude, longitude) = (&note["latitude"], &note["longitude"]);
            (by, format!("hears {} at {latitude},{longitude} from {from}: {}", client(), decision(note)))
        }
        "told" => (by, format!("tells {} {}", word("to"), client())),
        "linked" => (by, format!("is linked to {}", word("to"))),
        "told_back" => (by, format!("tells {} back what it had said", word("to"))),
        "refused" => (by, format!("refuses {:?}: {}", word("line"), word("why"))),
        "answered" => {
            let places = note["places"].as_array().map_or(0, Vec::len);
            let metres = &note["radius"];
            let outcome = word("outcome");
            (by, format!("answers WHATSAT {} within {metres} m: {places} places, {outcome}", word("client")))
        }
        _ => return None,
    };
    let mut text = String::new();
    let _ = writeln!(text, "{:>6}.{:09} {who:<10} {what}", time.as_secs(), time.subsec_nanos());
    Some(text)
}

/// What a server decides about a location, in words. (On the page, `decision` in `lists.js` has shorter ones.)
fn decision(note: &Value) -> String {
    let verdict = note["verdict"].as_str().unwrap_or_default();
    let held = note["held"].as_str().unwrap_or_default();
    let words = match verdict {
        "older_taken" => return format!("older than what it held, of {held}, and taken and passed on all the same"),
        "newer" => "newer, so taken and passed on",
        "same" => "known already, so dropped",
        "older" => "older than what it holds, so answered with the newer",
        "no_room" => "no room for it",
        "too_old" => "too old",
        "beyond_share" => "beyond the share of new clients that its address has",
        other => other,
    };
    words.to_owned()
}
