//! `[store]`: a Redis or Valkey server, or a cluster of them, that has the locations of one herd or of several.
//!
//! Next: `places.rs`, the settings of the Places service.

use super::others_can_read;
use super::reader::{ConfigError, Reader, Value};
use super::servers::HostPort;
use reactor::tls::rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of `[store]`.
const KEYS: [&str; 8] = ["nodes", "buckets", "wait_replicas", "timeout", "on_loss", "user", "password_file", "tls"];

/// As many slots as a cluster has: more buckets could not be apart.
const MAX_BUCKETS: usize = 16_384;

/// More replicas than a server of a store has.
const MAX_REPLICAS: usize = 100;

/// A client that has waited for longer has gone.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `nodes`: one is a server alone; more are servers of a cluster, of which one that answers is enough.
    pub nodes: Vec<HostPort>,
    /// `buckets`: into how many parts the clients are divided. All who use a store must have the same number.
    pub buckets: u16,
    /// `wait_replicas`: how many replicas must have a location before the client is answered.
    pub wait_replicas: u32,
    /// `timeout`: the maximum time for which a client waits for the store.
    pub timeout: Duration,
    /// `on_loss`: what becomes of an IAMAT that the store does not take.
    pub on_loss: OnLoss,
    /// `user`: the user to log in as. Without it, the user `default`.
    pub user: Option<String>,
    /// `password_file`: a file with the password. Without it, nobody logs in.
    pub password_file: Option<PathBuf>,
    /// `tls`: the name for which the certificates of the store's servers are. Without it, nothing is encrypted.
    pub tls: Option<String>,
    /// The file and the line of each setting: a missing file shows only when the setting is used.
    pub lines: BTreeMap<String, String>,
}

/// What becomes of an IAMAT that the store does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// It goes to the neighbors, as in a herd without a store, and to the store when that is back.
    #[default]
    Flood,
    /// It is refused.
    Refuse,
}

impl StoreConfig {
    /// The defaults, with these nodes.
    pub fn of(nodes: Vec<HostPort>) -> StoreConfig {
        StoreConfig {
            nodes,
            buckets: 256,
            wait_replicas: 0,
            timeout: Duration::from_millis(500),
            on_loss: OnLoss::Flood,
            user: None,
            password_file: None,
            tls: None,
            lines: BTreeMap::new(),
        }
    }

    /// An error about a setting, with its file and line if it came from a file.
    pub(crate) fn error(&self, setting: &str, what: impl fmt::Display) -> ConfigError {
        match self.lines.get(setting) {
            Some(line) => ConfigError(format!("{line}: {setting}: {what}")),
            None => ConfigError(what.to_string()),
        }
    }

    /// The store in words: its servers, and what is waited for.
    pub fn describe(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(HostPort::to_string).collect();
        let kind = if nodes.len() == 1 { "the server" } else { "the cluster of" };
        let confirmed = match self.wait_replicas {
            0 => "clients do not wait for replicas".to_owned(),
            1 => "clients wait for 1 replica".to_owned(),
            count => format!("clients wait for {count} replicas"),
        };
        let lost = match self.on_loss {
            OnLoss::Flood => "flood",
            OnLoss::Refuse => "refuse",
        };
        format!("{kind} {}; {confirmed}; on loss: {lost}", nodes.join(", "))
    }

    /// What gives a secret away.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_here = |node: &HostPort| matches!(node.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.tls.is_none() && !self.nodes.iter().all(is_here) {
            let password = if self.password_file.is_some() { ", and the password" } else { "" };
            warnings.push(format!("the store is not asked over TLS: every location can be read on the way{password}"));
        }
        warnings.extend(self.password_file.iter().filter_map(|file| others_can_read("the password file", file)));
        warnings
    }

    /// Whether the other one differs only in what can change while a server runs.
    pub fn has_same_connections(&self, other: &StoreConfig) -> bool {
        let fixed = |config: &StoreConfig| {
            let StoreConfig { nodes, buckets, wait_replicas, timeout, user, password_file, tls, .. } = config.clone();
            (nodes, buckets, wait_replicas, timeout, user, password_file, tls)
        };
        fixed(self) == fixed(other)
    }
}

