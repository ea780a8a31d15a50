//! `/ask`: an IAMAT or a WHATSAT from the page's form. It goes to the server as any client's would: over a connection
//! to its own port, through the same protocol, limits and log.
//!
//! Next: `files.rs`, the files of the page.

use crate::config::ServerConfig;
use crate::message::{self, Command};
use crate::server::Server;
use reactor::http::server::{Request, Response};
use reactor::{Deferred, Failure, Firer, Protocol, Reason, Transport};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// The maximum length of a command from the form.
pub(super) const MAX_BODY: usize = 4096;

/// The maximum length of a reply: an answer of twenty places takes less than a tenth of it.
const MAX_REPLY: usize = 2 << 20;

/// The maximum time for a reply. The Places service has a shorter limit, unless its operator chose another.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a server takes commands in clear text; `None` if it does not.
pub(super) fn target(own: &ServerConfig) -> Option<(String, u16)> {
    let place = own.address.as_ref()?;
    let address = place.host.parse::<IpAddr>().ok();
    // One that listens everywhere listens on loopback, too.
    let host = match address.filter(IpAddr::is_unspecified) {
        Some(IpAddr::V4(_)) => "127.0.0.1".to_owned(),
        Some(IpAddr::V6(_)) => "::1".to_owned(),
        None => place.host.clone(),
    };
    Some((host, place.port))
}

/// Answers with JSON: the reply to the command in the request's body, or why there is none.
pub(super) fn answer(server: &Rc<Server>, target: Option<(String, u16)>, request: &Request) -> Deferred<Response> {
    let (server, status) = (server.clone(), ErrorStatus::asked_by(request));
    request.collect(MAX_BODY).add_callback(move |body| {
        let line = body.strip_suffix(b"\n").unwrap_or(&body);
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        if let Err(why) = check(&line) {
            return reactor::deferred::succeed(status.refuse(400, &why));
        }
        let Some(target) = target else {
            let why = "this server takes commands over TLS alone, and this page does not speak it";
            return reactor::deferred::succeed(status.refuse(503, why));
        };
        let reply = ask(&server, target, line).add_timeout(PATIENCE, server.reactor());
        reply.add_both(move |reply| match reply {
            Ok(reply) => json_response(200, &json!({ "reply": String::from_utf8_lossy(&reply) })),
            Err(failure) => Ok(status.refuse(504, &failure.to_string())),
        })
    })
}

/// A form may say where a client is, or ask what is near one, and nothing else.
fn check(line: &[u8]) -> Result<(), String> {
    if line.contains(&b'\n') {
        return Err("one command at a time".to_owned());
    }
    match message::parse(line) {
        Ok(Command::IamAt(_) | Command::WhatsAt(_)) => Ok(()),
        Ok(_) => Err("only IAMAT and WHATSAT are taken here".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}

/// With which status a command is refused. A program should see by the status alone that nothing was done. But a
/// browser writes each answer with such a status into its console as an error, also if a person has only mistyped
/// something. So the page asks for `?error=200`, and looks whether there is an `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The status says what is wrong.
    Usual,
    /// Always 200.
    Ok,
}

impl ErrorStatus {
    /// As the query of this request has it.
    pub fn asked_by(request: &Request) -> ErrorStatus {
        if request.query() == Some("error=200") { ErrorStatus::Ok } else { ErrorStatus::Usual }
    }

    /// The answer to a command that is refused: JSON with `error`.
    pub fn refuse(self, usual: u16, why: &str) -> Response {
        let status = if self == ErrorStatus::Ok { 200 } else { usual };
        Response::json(json!({ "error": why }).to_string()).with_status(status)
    }
}

fn json_response(status: u16, value: &Value) -> Result<Response, Failure> {
    Ok(Response::json(value.to_string()).with_status(status).header("Cache-Control", "no-store")?)
}

/// Gives the server one command. Fires with all that it sends until it ends the connection.
fn ask(server: &Server, target: (String, u16), line: Vec<u8>) -> Deferred<Vec<u8>> {
    let (reply, firer) = Deferred::new();
    let asking = Asking { line, reply: Vec::new(), firer: Some(firer) };
    let connected = server.reactor().connect(target, move |_peer| asking);
    // The reply holds the connection's end: if the time is up, the connection goes as well.
    connected.add_callback(move |transport| {
        let ending = transport.clone();
        reply.add_both(move |reply: Result<Vec<u8>, Failure>| {
            if reply.is_err() {
                ending.abort_connection();
            }
            reply
        })
    })
}

struct Asking {
    line: Vec<u8>,
    reply: Vec<u8>,
    firer: Option<Firer<Vec<u8>>>,
}

impl Asking {
    fn fire(&mut self, result: Result<Vec<u8>, Failure>) {
        if let Some(firer) = self.firer.take() {
            let _ = firer.fire(result); // Refused if the time was up: then nobody waits for it.
        }
    }
}

impl Protocol for Asking {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write_vectored(&[&self.line, b"\n"]);
        transport.lose_write_connection();
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.reply.extend_from_slice(data);
        if self.reply.len() > MAX_REPLY {
            transport.abort_connection();
            self.fire(Err(Failure::msg("the reply is too long")));
        }
    }

    fn connection_lost(&mut self, reason: &Reason) {
        let reply = std::mem::take(&mut self.reply);
        let result = if reply.is_empty() { Err(Failure::msg(format!("no reply came: {reason}"))) } else { Ok(reply) };
        self.fire(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostPort;

    #[test]
    fn a_form_gives_the_commands_of_clients_alone() {
        assert_eq!(check(b"IAMAT kiwi +34-118 1"), Ok(()));
        assert_eq!(check(b"WHATSAT kiwi 10 5"), Ok(()));
        for line in ["FORGET kiwi", "PEER Powell", "AT Powell +0.000000000 kiwi +34-118 1", "HORIZON 1"] {
            assert_eq!(check(line.as_bytes()), Err("only IAMAT and WHATSAT are taken here".to_owned()), "{line}");
        }
        assert_eq!(check(b"IAMAT kiwi 34-118 1"), Err("the latitude has no sign before it".to_owned()));
        assert_eq!(check(b"WHATSAT kiwi 10 5\nFORGET kiwi"), Err("one command at a time".to_owned()));
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        let at = |host: &str| {
            let address = Some(HostPort { host: host.to_owned(), port: 7 });
            target(&ServerConfig { address, ..ServerConfig::default() }).map(|(host, _)| host)
        };
        assert_eq!(at("0.0.0.0").as_deref(), Some("127.0.0.1"));
        assert_eq!(at("::").as_deref(), Some("::1"));
        assert_eq!(at("herd.example").as_deref(), Some("herd.example"));
        assert_eq!(target(&ServerConfig::default()), None);
    }
}
