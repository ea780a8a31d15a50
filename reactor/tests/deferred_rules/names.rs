//! The table of Twisted's names leaves none out.

const TABLE: &str = include_str!("../../src/deferred/twisted_names.md");

/// `twisted.internet.defer.__all__` in Twisted 26.10.0.
const ALL: [&str; 19] = [
    "Deferred",
    "DeferredList",
    "succeed",
    "fail",
    "FAILURE",
    "SUCCESS",
    "AlreadyCalledError",
    "TimeoutError",
    "gatherResults",
    "maybeDeferred",
    "ensureDeferred",
    "inlineCallbacks",
    "returnValue",
    "DeferredLock",
    "DeferredSemaphore",
    "DeferredQueue",
    "DeferredFilesystemLock",
    "AlreadyTryingToLockError",
    "CancelledError",
];

/// The other public names that are defined there, by `dir(defer)`.
const OTHERS: [&str; 15] = [
    "DebugInfo",
    "DeferredCallback",
    "DeferredErrback",
    "FailureGroup",
    "FirstError",
    "NotACoroutineError",
    "QueueOverflow",
    "QueueUnderflow",
    "execute",
    "getDebugging",
    "logError",
    "passthru",
    "race",
    "setDebugging",
    "timeout",
];

/// The public methods and attributes of the classes, by `dir(class)`.
const METHODS: [(&str, &[&str]); 6] = [
    (
        "Deferred",
        &[
            "addBoth",
            "addCallback",
            "addCallbacks",
            "addErrback",
            "addTimeout",
            "asFuture",
            "callback",
            "callbacks",
            "called",
            "cancel",
            "chainDeferred",
            "debug",
            "errback",
            "fromCoroutine",
            "fromFuture",
            "pause",
            "paused",
            "unpause",
        ],
    ),
    ("DeferredList", &["cancel", "fireOnOneCallback", "fireOnOneErrback"]),
    ("DeferredLock", &["acquire", "locked", "release", "run"]),
    ("DeferredSemaphore", &["acquire", "release", "run"]),
    ("DeferredQueue", &["get", "put"]),
    ("DeferredFilesystemLock", &["clean", "deferUntilLocked", "lock", "locked", "unlock"]),
];

/// The rows of the first table: what is Twisted's, and what is ours.
fn rows() -> Vec<(&'static str, &'static str)> {
    let first = TABLE.split("# Where ours differs").next().expect("a split has a first part");
    let cells = first.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    cells.filter(|(twisted, _)| twisted.starts_with('`')).collect()
}

/// Whether some row is about the name: it stands there as code, alone or with its arguments.
fn is_told(name: &str) -> bool {
    rows().iter().any(|(twisted, _)| {
        let codes = twisted.split('`').skip(1).step_by(2);
        codes.into_iter().any(|code| code.split('(').next() == Some(name))
    })
}

#[test]
fn every_public_name_of_twisted_is_in_the_table() {
    assert!(rows().len() > 60, "only {} rows were read", rows().len());
    let missing: Vec<_> = ALL.into_iter().chain(OTHERS).filter(|name| !is_told(name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(!is_told("addCallback") && !is_told("Deferre"), "a part of a name is not the name");
}

#[test]
fn every_public_method_of_twisted_is_in_the_table() {
    let methods = METHODS
        .into_iter()
        .flat_map(|(class, methods)| methods.iter().map(move |method| format!("{class}.{method}")).collect::<Vec<_>>());
    let missing: Vec<_> = methods.filter(|method| !is_told(method)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_row_has_our_name_or_the_reason_why_there_is_no_counterpart() {
    let empty: Vec<_> = rows().into_iter().filter(|(_, ours)| ours.trim().len() < 4).collect();
    assert_eq!(empty, []);
}
