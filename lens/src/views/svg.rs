//! [`Svg`]: a picture made of a few shapes. Colours are classes, so that one sheet of styles serves light and dark.
//!
//! A shape may say at which event it appears (`data-at`): the page of HTML steps through a picture with that.
//!
//! Next: `ladder.rs`, a Deferred.

use std::fmt::Write;

/// The styles of all pictures. A reader without them still sees lines and texts.
pub(crate) const STYLE: &str = "\
svg{--ink:#1c2430;--soft:#6b7686;--faint:#c9d1dc;--paper:#fff;--ok:#14804a;--err:#c0332b;--hot:#cf1322;--cool:#2563a8;--two:#0f7a4d;--three:#7c3aed;--four:#7a6200;--fill:#eef2f7;--on:#fff;\
font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:13px;background:var(--paper)}\
@media(prefers-color-scheme:dark){svg:not(.light){--ink:#e6ebf2;--soft:#98a4b5;--faint:#3c4757;--paper:#12171f;--ok:#4cc38a;--err:#ff7b72;\
--hot:#ff7b72;--cool:#79b8ff;--two:#4cc38a;--three:#c4a1ff;--four:#e3c341;--fill:#1d2530;--on:#0d1117}}\
svg.dark{--ink:#e6ebf2;--soft:#98a4b5;--faint:#3c4757;--paper:#12171f;--ok:#4cc38a;--err:#ff7b72;--hot:#ff7b72;--cool:#79b8ff;--two:#4cc38a;--three:#c4a1ff;--four:#e3c341;--fill:#1d2530;--on:#0d1117}\
text{fill:var(--ink);white-space:pre}.soft{fill:var(--soft)}.title{font-weight:700}.small{font-size:11px}\
.over{paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}\
.line{stroke:var(--faint);stroke-width:1.5;fill:none}.dash{stroke:var(--faint);stroke-width:1.5;stroke-dasharray:2 4;fill:none}\
.ok{stroke:var(--ok);stroke-width:4;fill:none;stroke-linejoin:round;stroke-linecap:round}\
.err{stroke:var(--err);stroke-width:4;fill:none;stroke-linejoin:round;stroke-linecap:round}\
.box{fill:var(--paper);stroke:var(--faint);stroke-width:1.5}.bodybox{fill:var(--cool);stroke:var(--cool)}.okbox{fill:var(--ok);stroke:var(--ok)}.errbox{fill:var(--err);stroke:var(--err)}\
.okt{fill:var(--ok)}.errt{fill:var(--err)}.hott{fill:var(--hot);font-weight:700}.inbox{fill:var(--on);font-weight:700;text-anchor:middle}\
.frame{fill:var(--fill);stroke:var(--faint);stroke-width:1}.hot{fill:var(--hot)}.cool{fill:var(--cool)}.bar{fill:var(--faint)}\
.plainline{stroke:var(--soft);stroke-width:1.6;fill:none}.hotline{stroke:var(--hot);stroke-width:2;fill:none}.coolline{stroke:var(--cool);stroke-width:1.6;fill:none}\
.twoline{stroke:var(--two);stroke-width:1.6;fill:none}.threeline{stroke:var(--three);stroke-width:1.6;fill:none}\
.fourline{stroke:var(--four);stroke-width:1.6;fill:none}.mid{text-anchor:middle}.end{text-anchor:end}.late{opacity:.18}";

/// A picture.
#[derive(Debug, Clone, Default)]
pub(crate) struct Svg {
    body: String,
    width: i64,
    height: i64,
}

impl Svg {
    /// An empty picture.
    pub(crate) fn new() -> Svg {
        Svg::default()
    }

    fn reach(&mut self, x: i64, y: i64) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    /// Makes it at least so large.
    pub(crate) fn room(&mut self, x: i64, y: i64) {
        self.reach(x, y);
    }

    /// What is drawn until `end` belongs to one event.
    pub(crate) fn begin(&mut self, at: Option<usize>) {
        self.body.push_str("<g");
        if let Some(at) = at {
            let _ = write!(self.body, " data-at=\"{at}\"");
        }
        self.body.push('>');
    }

    /// Ends what `begin` has begun.
    pub(crate) fn end(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// A line through these points.
    pub(crate) fn line(&mut self, class: &str, points: &[(i64, i64)]) {
        let list: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let _ = write!(self.body, "<polyline class=\"{class}\" points=\"{}\"/>", list.join(" "));
        points.iter().for_each(|(x, y)| self.reach(x + 4, y + 4));
    }

    /// A rectangle.
    pub(crate) fn rect(&mut self, class: &str, (x, y): (i64, i64), (width, height): (i64, i64)) {
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>"
        );
        self.reach(x + width + 4, y + height + 4);
    }

