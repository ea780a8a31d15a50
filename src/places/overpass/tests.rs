use super::*;
use crate::places::cut;
use crate::places::tests::SOMEBODY;
use reactor::tls::TrustRoots;

fn provider(base_url: &str, timeout: Duration) -> Overpass {
    let access = Access::new(base_url.parse().unwrap(), TrustRoots::web());
    Overpass::new(&Reactor::new().unwrap(), Access { timeout, ..access }).unwrap()
}

fn question(bound: usize) -> Nearby {
    Nearby { latitude: "48.1".into(), longitude: "11.5".into(), radius: "500".into(), bound }
}

#[test]
fn the_request_is_a_post_to_the_interpreter() {
    for (base, url) in [
        ("https://x.example", "https://x.example/api/interpreter"),
        ("https://x.example/sub/", "https://x.example/sub/api/interpreter"),
        ("https://x.example/api/interpreter", "https://x.example/api/interpreter"),
    ] {
        let request = provider(base, Duration::from_secs(10)).request(&question(5)).unwrap();
        assert_eq!((request.method(), &*request.url().to_string()), ("POST", url));
    }
}

#[test]
fn all_bounds_share_one_request_and_a_bound_of_zero_needs_none() {
    let overpass = provider("https://x.example", Duration::from_secs(10));
    assert_eq!(overpass.as_asked(&question(1)), overpass.as_asked(&question(20)));
    assert_ne!(overpass.as_asked(&question(0)), overpass.as_asked(&question(1)));
    let answer = overpass.nearby(&question(0), SOMEBODY).result().unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("\"results\" : []"));
}

#[test]
fn an_answer_is_translated_into_a_nearby_search_nearest_first() {
    let answer = legacy_form(include_bytes!("../../../tests/golden/overpass.json"), &question(5)).unwrap();
    assert_eq!(answer, include_str!("../../../tests/golden/overpass_as_nearby.json"));
    assert!(String::from_utf8(cut(answer.as_bytes(), 1).unwrap()).unwrap().contains("Here"));
}

#[test]
fn an_answer_has_at_most_twenty_places() {
    let one = "{\"type\":\"node\",\"id\":1,\"lat\":48.1,\"lon\":11.5,\"tags\":{\"name\":\"x\"}}";
    let many = format!("{{\"elements\":[{}]}}", [one; 30].join(","));
    let answer = legacy_form(many.as_bytes(), &question(20)).unwrap();
    assert_eq!(answer.matches("place_id").count(), 20);
}

#[test]
fn a_remark_means_that_the_query_failed() {
    let remark = "{\"elements\":[],\"remark\":\"runtime error: Query timed out \\u003c1\"}";
    let wrong = legacy_form(remark.as_bytes(), &question(5)).unwrap_err();
    assert_eq!(wrong, Unusable::Remark("runtime error: Query timed out <1".to_owned()));
}

#[test]
fn an_answer_without_places_is_not_the_same_as_no_answer() {
    assert!(legacy_form(b"{\"elements\":[]}", &question(5)).unwrap().contains("ZERO_RESULTS"));
    for (text, error) in [
        ("{}", AnswerError::NotAnAnswer),
        ("[]", AnswerError::NotAnAnswer),
        ("{\"elements\":{}}", AnswerError::NotAnAnswer),
        ("{\"elements\":[],\"elements\":[]}", AnswerError::Repeated("elements")),
    ] {
        assert_eq!(legacy_form(text.as_bytes(), &question(5)), Err(Unusable::Answer(error)), "{text}");
    }
    assert!(matches!(legacy_form(b"<osm>", &question(5)), Err(Unusable::Answer(AnswerError::NotJson(_)))));
    assert!(matches!(legacy_form(b"{\"elements\":[{]}", &question(5)), Err(Unusable::Answer(AnswerError::NotJson(_)))));
}
