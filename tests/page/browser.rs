//! The page in a real browser: Chromium, headless, driven over WebDriver. Without `chromedriver` these tests report
//! SKIPPED. `AXE_CORE` may name the file `axe.min.js` of the npm package `axe-core`.

use crate::http::request;
use crate::util::{Client, PATIENCE, Process, free_port, logs, wait_until};
use crate::{KIWI, Two};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A browser with one page. Its console and its requests are looked at when the test ends with [`Browser::is_clean`].
struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The addresses that the page may ask.
    allowed: Vec<String>,
}

impl Browser {
    /// `None` if there is no browser here.
    fn start() -> Option<Browser> {
        let port = free_port();
        let driver = Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).spawn();
        let driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                println!("SKIPPED: chromedriver cannot be run: {error}");
                return None;
            }
        };
        let mut browser = Browser { driver, port, session: String::new(), allowed: Vec::new() };
        wait_until("chromedriver listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = browser.call("POST", "/session", &capabilities);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = request(self.port, method, path, &["Content-Type: application/json"], &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()["value"].take()
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn open(&mut self, page: u16) {
        self.allowed.push(format!("http://127.0.0.1:{page}/"));
        self.command("/url", &json!({ "url": format!("http://127.0.0.1:{page}/") }));
        wait_until("the page is live", || self.text("[role=status]").starts_with("live"));
    }

    /// What a piece of JavaScript returns.
    #[track_caller]
    fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    #[track_caller]
    fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({selector:?})?.textContent ?? ''"));
        found.as_str().expect("text").to_owned()
    }

    /// How a server is drawn.
    fn state(&self, server: &str) -> String {
        let script = format!("return document.querySelector('[data-server={server}]').dataset.state");
        self.run(&script).as_str().expect("a state").to_owned()
    }

    fn element(&self, xpath: &str) -> String {
        let found = self.command("/element", &json!({ "using": "xpath", "value": xpath }));
        found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).expect("one").to_owned()
    }

    /// Types into a field of a form, in place of what stands there.
    fn fill(&self, form: &str, label: &str, text: &str) {
        let field =
            self.element(&format!("//form[@aria-label='{form}']//label[normalize-space(text())='{label}']//input"));
        self.command(&format!("/element/{field}/clear"), &json!({}));
        self.command(&format!("/element/{field}/value"), &json!({ "text": text }));
    }

    fn click(&self, button: &str) {
        let button = self.element(&format!("//button[normalize-space(text())='{button}']"));
        self.command(&format!("/element/{button}/click"), &json!({}));
    }

    fn size(&self, width: u32, is_dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (what, params) in [("Emulation.setDeviceMetricsOverride", metrics), ("Emulation.setEmulatedMedia", media)] {
            self.command("/goog/cdp/execute", &json!({ "cmd": what, "params": params }));
        }
    }

    /// The console has no error, and everything that was asked for is on this page's server.
    #[track_caller]
    fn is_clean(&self) {
        let log = |kind: &str| self.command("/se/log", &json!({ "type": kind }));
        let console = log("browser");
        let errors =
            console.as_array().unwrap().iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        assert_eq!(errors.collect::<Vec<_>>(), Vec::<&Value>::new());
        let mut asked = 0;
        for entry in log("performance").as_array().unwrap() {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let Some(url) = message["message"]["params"]["request"]["url"].as_str() else { continue };
            asked += 1;
            assert!(self.allowed.iter().any(|allowed| url.starts_with(allowed)), "the page asked for {url}");
        }
        assert!(asked > 5, "is this test blind? {asked}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn a_killed_server_is_grey_and_comes_back() {
    let Some(mut browser) = Browser::start() else { return };
    let herd = Two::new("");
    let (alford, _powell) = (herd.start("Alford"), herd.start("Powell"));
    browser.open(herd.page(1));
    wait_until("Alford is up", || browser.state("Alford") == "up");
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
    let _alford = herd.start("Alford");
    let restarted = Instant::now();
    wait_until("Alford is up again", || browser.state("Alford") == "up");
    assert!(restarted.elapsed() < Duration::from_secs(2), "{:?}", restarted.elapsed());
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
    let axe = std::env::var("AXE_CORE").ok().map(|path| std::fs::read_to_string(path).expect("AXE_CORE"));
    if axe.is_none() {
        println!("SKIPPED: AXE_CORE does not name axe.min.js");
    }
    for (width, is_dark) in [(1400, false), (1400, true), (400, false), (400, true)] {
        browser.size(width, is_dark);
        let wide = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert!(wide.as_i64() <= Some(0), "{width}: it scrolls sideways by {wide}");
        if let Some(axe) = &axe {
            let run = "; const done = arguments[0];
                axe.run().then(found => done(found.violations
                    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
                    .map(({ id, nodes }) => [id, nodes.map(node => node.html + node.failureSummary)])));";
            let body = json!({ "script": format!("{axe}{run}"), "args": [] });
            assert_eq!(browser.command("/execute/async", &body), json!([]), "{width}, dark: {is_dark}");
        }
    }
    // A server is chosen with the keyboard, and told about.
    browser.run("document.querySelector('[data-server=Alford]').focus()");
    let keys = json!({ "actions": [{ "type": "key", "id": "keys", "actions": [
        { "type": "keyDown", "value": "\u{e007}" }, { "type": "keyUp", "value": "\u{e007}" },
    ] }] });
    browser.command("/actions", &keys);
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
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    let log = logs(herd.directory.path());
    assert!(log.contains("the page is http://127.0.0.1:") && !log.contains(" ERROR "), "{log}");
}
