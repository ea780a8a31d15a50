//! Servers that are killed, asleep, paused, or full.

use super::wait::wait;
use super::*;
use reactor::resp::{Command, CommandStage};

#[test]
fn through_kills_and_restarts_no_increment_is_lost_unnoticed_or_made_twice() {
    // The server appends each write to a file before it answers, so nothing that it has answered is lost.
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let reactor = Reactor::new().unwrap();
    let client = client(&reactor, &server);
    let (mut answered, mut in_doubt) = (0, 0);
    for _ in 0..3 {
        wait(&reactor, client.when_connected()).unwrap();
        let all: Vec<Deferred<Value>> = (0..200).map(|_| client.command(["INCR", "n"])).collect();
        // Some are answered, some are on their way, some not sent yet.
        util::until(&reactor, "the first is answered", || all[0].has_fired());
        let more: Vec<Deferred<Value>> = (0..200).map(|_| client.command(["INCR", "n"])).collect();
        server.restart();
        for increment in all.into_iter().chain(more) {
            match wait(&reactor, increment) {
                Ok(_) => answered += 1,
                Err(failure) => match failure.check::<ServerError>() {
                    Some(error) => assert_eq!(error.code(), "LOADING"),
                    None => {
                        let error = failure.check::<CommandError>().expect("a CommandError");
                        assert_eq!(error.stage(), CommandStage::Unanswered, "{error}");
                        in_doubt += 1;
                    }
                },
            }
        }
    }
    let count = wait(&reactor, client.command(["GET", "n"])).unwrap().as_integer().unwrap();
    assert!((answered..=answered + in_doubt).contains(&count), "{count}, {answered} answered, {in_doubt} in doubt");
    assert!(in_doubt > 0, "is this test blind?");
}

#[test]
fn a_server_that_sleeps_is_waited_for_or_given_up_as_set() {
    let Some(server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    let quick = settings(|settings| (settings.command_timeout, settings.silence_timeout) = (100 * MS, 100 * MS));
    let (patient, hasty) = (client(&reactor, &server), client_with(&reactor, &server, quick));
    wait(&reactor, patient.when_connected()).unwrap();
    wait(&reactor, hasty.when_connected()).unwrap();
    let asleep = patient.command(["DEBUG", "SLEEP", "0.5"]);
    let answered = patient.command(["GET", "a"]);
    let given_up = hasty.command(["GET", "a"]);
    let outcome = show(&reactor, given_up);
    assert!(outcome.starts_with("Unanswered: "), "{outcome}");
    assert!(!answered.has_fired());
    assert_eq!(show(&reactor, asleep), "OK");
    assert_eq!(show(&reactor, answered), "nil");
    wait(&reactor, hasty.when_connected()).unwrap();
    assert_eq!(show(&reactor, hasty.command(["GET", "a"])), "nil");
}

#[test]
fn paused_writes_wait_and_reads_before_them_go_on() {
    let Some(server) = Server::start(&[]) else { return };
    let reactor = Reactor::new().unwrap();
    let (one, other) = (client(&reactor, &server), client(&reactor, &server));
    assert_eq!(show(&reactor, one.command(["CLIENT", "PAUSE", "300", "WRITE"])), "OK");
    let write = one.command(["SET", "a", "1"]);
    assert_eq!(show(&reactor, other.command(["GET", "a"])), "nil");
    assert!(!write.has_fired());
    assert_eq!(show(&reactor, write), "OK");
}

#[test]
fn a_full_server_refuses_writes_and_answers_reads() {
    let Some(server) = Server::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]) else { return };
    let reactor = Reactor::new().unwrap();
    let client = client(&reactor, &server);
    let filler = vec![b'x'; 100_000];
    let mut refused = None;
    for number in 0..100 {
        let written = wait(&reactor, client.command(Command::new("SET").key(number).arg(&filler)));
        if let Err(failure) = written {
            refused = Some(in_short(&failure));
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("error OOM"));
    assert_eq!(show(&reactor, client.command(["STRLEN", "0"])), "100000");
}

#[test]
fn a_server_with_no_room_for_a_client_says_so() {
    let Some(server) = Server::start(&["--maxclients", "1"]) else { return };
    let reactor = Reactor::new().unwrap();
    let first = client(&reactor, &server);
    wait(&reactor, first.when_connected()).unwrap();
    let second = client(&reactor, &server);
    let failure = wait(&reactor, second.when_connected_within(1)).unwrap_err();
    assert!(in_short(&failure).contains("ERR") || in_short(&failure).starts_with("Unanswered"), "{failure}");
    drop(first);
    wait(&reactor, second.when_connected()).unwrap();
    assert_eq!(show(&reactor, second.command(["PING"])), "PONG");
}
