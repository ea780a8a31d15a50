//! [`Nodes`]: the servers of the store, one alone or a cluster, with the same commands for both.
//!
//! Next: `library.rs`, the functions that the store must have.

use super::contract;
use crate::config::{ConfigError, HostPort, StoreConfig, TlsConfig, read_file};
use reactor::resp::{
    Client, ClientSettings, Cluster, ClusterSettings, Command, Invalidation, NotConnected, Password, ProtocolVersion,
    ServerError, Tracking, Value, WhenDown,
};
use reactor::service::Backoff;
use reactor::tls::{TlsClient, TrustRoots};
use reactor::{Deferred, Failure, Reactor, deferred};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A connection on which nothing has come for this long is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(3);

/// If no sign comes for this long, the connection is lost. Together with [`PING_AFTER`], it is the maximum time for
/// which what is remembered may be old without anybody knowing.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to connect.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// The maximum size of a password file.
const MAX_PASSWORD: usize = 4096;

/// The connections to the store.
pub(super) enum Nodes {
    Alone(Client),
    Cluster(Cluster),
}

/// What is needed to log in, read from files.
#[derive(Debug, Clone)]
pub struct Access {
    password: Option<Password>,
    tls: Option<TlsClient>,
}

impl Access {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// If one of them cannot be read, or holds something else. The message does not repeat a password.
    pub fn read(reactor: &Reactor, config: &StoreConfig, tls: &TlsConfig) -> Result<Access, ConfigError> {
        let password = match &config.password_file {
            Some(path) => {
                let cannot = |error| config.error("password_file", format!("cannot read {}: {error}", path.display()));
                let bytes = read_file(path, MAX_PASSWORD).map_err(cannot)?;
                let not_text = |_| config.error("password_file", format!("{} is not UTF-8", path.display()));
                let text = std::str::from_utf8(&bytes).map_err(not_text)?.trim_end_matches(['\r', '\n']);
                if text.is_empty() || text.contains(char::is_control) {
                    let what = format!("{} is empty, or more than one line", path.display());
                    return Err(config.error("password_file", what));
                }
                Some(Password::from(text))
            }
            None => None,
        };
        let tls = match (&config.tls, &tls.ca_file) {
            (None, _) => None,
            (Some(_), authority) => {
                let roots = authority.as_ref().map_or_else(|| Ok(TrustRoots::web()), TrustRoots::from_pem_file);
                let client = roots.and_then(|roots| TlsClient::new(reactor, &roots, &[]));
                Some(client.map_err(|error| tls.error("ca_file", error))?)
            }
        };
        Ok(Access { password, tls })
    }
}

/// A server that has buckets, and why there is no connection to it.
#[derive(Debug)]
pub(super) struct Away {
    /// Where it is, or what it is.
    pub(super) address: String,
    /// `None` while the first attempt lasts.
    pub(super) failure: Option<Failure>,
    pub(super) buckets: Vec<u16>,
}

