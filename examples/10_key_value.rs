//! A server that keeps values, and its test without a network: `cargo run --example 10_key_value`, then
//! `nc 127.0.0.1 6380`, and type `set color blue` or `get color`. The test: `cargo test --example 10_key_value`.
use reactor::{LineProtocol, LineReceiver, LineTransport, Protocol, Reactor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Maximum number of keys: a client must not fill our memory. Their length is limited by that of a line.
const MAX_KEYS: usize = 10_000;

#[derive(Clone, Default)]
struct Store(Rc<RefCell<HashMap<String, String>>>);

impl LineProtocol for Store {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        let mut values = self.0.borrow_mut();
        let reply = match words[..] {
            ["get", key] => values.get(key).map_or("not set", String::as_str),
            ["set", key, _] if values.len() == MAX_KEYS && !values.contains_key(key) => "full",
            ["set", key, value] => values.insert(key.to_owned(), value.to_owned()).map_or("new", |_old| "changed"),
            _ => "say: get KEY, or: set KEY VALUE",
        };
        transport.send_line(reply.as_bytes());
    }
}

/// The protocol of one client, for the network and for the test alike.
fn client(store: &Store) -> impl Protocol + use<> {
    LineReceiver::new(store.clone()).with_delimiter(b"\n")
}

fn main() -> Result<(), reactor::Failure> {
    let reactor = Reactor::new()?;
    let store = Store::default();
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:6380".to_owned());
    let port = reactor.listen_tcp(&*address, move |_peer| client(&store))?;
    println!("listening on {0}; try: nc {1} {2}", port.host(), port.host().ip(), port.host().port());
    println!("next: cargo test --example 10_key_value, then cargo run --example 11_tls");
    Ok(reactor.run()?)
}

#[test]
fn clients_see_what_others_have_set_however_the_bytes_are_cut() {
    reactor::testing::for_every_chunking(b"set color blue\nget color\nget shape\nset color red\nput\n", |chunks| {
        let mut protocol = client(&Store::default());
        let end = reactor::testing::StringTransport::new();
        protocol.connection_made(&end.transport());
        chunks.iter().for_each(|chunk| protocol.data_received(&end.transport(), chunk));
        assert_eq!(end.written(), b"new\nblue\nnot set\nchanged\nsay: get KEY, or: set KEY VALUE\n");
    });
}

// Prints:
// listening on 127.0.0.1:6380; try: nc 127.0.0.1 6380
// next: cargo test --example 10_key_value, then cargo run --example 11_tls
