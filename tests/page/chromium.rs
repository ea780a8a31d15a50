//! A real browser: Chromium, headless, driven over WebDriver. Without `chromedriver` the tests that use it report
//! SKIPPED. `AXE_CORE` may name the file `axe.min.js` of axe-core.

use crate::http::request;
use crate::util::wait_until;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A browser with one page. Its console and its requests are looked at when the test ends with [`Browser::is_clean`].
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The addresses that the page may ask.
    allowed: Vec<String>,
}

impl Browser {
    /// `None` if there is no browser here.
    pub(crate) fn start() -> Option<Browser> {
        Browser::start_with(&json!({ "browser": "ALL", "performance": "ALL" }))
    }

    /// Records what `recorded` says: nothing, if it is empty, as for a person who looks at the page. A browser that
    /// records sends its driver a copy of each event that comes.
    pub(crate) fn start_with(recorded: &Value) -> Option<Browser> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                crate::skip::skipped(format_args!("chromedriver cannot be run: {error}"));
                return None;
            }
        };
        let mut said = BufReader::new(driver.stdout.take().expect("a pipe"));
        let mut line = String::new();
        // It chooses a free port, and says so: "ChromeDriver was started successfully on port 41234."
        let port = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "chromedriver has ended");
            let port = line.trim_end().strip_suffix('.').and_then(|line| line.rsplit_once(" on port "));
            if let Some(port) = port.and_then(|(_, port)| port.parse().ok()) {
                break port;
            }
        };
        // What else it says is of no use, but it must not wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut browser = Browser { driver, port, session: String::new(), allowed: Vec::new() };
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // A look at the whole page by axe-core takes seconds, and far longer where many browsers share a processor.
            "timeouts": { "script": 300_000 },
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": recorded,
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
    pub(crate) fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    pub(crate) fn open(&mut self, page: u16) {
        self.open_at(page, "");
        wait_until("the page is live", || self.text("[role=status]").starts_with("live"));
    }

    /// Opens a page, without waiting for what it shows.
    pub(crate) fn open_at(&mut self, page: u16, path: &str) {
        self.allowed.push(format!("http://127.0.0.1:{page}/"));
        self.command("/url", &json!({ "url": format!("http://127.0.0.1:{page}/{path}") }));
    }

    /// What the promise that a piece of JavaScript returns resolves to.
    #[track_caller]
    pub(crate) fn run_async(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; (async () => {{ {script} }})().then(done)");
        self.command("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// What a piece of JavaScript returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({selector:?})?.textContent ?? ''"));
        found.as_str().expect("text").to_owned()
    }

    /// How a server is drawn.
    pub(crate) fn state(&self, server: &str) -> String {
        let script = format!("return document.querySelector('[data-server={server}]').dataset.state");
        self.run(&script).as_str().expect("a state").to_owned()
    }

    pub(crate) fn element(&self, xpath: &str) -> String {
        let found = self.command("/element", &json!({ "using": "xpath", "value": xpath }));
        found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).expect("one").to_owned()
    }

    /// Types into a field of a form, in place of what stands there.
    pub(crate) fn fill(&self, form: &str, label: &str, text: &str) {
        let field =
            self.element(&format!("//form[@aria-label='{form}']//label[normalize-space(text())='{label}']//input"));
        self.command(&format!("/element/{field}/clear"), &json!({}));
        self.command(&format!("/element/{field}/value"), &json!({ "text": text }));
    }

    pub(crate) fn click(&self, button: &str) {
        let button = self.element(&format!("//button[normalize-space(text())='{button}']"));
        self.command(&format!("/element/{button}/click"), &json!({}));
    }

    /// What a screen reader hears of an element: its role and its name.
    pub(crate) fn role_and_name(&self, xpath: &str) -> (String, String) {
        let element = self.element(xpath);
        let of = |what: &str| {
            let path = format!("/session/{}/element/{element}/computed{what}", self.session);
            self.call("GET", &path, &Value::Null).as_str().expect("text").to_owned()
        };
        (of("role"), of("label"))
    }

    /// Clicks on what has this role and a name that begins so. Something that lies over it would get the click.
    #[track_caller]
    pub(crate) fn click_on(&self, role: &str, name: &str) {
        let element = self.element(&format!("//*[@role='{role}' and starts-with(@aria-label,'{name}')]"));
        self.command(&format!("/element/{element}/click"), &json!({}));
    }

    pub(crate) fn size(&self, width: u32, is_dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (what, params) in [("Emulation.setDeviceMetricsOverride", metrics), ("Emulation.setEmulatedMedia", media)] {
            self.command("/goog/cdp/execute", &json!({ "cmd": what, "params": params }));
        }
    }

    /// Presses keys, one after the other, on what has the focus.
    pub(crate) fn press(&self, keys: &str) {
        let of = |kind: &str, key: char| json!({ "type": kind, "value": key.to_string() });
        let actions: Vec<Value> = keys.chars().flat_map(|key| [of("keyDown", key), of("keyUp", key)]).collect();
        self.command("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// A picture of an element, as a PNG file in base64.
    pub(crate) fn picture(&self, xpath: &str) -> String {
        let element = self.element(xpath);
        let path = format!("/session/{}/element/{element}/screenshot", self.session);
        self.call("GET", &path, &Value::Null).as_str().expect("a picture").to_owned()
    }

    /// Everything serious that axe-core finds; `None` without axe-core.
    pub(crate) fn axe(&self) -> Option<Value> {
        let Ok(path) = std::env::var("AXE_CORE") else {
            crate::skip::skipped("AXE_CORE does not name axe.min.js");
            return None;
        };
        let axe = std::fs::read_to_string(path).expect("AXE_CORE");
        let run = "; const done = arguments[0];
            axe.run().then(found => done(found.violations
                .filter(({ impact }) => impact === 'serious' || impact === 'critical')
                .map(({ id, nodes }) => [id, nodes.map(node => node.html + node.failureSummary)])));";
        Some(self.command("/execute/async", &json!({ "script": format!("{axe}{run}"), "args": [] })))
    }

    /// The console has no error, and everything that was asked for is on this page's server.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
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
        // Also of a test that fails: the browser would stay if only its driver were killed.
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            let answer = std::panic::catch_unwind(|| request(self.port, "DELETE", &path, &[], ""));
            assert!(std::thread::panicking() || answer.is_ok_and(|answer| answer.status == 200), "the browser stays");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
