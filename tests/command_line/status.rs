//! `proxyherd status` and `proxyherd watch` from outside, with servers that run.

use crate::util::{Client, Directory, Process, free_port, wait_until};
use serde_json::Value;

/// A herd of two. Its control sockets are in the current directory: the path of one must be short.
struct Two {
    directory: Directory,
    config: String,
    ports: [u16; 2],
}

impl Two {
    fn new() -> Two {
        let (directory, ports) = (Directory::new(), [free_port(), free_port()]);
        let [alford, powell] = ports;
        let text = format!(
            "[servers.Alford]\naddress = \"127.0.0.1:{alford}\"\nneighbors = [\"Powell\"]\n\
             [servers.Powell]\naddress = \"127.0.0.1:{powell}\"\n[control]\ndirectory = \".\"\n"
        );
        let config = directory.write("herd.toml", text);
        Two { directory, config, ports }
    }

    fn start(&self, name: &str) -> Process {
        Process::start(self.directory.path(), &[name, "--config", &self.config], &[])
    }

    fn spawn(&self, arguments: &[&str]) -> Process {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", &self.config]).collect();
        Process::spawn(self.directory.path(), &arguments, &[])
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut process = self.spawn(arguments);
        (process.wait().code(), process.output(), process.errors())
    }

    /// The status of each server, in the order of their names, and the exit code.
    fn status(&self, more: &[&str]) -> (Vec<Value>, Option<i32>) {
        let (code, output, _) = self.run(&[&["status", "--json"], more].concat());
        (output.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), code)
    }
}

