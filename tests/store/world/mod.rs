//! A herd and a store in a simulated world, with faults that a seed decides. What must hold:
//!
//! * An answered location is not lost. The store confirms by its replica (`wait_replicas = 1`), and fails over to it;
//!   what was answered by flood is offered when the store is back. No server of the herd dies here.
//! * In the end the store has the newest answered location of each client, and the tables of the herd are empty.
//! * Nobody waits for longer than `timeout`, with the way there and back.
//! * A WHATSAT never shows what was replaced more than [`STALE_FOR`] ago.
//!
//! `STORE_SEEDS=1..1001` runs more of them.

mod simulated;

use super::*;
use reactor::sim::{Host, Latency, LinkSettings, Random, World, WorldSettings};
use reactor::{LineProtocol, LineReceiver, LineTransport, Reactor, Transport};
use simulated::{PORT as STORE_PORT, SimulatedStore};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Weak;
use std::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

const HERD: [&str; 3] = ["Alford", "Bolden", "Hamilton"];

const PORT: u16 = 12_200;

const CLIENTS: u64 = 5;

const TIMEOUT: Duration = Duration::from_millis(500);

/// A connection that is lost without a word is noticed within five seconds. The rest is the way of the answers.
const STALE_FOR: Duration = Duration::from_secs(6);

/// The ways to a server and back, and the order of replies, may take this long beside `timeout`.
const WAYS: Duration = Duration::from_millis(700);

/// When everything heals, and how long the store and the herd then have to become equal.
const HEALS: Duration = Duration::from_secs(40);
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(15);

/// What was answered.
#[derive(Default)]
struct Book {
    /// For each client, the times of the locations that were answered, and when.
    answered: RefCell<BTreeMap<u64, Vec<(u64, Instant)>>>,
    wrong: RefCell<Option<String>>,
    answers: Cell<u64>,
    stopped: Cell<bool>,
}

impl Book {
    fn fail(&self, what: String) {
        self.wrong.borrow_mut().get_or_insert(what);
    }

    /// The newest location of a client that was answered until then.
    fn newest(&self, client: u64, until: Option<Instant>) -> u64 {
        let answered = self.answered.borrow();
        let all = answered.get(&client).map_or(&[][..], Vec::as_slice);
        let until = |at: Instant| until.is_none_or(|until| at <= until);
        all.iter().filter(|(_, at)| until(*at)).map(|(time, _)| *time).max().unwrap_or(0)
    }
}

/// What was said on a connection, and waits for its answer.
enum Said {
    IamAt(u64, u64),
    WhatsAt(u64),
}

/// All that waits on a connection, and since when.
type Waiting = Rc<RefCell<VecDeque<(Said, Instant)>>>;

/// One connection of the people to a server.
struct Person {
    reactor: Reactor,
    book: Rc<Book>,
    said: Waiting,
    is_in_answer: bool,
}

impl LineProtocol for Person {
    fn line_received(&mut self, _transport: &LineTransport, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        if self.is_in_answer {
            self.is_in_answer = !line.is_empty();
            return;
        }
        let Some((said, at)) = self.said.borrow_mut().pop_front() else { return };
        let now = self.reactor.now();
        self.book.answers.set(self.book.answers.get() + 1);
        if now - at > 2 * (TIMEOUT + WAYS) {
            self.book.fail(format!("it took {:?} until {text}", now - at));
        }
        match said {
            Said::IamAt(client, time) if text.starts_with("AT ") => {
                self.book.answered.borrow_mut().entry(client).or_default().push((time, now));
            }
            Said::IamAt(..) => self.book.fail(format!("an IAMAT is refused: {text}")),
            Said::WhatsAt(client) if text.starts_with("AT ") => {
                self.is_in_answer = true;
                let must = self.book.newest(client, at.checked_sub(STALE_FOR));
                let time: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
                if time < must {
                    self.book.fail(format!("c{client} was at {must} long ago, and the answer is {text}"));
                }
            }
            Said::WhatsAt(_) => {} // While the store is away, a server may not know a client.
        }
    }
}

