use super::*;

fn offer(locations: &mut Locations, line: &str) -> Verdict {
    let Ok(Command::At(at)) = message::parse(line.as_bytes()) else { panic!("{line}") };
    locations.offer(&at, None)
}

fn is_newer(locations: &mut Locations, line: &str) -> bool {
    matches!(offer(locations, line), Verdict::Newer(_))
}

#[test]
fn only_a_newer_at_is_taken() {
    let mut locations = Locations::new(1 << 20);
    assert!(is_newer(&mut locations, "AT A +1.000000000 k +1+1 10"));
    assert_eq!(offer(&mut locations, "AT A +1.000000000 k +1+1 10"), Verdict::Same);
    assert_eq!(offer(&mut locations, "AT A +1.000000000 k +2+2 9.999999999"), Verdict::Older(ClientId(0)));
    assert!(is_newer(&mut locations, "AT A +1.000000000 k +2+2 10.000000001"));
    assert_eq!(locations.get(b"k").unwrap().line, b"AT A +1.000000000 k +2+2 10.000000001");
    assert_eq!(locations.len(), 1);
}

#[test]
fn of_two_ats_with_the_same_time_the_greater_server_wins_and_then_the_greater_line() {
    let mut locations = Locations::new(1 << 20);
    for (line, is_newer) in [
        ("AT Bolden +0.500000000 kiwi +1+1 100.5", true),
        ("AT Alford +0.900000000 kiwi +9+9 100.5", false),
        ("AT Parker +0.100000000 kiwi +0+0 100.5", true),
        ("AT Parker +0.000000000 kiwi +9+9 100.5", false),
        ("AT Parker +0.100000000 kiwi +0+1 100.5", true),
        ("AT Bolden +9.900000000 kiwi +9+9 100.500", false),
        ("AT Parker2 +0.000000000 kiwi +0+0 +100.50", true),
        ("AT Zed +9.900000000 kiwi +9+9 100.499999999", false),
        ("AT Alford +0.000000000 kiwi +0+0 100.500000001", true),
        ("AT Alford +0.000000000 kiwi +0+0 1400794645.392014451", true),
        ("AT Zed +9.000000000 kiwi +9+9 1400794645.392014450", false),
    ] {
        let verdict = offer(&mut locations, line);
        assert_eq!(matches!(verdict, Verdict::Newer(_)), is_newer, "{line}");
        assert_eq!(verdict == Verdict::Older(ClientId(0)), !is_newer, "{line}");
    }
}

#[test]
fn every_order_of_arrival_ends_with_the_same_at() {
    // At equal times the greater server wins, then the greater line. "Bolden\x01" is the greatest server, though in
    // whole lines its \x01 sorts before the space after "Bolden".
    let lines = [
        "AT Alford +9.000000000 k +1+1 10",
        "AT Bolden +1.000000000 k +1+1 10",
        "AT Bolden +1.000000000 k +1+1 10.000",
        "AT Bolden +2.000000000 k +1+1 10",
        "AT Bolden\x01 +1.000000000 k +1+1 10",
        "AT Alford +1.000000000 k +1+1 9",
    ];
    let mut ends = std::collections::BTreeSet::new();
    for first in 0..lines.len() {
        for step in [1, 5] {
            let mut locations = Locations::new(1 << 20);
            for turn in 0..lines.len() {
                offer(&mut locations, lines[(first + turn * step) % lines.len()]);
            }
            ends.insert(locations.get(b"k").unwrap().line.to_vec());
        }
    }
    assert_eq!(ends.len(), 1);
    assert!(ends.contains(&b"AT Bolden\x01 +1.000000000 k +1+1 10"[..]));
}

#[test]
fn a_full_server_takes_updates_but_no_new_clients_and_no_much_longer_lines() {
    let mut locations = Locations::new(2 * (ENTRY_OVERHEAD + RESERVED_LINE + 1));
    assert!(matches!(offer(&mut locations, "AT A +1.000000000 a +1+1 1"), Verdict::Newer(_)));
    assert!(matches!(offer(&mut locations, "AT A +1.000000000 b +1+1 1"), Verdict::Newer(_)));
    assert_eq!(offer(&mut locations, "AT A +1.000000000 c +1+1 1"), Verdict::NoRoom);
    assert!(matches!(offer(&mut locations, "AT A +1.000000000 a +1+1 2"), Verdict::Newer(_)));
    let long = format!("AT A +1.000000000 a +1.{}+1 3", "0".repeat(RESERVED_LINE));
    assert_eq!(offer(&mut locations, &long), Verdict::NoRoom);
    assert!(matches!(offer(&mut locations, "AT A +1.000000000 a +1+1 3"), Verdict::Newer(_)));
}

#[test]
fn an_entry_counts_with_its_name_and_at_least_the_usual_line() {
    let mut locations = Locations::new(1 << 20);
    offer(&mut locations, "AT A +1.000000000 kiwi +1+1 1");
    assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + RESERVED_LINE);
    let long = format!("AT A +1.000000000 kiwi +1.{}+1 2", "0".repeat(RESERVED_LINE));
    offer(&mut locations, &long);
    assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + long.len());
    offer(&mut locations, "AT A +1.000000000 kiwi +1+1 3");
    assert_eq!(locations.bytes, ENTRY_OVERHEAD + 4 + RESERVED_LINE);
}

#[test]
fn the_limit_is_reached_to_the_byte_and_not_passed() {
    let long = format!("AT A +1.000000000 a +1.{}+1 2", "0".repeat(RESERVED_LINE));
    let needed = ENTRY_OVERHEAD + 1 + long.len();
    for (limit, has_room) in [(needed, true), (needed - 1, false)] {
        let mut locations = Locations::new(limit);
        assert!(matches!(offer(&mut locations, "AT A +1.000000000 a +1+1 1"), Verdict::Newer(_)));
        assert_eq!(offer(&mut locations, &long) != Verdict::NoRoom, has_room);
        let mut locations = Locations::new(limit);
        assert_eq!(offer(&mut locations, &long) != Verdict::NoRoom, has_room);
    }
}

#[test]
fn clients_are_listed_in_the_order_of_their_last_change() {
    let mut locations = Locations::new(1 << 20);
    assert!(locations.is_empty());
    let mut changes = Vec::new();
    let mut expected: Vec<&str> = Vec::new();
    for (number, client) in ["c", "a", "b", "c", "c", "a", "d", "b", "c"].iter().enumerate() {
        let line = format!("AT A +1.000000000 {client} +1+1 {number}");
        let Verdict::Newer(change) = offer(&mut locations, &line) else { panic!("{line}") };
        // What the change says about the place that the client has left.
        let was = expected.iter().position(|known| known == client);
        let next = was.and_then(|was| expected.get(was + 1));
        let found = change.before.as_ref().map(|before| before.next.map(|place| &*locations.of(place.client).client));
        assert_eq!(found, was.map(|_| next.map(|next| next.as_bytes())), "{line}");
        expected.retain(|known| known != client);
        expected.push(client);
        assert!(locations.iter().map(|known| &*known.client).eq(expected.iter().map(|known| known.as_bytes())));
        assert!(change.place.change < locations.change_count());
        changes.push(change.place.change);
    }
    assert!(changes.is_sorted_by(|one, other| one < other), "{changes:?}");
    assert_eq!((locations.len(), locations.is_empty()), (4, false));
    assert_eq!(locations.get(b"c").unwrap().line, b"AT A +1.000000000 c +1+1 8");
    assert!(locations.get(b"e").is_none());
}
