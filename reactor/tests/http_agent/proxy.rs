//! Through a proxy: a whole URL for plain HTTP, a tunnel for https.

use super::certificates::Authority;
use super::server::{Server, ok};
use super::util::until;
use super::wait::wait;
use super::{agent, agent_trusting, assert_nothing_is_left, body, failed, get, outcome};
use reactor::http::{Agent, AgentError, HttpError, Party, Proxy, ProxyError, Stage};
use reactor::tls::TlsServer;
use reactor::{CancelledError, Protocol, Reactor, Reason, Transport};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// A proxy that makes tunnels, all of them to one address.
struct Tunnels {
    to: SocketAddr,
    reactor: Reactor,
    /// The requests that it got.
    asked: Rc<RefCell<Vec<String>>>,
    /// Its response when the tunnel is there, sent byte by byte, as by a slow proxy.
    granted: &'static str,
    bytes: Vec<u8>,
    far: Option<Rc<RefCell<Far>>>,
}

/// The far end of a tunnel: its transport, and bytes that wait until there is one.
#[derive(Default)]
struct Far {
    waiting: Vec<u8>,
    transport: Option<Transport>,
}

/// The far end's protocol.
struct Relay {
    near: Transport,
    far: Rc<RefCell<Far>>,
}

impl Protocol for Tunnels {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if let Some(far) = &self.far {
            let mut far = far.borrow_mut();
            match &far.transport {
                Some(transport) => transport.write(data),
                None => far.waiting.extend_from_slice(data),
            }
            return;
        }
        self.bytes.extend_from_slice(data);
        if self.bytes.ends_with(b"\r\n\r\n") {
            self.asked.borrow_mut().push(String::from_utf8(self.bytes.clone()).unwrap());
            let far: Rc<RefCell<Far>> = Rc::default();
            let (near, relayed) = (transport.clone(), far.clone());
            let relay = move |_| Relay { near: near.clone(), far: relayed.clone() };
            self.reactor.connect_tcp(self.to, relay);
            self.far = Some(far);
            drip(&self.reactor, transport, self.granted.as_bytes());
        }
    }

    fn connection_lost(&mut self, _reason: &Reason) {
        if let Some(transport) = self.far.take().and_then(|far| far.borrow_mut().transport.take()) {
            transport.lose_connection();
        }
    }
}

/// Writes a byte in each turn of the loop.
fn drip(reactor: &Reactor, transport: &Transport, bytes: &'static [u8]) {
    if let Some((first, rest)) = bytes.split_first() {
        transport.write(&[*first]);
        let (again, transport) = (reactor.clone(), transport.clone());
        reactor.call_when_running(move || drip(&again, &transport, rest));
    }
}

impl Protocol for Relay {
    fn connection_made(&mut self, transport: &Transport) {
        let mut far = self.far.borrow_mut();
        transport.write(&std::mem::take(&mut far.waiting));
        far.transport = Some(transport.clone());
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.near.write(data);
    }
    fn connection_lost(&mut self, _reason: &Reason) {
        self.near.lose_connection();
    }
}

fn tunnels(reactor: &Reactor, to: SocketAddr, granted: &'static str) -> (SocketAddr, Rc<RefCell<Vec<String>>>) {
    let asked: Rc<RefCell<Vec<String>>> = Rc::default();
    let (seen, handle) = (asked.clone(), reactor.clone());
    let build =
        move |_| Tunnels { to, reactor: handle.clone(), asked: seen.clone(), granted, bytes: Vec::new(), far: None };
    (reactor.listen_tcp("127.0.0.1:0", build).unwrap().host(), asked)
}

fn proxied(reactor: &Reactor, authority: &Authority, proxy: &str) -> Agent {
    let proxy: Proxy = proxy.parse().unwrap();
    agent_trusting(reactor, &authority.roots(), |settings| settings.proxy = Some(proxy))
}

const GRANTED: &str = "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 Connection established\r\nVia: us\r\n\r\n";

fn secure_server(reactor: &Reactor, authority: &Authority, name: &str) -> Server {
    let identity = authority.issue(name, 2999);
    let tls = TlsServer::new(reactor, &[&identity.certificate], &identity.key, &["http/1.1"]).unwrap();
    Server::secure(reactor, &tls, |transport, asked| transport.write(ok(&asked.line()).as_bytes()))
}

