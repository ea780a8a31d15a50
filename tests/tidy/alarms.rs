//! Each warning and error that a server's log can hold has its place in `docs/alarms.md`.

use crate::repo::{Source, document, none, sources};

/// Calls whose message comes from elsewhere as a whole: the file, and the heading under which it is explained.
const CARRIERS: [(&str, &str); 7] = [
    ("src/cli/serve.rs", "... (a warning of the configuration)"),
    ("src/cli/serve.rs", "... (the error with which a server ends)"),
    ("src/cli/serve/reload.rs", "... (a warning of the configuration)"),
    ("src/protocol.rs", "...; ... (the end of a connection at our link)"),
    ("reactor/src/deferred/given.rs", "... (a failure with its story)"),
    ("reactor/src/tls/server.rs", "... (a warning of TLS)"),
    ("src/server/doors.rs", "no address of ... could be opened: ..."),
];

/// What begins a call that logs a warning or an error.
const CALLS: [&str; 6] =
    ["log::warn!(", "log::error!(", "Level::Warn,", "Level::Error,", "tell!(Warn,", "tell!(Error,"];

/// Parts of the library that no server runs.
const NOT_RUN: [&str; 2] = ["reactor/src/sim", "reactor/src/testing"];

#[test]
fn each_alarm_is_explained() {
    let page = &document("docs/alarms.md").text;
    let mut broken = Vec::new();
    let mut found = 0;
    for source in sources().iter().filter(|source| is_servers(source)) {
        for message in messages(&source.text) {
            found += 1;
            let is_carrier = !message.chars().any(char::is_alphabetic);
            let carried = CARRIERS.iter().filter(|(path, _)| *path == source.path);
            let is_explained = match is_carrier {
                true => carried.clone().count() > 0 && carried.clone().all(|(_, heading)| has(page, heading)),
                false => has(page, &message),
            };
            if !is_explained {
                broken.push(format!("{}: {message}", source.path));
            }
        }
    }
    assert!(found > 40, "is this test blind? {found}");
    none("not explained in docs/alarms.md", &broken);
}

#[test]
fn each_explained_alarm_exists() {
    let headings =
        document("docs/alarms.md").text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let carriers: Vec<&str> = CARRIERS.iter().map(|(_, heading)| *heading).collect();
    let ours: Vec<&Source> = sources().iter().filter(|source| is_servers(source)).collect();
    // A message is put together from pieces, and a line of the source may end in one: so only the longest piece counts.
    let is_said = |heading: &str| {
        let heading = heading.replace("``", "`");
        let piece = heading.split("...").flat_map(|piece| piece.split("; ")).max_by_key(|piece| piece.len());
        let start: String = piece.unwrap_or_default().chars().take(30).collect();
        ours.iter().any(|source| source.text.contains(&start))
    };
    let missing = headings.filter(|heading| !carriers.contains(heading) && !is_said(heading));
    none("nothing says it any more", &missing.map(str::to_owned).collect::<Vec<_>>());
}

fn is_servers(source: &Source) -> bool {
    source.is_in(&["src", "reactor/src"]) && !source.is_in(&["src/bin"]) && !source.is_in(&NOT_RUN) && !source.is_test()
}

/// Whether a message stands in backticks. Backticks inside it are doubled there.
fn has(page: &str, message: &str) -> bool {
    page.contains(&format!("`{}`", message.replace('`', "``")))
}

/// The messages of the calls in a file, with `...` for what varies.
fn messages(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let code: String =
        product.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut found = Vec::new();
    for call in CALLS {
        for (at, _) in code.match_indices(call) {
            let rest = code[at + call.len()..].trim_start();
            let rest =
                rest.strip_prefix("\"reactor\",").or(rest.strip_prefix("\"reactor::deferred\",")).unwrap_or(rest);
            let literal = match rest.trim_start() {
                rest if rest.starts_with('"') => literal(rest),
                rest if rest.starts_with("format_args!(") => literal(&rest["format_args!(".len()..]),
                // It was put together above.
                rest if rest.starts_with("what") => {
                    code[..at].rfind("format_args!(").and_then(|from| literal(&code[from + "format_args!(".len()..]))
                }
                _ => None,
            };
            found.extend(literal);
        }
    }
    found
}

/// The string literal at the beginning of `code`, with `...` for each placeholder.
fn literal(code: &str) -> Option<String> {
    let code = code.trim_start().strip_prefix('"')?;
    let (mut message, mut rest) = (String::new(), code.chars());
    loop {
        match rest.next()? {
            '"' => return Some(message),
            // The rest of a line in the source.
            '\\' => message.push(rest.find(|character| !character.is_whitespace())?),
            '{' => {
                rest.find(|character| *character == '}')?;
                message += "...";
            }
            character => message.push(character),
        }
    }
}

#[test]
fn messages_are_read() {
    let text = "log::warn!(\"no {what:?} of {}\", 1);\nlet what = format_args!(\"cut off: {n}\");\nevent(Level::Warn, what);\n\
                tell!(Error, \"reactor\", \"a {b}\");\nlog::info!(\"no\");\n// log::warn!(\"nor this\")\n\
                #[cfg(test)]\nmod tests {\nlog::warn!(\"nor this\");\n";
    assert_eq!(messages(text), ["no ... of ...", "cut off: ...", "a ..."]);
}
