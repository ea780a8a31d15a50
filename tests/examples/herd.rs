//! The herd that can be typed in: its replies are those of a real server, it makes one herd with real servers, and it
//! shows the storm that the paper's rule leads to.

use crate::files::program;
use crate::util::{Client, Directory, PATIENCE, Process, free_port, wait_until};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

const UCLA: &str = "+34.068930-118.445127";

/// What the Places service of these tests answers: a list that is not easy to cut.
const PLACES: &str = r#"{
   "html_attributions" : [ "\"results\" : [1, 2]" ],

   "results" : [
      { "name" : "one, ]}", "types" : [ "a", "b" ] },
      { "name" : "two \\", "types" : [] },
      { "name" : "three \" [{", "geometry" : { "lat" : 1, "lng" : 2 } }
   ],
   "status" : "OK"
}
"#;

/// Names and neighbors of a herd. Each link is named at both ends.
type Table = [(&'static str, &'static [&'static str])];

const TINY: [(&str, &[&str]); 5] = [
    ("Alford", &["Parker", "Powell"]),
    ("Bolden", &["Parker", "Powell"]),
    ("Hamilton", &["Parker"]),
    ("Parker", &["Alford", "Bolden", "Hamilton"]),
    ("Powell", &["Alford", "Bolden"]),
];

/// The paper's five, and five more between and beside them.
const BOTH: [(&str, &[&str]); 10] = [
    ("Alford", &["Parker", "Powell", "Zuse"]),
    ("Bolden", &["Parker", "Powell", "Hopper"]),
    ("Hamilton", &["Parker", "Turing"]),
    ("Parker", &["Alford", "Bolden", "Hamilton"]),
    ("Powell", &["Alford", "Bolden", "Babbage"]),
    ("Babbage", &["Powell"]),
    ("Hopper", &["Bolden", "Lovelace"]),
    ("Lovelace", &["Hopper"]),
    ("Turing", &["Hamilton", "Zuse"]),
    ("Zuse", &["Alford", "Turing"]),
];
const PAPERS: [&str; 5] = ["Alford", "Bolden", "Hamilton", "Parker", "Powell"];
const REAL: [&str; 5] = ["Babbage", "Hopper", "Lovelace", "Turing", "Zuse"];

/// A herd. Each of its servers can be a tiny or a real one.
struct Herd {
    ports: BTreeMap<&'static str, u16>,
    /// What HERD says to the tiny ones.
    text: String,
    /// The path of the same for the real ones.
    config: String,
    directory: Directory,
    places: u16,
    real: BTreeMap<&'static str, Process>,
}

/// The tiny servers, in one process.
struct Tiny {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tiny {
    /// The next line that they print.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        assert!(line.ends_with('\n'), "it has ended: {line}");
        line
    }
}

impl Herd {
    fn new(table: &Table) -> Herd {
        let ports: BTreeMap<&str, u16> = table.iter().map(|(name, _)| (*name, free_port())).collect();
        let lines = table.iter().map(|(name, neighbors)| format!("{name} {} {}", ports[name], neighbors.join(" ")));
        let text = lines.collect::<Vec<_>>().join(", ");
        let server = |(name, neighbors): &(&str, &[&str])| {
            format!("[servers.{name}]\naddress = \"127.0.0.1:{}\"\nneighbors = {neighbors:?}\n", ports[name])
        };
        let directory = Directory::new();
        let config = directory.write("herd.toml", table.iter().map(server).collect::<String>());
        Herd { ports, text, config, directory, places: serve_places(), real: BTreeMap::new() }
    }

    fn start_real(&mut self, name: &'static str) {
        let process = Process::start(self.directory.path(), &[name, "--config", &self.config, "--log-dir", "."], &[]);
        self.real.insert(name, process);
    }

    /// Starts the tiny ones of these servers, in one process, and waits until they listen.
    fn start_tiny(&self, names: &[&str], option: Option<&str>) -> Tiny {
        let mut command = Command::new(program("tiny_herd"));
        command.args(names).args(option).env("HERD", &self.text);
        command.env("PLACES", format!("http://127.0.0.1:{}/search?", self.places));
        // A neighbor that is down is told on standard error.
        let errors = File::create(self.directory.path().join("tiny.err")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().expect("an example can be run");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut tiny = Tiny { child, output };
        for name in names {
            // A neighbor that is up already may tell them something meanwhile.
            while !tiny.line().starts_with(&format!("{name} listens on 127.0.0.1:{}", self.ports[name])) {}
        }
        tiny
    }

    fn client(&self, name: &str) -> Client {
        Client::connect(self.ports[name])
    }

    /// Lets a client say where it is. Returns the AT line that the herd must know from then on.
    fn move_to(&self, server: &str, client: &str, time: &str) -> String {
        let at = self.client(server).ask(&format!("IAMAT {client} {UCLA} {time}"));
        assert!(at.starts_with(&format!("AT {server} +")) && at.ends_with(&format!(" {client} {UCLA} {time}")), "{at}");
        at
    }

    #[track_caller]
    fn wait_until_all_know(&self, at: &str) {
        let client = at.split(' ').nth(3).unwrap();
        for name in self.ports.keys() {
            wait_until(&format!("{name} knows: {at}"), || self.client(name).whats_at(client, 0, 0).0 == at);
        }
    }
}

/// An HTTP server that answers each request with [`PLACES`]; its port. It ends with the tests.
fn serve_places() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).is_ok_and(|count| count > 0) {}
            assert!(request.contains("/search?location=34.068930,-118.445127&radius="), "{request}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PLACES.len());
            let _ = stream.get_mut().write_all((head + PLACES).as_bytes());
        }
    });
    port
}

