//! Offers that replicas must confirm: those of one server share a `WAIT`, and each is confirmed by its own one alone.

use super::script::{Stage, TIMEOUT};
use proxyherd::store::contract::bucket_of;
use std::time::Duration;

const BUCKETS: u16 = 16;

/// Clients in different buckets.
fn clients(count: usize) -> Vec<String> {
    let mut found = Vec::<String>::new();
    let names = (0..).map(|number| format!("c{number}"));
    let bucket = |name: &String| bucket_of(name.as_bytes(), BUCKETS);
    for name in names {
        if found.len() == count {
            break;
        }
        if found.iter().all(|other| bucket(other) != bucket(&name)) {
            found.push(name);
        }
    }
    found
}

#[test]
fn what_one_turn_offers_to_a_server_shares_one_wait_and_what_comes_meanwhile_the_next_one() {
    let (stage, clients) = (Stage::alone(BUCKETS, 1), clients(8));
    clients[..5].iter().for_each(|client| stage.begin_offer(client, 1));
    stage.settle();
    assert_eq!(stage.asked(), "FCALL FCALL FCALL FCALL FCALL WAIT");
    clients[5..].iter().for_each(|client| stage.begin_offer(client, 1));
    stage.settle();
    assert_eq!(stage.asked(), "", "a WAIT is under way");
    stage.say(":2\r\n:2\r\n:2\r\n:2\r\n:2\r\n");
    assert_eq!((stage.asked(), stage.heard().len()), (String::new(), 0), "nothing is confirmed");
    stage.say(":1\r\n");
    assert_eq!((stage.asked(), stage.heard().len()), ("FCALL FCALL FCALL WAIT".to_owned(), 5));
    // One offer is refused, and another one is still confirmed.
    stage.say(":2\r\n-NOTOURS x\r\n:1\r\n:1\r\n");
    let heard: Vec<bool> = stage.heard().iter().map(|line| line.ends_with(" taken") && !line.contains("not")).collect();
    assert_eq!(heard, [true, false, true]);
}

#[test]
fn a_key_with_something_else_says_nothing_of_the_replicas() {
    let (stage, clients) = (Stage::alone(BUCKETS, 1), clients(1));
    stage.begin_offer(&clients[0], 1);
    stage.settle();
    assert_eq!(stage.asked(), "FCALL WAIT");
    stage.say("-NOTOURS x\r\n:1\r\n");
    assert_eq!(stage.asked(), "FCALL", "whether the bucket takes something: slow replicas must not lose it");
    stage.say(":2\r\n");
    assert_eq!((stage.heard(), stage.store.lost_count()), (vec![format!("{} not taken", clients[0])], 0));
}

#[test]
fn a_question_is_answered_although_the_offers_before_it_are_not_confirmed() {
    let (stage, clients) = (Stage::alone(BUCKETS, 1), clients(1));
    stage.begin_offer(&clients[0], 1);
    stage.begin_look_up(&clients[0]);
    stage.settle();
    assert_eq!(stage.asked(), "FCALL GET WAIT");
    stage.say(":2\r\n_\r\n:0\r\n");
    assert_eq!(stage.heard(), [format!("{} not taken", clients[0]), String::new()]);
    assert_eq!(stage.store.lost_count(), usize::from(BUCKETS));
}

#[test]
fn an_offer_that_is_redirected_is_confirmed_by_no_wait_but_its_own() {
    for (confirmed, outcome) in [(1, "taken"), (0, "not taken")] {
        let (stage, clients) = (Stage::of(2, BUCKETS, 1), clients(2));
        clients.iter().for_each(|client| stage.begin_offer(client, 1));
        stage.settle();
        assert_eq!(stage.asked(), "FCALL FCALL WAIT");
        let slot =
            reactor::resp::slot_of(format!("{{proxyherd:{}}}", bucket_of(clients[1].as_bytes(), BUCKETS)).as_bytes());
        let moved = format!("-MOVED {slot} store1:6379\r\n");
        stage.say(&format!(":2\r\n{moved}:1\r\n"));
        assert_eq!((stage.heard().concat(), stage.asked()), (format!("{} taken", clients[0]), "FCALL WAIT".to_owned()));
        stage.say(&format!("{moved}:1\r\n"));
        assert_eq!((stage.heard().len(), stage.asked_at(1)), (0, "FCALL WAIT".to_owned()));
        stage.say_from(1, &format!(":2\r\n:{confirmed}\r\n"));
        assert_eq!(stage.heard(), [format!("{} {outcome}", clients[1])]);
    }
}

#[test]
fn what_is_cut_off_before_its_wait_is_written_again() {
    let (stage, clients) = (Stage::alone(BUCKETS, 1), clients(3));
    stage.run_for(Duration::from_secs(10)); // The connection is a healthy one.
    clients.iter().for_each(|client| stage.begin_offer(client, 1));
    stage.settle();
    stage.say(":2\r\n:2\r\n:2\r\n");
    stage.asked();
    stage.cut();
    stage.settle();
    assert_eq!((stage.heard().len(), stage.asked()), (0, "FCALL FCALL FCALL WAIT".to_owned()));
    stage.say(":0\r\n:0\r\n:0\r\n:1\r\n");
    assert_eq!(stage.heard(), clients.iter().map(|client| format!("{client} taken")).collect::<Vec<_>>());
    assert_eq!(stage.store.lost_count(), 0);
}

#[test]
fn thousands_of_lost_buckets_are_probed_some_at_a_time() {
    const BUCKETS: u16 = 16_384;
    let stage = Stage::alone(BUCKETS, 0);
    stage.begin_offer("kiwi", 1);
    stage.run_for(TIMEOUT + Duration::from_secs(1));
    assert_eq!((stage.heard().concat(), stage.store.lost_count()), ("kiwi not taken".to_owned(), BUCKETS.into()));
    let (mut most, mut rounds) = (0, 0);
    while stage.store.lost_count() > 0 {
        let asked = stage.asked().split_whitespace().count();
        (most, rounds) = (most.max(asked), rounds + 1);
        assert!(rounds < 1000, "{} are lost", stage.store.lost_count());
        if asked > 0 {
            stage.say_for(&":1\r\n".repeat(asked), Duration::from_millis(5));
        } else {
            stage.run_for(Duration::from_millis(100));
        }
    }
    assert_eq!(most, 64);
}
