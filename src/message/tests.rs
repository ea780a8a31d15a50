use super::*;

#[track_caller]
fn iamat(line: &[u8]) -> IamAt<'_> {
    match parse(line) {
        Ok(Command::IamAt(iamat)) => iamat,
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(line)),
    }
}

#[track_caller]
fn invalid(line: &[u8]) {
    assert!(parse(line).is_err(), "{:?}", String::from_utf8_lossy(line));
}

const GOOD: &[u8] = b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450";

#[test]
fn iamat_keeps_its_fields_as_they_came() {
    let parsed = iamat(GOOD);
    assert_eq!(parsed.client, b"kiwi.cs.ucla.edu");
    assert_eq!(parsed.location.text, b"+34.068930-118.445127");
    assert_eq!(parsed.time_text, b"1400794645.392014450");
    assert_eq!((parsed.location.latitude(), parsed.location.longitude()), ("34.068930".into(), "-118.445127".into()));
}

#[test]
fn every_kind_of_white_space_separates_and_is_ignored_at_the_ends() {
    let parsed = iamat(b" \t\r\x0c\x0bIAMAT\t\tkiwi \r\x0b +1+2\x0c3\r");
    assert_eq!((parsed.client, parsed.location.text, parsed.time_text), (&b"kiwi"[..], &b"+1+2"[..], &b"3"[..]));
    assert!(is_blank(b" \t\r\x0c\x0b") && is_blank(b"") && !is_blank(b"\0"));
}

#[test]
fn a_client_may_be_any_bytes() {
    assert_eq!(iamat(b"IAMAT \xff\xfe\0 +1+2 3").client, b"\xff\xfe\0");
    assert_eq!(iamat("IAMAT é😀 +1+2 3".as_bytes()).client, "é😀".as_bytes());
    assert_eq!(iamat("IAMAT a\u{a0}b +1+2 3".as_bytes()).client, "a\u{a0}b".as_bytes());
}

