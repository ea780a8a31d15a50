//! The page of a simulated herd: over HTTP, and in a real browser, by roles and labels.

use crate::chromium::Browser;
use crate::http::{Events, get, request};
use crate::run_page::Page;
use crate::util::wait_until;
use serde_json::{Value, json};

#[test]
fn the_page_is_for_this_machine_and_says_what_is_wrong() {
    let page = Page::start();
    for path in ["/", "/main.js", "/sim.html", "/sim.css", "/sim.js", "/flights.js", "/tools.js", "/coast.txt"] {
        let file = get(page.port, path);
        assert_eq!(file.status, 200, "{path}");
        assert!(file.head.contains("\r\nContent-Security-Policy: default-src 'none'; script-src 'self'"), "{path}");
    }
    let status = |method, path, headers: &[&str]| request(page.port, method, path, headers, "play").status;
    assert_eq!(status("POST", "/do", &["Host: evil.example"]), 421);
    assert_eq!(status("POST", "/do", &["Origin: http://evil.example"]), 403);
    assert_eq!(status("GET", "/do", &[]), 405);
    assert_eq!(page.ask("kill Nobody").as_deref(), Some("there is no server \"Nobody\""));
    assert_eq!(
        page.ask("load #servers=9&links=paper").as_deref(),
        Some("the paper's herd has five servers, not 9: choose other links")
    );
    let too_long = request(page.port, "POST", "/do", &[], &"x".repeat(200_001));
    assert_eq!(too_long.status, 413);
}

#[test]
fn viewers_see_a_run_go_on_and_what_is_done_to_it() {
    let page = Page::start();
    let mut events = Events::open(page.port);
    let herd = events.find("the herd", |event| event["kind"] == "herd");
    assert_eq!((&herd["servers"][0]["name"], &herd["settings"]["delay"]), (&json!("Alford"), &json!(150)));
    assert!(herd["commands"].as_array().unwrap().contains(&json!("kill")), "{herd}");
    assert_eq!(page.ask("load #clients=0&every=0&at=4"), None);
    events.find("it stands still there", |event| event["kind"] == "clock" && event["at"] == 4.0);
    assert_eq!(page.ask("iamat kiwi Alford +1+1"), None);
    assert_eq!(page.ask("speed 10"), None);
    assert_eq!(page.ask("play"), None);
    let heard = events.find("Hamilton hears it", |event| event["kind"] == "heard" && event["by"] == "Hamilton");
    assert_eq!(
        (&heard["client"], &heard["from"], &heard["verdict"]),
        (&json!("kiwi"), &json!("Parker"), &json!("newer"))
    );
    assert_eq!(page.ask("kill Hamilton"), None);
    let ended = |event: &Value| event["kind"] == "world" && event["hosts"][2]["state"] == "ended";
    let world = events.find("Hamilton is dead", ended);
    let address = world["address"].as_str().unwrap();
    assert!(address.contains("&do=4:iamat,kiwi,Alford,+1+1;") && address.contains(":kill,Hamilton"), "{address}");
}

#[test]
fn a_viewer_that_comes_takes_no_events_from_the_others() {
    let page = Page::start();
    let mut events = Events::open(page.port);
    assert_eq!(page.ask("load #clients=10&every=1&at=4"), None);
    events.find("it stands still there", |event| event["kind"] == "clock" && event["at"] == 4.0);
    assert_eq!(page.ask("play"), None);
    let first =
        |event: &Value| event["kind"] == "heard" && event["from"] == "client" && event["at"].as_f64() > Some(4.0);
    // Newcomers all the time, so that hardly a look is without one.
    let (mut heard, mut until) = (Vec::new(), 4.0);
    while until < 7.0 {
        drop(Events::open(page.port));
        heard.extend(events.next_list().into_iter().filter(first));
        until = heard.last().and_then(|event| event["at"].as_f64()).unwrap_or(until);
    }
    let mut late = Events::open(page.port);
    let all = late.next_list();
    let missed: Vec<_> = all.into_iter().filter(first).filter(|event| event["at"].as_f64() <= Some(until)).collect();
    assert!(missed.len() > 20, "{}", missed.len());
    assert_eq!(missed, heard, "who has looked all the time has seen what the newcomer is told of");
}

