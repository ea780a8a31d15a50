//! Connections that change to TLS, over a network that cuts, delays and resets: what was said in clear text never
//! passes for what is said over TLS, nor the other way round.

use super::tls::Identity;
use super::*;
use reactor::tls::{TlsClient, TlsServer};
use reactor::{LineProtocol, LineReceiver, LineTransport};

/// Lines that each end says before the change, and again after it.
const LINES: usize = 5;

/// What a client does behind its STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// It waits for READY.
    Waits,
    /// It begins the handshake at once; the server says nothing in clear text then.
    IsHasty,
}

/// One end. It notes each line, with whether it came over TLS.
struct End {
    events: Events,
    is_server: bool,
    client: Client,
}

impl End {
    fn say(&self, transport: &LineTransport, what: &str) {
        (0..LINES).for_each(|number| transport.send_line(format!("{what} {number}").as_bytes()));
    }

    /// Everything that is written from here on is a secret.
    fn change(&self, transport: &LineTransport) {
        transport.start_tls().unwrap();
        self.say(transport, "secret");
        if self.is_server {
            transport.send_line(b"bye");
        }
    }
}

impl LineProtocol for End {
    fn connection_made(&mut self, transport: &LineTransport) {
        if self.is_server && self.client == Client::Waits {
            self.say(transport, "plain");
        }
        if !self.is_server {
            self.say(transport, "plain");
            transport.send_line(b"STARTTLS");
            if self.client == Client::IsHasty {
                self.change(transport);
            }
        }
    }
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let way = if transport.is_tls() { "tls" } else { "clear" };
        self.events.note(format!("{way}: {}", String::from_utf8_lossy(line)));
        match line {
            b"STARTTLS" => {
                if self.client == Client::Waits {
                    transport.send_line(b"READY");
                }
                self.change(transport);
            }
            b"READY" => self.change(transport),
            b"bye" => transport.lose_connection(),
            _ => {}
        }
    }
    fn handshake_completed(&mut self, _transport: &LineTransport) {
        self.events.note("handshake");
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(format!("lost: {reason}"));
    }
}

/// The lines of one phase, as the other end notes them.
fn heard(way: &str, what: &str) -> impl Iterator<Item = String> {
    (0..LINES).map(move |number| format!("{way}: {what} {number}"))
}

/// Everything that the server and the client note if nothing breaks.
fn whole(client: Client) -> [Vec<String>; 2] {
    let said = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let greeting = if client == Client::Waits { heard("clear", "plain").collect() } else { Vec::new() };
    let ready = if client == Client::Waits { said(&["clear: READY"]) } else { Vec::new() };
    let at_server: Vec<String> =
        heard("clear", "plain").chain(said(&["clear: STARTTLS", "handshake"])).chain(heard("tls", "secret")).collect();
    let at_client = [greeting, ready, said(&["handshake"]), heard("tls", "secret").collect(), said(&["tls: bye"])];
    [at_server, at_client.concat()]
}

/// One connection over a network that `seed` shapes. With `breaks`, it is reset at some moment. Returns what each end
/// has noted, and the hash of the run.
fn converse(seed: u64, client: Client, breaks: bool) -> ([Vec<String>; 2], u64) {
    let (world, identity) = (World::new(seed), Identity::new());
    let segment = 1 + (world.random() % 400) as usize;
    world.set_links(LinkSettings::new(Latency::Uniform(MS, 40 * MS)).split(70).max_segment(segment));
    let [at_server, at_client] = [Events::default(), Events::default()];
    let (me, events) = (identity.clone(), at_server.clone());
    let server = world.host("server", move |reactor| {
        let tls = TlsServer::new(reactor, &[&me.certificate], &me.key, &[]).unwrap();
        let events = events.clone();
        let build = move |_: Address| LineReceiver::new(End { events: events.clone(), is_server: true, client });
        reactor.listen_tcp("0.0.0.0:25", tls.plain_first(build)).unwrap();
    });
    let events = at_client.clone();
    let host = world.host("client", move |reactor| {
        let tls = TlsClient::new(reactor, &identity.roots(), &[]).unwrap();
        let events = events.clone();
        let build = move |_: Address| LineReceiver::new(End { events: events.clone(), is_server: false, client });
        reactor.connect_tcp(("server", 25), tls.plain_first("server", build));
    });
    if breaks {
        let when = Duration::from_micros(world.random() % 500_000);
        world.call_later(when, move |world| world.reset_connections(&host, &server));
    }
    world.run_for(60 * SECOND);
    assert_eq!(world.connection_count(), 0, "seed {seed}");
    ([at_server.all(), at_client.all()], world.trace_hash())
}

#[test]
fn every_line_comes_in_its_own_way_however_the_network_cuts_and_delays() {
    for client in [Client::Waits, Client::IsHasty] {
        let [server, client_heard] = whole(client).map(|mut events| {
            events.push("lost: closed cleanly".to_owned());
            events
        });
        for seed in 0..60 {
            let ([at_server, at_client], _) = converse(seed, client, false);
            assert_eq!((&at_server, &at_client), (&server, &client_heard), "seed {seed}, {client:?}");
        }
    }
}

#[test]
fn a_reset_at_any_moment_leaves_no_line_in_the_wrong_way() {
    let mut broken = [0, 0];
    for client in [Client::Waits, Client::IsHasty] {
        let whole = whole(client);
        for seed in 0..150 {
            let (ends, _) = converse(seed, client, true);
            for (index, (met, whole)) in ends.iter().zip(&whole).enumerate() {
                // An end that was never connected has met nothing.
                let Some((last, before)) = met.split_last() else { continue };
                assert!(last.starts_with("lost: "), "seed {seed}, {client:?}: {met:?}");
                assert!(whole.starts_with(before), "seed {seed}, {client:?}: {met:?}");
                // Not before all has come is an end clean.
                assert!(last != "lost: closed cleanly" || before == whole, "seed {seed}, {client:?}: {met:?}");
                broken[index] += usize::from(before.len() < whole.len());
            }
        }
    }
    assert!(broken.iter().all(|count| *count > 50), "too few are broken in their middle: {broken:?}");
}

#[test]
fn the_same_seed_changes_to_tls_in_the_same_way() {
    for seed in 0..5 {
        assert_eq!(converse(seed, Client::Waits, true), converse(seed, Client::Waits, true));
    }
}
