//! The page of a server in a real browser.

use crate::chromium::Browser;
use crate::util::{Client, Process, logs, wait_until};
use crate::{KIWI, Two};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn a_killed_server_is_grey_and_comes_back() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    browser.open(herd.page(1));
    wait_until("Alford is up", || browser.state("Alford") == "up");
    Client::connect(herd.ports[0]).ask(&format!("IAMAT {KIWI}"));
    let ways = "return document.querySelectorAll('.way g').length";
    wait_until("a way along the link", || browser.run(ways) == 1);
    drop(alford); // SIGKILL.
    let killed = Instant::now();
    wait_until("Alford is grey", || browser.state("Alford") == "down");
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    let colours = "const disc = name => getComputedStyle(document.querySelector(`[data-server=${name}] .disc`)).fill;
                   return [disc('Alford'), disc('Powell')]";
    let colours = browser.run(colours);
    assert_ne!(colours[0], colours[1], "{colours}");
    assert!(
        browser.run("return document.querySelector('[data-server=Alford]').ariaLabel").to_string().contains("down")
    );
    // The link that is down shows that, and not the way of the location that went along it.
    assert_eq!(browser.run(ways), 0);
    let _alford = herd.start("Alford");
    let restarted = Instant::now();
    wait_until("Alford is up again", || browser.state("Alford") == "up");
    assert!(restarted.elapsed() < Duration::from_secs(2), "{:?}", restarted.elapsed());
    browser.is_clean();
}

#[test]
fn a_page_whose_own_server_is_frozen_says_that_nothing_comes() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (_alford, powell) = (herd.start("Alford"), herd.start("Powell"));
    browser.open(herd.page(1));
    wait_until("Alford is up", || browser.state("Alford") == "up");
    powell.signal("STOP");
    wait_until("nothing comes", || browser.text("#state").starts_with("nothing comes any more"));
    wait_until("it is grey", || ["Alford", "Powell"].iter().all(|name| browser.state(name) == "unknown"));
    powell.signal("CONT");
    wait_until("it is live again", || browser.text("#state").starts_with("live: 2 of 2"));
    browser.is_clean();
}

#[test]
fn a_screen_reader_hears_of_a_server_when_its_state_changes_and_not_each_second() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    browser.open(herd.page(1));
    wait_until("Alford is up", || browser.state("Alford") == "up");
    browser.run(
        "const said = window.said = [], state = document.querySelector('#server-state');
         new MutationObserver(() => said.push(state.textContent)).observe(state, { childList: true, subtree: true });
         document.querySelector('[data-server=Alford]').focus()",
    );
    browser.press("\u{e007}");
    wait_until("it is chosen", || browser.text("#server").starts_with("Alford: up, for"));
    let first = browser.text("#server");
    wait_until("its numbers change", || browser.text("#server") != first);
    drop(alford);
    wait_until("it is down", || browser.state("Alford") == "down");
    assert_eq!(browser.run("return window.said"), json!(["Alford: up", "Alford: down"]));
    assert_eq!(browser.run("return document.querySelectorAll('.detail[aria-live]').length"), 0);
    browser.is_clean();
}

#[test]
fn an_iamat_typed_on_a_page_appears_on_the_pages_of_the_others() {
    let (Some(mut here), Some(mut there)) = (Browser::start(), Browser::start()) else { return };
    let herd = Two::new("");
    let (_alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    here.open(herd.page(0));
    there.open(herd.page(1));
    wait_until("the link is up", || there.state("Alford") == "up");
    here.fill("IAMAT", "Client", "typed.example");
    here.fill("IAMAT", "Location", "+48.858370+2.294481");
    here.click("Send IAMAT");
    wait_until("the reply", || here.text("#reply").contains("AT Alford +"));
    wait_until("the client on Powell's page", || there.text("#client-count") == "1 client");
    wait_until("its way there", || {
        let way = there.text("#way");
        way.contains("client → Alford") && way.contains("Alford → Powell newer: taken")
    });
    wait_until("the command here", || here.text("#commands").contains("typed.example"));

    here.fill("WHATSAT", "Radius in km", "20");
    here.click("Send WHATSAT");
    wait_until("places", || here.run("return document.querySelectorAll('#places li').length").as_u64() > Some(2));
    wait_until("places on the map", || {
        here.run("return document.querySelectorAll('.labels g').length").as_u64() > Some(2)
    });

    Client::connect(herd.ports[0]).ask("IAMAT typed.example 48+2 1");
    wait_until("the refusal", || here.text("#refusals").contains("the latitude has no sign before it"));
    // Since when the other one is connected, this one knows itself.
    let since = "return [...document.querySelectorAll('#links tr')]
        .find(row => row.firstChild.textContent === 'Alford → Powell').children[2].textContent";
    assert!(there.run(since).as_str().unwrap().ends_with(" s"), "{}", there.run(since));
    for browser in [here, there] {
        browser.is_clean();
    }
}

#[test]
fn the_page_is_readable_on_a_telephone_by_keyboard_and_by_axe() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (_alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    let mut client = Client::connect(herd.ports[1]);
    client.ask(&format!("IAMAT {KIWI}"));
    browser.open(herd.page(1));
    client.whats_at("kiwi.cs.ucla.edu", 10, 5);
    client.ask("IAMAT kiwi");
    wait_until("Alford is up", || browser.state("Alford") == "up");
    wait_until("a refusal", || !browser.text("#refusals code").is_empty());
    for (width, is_dark) in [(1400, false), (1400, true), (400, false), (400, true)] {
        browser.size(width, is_dark);
        let wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert!(wide.as_i64() <= Some(0), "{width}: it scrolls sideways by {wide}");
        if let Some(found) = browser.axe() {
            assert_eq!(found, json!([]), "{width}, dark: {is_dark}");
        }
    }
    // Every stage of the answer and every column of the tables can be read at that width.
    let cut_off = "const all = document.querySelectorAll('.stage, .scroll:has(table)');
        return [...all].filter(part => part.scrollWidth > part.clientWidth).map(part => part.className)";
    browser.size(400, false);
    let count = browser.run("return document.querySelectorAll('.stage').length");
    assert!(count.as_u64() > Some(3), "{count}");
    assert_eq!(browser.run(cut_off), json!([]));
    browser.size(1400, false);
    // A server is chosen with the keyboard, and told about.
    browser.run("document.querySelector('[data-server=Alford]').focus()");
    browser.press("\u{e007}");
    wait_until("Alford is chosen", || browser.text("#server").starts_with("Alford: up"));
    browser.is_clean();
}

#[test]
fn a_server_stops_although_somebody_looks() {
    let herd = Two::new("");
    let mut alford: Process = herd.start("Alford");
    let _viewer = crate::http::Events::open(herd.page(0));
    let begun = Instant::now();
    assert_eq!(alford.end("TERM").code(), Some(0), "{}", alford.errors());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let log = logs(herd.directory.path());
    assert!(log.contains("the page is http://127.0.0.1:") && !log.contains(" ERROR "), "{log}");
}