// ---- In Chromium.

/// What a page shows: all but how it is looked at.
const PICTURE: &str = "return [...document.querySelectorAll('header, main > section:not(.run)')]
    .map(section => section.outerHTML).join('\\n')";

/// The lists of what has happened.
const LISTS: &str = "return ['commands', 'refusals', 'way', 'clients', 'places']
    .map(name => document.getElementById(name).outerHTML).join(' ')";

/// The sections of which pictures are compared, too.
const SECTIONS: &str = "return [...document.querySelectorAll('main > section:not(.run)')]
    .filter(section => !section.hidden).map(section => [...section.parentNode.children].indexOf(section) + 1)";

impl Browser {
    /// A row of the counters.
    fn counter(&self, name: &str) -> String {
        let script = format!(
            "const rows = [...document.querySelectorAll('#counters div')];
             return rows.find(row => row.firstChild.textContent === {name:?})?.lastChild.textContent ?? ''"
        );
        self.run(&script).as_str().unwrap().to_owned()
    }

    fn choose(&self, form: &str, label: &str, option: &str) {
        let option = self.element(&format!(
            "//form[@aria-label='{form}']//label[starts-with(normalize-space(.),'{label}')]//option[.='{option}']"
        ));
        self.command(&format!("/element/{option}/click"), &json!({}));
    }

    /// The state of a link as it is drawn, and what was done to it.
    fn link(&self, from_to: &str) -> String {
        let script = format!("return document.querySelector('[data-link=\"{from_to}\"]').ariaLabel");
        self.run(&script).as_str().unwrap().to_owned()
    }

    /// Goes to another time.
    pub(crate) fn go_to(&self, seconds: f64) {
        self.run(&format!(
            "const time = document.querySelector('[type=range][aria-label=Time]'); time.value = {seconds:.2};
             time.dispatchEvent(new Event('input'))"
        ));
        self.shows(&format!("{seconds:.2}"));
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.text("#now").trim_end_matches(" s").parse().unwrap()
    }
}

#[test]
fn a_storm_that_is_begun_with_a_click_ends_within_a_second_of_the_switch_to_newest() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_run(&page, "servers=3&links=ring&clients=0&rule=paper&delay=100&jitter=0&every=0&at=3");
    browser.click("Play");
    browser.fill("IAMAT", "Client", "kiwi");
    browser.click("Send twice");
    wait_until("a storm", || browser.counter("Storms") == "1 now");
    wait_until("too many lines", || browser.run("return document.querySelector('#bound').className") == json!("over"));
    assert!(browser.text("#invariants li[data-state=broken]").starts_with("never backwards"));
    let newest = browser.element("//fieldset//label[normalize-space(.)='newest']/input");
    browser.command(&format!("/element/{newest}/click"), &json!({}));
    let last_act = "return [...document.querySelectorAll('#acts li')].at(-1).textContent";
    wait_until("the switch", || browser.run(last_act).as_str().unwrap().contains("newest"));
    let switched: f64 = browser.run(last_act).as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
    wait_until("a second goes by", || browser.seconds() > switched + 1.0);
    browser.click("Pause");
    wait_until("it stands still", || browser.text("#play") == "Play");
    // The page goes to that very moment: a busy machine shows others.
    browser.go_to(switched + 0.99);
    assert_eq!(browser.counter("Storms"), "none now, 1 before", "switched at {switched} s");
    browser.click("Play");
    wait_until("all know the same", || browser.counter("Stale servers") == "none");
    let told = browser.counter("AT lines");
    let then = browser.seconds();
    wait_until("a second goes by", || browser.seconds() > then + 1.0);
    assert_eq!(browser.counter("AT lines"), told, "nothing is said any more");
    browser.is_clean();
}

