//! [`LoopView`]: turns as columns, and what each was at: waiting, phases, calls to the system, callbacks, delayed calls. What
//! held the loop is marked, and what it kept waiting.
//!
//! A column stands for one turn, or for several if there are many: from an hour to one turn, it is the same view.
//!
//! Next: `column.rs`, what a column is made of.

use super::calls::Calls;
use super::column::Column;
use super::svg::{Svg, width_of};
use super::turn_steps::{MAX_STEP, steps};
use super::{Ink, Text, words};
use crate::model::{Model, Turn};
use crate::verdict::{SLOW, holds};

/// Maximum number of columns.
pub const MAX_COLUMNS: usize = 60;

/// Maximum number of loops in one picture.
pub const MAX_LOOPS: usize = 8;

/// The width of a picture's sentences, in columns.
const PICTURE: usize = 120;

/// What the marks of a text are.
const MARKS: &str = "waiting: share of the time. Numbers: how many, + from 10 on.\n\
    e, c, t, f, x: something happened in this phase.\n\
together: the callbacks of one turn, or the program before it.\n\
    Times: · below 0.1 ms, - 1 ms, = 10 ms, # more: the loop was held.";

/// The phases of a turn, in their order, with a letter for each.
pub(super) const PHASES: [(&str, char); 6] =
    [("wait", 'w'), ("events", 'e'), ("calls", 'c'), ("timers", 't'), ("flush", 'f'), ("ends", 'x')];

/// The turns of one program.
pub(super) struct Program<'a> {
    /// The host, and which of its programs, if it was started again; empty for the only loop of a real program.
    pub(super) name: String,
    /// In order.
    pub(super) turns: Vec<&'a Turn>,
}

/// The programs of a host, in order: one more each time that it was started again.
pub(super) fn programs<'a>(model: &'a Model, host: &str) -> Vec<Program<'a>> {
    let turns: Vec<&Turn> = model.turns.turns.iter().filter(|turn| turn.host == host).collect();
    let is_again = turns.last().is_some_and(|last| last.run > 1);
    let name = |run: usize| match (host, is_again) {
        (host, false) => host.to_owned(),
        ("", true) => format!("loop {run}"),
        (host, true) => format!("{host}, run {run}"),
    };
    let programs = turns.chunk_by(|one, next| one.run == next.run);
    programs.map(|turns| Program { name: name(turns[0].run), turns: turns.to_vec() }).collect()
}

/// The loops of several hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoopViews {
    /// One for each program, in order: a host that was started again has several.
    pub views: Vec<LoopView>,
    /// The programs that are not shown.
    pub left_out: Vec<String>,
}

impl LoopViews {
    /// These turns of the loops of these hosts: all turns if no range is given, and all programs of a host if no run
    /// is. Programs without one of them are not shown, and at most [`MAX_LOOPS`].
    pub fn new(model: &Model, hosts: &[&str], range: Option<(u64, u64)>, run: Option<usize>) -> LoopViews {
        let is_shown = |turn: &Turn| {
            range.is_none_or(|(from, to)| (from..=to).contains(&turn.number)) && run.is_none_or(|run| turn.run == run)
        };
        let view = |(mut program, is_only): (Program<'_>, bool)| {
            program.turns.retain(|turn| is_shown(turn));
            (!program.turns.is_empty()).then(|| LoopView::new(model, &program, is_only && range.is_none()))
        };
        let of_host = |host: &&str| {
            let programs = programs(model, host);
            let is_only = programs.len() == 1;
            programs.into_iter().map(move |program| (program, is_only))
        };
        let mut views: Vec<LoopView> = hosts.iter().flat_map(of_host).filter_map(view).collect();
        let left_out = views.split_off(views.len().min(MAX_LOOPS)).into_iter().map(|view| view.name).collect();
        LoopViews { views, left_out }
    }

    /// Whether there is no turn to show.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// As text of 80 columns.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        for view in &self.views {
            view.write(&mut out);
            out.line(Ink::Plain, "");
        }
        out.block(Ink::Dim, &words::wrapped(&self.rest(), 0));
        out.block(Ink::Dim, MARKS);
        out
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        let mut svg = Svg::new();
        self.views.iter().for_each(|view| svg.below(&view.drawing()));
        let mut rest = Svg::new();
        rest.text("soft small", (12, 24), &words::cut(&self.rest(), 150));
        svg.below(&rest);
        svg.file("turns of the loop")
    }

    /// Which hosts are not shown.
    fn rest(&self) -> String {
        match self.left_out.len() {
            0 => String::new(),
            _ => format!("Not shown: {}. --host NAME chooses.", self.left_out.join(", ")),
        }
    }
}

/// Turns of one loop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoopView {
    /// The host, and which of its programs, if it was started again; empty for the only loop of a real program.
    pub name: String,
    /// From left to right.
    pub columns: Vec<Column>,
    /// What held the loop, and what waited.
    pub held: Vec<(String, Vec<String>)>,
    /// The calls to the system, by name.
    pub calls: Calls,
    /// Each step of the turn, if it is only one.
    pub steps: Vec<(u64, usize, String)>,
}