#[test]
fn status_tells_all_about_servers_that_are_here() {
    let herd = Two::new();
    let (_alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    wait_until("both links are up", || herd.status(&[]).1 == Some(0));
    let mut client = Client::connect(herd.ports[0]);
    client.ask("IAMAT kiwi +34.068930-118.445127 1400794645.392014450");
    client.ask("IAMAT kiwi");
    client.ask("WHATSAT nobody 1 1");
    wait_until("Powell knows the client", || herd.status(&["--server", "Powell"]).0[0]["clients"] == 1);
    let (all, _) = herd.status(&[]);
    let [alford, powell] = &all[..] else { panic!("{all:?}") };
    assert_eq!([&alford["server"], &powell["server"]], ["Alford", "Powell"]);
    assert_eq!((&alford["counters"]["iamat"], &alford["counters"]["told"]), (&1.into(), &1.into()));
    assert_eq!(powell["counters"]["at_news"], 1);
    let refused = &alford["refused"];
    assert_eq!([&refused["malformed"], &refused["unknown_client"], &refused["doubtful"]], [1, 1, 0], "{refused}");
    let link = &alford["links"][0];
    assert_eq!((&link["neighbor"], &link["up"], &link["tls"]), (&"Powell".into(), &true.into(), &false.into()));
    assert_eq!((&link["inbound"], &link["waiting"]), (&1.into(), &0.into()));
    // Powell's link and the client.
    assert!(alford["connections"].as_u64() >= Some(2) && alford["uptime"].as_f64() > Some(0.0), "{alford}");
    assert!(!cfg!(target_os = "linux") || alford["memory"].as_u64() > Some(1 << 20), "{alford}");
    assert!(alford["longest_callback"]["seconds"].as_f64() > Some(0.0), "{alford}");

    let (code, words, errors) = herd.run(&["status", "--server", "Alford"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    for part in ["Alford: answers in ", "  link Powell   up for ", "1 malformed, 1 unknown client"] {
        assert!(words.contains(part), "{part:?} is missing in: {words}");
    }
    assert!(!words.contains("Powell: "), "{words}");
}

#[test]
fn status_fails_if_a_server_or_a_link_is_down_and_says_which() {
    let herd = Two::new();
    let (_alford, mut powell) = (herd.start("Alford"), herd.start("Powell"));
    wait_until("both links are up", || herd.status(&[]).1 == Some(0));
    powell.end("KILL");
    let (code, words, errors) = herd.run(&["status"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("Powell: does not answer: ") && words.contains("its control socket does not: "), "{words}");
    assert!(errors.contains("Powell does not answer"), "{errors}");
    wait_until("Alford has noticed", || {
        let (_, _, errors) = herd.run(&["status"]);
        errors.contains("Alford's link to Powell is down")
    });
    // Its successor takes the socket that it has left.
    let _powell = herd.start("Powell");
    wait_until("both links are up again", || herd.status(&[]).1 == Some(0));
}

#[test]
fn without_a_control_socket_status_says_whether_servers_answer() {
    let herd = Two::new();
    let config = std::fs::read_to_string(&herd.config).unwrap().replace("[control]\ndirectory = \".\"\n", "");
    std::fs::write(&herd.config, config).unwrap();
    let _alford = herd.start("Alford");
    let (all, code) = herd.status(&[]);
    assert_eq!((&all[0]["answers"], &all[1]["answers"], code), (&true.into(), &false.into(), Some(1)));
    assert!(all[0].get("clients").is_none() && all[0]["seconds"].as_f64() > Some(0.0), "{all:?}");
    let address = format!("127.0.0.1:{}", herd.ports[0]);
    assert_eq!(herd.status(&["--server", &address]).1, Some(0));
    assert_eq!(herd.run(&["status", "--server", "Nobody"]).0, Some(2));

    let (code, _, errors) = herd.run(&["watch"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("no [control] directory"), "{errors}");
}

#[test]
fn watch_shows_what_a_server_takes_until_it_is_interrupted_or_the_server_ends() {
    let herd = Two::new();
    let (mut alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    wait_until("both links are up", || herd.status(&[]).1 == Some(0));
    let (mut kiwi, mut all) =
        (herd.spawn(&["watch", "kiwi", "--json", "--server", "Powell"]), herd.spawn(&["watch", "--server", "Alford"]));
    for watching in [&kiwi, &all] {
        wait_until("it watches", || watching.errors().contains("watching "));
    }
    let mut client = Client::connect(herd.ports[0]);
    client.ask("IAMAT fig +1+2 7");
    client.ask("IAMAT kiwi -1.50+2 8");
    client.ask("IAMAT kiwi -1.50+2 6"); // Older: it changes nothing.
    client.ask("IAMAT kiwi -1.50+3 9");
    wait_until("both have heard all", || kiwi.output().lines().count() == 2 && all.output().lines().count() == 3);
    let last: Value = serde_json::from_str(kiwi.output().lines().last().unwrap()).unwrap();
    assert_eq!((&last["client"], &last["from"], &last["server"]), (&"kiwi".into(), &"Alford".into(), &"Alford".into()));
    assert!(kiwi.output().contains("\"latitude\":-1.5"), "{}", kiwi.output());
    let first = "fig is at 1 2 since 7, says Alford (from the client)\n";
    assert!(all.output().starts_with(first), "{}", all.output());
    assert_eq!(kiwi.end("INT").code(), Some(0));

    alford.end("TERM");
    assert_eq!(all.wait().code(), Some(1));
    assert!(all.errors().contains("Alford: the server has ended"), "{}", all.errors());
    assert!(!herd.directory.path().join("Alford.sock").exists());
}

#[test]
fn a_control_socket_that_cannot_be_opened_is_no_reason_to_end() {
    let herd = Two::new();
    std::fs::write(herd.directory.path().join("Alford.sock"), "a file in the way").unwrap();
    let _alford = herd.start("Alford");
    let answer = Client::connect(herd.ports[0]).ask("IAMAT kiwi +1+2 3");
    assert!(answer.starts_with("AT Alford "), "{answer}");
    wait_until("it is logged", || crate::util::logs(herd.directory.path()).contains("WARN  no control socket: "));
}
