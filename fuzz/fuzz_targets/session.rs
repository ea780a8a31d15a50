//! Whole sessions: a server in a simulated world, a client and a neighbor that say anything in any pieces, and a model
//! of the protocol (`docs/protocol.md`) that says what each of them must get, byte for byte.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use proxyherd::address_group::AddressGroup;
use proxyherd::config::{Config, HostPort, PlacesConfig, ServerConfig};
use proxyherd::places::{Nearby, Places};
use proxyherd::server::Server;
use proxyherd_fuzz::{cut, nanoseconds};
use reactor::sim::{Host, Latency, LinkSettings, World};
use reactor::{Deferred, Protocol, Transport};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// What somebody says next.
#[derive(Debug, Arbitrary)]
struct Step {
    what: What,
    /// How the line is cut into writes.
    lengths: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum What {
    IamAt {
        client: u8,
        place: u8,
        age: i32,
        spaces: bool,
    },
    WhatsAt {
        client: u8,
        radius: u8,
        bound: u8,
    },
    /// An AT of the neighbor; the client may not say it.
    At {
        by_client: bool,
        server: u8,
        client: u8,
        place: u8,
        age: i32,
        lead: i32,
    },
    /// PEER, at a moment at which it does not count.
    Peer {
        by_client: bool,
    },
    Blank {
        by_client: bool,
        white: Vec<u8>,
    },
    Unknown {
        by_client: bool,
        bytes: Vec<u8>,
    },
    /// Time passes.
    Wait {
        seconds: u8,
    },
}

const CLIENTS: [&str; 4] = ["kiwi", "pl\u{fc}m", "fig", "AT"];
const PLACES: [&str; 4] = ["+34.068930-118.445127", "-90+180", "+.5-0.0", "-00.10+179.999999999999999999999"];
/// The last one is no server of the herd.
const SERVERS: [&str; 3] = ["Alford", "Powell", "Evil"];
const DAY: i128 = 24 * 3600 * 1_000_000_000;

/// Answers at once, and always the same.
struct Fixed;

const ANSWER: &str = r#"{"results": [{"a": 1}, {"b": "]"}, {"c": [2]}], "status": "OK"}"#;

fn cut_answer(bound: usize) -> &'static str {
    match bound {
        0 => r#"{"results": [], "status": "OK"}"#,
        1 => r#"{"results": [{"a": 1}], "status": "OK"}"#,
        2 => r#"{"results": [{"a": 1}, {"b": "]"}], "status": "OK"}"#,
        _ => ANSWER,
    }
}

impl Places for Fixed {
    fn nearby(&self, _question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        Deferred::from_result(Ok(ANSWER.as_bytes().to_vec()))
    }
    fn describe(&self) -> String {
        "fixed".to_owned()
    }
}

/// One end of a connection to the server, or of the server's link.
#[derive(Default)]
struct End {
    transport: Option<Transport>,
    received: Vec<u8>,
}

#[derive(Clone, Default)]
struct Peer(Rc<RefCell<End>>);

impl Protocol for Peer {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.borrow_mut().transport = Some(transport.clone());
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.0.borrow_mut().received.extend_from_slice(data);
    }
    fn connection_lost(&mut self, reason: &reactor::Reason) {
        panic!("a connection ended: {reason}");
    }
}

impl Peer {
    fn write(&self, data: &[u8]) {
        self.0.borrow().transport.as_ref().expect("connected").write(data);
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().received)
    }
}

fn config() -> Config {
    let server = |host: &str, neighbors: &[&str]| ServerConfig {
        address: Some(HostPort { host: host.to_owned(), port: 12_200 }),
        neighbors: neighbors.iter().map(|name| (*name).to_owned()).collect(),
        ..ServerConfig::default()
    };
    let servers = [("Alford", server("alford", &["Powell"])), ("Powell", server("powell", &["Alford"]))];
    let servers = servers.into_iter().map(|(name, server)| (name.to_owned(), server)).collect();
    let mut config = Config { servers, places: PlacesConfig::default(), ..Config::default() };
    // The model forgets nothing, and closes no connection on which nobody speaks.
    config.limits.forget = Duration::from_secs(1_000_000_000);
    config.limits.idle = Duration::from_secs(1_000_000_000);
    config
}

/// A version: what makes it newer, and its line.
type Version = (i128, Vec<u8>, Vec<u8>);