    /// A dot.
    pub(crate) fn dot(&mut self, class: &str, (x, y): (i64, i64), radius: i64) {
        let _ = write!(self.body, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>");
        self.reach(x + radius, y + radius);
    }

    /// A text; `y` is its base line.
    pub(crate) fn text(&mut self, class: &str, (x, y): (i64, i64), text: &str) {
        let _ = write!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text));
        let wide = if class.contains("mid") || class.contains("end") || class.contains("inbox") {
            0
        } else {
            width_of(text, class)
        };
        self.reach(x + wide + 8, y + 6);
    }

    /// A place in the source, as a link that the page of HTML follows.
    pub(crate) fn place(&mut self, class: &str, (x, y): (i64, i64), place: &str, shown: &str) {
        if place.is_empty() {
            return;
        }
        let _ = write!(self.body, "<a href=\"#{}\" data-place=\"{0}\">", escaped(place));
        self.text(class, (x, y), shown);
        self.body.push_str("</a>");
    }

    /// Puts another picture below this one.
    pub(crate) fn below(&mut self, other: &Svg) {
        let top = self.height;
        let _ = write!(self.body, "<g transform=\"translate(0,{top})\">{}</g>", other.body);
        self.reach(other.width, top + other.height);
    }

    /// A hint that a mouse brings up over what was drawn in this group.
    pub(crate) fn hint(&mut self, text: &str) {
        let _ = write!(self.body, "<title>{}</title>", escaped(text));
    }

    /// The size in pixels.
    pub(crate) fn size(&self) -> (i64, i64) {
        (self.width + 12, self.height + 12)
    }

    /// As an element of a page, which has the styles.
    pub(crate) fn element(&self, label: &str) -> String {
        let (width, height) = self.size();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\">{}</svg>",
            escaped(label),
            self.body
        )
    }

    /// As a file of its own.
    pub(crate) fn file(&self, label: &str) -> String {
        let styled = format!("<style>{STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>");
        // Nothing steps through a file, and no place in it leads anywhere.
        let body = without(&without(&self.body, "<g data-at=\"", "<g>"), "<a href=\"", "").replace("</a>", "");
        let element = Svg { body, ..*self }.element(label);
        let end = element.find('>').map_or(0, |at| at + 1);
        format!("{}{styled}\n{}\n", &element[..end], &element[end..])
    }
}

/// A body in which `instead` stands for each tag that begins with `tag`. No text of a body has a quote in it.
fn without(body: &str, tag: &str, instead: &str) -> String {
    let mut parts = body.split(tag);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |body, part| body + instead + part.split_once("\">").map_or(part, |(_, rest)| rest))
}

/// The width of a text in pixels: the letters of these fonts are some 0.6 of their height wide.
pub(crate) fn width_of(text: &str, class: &str) -> i64 {
    let letter = if class.contains("small") { 6.7 } else { 7.9 };
    (text.chars().count() as f64 * letter) as i64
}

/// A text that stands for itself in XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No control character may stand in XML, but for these.
            control if control.is_control() && !matches!(control, '\t' | '\n') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::STYLE;

    /// The colour of a name in each of the three lists: light, dark by the system's choice, dark by ours.
    fn colours(name: &str) -> Vec<f64> {
        let begin = format!("{name}:#");
        let parts = STYLE.split(&begin).skip(1);
        parts.map(|part| part.split([';', '}']).next().map(brightness).expect("a colour ends")).collect()
    }

    /// How bright a colour looks, from 0 to 1: the relative luminance of the Web Content Accessibility Guidelines.
    fn brightness(hex: &str) -> f64 {
        let wide = if hex.len() == 3 { hex.chars().flat_map(|digit| [digit, digit]).collect() } else { hex.to_owned() };
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&wide[at..at + 2], 16).expect("two digits")) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    #[test]
    fn words_on_a_full_box_can_be_read_in_light_and_dark() {
        let on = colours("--on");
        assert_eq!(on.len(), 3);
        for name in ["--ok", "--err", "--cool"] {
            for (on, under) in on.iter().zip(colours(name)) {
                let contrast = (on.max(under) + 0.05) / (on.min(under) + 0.05);
                assert!(contrast >= 4.5, "{name}: {contrast}");
            }
        }
    }
}
