//! What both pages show can be found by role and name, and clicked; a mistake in a form gets an answer, and the console
//! stays empty.

use crate::chromium::Browser;
use crate::run_page::Page;
use crate::util::{Client, wait_until};
use crate::{KIWI, Two};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn what_is_said_twice_at_once_stands_there_twice_for_good() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let _alford = herd.start("Alford");
    browser.open(herd.page(0));
    let mut crowd = TcpStream::connect(("127.0.0.1", herd.ports[0])).unwrap();
    let iamat = format!("IAMAT {KIWI}\n");
    crowd.write_all(format!("x\nx\n{iamat}{iamat}").as_bytes()).unwrap();
    let rows =
        || browser.run("return ['#refusals', '#commands'].map(id => document.querySelector(id).children.length)");
    wait_until("all four", || rows() == json!([2, 2]));
    // Each of these has everything drawn again.
    let mut client = Client::connect(herd.ports[0]);
    for number in 3..6 {
        client.ask(&format!("IAMAT other.{number} +1+1 1400794645"));
        wait_until("one more", || rows() == json!([2, number]));
    }
    browser.is_clean();
}

#[test]
fn a_client_is_found_by_its_name_by_who_comes_later() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let _alford = herd.start("Alford");
    let mut client = Client::connect(herd.ports[0]);
    client.ask(&format!("IAMAT {KIWI}"));
    browser.open(herd.page(0));
    let list = "//ul[@aria-label='Last clients']";
    assert_eq!(browser.role_and_name(list).0, "list");
    let button = format!("{list}//button[.='kiwi.cs.ucla.edu']");
    wait_until("its name", || browser.text("#clients") == "kiwi.cs.ucla.edu");
    assert_eq!(browser.role_and_name(&button), ("button".to_owned(), "kiwi.cs.ucla.edu".to_owned()));
    browser.click("kiwi.cs.ucla.edu");
    let asked = "return document.querySelector('#whatsat').elements.client.value";
    wait_until("it is chosen", || browser.run(asked) == "kiwi.cs.ucla.edu");
    assert_eq!(browser.text("#world .chosen text"), "kiwi.cs.ucla.edu");
    browser.is_clean();
}

#[test]
fn servers_and_links_are_clicked_by_role_and_name() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (_alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    browser.size(1400, false);
    browser.open(herd.page(1));
    for server in ["Alford", "Powell"] {
        wait_until("it is up", || browser.state(server) == "up");
        browser.click_on("button", &format!("Server {server}: "));
        wait_until("it is told about", || browser.text("#server").starts_with(&format!("{server}: ")));
    }
    browser.is_clean();

    let page = Page::start();
    let Some(mut browser) = Browser::start() else { return };
    browser.size(1400, false);
    browser.open_run(&page, "seed=7&clients=3&delay=300&jitter=0&every=4&at=5");
    for server in ["Alford", "Bolden", "Hamilton", "Parker", "Powell"] {
        browser.click_on("button", &format!("Server {server}: "));
        wait_until("it is told about", || browser.text("#server").starts_with(&format!("{server}: ")));
    }
    browser.click_on("button", "Link from Parker to Hamilton: ");
    wait_until("it is told about", || browser.text("#server").starts_with("Link from Parker to Hamilton"));
    let name = |xpath: &str| {
        let (role, name) = browser.role_and_name(xpath);
        format!("{role} {name}")
    };
    assert_eq!(name("//fieldset"), "radiogroup Rule");
    assert_eq!(name("//*[@id='told']"), "status Answer to what you did");
    assert_eq!(name("//*[@id='clients']"), "list Last clients");
    browser.is_clean();
}

#[test]
fn a_mistake_in_a_form_is_answered_and_is_no_error_of_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let _alford = herd.start("Alford");
    browser.open(herd.page(0));
    let one_word = "A client's name is one word, without spaces.";
    for (client, location, says) in [
        ("a b", "+1+1", one_word),
        (" ", "+1+1", one_word),
        ("kiwi", "+1 +1", "A location is one word, without spaces, such as +34.068930-118.445127."),
        ("kiwi", "1+1", "the latitude has no sign before it"),
    ] {
        browser.fill("IAMAT", "Client", client);
        browser.fill("IAMAT", "Location", location);
        browser.click("Send IAMAT");
        wait_until(says, || browser.text("#reply") == says);
    }
    browser.is_clean();

    let page = Page::start();
    let Some(mut browser) = Browser::start() else { return };
    browser.open_run(&page, "clients=0&every=0&at=3");
    browser.fill("IAMAT", "Client", "a b");
    browser.click("Send IAMAT");
    wait_until("the answer", || browser.text("#reply") == one_word);
    browser.fill("IAMAT", "Client", "kiwi");
    browser.fill("IAMAT", "Location", "nowhere");
    browser.click("Send IAMAT");
    wait_until("the server's answer", || browser.text("#told").contains("latitude"));
    assert_eq!(browser.text("#reply"), browser.text("#told"));
    browser.fill("IAMAT", "Location", "+1+1");
    browser.click("Send IAMAT");
    wait_until("it is done", || browser.text("#reply").starts_with("kiwi tells Alford where it is, at 3.000 s."));
    browser.fill("Server tools", "Seconds", "");
    browser.click("Move clock");
    wait_until("what is missing", || browser.text("#told").starts_with("\"Seconds\" is a whole number"));
    for (outcome, says) in
        [("reject()", "This browser does not let the page copy"), ("resolve()", "The address is copied")]
    {
        browser.run(&format!("navigator.clipboard.writeText = () => Promise.{outcome}"));
        browser.click("Copy the address");
        wait_until(says, || browser.text("#told").starts_with(says));
    }
    browser.click("Move clock");
    // What is good news does not look like a mistake.
    assert!(browser.run("return document.querySelector('#told').className").to_string().contains("bad"));
    browser.click("Draw a split");
    wait_until("what to do", || browser.text("#told").starts_with("Draw a line"));
    assert!(!browser.run("return document.querySelector('#told').className").to_string().contains("bad"));
    browser.run("document.activeElement.blur()");
    browser.press("\u{e00c}"); // Escape.
    wait_until("no more", || browser.text("#told").is_empty());
    browser.is_clean();
}

#[test]
fn what_has_no_room_is_counted_and_what_is_not_known_any_more_is_gone() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_run(&page, "clients=0&every=0&at=3");
    let more = browser.run_async(
        "const { Model } = await import('./model.js'), model = new Model();
         model.applyAll([{ kind: 'flights', at: 1, flights: [], more: 70 }]);
         return model.more",
    );
    assert_eq!(more, 70);
    let counts = browser.run_async(
        "const { Model } = await import('./model.js'), model = new Model();
         const place = { client: 'k', latitude: 1, longitude: 1, server: 'A', time: '1' };
         model.applyAll([{ kind: 'known', ...place }, { kind: 'anew' }, { kind: 'known', ...place, client: 'l' }]);
         for (let to = 0; to < 70; to += 1) model.apply({ kind: 'told', by: 'A', to, what: 'location', ...place });
         const [way] = model.ways.values();
         return [[...model.clients.keys()], way.steps.length, way.more, model.newest.size]",
    );
    assert_eq!(counts, json!([["l"], 60, 10, 0]));
    browser.is_clean();
}
