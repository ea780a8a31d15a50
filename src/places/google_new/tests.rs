use super::*;
use crate::places::tests::SOMEBODY;
use crate::places::{ApiKey, cut};
use reactor::tls::TrustRoots;

fn provider(extras: &[ExtraField]) -> GoogleNew {
    let reactor = Reactor::new().unwrap();
    let key = ApiKey::parse("SecretKey", "the test").unwrap();
    let access = Access::new("https://x.example/sub/".parse().unwrap(), TrustRoots::web());
    GoogleNew::new(&reactor, Access { key, ..access }, extras).unwrap()
}

fn question(radius: &str, bound: usize) -> Nearby {
    Nearby { latitude: "34.06893".into(), longitude: "-118.445127".into(), radius: radius.into(), bound }
}

#[test]
fn the_request_is_a_search_nearby_without_the_key_in_its_url() {
    let new = provider(&[]);
    let request = new.request(&question("10000", 5)).unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.url().to_string(), "https://x.example/sub/v1/places:searchNearby");
    for shown in [format!("{request:?}"), format!("{new:?}"), new.describe()] {
        assert!(!shown.contains("SecretKey"), "{shown}");
    }
}

#[test]
fn a_bound_of_zero_is_answered_without_a_request() {
    let answer = provider(&[]).nearby(&question("10000", 0), SOMEBODY).result().unwrap();
    let text = String::from_utf8(answer).unwrap();
    assert_eq!(text, "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}\n");
}

#[test]
fn questions_that_differ_in_their_bound_are_two_requests() {
    let new = provider(&[]);
    assert_ne!(new.as_asked(&question("1", 5)), new.as_asked(&question("1", 6)));
    assert_eq!(new.as_asked(&question("1", 5)), new.as_asked(&question("1", 5)));
}

#[test]
fn an_answer_is_translated_into_the_form_of_the_old_api() {
    let answer = legacy_form(include_bytes!("../../../tests/golden/google_new.json")).unwrap();
    assert_eq!(answer, include_str!("../../../tests/golden/google_new_as_nearby.json"));
    assert!(!String::from_utf8(cut(answer.as_bytes(), 1).unwrap()).unwrap().contains("made-up-2"));
}

#[test]
fn an_empty_object_means_that_nothing_was_found() {
    for nothing in ["{}", " { }\n", "{\"places\":[]}"] {
        let answer = legacy_form(nothing.as_bytes()).unwrap();
        assert!(answer.ends_with("   \"results\" : [],\n   \"status\" : \"ZERO_RESULTS\"\n}\n"), "{answer}");
    }
}

#[test]
fn a_text_that_is_no_answer_is_an_error() {
    for text in ["", "<html>", "{\"places\":[{}", "{\"places\":[{\"id\":1e}]}", "{\"places\":[{}],}"] {
        assert!(matches!(legacy_form(text.as_bytes()), Err(AnswerError::NotJson(_))), "{text}");
    }
    for text in ["[]", "3", "{\"message\":\"no\"}", "{\"places\":{}}", "{\"places\":[1]}", "{\"places\":[{},\"x\"]}"] {
        assert_eq!(legacy_form(text.as_bytes()), Err(AnswerError::NotAnAnswer), "{text}");
    }
    assert_eq!(legacy_form(b"{\"places\":[],\"places\":[]}"), Err(AnswerError::Repeated("places")));
    let deep = format!("{{\"places\":[{{\"types\":{}{}}}]}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(legacy_form(deep.as_bytes()), Err(AnswerError::TooDeep));
}

#[test]
fn a_field_of_an_unexpected_type_is_left_out() {
    let odd = "{\"places\":[{\"id\":7,\"displayName\":\"x\",\"location\":[],\"types\":\"x\",\"rating\":\"4\",\
               \"photos\":3,\"plusCode\":null,\"currentOpeningHours\":{\"openNow\":1},\"priceLevel\":2}]}";
    let answer = legacy_form(odd.as_bytes()).unwrap();
    let expected = "\"photos\" : [],\n         \"plus_code\" : {},\n         \"scope\" : \"GOOGLE\",\n         \
                    \"types\" : []\n";
    assert!(answer.contains(expected), "{answer}");
    assert!(cut(answer.as_bytes(), 20).is_ok());
}

#[test]
fn numbers_keep_their_text() {
    let numbers = "{\"places\":[{\"rating\":4.10,\"userRatingCount\":1e400,\
                   \"location\":{\"latitude\":-0.10000000000000000000001}}]}";
    let answer = legacy_form(numbers.as_bytes()).unwrap();
    for text in ["\"rating\" : 4.10,", "\"user_ratings_total\" : 1e400\n", "\"lat\" : -0.10000000000000000000001,"] {
        assert!(answer.contains(text), "{answer}");
    }
}

/// The translation is longer than the answer. Its length, and the time that it takes, must have a limit.
#[test]
fn a_megabyte_of_empty_items_becomes_a_short_answer() {
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let place = format!(
        "{{\"photos\":[{}],\"types\":[{}],\"attributions\":[{}]}}",
        many("{}", 100_000),
        many("\"\"", 100_000),
        many("{\"provider\":\"x\"}", 20_000)
    );
    let answer = legacy_form(format!("{{\"places\":[{place}]}}").as_bytes()).unwrap();
    assert_eq!(answer.matches("\"html_attributions\"").count(), 1 + MAX_ITEMS, "its own, and one of each photo");
    assert!(answer.len() < 100_000, "{} bytes", answer.len());

    let answer = legacy_form(format!("{{\"places\":[{}]}}", many("{}", 300_000)).as_bytes()).unwrap();
    assert_eq!(answer.matches("\"scope\"").count(), MAX_PLACES);
    let broken = format!("{{\"places\":[{},{{]}}", many("{}", MAX_PLACES));
    assert!(
        matches!(legacy_form(broken.as_bytes()), Err(AnswerError::NotJson(_))),
        "items that are left out are read all the same"
    );
}
