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
    assert_eq!(*locations.get(b"k").unwrap().line, *b"AT A +1.000000000 k +2+2 10.000000001");
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
    assert_eq!(*locations.get(b"c").unwrap().line, *b"AT A +1.000000000 c +1+1 8");
    assert!(locations.get(b"e").is_none());
}

/// What the table has of all its clients, in the order of the last change.
fn all(locations: &Locations) -> String {
    let names: Vec<String> =
        locations.iter().map(|known| String::from_utf8_lossy(&known.client).into_owned()).collect();
    names.join(" ")
}

/// Sweeps the whole table.
fn sweep(locations: &mut Locations, horizon: u32) -> Vec<String> {
    let horizon = Stamp::from(Time::parse(horizon.to_string().as_bytes()).unwrap());
    let mut gone = Vec::new();
    locations.begin_sweep(false);
    while locations.left_to_sweep() > 0 {
        locations.sweep(100, horizon, |forgotten| {
            gone.push(String::from_utf8_lossy(&forgotten.known.client).into_owned());
        });
    }
    gone
}

#[test]
fn what_was_heard_before_the_horizon_is_forgotten_whatever_its_clients_clock_showed() {
    let mut locations = Locations::new(1 << 20);
    for line in [
        "AT A +0.000000000 a +1+1 10",
        "AT A -5.000000000 b +1+1 15",
        "AT A +11.000000000 c +1+1 0",
        "AT A +0.000000000 d +1+1 12",
        "AT A +1.000000000 a +1+1 11",
    ] {
        assert!(is_newer(&mut locations, line));
    }
    assert_eq!(sweep(&mut locations, 10), Vec::<String>::new());
    assert_eq!(sweep(&mut locations, 12), ["b", "c"]);
    assert_eq!((all(&locations), locations.len()), ("d a".to_owned(), 2));
    assert!(locations.get(b"b").is_none() && locations.get(b"a").is_some());
    assert!(is_newer(&mut locations, "AT A +1.000000000 e +1+1 1"));
    assert!(is_newer(&mut locations, "AT A +1.000000000 b +1+1 1"), "it may be older than what was forgotten");
    assert_eq!(all(&locations), "d a e b");
    assert_eq!(sweep(&mut locations, 100).len(), 4);
    assert!(locations.is_empty() && locations.bytes == 0 && locations.first().is_none());
    assert!(is_newer(&mut locations, "AT A +1.000000000 e +1+1 1"));
    assert_eq!(all(&locations), "e");
}

#[test]
fn the_list_of_changes_is_whole_whatever_is_forgotten() {
    for forgotten in 0..32u32 {
        let mut locations = Locations::new(1 << 20);
        let mut expected = Vec::new();
        for client in 0..5 {
            let heard = if forgotten >> client & 1 == 1 { 0 } else { 9 };
            assert!(is_newer(&mut locations, &format!("AT A +{heard}.000000000 c{client} +1+1 0")));
            if heard == 9 {
                expected.push(format!("c{client}"));
            }
        }
        assert_eq!(sweep(&mut locations, 5).len(), 5 - expected.len());
        assert_eq!(all(&locations), expected.join(" "));
        assert!(is_newer(&mut locations, "AT A +9.000000000 new +1+1 0"));
        expected.push("new".to_owned());
        assert_eq!(all(&locations), expected.join(" "), "{forgotten:b}");
    }
}

#[test]
fn a_table_that_is_nearly_full_forgets_the_sixteenth_that_was_heard_first() {
    const CLIENTS: usize = 320;
    let mut locations = Locations::new(CLIENTS * (ENTRY_OVERHEAD + RESERVED_LINE + 4));
    for number in 0..CLIENTS * 15 / 16 {
        assert!(!locations.is_crowded());
        // In an order of their own.
        let heard = number * 7 % (CLIENTS * 15 / 16);
        assert!(is_newer(&mut locations, &format!("AT A +{heard}.000000000 {number:04} +1+1 0")));
    }
    assert!(!locations.is_crowded());
    assert!(is_newer(&mut locations, "AT A +900.000000000 more +1+1 0"));
    assert!(locations.is_crowded());
    let horizon = locations.next_horizon();
    assert!(locations.forget_before(horizon) && !locations.forget_before(horizon));
    assert!(!locations.is_crowded() && locations.is_making_room(), "once is enough");
    let mut gone = Vec::new();
    while locations.is_making_room() {
        locations.sweep(100, horizon, |forgotten| gone.push(forgotten.known.heard));
    }
    assert_eq!(gone.len(), 301 / 16 + 1);
    assert!(gone.iter().all(|heard| *heard < horizon) && locations.iter().all(|known| known.heard >= horizon));
    assert!(!locations.is_crowded());
}

#[test]
fn a_client_that_may_not_come_in_leaves_nothing_behind_and_one_that_is_known_is_not_asked_about() {
    let mut locations = Locations::new(1 << 20);
    let heard = Stamp::FIRST;
    let time = |text: &str| Time::parse(text.as_bytes()).unwrap();
    let version = Version { client: b"k", time: time("1"), heard, line: b"AT A +1.000000000 k +1+1 1" };
    assert_eq!(locations.offer_version(&version, None, || Err(Verdict::BeyondShare)), Verdict::BeyondShare);
    assert_eq!((locations.len(), locations.bytes), (0, 0));
    assert!(matches!(locations.offer_version(&version, None, || Ok(())), Verdict::Newer(_)));
    let version = Version { time: time("2"), ..version };
    let verdict = locations.offer_version(&version, None, || panic!("it is known"));
    assert!(matches!(verdict, Verdict::Newer(_)));
}

#[test]
fn the_newest_are_the_last_to_have_changed() {
    let mut locations = Locations::new(1 << 20);
    assert_eq!(locations.newest().count(), 0);
    for said in ["a +1+1 1", "b +1+1 1", "c +1+1 1", "a +1+1 2"] {
        is_newer(&mut locations, &format!("AT A +1.000000000 {said}"));
    }
    assert_eq!(locations.newest().map(|known| &*known.client).collect::<Vec<_>>(), [b"a", b"c", b"b"]);
}

#[test]
fn a_sweep_looks_at_free_entries_too_as_long_as_one_behind_them_is_in_use() {
    let mut locations = Locations::new(1 << 30);
    for client in 0..3000 {
        let heard = if client == 2999 { 100 } else { 10 };
        offer(&mut locations, &format!("AT A +0.000000000 client{client} +1+1 {heard}"));
    }
    let before = locations.entries_to_sweep();
    assert!(before >= 3000);
    assert_eq!(sweep(&mut locations, 50).len(), 2999);
    assert_eq!(
        (locations.len(), locations.entries_to_sweep()),
        (1, before),
        "the next sweep takes as long as the last"
    );
    assert_eq!(sweep(&mut locations, 200).len(), 1);
    assert_eq!(locations.entries_to_sweep(), 0);
}
