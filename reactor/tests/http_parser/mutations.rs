//! One extra byte at each of 17 places in a response's head: 102 cases, and the result of each was checked by hand.
//! After an idea of the web platform tests (`fetch/h1-parsing`).

use crate::reading::{End, read_every_way};
use reactor::http::{Head, Limits, ResponseParser};

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nName: value\r\nContent-Length: 2\r\n\r\nhi";

/// The bytes that are inserted, in the order of the columns below.
const BYTES: [u8; 6] = [b'\n', b'\r', b'\t', b' ', 0, b':'];

/// The response is refused.
const NO: &str = "refused";
/// The response is taken, and nothing is different.
const SAME: &str = "";

/// Where the byte goes (before the second part), and the result with each of [`BYTES`].
#[rustfmt::skip]
const CASES: [(&str, &str, [&str; 6]); 17] = [
    //                                     LF    CR    TAB              SP               NUL  :
    ("",                        "HTTP/",  [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HT",                      "TP/",    [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/",                   "1.1",    [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/1.1",                " 200",   [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/1.1 ",               "200",    [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/1.1 20",             "0",      [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/1.1 200",            " OK",    [NO,   NO,   NO,              "reason  OK",    NO,  NO]),
    ("HTTP/1.1 200 O",          "K\r",    [NO,   NO,   "reason O\tK",   "reason O K",    NO,  "reason O:K"]),
    ("HTTP/1.1 200 OK",         "\r\nN",  [NO,   NO,   "reason OK\t",   "reason OK ",    NO,  "reason OK:"]),
    ("HTTP/1.1 200 OK\r",       "\nName", [NO,   NO,   NO,              NO,              NO,  NO]),
    ("HTTP/1.1 200 OK\r\n",     "Name",   [NO,   NO,   NO,              NO,              NO,  NO]),
    ("200 OK\r\nNa",            "me",     [NO,   NO,   NO,              NO,              NO,  "Na=me: value"]),
    ("200 OK\r\nName",          ":",      [NO,   NO,   NO,              NO,              NO,  "Name=: value"]),
    ("Name:",                   " va",    [NO,   NO,   SAME,            SAME,            NO,  "Name=: value"]),
    ("Name: va",                "lue",    [NO,   NO,   "Name=va\tlue",  "Name=va lue",   NO,  "Name=va:lue"]),
    ("Name: value",             "\r\nC",  [NO,   NO,   SAME,            SAME,            NO,  "Name=value:"]),
    ("Content-Length: 2\r\n",   "\r\nhi", [NO,   NO,   NO,              NO,              NO,  NO]),
];

/// What is different about a head from the one of [`RESPONSE`].
fn difference(head: &Head) -> String {
    let mut found = Vec::new();
    if head.reason() != "OK" {
        found.push(format!("reason {}", head.reason()));
    }
    for (name, value) in head.headers() {
        if ![("Name", &b"value"[..]), ("Content-Length", b"2")].contains(&(name, value)) {
            found.push(format!("{name}={}", String::from_utf8_lossy(value)));
        }
    }
    if head.status != 200 || head.headers().count() != 2 {
        found.push(format!("{head:?}"));
    }
    found.join(", ")
}

#[test]
fn an_extra_byte_is_refused_or_changes_only_its_own_place() {
    let mut wrong = Vec::new();
    for (before, after, expected) in CASES {
        let place = RESPONSE.find(&format!("{before}{after}")).expect("the place is in the response") + before.len();
        for (byte, expected) in BYTES.into_iter().zip(expected) {
            let mutated = [&RESPONSE.as_bytes()[..place], &[byte], &RESPONSE.as_bytes()[place..]].concat();
            let reading = read_every_way(&mutated, || ResponseParser::new(Limits::default()));
            let got = match (&reading.end, reading.head) {
                (End::Wrong(_), _) => NO.to_owned(),
                (End::Complete { keeps_alive: true }, Some(head)) if reading.body == b"hi" && reading.left == 0 => {
                    difference(&head)
                }
                (end, head) => format!("{end:?} {head:?} {:?}, {} left", reading.body, reading.left),
            };
            if got != expected {
                wrong.push(format!("{byte:?} between {before:?} and {after:?}: {got:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
