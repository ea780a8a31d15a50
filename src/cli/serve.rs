//! A server's run, from its configuration to its last line of log.
//!
//! Next: `cli/serve/options.rs`, how to run it.

mod limits;
mod options;
mod reload;
mod supervisor;

pub use options::ServerOptions;

use super::event_loop::event_loop;
use super::outcome::{Error, print};
use crate::config::{Config, ServerConfig, StoreConfig};
use crate::control;
use crate::identity::Identity;
use crate::locations::newness;
use crate::log_file::LogFile;
use crate::page;
use crate::places::{self, KEY_VARIABLE};
use crate::server::Server;
use crate::watch::Observers;
use limits::within_descriptors;
use reactor::{Failure, Reactor};
use reload::{HiddenKeys, Reload, Running};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use supervisor::Supervisor;

/// As a directory for the log: standard error.
const STANDARD_ERROR: &str = "-";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server needs no rights at all, unless its port is below 1024.
const ROOT_WARNING: &str = "it runs as root, and needs no such rights: start it as another user";

/// Runs a server until it is told to stop.
pub(super) fn run(options: &ServerOptions) -> Result<(), Error> {
    let mut config = Config::read_or_default(options.config.as_deref()).map_err(|error| error.to_string())?;
    // A name that the herd does not have is a mistake of the command line.
    config.server(&options.server).map_err(|error| Error::Usage(error.to_string()))?;
    let reactor = event_loop()?;
    let key = places::find_key(&config.places, places::key_variable()?).map_err(|error| error.to_string())?;
    let places = places::open(&reactor, &config.places, key.clone()).map_err(|error| error.to_string())?;
    // The server reads them again. But a mistake in them should show before there is a log.
    Identity::read(&reactor, &config, &options.server).map_err(|error| error.to_string())?;

    // The log comes after everything that can be wrong with the configuration, and before anything that logs.
    let log = Rc::new(open_log(options, &config, reactor.system_time())?);
    let hidden = HiddenKeys::default();
    if let Some(key) = &key {
        hidden.add(key.clone());
    }
    log.install(Some(hidden.mask())).map_err(|error| error.to_string())?;
    let of_store = config.store.iter().flat_map(StoreConfig::warnings);
    for warning in places::warnings(&config.places).into_iter().chain(of_store) {
        log::warn!("{warning}");
        if log.path().is_some() {
            let _ = writeln!(std::io::stderr(), "proxyherd: warning: {warning}"); // Standard error may be closed.
        }
    }
    if log.is_roots() {
        log::warn!("{ROOT_WARNING}");
    }
    if let Some(links) = config.servers.get(&options.server).and_then(|own| links(own, &config)) {
        log::info!("links: {links}");
    }
    if let Some(store) = &config.store {
        log::info!("store: {}", store.describe());
    }
    config.limits = within_descriptors(config.limits);
    let (order, observers) = (Box::new(newness), Rc::<Observers>::default());
    let server = Server::new(&reactor, &config, &options.server, places.clone(), order, observers.clone());
    let server = server.map_err(|error| error.to_string())?;
    open_control(&server, &observers, &config);
    #[cfg(unix)]
    if let Some(port) = supervisor::inherited_port()? {
        server.adopt(port);
    }
    warn_of_certificates(&reactor, &server);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    give_back_memory(&reactor);
    let reload = Rc::new(Reload {
        reactor: reactor.clone(),
        options: options.clone(),
        server: server.clone(),
        log: log.clone(),
        hidden,
        running: RefCell::new(Running { config: config.clone(), key }),
        under_way: Cell::default(),
    });
    reactor.on_hangup(hangup(&reactor, log.clone(), reload)).map_err(|error| error.to_string())?;
    let supervisor = (Supervisor::of_environment(), reactor.clone());
    let begin = {
        let server = server.clone();
        move || {
            server.begin().add_callback(move |host| {
                let (supervisor, reactor) = supervisor;
                supervisor.ready(&reactor);
                Ok(host)
            })
        }
    };
    let banner = {
        let (options, places, log) = (options.clone(), places.describe(), log.clone());
        move |host| {
            let page = open_page(&server, &observers, &config);
            banner(&options, &config, host, &places, &page, &log)
        }
    };
    let result = run_started(&reactor, begin, banner);
    // Much of it holds the reactor, which would never be dropped, and a trace of it would have no end.
    let _ = reactor.close();
    match &result {
        Ok(()) => log::info!("{} has ended", options.server),
        Err(error) => log::error!("{error}"),
    }
    // Before the file may be removed, and before the process ends: until then lines wait in memory.
    log.finish();
    result.map_err(|error| {
        if let (true, Some(path)) = (error.at_start, log.path()) {
            let _ = std::fs::remove_file(path); // A server that did not start leaves no log.
        }
        Error::Failed(error.what)
    })
}

