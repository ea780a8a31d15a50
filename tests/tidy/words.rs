//! Words that a reader has to decode, each with what to write instead. The list is short on purpose: a word stands here
//! because it once was everywhere.

use crate::repo::{documents, none, sources};

const WORDS: [(&str, &str); 6] = [
    ("whoever", "any peer that, the caller that, ..."),
    ("whomever", "any peer that, ..."),
    ("so many", "the maximum number of"),
    ("neighbour", "neighbor, as in the configuration"),
    ("canceled", "cancelled, as in Twisted"),
    ("canceling", "cancelling, as in Twisted"),
];

#[test]
fn words_that_must_be_decoded_do_not_come_back() {
    let mut broken = Vec::new();
    for file in sources().iter().chain(documents()).filter(|file| !file.is_tidy()) {
        for (number, line) in file.text.lines().enumerate() {
            for (_, better) in found_in(line) {
                broken.push(format!("{}:{}: {} ({better})", file.path, number + 1, line.trim()));
            }
        }
    }
    none("write it in plain English", &broken);
}

fn found_in(line: &str) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let line = line.to_ascii_lowercase();
    WORDS.iter().filter(move |(word, _)| match line.split_once(word) {
        // "So many retries that ..." is plain English.
        Some((_, rest)) => *word != "so many" || !rest.contains(" that "),
        None => false,
    })
}

#[test]
fn words_are_found_in_a_line() {
    let found = |line| found_in(line).map(|(word, _)| *word).collect::<Vec<_>>();
    assert_eq!(found("Whoever comes, so many"), ["whoever", "so many"]);
    assert!(found("a neighbor that was cancelled").is_empty());
    assert!(found("so many neighbors that it must wait").is_empty());
}
