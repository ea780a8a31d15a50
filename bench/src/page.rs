//! The report: `docs/performance.md` and its pictures, or the same text on the terminal.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::load::Shape;
use crate::peers::{ECHOES, FLOOR, HERDS, PAGES};
use crate::plot::{self, Panel};
use crate::results::{Measure, Results, Spread};
use crate::work::programs::Printed;
use crate::work::{Effort, accept, flood, idle, pages, whatsat};

pub const ECHO: &str = "echo";
pub const IAMAT: &str = "IAMAT";

/// What the report is made of.
pub struct Report<'a> {
    pub results: &'a Results,
    pub programs: &'a [Printed],
    pub facts: &'a [String],
    pub command: &'a str,
    pub effort: Effort,
}

impl Report<'_> {
    /// Writes the page and its pictures into the folder of the documents.
    pub fn write(&self, docs: &Path) -> io::Result<()> {
        let pictures = docs.join("performance");
        fs::create_dir_all(&pictures)?;
        for (name, svg) in self.pictures() {
            fs::write(pictures.join(name), svg)?;
        }
        fs::write(docs.join("performance.md"), self.text())
    }

    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Performance\n\n\
             This page is written by a program, which measures every peer in one run:\n\n",
        );
        let _ = writeln!(text, "    cd bench\n    {}\n", self.command);
        text += "It builds and runs what the machine has. Each server has one CPU, the load has another one. A round measures \
                 every peer in turn, and a ratio compares two measurements of the same round: only ratios mean something on \
                 another machine. A figure is the median of the rounds; in brackets is the middle half of them, so a wide \
                 one is not sure. [bench/README.md](../bench/README.md) says how each figure is made.\n\n";
        let _ =
            writeln!(text, "* {} rounds of {} ms for each figure", self.effort.rounds, self.effort.time.as_millis());
        self.facts.iter().for_each(|fact| {
            let _ = writeln!(text, "* {fact}");
        });
        self.echo(&mut text);
        self.iamat(&mut text);
        self.whatsat(&mut text);
        self.pages(&mut text);
        self.latency(&mut text);
        self.accept(&mut text);
        self.idle(&mut text);
        self.flood(&mut text);
        for printed in self.programs {
            let _ = write!(text, "\n## {}\n\n    {}\n\n", printed.title, printed.command);
            let _ = match &printed.text {
                Ok(table) => writeln!(text, "```text\n{}\n```", table.trim_end()),
                Err(why) => writeln!(text, "Not measured: {why}"),
            };
        }
        if !self.results.missing.is_empty() {
            text += "\n## Not measured\n\n";
            for (peer, why) in &self.results.missing {
                let _ = writeln!(text, "* {peer}: {why}");
            }
        }
        text
    }

    fn echo(&self, text: &mut String) {
        if self.results.peers(ECHO).is_empty() {
            return;
        }
        text.push_str("\n## A line and its echo\n\nThe CPU time of the server for each reply, user and system, ");
        text.push_str(
            "beside a bare loop over epoll in C that parses nothing. Each batch has a line of some 80 bytes ",
        );
        text.push_str("for each request in flight, sent at once.\n\n![CPU for each reply](performance/echo.svg)\n\n");
        self.ratios(text, ECHO, FLOOR);
        text.push_str("\n![CPU for each reply by the number of connections](performance/growth.svg)\n\n");
        for (name, what) in ECHOES.iter().filter(|(name, _)| self.results.peers(ECHO).contains(name)) {
            let _ = writeln!(text, "* {name}: {what}");
        }
    }

    fn iamat(&self, text: &mut String) {
        if self.results.peers(IAMAT).is_empty() {
            return;
        }
        text.push_str(
            "\n## IAMAT\n\nThe same for the herd's commonest command, beside the same floor, which only sends ",
        );
        text.push_str("the line back. No log is written, or a log of each line, in and out.\n\n");
        self.ratios(text, IAMAT, FLOOR);
        let _ = writeln!(text);
        for (name, what) in HERDS {
            let _ = writeln!(text, "* {name}: {what}");
        }
        text.push_str("\nWhat the log adds to a reply, in microseconds:\n\n");
        let columns = self.results.columns(IAMAT, Measure::Cpu);
        heading(text, "Server", &columns);
        for (with, without) in [("proxyherd, log", "proxyherd"), ("tokio IAMAT, log", "tokio IAMAT")] {
            let cells = columns.iter().map(|column| {
                let [with, without] = [with, without].map(|peer| self.results.get(IAMAT, Measure::Cpu, column, peer));
                let more: Vec<f64> =
                    with?.iter().zip(without?).map(|(with, without)| (with - without) / 1000.0).collect();
                Some(cell(Spread::of(&more), 2))
            });
            row(text, without, cells);
        }
        let logged = |peer| {
            let values = self.results.get(IAMAT, Measure::Logged, columns.first()?, peer)?;
            Some(format!("{peer}: {:.0}", Spread::of(values).median))
        };
        let logged: Vec<_> = ["proxyherd, log", "tokio IAMAT, log"].into_iter().filter_map(logged).collect();
        let _ = writeln!(text, "\nBytes logged for each reply: {}.", logged.join("; "));
    }

    fn whatsat(&self, text: &mut String) {
        if self.results.peers(whatsat::WORK).len() < 2 {
            return;
        }
        text.push_str(
            "\n## WHATSAT\n\nEach question is one request over HTTPS to a local nginx, which stands in for the ",
        );
        text.push_str(
            "Places service and answers with two kilobytes. The CPU time of the herd's server, beside the floor's ",
        );
        text.push_str("for an echo.\n\n");
        self.ratios(text, whatsat::WORK, FLOOR);
    }

    fn pages(&self, text: &mut String) {
        if self.results.peers(pages::WORK).len() < 2 {
            return;
        }
        text.push_str("\n## A small page over HTTP\n\nGETs of a page of 13 bytes over connections that stay. ");
        text.push_str("The CPU time of the server for each, beside hyper.\n\n");
        self.ratios(text, pages::WORK, pages::COMPARED);
        let _ = writeln!(text);
        for (name, what) in PAGES.iter().filter(|(name, _)| self.results.peers(pages::WORK).contains(name)) {
            let _ = writeln!(text, "* {name}: {what}");
        }
    }

    /// A row for each peer: its ratios to the peer `to`. The row of `to` itself has microseconds.
    fn ratios(&self, text: &mut String, work: &str, to: &str) {
        let columns = self.results.columns(work, Measure::Cpu);
        heading(text, "CPU for each reply", &columns);
        for peer in self.results.peers(work) {
            let cells = columns.iter().map(|column| {
                let values = self.results.get(work, Measure::Cpu, column, peer)?;
                let floor = self.results.get(work, Measure::Cpu, column, to)?;
                if peer == to {
                    let micros: Vec<f64> = values.iter().map(|nanos| nanos / 1000.0).collect();
                    return Some(cell(Spread::of(&micros), 2) + " us");
                }
                Some(cell(Spread::of_ratios(values, floor)?, 2))
            });
            row(text, peer, cells);
        }
    }

    fn latency(&self, text: &mut String) {
        for work in [ECHO, IAMAT, whatsat::WORK, pages::WORK] {
            let columns = self.results.columns(work, Measure::Median);
            if columns.is_empty() {
                continue;
            }
            let _ =
                write!(text, "\n## {work}: how long a batch takes\n\nMicroseconds from the first byte of a batch to ");
            text.push_str(
                "the last one of its replies: the median, 99 of 100, and 999 of 1000. All connections are busy ",
            );
            text.push_str("all the time, so a batch mostly waits for the others.\n\n");
            if work == ECHO {
                text.push_str("![Percentiles of latency](performance/latency.svg)\n\n");
            }
            heading(text, "Server", &columns);
            for peer in self.results.peers(work) {
                let cells = columns.iter().map(|column| {
                    let parts = [Measure::Median, Measure::P99, Measure::P999].map(|measure| {
                        let values = self.results.get(work, measure, column, peer)?;
                        Some(format!("{:.0}", Spread::of(values).median))
                    });
                    Some(parts.into_iter().collect::<Option<Vec<_>>>()?.join(", "))
                });
                row(text, peer, cells);
            }
        }
    }

    fn accept(&self, text: &mut String) {
        let (work, to) = (accept::WORK, "tokio");
        if self.results.get(work, Measure::Cpu, accept::COLUMN, to).is_none() {
            return;
        }
        text.push_str(
            "\n## A connection from its first to its last packet\n\nThe CPU time of the server for a connection ",
        );
        text.push_str("that is made, gets one reply, and is closed by the client, beside tokio.\n\n");
        self.ratios(text, work, to);
    }

    fn idle(&self, text: &mut String) {
        let peers = self.results.peers(idle::WORK);
        if peers.is_empty() {
            return;
        }
        let _ = write!(text, "\n## Memory\n\nResident memory of the server: MiB at the start, and bytes for each of ");
        let _ =
            write!(text, "{} idle connections, the kernel's own part apart. The start is the time ", idle::CONNECTIONS);
        text.push_str("from the call of the program until it accepts a connection.\n\n");
        text.push_str("![Bytes for an idle connection](performance/memory.svg)\n\n");
        heading(text, "Server", &["ms to start", "MiB at the start", idle::NEW, idle::USED].map(String::from));
        for peer in peers {
            let value = |measure, column: &str, unit: f64, digits: usize| {
                let values = self.results.get(idle::WORK, measure, column, peer)?;
                Some(format!("{:.digits$}", Spread::of(values).median / unit))
            };
            let cells = [
                value(Measure::Millis, idle::START, 1.0, 1),
                value(Measure::Bytes, idle::AT_START, 1_048_576.0, 1),
                value(Measure::Bytes, idle::NEW, 1.0, 0),
                value(Measure::Bytes, idle::USED, 1.0, 0),
            ];
            row(text, peer, cells.into_iter());
        }
    }

    fn flood(&self, text: &mut String) {
        let get = |measure, column, peer| self.results.get(flood::WORK, measure, column, peer);
        let Some(took) = get(Measure::Median, flood::ROUND_TRIPS, flood::HERD) else { return };
        let Some(trip) = get(Measure::Median, flood::ROUND_TRIPS, FLOOR) else { return };
        text.push_str(
            "\n## A location's way through five servers\n\nAll five share one CPU. The watcher is one link behind ",
        );
        text.push_str("the server that is farthest from the client. A round trip is the floor's, over loopback.\n\n");
        let _ = writeln!(text, "| What | Figure |\n|---|---|");
        let spread = Spread::of_ratios(took, trip).map_or_else(String::new, |ratio| cell(ratio, 1));
        let micros = Spread::of(took).median;
        let _ = writeln!(text, "| {}: four links, in round trips | {spread}, {micros:.0} us |", flood::ROUND_TRIPS);
        if let Some(cpu) = get(Measure::Cpu, flood::FLOOD, flood::HERD) {
            let micros: Vec<f64> = cpu.iter().map(|nanos| nanos / 1000.0).collect();
            let _ = writeln!(
                text,
                "| {}: CPU of all five for each, in us | {} |",
                flood::FLOOD,
                cell(Spread::of(&micros), 1)
            );
        }
        if let Some(behind) = get(Measure::Millis, flood::BEHIND, flood::HERD) {
            let _ = writeln!(text, "| {} | {} |", flood::BEHIND, cell(Spread::of(behind), 1));
        }
    }

    fn pictures(&self) -> Vec<(&'static str, String)> {
        let mut pictures = Vec::new();
        let results = self.results;
        let panels: Vec<Panel> = results.columns(ECHO, Measure::Cpu).iter().map(|column| self.panel(column)).collect();
        if panels.iter().any(|panel| !panel.bars.is_empty()) {
            let says = "CPU for each reply, as a ratio to a bare epoll loop";
            pictures.push(("echo.svg", plot::bars(says, &panels, |value| format!("{value:.2}"))));
        }
        let shape = Shape { connections: 50, in_flight: 1 }.to_string();
        let rows: Vec<_> = results
            .peers(ECHO)
            .into_iter()
            .filter_map(|peer| {
                let parts = [Measure::Median, Measure::P99, Measure::P999]
                    .map(|measure| Some(Spread::of(results.get(ECHO, measure, &shape, peer)?).median));
                Some((peer, parts.into_iter().collect::<Option<Vec<_>>>()?))
            })
            .collect();
        if !rows.is_empty() {
            let title = format!("Microseconds for a reply, {shape}");
            let names = ["median", "99 of 100", "999 of 1000"];
            pictures.push(("latency.svg", plot::dots("Percentiles of latency", &title, &names, &rows)));
        }
        let growth: Vec<_> = results.peers(ECHO).into_iter().map(|peer| (peer, self.growth(peer))).collect();
        if growth.iter().any(|(_, points)| points.len() > 1) {
            let title = "CPU us for each reply, one in flight";
            let says = "CPU for each reply by the number of connections";
            pictures.push(("growth.svg", plot::curves(says, title, "connections", &growth)));
        }
        let bars: Vec<_> = results
            .peers(idle::WORK)
            .into_iter()
            .filter_map(|peer| {
                let spread = Spread::of(results.get(idle::WORK, Measure::Bytes, idle::USED, peer)?);
                Some((peer, [spread.low, spread.median, spread.high]))
            })
            .collect();
        if !bars.is_empty() {
            let title = "Bytes for an idle connection that got a reply".to_owned();
            let panel = [Panel { title, bars }];
            pictures.push((
                "memory.svg",
                plot::bars("Bytes for an idle connection", &panel, |value| format!("{value:.0}")),
            ));
        }
        pictures
    }

    /// The ratios of all peers to the floor, with the floor itself.
    fn panel(&self, column: &str) -> Panel {
        let floor = self.results.get(ECHO, Measure::Cpu, column, FLOOR).unwrap_or_default();
        let bar = |peer: &'static str| {
            let spread = Spread::of_ratios(self.results.get(ECHO, Measure::Cpu, column, peer)?, floor)?;
            Some((peer, [spread.low, spread.median, spread.high]))
        };
        Panel { title: column.to_owned(), bars: self.results.peers(ECHO).into_iter().filter_map(bar).collect() }
    }

    /// For each number of connections with one request in flight, the microseconds for a reply.
    fn growth(&self, peer: &str) -> Vec<(f64, f64)> {
        let point = |column: &String| {
            let connections: f64 = column.strip_suffix(" x 1 in flight")?.parse().ok()?;
            let values = self.results.get(ECHO, Measure::Cpu, column, peer)?;
            Some((connections, Spread::of(values).median / 1000.0))
        };
        let mut points: Vec<_> = self.results.columns(ECHO, Measure::Cpu).iter().filter_map(point).collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        points
    }
}

fn cell(spread: Spread, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$} to {:.digits$})", spread.median, spread.low, spread.high)
}

fn heading(text: &mut String, first: &str, columns: &[String]) {
    let _ = writeln!(text, "| {first} | {} |\n|---{}|", columns.join(" | "), "|---".repeat(columns.len()));
}

fn row(text: &mut String, name: &str, cells: impl Iterator<Item = Option<String>>) {
    let cells: Vec<_> = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned())).collect();
    let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
}