#[test]
fn back_in_time_the_page_shows_the_same_to_the_byte() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    let run = "seed=9&clients=8&every=2&at=6.25&do=3:cut,Alford,Powell;4:whatsat,kiwi,Bolden,10,5;5:kill,Parker";
    browser.open_run(&page, run);
    let sections: Vec<u64> = serde_json::from_value(browser.run(SECTIONS)).unwrap();
    assert!(sections.len() > 8, "{sections:?}");
    let look = || {
        // The pointer is where it changes nothing.
        browser.run("document.activeElement.blur(); scrollTo(0, 0)");
        let pictures: Vec<String> =
            sections.iter().map(|number| browser.picture(&format!("//main/section[{number}]"))).collect();
        (browser.run(PICTURE).as_str().unwrap().to_owned(), pictures)
    };
    // Before anybody asked, there is no answer.
    browser.go_to(3.5);
    let early = look();
    browser.go_to(6.25);
    browser.run("[...document.querySelectorAll('#flying button')][0].click()");
    wait_until("a message is open", || !browser.text("#message pre").is_empty());
    let before = look();
    assert!(browser.text("#answer-of").contains("of kiwi") && early.0.contains("Nobody has asked"), "{}", before.0);
    assert!(before.0.contains("d=\"M") && before.0.len() > 20_000, "{}", before.0.len());
    browser.click("Play");
    wait_until("it goes on", || browser.seconds() > 7.0);
    browser.click("Pause");
    wait_until("it stands still", || browser.text("#play") == "Play");
    assert_ne!(look().0, before.0);
    browser.go_to(6.25);
    let after = look();
    for (one, other) in before.0.lines().zip(after.0.lines()) {
        assert_eq!(one, other);
    }
    assert!(before == after, "the pictures differ");
    browser.go_to(3.5);
    let after = look();
    for (one, other) in early.0.lines().zip(after.0.lines()) {
        assert_eq!(one, other);
    }
    assert!(early == after, "the pictures of the time before differ");
    browser.go_to(6.25);
    // Another run, and back: nothing of it is left in the lists.
    let other_run = "seed=10&clients=20&every=1&at=20";
    browser.run(&format!("location.hash = '#{other_run}'"));
    browser.shows("20");
    browser.run(&format!("location.hash = '#{run}'"));
    browser.shows("6.25");
    let lists = browser.run(LISTS);
    assert!(lists.as_str().unwrap().contains("<tr"), "{lists}");
    // Another process, another browser: the address is the run.
    let address = browser.run("return location.hash").as_str().unwrap().to_owned();
    let (other, Some(mut second)) = (Page::start(), Browser::start()) else { return };
    second.open_run(&other, address.trim_start_matches('#'));
    second.run("[...document.querySelectorAll('#flying button')][0].click()");
    wait_until("a message is open there", || !second.text("#message pre").is_empty());
    second.run("document.activeElement.blur()");
    assert_eq!(second.run(PICTURE).as_str().unwrap(), before.0);
    assert_eq!(second.run(LISTS), lists);
    browser.is_clean();
    second.is_clean();
}

