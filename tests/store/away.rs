//! A store that is away is noticed although nobody reports, and whatever shows it has the reason.

use super::util::{Directory, Process, free_port, logs, wait_until};
use super::*;
use std::process::Command;

fn iamat(client: &str) -> String {
    format!("IAMAT {client} +34.068930-118.445127 1400794640")
}

/// Waits until all buckets are lost. Returns why.
#[track_caller]
fn wait_until_lost(harness: &Harness, here: &Herder) -> String {
    Pace::new(harness).until("the store is lost", || here.store().lost == 16);
    assert!(!here.store().is_connected);
    here.store().trouble.expect("there is trouble").1
}

#[test]
fn a_store_that_dies_while_nobody_reports_is_lost_until_it_is_back() {
    let Some(mut redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    assert!(here.store().is_connected);
    redis.kill();
    let port = redis.port;
    wait_until_lost(&harness, &here);
    let refused =
        |why: &str| why.starts_with(&format!("no connection to 127.0.0.1:{port}: ")) && why.contains("refused");
    Pace::new(&harness).until("the reason is the present one", || refused(&here.store().trouble.unwrap().1));
    redis.restart();
    wait_until_it_answers(&redis);
    let is_well = || here.store().is_connected && here.store().lost == 0 && here.store().trouble.is_none();
    Pace::new(&harness).until("it is there again", is_well);
}

#[test]
fn a_store_that_is_not_there_at_the_start_is_lost() {
    let Some(mut redis) = started_redis() else { return };
    redis.kill();
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    let why = wait_until_lost(&harness, &here);
    assert!(why.contains("refused"), "{why}");
}

#[test]
fn a_store_that_lets_nobody_in_says_why() {
    let Some(redis) = started_redis() else { return };
    redis.ask(&["CONFIG", "SET", "requirepass", "sesame"]);
    redis.ask(&["-a", "sesame", "ACL", "SETUSER", "guest", "on", ">sesame", "~*", "+@all", "-client"]);
    let harness = Harness::new();
    let password = |text: &str| {
        let path = redis.directory.join(text);
        std::fs::write(&path, text).unwrap();
        path
    };
    let none = Herder::start(&harness, "Alford", &[&redis], |_| ());
    let wrong = Herder::start(&harness, "Bolden", &[&redis], |store| store.password_file = Some(password("simsim")));
    let guest = Herder::start(&harness, "Powell", &[&redis], |store| {
        (store.user, store.password_file) = (Some("guest".to_owned()), Some(password("sesame")));
    });
    for (here, said) in [(none, "NOAUTH "), (wrong, "WRONGPASS "), (guest, "NOPERM ")] {
        let why = wait_until_lost(&harness, &here);
        assert!(why.contains(said), "{said}: {why}");
        // What a client meets then does not hide it.
        assert!(harness.connect(here.address).ask(&iamat("kiwi")).starts_with("AT "), "by flood");
        assert_eq!(here.store().trouble.unwrap().1, why);
    }
}

#[test]
fn the_log_the_status_and_a_refusal_say_that_a_store_has_died() {
    let Some(mut redis) = started_redis() else { return };
    let (directory, port) = (Directory::new(), free_port());
    let store = format!("[store]\nnodes = [\"127.0.0.1:{}\"]\non_loss = \"refuse\"\n", redis.port);
    let control = format!("[control]\ndirectory = {:?}\n", directory.path());
    let config = directory.write("herd.toml", format!("[servers.A]\naddress = \"127.0.0.1:{port}\"\n{store}{control}"));
    let server = Process::start(directory.path(), &["A", "--config", &config], &[]);
    assert!(server.output().contains(&format!("store:   the server 127.0.0.1:{}", redis.port)), "{}", server.output());
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_proxyherd"));
        let output = program.args(arguments).args(["--config", &config]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    };
    wait_until("the store is connected", || run(&["status"]).0 == Some(0));
    let (code, text) = run(&["whatsat", "kiwi", "1", "1"]);
    assert!(code == Some(1) && text.contains("A refuses: it does not know the client; or its store, "), "{text}");
    assert!(!logs(directory.path()).contains("is refused"), "that is the client's fault: only the level debug has it");
    redis.kill();
    wait_until("the log says it", || {
        logs(directory.path()).contains("256 of 256 buckets lost: no connection to 127.0.0.1:")
    });
    let (code, text) = run(&["status"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("not connected, 256 of 256 buckets lost") && text.contains("A has lost the store: "),
        "{text}"
    );
    for (arguments, why, logged) in [
        (
            &["iamat", "kiwi", "+34-118"][..],
            "its store does not take the location now",
            "the store does not take it now",
        ),
        (&["whatsat", "kiwi", "1", "1"], "its store, which may know it", "the client is not known here, and the store"),
    ] {
        let (code, text) = run(arguments);
        assert!(code == Some(1) && text.contains(why), "{text}");
        wait_until("the log has the reason", || logs(directory.path()).contains(&format!("is refused: {logged}")));
    }
}
