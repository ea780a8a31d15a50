//! The wire: what its picture must show.

#[path = "util/peers.rs"]
mod peers;
#[path = "util/two.rs"]
mod two;
#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::views::page::page;
use lens::views::wire::{Carried, MAX_ROWS, Row, What, Wire};
use peers::{add_talker, echo_world};
use reactor::{Protocol, Transport};
use std::time::Duration;
use two::{fits, world};
use util::{Lines, model};

#[test]
fn the_wire_shows_where_the_network_cut_the_bytes() {
    let model = world();
    let wire = Wire::of_world(&model, &[]);
    assert_eq!(wire.lanes, ["server", "client"]);
    let there: Vec<_> = wire
        .rows
        .iter()
        .filter(|row| matches!(row.what, What::Arrow { from: 1, to: 0, carried: Carried::Bytes, .. }))
        .collect();
    let pieces: Vec<_> = there.iter().filter(|row| row.label.contains("4000")).collect();
    assert!(pieces.len() >= 3, "4000 bytes in segments of 1460: {:?}", wire.rows);
    assert_eq!(pieces[0].range, Some((0, 1460)));
    assert!(pieces[0].label.starts_with("first 1460 of 4000"), "{}", pieces[0].label);
    assert_eq!(pieces.last().unwrap().range.map(|(_, to)| to), Some(4000));
    assert!(pieces.last().unwrap().label.contains("last"), "{}", pieces.last().unwrap().label);
    assert!(wire.rows.iter().any(|row| matches!(row.what, What::Callback(0)) && row.label == "Echo.data_received"));
    fits(&wire.to_text());
    assert!(wire.to_svg().contains("<title>"), "how long an arrow was under way");
}

#[test]
fn a_read_of_several_pieces_has_a_row_of_its_own_between_them_and_its_callback() {
    let wire = Wire::of_world(&world(), &[]);
    let read = wire.rows.iter().position(|row| row.label == "reads 4000: 3 pieces").expect("a read");
    let [.., last] = &wire.rows[..read] else { panic!("nothing before the read") };
    assert!(matches!(last.what, What::Arrow { to: 0, .. }) && last.label.starts_with("last "), "{last:?}");
    let callback = &wire.rows[read + 1];
    assert!(callback.what == What::Callback(0) && callback.label == "Echo.data_received", "{callback:?}");
    let [alone] = &wire.rows.iter().filter(|row| row.is_read).collect::<Vec<_>>()[..] else { panic!("{wire:?}") };
    assert!(alone.label.starts_with("first 1460 of 4000"), "on its way back the first piece comes alone: {alone:?}");
    for words in ["reads 4000: 3 pieces", "reads 2540: 2 pieces"] {
        assert!(wire.to_text().contains(words) && wire.to_svg().contains(words), "{}", wire.to_text());
    }
}

