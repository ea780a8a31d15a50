//! Words that a reader has to decode, each with what to write instead. The list is short on purpose: a word stands here
//! because it once was everywhere.

use crate::repo::{documents, none, scripts, sources};

const WORDS: [(&str, &str); 7] = [
    ("whoever", "any peer that, the caller that, ..."),
    ("whomever", "any peer that, ..."),
    ("what cannot be had", "without it, ..."),
    ("so many", "the maximum number of"),
    ("neighbour", "neighbor, as in the configuration"),
    ("canceled", "cancelled, as in Twisted"),
    ("canceling", "cancelling, as in Twisted"),
];

#[test]
fn words_that_must_be_decoded_do_not_come_back() {
    let mut broken = Vec::new();
    for file in sources().iter().chain(documents()).chain(scripts()).filter(|file| !file.is_tidy()) {
        for (number, line) in file.text.lines().enumerate() {
            for (_, better) in found_in(line) {
                broken.push(format!("{}:{}: {} ({better})", file.path, number + 1, line.trim()));
            }
            if says_what_it_is_not(line) {
                broken.push(format!("{}:{}: {} (is not a ..., or say what it is)", file.path, number + 1, line.trim()));
            }
        }
    }
    none("write it in plain English", &broken);
}

fn found_in(line: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    // That is how the crate `futures` spells its error.
    let line = line.replace("Canceled", "").to_ascii_lowercase();
    WORDS.iter().filter(move |(word, _)| match line.split_once(word) {
        // "So many retries that ..." is plain English.
        Some((_, rest)) => *word != "so many" || !rest.contains(" that "),
        None => false,
    })
}

/// "It is no server", "its status line is none". "There is no server" and "it is no longer one" are plain English.
fn says_what_it_is_not(line: &str) -> bool {
    // `None` is a value, not a word.
    let line = line.replace("None", "").to_ascii_lowercase();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(3).enumerate().any(|(at, words)| {
        let [before, verb, no] = words else { return false };
        let no = no.trim_matches(|c: char| !c.is_ascii_alphabetic());
        let is_verb = ["is", "are", "was", "were"].contains(verb) && (no == "no" || no == "none");
        let next = line.split_whitespace().nth(at + 3).unwrap_or("").trim_matches(|c: char| !c.is_ascii_alphabetic());
        let is_plain = ["longer", "more", "of"].contains(&next) || next.is_empty() && no == "no";
        // Before the first word of a comment's line, the sentence's own words stand in the line above.
        let is_word = before.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_verb && is_word && !is_plain && !before.ends_with("there")
    })
}

#[test]
fn words_are_found_in_a_line() {
    let found = |line| found_in(line).map(|(word, _)| *word).collect::<Vec<_>>();
    assert_eq!(found("Whoever comes, so many"), ["whoever", "so many"]);
    assert!(found("a neighbor that was cancelled").is_empty());
    assert!(found("so many neighbors that it must wait").is_empty());
    let wrong = ["what it has is no error", "its status line is none\"", "lines that are no headers"];
    assert!(wrong.into_iter().all(says_what_it_is_not));
    let plain =
        ["if there is no server", "it is no longer one", "there is none", "/// is no item", "this is no", "a is not"];
    assert!(!plain.into_iter().any(says_what_it_is_not));
}
