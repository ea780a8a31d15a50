//! [`Reload`]: a server reads its configuration again, at SIGHUP, and takes what can change while it runs.
//!
//! ```text
//!   SIGHUP --> read in a thread --> check everything --> take all of it --> say what has changed
//!                    |                     |
//!                    +---------------------+--> nothing changes, and one warning says why
//! ```
//!
//! What listens and what is linked stays as it is until a restart: a server that changed its neighbors while it runs
//! would have to tell who may still say what on connections that are up.
//!
//! Next: `../ask.rs`, the command that asks the Places service once.

use super::limits::within_descriptors;
use super::options::ServerOptions;
use crate::config::{Config, ConfigError, PlacesConfig};
use crate::identity::{Identity, IdentityFiles};
use crate::log_file::{LogFile, Mask};
use crate::places::{self, ApiKey, Places};
use crate::server::Server;
use reactor::Reactor;
use reactor::tls::TrustRoots;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a Places service that was replaced is kept beyond the time in which it must answer.
const KEEP_OLD_PLACES: Duration = Duration::from_secs(60);

/// Maximum number of keys that the log hides: the present one, and those before it, which a late answer may repeat.
const MAX_KEYS: usize = 4;

/// The keys that must not stand in the log.
#[derive(Debug, Clone, Default)]
pub(super) struct HiddenKeys(Arc<RwLock<Vec<ApiKey>>>);

impl HiddenKeys {
    pub(super) fn add(&self, key: ApiKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains(&key) {
            keys.insert(0, key);
            keys.truncate(MAX_KEYS);
        }
    }

    /// Hides the keys in what is logged: an error may repeat what a service said, and a service may repeat the key.
    pub(super) fn mask(&self) -> Mask {
        let hidden = self.clone();
        Box::new(move |text| {
            let keys = hidden.0.read().unwrap_or_else(PoisonError::into_inner);
            let mut masked: Option<Vec<u8>> = None;
            for key in keys.iter() {
                masked = key.masked(masked.as_deref().unwrap_or(text)).or(masked);
            }
            masked
        })
    }
}

/// What a server needs to read its configuration again.
pub(super) struct Reload {
    pub(super) reactor: Reactor,
    pub(super) options: ServerOptions,
    pub(super) server: Rc<Server>,
    pub(super) log: Rc<LogFile>,
    pub(super) hidden: HiddenKeys,
    /// The configuration that is in force.
    pub(super) running: RefCell<Running>,
    pub(super) under_way: Cell<UnderWay>,
}

/// What is in force.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) key: Option<ApiKey>,
}

/// Whether the configuration is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum UnderWay {
    #[default]
    No,
    Yes,
    /// It has to be read again afterwards: there was another SIGHUP meanwhile.
    Again,
}

impl Reload {
    /// Begins to read the configuration. A server without a configuration file has nothing to read.
    pub(super) fn begin(self: &Rc<Self>) {
        let Some(path) = self.options.config.clone() else { return };
        if self.under_way.get() != UnderWay::No {
            return self.under_way.set(UnderWay::Again);
        }
        self.under_way.set(UnderWay::Yes);
        let (variable, this) = (places::key_variable(), self.clone());
        let (old, name) = (self.running.borrow().clone(), self.options.server.clone());
        // In a thread: files may be slow to read, or pipes that nobody writes to, and clients must not wait for them.
        let read = self.reactor.defer_to_thread(move || read(&path, variable, &old, &name));
        let taken = read.add_both(move |read| {
            let lines = read.map_err(|failure| failure.to_string()).and_then(|new| this.take(new));
            match lines {
                Ok(changes) if changes.is_empty() => log::info!("SIGHUP: the configuration has not changed"),
                Ok(changes) => changes.iter().for_each(Change::log),
                Err(error) => log::warn!("SIGHUP: the configuration stays as it was: {error}"),
            }
            if this.under_way.replace(UnderWay::No) == UnderWay::Again {
                this.begin();
            }
        });
        taken.detach();
    }

