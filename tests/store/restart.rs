//! A server that is started again is told nothing by its neighbors, however many clients the store has.

use super::counted_link::{CountedLink, Counts};
use super::util::{Client, Directory, Process, free_port, wait_until};
use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Two servers, as processes, each with the other behind a proxy.
struct Pair {
    directory: Directory,
    ports: [u16; 2],
    pages: [u16; 2],
    links: [CountedLink; 2],
    store: String,
}

const NAMES: [&str; 2] = ["Alford", "Bolden"];

/// What two servers say to each other at most when their links come up, and neither has news.
const GREETINGS: u64 = 1000;

impl Pair {
    fn new(store: Option<&Redis>) -> Pair {
        let (ports, pages) = ([free_port(), free_port()], [free_port(), free_port()]);
        let links = ports.map(|port| CountedLink::to(port).unwrap());
        let store = store.map(|redis| format!("[store]\nnodes = [\"127.0.0.1:{}\"]\n", redis.port));
        Pair { directory: Directory::new(), ports, pages, links, store: store.unwrap_or_default() }
    }

    fn start(&self, own: usize) -> Process {
        let mut text = self.store.clone() + &format!("[page]\naddress = \"127.0.0.1:{}\"\n", self.pages[own]);
        for (server, name) in NAMES.iter().enumerate() {
            let port = if server == own { self.ports[own] } else { self.links[server].port };
            text +=
                &format!("[servers.{name}]\naddress = \"127.0.0.1:{port}\"\nneighbors = [\"{}\"]\n", NAMES[1 - server]);
        }
        let config = self.directory.write(&format!("{own}.toml"), text);
        Process::start(self.directory.path(), &[NAMES[own], "--config", &config], &[])
    }

    /// Waits until a server says this figure of itself.
    #[track_caller]
    fn wait_for(&self, server: usize, name: &str, figure: usize) {
        wait_until(&format!("{name} is {figure}"), || self.metric(server, name) == Some(figure as f64));
    }

    fn metric(&self, server: usize, name: &str) -> Option<f64> {
        let mut page = TcpStream::connect(("127.0.0.1", self.pages[server])).ok()?;
        page.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        page.read_to_string(&mut text).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn counts(&self) -> Counts {
        let [one, other] = self.links.each_ref().map(CountedLink::counts);
        Counts { at_lines: one.at_lines + other.at_lines, bytes: one.bytes + other.bytes }
    }
}

/// Kills one of two servers that have been told of this number of clients, and starts it again. Returns what the two
/// say to each other then.
fn told_at_a_restart(store: Option<&Redis>, clients: usize) -> Counts {
    let pair = Pair::new(store);
    let (_bolden, alford) = (pair.start(1), pair.start(0));
    (0..2).for_each(|server| pair.wait_for(server, "proxyherd_link_up", 1));
    let mut client = Client::connect(pair.ports[0]);
    for number in 0..clients {
        assert!(client.ask(&format!("IAMAT c{number} +34-118 1400794640")).starts_with("AT "));
    }
    let in_tables = if store.is_some() { 0 } else { clients };
    (0..2).for_each(|server| pair.wait_for(server, "proxyherd_clients ", in_tables));
    drop(alford); // SIGKILL.
    pair.wait_for(1, "proxyherd_link_up", 0);
    let before = pair.counts();
    let mut again = pair.start(0);
    (0..2).for_each(|server| pair.wait_for(server, "proxyherd_link_up", 1));
    let mut client = Client::connect(pair.ports[0]);
    let last = format!("c{}", clients - 1);
    wait_until("it knows the last client", || client.whats_at(&last, 0, 0).0.starts_with("AT Alford "));
    assert!(again.end("TERM").success(), "and what it had to say has been said");
    let after = pair.counts();
    Counts { at_lines: after.at_lines - before.at_lines, bytes: after.bytes - before.bytes }
}

#[test]
fn a_server_that_is_started_again_is_told_nothing_however_many_clients_the_store_has() {
    const FEW: usize = 5;
    let without = told_at_a_restart(None, FEW);
    assert!(without.at_lines >= FEW as u64, "without a store it is told everything: {without:?}");
    for clients in [FEW, 100 * FEW] {
        let Some(redis) = started_redis() else { return };
        let told = told_at_a_restart(Some(&redis), clients);
        assert!(told.at_lines == 0 && told.bytes < GREETINGS, "{clients} clients: {told:?}");
    }
}