/// Opens the control socket, if the configuration has one. A server that cannot is of use all the same: the herd counts
/// on it.
fn open_control(server: &Rc<Server>, observers: &Rc<Observers>, config: &Config) {
    let Some(path) = control::path(config, server.name()) else { return };
    match control::open(server, observers, &path) {
        Ok(()) => log::info!("the control socket is {}", path.display()),
        Err(error) => log::warn!("no control socket: {error}"),
    }
}

/// Opens the page, if the configuration has one, and returns a line for the banner. A server without it is of use all
/// the same.
fn open_page(server: &Rc<Server>, observers: &Rc<Observers>, config: &Config) -> String {
    match page::open(server, observers, config) {
        Ok(None) => String::new(),
        Ok(Some(address)) => {
            log::info!("the page is http://{address}/");
            if !address.ip().is_loopback() {
                log::warn!("{}", page::open_to_others(address));
            }
            format!("\n  page:    http://{address}/")
        }
        Err(error) => {
            log::warn!("no page: {error}");
            format!("\n  page:    none: {error}")
        }
    }
}

/// Warns now, and then once a day, of certificates that end soon.
fn warn_of_certificates(reactor: &Reactor, server: &Rc<Server>) {
    for warning in server.certificate_warnings() {
        log::warn!("{warning}");
    }
    let (again, server) = (reactor.clone(), server.clone());
    reactor.call_later(DAY, move || warn_of_certificates(&again, &server));
}

/// Has mimalloc (main.rs) give back to the system what was freed, now and then. By itself it does so only while much is
/// allocated: after a crowd has gone, that may be never. There is no call for it without `unsafe`. But a request that
/// no memory could satisfy makes it look through all that this thread has allocated, before it refuses.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back_memory(reactor: &Reactor) {
    const EVERY: Duration = Duration::from_secs(5);
    const TOO_MUCH: usize = isize::MAX as usize;
    let _refused = std::hint::black_box(Vec::<u8>::new()).try_reserve_exact(TOO_MUCH);
    let again = reactor.clone();
    reactor.call_later(EVERY, move || give_back_memory(&again));
}

/// The log where the options want it: `-` is standard error.
fn open_log(options: &ServerOptions, config: &Config, now: SystemTime) -> Result<LogFile, String> {
    let level = options.level(config);
    match options.log_dir.as_os_str() == STANDARD_ERROR {
        true => LogFile::to_standard_error(level, &config.log),
        false => LogFile::create(&options.log_dir, &options.server, level, &config.log, now),
    }
    .map_err(|error| format!("cannot write a log into {}: {error}", options.log_dir.display()))
}

/// What a server does at SIGHUP: it opens its log again, so that logrotate can move the old one away, and reads its
/// configuration again.
///
/// A terminal that is closed sends the same signal. A server that was started there ends then, as any program would:
/// nobody could see it or stop it with Ctrl-C any more.
fn hangup(reactor: &Reactor, log: Rc<LogFile>, reload: Rc<Reload>) -> impl FnMut() + 'static {
    let (had_terminal, stopper) = (std::io::stdout().is_terminal(), reactor.handle());
    move || {
        if had_terminal && !std::io::stdout().is_terminal() {
            log::info!("SIGHUP: the terminal is closed");
            let _ = stopper.call_from_thread(Reactor::stop); // It cannot fail while the loop runs.
            return;
        }
        log.reopen();
        log::info!("SIGHUP: this log was opened again");
        reload.begin();
    }
}