impl Reader<'_> {
    pub(super) fn store(&self, value: &Value<'_>) -> Result<StoreConfig, ConfigError> {
        let mut store = StoreConfig::of(Vec::new());
        let table = self.table(value, "store")?;
        for (key, value) in table {
            store.lines.insert(key.get_ref().to_string(), self.line_of(value.span().start));
            match key.get_ref().as_ref() {
                "nodes" => store.nodes = self.nodes(value)?,
                "buckets" => store.buckets = self.number_to(value, "buckets", 1, MAX_BUCKETS)? as u16,
                "wait_replicas" => {
                    store.wait_replicas = self.number_to(value, "wait_replicas", 0, MAX_REPLICAS)? as u32;
                }
                "timeout" => {
                    store.timeout = self.duration(value, "timeout")?;
                    // The clock of a connection's deadlines has milliseconds.
                    if store.timeout > MAX_TIMEOUT || store.timeout < Duration::from_millis(1) {
                        let what = format!("{} is not from 1ms to 60s", self.shown("timeout", value));
                        return Err(self.error(value, what));
                    }
                }
                "on_loss" => store.on_loss = self.on_loss(value)?,
                "user" => store.user = Some(self.word(value, "user")?),
                "password_file" => store.password_file = Some(self.path(value, "password_file")?),
                "tls" => {
                    let name = self.word(value, "tls")?;
                    if ServerName::try_from(&*name).is_err() {
                        let what =
                            format!("{} is not a name that a certificate could be for", self.shown("tls", value));
                        return Err(self.error(value, what));
                    }
                    store.tls = Some(name);
                }
                _ => return Err(self.unknown(key, " of store", &KEYS)),
            }
        }
        if store.nodes.is_empty() {
            return Err(self.error(value, "[store] needs nodes: a list such as [\"10.0.0.1:6379\"]"));
        }
        if store.user.is_some() && store.password_file.is_none() {
            let what = "user needs password_file beside it: the file with its password";
            return Err(self.error(table.get("user").unwrap_or(value), what));
        }
        Ok(store)
    }

    fn nodes(&self, value: &Value<'_>) -> Result<Vec<HostPort>, ConfigError> {
        let list = value.get_ref().as_array();
        let wrong = || self.error(value, format!("{} is not a list of addresses", self.shown("nodes", value)));
        let mut nodes = Vec::new();
        for node in list.ok_or_else(wrong)?.iter() {
            let (host, port) = self.address(node, "a node")?;
            let node_at = HostPort { host, port };
            if nodes.contains(&node_at) {
                return Err(self.error(node, format!("the node {node_at} is named twice")));
            }
            nodes.push(node_at);
        }
        Ok(nodes)
    }

    fn on_loss(&self, value: &Value<'_>) -> Result<OnLoss, ConfigError> {
        match self.string(value, "on_loss")? {
            "flood" => Ok(OnLoss::Flood),
            "refuse" => Ok(OnLoss::Refuse),
            _ => Err(self.error(value, format!("{}: it is \"flood\" or \"refuse\"", self.shown("on_loss", value)))),
        }
    }

    fn word(&self, value: &Value<'_>, name: &str) -> Result<String, ConfigError> {
        match self.string(value, name)? {
            text if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
            _ => Err(self.error(value, format!("{} is not one word", self.shown(name, value)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn store(text: &str) -> Result<StoreConfig, String> {
        let text = format!("[servers.A]\naddress = \"localhost:12200\"\n[store]\n{text}");
        Config::parse(&text, "herd.toml").map(|config| config.store.expect("it has one")).map_err(|error| error.0)
    }

    #[test]
    fn a_store_is_read_and_needs_its_nodes_alone() {
        let nodes = "nodes = [\"10.0.0.1:6379\", \"[::1]:7000\"]\n";
        let default = store(nodes).unwrap();
        assert_eq!((default.buckets, default.wait_replicas, default.on_loss), (256, 0, OnLoss::Flood));
        assert_eq!((default.nodes.len(), default.timeout), (2, Duration::from_millis(500)));
        let more = "buckets = 1024\nwait_replicas = 1\ntimeout = \"2s\"\non_loss = \"refuse\"\nuser = \"herd\"\n\
                    password_file = \"secret\"\ntls = \"store.example\"\n";
        let whole = store(&format!("{nodes}{more}")).unwrap();
        assert_eq!((whole.buckets, whole.wait_replicas, whole.on_loss), (1024, 1, OnLoss::Refuse));
        assert_eq!((whole.user.as_deref(), whole.tls.as_deref()), (Some("herd"), Some("store.example")));
        assert!(default.has_same_connections(&StoreConfig { on_loss: OnLoss::Refuse, ..default.clone() }));
        assert!(!default.has_same_connections(&StoreConfig { buckets: 1, ..default.clone() }));
        assert_eq!(Config::default().store, None);
    }

    #[cfg(unix)]
    #[test]
    fn what_gives_a_secret_away_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("proxyherd-password-{}", std::process::id()));
        std::fs::write(&path, "sesame").unwrap();
        let set_mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let warnings =
            |node: &str| store(&format!("nodes = [\"{node}\"]\npassword_file = {path:?}")).unwrap().warnings();
        set_mode(0o600);
        assert_eq!(warnings("127.0.0.1:1"), [""; 0]);
        set_mode(0o666);
        let shown = path.display();
        let open =
            format!("other users can read or change the password file {shown} (mode 666): run chmod 600 {shown}");
        assert_eq!(warnings("127.0.0.1:1"), [open]);
        set_mode(0o600);
        let [plain] = &warnings("10.0.0.1:1")[..] else { panic!() };
        assert!(
            plain.starts_with("the store is not asked over TLS") && plain.ends_with(", and the password"),
            "{plain}"
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_store_in_words_says_who_is_waited_for() {
        let words = |more: &str| store(&format!("nodes = [\"a:1\", \"b:2\"]\n{more}")).unwrap().describe();
        assert_eq!(words(""), "the cluster of a:1, b:2; clients do not wait for replicas; on loss: flood");
        assert!(words("wait_replicas = 1").contains("; clients wait for 1 replica; "));
        assert!(
            words("wait_replicas = 2\non_loss = \"refuse\"")
                .ends_with("; clients wait for 2 replicas; on loss: refuse")
        );
    }

    #[test]
    fn mistakes_about_a_store_have_their_line() {
        let nodes = "nodes = [\"a:1\"]\n";
        for (text, wrong) in [
            ("", "line 3: [store] needs nodes"),
            ("nodes = []", "line 3: [store] needs nodes"),
            ("nodes = \"a:1\"", "line 4: nodes \"a:1\" is not a list of addresses"),
            ("nodes = [\"a\"]", "line 4: a node \"a\" is not host:port"),
            ("nodes = [\"a:1\", \"a:1\"]", "line 4: the node a:1 is named twice"),
            (&format!("{nodes}buckets = 0"), "line 5: buckets 0 is not a whole number from 1 to 16384"),
            (&format!("{nodes}wait_replicas = -1"), "line 5: wait_replicas -1 is not a whole number from 0 to 100"),
            (&format!("{nodes}timeout = \"2m\""), "line 5: timeout \"2m\" is not from 1ms to 60s"),
            (&format!("{nodes}timeout = \"1us\""), "line 5: timeout \"1us\" is not from 1ms to 60s"),
            (&format!("{nodes}on_loss = \"wait\""), "line 5: on_loss \"wait\": it is \"flood\" or \"refuse\""),
            (&format!("{nodes}user = \"herd\""), "line 5: user needs password_file beside it"),
            (&format!("{nodes}tls = true"), "line 5: tls true is not a string"),
            (&format!("{nodes}tls = \"a b\""), "line 5: tls \"a b\" is not one word"),
            (
                &format!("{nodes}tls = \"bad_name..x\""),
                "line 5: tls \"bad_name..x\" is not a name that a certificate could be for",
            ),
            (&format!("{nodes}replicas = 1"), "line 5: unknown key \"replicas\" of store; known here: nodes, buckets"),
        ] {
            let error = store(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
