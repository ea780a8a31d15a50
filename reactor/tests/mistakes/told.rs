//! Runs a program in a process of its own, and reads what it tells on standard error.

use reactor::{Address, Protocol, Reactor, Settings, Transport};
use std::process::Command;
use std::time::Duration;

pub(crate) const PROGRAM: &str = "REACTOR_TEST_PROGRAM";
pub(crate) const LOGGER: &str = "REACTOR_TEST_LOGGER";

/// What a program has written to standard error.
pub(crate) struct Told {
    pub(crate) without_logger: String,
    pub(crate) with_logger: String,
}

/// Runs `program` in two processes, without and with a logger. `name` is the test that calls this. `None` in such a
/// process itself.
#[track_caller]
pub(crate) fn told_by(name: &str, program: fn()) -> Option<Told> {
    if std::env::var(PROGRAM).is_ok_and(|child| child == name) {
        if std::env::var(LOGGER).is_ok() {
            log::set_logger(&Discards).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
        }
        program();
        return None;
    }
    let run = |with_logger: bool| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(PROGRAM, name).env_remove(LOGGER);
        if with_logger {
            command.env(LOGGER, "yes");
        }
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "another test ran");
        told
    };
    Some(Told { without_logger: run(false), with_logger: run(true) })
}

pub(crate) struct Discards;

impl log::Log for Discards {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, _: &log::Record<'_>) {}
    fn flush(&self) {}
}

impl Told {
    /// Exactly one message, which has all of `parts`; and no word of the library beside a logger.
    #[track_caller]
    pub(crate) fn expect_one_message(self, parts: &[&str]) {
        let text = &self.without_logger;
        assert_eq!(text.matches("reactor: ").count(), 1, "{text}");
        for part in parts {
            assert!(text.contains(part), "without {part:?}: {text}");
        }
        assert!(!self.with_logger.contains("reactor: "), "{}", self.with_logger);
    }
}

/// Sends `greeting` at once, and does what `then` says.
pub(crate) struct Speaker {
    pub(crate) greeting: &'static [u8],
    pub(crate) then: fn(&Transport),
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(self.greeting);
        (self.then)(transport);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// Settings with which every callback is slow.
pub(crate) fn impatient() -> Settings {
    let mut settings = Settings::default();
    settings.slow_callback = Duration::ZERO;
    settings
}

pub(crate) fn silent(_transport: &Transport) {}

pub(crate) fn stop_soon(reactor: &Reactor) {
    let stopper = reactor.clone();
    reactor.call_later(Duration::from_millis(20), move || stopper.stop());
}

/// Runs a server that is a `server`, and a client that is a `client`, until a moment after they have met.
pub(crate) fn run_pair(settings: Settings, server: fn() -> Speaker, client: fn() -> Speaker) {
    let reactor = Reactor::with_settings(settings).unwrap();
    let same = reactor.clone();
    let served = move |_peer: Address| {
        stop_soon(&same);
        server()
    };
    let port = reactor.listen_tcp("127.0.0.1:0", served).unwrap(); // opened
    reactor.connect_tcp(port.host(), move |_peer| client());
    reactor.run().unwrap();
}

/// The place of the line in `source`, the file `file` of these tests, that ends with this comment.
pub(crate) fn place(source: &str, file: &str, comment: &str) -> String {
    let ending = format!("// {comment}");
    let number = source.lines().position(|line| line.ends_with(&ending)).expect("the comment");
    format!("tests/mistakes/{file}.rs:{}:", number + 1)
}

/// The place at which [`run_pair`] opens its port.
pub(crate) fn opened() -> String {
    place(include_str!("told.rs"), "told", "opened")
}