struct Run {
    world: World,
    alford: Host,
    powell: Host,
    client: Peer,
    neighbor: Peer,
    link: Peer,
    known: BTreeMap<Vec<u8>, Version>,
    /// What the neighbor must be told in the end: the line of each client that it has not told us itself.
    untold: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Run {
    fn new() -> Run {
        let world = World::new(1);
        world.set_links(LinkSettings::new(Latency::Fixed(Duration::from_millis(1))));
        let link = Peer::default();
        let ear = link.clone();
        let powell = world.host("powell", move |reactor| {
            let ear = ear.clone();
            reactor.listen_tcp("0.0.0.0:12200", move |_peer| ear.clone()).unwrap();
        });
        let alford = world.host("alford", |reactor| {
            Server::start(reactor, &config(), "Alford", Rc::new(Fixed)).unwrap().detach();
        });
        world.run_for(Duration::from_secs(1));
        let (client, neighbor) = (Peer::default(), Peer::default());
        let run = Run {
            client: client.clone(),
            neighbor: neighbor.clone(),
            link,
            known: BTreeMap::new(),
            untold: BTreeMap::new(),
            alford,
            powell,
            world,
        };
        run.world.host("somebody", move |reactor| {
            let client = client.clone();
            reactor.connect_tcp(("alford", 12_200), move |_peer| client.clone());
        });
        run
    }

    fn clock(&self) -> i128 {
        self.alford.clock().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128
    }

    /// Says one line in pieces, and returns what comes back.
    fn say(&mut self, peer: &Peer, line: &[u8], lengths: &[u8]) -> Vec<u8> {
        let whole = [line, b"\n"].concat();
        for piece in cut(&whole, &lengths[..lengths.len().min(8)]) {
            peer.write(piece);
            self.world.run_for(Duration::from_millis(3));
        }
        self.world.run_for(Duration::from_millis(20));
        let text = peer.take();
        // To a neighbor, PING comes now and then.
        let text = String::from_utf8_lossy(&text).replace("PING\n", "");
        text.into_bytes()
    }

    fn offer(&mut self, client: &[u8], version: Version, from_neighbor: bool) {
        let is_newer = self.known.get(client).is_none_or(|known| version > *known);
        let is_older = self.known.get(client).is_some_and(|known| version < *known);
        if is_newer {
            match from_neighbor {
                true => drop(self.untold.remove(client)),
                false => drop(self.untold.insert(client.to_vec(), version.2.clone())),
            }
            self.known.insert(client.to_vec(), version);
        } else if is_older && from_neighbor {
            // It is answered with the newer one.
            self.untold.insert(client.to_vec(), self.known[client].2.clone());
        }
    }

    fn step(&mut self, step: &Step) {
        let (client, neighbor) = (self.client.clone(), self.neighbor.clone());
        let who = |by_client: bool| if by_client { client.clone() } else { neighbor.clone() };
        let refusal = |line: &[u8]| [b"? ", line, b"\n"].concat();
        match &step.what {
            What::IamAt { client: name, place, age, spaces } => {
                let (name, place) = (CLIENTS[usize::from(name % 4)], PLACES[usize::from(place % 4)]);
                let before = self.clock();
                let time = text(before - i128::from(*age) * 100_000_000);
                let gap = if *spaces { " \t" } else { " " };
                let line = format!("IAMAT{gap}{name} {place}{gap}{time}");
                let got = self.say(&client, line.as_bytes(), &step.lengths);
                let time_number = nanoseconds(time.as_bytes()).unwrap();
                if time_number > self.clock() + DAY {
                    assert_eq!(got, refusal(line.as_bytes()));
                    return;
                } else if time_number > before + DAY {
                    return; // It depends on the moment.
                }
                let got = got.strip_suffix(b"\n").expect("a line").to_vec();
                let reply = String::from_utf8(got.clone()).unwrap();
                let fields: Vec<&str> = reply.split(' ').collect();
                assert_eq!(
                    [fields[0], fields[1], fields[3], fields[4], fields[5]],
                    ["AT", "Alford", name, place, &time]
                );
                assert!(fields[2].starts_with(['+', '-']) && fields.len() == 6, "{reply}");
                let clock = nanoseconds(fields[2].as_bytes()).expect("a difference") + time_number;
                assert!((before..=self.clock()).contains(&clock), "{reply}");
                self.offer(name.as_bytes(), (time_number, b"Alford".to_vec(), got), false);
            }
            What::WhatsAt { client: name, radius, bound } => {
                let name = CLIENTS[usize::from(name % 4)];
                let line = format!("WHATSAT {name} {radius} {bound}");
                let got = self.say(&client, line.as_bytes(), &step.lengths);
                let expected = match self.known.get(name.as_bytes()) {
                    Some((_, _, at)) if *radius <= 50 && *bound <= 20 => {
                        [at, &b"\n"[..], cut_answer(usize::from(*bound)).as_bytes(), b"\n\n"].concat()
                    }
                    _ => refusal(line.as_bytes()),
                };
                assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
            }
            What::At { by_client, server, client: name, place, age, lead } => {
                let (server, name) = (SERVERS[usize::from(server % 3)], CLIENTS[usize::from(name % 4)]);
                let place = PLACES[usize::from(place % 4)];
                let time = text(self.clock() - i128::from(*age) * 100_000_000);
                let time_number = nanoseconds(time.as_bytes()).unwrap();
                let there = self.clock() + i128::from(*lead) * 100_000_000;
                let difference = there - time_number;
                let (sign, size) = (if difference < 0 { '-' } else { '+' }, difference.unsigned_abs());
                let difference = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
                let line = format!("AT {server} {difference} {name} {place} {time}");
                // Which of both it is depends on the moment.
                if (there - self.clock() - 2 * DAY).abs() < 1_000_000_000 {
                    return;
                }
                let is_good =
                    !by_client && server != "Evil" && time_number <= there + DAY && there <= self.clock() + 2 * DAY;
                let got = self.say(&who(*by_client), line.as_bytes(), &step.lengths);
                match is_good {
                    true => {
                        assert_eq!(String::from_utf8_lossy(&got), "");
                        let version = (time_number, server.as_bytes().to_vec(), line.into_bytes());
                        self.offer(name.as_bytes(), version, true);
                    }
                    false => {
                        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&refusal(line.as_bytes())))
                    }
                }
            }
            What::Peer { by_client } => {
                let got = self.say(&who(*by_client), b"PEER Powell", &step.lengths);
                assert_eq!(got, refusal(b"PEER Powell"));
            }
            What::Blank { by_client, white } => {
                let line: Vec<u8> = white.iter().map(|byte| b" \t\r\x0b\x0c"[usize::from(byte % 5)]).collect();
                assert_eq!(self.say(&who(*by_client), &line, &step.lengths), b"");
            }
            What::Unknown { by_client, bytes } => {
                let mut line: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\n').collect();
                line.insert(0, b'X');
                let got = self.say(&who(*by_client), &line, &step.lengths);
                assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&refusal(&line)));
            }
            What::Wait { seconds } => self.world.run_for(Duration::from_secs(u64::from(*seconds % 64))),
        }
    }
}