#[test]
fn https_goes_through_a_tunnel_and_tls_is_with_the_server() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = secure_server(&reactor, &authority, "name.test");
    let (proxy, asked) = tunnels(&reactor, server.port.host(), GRANTED);
    let agent = proxied(&reactor, &authority, &format!("http://user:pass%40@{proxy}"));
    for target in ["/one", "/two"] {
        let page = wait(&reactor, agent.fetch(get(&format!("https://name.test{target}"))));
        assert_eq!(body(page), format!("GET {target}"));
    }
    // One tunnel serves both. The name and password are the proxy's, and the server never sees them.
    let asked = asked.borrow().clone();
    let credentials = "Proxy-Authorization: Basic dXNlcjpwYXNzQA==\r\n";
    assert_eq!(asked, [format!("CONNECT name.test:443 HTTP/1.1\r\nHost: name.test:443\r\n{credentials}\r\n")]);
    assert_eq!((server.opened(), server.asked()[0].header("host")), (1, Some("name.test")));
    assert!(server.asked().iter().all(|asked| asked.header("proxy-authorization").is_none()));
    wait(&reactor, agent.close_idle()).unwrap();
    until(&reactor, "only the ports are left", || reactor.source_count() == 2);
    assert_eq!(agent.open_connection_count(), 0);
}

#[test]
fn the_name_is_checked_inside_the_tunnel_too() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = secure_server(&reactor, &authority, "other.test");
    let (proxy, _) = tunnels(&reactor, server.port.host(), GRANTED);
    let agent = proxied(&reactor, &authority, &format!("http://{proxy}"));
    let failure = wait(&reactor, agent.fetch(get("https://name.test/"))).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!(error.stage(), Stage::RequestNotSent);
    assert!(matches!(error.reason().check(), Some(Reason::Tls(_))), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn connect_to_says_where_the_tunnel_leads() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let server = secure_server(&reactor, &authority, "name.test");
    let (proxy, asked) = tunnels(&reactor, server.port.host(), GRANTED);
    let agent = agent_trusting(&reactor, &authority.roots(), |settings| {
        settings.proxy = Some(format!("http://{proxy}").parse().unwrap());
        settings.connect_to = Some(("::1".to_owned(), 8443));
    });
    assert_eq!(body(wait(&reactor, agent.fetch(get("https://name.test/")))), "GET /");
    assert!(asked.borrow()[0].starts_with("CONNECT [::1]:8443 HTTP/1.1\r\n"));
    assert_eq!(server.asked()[0].header("host"), Some("name.test"));
}

#[test]
fn plain_http_goes_with_its_whole_url() {
    let reactor = Reactor::new().unwrap();
    let proxy = Server::saying(&reactor, &[&ok("from the proxy")]);
    let url: Proxy = format!("http://u:p@{}", proxy.port.host()).parse().unwrap();
    let agent = agent(&reactor, |settings| settings.proxy = Some(url));
    for _ in 0..2 {
        assert_eq!(body(wait(&reactor, agent.fetch(get("http://name.test:81/x?y")))), "from the proxy");
    }
    let asked = &proxy.asked()[0];
    assert_eq!(asked.target(), "http://name.test:81/x?y");
    assert_eq!((asked.header("host"), asked.header("proxy-authorization")), (Some("name.test:81"), Some("Basic dTpw")));
    assert_eq!(proxy.opened(), 1);
}

/// The whole URL would lead the proxy to the URL's own host.
#[test]
fn connect_to_makes_plain_http_go_through_a_tunnel_too() {
    let reactor = Reactor::new().unwrap();
    let server = Server::new(&reactor, |transport, asked| transport.write(ok(&asked.line()).as_bytes()));
    let (proxy, asked) = tunnels(&reactor, server.port.host(), GRANTED);
    let proxy: Proxy = format!("http://user:SECRET@{proxy}").parse().unwrap();
    let agent = agent(&reactor, |settings| {
        settings.proxy = Some(proxy);
        settings.connect_to = Some(("127.0.0.9".to_owned(), 8080));
    });
    for target in ["/one", "/two"] {
        let page = wait(&reactor, agent.fetch(get(&format!("http://name.test:81{target}"))));
        assert_eq!(body(page), format!("GET {target}"));
    }
    assert_eq!(asked.borrow().len(), 1, "one tunnel serves both");
    assert!(asked.borrow()[0].starts_with("CONNECT 127.0.0.9:8080 HTTP/1.1\r\nHost: 127.0.0.9:8080\r\nProxy-Auth"));
    for asked in server.asked() {
        assert_eq!((asked.header("host"), asked.header("proxy-authorization")), (Some("name.test:81"), None));
    }
    wait(&reactor, agent.close_idle()).unwrap();
    until(&reactor, "only the ports are left", || reactor.source_count() == 2);
    assert_eq!((agent.open_connection_count(), reactor.delayed_call_count()), (0, 0));
}

