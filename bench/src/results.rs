//! What was measured: for each work, column and peer one value for each round.

/// The values of one peer in one column, one for each round.
pub struct Series {
    pub work: &'static str,
    pub measure: Measure,
    /// What the work was done with, such as a number of connections.
    pub column: String,
    pub peer: &'static str,
    pub values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Nanoseconds of CPU time of the server, user and system, for each unit of the work.
    Cpu,
    /// Microseconds from a request to its reply: the median, the 99th percentile, and that of a thousand.
    Median,
    P99,
    P999,
    /// Bytes of resident memory for each connection, or in all.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Bytes that the server has logged for each reply.
    Logged,
}

#[derive(Default)]
pub struct Results {
    pub series: Vec<Series>,
    /// Peers that could not be measured, and why.
    pub missing: Vec<(String, String)>,
}

impl Results {
    pub fn add(&mut self, work: &'static str, measure: Measure, column: &str, peer: &'static str, value: f64) {
        let is_it = |series: &&mut Series| {
            series.work == work && series.measure == measure && series.column == column && series.peer == peer
        };
        match self.series.iter_mut().find(is_it) {
            Some(series) => series.values.push(value),
            None => {
                let column = column.to_owned();
                self.series.push(Series { work, measure, column, peer, values: vec![value] });
            }
        }
    }

    /// A peer that failed at a work is named in the report, and what it has given so far is not shown.
    pub fn fail(&mut self, work: &str, peer: &str, why: &str) {
        eprintln!("\n{work}: {peer}: {why}");
        self.series.retain(|series| series.work != work || series.peer != peer);
        self.missing.push((format!("{work}: {peer}"), why.to_owned()));
    }

    pub fn get(&self, work: &str, measure: Measure, column: &str, peer: &str) -> Option<&[f64]> {
        let found = self.series.iter().find(|series| {
            series.work == work && series.measure == measure && series.column == column && series.peer == peer
        });
        found.map(|series| &series.values[..])
    }

    /// The columns of a work, in the order in which they were first measured.
    pub fn columns(&self, work: &str, measure: Measure) -> Vec<String> {
        let mut columns = Vec::new();
        for series in self.series.iter().filter(|series| series.work == work && series.measure == measure) {
            if !columns.contains(&series.column) {
                columns.push(series.column.clone());
            }
        }
        columns
    }

    /// The peers of a work, in the order in which they were first measured.
    pub fn peers(&self, work: &str) -> Vec<&'static str> {
        let mut peers = Vec::new();
        for series in self.series.iter().filter(|series| series.work == work) {
            if !peers.contains(&series.peer) {
                peers.push(series.peer);
            }
        }
        peers
    }
}

/// A median with the middle half of the values around it.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// Of the ratios of two peers, round by round: other load on the machine then affects both alike.
    pub fn of_ratios(values: &[f64], to: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = values.iter().zip(to).map(|(value, to)| value / to).collect();
        (!ratios.is_empty()).then(|| Self::of(&ratios))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_middle_half() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 3.0, 4.0));
        assert!((Spread::of(&[1.0, 2.0]).median - 1.5).abs() < 1e-9);
        assert!((Spread::of_ratios(&[2.0, 6.0], &[1.0, 2.0]).unwrap().median - 2.5).abs() < 1e-9);
        assert!(Spread::of_ratios(&[], &[]).is_none());
    }

    #[test]
    fn a_peer_that_failed_is_named_and_not_shown() {
        let mut results = Results::default();
        results.add("echo", Measure::Cpu, "1 x 1", "tokio", 1.0);
        results.add("echo", Measure::Cpu, "1 x 1", "Node", 2.0);
        results.add("idle", Measure::Bytes, "each", "Node", 3.0);
        results.fail("echo", "Node", "it closed the connection");
        assert_eq!(results.peers("echo"), ["tokio"]);
        assert_eq!(results.peers("idle"), ["Node"]);
        assert_eq!(results.missing, [("echo: Node".to_owned(), "it closed the connection".to_owned())]);
    }
}
