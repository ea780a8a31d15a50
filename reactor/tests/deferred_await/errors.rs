//! `?` between errors of different worlds.

use super::{block_on, outcome};
use reactor::failure::Message;
use reactor::{Deferred, Failure};
use std::error::Error;
use std::fmt;
use std::num::ParseIntError;
use std::str::Utf8Error;

async fn port(bytes: &[u8]) -> Result<u16, Failure> {
    let text = std::str::from_utf8(bytes)?;
    let port: u16 = text.parse()?;
    if port == 0 {
        return Err(Failure::msg("not a port"));
    }
    Ok(port)
}

#[test]
fn errors_of_every_kind_become_failures() {
    let failures = [&b"\xff"[..], b"x", b"0"].map(|bytes| block_on(port(bytes)).unwrap_err());
    assert!(failures[0].check::<Utf8Error>().is_some());
    assert!(failures[1].check::<ParseIntError>().is_some());
    assert_eq!(failures[2].check::<Message>().unwrap().0, "not a port");
    for failure in failures {
        assert!(failure.raised().file().ends_with("errors.rs"), "{}", failure.raised());
    }
}

#[test]
fn errors_of_every_kind_come_out_of_a_coroutine() {
    assert_eq!(Deferred::from_future(port(b"80")).result(), Some(80));
    let text = outcome(Deferred::from_future(port(b"x")));
    assert_eq!(text, "failed: invalid digit found in string");
}

#[test]
fn a_failure_becomes_a_boxed_error_with_its_cause_in_functions_that_return_those() {
    async fn caller() -> Result<u16, Box<dyn Error>> {
        let port = Deferred::from_future(port(b"x")).await?;
        Ok(port)
    }
    let error = block_on(caller()).unwrap_err();
    assert!(error.source().unwrap().is::<ParseIntError>());
    assert!(format!("{error:?}").contains("awaited at "), "{error:?}");
}

#[test]
fn an_error_type_of_the_program_is_trapped_after_the_await_and_others_pass() {
    #[derive(Debug)]
    struct Refused(u32);
    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "refused {}", self.0)
        }
    }
    impl Error for Refused {}

    async fn attempt(failed: Deferred<u32>) -> Result<u32, Failure> {
        match failed.await {
            Ok(n) => Ok(n),
            Err(failure) => Ok(failure.trap::<Refused>()?.0),
        }
    }
    for (failure, expected) in [(Failure::new(Refused(3)), "3"), (Failure::msg("other"), "failed: other")] {
        let (deferred, firer) = Deferred::<u32>::new();
        let chain = Deferred::from_future(attempt(deferred));
        firer.errback(failure).unwrap();
        assert_eq!(outcome(chain), expected);
    }
}

#[test]
fn a_failure_names_its_awaits_in_order() {
    async fn inner(deferred: Deferred<()>) -> Result<(), Failure> {
        deferred.await
    }
    let (deferred, firer) = Deferred::<()>::new();
    let chain = Deferred::from_future(async move { inner(deferred).await }).add_errback(|failure| {
        let report = failure.report();
        let awaited = report.find("awaited at ").expect("it says so");
        let ended = report.find("in the coroutine started at ").expect("it says so");
        assert!(awaited < ended, "{report}");
        assert_eq!(report.matches("errors.rs").count(), 4, "raised, made, awaited, started: {report}");
        Ok(())
    });
    firer.errback(Failure::msg("no")).unwrap();
    assert_eq!(chain.result(), Some(()));
}