#[test]
fn locations_follow_iso_6709() {
    for good in ["+0-0", "+90-180", "-90+180", "+90.000-180.0", "+.5-.5", "+5.-7.", "+00090+000180.00", "-0.0+0"] {
        assert!(Location::parse(good.as_bytes()).is_ok(), "{good}");
    }
    for bad in [
        "",
        "+",
        "+1",
        "+1+",
        "1+2",
        "+1 2",
        "++1+2",
        "+1++2",
        "+1+2+3",
        "+.-.",
        "+1.1.1+2",
        "+1e1+2",
        "+90.1+0",
        "+90.00000000000000000000001+0",
        "+0+180.00000000000000000001",
        "+91+0",
        "+0-181",
        "+nan+0",
        "+1,5+2",
        "+1+2/",
    ] {
        assert!(Location::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_places_service_gets_plain_numbers() {
    let plain = |text: &str| {
        let location = Location::parse(text.as_bytes()).unwrap();
        format!("{},{}", location.latitude(), location.longitude())
    };
    assert_eq!(plain("+34.068930-118.445127"), "34.068930,-118.445127");
    assert_eq!(plain("+.5-007."), "0.5,-7");
    assert_eq!(plain("-0+0."), "0,0");
    assert_eq!(plain("-0.00-0.50"), "0.00,-0.50");
    assert_eq!(plain("+0-0.000"), "0,0.000");
    assert_eq!(plain(&format!("+1.{}+2", "3".repeat(1000))), format!("1.{},2", "3".repeat(20)));
}

#[test]
fn wrong_times_make_an_iamat_invalid() {
    for time in ["", "now", "1e9", "nan", "1000000000000", "1.1234567890", "1.2.3", "+-1"] {
        invalid(format!("IAMAT kiwi +1+2 {time}").as_bytes());
    }
    for time in ["0", "-1", "+5.", ".5", "999999999999.999999999"] {
        iamat(format!("IAMAT kiwi +1+2 {time}").as_bytes());
    }
}

#[test]
fn a_whatsat_beyond_its_limits_is_invalid() {
    let parsed = parse(b"WHATSAT kiwi 10 5");
    assert_eq!(parsed, Ok(Command::WhatsAt(WhatsAt { client: b"kiwi", radius: b"10", bound: 5 })));
    for good in ["0 0", "50 20", "50.0 20", ".5 1", "0.001 020"] {
        assert!(parse(format!("WHATSAT kiwi {good}").as_bytes()).is_ok(), "{good}");
    }
    for bad in ["51 5", "50.0001 5", "-1 5", "+1 5", "1e1 5", "10 21", "10 -1", "10 5.0", "10 +5", "x 5", "10 x", "10"]
    {
        invalid(format!("WHATSAT kiwi {bad}").as_bytes());
    }
}

#[test]
fn an_at_is_read_and_written_back() {
    let line = b"AT Alford +0.263873386 kiwi.cs.ucla.edu +34.068930-118.445127 1400794645.392014450";
    let Ok(Command::At(at)) = parse(line) else { panic!("not taken") };
    assert_eq!((at.server, at.difference), (&b"Alford"[..], &b"+0.263873386"[..]));
    let mut back = Vec::new();
    at.write_to(&mut back);
    assert_eq!(back, line);
    let Ok(Command::At(at)) = parse(b" AT\tA  -1.000000000 k +1+2\t3 ") else { panic!("not taken") };
    back.clear();
    at.write_to(&mut back);
    assert_eq!(back, b"AT A -1.000000000 k +1+2 3");
    invalid(b"AT Alford zero kiwi +1+2 3");
    invalid(b"AT Alford +1.000000000 kiwi +1 3");
    invalid(b"AT Alford +1.000000000 kiwi +1+2");
}

#[test]
fn the_first_thing_that_is_wrong_is_named() {
    for (line, why) in [
        (" \t", "the line is blank"),
        (
            "iamat a +1+2 3",
            "the first word is not a command: IAMAT, WHATSAT, FORGET, AT, FORGOT, HORIZON, DIGEST or PEER",
        ),
        ("IAMAT", "the client is missing"),
        ("IAMAT a", "the location is missing"),
        ("IAMAT a 1+2 3", "the latitude has no sign before it"),
        ("IAMAT a +1,5+2 3", "the longitude has no sign before it"),
        ("IAMAT a +1 +2 3", "the longitude is missing"),
        ("IAMAT a +91+2 3", "the latitude is not a number from 0 to 90 after its sign"),
        ("IAMAT a +1-181 3", "the longitude is not a number from 0 to 180 after its sign"),
        ("IAMAT a +1+2+3 3", "something follows the longitude"),
        ("IAMAT a +1+2", "the time is missing"),
        ("IAMAT a +1+2 now", "the time is not seconds: at most twelve digits, and nine after a point"),
        ("IAMAT a +1+2 3 4", "something follows the last field"),
        ("WHATSAT a", "the radius is missing"),
        ("WHATSAT a 51 5", "the radius is not a number from 0 to 50"),
        ("WHATSAT a 5", "the bound is missing"),
        ("WHATSAT a 5 2.5", "the bound is not a whole number from 0 to 20"),
        ("AT", "the server is missing"),
        ("AT A", "the difference is missing"),
        ("AT A +1 a +1+2 3", "the difference is not a sign, digits, a point and nine digits"),
        ("PEER", "the server is missing"),
        ("FORGET", "the client is missing"),
        ("FORGOT A", "the difference is missing"),
        ("FORGOT A +1 a 3", "the difference is not a sign, digits, a point and nine digits"),
        ("FORGOT A +1.000000000 a", "the time is missing"),
        ("FORGOT A +1.000000000 a +1+2", "the time is not seconds: at most twelve digits, and nine after a point"),
        ("HORIZON soon", "the time is not seconds: at most twelve digits, and nine after a point"),
    ] {
        assert_eq!(parse(line.as_bytes()).map_err(|wrong| wrong.to_string()), Err(why.to_owned()), "{line}");
    }
}

#[test]
fn wrong_numbers_of_fields_and_unknown_commands_are_invalid() {
    for line in [
        "IAMAT",
        "IAMAT a +1+2",
        "IAMAT a +1+2 3 4",
        "WHATSAT",
        "WHATSAT a 1",
        "WHATSAT a 1 2 3",
        "AT",
        "PEER",
        "PEER a b",
        "FORGET a b",
        "FORGOT A +1.000000000 a 3 4",
        "HORIZON 1 2",
    ] {
        invalid(line.as_bytes());
    }
    for line in ["iamat a +1+2 3", "IAMATa +1+2 3", "HELLO", "\0", "GET / HTTP/1.1"] {
        invalid(line.as_bytes());
    }
    assert_eq!(parse(b"PEER Alford"), Ok(Command::Peer(b"Alford")));
}

#[test]
fn fields_are_found_whatever_bytes_they_hold() {
    // A small pseudo-random generator over the bytes that matter, against the obvious way to split.
    let bytes = b" \t\r\x0c\x0b\0\x01\x1f!a~\x7f\x80\xa0\xff\n";
    let mut state = 1u32;
    for length in 0..400 {
        let line: Vec<u8> = (0..length % 40)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes[(state >> 24) as usize % bytes.len()]
            })
            .collect();
        let expected: Vec<&[u8]> = line.split(|byte| is_white(*byte)).filter(|field| !field.is_empty()).collect();
        let mut rest = &line[..];
        let found: Vec<&[u8]> = std::iter::from_fn(|| next_field(&mut rest)).take(line.len()).collect();
        assert_eq!(found, expected, "{line:?}");
    }
}

#[test]
fn the_first_low_byte_is_found_wherever_it_stands() {
    for low in 0..=b' ' {
        // Bytes that differ from a low one by a single bit must not be taken for it, nor hide it.
        for other in [b'!', b'a', 0x7f, 0x80, low | 0x80, low | 0x40] {
            for place in 0..20 {
                let mut bytes = [other; 20];
                bytes[place] = low;
                for start in 0..=place {
                    assert_eq!(find_low(&bytes, start), place, "{bytes:?} from {start}");
                }
                assert_eq!(find_low(&bytes, place + 1), 20, "{bytes:?}");
            }
        }
    }
}

#[test]
fn an_at_is_written_in_one_allocation_with_room_for_an_end_of_line() {
    let Ok(Command::At(at)) = parse(b"AT Alford +0.263873386 kiwi.cs.ucla.edu +34.068930-118.445127 14") else {
        panic!("not taken")
    };
    let mut line = Vec::new();
    at.write_to(&mut line);
    assert_eq!(line.capacity(), line.len() + 1);
}