/// The wire of a world in which `a` writes ten bytes, and these things happen at `b`: the time, `get` or `read`, and the
/// number of bytes.
fn reads_of(happened: &[(u64, &str, u64)]) -> Wire {
    let event = |seq: usize, ns: u64, (at, other): (&str, &str), what: &str, count: u64, words: &str| {
        let who = format!("\"host\":\"{at}\",\"at\":\"{at}\",\"other\":\"{other}\"");
        format!(
            "{{\"seq\":{seq},\"ns\":{ns},\"kind\":\"network\",{who},\"what\":\"{what}\",\"link\":0,\"count\":{count},\
             \"words\":\"{words}\"}}\n"
        )
    };
    let mut text = event(0, 0, ("a", "b"), "write", 10, r#"#0 writes 10 to b: \"0123456789\""#);
    for (index, (ns, what, count)) in happened.iter().enumerate() {
        text.push_str(&event(index + 1, *ns, ("b", "a"), what, *count, ""));
    }
    Wire::of_world(&model(&text), &[])
}

#[test]
fn a_read_of_just_what_an_arrow_has_brought_is_written_at_its_head() {
    let wire = reads_of(&[(5, "get", 10), (5, "read", 10)]);
    let [row] = &wire.rows[..] else { panic!("{:?}", wire.rows) };
    assert!(row.is_read && matches!(row.what, What::Arrow { from: 0, to: 1, .. }), "{row:?}");
    assert!(wire.to_text().lines().any(|line| line.ends_with(">│ read")), "{}", wire.to_text());
    let svg = wire.to_svg();
    assert!(svg.contains(">read</text>") && svg.contains("“read” at an arrow"), "{svg}");
    let crowd = Wire { lanes: (0..9).map(|lane| lane.to_string()).collect(), ..wire.clone() };
    assert!(crowd.to_text().contains("0 ─> 1: #0 “0123456789”, read"), "{}", crowd.to_text());
    assert!(!wire.clone().only_arrows().rows[0].is_read);
}

#[test]
fn a_read_of_a_part_or_at_another_time_says_how_much_it_took() {
    let labels = |happened: &[(u64, &str, u64)]| {
        let wire = reads_of(happened);
        let reads = wire.rows.iter().filter(|row| matches!(row.what, What::Mark(1)));
        (reads.map(|row| row.label.clone()).collect::<Vec<_>>(), wire.rows.iter().any(|row| row.is_read))
    };
    assert_eq!(labels(&[(5, "get", 10), (7, "read", 10)]), (vec!["reads 10".to_owned()], false));
    let part = labels(&[(5, "get", 6), (5, "get", 4), (5, "read", 7), (5, "read", 3)]);
    assert_eq!(part, (vec!["reads 7 of 10".to_owned(), "reads 3".to_owned()], false));
    let begun_before_the_trace = labels(&[(5, "read", 99)]);
    assert_eq!(begun_before_the_trace.0, ["reads 99"]);
}

#[test]
fn a_wire_of_a_crowd_says_in_each_row_where_it_is() {
    let lines = Lines::default();
    let (world, _server, address) = echo_world(lines.stream(), None);
    for number in 1..=8 {
        add_talker(&world, &format!("client-{number}"), &address);
    }
    world.run_for(Duration::from_secs(1));
    drop(world);
    let text = Wire::of_world(&lines.model(), &[]).to_text();
    let first = text.lines().find(|line| line.contains("client-7 ─> server: #")).expect("an arrow");
    assert!(first.contains("connects") && first.find("client") == Some(12), "{first}");
    assert!(text.contains("server: [Echo.data_received]") && text.contains("server ─> client-7: #"), "{text}");
    fits(&text);
}

#[test]
fn a_wire_says_what_ends_below_its_last_row() {
    let model = world();
    let whole = Wire::of_world(&model, &[]);
    assert!(whole.to_text().ends_with("\nThe trace ends here.\n"), "{}", whole.to_text());
    let seq = |row: usize| model.events[whole.rows[row].at].seq;
    let part = whole.clone().between(seq(1), seq(whole.rows.len() - 3));
    assert_eq!(part.rows[..], whole.rows[1..whole.rows.len() - 2]);
    assert!(part.to_text().ends_with("\n2 more rows in this trace.\n"), "{}", part.to_text());
    assert!(part.to_svg().contains("2 more rows in this trace."));
    let many = Wire { rows: whole.rows.iter().cycle().take(MAX_ROWS + 7).cloned().collect(), ..whole.clone() };
    let (next, last) = (many.rows[MAX_ROWS].seq, many.rows[MAX_ROWS + 6].seq);
    let end = format!("\n7 more rows in this trace; --events {next}..{last} shows the next.\n");
    assert!(many.to_text().ends_with(&end), "{end}: {}", many.to_text());
}

#[test]
fn each_end_of_a_connection_of_a_world_is_an_arrow_from_when_it_left() {
    let lines = Lines::default();
    let (world, _server, address) = echo_world(lines.stream(), None);
    for (name, way) in
        [("leaver", Transport::lose_connection as fn(&Transport)), ("breaker", Transport::abort_connection)]
    {
        let address = address.clone();
        world.host(name, move |reactor| {
            reactor.connect_tcp(&*address, move |_peer| Ends(way));
        });
    }
    world.run_for(Duration::from_secs(5));
    drop(world);
    let wire = Wire::of_world(&lines.model(), &[]);
    let ends: Vec<_> =
        wire.rows.iter().filter(|row| matches!(row.what, What::Arrow { carried: Carried::End, .. })).collect();
    for (from, end) in [(1, "FIN"), (2, "RST")] {
        let of_it = |row: &&&Row| matches!(row.what, What::Arrow { from: at, to: 0, .. } if at == from);
        let [row] = ends.iter().filter(of_it).collect::<Vec<_>>()[..] else { panic!("{ends:#?}") };
        assert!(row.label.starts_with(end), "{row:?}");
        assert!(matches!(row.what, What::Arrow { sent, .. } if sent < row.ns), "when it left: {row:?}");
        assert!(wire.to_text().contains(end) && wire.to_svg().contains(&format!(">{end}: ")), "{}", wire.to_text());
    }
    assert!(wire.to_text().contains("╌>") || wire.to_text().contains("<╌"), "{}", wire.to_text());
    assert!(page(&lines.model(), "ends", |_| None).contains("\"RST: "), "the script draws it");
}

#[test]
fn bytes_that_are_lost_are_an_arrow_that_ends_in_a_cross_and_those_sent_again_another_one() {
    let network = |(seq, at, what, ns): (usize, &str, &str, u64)| {
        let other = if at == "one" { "two" } else { "one" };
        let about = format!(r#""kind":"network","at":"{at}","other":"{other}","host":"{at}","what":"{what}""#);
        let words = format!("#1 {what} 5: \\\"hello\\\"");
        format!("{{\"seq\":{seq},\"ns\":{ns},\"link\":1,\"count\":5,{about},\"words\":\"{words}\"}}\n")
    };
    let lines = [
        (0, "two", "start", 0),
        (1, "one", "write", 1),
        (2, "one", "lose", 3),
        (3, "one", "retransmit", 9),
        (4, "two", "get", 11),
    ];
    let model = model(&lines.into_iter().map(network).collect::<String>());
    let wire = Wire::of_world(&model, &["one", "two"]);
    let arrow = |row: &&Row| matches!(row.what, What::Arrow { .. });
    let [lost, got] = wire.rows.iter().filter(arrow).collect::<Vec<_>>()[..] else { panic!("{:#?}", wire.rows) };
    assert_eq!(lost.what, What::Arrow { from: 0, to: 1, sent: 1, carried: Carried::Lost });
    assert_eq!((lost.label.as_str(), got.label.as_str()), ("lost: 5 bytes", "“hello”"));
    assert!(wire.to_text().contains("─×"), "{}", wire.to_text());
}

/// Ends its connection at once.
struct Ends(fn(&Transport));

impl Protocol for Ends {
    fn connection_made(&mut self, transport: &Transport) {
        (self.0)(transport);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

#[test]
fn each_end_of_a_real_connection_is_an_arrow() {
    let connected = r#""ns":1,"kind":"connected","socket":3,"peer":"1.2.3.4:5","protocol":"Echo","place":"a.rs:1:1""#;
    let call = |name: &str| format!(r#""ns":2,"kind":"call","call":"{name}","socket":3"#);
    let labels = |calls: &[&str]| {
        let lines = [connected.to_owned()].into_iter().chain(calls.iter().map(|name| call(name)));
        let text: String = lines.enumerate().map(|(seq, line)| format!("{{\"seq\":{seq},{line}}}\n")).collect();
        let model = model(&text);
        let wire = Wire::of_socket(&model, model.sockets.get_at("", 3, 0).unwrap());
        let ends = wire
            .rows
            .into_iter()
            .filter(|row| matches!(row.what, What::Arrow { from: 1, to: 0, carried: Carried::End, .. }));
        ends.map(|row| row.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(&["close"]), ["FIN: we close the connection"]);
    assert_eq!(labels(&["shutdown", "close"]), ["FIN: we have ended our side"]);
    assert_eq!(labels(&["reset_on_close", "close"]), ["RST: we end the connection"]);
}

#[test]
fn the_wire_of_a_connection_has_the_reads_and_their_callbacks() {
    let model = world();
    let socket =
        model.sockets.sockets.iter().find(|socket| socket.host == "server" && socket.connected.is_some()).unwrap();
    assert_eq!((socket.read, socket.sent), (4000, 4000));
    let wire = Wire::of_socket(&model, socket);
    let reads = wire.rows.iter().filter(|row| row.label.starts_with("read ")).count();
    let callbacks = wire.rows.iter().filter(|row| row.label.contains("data_received")).count();
    assert!(reads >= 1 && callbacks >= 1, "{:?}", wire.rows);
    fits(&wire.to_text());
}
