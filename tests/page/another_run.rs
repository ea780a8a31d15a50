//! The run of a page and its address, when something else comes between: another process, a mistake, another lesson.

use crate::chromium::Browser;
use crate::run_page::Page;
use crate::util::wait_until;
use serde_json::json;

const RUN: &str =
    "seed=77&servers=5&links=paper&clients=2&rule=newest&delay=150&jitter=30&every=0&at=3&do=2:kill,Parker";

impl Browser {
    fn hash(&self) -> String {
        self.run("return location.hash").as_str().unwrap().to_owned()
    }
}

#[test]
fn a_page_loads_its_run_again_when_the_process_is_another_one() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    let port = page.port;
    browser.open_run(&page, RUN);
    wait_until("the act", || browser.text("#acts").contains("kill Parker"));
    drop(page);
    wait_until("it is gone", || browser.text("#state").starts_with("no connection"));
    let _page = Page::start_at(port);
    wait_until("it is back", || browser.text("#state").starts_with("live") && browser.text("#now") == "3.000 s");
    wait_until("the run", || browser.text("#told").contains("has loaded this run again"));
    assert!(browser.text("#acts").contains("kill Parker"), "{}", browser.text("#acts"));
    assert_eq!(browser.hash(), format!("#{RUN}"));
}

#[test]
fn an_address_with_a_mistake_stays_there_to_be_corrected() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_at(page.port, "#seed=4&bogus=3&at=2");
    wait_until("what is wrong", || browser.text("#told") == "\"bogus\" is not a setting of a run");
    // A page that takes the address of another run would do so with the next events.
    assert_eq!(page.ask("speed 2"), None);
    let speed = "return document.querySelector('#speed').value";
    wait_until("the next events", || browser.run(speed) == "2");
    assert_eq!(browser.hash(), "#seed=4&bogus=3&at=2");
    browser.run("location.hash = '#seed=4&at=2'");
    browser.shows("2");
    wait_until("the whole address", || browser.hash().starts_with("#seed=4&servers=5&"));
    browser.is_clean();
}

#[test]
fn a_lesson_has_its_text_as_long_as_its_run_is_shown() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_run(&page, "clients=0&every=0&at=3");
    let pressed = || {
        let script = "return [...document.querySelectorAll('#lessons button')].filter(b => b.ariaPressed === 'true')
            .map(button => button.textContent)";
        browser.run(script)
    };
    assert_eq!(pressed(), json!([]));
    // Whatever else is told before the run of a lesson comes, here another speed, does not take its text away.
    browser.run(
        "const { fetch } = window;
         window.fetch = async (path, options) => {
           if (options?.body?.startsWith('load')) {
             await fetch('do', { method: 'POST', body: 'speed 5' });
             while (document.querySelector('#speed').value !== '5') await new Promise(requestAnimationFrame);
           }
           return fetch(path, options);
         }",
    );
    let title = "The smallest storm";
    for _ in 0..2 {
        browser.click(title);
        browser.shows("4.9");
        wait_until("it is pressed", || pressed() == json!([title]));
        // Each of these has the run told whole again.
        for _ in 0..3 {
            browser.click("One event");
        }
        browser.click("Heal everything");
        wait_until("the act", || browser.text("#acts").contains("heal"));
        assert_eq!(pressed(), json!([title]));
        assert!(browser.text("#lesson").starts_with("Three servers in a ring"));
    }
    browser.run("location.hash = '#clients=0&every=0&at=3'");
    browser.shows("3");
    wait_until("no lesson", || pressed() == json!([]));
    assert_eq!(browser.run("return document.querySelector('#lesson').hidden"), true);
    browser.is_clean();
}

#[test]
fn an_act_between_two_events_of_a_moment_is_found_again() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_run(&page, "seed=7&clients=5&every=2&at=6");
    let place = || browser.run("return document.querySelector('#now').title").as_str().unwrap().to_owned();
    for _ in 0..3 {
        let before = place();
        browser.click("One event");
        wait_until("one event", || place() != before);
    }
    let before = place();
    browser.click("Freeze");
    wait_until("it is frozen", || browser.state("Alford") == "frozen");
    assert_eq!(place(), before);
    browser.click("Play");
    wait_until("it goes on", || browser.seconds() > 6.5);
    browser.click("Pause");
    wait_until("it stands still", || browser.text("#play") == "Play");
    browser.click("freeze Alford");
    wait_until("it is there again", || place() == before && browser.state("Alford") == "frozen");
    browser.is_clean();
}
