//! The trace: the lines that a reader sees, and what the hash covers.

use super::*;
use reactor::sim::Resolution;
use std::io::{self, ErrorKind, Write};
use std::time::SystemTime;

fn story(world: &World) {
    let server = world.host("server", echo);
    client(world, &Events::default(), |noting| Noting {
        data: Box::new(|transport, _| transport.lose_connection()),
        ..saying("hello")(noting)
    });
    world.note("the story begins");
    world.run_for(SECOND);
    server.note("I go");
    server.crash();
}

#[test]
fn a_trace_shows_which_host_did_what_and_when() {
    let world = world(1);
    world.keep_trace(1000);
    story(&world);
    let expected = "
     0.000000000 --         a world with seed 1
     0.000000000 --         links: 10ms, segments of 1460
     0.000000000 --         each host to itself: 10µs to 30µs, segments of 65536
     0.000000000 --         look-ups take 5ms, jobs 0ns
     0.000000000 --         the time of day is 1704067200.000000000 s after 1970
     0.000000000 --         the name \"server\" means 10.0.0.1
     0.000000000 server     starts: its clock says 1704067200.000000000 s after 1970
     0.000000000 server     listens on port 8007
     0.000000000 --         the name \"client\" means 10.0.0.2
     0.000000000 client     starts: its clock says 1704067200.000000000 s after 1970
     0.000000000 --         the story begins
     0.000000000 client     looks a name up: \"server\"
     0.005000000 client     gets an answer about a name: \"server\" means 10.0.0.1
     0.005000000 client     #0 asks server for a connection to port 8007
     0.015000000 server     #0 has client waiting on port 8007
     0.015000000 server     #0 accepts client
     0.025000000 client     #0 is connected to server
     0.025000000 client     #0 writes 5 to server: \"hello\"
     0.035000000 server     #0 gets 5 from client
     0.035000000 server     #0 reads 5
     0.035000000 server     #0 writes 5 to client: \"hello\"
     0.045000000 client     #0 gets 5 from server
     0.045000000 client     #0 reads 5
     0.045000000 client     #0 closes
     0.055000000 server     #0 gets the end from client
     0.055000000 server     #0 closes
     0.065000000 client     #0 gets the end from server
     1.000000000 server     I go
     1.000000000 server     crashes
     1.000000000 server     closes port 8007";
    let told: String = world.trace().iter().map(|line| format!("\n{line}")).collect();
    assert_eq!(told, expected);
}

#[test]
fn only_the_last_lines_are_kept_and_none_unless_asked() {
    let silent = world(1);
    story(&silent);
    assert!(silent.trace().is_empty());
    let short = world(1);
    short.keep_trace(3);
    story(&short);
    assert_eq!(short.trace().len(), 3);
    assert!(short.trace()[1].ends_with("crashes"));
    assert_eq!(short.trace_hash(), silent.trace_hash());
}