impl Nodes {
    /// The connections, which are not made before [`start`](Nodes::start). `on_invalidation` hears which of the keys
    /// that were read have changed.
    pub(super) fn new(
        reactor: &Reactor,
        config: &StoreConfig,
        access: &Access,
        name: &str,
        on_invalidation: impl FnMut(Invalidation<'_>) + 'static,
    ) -> Nodes {
        let mut settings = ClientSettings::default();
        settings.user.clone_from(&config.user);
        settings.password.clone_from(&access.password);
        settings.name = Some(format!("proxyherd-{name}"));
        settings.version = ProtocolVersion::Resp3;
        settings.command_timeout = config.timeout;
        settings.silence_timeout = SILENT_FOR;
        settings.ping_interval = PING_AFTER;
        settings.when_down = WhenDown::Refuse;
        settings.service.warns = false; // The store says it in its own words: `looking.rs`.
        // A connection that was cut is not worth a refusal.
        settings.service.returns_at_once = true;
        settings.service.backoff = Backoff::default().first(Duration::from_millis(100)).longest(LONGEST_BACKOFF);
        // What this server writes, it does not remember.
        let tracking = Tracking::of_keys_read().without_own_changes();
        let tls = access.tls.as_ref().zip(config.tls.as_deref());
        let address = |node: &HostPort| (node.host.clone(), node.port);
        match &config.nodes[..] {
            [node] => {
                let client = Client::new(reactor, address(node)).with_settings(settings);
                let client = tls.map_or(client.clone(), |(tls, name)| client.over_tls(tls, name));
                Nodes::Alone(client.with_tracking(tracking, on_invalidation))
            }
            nodes => {
                let mut of_cluster = ClusterSettings::default();
                of_cluster.client = settings;
                of_cluster.connect_timeout = SILENT_FOR.min(config.timeout.max(Duration::from_millis(100)));
                let cluster = Cluster::new(reactor, nodes.iter().map(address)).with_settings(of_cluster);
                let cluster = tls.map_or(cluster.clone(), |(tls, name)| cluster.over_tls(tls, name));
                Nodes::Cluster(cluster.with_tracking(tracking, on_invalidation))
            }
        }
    }

    pub(super) fn start(&self) {
        match self {
            Nodes::Alone(client) => drop(client.start()),
            Nodes::Cluster(cluster) => drop(cluster.start()),
        }
    }

    /// Fires when all commands have failed, and the connections are gone.
    pub(super) fn stop(&self) -> Deferred<()> {
        match self {
            Nodes::Alone(client) => client.stop(),
            Nodes::Cluster(cluster) => cluster.stop(),
        }
    }

    pub(super) fn command(&self, command: Command<'_>) -> Deferred<Value> {
        match self {
            Nodes::Alone(client) => client.command(command),
            Nodes::Cluster(cluster) => cluster.command(command),
        }
    }

    pub(super) fn command_within(&self, time: Duration, command: Command<'_>) -> Deferred<Value> {
        match self {
            Nodes::Alone(client) => client.command_within(time, command),
            Nodes::Cluster(cluster) => cluster.command_within(time, command),
        }
    }

    /// Commands with keys of one bucket, in one piece, and within this time.
    pub(super) fn batch(&self, within: Duration, commands: Vec<Command<'_>>) -> Deferred<Vec<Value>> {
        match self {
            Nodes::Alone(client) => client.batch_within(within, commands),
            Nodes::Cluster(cluster) => cluster.batch_within(within, commands),
        }
    }

    /// Commands of one server, whose keys may be in several buckets, in one piece and within this time. `bucket` is one
    /// of them. What has to go elsewhere is not sent on: the replies say so.
    pub(super) fn batch_at(&self, bucket: u16, within: Duration, commands: Vec<Command<'_>>) -> Deferred<Vec<Value>> {
        let client = match self {
            Nodes::Alone(client) => Some(client.clone()),
            Nodes::Cluster(cluster) => cluster.client_of_slot(contract::slot_of_bucket(bucket)),
        };
        match client {
            Some(client) => client.batch_within(within, commands),
            // It waits for a map.
            None => deferred::fail(NotConnected),
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Nodes::Cluster(_))
    }

    /// Whether a server of a cluster has not carried a command out, and another one may do so now or soon.
    pub(super) fn is_elsewhere(&self, error: &ServerError) -> bool {
        const ELSEWHERE: [&str; 7] = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY"];
        self.is_cluster() && ELSEWHERE.contains(&error.code())
    }

    /// Fires when there is a connection, or a map of the cluster.
    pub(super) fn when_connected(&self) -> Deferred<()> {
        match self {
            Nodes::Alone(client) => client.when_connected(),
            Nodes::Cluster(cluster) => cluster.when_ready(),
        }
    }

    /// The same command to each server that has keys. Fires with the address of each, and its reply.
    pub(super) fn on_every_primary(&self, command: Command<'_>) -> Deferred<Vec<(String, Result<Value, Failure>)>> {
        match self {
            Nodes::Alone(client) => {
                let address = client.destination().to_string();
                client.command(command).add_both(move |result| Ok(vec![(address, result)]))
            }
            Nodes::Cluster(cluster) => cluster.on_every_primary(command),
        }
    }

    /// A command to one of the servers that [`on_every_primary`](Nodes::on_every_primary) has named.
    pub(super) fn on_primary(&self, address: &str, command: Command<'_>) -> Deferred<Value> {
        match self {
            Nodes::Alone(client) => client.command(command),
            Nodes::Cluster(cluster) => cluster.on_primary(address, command),
        }
    }

    /// The server that has the keys of this bucket; `None` if that is not known, or if there is only one.
    pub(super) fn primary_of(&self, bucket: u16) -> Option<String> {
        match self {
            Nodes::Alone(_) => None,
            Nodes::Cluster(cluster) => cluster.primary_of_slot(contract::slot_of_bucket(bucket)),
        }
    }

    /// A number of the server that has the keys of this bucket; `None` if that is not known, or if there is only one.
    /// It holds until the map of the cluster changes.
    pub(super) fn place_of(&self, bucket: u16) -> Option<u16> {
        match self {
            Nodes::Alone(_) => None,
            Nodes::Cluster(cluster) => cluster.place_of_slot(contract::slot_of_bucket(bucket)),
        }
    }

    /// The first bucket of each server that has any.
    pub(super) fn first_buckets(&self, buckets: u16) -> Vec<(u16, String)> {
        match self {
            Nodes::Alone(client) => vec![(0, client.destination().to_string())],
            Nodes::Cluster(_) => {
                let mut seen = BTreeSet::new();
                let is_new = |bucket: &u16| self.place_of(*bucket).is_some_and(|place| seen.insert(place));
                let first = (0..buckets).filter(is_new);
                first.filter_map(|bucket| Some((bucket, self.primary_of(bucket)?))).collect()
            }
        }
    }

    /// Whether there is a connection to each server that has one of these buckets. Those without any are not needed:
    /// nothing is lost while one of them is away.
    pub(super) fn is_connected(&self, buckets: u16) -> bool {
        match self {
            Nodes::Alone(client) => client.is_connected(),
            Nodes::Cluster(_) => self.away(buckets).is_empty(),
        }
    }

    /// The servers to which there is no connection. Begins to connect to those of a cluster that were not needed yet.
    pub(super) fn away(&self, buckets: u16) -> Vec<Away> {
        let all = || (0..buckets).collect::<Vec<u16>>();
        let cluster = match self {
            Nodes::Alone(client) if client.is_connected() => return Vec::new(),
            Nodes::Alone(client) => {
                let address = client.destination().to_string();
                return vec![Away { address, failure: client.last_failure(), buckets: all() }];
            }
            // It has many buckets, and all is well most of the time.
            Nodes::Cluster(cluster) if cluster.is_connected() => return Vec::new(),
            Nodes::Cluster(cluster) => cluster,
        };
        if cluster.primaries().is_empty() {
            let address = "any server of the cluster".to_owned();
            return vec![Away { address, failure: cluster.last_failure(), buckets: all() }];
        }
        // For each server, what is known of it. There may be thousands of buckets.
        let mut servers = BTreeMap::<u16, Option<Away>>::new();
        for bucket in 0..buckets {
            let Some(place) = self.place_of(bucket) else { continue }; // A command will hear that.
            let new = || {
                let client = cluster.client_of_slot(contract::slot_of_bucket(bucket))?;
                let address = client.destination().to_string();
                let away = Away { address, failure: client.last_failure(), buckets: Vec::new() };
                (!client.is_connected()).then_some(away)
            };
            if let Some(away) = servers.entry(place).or_insert_with(new) {
                away.buckets.push(bucket);
            }
        }
        servers.into_values().flatten().collect()
    }

    /// Number of commands without a reply.
    pub(super) fn waiting_count(&self) -> usize {
        match self {
            Nodes::Alone(client) => client.waiting_count(),
            Nodes::Cluster(cluster) => cluster.waiting_count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_of_utf_8() {
        let path = std::env::temp_dir().join(format!("proxyherd-store-password-{}", std::process::id()));
        let reactor = Reactor::new().unwrap();
        let config = StoreConfig { password_file: Some(path.clone()), ..StoreConfig::of(Vec::new()) };
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Access::read(&reactor, &config, &TlsConfig::default()).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(read("sesamé\n".as_bytes()), Ok(()));
        for (bytes, wrong) in [(&b"sesam\xe9\n"[..], " is not UTF-8"), (b"a\nb\n", " is empty, or more than one line")]
        {
            let error = read(bytes).unwrap_err();
            assert!(error.ends_with(wrong) && error.contains("proxyherd-store-password"), "{error}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