    /// Takes what can change. Everything that can fail comes first, so that a mistake changes nothing.
    fn take(&self, files: Files) -> Result<Vec<Change>, String> {
        let text = |error: ConfigError| error.to_string();
        let Files { new, mut merged, roots, identity } = files;
        let mut running = self.running.borrow_mut();
        let old = &running.config;

        let open = |roots| places::open_with(&self.reactor, &new.config.places, new.key.clone(), roots);
        let places = roots.map(open).transpose().map_err(text)?;
        merged.limits = within_descriptors(merged.limits);
        let needs = Needs::of(&merged, &self.options.server);
        let identity = identity.map(|files| Identity::of(&self.reactor, &merged, files));
        let identity = identity.transpose().map_err(text)?;

        let mut changes = Vec::new();
        if old.limits != merged.limits {
            self.server.set_limits(merged.limits);
            changes.push(Change::Taken("the new [limits] are in force".to_owned()));
        }
        if let Some(places) = places {
            changes.push(Change::Taken(format!("places: {}", places.describe())));
            changes.extend(places::warnings(&merged.places).into_iter().map(Change::Warning));
            self.retire(self.server.set_places(places), &old.places);
        }
        match identity {
            Some(identity) if needs.is_any() => {
                self.server.set_identity(identity);
                changes.push(Change::Taken("keys and certificates were read again".to_owned()));
                changes.extend(self.server.certificate_warnings().into_iter().map(Change::Warning));
            }
            Some(_) => {}
            None => changes.push(Change::NeedsRestart("[tls]")),
        }
        let level = self.options.level(&new.config);
        if level != self.log.level() {
            self.log.set_level(level);
            changes.push(Change::Taken(format!("the log has the level {}", level.as_str().to_ascii_lowercase())));
        }
        if old.servers != new.config.servers {
            changes.push(Change::NeedsRestart("[servers]"));
        }
        match (&old.store, &merged.store) {
            (None, None) => {}
            (Some(before), Some(after)) if before.has_same_connections(after) => {
                if let Some(storing) = self.server.storing().filter(|_| before.on_loss != after.on_loss) {
                    storing.set_on_loss(after.on_loss);
                    changes.push(Change::Taken("the new on_loss of [store] is in force".to_owned()));
                }
            }
            _ => {
                changes.push(Change::NeedsRestart("[store]"));
                merged.store.clone_from(&old.store);
            }
        }
        if old.control != new.config.control {
            changes.push(Change::NeedsRestart("[control]"));
        }
        if old.page != new.config.page {
            changes.push(Change::NeedsRestart("[page]"));
        }
        if !old.log.has_same_sizes(&new.config.log) {
            changes.push(Change::NeedsRestart("[log]"));
        }
        if let Some(key) = &new.key {
            self.hidden.add(key.clone());
        }
        *running = Running { config: merged, key: new.key };
        Ok(changes)
    }

    /// Keeps a service until all of its questions are answered.
    fn retire(&self, old: Rc<dyn Places>, config: &PlacesConfig) {
        let after = config.timeout.unwrap_or(places::DEFAULT_TIMEOUT) + KEEP_OLD_PLACES;
        self.reactor.call_later(after, move || drop(old));
    }
}

/// What a SIGHUP has changed, or could not change.
enum Change {
    Taken(String),
    Warning(String),
    /// This part of the configuration has changed, and the server goes on with the old one.
    NeedsRestart(&'static str),
}

impl Change {
    fn log(&self) {
        match self {
            Change::Taken(what) => log::info!("SIGHUP: {what}"),
            Change::Warning(what) => log::warn!("{what}"),
            Change::NeedsRestart(what) => log::warn!("SIGHUP: {what} has changed, and that needs a restart"),
        }
    }
}

/// What the open doors of a server need from `[tls]`, and whether it is there.
struct Needs {
    keys: Option<bool>,
    certificate: Option<bool>,
}

impl Needs {
    fn of(config: &Config, name: &str) -> Needs {
        let own = config.servers.get(name);
        let has_link = own.is_some_and(|own| own.link.is_some());
        let has_tls = own.is_some_and(|own| own.tls.is_some());
        Needs {
            keys: has_link.then_some(config.tls.keys.is_some()),
            certificate: has_tls.then_some(config.tls.certificate.is_some()),
        }
    }

    fn is_any(&self) -> bool {
        self.keys.is_some() || self.certificate.is_some()
    }

    fn has_all(&self) -> bool {
        self.keys != Some(false) && self.certificate != Some(false)
    }
}

/// The configuration, and everything else that stands in files.
struct Files {
    new: Running,
    /// The new configuration, as far as it can be taken. The doors are those that are open, whatever the file says now.
    merged: Config,
    /// If there is another Places service: the authorities that its certificate may come from.
    roots: Option<TrustRoots>,
    /// The keys and certificates. `None` if the new configuration does not name them any more.
    identity: Option<IdentityFiles>,
}

/// Reads all files. Nothing here knows the loop, so a thread can do it.
fn read(
    path: &Path,
    variable: Result<Option<String>, String>,
    old: &Running,
    name: &str,
) -> Result<Files, ConfigError> {
    let config = Config::read(path)?;
    let key = places::find_key(&config.places, variable.map_err(ConfigError)?)?;
    config.server(name)?;
    let has_new_places = !is_same_service(&old.config.places, &config.places) || old.key != key;
    let roots = has_new_places.then(|| places::read_roots(&config.places, key.as_ref())).transpose()?;
    let (servers, log) = (old.config.servers.clone(), old.config.log.clone());
    let merged = Config { servers, log, ..config.clone() };
    let has_all = Needs::of(&merged, name).has_all();
    let identity = has_all.then(|| IdentityFiles::read(&merged, name)).transpose()?;
    Ok(Files { new: Running { config, key }, merged, roots, identity })
}

/// Whether two configurations describe the same service: the lines on which they stand do not matter.
fn is_same_service(one: &PlacesConfig, other: &PlacesConfig) -> bool {
    let bare = |config: &PlacesConfig| PlacesConfig { lines: BTreeMap::new(), ..config.clone() };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_hidden_when_another_one_replaces_them() {
        let hidden = HiddenKeys::default();
        let mask = hidden.mask();
        assert_eq!(mask(b"first and second"), None);
        for text in ["first", "second", "first"] {
            hidden.add(ApiKey::parse(text, "the test").unwrap().unwrap());
        }
        assert_eq!(mask(b"first and second").unwrap(), b"*** and ***");
    }
}