/// A file in memory.
#[derive(Clone, Default)]
struct Paper(Rc<RefCell<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_also_goes_to_the_sink() {
    let (world, paper) = (world(1), Paper::default());
    world.keep_trace(1000);
    world.write_trace_to(paper.clone());
    story(&world);
    let written = String::from_utf8(paper.0.take()).unwrap();
    assert_eq!(written.lines().collect::<Vec<_>>(), world.trace());
}

#[test]
fn the_end_of_a_world_is_not_in_its_trace() {
    let (world, paper) = (world(1), Paper::default());
    world.write_trace_to(paper.clone());
    server(&world, &Events::default(), plain);
    client(&world, &Events::default(), saying("hello"));
    world.run_for(SECOND);
    assert!(world.connection_count() > 0);
    world.note("that is all");
    drop(world);
    let written = String::from_utf8(paper.0.take()).unwrap();
    assert_eq!(written.lines().last(), Some("     1.000000000 --         that is all"));
    assert_eq!(Rc::strong_count(&paper.0), 1, "the world has let go of the file");
}

#[test]
fn a_trace_asked_for_late_begins_at_that_moment() {
    let world = world(1);
    world.host("early", |_| {});
    let paper = Paper::default();
    world.write_trace_to(paper.clone());
    world.keep_trace(10);
    assert!(world.trace().is_empty() && paper.0.borrow().is_empty());
    world.note("now");
    assert_eq!(world.trace().len(), 1);
}

#[test]
fn a_trace_shows_a_hosts_clock_at_its_start_and_when_it_is_set() {
    let world = world(1);
    world.keep_trace(1000);
    let mut settings = HostSettings::default();
    settings.clock = Some(SystemTime::UNIX_EPOCH + 7 * SECOND);
    let host = world.host_with("slow", settings, |_| {});
    world.run_for(SECOND);
    host.restart();
    host.set_clock(SystemTime::UNIX_EPOCH + 5 * MS);
    let trace = world.trace();
    let told: Vec<&str> = trace.iter().filter_map(|line| Some(line.split_once(" clock")?.1)).collect();
    assert_eq!(
        told,
        [" says 7.000000000 s after 1970", " says 8.000000000 s after 1970", ": it says 0.005000000 s after 1970"]
    );
}

#[test]
fn a_note_with_a_line_break_stays_one_line() {
    let world = world(1);
    world.keep_trace(1);
    world.note("one\nother");
    assert_eq!(world.trace(), [r"     0.000000000 --         one\nother"]);
}

/// A world in which a client has written `text` through a send buffer of `buffer` bytes.
fn spoken(text: &'static str, buffer: usize, trace: usize) -> World {
    let world = world(1);
    world.keep_trace(trace);
    server(&world, &Events::default(), plain);
    let mut settings = HostSettings::default();
    settings.send_buffer = buffer;
    client_with(&world, settings, &Events::default(), saying(text));
    world.run_for(10 * SECOND);
    world
}

/// The lines about writes, each from the number of bytes on.
fn writes(world: &World) -> Vec<String> {
    let trace = world.trace();
    let said = trace.iter().filter_map(|line| line.split_once(" writes ")).map(|(_, said)| said.to_owned());
    said.collect()
}

#[test]
fn a_trace_shows_the_first_bytes_of_a_write_but_none_that_look_like_tls() {
    const LONG: &str = match std::str::from_utf8(&[b'x'; 300]) {
        Ok(text) => text,
        Err(_) => "",
    };
    let shown = |text, buffer| writes(&spoken(text, buffer, 1000));
    assert_eq!(shown("a\"b\r\n\u{1b}[2J\u{e9}", 100), [r#"11 to server: "a\"b\r\n\x1b[2J\xc3\xa9""#]);
    assert_eq!(shown(&LONG[..100], 1000), [format!("100 to server: \"{}\"", &LONG[..100])]);
    assert_eq!(shown(LONG, 1000), [format!("300 to server: \"{}\" ...", &LONG[..100])]);
    assert_eq!(shown("abc", 2), [r#"2 to server: "ab""#, r#"1 to server: "c""#]);
    assert_eq!(shown("\u{16}\u{3}\u{1}secret", 100), ["9 to server"]);
    assert_eq!(shown("\u{16}\u{3}\u{1}", 1), [r#"1 to server: "\x16""#, "1 to server", "1 to server"]);
    assert_eq!(shown("\u{16}\u{4}", 1), [r#"1 to server: "\x16""#, r#"1 to server: "\x04""#]);
    assert_eq!(
        spoken(LONG, 100, 1000).trace_hash(),
        spoken(LONG, 100, 0).trace_hash(),
        "keeping lines does not change the hash"
    );
}

#[test]
fn a_trace_shows_how_names_resolve() {
    let world = world(1);
    world.keep_trace(1000);
    world.set_name("two", Resolution::Addresses(vec!["10.0.0.8".parse().unwrap(), "fe80::1".parse().unwrap()]));
    world.set_name("bad", Resolution::Fails(ErrorKind::TimedOut));
    world.set_name("mute\n", Resolution::Silent);
    world.host("client", |reactor| {
        for name in ["two", "bad", "mute\n", "none"] {
            reactor.connect_tcp((name, PORT), |_| Echo);
        }
    });
    world.run_for(MS * 5);
    let told = |what: &str| -> Vec<String> {
        let trace = world.trace();
        trace.iter().filter_map(|line| line.split_once(what)).map(|(_, told)| told.to_owned()).collect()
    };
    let meanings = [r#""two" means 10.0.0.8, fe80::1"#, r#""bad" means TimedOut"#, r#""mute\n" means silence"#];
    assert_eq!(told("--         the name ")[..3], meanings);
    assert_eq!(told("looks a name up: "), [r#""two""#, r#""bad""#, r#""mute\n""#, r#""none""#]);
    assert_eq!(told("gets an answer about a name: "), [meanings[0], meanings[1], r#""none" means NotFound"#]);
}

#[test]
fn a_trace_shows_the_new_settings_of_a_link() {
    let world = world(1);
    world.keep_trace(1000);
    let (one, other) = (world.host("one", |_| {}), world.host("other", |_| {}));
    world.keep_trace(0);
    world.keep_trace(1000);
    world.set_link(&one, &other, LinkSettings::new(Latency::Fixed(MS)));
    world.set_link(
        &other,
        &one,
        LinkSettings::new(Latency::Uniform(MS, SECOND)).bandwidth(7).max_segment(576).split(30).loss(20),
    );
    world.set_links(LinkSettings::new(Latency::Exponential { least: MS, mean: 2 * MS }));
    world.set_links(LinkSettings::new(Latency::LogNormal { median: MS * 3 / 2, sigma: 50 }));
    let expected = [
        "one        has another link to other: 1ms, segments of 1460",
        "other      has another link to one: 1ms to 1s, 7 bytes a second, segments of 576, cuts 30, loss 20",
        "--         all other links: 1ms and 2ms more on average, segments of 1460",
        "--         all other links: about 1.5ms (sigma 50), segments of 1460",
    ];
    assert_eq!(world.trace(), expected.map(|line| format!("     0.000000000 {line}")));
}

#[test]
fn the_hash_covers_notes_and_bytes() {
    let hash = |text: &'static str, note: &str| {
        let hashes = [1, 2, 1000].map(|buffer| {
            let world = spoken(text, buffer, 0);
            world.note(note);
            world.trace_hash()
        });
        hashes.to_vec()
    };
    let differ = |one: Vec<u64>, other: Vec<u64>| one.iter().zip(&other).all(|(one, other)| one != other);
    assert_eq!(hash("one", "a"), hash("one", "a"));
    assert!(differ(hash("one", "a"), hash("two", "a")));
    assert!(differ(hash("one", "a"), hash("one", "b")));
    // Of a stream that begins like TLS only the length counts, however small the pieces are in which it is written.
    assert_eq!(hash("\u{16}\u{3}\u{1}one", "a"), hash("\u{16}\u{3}\u{1}two", "a"));
    assert!(differ(hash("\u{16}\u{3}\u{1}one", "a"), hash("\u{16}\u{3}\u{1}three", "a")));
    // The first byte alone does not make it TLS.
    assert!(differ(hash("\u{16}\u{1}one", "a"), hash("\u{16}\u{1}two", "a")));
    assert!(differ(hash("\u{16}", "a"), hash("\u{15}", "a")));
}

#[test]
fn the_hash_covers_settings_of_links_and_names_as_soon_as_they_are_made() {
    let hash = |set: &dyn Fn(&World, &Host, &Host)| {
        let world = world(1);
        let (one, other) = (world.host("one", |_| {}), world.host("other", |_| {}));
        set(&world, &one, &other);
        world.trace_hash()
    };
    let (slow, fast) =
        (LinkSettings::new(Latency::Fixed(MS)), LinkSettings::new(Latency::Fixed(Duration::from_nanos(999_999))));
    let hashes = [
        hash(&|_, _, _| {}),
        hash(&|world, _, _| world.set_links(slow)),
        hash(&|world, _, _| world.set_links(fast)),
        hash(&|world, _, _| world.set_links(slow.split(1))),
        hash(&|world, _, _| world.set_links(slow.loss(1))),
        hash(&|world, one, other| world.set_link(one, other, slow)),
        hash(&|world, one, other| world.set_link(one, other, fast)),
        hash(&|world, one, _| world.set_name("a", Resolution::Addresses(vec![one.address()]))),
        hash(&|world, _, other| world.set_name("a", Resolution::Addresses(vec![other.address()]))),
        hash(&|world, _, _| world.set_name("a", Resolution::Silent)),
        hash(&|world, _, _| world.set_name("b", Resolution::Silent)),
        hash(&|world, _, _| world.set_name("a", Resolution::Fails(ErrorKind::TimedOut))),
        hash(&|world, _, _| world.set_name("a", Resolution::Fails(ErrorKind::NotFound))),
    ];
    for (at, one) in hashes.iter().enumerate() {
        assert!(!hashes[..at].contains(one), "number {at} is the same as an earlier one");
    }
    assert_eq!(hashes[1], hash(&|world, _, _| world.set_links(slow)));
}
