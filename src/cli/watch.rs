//! `proxyherd watch`: shows each location that a server on this machine takes, as it takes it.
//!
//! Next: `cli/serve.rs`, a server's run.

use super::event_loop::short_lived_event_loop;
use super::outcome::Error;
use super::reach::Way;
use crate::config::Config;
use crate::terminal;
use reactor::{CancelledError, Deferred, Failure, Firer, LineProtocol, LineReceiver, LineTransport, Reactor, Reason};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// Maximum length of a line from a server: a client's name may be as long as a line of the herd, and JSON may write
/// each byte as six.
const MAX_LINE: usize = 16 << 20;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// The only client to show; `None` shows all.
    pub client: Option<String>,
    /// A name in the configuration; `None` is the first server of the herd that has a control socket here.
    pub server: Option<String>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Whether each location is printed as one JSON object on a line.
    pub json: bool,
}

/// Watches until the user ends the program. It fails if the server ends.
pub(super) fn run(options: &WatchOptions) -> Result<(), Error> {
    let config = Config::read_or_default(options.config.as_deref()).map_err(|error| error.to_string())?;
    if config.control.directory.is_none() {
        return Err(Error::Failed(
            "the configuration has no [control] directory: servers have no control socket".into(),
        ));
    }
    if let Some(name) = &options.server {
        config.server(name).map_err(|error| Error::Usage(error.to_string()))?;
    }
    let reactor = short_lived_event_loop()?;
    let names = config.servers.keys().filter(|name| options.server.as_ref().is_none_or(|wanted| wanted == *name));
    let mut failures = Vec::new();
    for way in names.filter_map(|name| Way::to_control(&config, name)) {
        match reactor.run_until(watch(&reactor, &way, options)) {
            Ok(()) => return Ok(()),
            Err(failure) if failure.check::<CancelledError>().is_some() => return Ok(()), // Ctrl-C.
            Err(failure) => match failure.check::<Ended>() {
                Some(Ended(why)) => return Err(Error::Failed(format!("{}: {why}", way.name))),
                None => failures.push(format!("{}: {failure}", way.name)),
            },
        }
    }
    let all = if failures.is_empty() { "no control socket is on this machine".to_owned() } else { failures.join("; ") };
    Err(Error::Failed(all))
}

/// The server has ended what it had begun to tell.
#[derive(Debug)]
struct Ended(String);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Ended {}

/// Fires when standard output is closed; fails when the connection ends.
fn watch(reactor: &Reactor, way: &Way, options: &WatchOptions) -> Deferred<()> {
    let command = options.client.as_ref().map_or("watch\n".to_owned(), |client| format!("watch {client}\n"));
    let (ended, firer) = Deferred::new();
    let watching = Watching { command, json: options.json, has_begun: false, firer: Some(firer) };
    let lines = move |_peer| LineReceiver::new(watching).with_delimiter(b"\n").with_max_length(MAX_LINE);
    way.connect(reactor, lines).add_callback(move |_transport| ended)
}

/// The connection to the control socket.
struct Watching {
    command: String,
    json: bool,
    has_begun: bool,
    firer: Option<Firer<()>>,
}

impl LineProtocol for Watching {
    fn connection_made(&mut self, transport: &LineTransport) {
        transport.write(self.command.as_bytes());
    }

    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let Ok(told) = serde_json::from_slice::<Value>(line) else { return };
        if let Some(why) = told["error"].as_str() {
            return self.end(Err(Failure::new(Ended(why.to_owned()))), transport);
        }
        if let Some(server) = told["watching"].as_str() {
            self.has_begun = true;
            let _ = writeln!(std::io::stderr(), "watching {server}; Ctrl-C ends"); // Standard error may be closed.
            return;
        }
        let text = if self.json { String::from_utf8_lossy(line).into_owned() } else { in_words(&told) };
        if writeln!(std::io::stdout(), "{}", terminal::in_json(&text)).is_err() {
            self.end(Ok(()), transport); // Nobody reads any more.
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let Some(firer) = self.firer.take() else { return };
        let failure = match self.has_begun {
            true => Failure::new(Ended(format!("the server has ended ({reason})"))),
            false => Failure::from(reason.clone()),
        };
        let _ = firer.errback(failure); // It may have been cancelled.
    }
}

impl Watching {
    fn end(&mut self, result: Result<(), Failure>, transport: &LineTransport) {
        if let Some(firer) = self.firer.take() {
            // It may have been cancelled.
            let _ = match result {
                Ok(()) => firer.callback(()),
                Err(failure) => firer.errback(failure),
            };
        }
        transport.abort_connection();
    }
}

/// A location for a person to read.
fn in_words(told: &Value) -> String {
    if let Some(missed) = told["missed"].as_u64() {
        return format!("({missed} locations were left out here: they were not read in time)");
    }
    let text = |name: &str| terminal::in_one_line(told[name].as_str().unwrap_or_default()).into_owned();
    let from = match told["from"].as_str() {
        Some("client") => "from the client".to_owned(),
        Some(neighbor) => format!("from {}", terminal::in_one_line(neighbor)),
        None => "from a server that has not said PEER".to_owned(),
    };
    let (latitude, longitude) = (&told["latitude"], &told["longitude"]);
    format!("{} is at {latitude} {longitude} since {}, says {} ({from})", text("client"), text("time"), text("server"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_location_in_words() {
        let told = json!({ "client": "ki\u{202e}wi", "latitude": 1.5, "longitude": -2, "time": "7", "server": "Alford",
                           "from": "client" });
        assert_eq!(in_words(&told), "ki\\u{202e}wi is at 1.5 -2 since 7, says Alford (from the client)");
        assert!(in_words(&json!({ "missed": 3 })).starts_with("(3 locations"));
    }
}
