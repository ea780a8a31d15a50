//! [`Topology`]: the shape of a herd, and [`Graph`], the links that it has. Every graph is connected; where there is a
//! choice, the seed decides.
//!
//! Next: `store/mod.rs`, a store beside the herd.

use reactor::sim::Random;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The paper's links: pairs of indices into `PAPER_NAMES`.
const PAPER_LINKS: [(usize, usize); 5] = [(0, 3), (0, 4), (1, 3), (1, 4), (2, 3)];
const PAPER_NAMES: [&str; 5] = ["Alford", "Bolden", "Hamilton", "Parker", "Powell"];

/// Maximum number of servers in a simulated herd.
pub(crate) const MAX_SERVERS: usize = 10_000;

/// The shape of a herd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// The paper's: a ring of four and one at its side.
    Paper,
    /// Each talks with the next, and the last with the first.
    Ring,
    /// Each talks with the next.
    Line,
    /// All talk with the first.
    Star,
    /// Random links, with this number for each server on average.
    Random(usize),
}

/// The links of one herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The servers' names, sorted.
    pub names: Vec<String>,
    /// Pairs of indices into `names`, the smaller first, sorted.
    pub pairs: Vec<(usize, usize)>,
    /// How many neighbors each server has.
    degrees: Vec<usize>,
}

impl Graph {
    /// Whether two servers, by their names, are neighbors.
    pub(crate) fn are_linked(&self, one: &str, other: &str) -> bool {
        let is_pair = |(first, second): &(usize, usize)| {
            let pair = [&self.names[*first][..], &self.names[*second][..]];
            pair == [one, other] || pair == [other, one]
        };
        self.pairs.iter().any(is_pair)
    }
}

impl Topology {
    /// Checks that there can be such a herd of `servers` servers. It builds nothing, so it is fast however many links
    /// there would be.
    ///
    /// # Errors
    /// One line that says why there cannot be one.
    pub(crate) fn check(self, servers: usize) -> Result<(), String> {
        match self {
            _ if servers == 0 || servers > MAX_SERVERS => {
                Err(format!("a herd has from 1 to {MAX_SERVERS} servers, not {servers}"))
            }
            Topology::Paper if servers != PAPER_NAMES.len() => {
                Err(format!("the paper's herd has five servers, not {servers}: choose other links"))
            }
            Topology::Random(degree) if degree == 0 || degree >= servers.max(2) => {
                Err(format!("{servers} servers cannot have {degree} links each"))
            }
            Topology::Paper | Topology::Ring | Topology::Line | Topology::Star | Topology::Random(_) => Ok(()),
        }
    }

    /// The links between `servers` servers.
    ///
    /// # Errors
    /// One line that says why there cannot be such a herd.
    pub(crate) fn graph(self, servers: usize, random: &mut Random) -> Result<Graph, String> {
        self.check(servers)?;
        let pairs = match self {
            Topology::Paper => PAPER_LINKS.to_vec(),
            Topology::Line | Topology::Ring => {
                let mut pairs: BTreeSet<_> = (1..servers).map(|server| (server - 1, server)).collect();
                if self == Topology::Ring && servers > 2 {
                    pairs.insert((0, servers - 1));
                }
                pairs.into_iter().collect()
            }
            Topology::Star => (1..servers).map(|server| (0, server)).collect(),
            Topology::Random(degree) => random_pairs(servers, degree, random),
        };
        let mut degrees = vec![0; servers];
        for (one, other) in &pairs {
            degrees[*one] += 1;
            degrees[*other] += 1;
        }
        Ok(Graph { names: names(servers), pairs, degrees })
    }
}