#[test]
fn everything_can_be_done_by_role_and_label() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.size(1400, false);
    browser.open_run(&page, "seed=2&clients=3&every=3&at=5.5");
    browser.choose("Server tools", "Server", "Parker");
    for (tool, state) in
        [("Kill", "down"), ("Restart", "up"), ("Freeze", "frozen"), ("Thaw", "up"), ("Power off", "down")]
    {
        browser.click(tool);
        wait_until(tool, || browser.state("Parker") == state);
    }
    browser.click("Restart");
    browser.click("Move clock");
    let label = "return document.querySelector('[data-server=Parker]').ariaLabel";
    wait_until("its clock", || browser.run(label).as_str().unwrap().contains("its clock is 3600 s ahead"));
    browser.choose("Link tools", "From", "Bolden");
    browser.choose("Link tools", "To", "Powell");
    for (tool, fault) in [("Cut", ", cut"), ("Mend", ""), ("Slow", ", slow"), ("Lossy", ", lossy")] {
        browser.click(tool);
        wait_until(tool, || {
            let link = browser.link("Powell Bolden");
            link.contains(fault) && (!fault.is_empty() || !link.contains(", cut"))
        });
    }
    browser.click("Cut one way");
    wait_until("one way", || browser.link("Bolden Powell").contains(", cut"));
    assert!(browser.link("Powell Bolden").contains(", lossy"), "{}", browser.link("Powell Bolden"));
    browser.click("Heal everything");
    wait_until("all is well", || !browser.link("Bolden Powell").contains(", cut"));
    browser.fill("Split tools", "Servers on one side", "Alford, Powell");
    browser.click("Split off");
    wait_until("the split", || browser.link("Parker Alford").contains(", cut"));
    assert!(!browser.link("Alford Powell").contains(", cut"));
    browser.click("Heal everything");

    browser.choose("IAMAT", "Server", "Bolden");
    browser.fill("IAMAT", "Client", "guest");
    browser.fill("IAMAT", "Location", "+48.858370+2.294481");
    browser.click("Send IAMAT");
    browser.click("Move on its own");
    wait_until("it moves", || browser.text("#wander") == "Stay there");
    browser.fill("WHATSAT", "Client", "kiwi");
    browser.click("Send WHATSAT");
    browser.click("Play");
    wait_until("the places", || browser.text("#answer-of").contains("of kiwi"));
    wait_until("the guest", || browser.text("#commands").contains("guest"));
    browser.click("Pause");
    wait_until("it stands still", || browser.text("#play") == "Play");
    let events = || browser.run("return document.querySelector('#now').title").as_str().unwrap().to_owned();
    let before = events();
    browser.click("One event");
    wait_until("one event", || events() != before);
    browser.click("Event back");
    wait_until("back", || events() == before);
    browser.click("One turn");
    wait_until("one turn", || events() != before);
    let before = events();
    browser.press(".");
    wait_until("one event by key", || events() != before);
    browser.run("document.activeElement.blur()");
    browser.press(" ");
    wait_until("it plays by key", || browser.text("#play") == "Pause");
    browser.press(" ");
    wait_until("it stands by key", || browser.text("#play") == "Play");
    browser.is_clean();
}

#[test]
fn a_message_is_opened_and_a_split_is_drawn() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.size(1400, false);
    let run = "clients=0&every=0&jitter=0&delay=300&at=6.1&do=5:iamat,kiwi,Alford,+1+1";
    browser.open_run(&page, run);
    let button = browser
        .element("//ul[@aria-labelledby='flying-title']//button[starts-with(.,'AT kiwi from Alford to Parker')]");
    browser.command(&format!("/element/{button}/click"), &json!({}));
    wait_until("its bytes", || browser.text("#message pre").starts_with("AT Alford +"));
    assert!(browser.text("#message li").contains("Parker will decide at "), "{}", browser.text("#message"));
    browser.run(
        "const time = document.querySelector('[type=range]'); time.max = 7; time.value = 7;
                 time.dispatchEvent(new Event('input'))",
    );
    browser.shows("7");
    wait_until("the decision", || browser.text("#message li").contains("newer: taken"));

    browser.click("Draw a split");
    let place = |server: &str| {
        let script = format!(
            "const box = document.querySelector('[data-server={server}]').getBoundingClientRect();
             return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]"
        );
        let place = browser.run(&script);
        (place[0].as_i64().unwrap(), place[1].as_i64().unwrap())
    };
    browser.run("document.querySelector('#herd').scrollIntoView({ block: 'center' })");
    let (parker, hamilton) = (place("Parker"), place("Hamilton"));
    let (middle, down) = ((parker.0 + hamilton.0) / 2, parker.1 + 60);
    let to = |x: i64, y: i64| json!({ "type": "pointerMove", "duration": 0, "x": x, "y": y });
    let actions = json!([
        to(middle, down),
        { "type": "pointerDown", "button": 0 },
        to(middle + 15, down - 60),
        to(middle + 30, down - 120),
        { "type": "pointerUp", "button": 0 },
    ]);
    browser.command("/actions", &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }));
    wait_until("the split", || browser.text("#acts").contains("split "));
    wait_until("it crosses the link", || browser.link("Parker Hamilton").contains(", cut"));
    browser.is_clean();
}