impl LoopView {
    /// `is_all` says that no turn of this host is left out.
    fn new(model: &Model, Program { name, turns }: &Program<'_>, is_all: bool) -> LoopView {
        let each = turns.len().div_ceil(MAX_COLUMNS).max(1);
        let columns: Vec<Column> = turns.chunks(each).map(|turns| Column::of(model, turns)).collect();
        let held = holds(model, turns.iter().copied()).into_iter().map(|hold| (hold.sentence, hold.victims)).collect();
        let steps = if let [turn] = turns[..] { steps(model, turn) } else { Vec::new() };
        let calls = Calls::of(model, turns, is_all);
        LoopView { name: name.clone(), columns, held, calls, steps }
    }

    /// As text of 80 columns, without colours.
    pub fn to_text(&self) -> String {
        self.text().plain()
    }

    /// As text of 80 columns.
    pub fn text(&self) -> Text {
        let mut out = Text::default();
        self.write(&mut out);
        out.line(Ink::Plain, "");
        out.block(Ink::Dim, MARKS);
        out
    }

    fn write(&self, out: &mut Text) {
        let (Some(first), Some(last)) = (self.columns.first(), self.columns.last()) else {
            out.line(Ink::Plain, "No turn of a loop is in this trace.");
            return;
        };
        let host = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        let mut title = format!(
            "{host}turns {} to {}, {} to {}",
            first.first,
            last.last,
            words::time(first.begin),
            words::time(last.end)
        );
        if self.columns.iter().any(|column| column.first != column.last) {
            title.push_str(&format!("; a column is {} turns", first.turns()));
        }
        out.line(Ink::Title, &title);
        out.line(Ink::Plain, "");
        let mut lane = |name: &str, cell: &dyn Fn(&Column) -> char| {
            let cells: String = self.columns.iter().map(cell).collect();
            out.line(Ink::Plain, &format!("{name:>13} {cells}"));
            out.ink_each(14..usize::MAX, |_, cell| match cell {
                '#' => Some(Ink::Wrong),
                '!' => Some(Ink::Victim),
                '·' => Some(Ink::Dim),
                _ => None,
            });
        };
        // A simulated host waits between its turns, and a turn takes no time.
        lane("waiting", &|column| level(column.waited, column.end.saturating_sub(column.begin).max(column.waited)));
        for (phase, letter) in &PHASES[1..] {
            lane(phase, &|column| if column.phases.contains(phase) { *letter } else { '·' });
        }
        lane("system calls", &|column| digit(column.calls));
        lane("callbacks", &|column| digit(column.callbacks));
        lane("together", &|column| duration_mark(column.held));
        lane("longest", &|column| duration_mark(column.longest));
        lane("delayed calls", &|column| digit(column.timers));
        lane("late", &|column| duration_mark(column.latest));
        lane("kept waiting", &|column| if column.victims > 0 { '!' } else { '·' });
        out.line(Ink::Plain, "");
        self.calls.lines().iter().for_each(|line| out.line(Ink::Dim, line));
        for (sentence, victims) in &self.held {
            out.block(Ink::Wrong, &format!("\n{}", words::wrapped(&format!("# {sentence}"), 2)));
            let victims = victims.iter().map(|victim| words::wrapped(&format!("  ! {victim}"), 4));
            victims.for_each(|victim| out.block(Ink::Victim, &victim));
        }
        if !self.steps.is_empty() {
            out.line(Ink::Plain, "");
        }
        for (ns, depth, text) in &self.steps {
            let indent = "  ".repeat(*depth);
            let since = format!("+{}", words::time(*ns));
            out.line(Ink::Plain, &format!("{since:>10} {}", words::cut(&format!("{indent}{text}"), MAX_STEP)));
            out.ink(0..10, Ink::Dim);
        }
    }

    /// As a picture.
    pub fn to_svg(&self) -> String {
        self.drawing().file("turns of the loop")
    }

