//! Connections that break: which end learns of it, when, and by which reason.

use super::*;

fn pair(
    world: &World,
    server_does: impl Fn(Noting) -> Noting + Clone + 'static,
) -> (Host, Host, Events, Events, LastTransport) {
    let (events, answers, line) = (Events::default(), Events::default(), LastTransport::default());
    let server = server(world, &events, server_does);
    let keep = line.clone();
    let client = client(world, &answers, move |noting| keep.of(noting));
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made"]);
    (server, client, events, answers, line)
}

#[test]
fn an_abort_reaches_the_other_end_as_a_reset() {
    let world = world(1);
    let (.., events, answers, line) = pair(&world, plain);
    line.transport().abort_connection();
    world.run_for(10 * MS);
    assert_eq!(answers.all(), ["made", "lost Aborted", "client lost"]);
    assert_eq!(events.all(), ["made", "lost Lost"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn bytes_that_arrived_before_a_reset_can_still_be_read() {
    let world = world(1);
    let (server, _, events, _, line) = pair(&world, plain);
    server.pause();
    line.write("hello");
    world.run_for(20 * MS);
    line.transport().abort_connection();
    world.run_for(20 * MS);
    server.resume();
    world.run_for(MS);
    assert_eq!(events.all(), ["made", "data hello", "lost Lost"]);
}

#[test]
fn a_close_with_unread_bytes_sends_a_reset() {
    let world = world(1);
    let (server, _, _, answers, line) =
        pair(&world, |noting| Noting { made: Box::new(|transport| transport.pause_producing()), ..noting });
    line.write("never read");
    world.run_for(20 * MS);
    server.kill(); // Its system closes the socket. The loop itself would let it linger.
    world.run_for(20 * MS);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn bytes_for_a_closed_end_are_answered_with_a_reset() {
    let world = world(1);
    let (.., events, answers, line) =
        pair(&world, |noting| Noting { end: Box::new(|transport| transport.write(b"too late")), ..noting });
    line.transport().lose_connection();
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "lost Done", "client lost"]);
    assert_eq!(events.all(), ["made", "end", "lost Lost"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn the_network_can_reset_the_connections_between_two_hosts() {
    let world = world(1);
    let (server, client, events, answers, _) = pair(&world, plain);
    world.reset_connections(&client, &server);
    world.run_for(Duration::ZERO);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
    assert_eq!(events.all(), ["made", "lost Lost"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn a_lost_reset_leaves_a_connection_half_open_until_that_end_writes() {
    let world = world(1);
    let line = LastTransport::default();
    let keep = line.clone();
    let (server, client, events, answers, other) = pair(&world, move |noting| keep.of(noting));
    world.cut(&client, &server);
    other.transport().abort_connection();
    world.run_for(100 * SECOND);
    assert_eq!(answers.all().len(), 3);
    assert_eq!(events.all(), ["made"]);
    world.heal();
    world.run_for(100 * SECOND);
    assert_eq!(events.all(), ["made"], "nothing has told it");
    line.write("anybody there?");
    world.run_for(20 * MS);
    assert_eq!(events.all(), ["made", "lost Lost"]);
}

#[test]
fn a_reset_in_flight_when_the_link_is_cut_is_lost() {
    let world = world(1);
    let (server, client, events, answers, line) = pair(&world, plain);
    line.transport().abort_connection();
    world.run_for(5 * MS);
    world.cut(&client, &server);
    world.run_for(100 * SECOND);
    assert_eq!((answers.all().len(), events.all()), (3, vec!["made".to_owned()]));
}

#[test]
fn a_retransmission_to_a_restarted_machine_is_answered_with_a_reset() {
    let world = world(1);
    let (server, client, _, answers, line) = pair(&world, plain);
    world.cut(&server, &client);
    line.write("hello");
    world.run_for(100 * MS);
    server.crash();
    server.restart();
    world.heal();
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
}

#[test]
fn an_acknowledgement_to_a_restarted_machine_is_answered_with_a_reset() {
    let (world, theirs) = (world(1), LastTransport::default());
    let keep = theirs.clone();
    let (server, .., answers, _) = pair(&world, move |noting| keep.of(noting));
    theirs.write("hello");
    world.run_for(5 * MS);
    server.crash();
    server.restart();
    world.run_for(100 * MS);
    assert_eq!(answers.all(), ["made", "data hello", "lost Lost", "client lost"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn a_client_whose_server_restarts_during_the_handshake_gets_a_reset() {
    let (world, answers) = (world(1), Events::default());
    let server = server(&world, &Events::default(), plain);
    client(&world, &answers, plain);
    world.run_for(20 * MS); // The answer has been in flight for 5 ms.
    server.crash();
    server.restart();
    world.run_for(100 * MS);
    assert_eq!(answers.all(), ["made", "lost Lost", "client lost"]);
    assert_eq!(world.connection_count(), 0);
}