/// First a random tree, so that the graph is connected; then random links.
fn random_pairs(servers: usize, degree: usize, random: &mut Random) -> Vec<(usize, usize)> {
    let tree = (1..servers).map(|server| (random.below(server as u64) as usize, server));
    let tree: BTreeSet<_> = tree.collect();
    let mut draw = || {
        let one = random.below(servers as u64) as usize;
        let other = random.below(servers as u64) as usize;
        (one.min(other), one.max(other))
    };
    let all = servers * (servers - 1) / 2;
    let wanted = (servers * degree / 2).clamp(tree.len(), all);
    if wanted <= all / 2 {
        let mut pairs = tree;
        while pairs.len() < wanted {
            let (one, other) = draw();
            if one != other {
                pairs.insert((one, other));
            }
        }
        return pairs.into_iter().collect();
    }
    // If most pairs are wanted, draw the missing ones: near the end, almost every pair drawn would be there already.
    let mut missing = BTreeSet::new();
    while missing.len() < all - wanted {
        let (one, other) = draw();
        if one != other && !tree.contains(&(one, other)) {
            missing.insert((one, other));
        }
    }
    let pairs = (0..servers).flat_map(|one| (one + 1..servers).map(move |other| (one, other)));
    pairs.filter(|pair| !missing.contains(pair)).collect()
}

/// The paper's names where they suffice. Versions are ordered by server name, so the names are in the order of the
/// servers' numbers.
fn names(servers: usize) -> Vec<String> {
    match servers {
        ..=5 => PAPER_NAMES[..servers].iter().map(|name| (*name).to_owned()).collect(),
        _ => (0..servers).map(|number| format!("S{number:04}")).collect(),
    }
}

impl Graph {
    /// How many neighbors a server has.
    pub(crate) fn degree(&self, server: usize) -> usize {
        self.degrees[server]
    }

    /// The greatest distance between two servers, in links.
    pub(crate) fn diameter(&self) -> usize {
        let mut neighbors = vec![Vec::new(); self.names.len()];
        for (one, other) in &self.pairs {
            neighbors[*one].push(*other);
            neighbors[*other].push(*one);
        }
        let farthest = |from: usize| {
            let mut reached = vec![false; neighbors.len()];
            reached[from] = true;
            let (mut steps, mut left, mut edge) = (0, neighbors.len() - 1, vec![from]);
            // With many links all servers are soon reached; looking at the remaining links would take long.
            while left > 0 {
                let next = edge.iter().flat_map(|server: &usize| &neighbors[*server]).copied();
                edge = next.filter(|server| !std::mem::replace(&mut reached[*server], true)).take(left).collect();
                if edge.is_empty() {
                    break;
                }
                left -= edge.len();
                steps += 1;
            }
            steps
        };
        (0..neighbors.len()).map(farthest).max().unwrap_or(0)
    }

    /// The maximum number of messages for one new version when nothing fails: `2E - (n - 1)`. Each server forwards it
    /// once, to all its neighbors except the one that it came from.
    pub(crate) fn messages_a_version(&self) -> u64 {
        (2 * self.pairs.len() + 1 - self.names.len()) as u64
    }
}

impl FromStr for Topology {
    type Err = String;

