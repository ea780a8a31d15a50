//! The man page, for `proxyherd man`: the help in the language of man(7).
//!
//! Next: `cli/completions.rs`, the completions for shells.

use super::usage::{ABOUT, COMMANDS, CONFIGURATION, ENDING, FIRST_STEPS, OPTIONS};

/// The page.
pub(super) fn page() -> String {
    let mut page = format!(".TH PROXYHERD 1 \"\" \"proxyherd {}\"\n", env!("CARGO_PKG_VERSION"));
    // Neither hyphens nor spaces that the text does not have: people copy from here.
    page += ".nh\n.ad l\n.SH NAME\nproxyherd \\- a herd of servers that know where their clients are\n.SH SYNOPSIS\n";
    for row in &COMMANDS {
        let options = if row.options().next().is_some() { " [\\fIoptions\\fR]" } else { "" };
        page += &format!(".B proxyherd\n{}{options}\n.br\n", escaped(&row.synopsis()));
    }
    page += &format!(".SH DESCRIPTION\n{}\n", escaped(ABOUT));
    page += ".SH COMMANDS\n";
    for row in &COMMANDS {
        page += &format!(".TP\n.B {}\n{}\n", escaped(&row.synopsis()), escaped(row.about));
    }
    page += ".SH OPTIONS\n";
    for row in &OPTIONS {
        page += &format!(".TP\n.B {}\n{}\n", escaped(&row.synopsis()), escaped(row.about));
    }
    for (title, text) in
        [("FIRST STEPS", FIRST_STEPS), ("CONFIGURATION", CONFIGURATION), ("SIGNALS AND EXIT CODE", ENDING)]
    {
        page += &format!(".SH {title}\n");
        add_paragraphs(&mut page, text);
    }
    page
}

/// Paragraphs are filled; lines that begin with two spaces stand as they are.
fn add_paragraphs(page: &mut String, text: &str) {
    let mut is_example = false;
    for line in text.lines() {
        let example = line.strip_prefix("  ");
        match (example.is_some(), is_example) {
            (true, false) => *page += ".RS\n.nf\n",
            (false, true) => *page += ".fi\n.RE\n",
            _ => {}
        }
        is_example = example.is_some();
        match example.unwrap_or(line) {
            "" => *page += ".PP\n",
            line => *page += &format!("{}\n", escaped(line)),
        }
    }
    if is_example {
        *page += ".fi\n.RE\n";
    }
}

/// A line in which each character means itself: no request at its start, no escape, no hyphen that a browser of the
/// page could not find or copy.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_themselves() {
        assert_eq!(escaped(".B -x\\n"), "\\&.B \\-x\\en");
        assert_eq!(escaped("'quoted'"), "\\(aqquoted\\(aq");
    }

    #[test]
    fn the_page_has_every_command_and_option() {
        let page = page();
        for row in &COMMANDS {
            assert!(page.contains(&format!(".B {}\n", escaped(&row.synopsis()))), "{}", row.synopsis());
        }
        for row in &OPTIONS {
            assert!(page.contains(&format!(".B {}\n", escaped(&row.synopsis()))), "{}", row.synopsis());
        }
    }

    #[test]
    fn examples_are_not_filled() {
        let mut page = String::new();
        add_paragraphs(&mut page, "Type:\n  a\n\n  b\nEnd.\n");
        assert_eq!(page, "Type:\n.RS\n.nf\na\n.fi\n.RE\n.PP\n.RS\n.nf\nb\n.fi\n.RE\nEnd.\n");
    }
}
