//! [`World`]: a loop on which it is the first of June 2030 and every name resolves to this machine; requests made
//! there.

use crate::driver::{Hooks, edited};
use crate::events::{Events, Noting};
use crate::shown::Shown;
use crate::util::until;
use crate::wait::wait;
use reactor::http::{Page, PageGetter};
use reactor::tls::{TlsError, TlsFault, TlsServer, TrustRoots};
use reactor::{Failure, Reactor, Reason, Settings, Transport};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

/// The name that the client expects of the server.
pub(crate) const NAME: &str = "server.test";

const TODAY: Duration = Duration::from_secs(1_906_502_400);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nanswer";

pub(crate) struct World {
    pub(crate) reactor: Reactor,
    pub(crate) hooks: Hooks,
}

/// The result of a request.
pub(crate) struct Outcome {
    pub(crate) page: Result<Page, Failure>,
    /// The events of the server's protocol, above TLS.
    server: Vec<String>,
}

impl World {
    pub(crate) fn new() -> World {
        let hooks = Hooks::default();
        hooks.today.set(Some(SystemTime::UNIX_EPOCH + TODAY));
        *hooks.resolve.borrow_mut() = Some(Box::new(|_, reply| reply(Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()]))));
        World { reactor: edited(&hooks, Settings::default()), hooks }
    }

    /// Gets a page of `host` from the server at `port`.
    #[track_caller]
    pub(crate) fn get(&self, host: &str, port: u16, roots: &TrustRoots) -> Result<Page, Failure> {
        let getter = PageGetter::new(&self.reactor, roots).unwrap();
        wait(&self.reactor, getter.get(&format!("https://{host}:{port}/?key=SECRET")))
    }

    /// Asks `host` on a server that shows `shown`, all on one loop. Afterwards nothing but the port is left on it.
    #[track_caller]
    pub(crate) fn ask(&self, host: &str, shown: &Shown, roots: &TrustRoots, alpn: &[&str]) -> Outcome {
        let chain: Vec<&[u8]> = shown.chain.iter().map(Vec::as_slice).collect();
        let tls = TlsServer::new(&self.reactor, &chain, &shown.key, alpn).unwrap();
        let events = Events::default();
        let noted = events.clone();
        let site = move |_| {
            let answer = |transport: &Transport, _: &[u8]| {
                transport.write(ANSWER);
                transport.lose_connection();
            };
            Noting { data: Box::new(answer), ..Noting::new(&noted) }
        };
        let port = self.reactor.listen_tcp("127.0.0.1:0", tls.factory(site)).unwrap();
        let page = self.get(host, port.host().port(), roots);
        until(&self.reactor, "only the port is left", || self.reactor.source_count() == 1);
        assert_eq!(self.reactor.delayed_call_count(), 0, "timers are left");
        Outcome { page, server: events.all() }
    }
}

impl Outcome {
    /// The page came, and the server heard the request.
    #[track_caller]
    pub(crate) fn is_answered(&self) {
        assert_eq!(self.page.as_ref().unwrap().body, b"answer");
        assert!(self.server[1].contains("?key=SECRET"), "{:?}", self.server);
    }

    /// The certificate was refused: the client says `why`, and the server got an alert and nothing else.
    #[track_caller]
    pub(crate) fn is_refused(&self, why: &str) {
        is_refused(&self.page, TlsFault::Certificate, why);
        assert_eq!(self.server, ["made", "lost Tls"]);
    }
}

/// The handshake failed, by this fault, and the client says `why`.
#[track_caller]
pub(crate) fn is_refused(page: &Result<Page, Failure>, fault: TlsFault, why: &str) {
    let failure = page.as_ref().unwrap_err();
    let error = tls_error(failure);
    assert_eq!((&*error.to_string(), error.fault()), (&*format!("the TLS handshake failed: {why}"), fault));
    assert!(error.is_in_handshake());
    assert_eq!(failure.to_string(), error.to_string());
}

#[track_caller]
fn tls_error(failure: &Failure) -> &TlsError {
    failure.check().and_then(Reason::tls_error).unwrap_or_else(|| panic!("not TLS: {failure:?}"))
}
