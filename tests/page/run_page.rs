//! `herdsim --page`: how tests start it, and open a run.

use crate::chromium::Browser;
use crate::http::request;
use crate::util::wait_until;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// `herdsim --page`, at a port of its own.
pub(crate) struct Page {
    process: Child,
    pub(crate) port: u16,
}

impl Page {
    pub(crate) fn start() -> Page {
        Page::start_at(0)
    }

    pub(crate) fn start_at(port: u16) -> Page {
        let mut command = Command::new(env!("CARGO_BIN_EXE_herdsim"));
        let mut process = command.args(["--page", "--port", &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.strip_prefix("page: http://127.0.0.1:").and_then(|rest| rest.trim_end().strip_suffix('/'));
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        Page { process, port }
    }

    /// Asks for something: `None` if it is done, else why not.
    pub(crate) fn ask(&self, line: &str) -> Option<String> {
        let answer = request(self.port, "POST", "/do", &[], line);
        let refused = answer.json()["error"].as_str().map(str::to_owned);
        assert_eq!(answer.status, if refused.is_some() { 400 } else { 200 }, "{answer:?}");
        refused
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    pub(crate) fn open_run(&mut self, page: &Page, run: &str) {
        self.open_at(page.port, &format!("#{run}"));
        self.shows(run.split("at=").nth(1).and_then(|at| at.split('&').next()).expect("a time"));
    }

    /// Waits until the run stands still at this time.
    pub(crate) fn shows(&self, at: &str) {
        let text = format!("{:.3} s", at.parse::<f64>().unwrap());
        wait_until(&format!("the run stands at {text}"), || {
            self.text("#now") == text && self.text("#play") == "Play" && !self.text("#counters").is_empty()
        });
    }
}
