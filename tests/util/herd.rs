//! [`Herd`]: the paper's five servers as real processes, on free ports.

use crate::util::{Client, Directory, Process, free_port, logs, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The servers and their neighbors. Each link is named on one side.
pub(crate) const HERD: [(&str, &[&str]); 5] = [
    ("Alford", &["Parker", "Powell"]),
    ("Bolden", &["Parker", "Powell"]),
    ("Hamilton", &["Parker"]),
    ("Parker", &[]),
    ("Powell", &[]),
];

/// The number of links in it, counted from both sides.
const LINKS: usize = 10;

/// Five processes.
pub(crate) struct Herd {
    running: BTreeMap<&'static str, Process>,
    /// For each server the directory with the log of each run.
    logs: BTreeMap<&'static str, Vec<PathBuf>>,
    ports: BTreeMap<&'static str, u16>,
    config: String,
    directory: Directory,
}

impl Herd {
    /// Starts all five and waits until every link is up.
    pub(crate) fn start() -> Herd {
        Herd::start_with("")
    }

    /// The same with more in the configuration.
    pub(crate) fn start_with(more: &str) -> Herd {
        let directory = Directory::new();
        let ports: BTreeMap<&str, u16> = HERD.iter().map(|(name, _)| (*name, free_port())).collect();
        let mut text = more.to_owned();
        for (name, neighbors) in HERD {
            let port = ports[name];
            text += &format!("[servers.{name}]\naddress = \"127.0.0.1:{port}\"\nneighbors = {neighbors:?}\n");
        }
        let config = directory.write("herd.toml", text);
        let mut herd = Herd { running: BTreeMap::new(), logs: BTreeMap::new(), ports, config, directory };
        for (name, _) in HERD {
            herd.run(name);
        }
        // Each server knows each of its neighbors in both directions: a message that a neighbor cannot be told from a
        // stranger's is passed on to that neighbor, too.
        for what in [("the link to ", " is up"), ("neighbor ", " has connected")] {
            wait_until("all links are up in both directions", || {
                let told = |name| -> BTreeSet<String> {
                    let log = herd.log(name);
                    let lines = log.lines().filter_map(|line| line.strip_suffix(what.1)?.split_once(what.0));
                    lines.map(|(_, neighbor)| neighbor.to_owned()).collect()
                };
                HERD.iter().map(|(name, _)| told(name).len()).sum::<usize>() == LINKS
            });
        }
        herd
    }

    /// Starts a server that does not run.
    pub(crate) fn run(&mut self, name: &'static str) {
        let runs = self.logs.entry(name).or_default();
        let logs = self.directory.path().join(format!("{name}-{}", runs.len()));
        std::fs::create_dir(&logs).unwrap();
        runs.push(logs.clone());
        let process = Process::start(&logs, &[name, "--config", &self.config], &[]);
        self.running.insert(name, process);
    }

    /// Kills a server, as the paper did: it cannot close its connections in good order.
    pub(crate) fn kill(&mut self, name: &str) {
        drop(self.running.remove(name));
    }

    /// Ends the servers that run in good order, so that their logs are complete.
    pub(crate) fn end(&mut self) {
        for (name, mut process) in std::mem::take(&mut self.running) {
            let status = process.end("TERM");
            assert_eq!(status.code(), Some(0), "{name} ended with {status}: {}", process.errors());
        }
    }

    /// A new connection to a server.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::connect(self.ports[name])
    }

    /// What a server knows about a client: its AT line, or the question mark and the command.
    pub(crate) fn known(&self, name: &str, client: &str) -> String {
        self.client(name).whats_at(client, 0, 0).0
    }

    /// Waits until all these servers answer with this AT line for its client.
    #[track_caller]
    pub(crate) fn wait_until_known(&self, at: &str, names: &[&str]) {
        let client = at.split(' ').nth(3).unwrap();
        for name in names {
            wait_until(&format!("{name} knows: {at}"), || self.known(name, client) == at);
        }
    }

    /// Everything that a server has logged so far, in all its runs.
    pub(crate) fn log(&self, name: &str) -> String {
        self.logs[name].iter().map(|run| logs(run)).collect()
    }
}
