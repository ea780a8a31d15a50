//! DIGEST: what two servers say to find out what one of them lacks, and what a neighbor is told that knows no DIGEST.

use crate::harness::{Connection, Harness, Port};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Alford, which knows these clients, and Bolden's end of the link that has just come up, after PEER and the question.
fn with_link(clients: usize, test: impl FnOnce(&Harness, SocketAddr, Connection<'_>)) {
    let harness = Harness::new();
    let bolden = harness.listen();
    let (server, _) = harness.start_among(&[("Bolden", bolden.address())]);
    drop(bolden.accept_link());
    let mut client = harness.connect(server);
    for number in 0..clients {
        client.ask(&format!("IAMAT client{number:05} +1+2 1"));
    }
    let mut link = again(&harness, &bolden);
    assert_eq!(link.line(), "DIGEST -");
    test(&harness, server, link);
}

fn again<'s>(harness: &'s Harness, bolden: &Port<'s>) -> Connection<'s> {
    let mut link = None;
    harness.turn_until("the link is tried again", || {
        harness.advance(SECOND / 10);
        link = bolden.try_accept();
        link.is_some()
    });
    let mut link = link.unwrap();
    assert_eq!(link.line(), "PEER Alford");
    link
}

/// Everything that Alford tells before this news.
#[track_caller]
fn told(harness: &Harness, server: SocketAddr, link: &mut Connection<'_>) -> Vec<String> {
    harness.turn();
    let news = harness.connect(server).ask(&format!("IAMAT news +1+2 {}", harness.next()));
    let mut told = Vec::new();
    loop {
        match link.line() {
            line if line == news => return told,
            line => told.push(line),
        }
    }
}

/// What Alford answers to Bolden's own questions.
fn sums(bolden: &mut Connection<'_>, node: &str) -> String {
    loop {
        match bolden.ask(&format!("DIGEST {node}")) {
            line if line == "PING" => assert!(bolden.line().starts_with("DIGEST ")),
            line => return line,
        }
    }
}

fn say_peer<'s>(harness: &'s Harness, server: SocketAddr) -> Connection<'s> {
    let mut bolden = harness.connect(server);
    bolden.send("PEER Bolden\n");
    bolden
}

#[test]
fn a_neighbor_that_knows_the_same_is_told_nothing_but_news() {
    with_link(400, |harness, server, mut link| {
        let mut bolden = say_peer(harness, server);
        let answer = sums(&mut bolden, "-");
        assert!(answer.len() < 300, "{answer}");
        // Bolden has the same table: its answer is Alford's.
        link.send(format!("{answer}\n"));
        assert_eq!(told(harness, server, &mut link), [""; 0]);
        harness.advance(10 * SECOND);
        assert_eq!(told(harness, server, &mut link), [""; 0]);
    });
}

#[test]
fn a_neighbor_is_told_what_is_in_the_nodes_that_differ() {
    with_link(400, |harness, server, mut link| {
        let mut bolden = say_peer(harness, server);
        let answer = sums(&mut bolden, "-");
        let mut fields: Vec<&str> = answer.split(' ').collect();
        fields[2 + 0xb] = "0000000000000000";
        link.send(format!("{}\n", fields.join(" ")));
        // There are 25 clients in it: enough for another question.
        assert_eq!(link.line(), "DIGEST b");
        let below = sums(&mut bolden, "b");
        let mut fields: Vec<&str> = below.split(' ').collect();
        let first = (2..18).find(|at| fields[*at] != "0000000000000000").unwrap();
        fields[first] = "0123456789abcdef";
        link.send(format!("{}\n", fields.join(" ")));
        let told = told(harness, server, &mut link);
        assert!((1..10).contains(&told.len()), "{told:?}");
        assert!(told.iter().all(|line| line.starts_with("AT Alford ")), "{told:?}");
    });
}

#[test]
fn a_neighbor_that_does_not_know_the_question_is_told_everything() {
    for answer in ["? DIGEST -\n", "? PEER Alford\n", ""] {
        with_link(50, |harness, server, mut link| {
            assert_eq!(told(harness, server, &mut link), [""; 0], "news goes at once");
            link.send(answer);
            if answer.is_empty() {
                harness.advance(2 * SECOND);
            }
            assert_eq!(told(harness, server, &mut link).len(), 50);
        });
    }
}

#[test]
fn what_is_not_an_answer_changes_nothing() {
    with_link(50, |harness, server, mut link| {
        let mut bolden = say_peer(harness, server);
        let answer = sums(&mut bolden, "-");
        link.send(format!("DIGEST -\nDIGEST - 0\n{answer} 0\n{}\nDIGEST\n", answer.replace('-', "0")));
        assert_eq!(told(harness, server, &mut link), [""; 0]);
        link.send(format!("{answer}\n{answer}\n"));
        let _ = told(harness, server, &mut link);
        harness.advance(10 * SECOND);
        assert_eq!(told(harness, server, &mut link), [""; 0]);
    });
}

#[test]
fn a_neighbor_that_is_there_has_time_to_answer() {
    with_link(50, |harness, server, mut link| {
        link.send("PING\n");
        for _ in 0..10 {
            harness.advance(SECOND);
        }
        assert_eq!(told(harness, server, &mut link), [""; 0], "it waits");
        link.send(format!("DIGEST -{}\n", " 0000000000000000".repeat(16)));
        assert_eq!(told(harness, server, &mut link).len(), 50);
    });
}

#[test]
fn a_question_about_a_large_table_is_answered_in_small_steps_and_a_ping_comes_first() {
    with_link(3000, |harness, server, _link| {
        // The link has begun to hash, too; these are new.
        let mut client = harness.connect(server);
        let mut bolden = say_peer(harness, server);
        let lines: String = (0..250).map(|number| format!("IAMAT client{number:05} +1+2 2\n")).collect();
        for _ in 0..6 {
            client.send(&lines);
        }
        let first = bolden.ask("DIGEST -");
        let answer = if first == "PING" { bolden.line() } else { first };
        assert!(answer.starts_with("DIGEST - ") && answer.len() == 9 + 16 * 17 - 1, "{answer}");
        assert_eq!(bolden.ask("here?"), "? here?");
    });
}

#[test]
fn only_a_neighbor_that_has_said_peer_may_ask() {
    with_link(4, |harness, server, _link| {
        let mut client = harness.connect(server);
        assert_eq!(client.ask("DIGEST -"), "? DIGEST -");
        let mut bolden = say_peer(harness, server);
        for wrong in ["DIGEST", "DIGEST 1234", "DIGEST A", "DIGEST - -", "DIGEST g"] {
            assert_eq!(bolden.ask(wrong), format!("? {wrong}"));
        }
        for node in ["-", "0", "3a", "0ff"] {
            assert!(bolden.ask(&format!("DIGEST {node}")).starts_with(&format!("DIGEST {node} ")));
        }
    });
}
