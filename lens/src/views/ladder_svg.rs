//! A [`Ladder`] as a picture: two lanes, the path in green and red, ladders inside ladders in frames.
//!
//! Next: `loop_view.rs`, the turns of the loop.

use super::ladder::{Ladder, Ladders, Lane, Rung, RungKind};
use super::ladder_text::NONE;
use super::svg::{Svg, width_of};
use super::words;
use crate::model::Side;

/// The lanes, counted from the left edge of the ladder.
const OK: i64 = 34;
const ERR: i64 = 104;
/// Where texts begin.
const TEXT: i64 = 158;
/// The height of a row.
const ROW: i64 = 30;
/// Half the width and half the height of a callback's box.
const BOX: (i64, i64) = (22, 11);
/// What a reader must know.
const LEGEND: [&str; 4] = [
    "Down: a chain. Green: on the lane of values. Red: on the lane of failures. Small numbers: in which order it happened.",
    "cb: a callback. eb: an errback. pair: one of each. both: one function for either. Full: it ran. Hollow: it did not.",
    "async: the body of a coroutine ran, to its next await or to its end: no result comes into it.",
    "Grey text: a remark, or a callback that did not run. No thick line: the chain waits for something.",
];
/// Texts are cut to this many characters, within what they quote: what came of it stays.
const MAX_TEXT: usize = 90;

impl Ladders {
    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("ladders of Deferreds")
    }

    pub(crate) fn drawing(&self) -> Svg {
        let mut svg = Svg::new();
        let mut y = 12;
        for ladder in &self.0 {
            y = ladder.draw(&mut svg, 12, y) + 28;
        }
        if self.0.is_empty() {
            svg.text("soft", (12, y + 12), NONE);
            return svg;
        }
        let legend = LEGEND.into_iter().filter(|text| !text.starts_with("async") || self.has_body());
        for (line, text) in (0..).zip(legend) {
            svg.text("soft small", (12, y + line * 16), text);
        }
        svg
    }
}

impl Ladder {
    /// Draws it with its left upper corner there. Returns where it ends.
    pub(super) fn draw(&self, svg: &mut Svg, x: i64, top: i64) -> i64 {
        let role = if self.role.is_empty() { String::new() } else { format!("{}: ", self.role) };
        let title = format!("{role}{}", self.title);
        svg.begin(self.made_at);
        svg.text("title", (x, top + 14), &title);
        let (made, behind) = (self.made(), (x + width_of(&title, "") + 16, top + 14));
        match self.is_partial {
            true => svg.text("soft small", behind, &made),
            false => svg.place("soft small", behind, &self.place, &made),
        }
        svg.text("okt small mid", (x + OK, top + 34), "value");
        svg.text("errt small mid", (x + ERR, top + 34), "failure");
        svg.end();
        let mut y = top + 42;
        for (index, rung) in self.rungs.iter().enumerate() {
            let is_last = index + 1 == self.rungs.len();
            y = rung.draw(svg, x, y, is_last);
        }
        y
    }
}

impl Rung {
    fn draw(&self, svg: &mut Svg, x: i64, top: i64, is_last: bool) -> i64 {
        let at = self.when.map(|(_, at)| at);
        match &self.kind {
            RungKind::Inside(ladders) => {
                // The frame is drawn first, so its size must be known: the ladders are drawn twice.
                let mut inner = Svg::new();
                let top = top + 6;
                let mut bottom = top + 6;
                for ladder in ladders {
                    bottom = ladder.draw(&mut inner, x + TEXT, bottom) + 12;
                }
                let (right, _) = inner.size();
                svg.begin(ladders.iter().filter_map(|ladder| ladder.made_at).min());
                svg.rect("frame", (x + TEXT - 10, top), (right - x - TEXT + 10, bottom - top));
                svg.end();
                lanes(svg, x, (top - 6, bottom + 8), self.lane);
                let mut y = top + 6;
                for ladder in ladders {
                    y = ladder.draw(svg, x + TEXT, y) + 12;
                }
                return bottom + 8;
            }
            RungKind::Ran { side, .. } => {
                let bottom = top + ROW + 12;
                let bend = top + ROW + 2;
                svg.begin(at);
                for lane in [OK, ERR] {
                    svg.line("dash", &[(x + lane, top), (x + lane, bottom)]);
                }
                // A body gets nothing: its result begins on its lane.
                let from = x + if self.lane == Lane::Neither { offset(self.after) } else { offset(self.lane) };
                let to = x + offset(self.after);
                if self.lane != Lane::Neither {
                    svg.line(class(self.lane), &[(from, top), (from, top + ROW / 2)]);
                }
                if self.after != Lane::Neither {
                    svg.line(class(self.after), &[(from, top + ROW / 2), (from, bend), (to, bend), (to, bottom)]);
                }
                boxes(svg, x, top, *side, self.lane, true);
                self.texts(svg, x, top + ROW / 2 + 4);
                let tone = if self.after == Lane::Failure { "errt" } else { "" };
                svg.text(tone, (x + TEXT + 16, top + ROW + 8), &words::cut_way(&self.detail, MAX_TEXT));
                svg.end();
                return bottom;
            }
            _ => {}
        }
        let bottom = top + ROW - 4;
        svg.begin(at);
        match &self.kind {
            RungKind::Source => {
                let came = self.came();
                let lane = x + offset(came);
                for dash in [OK, ERR] {
                    svg.line("dash", &[(x + dash, top), (x + dash, bottom)]);
                }
                svg.line(class(self.after), &[(lane, top + 12), (lane, bottom)]);
                svg.dot(if came == Lane::Failure { "errbox" } else { "okbox" }, (lane, top + 11), 7);
            }
            RungKind::PassedBy { side } | RungKind::NotReached { side } => {
                lanes(svg, x, (top, bottom), self.lane);
                boxes(svg, x, top - 2, *side, self.lane, false);
            }
            _ if is_last && self.came() == Lane::Neither => {}
            _ if self.lane == self.after => lanes(svg, x, (top, bottom), self.lane),
            _ => {
                // A pause begins or ends in the middle of its row.
                let middle = i64::midpoint(top, bottom);
                lanes(svg, x, (top, middle), self.lane);
                lanes(svg, x, (middle, bottom), self.after);
            }
        }
        self.texts(svg, x, top + 15);
        svg.end();
        bottom
    }