    pub(crate) fn drawing(&self) -> Svg {
        const LEFT: i64 = 110;
        let mut svg = Svg::new();
        let wide = (960 / self.columns.len().max(1) as i64).clamp(16, 64);
        svg.text("title", (12, 24), if self.name.is_empty() { "the loop" } else { &self.name });
        // The lanes, from top to bottom, and their heights.
        let lanes = [
            ("waiting", 44),
            ("phases", 78),
            ("system calls", 50),
            ("callbacks", 90),
            ("delayed calls", 44),
            ("kept waiting", 30),
        ];
        let mut tops = Vec::new();
        let mut y = 60;
        for (name, height) in lanes {
            svg.text("soft small end", (LEFT - 12, y + height / 2 + 4), name);
            svg.line("line", &[(LEFT, y + height), (LEFT + wide * self.columns.len() as i64, y + height)]);
            tops.push((y, height));
            y += height + 12;
        }
        let most = |of: &dyn Fn(&Column) -> u64| self.columns.iter().map(of).max().unwrap_or(0).max(1);
        let (most_wait, most_calls) = (most(&|column| column.waited), most(&|column| column.calls as u64));
        let most_long = most(&|column| column.held).max(1_000_000);
        for (index, column) in self.columns.iter().enumerate() {
            let x = LEFT + index as i64 * wide;
            svg.begin(Some(column.at));
            svg.hint(&column.words());
            let mut bar = |class: &str, lane: usize, part: u64, whole: u64| {
                let (top, height) = tops[lane];
                let tall = if part == 0 { 0 } else { (part as f64 / whole as f64 * height as f64).max(3.0) as i64 };
                svg.rect(class, (x + 2, top + height - tall), (wide - 4, tall));
            };
            let is_held = column.held > SLOW;
            bar("bar", 0, column.waited, most_wait);
            bar("cool", 2, column.calls as u64, most_calls);
            bar(if is_held { "hot" } else { "cool" }, 3, column.held, most_long);
            for (row, (phase, _)) in PHASES.iter().enumerate() {
                if column.phases.contains(phase) || *phase == "wait" {
                    svg.rect(
                        if *phase == "wait" { "bar" } else { "cool" },
                        (x + 2, tops[1].0 + row as i64 * 13),
                        (wide - 4, 10),
                    );
                }
            }
            if is_held {
                let ms = (column.held.saturating_add(500_000) / 1_000_000).to_string();
                svg.text("hott small mid", (x + wide / 2, tops[3].0 - 2), &ms);
            }
            column.draw_timers(&mut svg, (x + wide / 2, tops[4].0 + 36));
            if column.victims > 0 {
                svg.text("hott mid", (x + wide / 2, tops[5].0 + 20), &format!("{}!", column.victims));
            }
            if index % (48 / wide + 1) as usize == 0 {
                svg.text("soft small", (x + 2, 48), &column.first.to_string());
            }
            svg.end();
        }
        for (row, (phase, _)) in PHASES.iter().enumerate() {
            let right = LEFT + wide * self.columns.len() as i64 + 8;
            svg.text("soft small", (right, tops[1].0 + row as i64 * 13 + 10), phase);
        }
        svg.text("soft small", (LEFT + wide * self.columns.len() as i64 + 8, 48), "turn");
        for (lane, most) in [(0, words::time(most_wait)), (2, most_calls.to_string()), (3, words::time(most_long))] {
            svg.text("soft small end", (LEFT - 12, tops[lane].0 + 10), &most);
        }
        if let (Some(first), Some(last)) = (self.columns.first(), self.columns.last()) {
            let (begin, end) = (words::time(first.begin), words::time(last.end));
            let width = wide * self.columns.len() as i64;
            if width < width_of(&begin, "small") + width_of(&end, "small") + 20 {
                svg.text("soft small", (LEFT, y + 4), &format!("{begin} to {end}"));
            } else {
                svg.text("soft small", (LEFT, y + 4), &begin);
                svg.text("soft small end", (LEFT + width, y + 4), &end);
            }
            svg.text("soft small end", (LEFT - 12, y + 4), "time");
        }
        y += 28;
        let each = self.columns.first().map_or(1, Column::turns);
        let turns = words::count(usize::try_from(each).unwrap_or(usize::MAX), "turn");
        for line in [
            format!("A column: {turns}. A bar: how long the loop waited, calls to the system, the callbacks of one turn"),
            "together; the figure at the left: a full bar. Red: it held the loop; above it, its milliseconds. The program"
                .to_owned(),
            "may have held it before the turn. 2!: two delayed calls or sockets had to wait for that. A dot: a delayed"
                .to_owned(),
            "call, red if it was made more than 10 ms late; of more than four, their numbers.".to_owned(),
        ] {
            svg.text("soft small", (12, y), &line);
            y += 17;
        }
        y += 6;
        for line in self.calls.lines() {
            svg.text("soft small", (12, y), &line);
            y += 15;
        }
        y += 14;
        for (sentence, victims) in &self.held {
            let sentence = words::wrapped_to(PICTURE, sentence, 0);
            let victims = victims.iter().map(|victim| words::wrapped_to(PICTURE, victim, 0));
            for (class, x, text) in [("hott", 12, sentence)].into_iter().chain(victims.map(|it| ("soft", 36, it))) {
                for line in text.lines() {
                    svg.text(class, (x, y), line);
                    y += 20;
                }
            }
            y += 10;
        }
        for (ns, depth, text) in &self.steps {
            svg.text("soft small end", (LEFT - 12, y), &format!("+{}", words::time(*ns)));
            svg.text("small", (LEFT + *depth as i64 * 18, y), &words::cut(text, 130));
            y += 17;
        }
        svg
    }
}

/// A share, as a block.
fn level(part: u64, whole: u64) -> char {
    const LEVELS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    LEVELS[((share * 8.0).ceil() as usize).min(8)]
}

fn digit(count: usize) -> char {
    match count {
        0 => '·',
        1..=9 => char::from(b'0' + count as u8),
        _ => '+',
    }
}

fn duration_mark(ns: u64) -> char {
    match ns {
        0..100_000 => '·',
        100_000..1_000_000 => '-',
        1_000_000..=SLOW => '=',
        _ => '#',
    }
}
