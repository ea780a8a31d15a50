//! Where the answer to a WHATSAT comes from. The test plays the Places service, over plain HTTP.

mod crowds;
mod google;
mod providers;
mod refusals;

use crate::harness::{Connection, Harness, NOW, Port, herd};
use proxyherd::config::PlacesConfig;
use proxyherd::places;
use std::fmt::Write;
use std::net::SocketAddr;

/// A key with characters that are written differently in a URL, so that every spelling of it would be noticed.
pub(crate) const KEY: &str = "AIza&Secret+Key";
const KEY_FORMS: [&str; 2] = ["Secret", "AIza"];

/// A Places service that the test plays, a server that asks it, and a client of that server.
pub(crate) struct Asking<'s> {
    pub(crate) google: Port<'s>,
    pub(crate) server: SocketAddr,
    pub(crate) client: Connection<'s>,
    pub(crate) at: String,
}

impl<'s> Asking<'s> {
    #[track_caller]
    pub(crate) fn new(harness: &'s Harness, config: PlacesConfig) -> Asking<'s> {
        let google = harness.listen();
        let base_url = Some(format!("http://{}", google.address()));
        let config = PlacesConfig { base_url, ..config };
        let key = places::find_key(&config, Some(KEY.to_owned())).unwrap();
        let places = places::open(&harness.reactor, &config, key).unwrap();
        let server = harness.start(&herd(&[]), places);
        let mut client = harness.connect(server);
        let at = client.ask("IAMAT kiwi +34.068930-118.445127 0");
        assert!(at.starts_with(&format!("AT Alford +{}", NOW.as_secs())), "{at}");
        Asking { google, server, client, at }
    }

    /// Lets the client ask for `bound` places. Returns the service's end of the connection, with the request read.
    #[track_caller]
    pub(crate) fn ask(&mut self, bound: usize) -> Connection<'s> {
        self.client.send(format!("WHATSAT kiwi 10 {bound}\n"));
        self.request().1
    }

    /// The next request that the service gets: its lines, and the connection.
    #[track_caller]
    pub(crate) fn request(&self) -> (Vec<String>, Connection<'s>) {
        let mut connection = self.google.accept();
        let mut lines = vec![connection.line()];
        while lines.last().is_some_and(|line| line != "\r") {
            lines.push(connection.line());
        }
        (lines, connection)
    }

    /// The JSON that the client gets below the AT line.
    #[track_caller]
    pub(crate) fn json(&mut self) -> String {
        assert_eq!(self.client.line(), self.at);
        let mut json = self.client.line();
        loop {
            match self.client.line() {
                line if line.is_empty() => return json,
                line => write!(json, "\n{line}").unwrap(),
            }
        }
    }

    /// Expects that the client gets an answer in Google's form that says what went wrong, and does not hold the key.
    #[track_caller]
    pub(crate) fn expect_error(&mut self, what: &str) {
        let json = self.json();
        let parts = json.strip_prefix("{\n   \"error_message\" : \"").and_then(|rest| {
            rest.strip_suffix(
                "\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"UNKNOWN_ERROR\"\n}",
            )
        });
        let message = parts.unwrap_or_else(|| panic!("not the form of an error: {json}"));
        assert!(message.contains(what), "{what:?} is missing in: {message}");
        assert_no_key(&json);
    }
}

#[track_caller]
pub(crate) fn assert_no_key(text: &str) {
    for form in KEY_FORMS {
        assert!(!text.contains(form), "the key is in {text}");
    }
}

pub(crate) fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