#[test]
fn a_tunnel_for_plain_http_that_is_refused_or_breaks_is_a_request_not_sent() {
    for (answer, error) in
        [("HTTP/1.1 403 No\r\n\r\n", ProxyError::Refused(403)), ("", ProxyError::BadAnswer(HttpError::Incomplete))]
    {
        let reactor = Reactor::new().unwrap();
        let proxy = Server::new(&reactor, move |transport, _| {
            transport.write(answer.as_bytes());
            transport.lose_connection();
        });
        let url: Proxy = proxy.url("").parse().unwrap();
        let agent = agent(&reactor, |settings| {
            settings.proxy = Some(url);
            settings.connect_to = Some(("127.0.0.9".to_owned(), 8080));
        });
        let result = wait(&reactor, agent.fetch(get("http://name.test/")));
        assert_eq!(failed(result), (Stage::RequestNotSent, error));
        assert_nothing_is_left(&reactor, &agent, 1);
    }
    // A cancel while the proxy is asked leaves nothing either.
    let reactor = Reactor::new().unwrap();
    let proxy = Server::silent(&reactor);
    let url: Proxy = proxy.url("").parse().unwrap();
    let agent = agent(&reactor, |settings| {
        settings.proxy = Some(url);
        settings.connect_to = Some(("127.0.0.9".to_owned(), 8080));
    });
    let page = outcome(agent.fetch(get("http://name.test/")));
    until(&reactor, "the proxy is asked", || proxy.asked().len() == 1);
    page.1.cancel();
    assert!(page.get(&reactor).unwrap_err().check::<CancelledError>().is_some());
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[track_caller]
fn refuse(answer: &str, closes: bool, error: ProxyError) {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let answer = answer.to_owned();
    let proxy = Server::new(&reactor, move |transport, _| {
        transport.write(answer.as_bytes());
        if closes {
            transport.lose_connection();
        }
    });
    let agent = proxied(&reactor, &authority, &format!("http://user:SECRET@{}", proxy.port.host()));
    let failure = wait(&reactor, agent.fetch(get("https://name.test/"))).unwrap_err();
    let told = format!("{failure} {failure:?} {failure:#?} {} {agent:?} {:?}", failure.report(), agent.settings());
    assert!(!told.contains("SECRET") && !told.contains("U0VDUkVU"), "{told}");
    assert_eq!(failure.check::<AgentError>().unwrap().whose_fault(), Party::Peer);
    assert_eq!(failed::<(), ProxyError>(Err(failure)), (Stage::RequestNotSent, error));
    assert_nothing_is_left(&reactor, &agent, 1);
}

#[test]
fn a_proxy_that_gives_no_tunnel_is_an_error_that_says_why() {
    let asks = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno";
    refuse(asks, false, ProxyError::Refused(407));
    refuse("HTTP/1.1 502 Bad\r\n\r\n", false, ProxyError::Refused(502));
    refuse("HTTP/1.1 200", true, ProxyError::BadAnswer(HttpError::Incomplete));
    refuse("", true, ProxyError::BadAnswer(HttpError::Incomplete));
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let proxy = Server::saying(&reactor, &["SSH-2.0-OpenSSH\r\n"]);
    let agent = proxied(&reactor, &authority, &proxy.url(""));
    let (stage, error): (Stage, ProxyError) = failed(wait(&reactor, agent.fetch(get("https://name.test/"))));
    assert!(stage == Stage::RequestNotSent && matches!(error, ProxyError::BadAnswer(_)), "{error}");
}

#[test]
fn a_tunnel_that_breaks_is_a_request_not_sent() {
    let (reactor, authority) = (Reactor::new().unwrap(), Authority::new());
    let proxy = Server::new(&reactor, |transport, _| transport.abort_connection());
    let agent = proxied(&reactor, &authority, &proxy.url(""));
    let failure = outcome(agent.fetch(get("https://name.test/"))).get(&reactor).unwrap_err();
    let error: &AgentError = failure.check().unwrap();
    assert_eq!((error.stage(), error.whose_fault()), (Stage::RequestNotSent, Party::Network));
    assert_nothing_is_left(&reactor, &agent, 1);
}
