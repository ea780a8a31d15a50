//! The pictures of the report, as SVG: bars, dots on a line, and curves. They follow the reader's light or dark theme.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 70.0;
const ROW: f64 = 22.0;
const TITLE: f64 = 34.0;
const COLOURS: [&str; 10] =
    ["#7f7f7f", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#bcbd22"];

/// The colour of the peer with this number.
fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

fn begin(height: f64, says: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{says}\">\n\
         <style>text{{font:13px sans-serif;fill:#222}}.t{{font-weight:bold}}.n{{text-anchor:end}}.m{{text-anchor:middle}}\
         .g{{stroke:#ccc;fill:none}}.p{{fill:#fff}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}.g{{stroke:#555}}.p{{fill:#181818}}}}</style>\n\
         <rect class=\"p\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    )
}

/// A part of a bar chart: a title, and for each peer a value with the middle half of the rounds around it.
pub struct Panel {
    pub title: String,
    pub bars: Vec<(&'static str, [f64; 3])>,
}

/// Horizontal bars, panel by panel. `show` writes a value beside its bar.
pub fn bars(says: &str, panels: &[Panel], show: impl Fn(f64) -> String) -> String {
    let height: f64 = panels.iter().map(|panel| TITLE + ROW * panel.bars.len() as f64).sum::<f64>() + 10.0;
    let mut svg = begin(height, says);
    let mut y = 0.0;
    for panel in panels {
        let _ = writeln!(svg, "<text class=\"t\" x=\"10\" y=\"{}\">{}</text>", y + 22.0, panel.title);
        y += TITLE;
        let most = panel.bars.iter().map(|(_, [_, _, high])| *high).fold(0.0, f64::max);
        let at = |value: f64| LEFT + value / most * (WIDTH - LEFT - RIGHT);
        for (number, (peer, [low, value, high])) in panel.bars.iter().enumerate() {
            let (middle, end) = (y + ROW / 2.0, at(*value));
            let _ = writeln!(
                svg,
                "<text class=\"n\" x=\"{}\" y=\"{}\">{peer}</text>\
                 <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"{}\"/>\
                 <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#000\" stroke-opacity=\".5\" stroke-width=\"3\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{}</text>",
                LEFT - 8.0,
                middle + 4.0,
                middle - 7.0,
                end - LEFT,
                colour(number),
                at(*low),
                at(*high),
                at(*high) + 6.0,
                middle + 4.0,
                show(*value),
            );
            y += ROW;
        }
    }
    svg + "</svg>\n"
}

/// For each peer some values on one scale, which is logarithmic, as a line with a dot for each.
pub fn dots(says: &str, title: &str, names: &[&str], rows: &[(&'static str, Vec<f64>)]) -> String {
    let height = TITLE + ROW * rows.len() as f64 + 40.0;
    let mut svg = begin(height, says);
    let scale = Scale::of(rows.iter().flat_map(|(_, values)| values.iter().copied()), LEFT, WIDTH - RIGHT);
    let _ = writeln!(svg, "<text class=\"t\" x=\"10\" y=\"22\">{title}</text>");
    scale.grid(&mut svg, TITLE, height - 34.0, |x, from, to| format!("M{x:.1} {from}V{to}"));
    for tick in scale.ticks() {
        let (x, y) = (scale.at(tick), height - 18.0);
        let _ = writeln!(svg, "<text class=\"m\" x=\"{x:.1}\" y=\"{y}\">{tick}</text>");
    }
    for (number, (peer, values)) in rows.iter().enumerate() {
        let y = TITLE + ROW * (number as f64 + 0.5);
        let _ = writeln!(svg, "<text class=\"n\" x=\"{}\" y=\"{}\">{peer}</text>", LEFT - 8.0, y + 4.0);
        let (first, last) = (scale.at(values[0]), scale.at(values[values.len() - 1]));
        let _ =
            writeln!(svg, "<path d=\"M{first:.1} {y}H{last:.1}\" stroke=\"{}\" stroke-width=\"2\"/>", colour(number));
        for (at, value) in values.iter().enumerate() {
            let radius = 6.0 - 1.5 * at as f64;
            let (x, name) = (scale.at(*value), names[at]);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"{radius}\" fill=\"{}\"><title>{peer}, {name}: {value:.0}</title></circle>",
                colour(number)
            );
        }
    }
    let _ = writeln!(svg, "<text x=\"10\" y=\"{}\">large dot to small: {}</text>", height - 3.0, names.join(", "));
    svg + "</svg>\n"
}

/// Curves over a logarithmic axis, such as a number of connections; the values have a logarithmic axis, too.
pub fn curves(says: &str, title: &str, axis: &str, curves: &[(&'static str, Vec<(f64, f64)>)]) -> String {
    const BOTTOM: f64 = 360.0;
    let mut svg = begin(BOTTOM + 46.0, says);
    let _ = writeln!(svg, "<text class=\"t\" x=\"10\" y=\"22\">{title}</text>");
    let points = || curves.iter().flat_map(|(_, points)| points);
    let across = Scale::of(points().map(|(x, _)| *x), 60.0, WIDTH - 130.0);
    let up = Scale::of(points().map(|(_, y)| *y), BOTTOM, TITLE + 10.0);
    across.grid(&mut svg, TITLE, BOTTOM, |x, from, to| format!("M{x:.1} {from}V{to}"));
    up.grid(&mut svg, 60.0, WIDTH - 130.0, |y, from, to| format!("M{from} {y:.1}H{to}"));
    for tick in across.ticks() {
        let x = across.at(tick);
        let _ = writeln!(svg, "<text class=\"m\" x=\"{x:.1}\" y=\"{}\">{tick}</text>", BOTTOM + 18.0);
    }
    for tick in up.ticks() {
        let _ = writeln!(svg, "<text class=\"n\" x=\"54\" y=\"{:.1}\">{tick}</text>", up.at(tick) + 4.0);
    }
    let mut labels: Vec<(f64, usize)> = Vec::new();
    for (number, (_, points)) in curves.iter().enumerate() {
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{:.1} {:.1}", across.at(*x), up.at(*y))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2.5\"/>",
            path.join(" "),
            colour(number)
        );
        labels.extend(points.last().map(|(_, y)| (up.at(*y), number)));
    }
    // Names stand at the ends of their curves, moved down where two would overlap.
    labels.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut free = 0.0;
    for (y, number) in labels {
        let y = f64::max(y, free);
        free = y + 16.0;
        let (x, name) = (WIDTH - 122.0, curves[number].0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{}\"/>",
            y - 5.0,
            colour(number)
        );
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\">{name}</text>", x + 15.0, y + 4.0);
    }
    let _ = writeln!(svg, "<text class=\"m\" x=\"345\" y=\"{}\">{axis}</text>", BOTTOM + 38.0);
    svg + "</svg>\n"
}

/// A logarithmic scale between two places of the picture.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that begins and ends with a tick, and holds all values.
    fn of(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::MAX, f64::min).max(1e-9);
        let high = values.fold(low * 1.01, f64::max);
        Self { low: step_down(low), high: step_up(high), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }

    /// 1, 2, 5, 10, ... within the scale; only the tens if it is long.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.high / self.low > 5000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        all.filter(|tick| (self.low * 0.999..=self.high * 1.001).contains(tick)).collect()
    }

    fn grid(&self, svg: &mut String, from: f64, to: f64, line: impl Fn(f64, f64, f64) -> String) {
        for tick in self.ticks() {
            let _ = writeln!(svg, "<path class=\"g\" d=\"{}\"/>", line(self.at(tick), from, to));
        }
    }
}

fn step_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [5.0, 2.0].into_iter().map(|step| step * decade).find(|step| *step <= value).unwrap_or(decade)
}

fn step_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|step| step * decade).find(|step| *step >= value).unwrap_or(decade * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_begins_and_ends_with_a_tick_around_its_values() {
        let scale = Scale::of([3.0, 70.0].into_iter(), 0.0, 100.0);
        assert_eq!(scale.ticks(), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert!(scale.at(2.0).abs() < 1e-9 && (scale.at(100.0) - 100.0).abs() < 1e-9);
        assert!(scale.at(3.0) > 0.0 && scale.at(70.0) < 100.0);
        assert_eq!(Scale::of([1.0].into_iter(), 0.0, 1.0).ticks(), [1.0, 2.0]);
    }
}