    /// The label or the detail, and the place behind it.
    fn texts(&self, svg: &mut Svg, x: i64, y: i64) {
        let text = match (&self.kind, self.label.is_empty()) {
            (RungKind::Ran { .. }, _) => self.label.clone(),
            (_, true) => self.detail.clone(),
            (_, false) => format!("{}, {}", self.label, self.detail),
        };
        let class = match &self.kind {
            RungKind::Alarm => "hott",
            RungKind::Note | RungKind::PassedBy { .. } | RungKind::NotReached { .. } => "soft",
            _ => "",
        };
        let text = words::cut_quoted(&text, MAX_TEXT);
        if self.order > 0 {
            svg.text("soft small end", (x + TEXT - 6, y), &self.order.to_string());
        }
        svg.text(class, (x + TEXT, y), &text);
        let place = words::short_place(&self.place);
        let mut behind = x + TEXT + width_of(&text, "") + 14;
        svg.place("soft small", (behind, y), &self.place, place);
        if let Some((ns, _)) = self.when.filter(|(ns, _)| *ns > 0 && !matches!(self.kind, RungKind::PassedBy { .. })) {
            behind += width_of(place, "small") + 14;
            svg.text("soft small", (behind, y), &format!("at {}", words::time(ns)));
        }
    }
}

fn offset(lane: Lane) -> i64 {
    if lane == Lane::Failure { ERR } else { OK }
}

fn class(lane: Lane) -> &'static str {
    match lane {
        Lane::Neither => "dash",
        Lane::Value => "ok",
        Lane::Failure => "err",
    }
}

/// Both lanes of a row; the path on one of them.
fn lanes(svg: &mut Svg, x: i64, (top, bottom): (i64, i64), lit: Lane) {
    for lane in [Lane::Value, Lane::Failure] {
        let class = if lane == lit { class(lane) } else { "dash" };
        svg.line(class, &[(x + offset(lane), top), (x + offset(lane), bottom)]);
    }
}

/// The boxes of a callback: one that ran is full on the lane on which the path came.
fn boxes(svg: &mut Svg, x: i64, top: i64, side: Side, lit: Lane, ran: bool) {
    let (half, high) = BOX;
    let middle = top + ROW / 2;
    let mut one = |lane: Lane, name: &str| {
        let class = match (lane == lit && ran, lane) {
            (false, _) => "box",
            (true, Lane::Failure) => "errbox",
            (true, _) => "okbox",
        };
        svg.rect(class, (x + offset(lane) - half, middle - high), (2 * half, 2 * high));
        let text = if class == "box" { "soft small mid" } else { "inbox small" };
        svg.text(text, (x + offset(lane), middle + 4), name);
    };
    match side {
        Side::Callback => one(Lane::Value, "cb"),
        Side::Errback => one(Lane::Failure, "eb"),
        Side::Pair => {
            one(Lane::Value, "cb");
            one(Lane::Failure, "eb");
        }
        Side::Both => {
            let class = match lit {
                Lane::Value if ran => "okbox",
                Lane::Failure if ran => "errbox",
                _ => "box",
            };
            svg.rect(class, (x + OK - half, middle - high), (ERR - OK + 2 * half, 2 * high));
            let text = if class == "box" { "soft small mid" } else { "inbox small" };
            svg.text(text, (x + (OK + ERR) / 2, middle + 4), "both");
        }
        Side::Body => {
            svg.rect("bodybox", (x + OK - half, middle - high), (ERR - OK + 2 * half, 2 * high));
            svg.text("inbox small", (x + (OK + ERR) / 2, middle + 4), "async");
        }
    }
}
