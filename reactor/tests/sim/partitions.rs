//! Links that are cut: bytes wait, arrive late, or the sender gives up.

use super::*;

/// An echo server and a client connected to it, before a cut.
fn connected() -> (World, Host, Host, Events, Events, LastTransport) {
    let (world, events, answers, line) = (world(1), Events::default(), Events::default(), LastTransport::default());
    let server = server(&world, &events, echoing);
    let keep = line.clone();
    let client = client(&world, &answers, move |noting| keep.of(noting));
    world.run_for(SECOND);
    assert_eq!((events.all(), answers.all()), (vec!["made".to_owned()], vec!["made".to_owned()]));
    (world, server, client, events, answers, line)
}

#[test]
fn bytes_written_into_a_partition_arrive_after_it_heals() {
    let (world, server, client, events, answers, line) = connected();
    world.partition(&[server], &[client]);
    line.write("hello");
    world.run_for(60 * SECOND);
    assert_eq!(events.all(), ["made"]);
    world.heal();
    // Retransmissions come 0.2, 0.6, 1.4 ... 51.0, 102.2 s after the first.
    world.run_for(42 * SECOND);
    assert_eq!(events.all(), ["made"]);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "data hello"]);
    assert_eq!(answers.all(), ["made", "data hello"]);
}

#[test]
fn bytes_in_flight_when_a_link_is_cut_are_retransmitted() {
    let (world, server, client, events, _, line) = connected();
    line.write("hello");
    world.run_for(5 * MS);
    world.cut(&client, &server);
    world.run_for(100 * MS);
    world.mend(&client, &server);
    assert_eq!(events.all(), ["made"]);
    world.run_for(120 * MS);
    assert_eq!(events.all(), ["made", "data hello"]);
}

#[test]
fn a_cut_in_one_direction_leaves_the_other() {
    let (world, server, client, events, answers, line) = connected();
    world.cut(&server, &client);
    line.write("hello");
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "data hello"], "it gets there");
    assert_eq!(answers.all(), ["made"], "the echo does not come back");
    world.mend(&server, &client);
    world.run_for(2 * SECOND);
    assert_eq!(answers.all(), ["made", "data hello"]);
}

#[test]
fn bytes_whose_acknowledgement_is_lost_are_delivered_once() {
    let (world, server, client, events, _, line) = connected();
    world.cut(&server, &client);
    for word in ["one ", "two ", "three"] {
        line.write(word);
        world.run_for(7 * SECOND);
    }
    world.heal();
    world.run_for(60 * SECOND);
    assert_eq!(events.all(), ["made", "data one two three"]);
}

#[test]
fn a_sender_gives_up_after_a_quarter_of_an_hour() {
    let (world, server, client, events, answers, line) = connected();
    world.partition(std::slice::from_ref(&server), &[client]);
    line.write("hello");
    world.run_for(924 * SECOND);
    assert_eq!(answers.all(), ["made"]);
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
    world.heal();
    world.run_for(10_000 * SECOND);
    assert_eq!(events.all(), ["made"], "the other end never hears of it, and stays half open");
    assert_eq!(server.descriptor_count(), 7);
}

#[test]
fn an_idle_connection_outlives_a_partition() {
    let (world, server, client, events, answers, line) = connected();
    world.partition(&[server], &[client]);
    world.run_for(100_000 * SECOND);
    world.heal();
    line.write("hello");
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "data hello"]);
    assert_eq!(answers.all(), ["made", "data hello"]);
}

#[test]
fn a_connection_requested_during_a_partition_is_made_after_it() {
    let (world, answers) = (world(1), Events::default());
    let server = server(&world, &Events::default(), plain);
    let client = client(&world, &answers, plain);
    world.partition(&[server], &[client]);
    world.run_for(6 * SECOND);
    world.heal();
    assert!(answers.all().is_empty());
    world.run_for(2 * SECOND);
    assert_eq!(answers.all(), ["made"], "the request sent after seven seconds");
}

#[test]
fn a_close_during_a_partition_arrives_after_it() {
    let (world, server, client, events, answers, line) = connected();
    world.partition(&[server], &[client]);
    line.write("last words");
    line.transport().lose_connection();
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "lost Done", "client lost"], "its kernel does the rest");
    world.heal();
    world.run_for(2 * SECOND);
    assert_eq!(events.all(), ["made", "data last words", "end", "lost Done"]);
    world.run_for(SECOND);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn a_partition_does_not_affect_other_hosts() {
    let (world, server, client, ..) = connected();
    let answers = Events::default();
    world.partition(&[server], &[client]);
    let noted = answers.clone();
    world.host("third", move |reactor| {
        let noted = noted.clone();
        reactor.connect_tcp(("server", PORT), move |_| saying("hello")(Noting::new(&noted)));
    });
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "data hello"]);
}
