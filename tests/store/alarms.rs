//! What the log and the status say when something happens to a store: what it is, once.

use super::util::{Directory, Process, free_port, logs, wait_until};
use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A server of the program beside a store, with more lines in its `[store]`.
struct Beside {
    directory: Directory,
    port: u16,
    _process: Process,
}

impl Beside {
    fn start(redis: &Redis, more: &str) -> Beside {
        let (directory, port) = (Directory::new(), free_port());
        let text = format!(
            "[servers.A]\naddress = \"127.0.0.1:{port}\"\n[page]\naddress = \"off\"\n\
             [store]\nnodes = [\"127.0.0.1:{}\"]\n{more}",
            redis.port
        );
        let config = directory.write("herd.toml", text);
        let process = Process::start(directory.path(), &["A", "--config", &config], &[]);
        Beside { directory, port, _process: process }
    }

    fn report(&self, client: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        connection.write_all(format!("IAMAT {client} +34-118 1400794640\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).unwrap();
        line
    }

    fn wait_for_line(&self, text: &str) {
        wait_until(text, || logs(self.directory.path()).contains(text));
    }

    /// The lines of its log with this text.
    fn lines(&self, text: &str) -> Vec<String> {
        let logs = logs(self.directory.path());
        logs.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

#[test]
fn a_store_that_was_emptied_and_one_whose_functions_were_removed_are_told_apart() {
    let Some(redis) = started_redis() else { return };
    let [here, there] = [(); 2].map(|()| Beside::start(&redis, ""));
    // A look sets the mark, and then the number of buckets.
    let has_looked_twice = || redis.ask(&["INFO", "commandstats"]).contains("cmdstat_set:calls=4,");
    wait_until("both have looked at the store", has_looked_twice);
    assert!(here.report("kiwi").starts_with("AT ") && redis.ask(&["KEYS", "*:kiwi"]).contains("kiwi"));
    redis.ask(&["FUNCTION", "FLUSH"]);
    assert!(here.report("moa").starts_with("AT "));
    here.wait_for_line("our functions were removed from the store, and its data are there: 127.0.0.1:");
    assert_eq!(here.lines("was emptied"), [""; 0]);
    // The functions stay, and nobody reports.
    redis.ask(&["FLUSHALL"]);
    [&here, &there].iter().for_each(|it| it.wait_for_line("the store was emptied, or began again without its data: "));
    assert_eq!(here.lines("our functions were removed").len(), 1);
}

#[test]
fn a_wrong_password_is_told_once_and_names_no_line_of_the_program() {
    let Some(redis) = started_redis() else { return };
    redis.ask(&["CONFIG", "SET", "requirepass", "sesame"]);
    let password = redis.directory.join("password");
    std::fs::write(&password, "simsim").unwrap();
    let here = Beside::start(&redis, &format!("password_file = {password:?}\n"));
    here.wait_for_line("256 of 256 buckets lost: no connection to 127.0.0.1:");
    let lines = here.lines("WRONGPASS");
    assert!(lines.len() == 1 && !lines[0].contains(".rs"), "{lines:?}");
}

#[test]
fn a_store_that_hangs_while_nobody_reports_is_told_as_one_that_does_not_answer() {
    let Some(redis) = started_redis() else { return };
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |_| ());
    here.wait_for_store(&harness, &redis);
    let info = redis.ask(&["INFO", "server"]);
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim();
    assert!(std::process::Command::new("kill").args(["-STOP", pid]).status().unwrap().success());
    let began = harness.passed();
    harness.turn_until("it is lost", || {
        harness.advance(Duration::from_millis(50));
        here.store().lost == 16
    });
    let (_, why) = here.store().trouble.unwrap();
    assert_eq!(why, format!("no connection to 127.0.0.1:{}: no answer for 2s", redis.port));
    let passed = harness.passed() - began;
    assert!(
        passed <= Duration::from_millis(6500),
        "the page promises seven seconds to the line in the log: {passed:?}"
    );
}

#[test]
fn a_user_without_the_right_to_wait_is_told_so() {
    let Some(redis) = started_redis() else { return };
    redis.ask(&["ACL", "SETUSER", "default", "-wait"]);
    let harness = Harness::new();
    let here = Herder::start(&harness, "Alford", &[&redis], |store| store.wait_replicas = 1);
    here.wait_for_store(&harness, &redis);
    assert!(harness.connect(here.address).ask("IAMAT kiwi +34-118 1400794640").starts_with("AT "), "by flood");
    let (_, why) = here.store().trouble.unwrap();
    assert!(why.starts_with("it says \"NOPERM ") && why.contains("'wait'"), "{why}");
}
