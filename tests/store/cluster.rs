//! Three primaries and three replicas. A primary dies: nothing that was confirmed is lost.

use super::redis::start_cluster;
use super::*;
use std::time::Duration;

/// A WHATSAT while the clock goes on: the answer may need another try.
fn whats_at(pace: &Pace<'_>, at: &Herder, client: &str) -> String {
    let mut connection = pace.harness.connect(at.address);
    connection.send(format!("WHATSAT {client} 1 1\n"));
    pace.until("an answer", || connection.has_line());
    connection.line()
}

fn iamat(client: usize, number: u32) -> String {
    format!("IAMAT c{client} +34.068930-118.445127 {}", 1_400_794_000 + number)
}

#[test]
fn what_replicas_have_confirmed_outlives_a_primary() {
    let Some(mut nodes) = start_cluster() else { return };
    let harness = Harness::new();
    let seeds: Vec<&Redis> = nodes.iter().collect();
    let [here, there] = ["Alford", "Zed"].map(|name| {
        Herder::start(&harness, name, &seeds, |store| {
            (store.wait_replicas, store.timeout) = (1, Duration::from_secs(2))
        })
    });
    let mut client = harness.connect(here.address);
    let pace = Pace::new(&harness);
    pace.until("the cluster has our functions", || {
        nodes[..3].iter().all(|node| node.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1")
    });
    let report = |client: &mut harness::Connection<'_>, number: u32| {
        let all: Vec<String> = (0..200).map(|name| iamat(name, number) + "\n").collect();
        client.send(all.concat());
        for name in 0..200 {
            let mut line = None;
            pace.until("each is answered", || {
                line = client.has_line().then(|| client.line());
                line.is_some()
            });
            let line = line.unwrap();
            assert!(line.starts_with("AT Alford") && line.contains(&format!(" c{name} ")), "{line}");
        }
    };
    report(&mut client, 1);
    assert_eq!((here.table_len(), here.counted("stored")), (0, 200), "spread over three primaries, each with a WAIT");
    let used = nodes[..3].iter().filter(|node| !node.ask(&["KEYS", "*:c*"]).trim().is_empty()).count();
    assert_eq!(used, 3);
    nodes[0].kill();
    report(&mut client, 2);
    assert!(here.store().lost > 0 && here.store().owed > 0, "a third of the clients waits for a primary");
    // The new primary has no replica that could confirm anything, until the old one is there again.
    pace.until("a replica has taken the place", || nodes[1].ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    assert!(here.store().lost > 0);
    pace.until("it says that a replica is missing", || {
        here.store().trouble.is_some_and(|(_, why)| why.contains("0 of 1 replicas have confirmed"))
    });
    nodes[0].restart();
    pace.until("it is confirmed again, and nothing is owed", || here.store().lost == 0 && here.store().owed == 0);
    assert_eq!(here.table_len(), 0);
    pace.until("the other herd has noticed the new primary", || there.store().lost == 0);
    for name in 0..200 {
        assert!(whats_at(&pace, &there, &format!("c{name}")).ends_with("1400794002"), "c{name}");
    }
}

#[test]
fn without_full_coverage_the_buckets_of_the_other_primaries_go_on() {
    let Some(mut nodes) = start_cluster() else { return };
    let harness = Harness::new();
    let seeds: Vec<&Redis> = nodes.iter().collect();
    let here = Herder::start(&harness, "Alford", &seeds, |_| ());
    let pace = Pace::new(&harness);
    pace.until("each primary has our functions", || {
        nodes[..3].iter().all(|node| node.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1")
    });
    pace.until("it is connected", || here.store().is_connected);
    // Its replica first: nobody can take the place. Nobody reports.
    let primary = format!("master_port:{}", nodes[0].port);
    let replica = (3..6).find(|at| nodes[*at].ask(&["INFO", "replication"]).contains(&primary)).unwrap();
    [replica, 0].into_iter().for_each(|gone| nodes[gone].kill());
    let says =
        |nodes: &[Redis], state: &str| nodes[1].ask(&["CLUSTER", "INFO"]).contains(&format!("cluster_state:{state}"));
    pace.until("the cluster says that it is down", || says(&nodes, "fail"));
    pace.until("a part is lost", || here.store().lost > 0 && !here.store().is_connected);
    let part = here.store().lost;
    assert!(part < 16, "nobody has been told by the others yet");
    let mut client = harness.connect(here.address);
    let mut report = |number: usize| {
        client.send(iamat(number, 1) + "\n");
        pace.until("it is answered", || client.has_line());
        client.line()
    };
    (0..40).for_each(|number| assert!(report(number).starts_with("AT "), "by flood"));
    assert_eq!(here.store().lost, 16, "each primary says CLUSTERDOWN to all");
    for node in [1, 2] {
        nodes[node].ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    pace.until("only a part is lost", || here.store().lost == part);
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.contains(&format!("no connection to 127.0.0.1:{}: ", nodes[0].port)), "{why}");
}