#[test]
fn a_click_on_the_map_puts_a_client_there_and_the_next_one_chooses_it() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.size(1400, false);
    browser.open_run(&page, "clients=0&every=0&jitter=0&delay=100&at=4");
    // The middle of the map, in pixels, and by its own scale: a degree is twenty units, and the top left is 90 N 180 W.
    let middle = || {
        browser.run("document.querySelector('#world').scrollIntoView({ block: 'center' })");
        let middle = browser.run(
            "const svg = document.querySelector('[role=application]'), box = svg.getBoundingClientRect();
             const [x, y, width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
             return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2),
                     90 - (y + height / 2) / 20, (x + width / 2) / 20 - 180, width / box.width / 20]",
        );
        [0, 1, 2, 3, 4].map(|index| middle[index].as_f64().unwrap())
    };
    let click = || {
        let [x, y, ..] = middle();
        let actions = json!([
            { "type": "pointerMove", "duration": 0, "x": x as i64, "y": y as i64 },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        browser.command("/actions", &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }));
    };
    let [_, _, latitude, longitude, pixel] = middle();
    let field = |form: &str, name: &str| {
        let value =
            browser.run(&format!("return document.querySelector('form[aria-label={form}]').elements.{name}.value"));
        value.as_str().unwrap().to_owned()
    };
    browser.fill("IAMAT", "Location", "+1+1");
    click();
    wait_until("the place is taken", || field("IAMAT", "location") != "+1+1");
    let location = field("IAMAT", "location");
    let split = location.rfind(['+', '-']).filter(|split| *split > 0).unwrap();
    for (shown, clicked) in [(&location[..split], latitude), (&location[split..], longitude)] {
        let error = (shown.parse::<f64>().unwrap() - clicked).abs();
        assert!(error <= pixel, "{location}: clicked at {latitude} {longitude}, and a pixel is {pixel} degrees");
    }
    browser.fill("IAMAT", "Client", "guest");
    browser.click("Send IAMAT");
    wait_until("the act", || browser.text("#acts").contains(&format!("iamat guest Alford {location}")));
    browser.click("Play");
    wait_until("a server has heard it", || browser.text("#commands").contains("guest"));
    browser.fill("WHATSAT", "Client", "somebody");
    click();
    wait_until("it is chosen on the map", || field("WHATSAT", "client") == "guest");
    browser.is_clean();
}

#[test]
fn the_simulated_page_is_readable_on_a_telephone_by_keyboard_and_by_axe() {
    let Some(mut browser) = Browser::start() else { return };
    let page = Page::start();
    browser.open_run(
        &page,
        "seed=2&clients=6&every=3&rule=paper&at=6&do=3:cut,Alford,Powell;4:kill,Parker;5:freeze,Bolden",
    );
    for (width, is_dark) in [(1400, false), (1400, true), (400, false), (400, true)] {
        browser.size(width, is_dark);
        let wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert!(wide.as_i64() <= Some(0), "{width}: it scrolls sideways by {wide}");
        if let Some(found) = browser.axe() {
            assert_eq!(found, json!([]), "{width}, dark: {is_dark}");
        }
    }
    browser.run("document.querySelector('[data-link=\"Parker Hamilton\"]').focus()");
    browser.press("\u{e007}");
    let chosen = "return document.querySelector('#link-tools select[name=to]').value";
    wait_until("the link is chosen", || browser.run(chosen) == json!("Hamilton"));
    browser.run("document.querySelector('[data-server=Bolden]').focus()");
    browser.press(" ");
    wait_until("the server is chosen", || browser.text("#server").starts_with("Bolden: frozen"));
    browser.is_clean();
}