#[test]
fn five_tiny_and_five_real_servers_are_one_herd() {
    let mut herd = Herd::new(&BOTH);
    let tiny = herd.start_tiny(&PAPERS, None);
    REAL.into_iter().for_each(|name| herd.start_real(name));
    // Told to one kind, and known to all of both kinds.
    let first = herd.move_to("Parker", "first", "1400794645.392014450");
    herd.wait_until_all_know(&first);
    let second = herd.move_to("Lovelace", "second", "1400794645");
    herd.wait_until_all_know(&second);
    // The newest wins, in whatever order they come, and to the nanosecond.
    let newest = herd.move_to("Babbage", "third", "1400794645.000000002");
    herd.move_to("Hamilton", "third", "1400794645.000000001");
    herd.wait_until_all_know(&newest);
    // Servers that come back learn everything: a real one from tiny ones, and all tiny ones from real ones.
    herd.real.remove("Lovelace");
    herd.real.remove("Hopper");
    ["Lovelace", "Hopper"].into_iter().for_each(|name| herd.start_real(name));
    herd.wait_until_all_know(&first);
    drop(tiny);
    let _tiny = herd.start_tiny(&PAPERS, None);
    for at in [&first, &second, &newest] {
        herd.wait_until_all_know(at);
    }
}

#[test]
fn what_is_near_comes_from_the_places_service_cut_to_the_bound() {
    let herd = Herd::new(&TINY);
    let _tiny = herd.start_tiny(&PAPERS, None);
    let at = herd.move_to("Alford", "kiwi", "1400794645.392014450");
    herd.wait_until_all_know(&at);
    for bound in [0, 1, 2, 3, 20] {
        let (first, json) = herd.client("Bolden").whats_at("kiwi", 10, bound);
        assert_eq!(first, at);
        let mut expected: serde_json::Value = serde_json::from_str(PLACES).unwrap();
        expected["results"].as_array_mut().unwrap().truncate(bound as usize);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), expected, "{json}");
    }
    // Replies keep the order of the commands, though the first one takes longest.
    let mut client = herd.client("Powell");
    client.send(&format!("WHATSAT kiwi 10 1\nIAMAT late {UCLA} 1\nHELLO"));
    assert_eq!(client.line(), at);
    while !client.line().is_empty() {}
    assert!(client.line().starts_with("AT Powell +"));
    assert_eq!(client.line(), "? HELLO");
}

#[test]
fn a_places_service_that_is_not_there_is_told_to_the_client() {
    let mut herd = Herd::new(&TINY);
    herd.places = free_port();
    let _tiny = herd.start_tiny(&PAPERS, None);
    let at = herd.move_to("Alford", "kiwi", "1400794645.392014450");
    let (first, json) = herd.client("Alford").whats_at("kiwi", 10, 1);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&*first, &json["results"], &json["status"]), (&*at, &serde_json::json!([]), &"UNKNOWN_ERROR".into()));
    let message = json["error_message"].as_str().unwrap();
    assert!(message.starts_with(&format!("cannot connect to 127.0.0.1:{}: ", herd.places)), "{message}");
}

