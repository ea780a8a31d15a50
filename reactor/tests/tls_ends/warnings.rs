//! Certificates that peers will refuse: a warning in the log, and no error.

use crate::issuing::{Authority, server};
use crate::tls_clock::for_tls;
use rcgen::date_time_ymd;
use reactor::testing::ManualClock;
use reactor::tls::{PrivateCertificate, TlsServer};
use std::cell::RefCell;
use std::sync::Once;
use std::time::Duration;

thread_local! {
    /// What this test's own thread has logged: the others run at the same time.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{}: {}", record.level(), record.args())));
    }
    fn flush(&self) {}
}

/// What is logged meanwhile.
fn logged(work: impl FnOnce()) -> Vec<String> {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        log::set_logger(&Lines).expect("nobody else has set one");
        log::set_max_level(log::LevelFilter::Warn);
    });
    LINES.take();
    work();
    LINES.take()
}

/// Valid in the years from `from` to `until`.
fn valid(authority: &Authority, name: &str, from: i32, until: i32) -> PrivateCertificate {
    let issued = authority.issue_changed(&[name], |params| {
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    });
    issued.private()
}

const SAYS: &str = "and our clock says 2030-06-01 00:00 UTC; peers will refuse it";

#[test]
fn a_certificate_that_is_expired_or_not_yet_valid_is_a_warning_wherever_a_server_gets_it() {
    let authority = Authority::new("Root");
    let good = valid(&authority, "good.test", 2030, 2031);
    assert_eq!(logged(|| drop(server(good.clone()))), [""; 0]);

    let old = valid(&authority, "old.test", 2028, 2030);
    let expired = format!("WARN: the certificate for old.test in the chain expired on 2030-01-01 00:00 UTC, {SAYS}");
    assert_eq!(logged(|| drop(server(old.clone()))), [&*expired]);
    assert_eq!(logged(|| drop(server(good.clone()).also_certificate(old.clone()).unwrap())), [&*expired]);
    let renewed = server(good.clone());
    assert_eq!(logged(|| renewed.set_certificates(vec![good.clone(), old.clone()]).unwrap()), [&*expired]);

    let early = valid(&authority, "early.test", 2031, 2032);
    let early_says = "WARN: the certificate for early.test in the chain is valid only from 2031-01-01 00:00 UTC, ";
    assert_eq!(logged(|| drop(server(early))), [format!("{early_says}{SAYS}")]);
}

#[test]
fn the_clock_of_the_server_decides_whether_a_certificate_is_expired() {
    let authority = Authority::new("Root");
    let clock = ManualClock::new();
    let until_2031 = valid(&authority, "a.test", 2030, 2031);
    let make = |clock: &ManualClock| {
        drop(TlsServer::with_certificate(for_tls(clock), until_2031.clone()).unwrap());
    };
    assert_eq!(logged(|| make(&clock)), [""; 0]);
    clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(logged(|| make(&clock)).len(), 1);
}
