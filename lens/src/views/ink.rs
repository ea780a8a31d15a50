//! [`Text`]: lines of 80 columns, and the ink of each character. This is the one place that knows the escapes of a
//! terminal, and what of a trace must not reach one.
//!
//! The words say everything: [`Text::plain`] leaves nothing out. Ink only leads the eye: the path that was taken is
//! green and red, what is wrong and what that kept waiting stand out, and what did not run is dim.
//!
//! Next: `svg.rs`, the shapes of a picture.

use std::ops::Range;

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Nothing special.
    Plain,
    /// A title.
    Title,
    /// The path of a value.
    Value,
    /// The path of a failure.
    Failure,
    /// Something that is wrong.
    Wrong,
    /// What had to wait because of that.
    Victim,
    /// What did not run, and remarks.
    Dim,
}

/// Ends the ink before.
const RESET: &str = "\x1b[0m";

impl Ink {
    /// What makes a terminal write so. These are the colours that each terminal has; its owner has chosen their tones.
    fn escape(self) -> &'static str {
        match self {
            Ink::Plain => "",
            Ink::Title => "\x1b[1m",
            Ink::Value => "\x1b[32m",
            Ink::Failure => "\x1b[31m",
            Ink::Wrong => "\x1b[1;31m",
            Ink::Victim => "\x1b[33m",
            Ink::Dim => "\x1b[2m",
        }
    }
}

/// A line of text in which each control character is replaced. What a program or its peer has said could have some, and
/// a terminal would obey them.
pub fn shown(line: &str) -> String {
    line.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// A text for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Vec<(char, Ink)>>,
}

impl Text {
    /// Adds a line, as it is [`shown`].
    pub(crate) fn line(&mut self, ink: Ink, line: &str) {
        self.lines.push(shown(line.trim_end()).chars().map(|char| (char, ink)).collect());
    }

    /// Adds the lines of a block.
    pub(crate) fn block(&mut self, ink: Ink, block: &str) {
        block.lines().for_each(|line| self.line(ink, line));
    }

    /// Changes the ink of some columns of the last line.
    pub(crate) fn ink(&mut self, columns: Range<usize>, ink: Ink) {
        let line = self.lines.last_mut().into_iter().flatten();
        line.skip(columns.start).take(columns.len()).for_each(|(_, old)| *old = ink);
    }

    /// Changes the ink of those characters in some columns of the last line for which there is another one.
    pub(crate) fn ink_each(&mut self, columns: Range<usize>, mut ink: impl FnMut(usize, char) -> Option<Ink>) {
        let line = self.lines.last_mut().into_iter().flatten().enumerate();
        for (column, (char, old)) in line.skip(columns.start).take(columns.len()) {
            *old = ink(column, *char).unwrap_or(*old);
        }
    }

    /// Without colours.
    pub fn plain(&self) -> String {
        self.lines.iter().map(|line| line.iter().map(|(char, _)| *char).chain(['\n']).collect::<String>()).collect()
    }

    /// For a terminal, with colours. Each line ends in the terminal's own colour.
    pub fn coloured(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            for piece in line.chunk_by(|(_, one), (_, other)| one == other) {
                let escape = piece[0].1.escape();
                out.push_str(escape);
                out.extend(piece.iter().map(|(char, _)| char));
                out.push_str(if escape.is_empty() { "" } else { RESET });
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_the_only_difference_and_end_with_their_line() {
        let mut text = Text::default();
        text.line(Ink::Plain, "a callback ");
        text.ink(2..10, Ink::Wrong);
        text.line(Ink::Dim, "");
        text.ink(0..9, Ink::Title);
        assert_eq!(text.plain(), "a callback\n\n");
        assert_eq!(text.coloured(), "a \x1b[1;31mcallback\x1b[0m\n\n");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_a_trace_says() {
        let mut text = Text::default();
        text.line(Ink::Plain, "\x1b[2Jgone\u{9b}1m");
        assert_eq!(text.plain(), "\u{fffd}[2Jgone\u{fffd}1m\n");
        assert_eq!(text.coloured(), text.plain());
    }
}