/// Says something on one connection after the other.
fn talk(
    reactor: &Reactor,
    book: &Rc<Book>,
    connections: Rc<Vec<(Transport, Waiting)>>,
    random: Rc<RefCell<Random>>,
    time: u64,
) {
    if book.stopped.get() {
        return;
    }
    let (after, line) = {
        let mut random = random.borrow_mut();
        let client = random.below(CLIENTS);
        let is_question = random.chance(1, 3);
        // Some clients stay at one server, and the others have nothing but what they remember of them.
        let server = if client < 2 && !is_question { 0 } else { random.below(HERD.len() as u64) as usize };
        let (transport, said) = &connections[server];
        let (what, line) = match is_question {
            true => (Said::WhatsAt(client), format!("WHATSAT c{client} 1 1\n")),
            false => {
                let time = time.saturating_sub(if random.chance(1, 4) { random.below(6) } else { 0 });
                (Said::IamAt(client, time), format!("IAMAT c{client} +1+1 {time}\n"))
            }
        };
        said.borrow_mut().push_back((what, reactor.now()));
        (random.between(Duration::from_millis(1), Duration::from_millis(120)), (transport.clone(), line))
    };
    line.0.write(line.1.as_bytes());
    let (again, book) = (reactor.clone(), book.clone());
    reactor.call_later(after, move || talk(&again, &book, connections, random, time + 1));
}

fn start_people(world: &World, book: &Rc<Book>, seed: u64) {
    let book = book.clone();
    world.host("people", move |reactor| {
        reactor.quiet();
        let random = Rc::new(RefCell::new(Random::new(seed ^ 0x5eed)));
        let connected = HERD.map(|name| {
            let said = Rc::new(RefCell::new(VecDeque::new()));
            let (own, book, spoken) = (reactor.clone(), book.clone(), said.clone());
            let build = move |_| {
                LineReceiver::new(Person { reactor: own, book, said: spoken, is_in_answer: false })
                    .with_delimiter(b"\n")
            };
            reactor.connect((name, PORT), build).add_callback(move |transport| Ok((transport, said)))
        });
        let (own, book) = (reactor.clone(), book.clone());
        let all = reactor::deferred::gather_results(connected, reactor::deferred::Others::Cancel);
        all.add_callback(move |connections| talk(&own, &book, Rc::new(connections), random, 100)).detach();
    });
}

/// A server of the herd and its host.
struct Member {
    host: Host,
    server: Rc<RefCell<Weak<Server>>>,
}

fn start_herd(world: &World) -> Vec<Member> {
    let mut store = StoreConfig::of(vec![HostPort { host: "store".to_owned(), port: STORE_PORT }]);
    (store.buckets, store.wait_replicas, store.timeout) = (4, 1, TIMEOUT);
    let one = |name: &str| {
        let address = Some(HostPort { host: name.to_owned(), port: PORT });
        let neighbors = HERD.iter().filter(|other| **other != name).map(|other| (*other).to_owned()).collect();
        (name.to_owned(), ServerConfig { address, neighbors, ..ServerConfig::default() })
    };
    let limits = Limits { forget: Duration::MAX, ..Limits::default() };
    let config = Config { servers: HERD.map(one).into(), limits, store: Some(store), ..Config::default() };
    let start = |name: &str| {
        let (config, own, server) = (config.clone(), name.to_owned(), Rc::new(RefCell::new(Weak::new())));
        let here = server.clone();
        let host = world.host(name, move |reactor| {
            reactor.quiet();
            let order = Box::new(newness);
            let server = Server::new(reactor, &config, &own, Rc::new(NoPlaces), order, Rc::new(())).unwrap();
            here.replace(Rc::downgrade(&server));
            server.begin().detach();
        });
        Member { host, server }
    };
    HERD.map(start).into()
}

