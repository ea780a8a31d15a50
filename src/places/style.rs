//! [`Json`]: a small tree of JSON, printed the way Google prints its Nearby Search today.
//!
//! That is three spaces for each level, a space on both sides of a colon, and each bracket on a line of its own.
//! Numbers and strings are pieces of text in this tree: the code that makes the tree has given them their form.
//!
//! Next: `service.rs`, through which every provider asks.

/// JSON to be printed. Its depth is decided by our own code and not by what a service sent, so it may recurse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    /// A number, a word, or a string with its quotes.
    Text(String),
    List(Vec<Json>),
    /// An object. Its fields are printed in this order; in Google's answers that is alphabetical.
    Fields(Vec<(&'static str, Json)>),
}

impl Json {
    /// The JSON string that stands for `text`.
    pub(super) fn string(text: &str) -> Json {
        Json::Text(json_string(text))
    }

    /// An object of the fields that have a value.
    pub(super) fn some_fields<const N: usize>(fields: [(&'static str, Option<Json>); N]) -> Json {
        Json::Fields(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Whether it is printed on the line of its field's name. Google starts a new line for any other value.
    fn is_on_one_line(&self) -> bool {
        match self {
            Json::Text(_) => true,
            Json::List(items) => items.is_empty(),
            Json::Fields(fields) => fields.is_empty(),
        }
    }

    /// The text as Google prints it, with a newline at the end.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        let new_line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("   ", depth));
        };
        match self {
            Json::Text(text) => out.push_str(text),
            Json::List(items) if items.is_empty() => out.push_str("[]"),
            Json::Fields(fields) if fields.is_empty() => out.push_str("{}"),
            Json::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    new_line(out, depth + 1);
                    item.write(out, depth + 1);
                }
                new_line(out, depth);
                out.push(']');
            }
            Json::Fields(fields) => {
                out.push('{');
                for (number, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    new_line(out, depth + 1);
                    out.push_str(&json_string(name));
                    out.push_str(" : ");
                    if !value.is_on_one_line() {
                        new_line(out, depth + 1);
                    }
                    value.write(out, depth + 1);
                }
                new_line(out, depth);
                out.push('}');
            }
        }
    }
}

/// A whole answer: the sources that must be named, and the places.
pub(super) fn answer(attributions: &[String], places: Vec<Json>) -> String {
    let status = if places.is_empty() { "ZERO_RESULTS" } else { "OK" };
    let attributions = attributions.iter().map(|text| Json::string(text)).collect();
    Json::Fields(vec![
        ("html_attributions", Json::List(attributions)),
        ("results", Json::List(places)),
        ("status", Json::string(status)),
    ])
    .print()
}

/// The answer to a question for no places. It is the same for every service, so none needs to be asked.
pub(super) fn answer_to_none() -> Vec<u8> {
    let fields = ["html_attributions", "results"].map(|name| (name, Json::List(Vec::new())));
    Json::Fields(fields.into_iter().chain([("status", Json::string("OK"))]).collect()).print().into_bytes()
}

/// The JSON string that stands for `text`, with its quotes and with Google's escapes.
pub(super) fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '<' | '>' | '&' | '\'' | '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => json.push(c),
        }
    }
    json.push('"');
    json
}
