//! Rules of this repository that no compiler checks, each with its reason.

#[path = "tidy/alarms.rs"]
mod alarms;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/orders.rs"]
mod orders;
#[path = "tidy/reading_order.rs"]
mod reading_order;
#[path = "tidy/repo.rs"]
mod repo;
#[path = "tidy/words.rs"]
mod words;

use repo::{Source, documents, lines_where, none, sources};

/// No line of code outside `allowed` holds any of these words; comments may, and tests if they are `but_tests`.
#[track_caller]
fn only_in(allowed: &[&str], but_tests: bool, words: &[&str]) {
    let broken = lines_where(|source, line| {
        let is_exempt = source.is_in(allowed) || (but_tests && source.is_test_code(line));
        // Asking whether this thread panics is not using threads.
        let code = line.split("//").next().unwrap_or("").replace("std::thread::panicking()", "");
        !is_exempt && words.iter().any(|word| code.contains(word))
    });
    none(&format!("{words:?} belong into {allowed:?}"), &broken);
}

#[test]
fn lines_are_at_most_120_characters_long() {
    none("longer than 120 characters", &lines_where(|_, line| line.chars().count() > 120));
}

#[test]
fn files_are_at_most_500_lines_long() {
    let long = sources().iter().filter(|source| source.text.lines().count() > 500);
    none("more than one idea a file?", &long.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn every_file_says_first_what_it_is() {
    // A `tests.rs` belongs to the file that it tests.
    let silent =
        sources().iter().filter(|source| !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs"));
    none("does not open with //!", &silent.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn the_products_crates_ask_for_documentation() {
    // Not by `[lints]`: that would ask the same of every example, and of what a learner puts beside them.
    let lints = "\n#![deny(missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]\n";
    let roots = ["reactor/src/lib.rs", "src/lib.rs", "src/main.rs", "src/bin/herdsim/main.rs"];
    let lax = sources().iter().filter(|source| source.is_in(&roots) && !source.text.contains(lints));
    none(&format!("lacks{lints}"), &lax.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_to_be_done() {
    let words = ["todo!", "unimplemented!", "dbg!", "FIXME", "TODO", "#[ignore"];
    let mut broken = lines_where(|_, line| words.iter().any(|word| line.contains(word)));
    // A merge that was left half done.
    let is_marked = |file: &&Source| file.text.lines().any(|line| line.starts_with("<<<<<<< "));
    broken.extend(sources().iter().chain(documents()).filter(is_marked).map(|file| file.path.clone()));
    none("to be done before it is committed", &broken);
}

#[test]
fn only_a_driver_touches_sockets_and_signals() {
    // Tests may: they play the world outside.
    let allowed = ["reactor/src/driver", "examples/tiny_reactor.rs"]; // The second is a reactor of its own.
    only_in(&allowed, true, &["mio::", "socket2", "signal_hook"]);
    only_in(&allowed, true, &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs"]);
}

#[test]
fn only_a_driver_reads_the_clock() {
    // The log has a time for each line, and its writer is no part of a loop; a simulation says how fast it was.
    only_in(
        &[
            "reactor/src/driver",
            "src/log_file.rs",
            "src/log_file",
            "src/bin/herdsim/machine",
            // It measures what it prints.
            "examples/13_four_styles.rs",
            "examples/tiny_reactor.rs",
        ],
        true,
        &["Instant::now", "SystemTime::now"],
    );
}

#[test]
fn only_a_driver_the_files_of_log_and_trace_and_the_simulation_of_many_seeds_have_threads() {
    // `read_file` waits for a pipe at the start, before there is a loop.
    only_in(
        &[
            "reactor/src/driver",
            // It writes what a loop that hangs has left in the buffer.
            "reactor/src/trace/file.rs",
            "src/log_file.rs",
            "src/log_file",
            "src/config/read_file.rs",
            "src/bin/herdsim/machine",
            // They show what a blocked loop costs.
            "examples/04_blocked_echo.rs",
            "examples/13_four_styles.rs",
        ],
        true,
        &["std::thread", "thread::spawn", "thread::scope"],
    );
}

#[test]
fn nothing_sleeps() {
    // Two examples show what happens then.
    // A measurement, in which somebody looks at a page for a while.
    let measured = "tests/page_speed/main.rs";
    only_in(&["examples/04_blocked_echo.rs", "examples/13_four_styles.rs", measured], false, &["thread::sleep"]);
}

#[test]
fn a_test_that_is_skipped_says_so_in_one_way() {
    // What is said in another way is hidden by the harness, or is not counted. The chaos test has no such harness.
    let allowed =
        ["reactor/tests/util/skip.rs", "tests/chaos", "reactor/tests/http_requests/llhttp.rs", "tests/tidy.rs"];
    only_in(&allowed, false, &["SKIPPED"]);
}

#[test]
fn the_product_has_no_hooks_for_tests() {
    // A test module may be left out of the product; nothing inside the product may change.
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["src", "reactor/src"])) {
        let mut lines = source.text.lines().map(str::trim).enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let code = line.split("//").next().unwrap_or("");
            let is_conditional =
                code.contains("cfg") && code.split(|c: char| !c.is_alphanumeric()).any(|it| it == "test");
            let is_module = line == "#[cfg(test)]" && lines.peek().is_some_and(|(_, next)| next.starts_with("mod "));
            if is_conditional && !is_module {
                broken.push(format!("{}:{}: {line}", source.path, number + 1));
            }
        }
    }
    none("cfg(test) on something that is no test module", &broken);
}