/// Nanoseconds as a decimal number of seconds.
fn text(time: i128) -> String {
    let (sign, size) = (if time < 0 { "-" } else { "" }, time.unsigned_abs());
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}

fuzz_target!(|steps: Vec<Step>| {
    let mut run = Run::new();
    // The neighbor connects from its own host.
    run.world.run_for(Duration::from_millis(50));
    run.powell.reactor().expect("it runs").connect_tcp(("alford", 12_200), {
        let neighbor = run.neighbor.clone();
        move |_peer| neighbor.clone()
    });
    run.world.run_for(Duration::from_millis(50));
    run.neighbor.write(b"PEER Powell\n");
    run.world.run_for(Duration::from_millis(50));
    for step in steps.iter().take(24) {
        run.step(step);
    }
    for name in CLIENTS {
        let what = What::WhatsAt {
            client: CLIENTS.iter().position(|other| *other == name).unwrap() as u8,
            radius: 1,
            bound: 0,
        };
        run.step(&Step { what, lengths: Vec::new() });
    }
    // The link has carried our newest line of each client that the neighbor does not know from itself.
    let told = run.link.take();
    let told: Vec<&[u8]> = told.split(|byte| *byte == b'\n').collect();
    assert_eq!(told[0], b"PEER Alford");
    for (client, line) in &run.untold {
        assert!(told.contains(&&line[..]), "{}: {}", client.escape_ascii(), line.escape_ascii());
    }
});