/// Everything that a server says to these lines, without the differences between two clocks.
fn replies(port: u16, lines: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    let masked = replies.lines().map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["AT", _, difference, ref rest @ ..] => {
            let plain = difference.trim_start_matches(['+', '-']);
            assert!(plain.split_once('.').is_some_and(|(_, nanos)| nanos.len() == 9), "{line}");
            format!("AT {} {}\n", &difference[..1], rest.join(" "))
        }
        _ => format!("{line}\n"),
    });
    masked.collect()
}

#[test]
fn a_tiny_server_answers_as_a_real_one_does() {
    let mut herd = Herd::new(&[("Alford", &["Zuse"]), ("Zuse", &["Alford"])]);
    let _tiny = herd.start_tiny(&["Alford"], None);
    herd.start_real("Zuse");
    let mut lines = String::from("HELLO  you\n\n   \n\t a b\t\nIAMAT\nPEER\nAT\nWHATSAT\nIAMAT kiwi\nAT x y z\n");
    for place in [
        "+34-118",
        "+.5-.5",
        "+90-180",
        "-90.+180.",
        "+90.1-118",
        "+34-181",
        "34-118",
        "+34",
        "+-118",
        "+34-",
        "+1e1-1",
        "+34-118-1",
    ] {
        lines += &format!("IAMAT place {place} 1\n");
    }
    for time in
        ["0", "+5", "-5", "-0.5", ".5", "5.", ".", "+", "", "1e5", "1.1234567890", "99999999999", "nan", "1 2", "1_0"]
    {
        lines += &format!("IAMAT time +34-118 {time}\n");
    }
    for question in [
        "nobody 1 1",
        "time 51 1",
        "time -1 1",
        "time +1 1",
        "time 1e1 1",
        "time 1 21",
        "time 1 -1",
        "time 1 +1",
        "time 1 2.0",
        "time 1",
        "time 1 1 1",
    ] {
        lines += &format!("WHATSAT {question}\n");
    }
    let (tiny, real) = (replies(herd.ports["Alford"], &lines), replies(herd.ports["Zuse"], &lines));
    assert!(tiny.lines().count() > 30, "is this test blind? {tiny}");
    assert_eq!(tiny, real);
}

/// Two commands at once, the second one newer: neighbors still spread the first when the second overtakes it.
fn say_twice(herd: &Herd) {
    let mut client = herd.client("Alford");
    client.send(&format!("IAMAT kiwi {UCLA} 1400794645\nIAMAT kiwi {UCLA} 1400794646"));
    assert!(client.line().ends_with("645") && client.line().ends_with("646"));
}

/// Waits until the links are up: all servers know what one has heard.
fn wait_for_links(herd: &Herd) {
    for name in herd.ports.keys() {
        herd.wait_until_all_know(&herd.move_to(name, &format!("from-{name}"), "1"));
    }
}

#[test]
fn by_the_papers_rule_two_updates_chase_each_other_for_ever() {
    let herd = Herd::new(&TINY);
    let mut tiny = herd.start_tiny(&PAPERS, Some("--paper"));
    wait_for_links(&herd);
    say_twice(&herd);
    let mut learned = 0;
    while learned < 2000 {
        learned += usize::from(tiny.line().contains(" kiwi "));
    }
}

#[test]
fn by_the_rule_of_the_newest_each_server_learns_an_update_once() {
    let herd = Herd::new(&TINY);
    let mut tiny = herd.start_tiny(&PAPERS, None);
    wait_for_links(&herd);
    say_twice(&herd);
    // What a link carries keeps its order: when all have learned this, nothing of the other two is on its way.
    herd.wait_until_all_know(&herd.move_to("Alford", "last", "1400794647"));
    let (mut learned, mut last) = (Vec::new(), 0);
    while last < PAPERS.len() {
        let line = tiny.line();
        last += usize::from(line.contains(" last "));
        learned.extend(line.contains(" kiwi ").then_some(line));
    }
    assert_eq!(learned.iter().filter(|line| line.contains("1400794646")).count(), PAPERS.len(), "{learned:#?}");
    learned.sort();
    assert!(learned.windows(2).all(|two| two[0] != two[1]), "somebody learned something twice: {learned:#?}");
}
