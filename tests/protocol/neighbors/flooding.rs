//! News in the whole herd, as real processes: what it costs, and that all servers end up with the same.

use crate::herd::{HERD, Herd};
use crate::util::wait_until;

const ALL: [&str; 5] = ["Alford", "Bolden", "Hamilton", "Parker", "Powell"];

/// The number of servers and of links in the herd.
const N: usize = 5;
const E: usize = 5;

#[test]
fn an_update_costs_at_most_2e_minus_n_minus_1_messages() {
    let mut herd = Herd::start();
    let mut updates = Vec::new();
    for (server, _) in HERD {
        let mut client = herd.client(server);
        for number in 0..20 {
            updates.push(client.ask(&format!("IAMAT {server}{number} +1+2 0")));
        }
    }
    for at in &updates {
        herd.wait_until_known(at, &ALL);
    }
    herd.end();
    let log: String = ALL.iter().map(|name| herd.log(name)).collect();
    for at in &updates {
        let sent = log.lines().filter(|line| line.contains(" to ") && line.ends_with(&format!(" << {at}"))).count();
        let is_about = |line: &&str| line.ends_with(at) || line.contains("eighbor") || line.contains(" link to ");
        let about = || log.lines().filter(is_about).collect::<Vec<_>>().join("\n");
        assert!((N - 1..=2 * E - (N - 1)).contains(&sent), "{sent} messages for {at}:\n{}", about());
    }
}

#[test]
fn servers_that_hear_of_the_same_client_at_once_agree_on_the_newest() {
    let herd = Herd::start();
    let mut clients = ALL.map(|name| herd.client(name));
    let mut newest = String::new();
    // All report the same time, in a different order each round. The server with the greatest name wins.
    for time in 0..40 {
        for turn in 0..N {
            let server = (time + turn) % N;
            let at = clients[server].ask(&format!("IAMAT kiwi +{server}+{turn} {time}"));
            if ALL[server] == "Powell" {
                newest = at;
            }
        }
    }
    herd.wait_until_known(&newest, &ALL);
}

#[test]
fn a_server_that_starts_again_learns_everything() {
    let mut herd = Herd::start();
    for name in ALL {
        let at = herd.client(name).ask(&format!("IAMAT of-{name} +1+2 0"));
        herd.wait_until_known(&at, &ALL);
        herd.kill(name);
        herd.run(name);
        wait_until("it knows what it has told", || herd.known(name, &format!("of-{name}")) == at);
    }
}
