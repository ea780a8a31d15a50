//! What happened, to be read.

use super::*;
use std::io::{self, Write};

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
fn a_trace_tells_who_did_what_and_when() {
    let world = world(1);
    world.keep_trace(1000);
    story(&world);
    let expected = "
     0.000000000 server     starts
     0.000000000 server     listens on port 8007
     0.000000000 client     starts
     0.000000000 --         the story begins
     0.000000000 client     looks a name up
     0.005000000 client     gets an answer about a name
     0.005000000 client     #0 asks server for a connection to port 8007
     0.015000000 server     #0 has client waiting on port 8007
     0.015000000 server     #0 accepts client
     0.025000000 client     #0 is connected to server
     0.025000000 client     #0 writes 5 to server
     0.035000000 server     #0 gets 5 from client
     0.035000000 server     #0 reads 5
     0.035000000 server     #0 writes 5 to client
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

/// A file of the test's own.
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
fn every_line_goes_to_a_file_if_there_is_one() {
    let (world, paper) = (world(1), Paper::default());
    world.keep_trace(1000);
    world.write_trace_to(paper.clone());
    story(&world);
    let written = String::from_utf8(paper.0.take()).unwrap();
    assert_eq!(written.lines().collect::<Vec<_>>(), world.trace());
}

#[test]
fn the_hash_covers_what_is_said_and_what_is_sent() {
    let hash = |text: &'static str, note: &str| {
        let world = world(1);
        server(&world, &Events::default(), plain);
        client(&world, &Events::default(), saying(text));
        world.run_for(SECOND);
        world.note(note);
        world.trace_hash()
    };
    assert_eq!(hash("one", "a"), hash("one", "a"));
    assert_ne!(hash("one", "a"), hash("two", "a"));
    assert_ne!(hash("one", "a"), hash("one", "b"));
    // Of what begins like TLS only the length counts.
    assert_eq!(hash("\u{16}\u{3}\u{1}one", "a"), hash("\u{16}\u{3}\u{1}two", "a"));
    assert_ne!(hash("\u{16}\u{3}\u{1}one", "a"), hash("\u{16}\u{3}\u{1}three", "a"));
}