    fn from_str(text: &str) -> Result<Topology, String> {
        let degree = || text.strip_prefix("random:")?.parse().ok().filter(|degree| *degree > 0);
        match text {
            "paper" => Ok(Topology::Paper),
            "ring" => Ok(Topology::Ring),
            "line" => Ok(Topology::Line),
            "star" => Ok(Topology::Star),
            _ => degree().map(Topology::Random).ok_or_else(|| {
                format!("{text:?} is not a shape of a herd: paper, ring, line, star or random:D (D links a server)")
            }),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topology::Paper => f.write_str("paper"),
            Topology::Ring => f.write_str("ring"),
            Topology::Line => f.write_str("line"),
            Topology::Star => f.write_str("star"),
            Topology::Random(degree) => write!(f, "random:{degree}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_connected(graph: &Graph) -> bool {
        let mut reached = BTreeSet::from([0]);
        for _ in &graph.names {
            if reached.len() == graph.names.len() {
                break;
            }
            for (one, other) in &graph.pairs {
                if reached.contains(one) || reached.contains(other) {
                    reached.extend([*one, *other]);
                }
            }
        }
        reached.len() == graph.names.len()
    }

    #[test]
    fn every_herd_is_connected_and_has_the_links_of_its_shape() {
        let cases = [
            (Topology::Paper, 5, 5),
            (Topology::Ring, 7, 7),
            (Topology::Ring, 2, 1),
            (Topology::Line, 7, 6),
            (Topology::Star, 7, 6),
            (Topology::Random(4), 30, 60),
            (Topology::Random(1), 30, 29),
            (Topology::Line, 1, 0),
        ];
        for (topology, servers, expected) in cases {
            for seed in 0..20 {
                let graph = topology.graph(servers, &mut Random::new(seed)).unwrap();
                assert_eq!((graph.names.len(), graph.pairs.len()), (servers, expected), "{topology}");
                assert!(is_connected(&graph), "{topology}, seed {seed}");
                let diameter = match topology {
                    Topology::Paper => Some(3),
                    Topology::Ring => Some(servers / 2),
                    Topology::Line => Some(servers - 1),
                    Topology::Star => Some(2),
                    Topology::Random(_) => None,
                };
                assert!(diameter.is_none_or(|diameter| diameter == graph.diameter()), "{topology}, {servers}");
                assert!(graph.names.is_sorted() && graph.pairs.iter().all(|(one, other)| one < other));
            }
        }
    }

    #[test]
    fn herds_with_almost_all_links_are_built_with_exactly_as_many_as_were_asked_for() {
        for (servers, degree) in
            [(2, 1), (3, 2), (4, 2), (4, 3), (5, 3), (5, 4), (9, 5), (9, 7), (300, 298), (300, 299)]
        {
            for seed in 0..5 {
                let graph = Topology::Random(degree).graph(servers, &mut Random::new(seed)).unwrap();
                let pairs: BTreeSet<_> = graph.pairs.iter().copied().collect();
                assert_eq!((graph.pairs.len(), pairs.len()), (servers * degree / 2, servers * degree / 2));
                assert!(is_connected(&graph) && graph.pairs.is_sorted());
                assert!(graph.pairs.iter().all(|(one, other)| one < other && *other < servers));
                assert_eq!((0..servers).map(|server| graph.degree(server)).sum::<usize>(), 2 * pairs.len());
            }
        }
        let dense = |seed| Topology::Random(250).graph(300, &mut Random::new(seed)).unwrap();
        assert!(dense(1) == dense(1) && dense(1) != dense(2), "the seed decides which are missing");
        // Drawn one by one, the last of two million would be waited for for minutes.
        let largest = Topology::Random(1998).graph(2000, &mut Random::new(1)).unwrap();
        assert_eq!((largest.pairs.len(), largest.diameter()), (1_998_000, 2));
    }

    #[test]
    fn the_paper_costs_six_messages_a_version() {
        let graph = Topology::Paper.graph(5, &mut Random::new(1)).unwrap();
        assert_eq!(graph.messages_a_version(), 6);
        assert_eq!((0..5).map(|server| graph.degree(server)).collect::<Vec<_>>(), [2, 2, 1, 3, 2]);
    }

    #[test]
    fn a_shape_reads_as_it_prints_and_bad_ones_are_refused() {
        for text in ["paper", "ring", "line", "star", "random:4"] {
            assert_eq!(text.parse::<Topology>().unwrap().to_string(), text);
        }
        for text in ["", "tree", "random", "random:", "random:0", "random:x"] {
            assert!(text.parse::<Topology>().unwrap_err().contains("random:D"), "{text}");
        }
        let graph = |topology: Topology, servers| topology.graph(servers, &mut Random::new(1));
        assert!(graph(Topology::Paper, 6).unwrap_err().contains("five"));
        assert!(graph(Topology::Ring, 0).is_err() && graph(Topology::Ring, MAX_SERVERS + 1).is_err());
        assert!(graph(Topology::Random(5), 5).is_err());
    }
}
