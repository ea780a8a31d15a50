//! URLs: what is accepted can stand in a request, prints, and parses again to the same.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reactor::http::Url;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    url: &'a str,
    reference: &'a str,
    target: &'a str,
}

fn check(url: &Url) {
    let target = url.target();
    assert!(target.starts_with('/'), "{target:?}");
    // Each of these would end the request line, or change what it means.
    let is_dangerous = |character: char| character.is_ascii_control() || matches!(character, ' ' | '#');
    assert!(!target.contains(is_dangerous) && target.is_ascii(), "{target:?}");
    assert!(!url.host_name().is_empty() && !url.host_name().contains(is_dangerous), "{:?}", url.host_name());
    assert!(!url.authority().contains(['/', '?', '@', ' ']), "{:?}", url.authority());
    let text = url.to_string();
    let again: Url = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(&again, url);
    assert_eq!(again.to_string(), text);
    assert!(again.is_same_origin(url));
}

fuzz_target!(|input: Input<'_>| {
    let Ok(url) = input.url.parse::<Url>() else { return };
    check(&url);
    if let Ok(joined) = url.join(input.reference) {
        check(&joined);
    }
    if let Ok(other) = url.with_target(input.target) {
        check(&other);
        assert!(other.is_same_origin(&url));
    }
});
