//! The run: rounds of faults under load, each with an end at which all is mended and the books are closed.

use crate::attacks;
use crate::book::{Book, client};
use crate::clients::{self, CLIENTS, Said, ask, is_end, visit};
use crate::faults::Faults;
use crate::links::Link;
use crate::network::{NAMELESS, Network};
use crate::options::Options;
use crate::random::Random;
use crate::servers::{Grant, HERD, Server, number};
use crate::soak;
use crate::store::{ON_DISK, Store};
use reactor::task::{LoopingCall, sleep};
use reactor::{Deferred, Failure, Reactor};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// How long faults happen in a round. In one round of eight it is longer than it takes to notice a frozen neighbor.
const ROUND: Duration = Duration::from_secs(4);
const LONG_ROUND: Duration = Duration::from_secs(20);

/// How long a mended herd may take to agree: the longest backoff for each step of the way, a look-up, and a machine
/// that is busy with other things.
const MUST_AGREE_WITHIN: Duration = Duration::from_secs(60);

/// How often a client visits some server.
const VISIT_EVERY: Duration = Duration::from_millis(4);

/// The maximum number of visits at once: a frozen server holds each for some seconds.
const MAX_VISITS: usize = 60;

/// Runs, and says how it went.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == attacks::ATTACKER
    {
        let result = attacks::attacker(rest);
        let (Ok(said) | Err(said)) = &result;
        println!("{said}");
        return if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let options = match Options::parse(arguments.into_iter()) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error}");
            return ExitCode::from(2);
        }
    };
    println!("\nrunning 1 test\nchaos: {options:?}");
    if options.attack.is_some() && !attacks::is_possible() {
        println!("SKIPPED, not passed: attacks need /proc and every address of 127.0.0.0/8");
        return ExitCode::SUCCESS;
    }
    let directory = Directory::new();
    if options.attack.is_some() {
        let violations = attacks::run(&options, &directory.0);
        violations.iter().for_each(|violation| println!("VIOLATION: {violation}"));
        println!("{} passed, {} failed", u8::from(violations.is_empty()), violations.len());
        return if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let good = match run(options, &directory.0) {
        Ok(violations) => violations.is_empty(),
        Err(failure) => {
            println!("chaos: {failure}");
            false
        }
    };
    println!("{} passed, {} failed", u8::from(good), u8::from(!good));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The directory of the run, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Free ports. All are held until each has its number, so that no two are the same.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    // Below the ports that systems give to outgoing connections: none of those may take one while a server is down.
    let start = 20_000 + (std::process::id() % 90 * 40) as u16;
    let mut free = (start..24_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    std::array::from_fn(|_| free.next().expect("free ports"))
}

/// The servers, and the proxies between them: to each server, its neighbors are the proxies.
fn herd(
    reactor: &Reactor,
    network: &Rc<Network>,
    directory: &Path,
    options: &Options,
) -> (Vec<Server>, Vec<Rc<Link>>, Option<Store>) {
    let [store_port, ports @ ..] = free_ports::<16>();
    let mut next = ports[HERD.len()..].iter().copied();
    let store = options.store.then(|| {
        Store::start(network.own_address(), store_port, ON_DISK, directory).expect("--store needs a redis-server")
    });
    let address_of = |name: &str| SocketAddr::from((network.address_of(number(name)), ports[number(name)]));
    let pairs = HERD.iter().flat_map(|(name, neighbors)| neighbors.iter().map(move |neighbor| (*name, *neighbor)));
    let both: Vec<(&str, &str)> = pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect();
    let mut links = Vec::new();
    let mut servers = Vec::new();
    let lives = Rc::new(Cell::new(0));
    for (name, _) in HERD {
        let mut text = String::new();
        let mut neighbors: Vec<&str> = both.iter().filter(|(from, _)| *from == name).map(|(_, to)| *to).collect();
        if network.has_cables() {
            neighbors.extend(NAMELESS);
            for nameless in NAMELESS {
                text += &format!("[servers.{nameless}]\naddress = \"{nameless}.example:12300\"\n");
            }
        }
        text += &format!("[servers.{name}]\naddress = \"{}\"\n", address_of(name));
        text += &format!("neighbors = {neighbors:?}\n");
        for (other, _) in HERD.iter().filter(|(other, _)| *other != name) {
            let mut address = address_of(other);
            if neighbors.contains(other) {
                let port = next.next().expect("a port for each direction of a link");
                let own = (network.own_address(), port).into();
                let (link, _listening) = Link::open(reactor, own, address);
                links.push(link);
                address = own;
            }
            text += &format!("[servers.{other}]\naddress = \"{address}\"\n");
        }
        // A long run must not fill the disk with logs.
        text += "[log]\ntotal = 16777216\nfile = 1048576\n";
        text += &store.as_ref().map(Store::settings).unwrap_or_default();
        if !options.faults {
            text += &format!("[control]\ndirectory = \"{}\"\n", directory.display());
        }
        let config = directory.join(format!("{name}.toml"));
        std::fs::write(&config, text).expect("a configuration");
        servers.push(Server::new(name, address_of(name).port(), network.clone(), config, directory, lives.clone()));
    }
    (servers, links, store)
}

/// Everything that a run has.
struct Run {
    reactor: Reactor,
    servers: Rc<Vec<Server>>,
    faults: Rc<Faults>,
    book: Rc<RefCell<Book>>,
    random: Rc<Random>,
    visits: Rc<Cell<usize>>,
}

fn run(options: Options, directory: &Path) -> Result<Vec<String>, Failure> {
    let reactor = Reactor::new()?;
    reactor.quiet();
    let network = Rc::new(match options.faults {
        true => Network::new(&reactor, HERD.len(), directory),
        false => Network::Loopback,
    });
    let (servers, links, store) = herd(&reactor, &network, directory, &options);
    let (servers, random) = (Rc::new(servers), Rc::new(Random::new(options.seed)));
    let faults = Rc::new(Faults {
        reactor: reactor.clone(),
        servers: servers.clone(),
        links,
        store,
        random: random.clone(),
        kills: options.kills,
        has_cables: network.has_cables(),
        counts: RefCell::default(),
    });
    let book = Rc::<RefCell<Book>>::default();
    book.borrow_mut().may_know_less = options.store;
    let run = Run { reactor: reactor.clone(), servers, faults, book, random, visits: Rc::default() };
    reactor.run_until(Deferred::from_future(rounds(run, options)))
}

async fn rounds(run: Run, options: Options) -> Result<Vec<String>, Failure> {
    run.faults.mend();
    run.agree().await?;
    let began = run.reactor.now();
    let mut samples = Vec::new();
    let mut round = 0;
    while run.reactor.now() - began < options.time && run.book.borrow().violations.is_empty() {
        round += 1;
        let is_long = options.time > 4 * LONG_ROUND && run.random.once_in(8);
        let span = if is_long { LONG_ROUND } else { ROUND };
        let load = run.load();
        if options.faults {
            run.faults.begin(span);
        }
        sleep(&run.reactor, span).await?;
        load.stop();
        let mending = run.reactor.now();
        run.faults.mend();
        run.agree().await?;
        let held = soak::held(&run.servers);
        let counts = run.book.borrow().counts;
        println!(
            "{:>5} s  round {round}: agreed after {:.1} s; {} acknowledged, {} answers, {} lost with their server; {}",
            (run.reactor.now() - began).as_secs(),
            (run.reactor.now() - mending).as_secs_f64(),
            counts.acknowledged,
            counts.answers,
            counts.lost_with_server,
            soak::shown(&held)
        );
        samples.push(held);
    }
    println!("faults: {:?}", run.faults.counts.borrow());
    if !options.kills {
        let names: Vec<&str> = run.servers.iter().map(|server| server.name).collect();
        for grown in soak::growth(&names, &samples, &options) {
            run.book.borrow_mut().fail(grown);
        }
    }
    if !options.faults {
        for slow in soak::longest_callbacks(&run.servers) {
            run.book.borrow_mut().fail(slow);
        }
    }
    for server in run.servers.iter() {
        run.check_end_of(server);
    }
    if run.book.borrow().counts.acknowledged == 0 {
        run.book.borrow_mut().fail("nothing was acknowledged: is this run blind?".to_owned());
    }
    Ok(run.book.take().violations)
}

impl Run {
    /// Clients visit servers until the call is stopped.
    fn load(&self) -> LoopingCall {
        let (reactor, servers, random) = (self.reactor.clone(), self.servers.clone(), self.random.clone());
        let (book, visits) = (self.book.clone(), self.visits.clone());
        let (load, ended) = LoopingCall::start(&self.reactor, VISIT_EVERY, move |_| {
            watch(&servers, &book);
            if visits.get() >= MAX_VISITS {
                return;
            }
            let server = &servers[random.below(servers.len())];
            if let Some(visit) = visit(&reactor, server, &random, &book) {
                visits.set(visits.get() + 1);
                let visits = visits.clone();
                visit.add_callback(move |()| visits.set(visits.get() - 1)).detach();
            }
        });
        ended.detach();
        load
    }

    /// Waits until all five say the same about each client, and closes the books.
    async fn agree(&self) -> Result<(), Failure> {
        let deadline = self.reactor.now() + MUST_AGREE_WITHIN;
        loop {
            watch(&self.servers, &self.book);
            self.faults.mend(); // One that was told to end may have ended by now.
            let all = self.all_say().await?;
            // The visits that are under way may still change something.
            if let (Some(first), 0) = (all.first().and_then(Option::as_ref), self.visits.get())
                && all.iter().all(|one| one.as_ref() == Some(first))
            {
                let lives: Vec<_> = self.servers.iter().filter_map(Server::life).collect();
                self.book.borrow_mut().agree(first, |life| lives.contains(&life));
                return Ok(());
            }
            if self.reactor.now() > deadline {
                let known: Vec<_> = all.iter().map(|one| one.as_ref().map(BTreeMap::len)).collect();
                self.book
                    .borrow_mut()
                    .fail(format!("not agreed within {MUST_AGREE_WITHIN:?}; clients known: {known:?}"));
                for (server, one) in self.servers.iter().zip(&all) {
                    println!("{}: {one:?}", server.name);
                }
                return Ok(());
            }
            sleep(&self.reactor, Duration::from_millis(100)).await?;
        }
    }

    /// What each server says about each client that it knows; `None` for one that does not answer.
    async fn all_say(&self) -> Result<Vec<Option<BTreeMap<String, String>>>, Failure> {
        let mut all = Vec::new();
        for server in self.servers.iter() {
            let said = (0..CLIENTS).map(|number| Said::WhatsAt { client: clients::name(number) }).collect();
            let Some(asked) = ask(&self.reactor, server, said, self.book.clone()) else {
                all.push(None);
                continue;
            };
            all.push(match asked.await {
                Ok(lines) => {
                    Some(lines.into_iter().filter_map(|line| Some((client(&line)?.to_owned(), line))).collect())
                }
                Err(failure) if is_end(&failure) => return Err(failure),
                Err(_) => None,
            });
        }
        // A refusal has no client in that place.
        all.iter_mut().flatten().for_each(|said: &mut BTreeMap<String, String>| {
            said.retain(|_, line| line.starts_with("AT "));
        });
        Ok(all)
    }

    /// Nobody may have complained, and everybody ends in good order.
    fn check_end_of(&self, server: &Server) {
        for complaint in server.complaints() {
            self.book.borrow_mut().fail(format!("{}: {complaint}", server.name));
        }
    }
}

/// Servers that have ended: only a SIGTERM may do that, and then with success.
fn watch(servers: &[Server], book: &RefCell<Book>) {
    for server in servers {
        let Some(status) = server.ended() else { continue };
        for complaint in server.complaints() {
            book.borrow_mut().fail(format!("{}: {complaint}", server.name));
        }
        if !status.success() {
            book.borrow_mut().fail(format!("{} has ended with {status}", server.name));
        }
        server.forget_logs();
        server.start(Grant::Everything);
    }
}