/// Why a run failed, and whether it failed before the server listened.
struct RunFailed {
    what: String,
    at_start: bool,
}

impl std::fmt::Display for RunFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// Runs the loop until the program is told to stop. A server that cannot start stops it, too.
///
/// The server begins when the loop runs, because signals are caught from then on. Before that, a SIGHUP ends the
/// process, and a script may send one as soon as it sees the banner.
fn run_started(
    reactor: &Reactor,
    begin: impl FnOnce() -> reactor::Deferred<SocketAddr> + 'static,
    banner: impl FnOnce(SocketAddr) -> String + 'static,
) -> Result<(), RunFailed> {
    let failed: Rc<RefCell<Option<Failure>>> = Rc::default();
    let (seen, stopper) = (failed.clone(), reactor.clone());
    let (running, firer) = reactor::Deferred::new();
    reactor.call_when_running(move || firer.callback(()).expect("nothing else fires it"));
    let chain = running
        .add_callback(move |()| begin())
        .add_callback(move |host| {
            print(banner(host).as_bytes());
        })
        .add_errback(move |failure| {
            *seen.borrow_mut() = Some(failure);
            stopper.stop();
        });
    reactor.run().map_err(|error| RunFailed { what: error.to_string(), at_start: false })?;
    drop(chain);
    match failed.take() {
        Some(failure) => Err(RunFailed { what: failure.to_string(), at_start: true }),
        None => Ok(()),
    }
}

fn banner(
    options: &ServerOptions,
    config: &Config,
    host: SocketAddr,
    places: &str,
    page: &str,
    log: &LogFile,
) -> String {
    let name = &options.server;
    let neighbors = config.servers.get(name).map_or(&[][..], |server| &server.neighbors[..]);
    let neighbors = if neighbors.is_empty() { "none".to_owned() } else { neighbors.join(", ") };
    let own = config.servers.get(name).cloned().unwrap_or_default();
    let links = links(&own, config).map_or(String::new(), |links| format!("\n  links:   {links}"));
    let store = config.store.as_ref().map_or(String::new(), |store| format!("\n  store:   {}", store.describe()));
    let more = match places.starts_with("offline") {
        true => format!("\n           set {KEY_VARIABLE} to ask Google instead (see --help)"),
        false => String::new(),
    };
    let (path, warning) = match log.path() {
        Some(path) => (path.display().to_string(), if log.is_roots() { ROOT_WARNING } else { "" }),
        None => ("standard error".to_owned(), ""),
    };
    let warning = if warning.is_empty() { String::new() } else { format!("\n  warning: {warning}") };
    let iamat = "me.example +34.068930-118.445127";
    let ip = if host.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host.ip().to_string() };
    let try_it = match &own.address {
        Some(_) => format!("echo \"IAMAT {iamat} $(date +%s)\" | nc -q 1 {ip} {}", host.port()),
        None => format!("proxyherd iamat {iamat} --server {name} --config FILE"),
    };
    format!(
        "{name} listens on {host}; neighbors: {neighbors}{links}{store}\n  places:  {places}{more}\n  \
         log:     {path}{warning}{page}\n  try:     {try_it}\n  stop:    Ctrl-C\n"
    )
}

/// How the server and its neighbors know each other, in one line; `None` if it has no neighbors.
fn links(own: &ServerConfig, config: &Config) -> Option<String> {
    let neighbors = own.neighbors.iter().filter_map(|name| Some((name.as_str(), config.servers.get(name)?)));
    let (secure, plain): (Vec<_>, Vec<_>) = neighbors.partition(|(_, there)| own.has_secure_link_with(there));
    let names = |links: &[(&str, &ServerConfig)]| links.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let meaning = "any program at the address of such a neighbor can speak as that neighbor";
    match (secure.is_empty(), plain.is_empty()) {
        (true, true) => None,
        (false, true) => Some("TLS: each neighbor proves its name with a certificate".to_owned()),
        (true, false) => Some(format!("clear text: {meaning}")),
        (false, false) => Some(format!("TLS with {}; clear text with {}: {meaning}", names(&secure), names(&plain))),
    }
}
