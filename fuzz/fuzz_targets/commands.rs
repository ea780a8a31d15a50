//! Commands: what parses is well formed by a second account, prints, and parses again to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proxyherd::message::{At, Command, Forgot, MAX_BOUND, is_blank, is_white, parse};
use proxyherd_fuzz::nanoseconds;

fuzz_target!(|line: &[u8]| {
    if line.contains(&b'\n') {
        return;
    }
    let fields: Vec<&[u8]> = line.split(|byte| is_white(*byte)).filter(|field| !field.is_empty()).collect();
    assert_eq!(is_blank(line), fields.is_empty());
    match parse(line) {
        Ok(Command::IamAt(iamat)) => {
            assert_eq!(fields[..2], [&b"IAMAT"[..], iamat.client]);
            assert_eq!((fields.len(), fields[3]), (4, iamat.time_text));
            assert!(nanoseconds(iamat.time_text).is_some());
            // As the server would say it, and then hear it from a neighbor.
            let mut said = Vec::new();
            At { server: b"Alford", difference: b"+0.000000000", iamat }.write_to(&mut said);
            let Ok(Command::At(heard)) = parse(&said) else { panic!("{:?}", said.escape_ascii().to_string()) };
            assert_eq!(heard.iamat, iamat);
            for degrees in [iamat.location.latitude(), iamat.location.longitude()] {
                let number: f64 = degrees.parse().expect("a number");
                assert!(number.abs() <= 180.0 && serde_json::from_str::<f64>(&degrees).is_ok(), "{degrees}");
            }
        }
        Ok(Command::WhatsAt(asked)) => {
            assert_eq!(fields, [&b"WHATSAT"[..], asked.client, asked.radius, fields[3]]);
            assert!(asked.bound <= MAX_BOUND as usize);
            let radius: f64 = std::str::from_utf8(asked.radius).unwrap().parse().expect("a number");
            assert!((0.0..=50.0).contains(&radius));
        }
        Ok(Command::At(at)) => {
            assert_eq!(fields.len(), 6);
            let clock = nanoseconds(at.iamat.time_text).unwrap() + nanoseconds_of_difference(at.difference);
            assert!(at.clock().is_some());
            let again = at.clock().unwrap().minus(at.iamat.time);
            assert_eq!(
                nanoseconds_of_difference(again.text().as_bytes()),
                clock - nanoseconds(at.iamat.time_text).unwrap()
            );
            let mut said = Vec::new();
            at.write_to(&mut said);
            assert_eq!(said, fields.join(&b' '));
            assert_eq!(parse(&said), Ok(Command::At(at)));
        }
        Ok(Command::Forgot(forgot)) => {
            let Forgot { server, difference, client, time_text, .. } = forgot;
            assert_eq!(fields, [&b"FORGOT"[..], server, difference, client, time_text]);
            assert!(nanoseconds(time_text).is_some() && forgot.clock().is_some());
            let mut said = Vec::new();
            forgot.write_to(&mut said);
            assert_eq!(parse(&said), Ok(Command::Forgot(forgot)));
        }
        Ok(Command::Forget(client)) => assert_eq!(fields, [&b"FORGET"[..], client]),
        Ok(Command::Horizon(_)) => {
            assert_eq!((fields.len(), fields[0]), (2, &b"HORIZON"[..]));
            assert!(nanoseconds(fields[1]).is_some());
        }
        Ok(Command::Digest(node)) => assert_eq!(fields, [&b"DIGEST"[..], node.to_string().as_bytes()]),
        Ok(Command::Peer(name)) => assert_eq!(fields, [&b"PEER"[..], name]),
        Err(wrong) => assert!(!wrong.to_string().is_empty()),
    }
});

/// It may have one digit more than a time.
fn nanoseconds_of_difference(text: &[u8]) -> i128 {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.starts_with(['+', '-']) && text.len() - text.find('.').unwrap() == 10, "{text}");
    text.replace('.', "").parse().unwrap()
}
