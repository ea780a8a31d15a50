//! [`Exposition`]: numbers as text, in OpenMetrics 1.0 or in Prometheus' own format, 0.0.4. Pure.
//!
//! The two differ in little: in OpenMetrics the name of a counter's family lacks the `_total` of its samples, and the
//! text ends with `# EOF`.
//!
//! Sources: <https://prometheus.io/docs/specs/om/open_metrics_spec/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Next: `ask.rs`, the one thing that a page can change.

use std::fmt::{Display, Write};

/// What the text is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The format that a client asks for with this `Accept`.
    pub(super) fn accepted(accept: &[u8]) -> Format {
        let name = b"application/openmetrics-text";
        match accept.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name)) {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text, as far as it is written.
pub(super) struct Exposition {
    format: Format,
    text: String,
    /// The family whose samples come.
    family: &'static str,
}

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Exposition {
    pub(super) fn new(format: Format) -> Exposition {
        Exposition { format, text: String::new(), family: "" }
    }

    /// Begins a family of counters; `name` has no `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) {
        let suffix = if self.format == Format::Prometheus { "_total" } else { "" };
        self.begin(name, suffix, "counter", help);
    }

    /// Begins a family of gauges.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, "", "gauge", help);
    }

    /// Begins a family of histograms.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) {
        self.begin(name, "", "histogram", help);
    }

    fn begin(&mut self, name: &'static str, suffix: &str, kind: &str, help: &str) {
        self.family = name;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to memory does not fail, here and below.
        let _ = write!(self.text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
    }

    /// Adds a sample to the family: `suffix` is `_total` for counters, and nothing for gauges.
    pub(super) fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let _ = write!(self.text, "{}{suffix}", self.family);
        for (number, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{name}=\"{value}\"", if number == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut text = Exposition::new(format);
        text.counter("a", "What\nit \\ is.");
        text.sample("_total", &[("k", "\"\\\n"), ("l", "")], 1);
        text.gauge("b", "More.");
        text.sample("", &[], 0.5);
        text.finish()
    }

    #[test]
    fn both_formats_are_written_as_their_documents_say() {
        assert_eq!(
            written(Format::Prometheus),
            "# HELP a_total What\\nit \\\\ is.\n# TYPE a_total counter\na_total{k=\"\\\"\\\\\\n\",l=\"\"} 1\n\
             # HELP b More.\n# TYPE b gauge\nb 0.5\n"
        );
        let text = written(Format::OpenMetrics);
        assert!(text.starts_with("# HELP a What") && text.contains("# TYPE a counter\na_total{"), "{text}");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn open_metrics_is_for_those_that_ask_for_it() {
        assert_eq!(Format::accepted(b"application/openmetrics-text;version=1.0.0,*/*;q=0.1"), Format::OpenMetrics);
        assert_eq!(Format::accepted(b"text/html, */*"), Format::Prometheus);
        assert_eq!(Format::accepted(b""), Format::Prometheus);
    }
}
