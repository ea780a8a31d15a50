//! WHATSAT when many ask, or one asks too much: fair turns, a budget, answers that are given again, and a service that
//! is left alone.

use super::{Asking, response};
use crate::harness::{Connection, Harness, herd};
use crate::held_places::HeldPlaces;
use proxyherd::config::{PlacesConfig, Provider};
use proxyherd::places::{Coalescer, Limiter};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

const HONEST: [u8; 4] = [127, 0, 0, 7];
const FOUND: &str = "{\"results\":[1],\"status\":\"OK\"}";

/// The lines below the AT line, as one.
#[track_caller]
fn answer(client: &mut Connection<'_>) -> String {
    assert!(client.line().starts_with("AT "));
    let mut text = String::new();
    loop {
        match client.line() {
            line if line.is_empty() => return text,
            line => text += &line,
        }
    }
}

const REFUSED: &str = "\"status\" : \"OVER_QUERY_LIMIT\"";

#[test]
fn a_flood_on_200_connections_from_one_address_keeps_no_answer_from_another_address() {
    let harness = Harness::new();
    let held = Rc::new(HeldPlaces::default());
    let limiter = Limiter::new(held.clone(), NonZeroUsize::new(4).unwrap(), Rc::new(harness.reactor.clone()));
    let places = Coalescer::new(Rc::new(limiter.timeout(Duration::from_secs(10))));
    let server = harness.start(&herd(&[]), Rc::new(places));
    let mut honest = harness.connect_from(HONEST, server);
    honest.ask("IAMAT kiwi +34.5-118.25 0");

    let mut flood: Vec<Connection<'_>> = (0..200).map(|_| harness.connect(server)).collect();
    for (number, one) in flood.iter_mut().enumerate() {
        // Each question differs: equal ones would share a request.
        let questions: Vec<String> = (0..8).map(|n| format!("WHATSAT kiwi 0.{} 1\n", 1000 + 8 * number + n)).collect();
        one.send(questions.concat());
    }
    assert_eq!(honest.ask("is the flood here?"), "? is the flood here?");

    for number in 0..50 {
        honest.send(format!("WHATSAT kiwi 1.{} 1\n", 1000 + number));
        let mut answers = 0;
        harness.turn_until("the honest client has its answer", || {
            if !held.questions().is_empty() {
                held.answer(FOUND);
                answers += 1;
            }
            honest.has_line()
        });
        assert_eq!(answer(&mut honest), FOUND, "question {number}");
        // Four are under way, one of the flood may be next, and then it is the honest client's turn; its reply may
        // be on its way while another is answered.
        assert!(answers <= 8, "question {number} waited for {answers} answers");
    }
}

#[test]
fn as_many_connections_are_kept_as_questions_may_be_under_way() {
    const AT_ONCE: usize = 8;
    let harness = Harness::new();
    let config = PlacesConfig { max_in_flight: Some(AT_ONCE), ..PlacesConfig::default() };
    let mut asking = Asking::new(&harness, config);
    let mut kept: Vec<Connection<'_>> = Vec::new();
    for wave in 0..3 {
        let questions: Vec<String> = (0..AT_ONCE).map(|n| format!("WHATSAT kiwi {wave}.{} 5\n", 100 + n)).collect();
        asking.client.send(questions.concat());
        if wave == 0 {
            kept = (0..AT_ONCE).map(|_| asking.google.accept()).collect();
        }
        for service in &mut kept {
            while service.line() != "\r" {}
            service.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{FOUND}", FOUND.len()));
        }
        (0..AT_ONCE).for_each(|_| assert_eq!(answer(&mut asking.client), FOUND));
        assert!(asking.google.try_accept().is_none(), "wave {wave} needed another connection");
    }
}

#[test]
fn beyond_the_budget_no_request_reaches_the_service() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig { max_per_minute: Some(3), ..PlacesConfig::default() });
    for _ in 0..2 {
        for _ in 0..3 {
            asking.ask(5).send(response("200 OK", FOUND));
            assert_eq!(asking.json(), FOUND);
        }
        for _ in 0..3 {
            asking.client.send("WHATSAT kiwi 10 5\n");
            let told = answer(&mut asking.client);
            assert!(told.contains(REFUSED) && told.contains("budget"), "{told}");
        }
        assert!(asking.google.try_accept().is_none());
        harness.advance(Duration::from_secs(60));
    }
}

#[test]
fn a_day_has_a_budget_too() {
    let harness = Harness::new();
    let config = PlacesConfig { max_per_minute: Some(2), max_per_day: Some(3), ..PlacesConfig::default() };
    let mut asking = Asking::new(&harness, config);
    let mut answered = 0;
    for _ in 0..60 {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let mut request = None;
        harness.turn_until("it is asked or refused", || {
            request = asking.google.try_accept();
            request.is_some() || asking.client.has_line()
        });
        if let Some(mut google) = request {
            google.send(response("200 OK", FOUND));
            answered += 1;
        }
        answer(&mut asking.client);
        harness.advance(Duration::from_secs(24));
    }
    assert_eq!(answered, 3);
}

#[test]
fn a_service_that_is_down_is_left_alone_and_asked_again_later() {
    let harness = Harness::new();
    let mut asking = Asking::new(&harness, PlacesConfig::default());
    for _ in 0..5 {
        asking.ask(5).send(response("503 Service Unavailable", "down"));
        asking.expect_error("503 Service Unavailable");
    }
    for _ in 0..3 {
        asking.client.send("WHATSAT kiwi 10 5\n");
        let told = answer(&mut asking.client);
        assert!(told.contains(REFUSED) && told.contains("failed several times"), "{told}");
    }
    assert!(asking.google.try_accept().is_none());
    harness.advance(Duration::from_secs(5));
    asking.ask(5).send(response("200 OK", FOUND));
    assert_eq!(asking.json(), FOUND);
    asking.ask(5).send(response("200 OK", FOUND));
    assert_eq!(asking.json(), FOUND);
}

#[test]
fn answers_are_given_again_where_the_terms_allow_it() {
    for (provider, body) in
        [(Provider::Google, FOUND), (Provider::GoogleNew, "{}"), (Provider::Overpass, "{\"elements\":[]}")]
    {
        let harness = Harness::new();
        let config = PlacesConfig { provider: Some(provider), interval: None, ..PlacesConfig::default() };
        let mut asking = Asking::new(&harness, config);
        asking.ask(5).send(response("200 OK", body));
        let first = asking.json();
        asking.client.send("WHATSAT kiwi 10 5\n");
        if provider != Provider::Overpass {
            asking.request().1.send(response("200 OK", body));
        }
        assert_eq!(asking.json(), first);
        harness.advance(Duration::from_secs(600));
        asking.ask(5).send(response("200 OK", body));
        assert_eq!(asking.json(), first);
        assert!(asking.google.try_accept().is_none());
    }
}