/// Plans what goes wrong with the store until everything heals.
fn plan(world: &World, store: &Rc<SimulatedStore>, herd: &Rc<Vec<Member>>, seed: u64) {
    let mut random = Random::new(seed ^ 0xfa17);
    let mut at = 5 * SECOND;
    while at < HEALS - 8 * SECOND {
        let lasts = random.between(Duration::from_millis(20), 7 * SECOND);
        let (kind, victim) = (random.below(5), random.below(HERD.len() as u64) as usize);
        let (began, ended) = ((store.clone(), herd.clone()), (store.clone(), herd.clone()));
        world.call_later(at, move |world| {
            let (store, herd) = began;
            match kind {
                0 => store.fail_over(),
                1 => store.host.crash(),
                2 => store.host.pause(),
                3 => {
                    world.cut(&herd[victim].host, &store.host);
                    world.cut(&store.host, &herd[victim].host);
                }
                _ => store.set_replicating(false),
            }
        });
        world.call_later(at + lasts, move |world| {
            let (store, herd) = ended;
            match kind {
                0 => store.host.restart(),
                1 => store.host.restart(),
                2 => store.host.resume(),
                // The replica was behind, and takes the primary's place.
                4 if victim == 0 => {
                    store.fail_over();
                    store.host.restart();
                    store.set_replicating(true);
                }
                3 => {
                    world.mend(&herd[victim].host, &store.host);
                    world.mend(&store.host, &herd[victim].host);
                }
                _ => store.set_replicating(true),
            }
        });
        at += lasts + random.between(SECOND / 10, 4 * SECOND);
    }
}

/// One run. What did not hold, if anything; and how many answers there were.
fn run(seed: u64) -> (Option<String>, u64) {
    let mut random = Random::new(seed);
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Uniform(SECOND / 2000, random.between(SECOND / 1000, SECOND / 50)));
    let world = World::with_settings(seed, settings);
    let store = Rc::new(SimulatedStore::new(&world, seed));
    let (herd, book) = (Rc::new(start_herd(&world)), Rc::<Book>::default());
    world.run_for(2 * SECOND);
    start_people(&world, &book, seed);
    if !seed.is_multiple_of(8) {
        plan(&world, &store, &herd, seed);
    }
    world.run_until(HEALS, || book.wrong.borrow().is_some());
    world.run_for(SECOND);
    book.stopped.set(true);
    world.run_for(CATCHES_UP_WITHIN);
    for member in &*herd {
        let server = member.server.borrow().upgrade().expect("no server of the herd dies");
        let known = server.locations().borrow().len();
        let status = Status::of(&server).store.unwrap();
        if known > 0 || status.owed > 0 || status.lost > 0 {
            book.fail(format!("{}: {known} clients are in the table; {status:?}", server.name()));
        }
    }
    for client in 0..CLIENTS {
        let (newest, there) = (book.newest(client, None), store.line_of(&format!("c{client}")));
        let time = there.as_ref().map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        if time < newest {
            book.fail(format!("c{client} was answered for {newest}, and the store has {there:?}"));
        }
    }
    (book.wrong.take(), book.answers.get())
}

#[test]
fn nothing_that_was_answered_is_lost_and_all_end_equal() {
    let seeds = std::env::var("STORE_SEEDS").ok();
    let bounds = seeds.as_deref().and_then(|text| text.split_once(".."));
    let bound = |text: &str| text.parse::<u64>().expect("STORE_SEEDS is two numbers, such as 1..1001");
    let seeds = bounds.map_or(1..25, |(from, to)| bound(from)..bound(to));
    for seed in seeds {
        let (wrong, answers) = run(seed);
        assert_eq!(wrong, None, "seed {seed}");
        assert!(answers > 200, "seed {seed}: {answers} answers");
    }
}
