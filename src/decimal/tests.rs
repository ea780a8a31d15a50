//! Numbers and times, read exactly and printed exactly.

use super::*;

fn time(text: &str) -> Time {
    Time::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is not a time"))
}

#[test]
fn times_are_exact_to_the_nanosecond() {
    assert_ne!(time("1400794645.392014450"), time("1400794645.392014451"));
    assert_eq!(time("1400794645.392014450"), time("+1400794645.39201445"));
    assert_eq!(time("5"), time("5."));
    assert_eq!(time("0.5"), time(".5"));
    assert_eq!(time("-0"), time("0"));
    assert!(time("-1.5") < time("-1.4"));
    assert!(time("999999999999.999999999") > time("0"));
}

#[test]
fn digits_give_the_same_number_one_by_one_and_eight_at_once() {
    let mut state = 7u64;
    for length in 0..2000 {
        let text: Vec<u8> = (0..length % 30)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pick = (state >> 33) as usize;
                // Mostly digits; sometimes the byte before 0 or after 9, or another one.
                if !pick.is_multiple_of(16) {
                    b'0' + (pick / 16 % 10) as u8
                } else {
                    [b'/', b':', b'.', 0, 0xff, b'@'][pick / 16 % 6]
                }
            })
            .collect();
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let exact = text[..count].iter().fold(0u128, |value, byte| value * 10 + u128::from(byte - b'0'));
        let mut rest = &text[..];
        let expected = (u64::try_from(exact).unwrap_or(u64::MAX), count);
        assert_eq!(take_digits(&mut rest), expected, "{text:?}");
        assert_eq!(rest, &text[count..]);
    }
}

#[test]
fn a_word_gives_the_digits_before_the_first_byte_that_is_none() {
    for digit in b'0'..=b'9' {
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut chunk = [digit; 8];
                chunk[place] = byte;
                let count = chunk.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let value = chunk[..count].iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0'));
                assert_eq!(leading_digits(u64::from_le_bytes(chunk)), (value, count), "{chunk:?}");
            }
        }
    }
    assert_eq!(leading_digits(u64::from_le_bytes(*b"12345678")), (12_345_678, 8));
}

#[test]
fn text_that_is_no_time_is_refused() {
    for text in ["", "+", "-", ".", "1.2.3", "1e9", "nan", "inf", "0x10", " 1", "1 ", "--1", "1,5", "1000000000000"] {
        assert_eq!(Time::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Time::parse(b"1.0000000001"), None);
    assert_eq!(Time::parse(b"\xff"), None);
}

#[test]
fn differences_are_exact_signed_and_have_nine_digits() {
    for (a, b, text) in [
        ("1.5", "1.25", "+0.250000000"),
        ("1.25", "1.5", "-0.250000000"),
        ("0", "0", "+0.000000000"),
        ("0.000000001", "0", "+0.000000001"),
        ("0", "0.000000001", "-0.000000001"),
        ("1400794645.655887836", "0", "+1400794645.655887836"),
        ("1400794645.655887836", "1400794646", "-0.344112164"),
        ("1400794645.655887836", "-999999999999.999999999", "+1001400794645.655887835"),
        ("10", "109.75", "-99.750000000"),
        ("0", "100", "-100.000000000"),
        ("999999999999", "-999999999999.999999999", "+1999999999998.999999999"),
    ] {
        assert_eq!(time(a).minus(time(b)).to_string(), text);
    }
}

#[test]
fn a_time_is_later_by_more_than_a_duration_to_the_nanosecond() {
    let day = Duration::from_secs(86_400);
    assert!(time("86410.000000001").is_later_than(time("10"), day));
    assert!(!time("86410").is_later_than(time("10"), day));
    assert!(!time("10").is_later_than(time("86410.000000001"), day));
    assert!(time("-1").is_later_than(time("-2"), Duration::ZERO));
    assert!(!time("-1").is_later_than(time("-1"), Duration::ZERO));
    assert!(!time("999999999999").is_later_than(time("-999999999999"), Duration::MAX));
}

#[test]
fn the_systems_times_count_from_1970_both_ways() {
    let by = Duration::new(1_400_794_645, 392_014_450);
    assert_eq!(Time::from(SystemTime::UNIX_EPOCH + by), time("1400794645.392014450"));
    assert_eq!(Time::from(SystemTime::UNIX_EPOCH - by), time("-1400794645.392014450"));
}

#[test]
fn the_difference_of_an_at_has_a_sign_and_nine_digits_after_its_point() {
    for good in ["+0.263873386", "-1.000000000", "+1999999999998.999999999", "-0.000000001"] {
        let difference = Difference::parse(good.as_bytes()).unwrap_or_else(|| panic!("{good}"));
        assert_eq!(difference.to_string(), good);
    }
    for bad in [
        "",
        "+",
        "-1",
        "5",
        "+.500000000",
        "-7.",
        "0.263873386",
        "+-1.000000000",
        "zero",
        "+1e9",
        "+1.000000000 ",
        "+0.26387338",
        "+0.2638733860",
        "+00.263873386",
        "+12345678901234.000000000",
    ] {
        assert_eq!(Difference::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn a_time_and_its_difference_from_a_clock_give_the_clock() {
    let (clock, client) = (time("1400794645.655887836"), time("-999999999999.999999999"));
    assert_eq!(client.plus(clock.minus(client)), clock);
}

#[test]
fn a_number_taken_off_the_front_leaves_what_follows_it() {
    let mut text = &b"34.50-118"[..];
    assert_eq!((take_at_most(&mut text, 90), text), (Some(()), &b"-118"[..]));
    assert_eq!(take_at_most(&mut text, 90), None);
    assert_eq!(take_at_most(&mut &b"90.5+1"[..], 90), None);
    assert_eq!(take_at_most(&mut &b"90.0+1"[..], 90), Some(()));
}

#[test]
fn limits_are_compared_exactly() {
    assert!(is_at_most(b"90", 90) && is_at_most(b"90.000", 90) && is_at_most(b"0090.", 90) && is_at_most(b".5", 1));
    assert!(is_at_most(b"89.99999999999999999999999999", 90));
    assert!(!is_at_most(b"90.0000000000000000000000000001", 90));
    assert!(!is_at_most(b"100000000000000000000000", 90));
    assert!(!is_at_most(b"", 90) && !is_at_most(b".", 90) && !is_at_most(b"-1", 90) && !is_at_most(b"1e1", 90));
    assert_eq!(whole_at_most(b"20", 20), Some(20));
    assert_eq!(whole_at_most(b"0007", 20), Some(7));
    for bad in [&b"21"[..], b"5.0", b"5.", b"", b"-1", b"+1", b"x"] {
        assert_eq!(whole_at_most(bad, 20), None);
    }
}

#[test]
fn kilometres_become_metres_exactly() {
    for (kilometres, metres) in
        [("10", "10000"), ("0.5", "500"), ("12.3456", "12345.6"), ("0", "0"), (".0001", "0.1"), ("050.", "50000")]
    {
        assert_eq!(times_thousand(kilometres.as_bytes()).as_deref(), Some(metres));
    }
}
