//! Places by name: a comment at the end of a line names it, `let x = succeed(1); // made`, and what a failure or a
//! Deferred tells of that line then reads `<made>`.

use reactor::Failure;
use reactor::failure::Waypoint;
use std::sync::LazyLock;

const SOURCES: [(&str, &str); 4] = [
    ("came_from.rs", include_str!("came_from.rs")),
    ("came_from_afar.rs", include_str!("came_from_afar.rs")),
    ("m17_places.rs", include_str!("m17_places.rs")),
    ("m19_showing.rs", include_str!("m19_showing.rs")),
];

/// Their lines. Cut up once: an interpreter needs a minute for it.
static LINES: LazyLock<[Vec<&str>; SOURCES.len()]> = LazyLock::new(|| SOURCES.map(|(_, text)| text.lines().collect()));

/// The text, with the name of each place instead of its file, line and column.
pub(crate) fn labelled(text: &str) -> String {
    let line = |line: &str| line.split(' ').map(label).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn label(word: &str) -> String {
    let place = word.trim_end_matches([')', ':', ',', ';']);
    let name = match place.rsplitn(3, ':').collect::<Vec<_>>()[..] {
        [_column, line, path] => line.parse::<usize>().ok().map(|line| name(path, line)),
        _ => None,
    };
    name.map_or(word.to_owned(), |name| format!("<{name}>{}", &word[place.len()..]))
}

/// The comment at the end of that line; of a line that is not in these tests, its file.
fn name(path: &str, line: usize) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let own = path.contains("deferred_rules").then(|| SOURCES.iter().position(|(name, _)| *name == file)).flatten();
    let comment = own.and_then(|source| LINES[source].get(line - 1)?.rsplit_once("// "));
    comment.map_or_else(|| format!("{file}:{line}"), |(_, name)| name.trim().to_owned())
}

/// Where it was raised and what it met, in short.
pub(crate) fn told(failure: &Failure) -> Vec<String> {
    let raised = format!("raised <{}>", name(failure.raised().file(), failure.raised().line() as usize));
    let passed = failure.trail().iter().map(|passed| {
        let (what, at) = match passed {
            Waypoint::Made(at) => ("in", at),
            Waypoint::Earlier(count) => return format!("after {count} more"),
            Waypoint::After(at) => ("after", at),
            Waypoint::RaisedBy(at) => ("raised by", at),
            Waypoint::GivenBackBy(at) => ("given back by", at),
            Waypoint::Through(at) => ("past", at),
            Waypoint::PassedOnBy(at) => ("passed on by", at),
            Waypoint::HandedOnAt(at) => ("handed on", at),
            Waypoint::AwaitedAt(at) => ("awaited", at),
            Waypoint::Coroutine(at) => ("coroutine", at),
            other => return format!("{other:?}"),
        };
        format!("{what} <{}>", name(at.file(), at.line() as usize))
    });
    [raised].into_iter().chain(passed).collect()
}
