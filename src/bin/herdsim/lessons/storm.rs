//! [`lesson`]: why the paper's rule is not enough, in the smallest herd that shows it, told message by message.
//!
//! Three servers in a ring, and one client that moves once. Nothing here is made up: the servers are the real ones,
//! with the paper's rule, and the text is written from what they say.
//!
//! Next: `model.rs`, how often that happens.

use crate::herd::feeder;
use crate::herd::rules::Rule;
use crate::herd::topology::{Graph, Topology};
use crate::herd::{Herd, Member, Observer, PlacesKind};
use proxyherd::locations::{NeighborId, Verdict};
use proxyherd::message::At;
use proxyherd::watch::{HeardFrom, Watch};
use reactor::sim::{Latency, LinkSettings, Random, World, WorldSettings};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long every message takes.
const DELAY: Duration = Duration::from_secs(1);

/// When the client sends its first location. All links are up by then.
const BEGIN: Duration = Duration::from_secs(30);

/// How long the servers are watched: much longer than a flood that ends.
const WATCHED: Duration = Duration::from_secs(12);

/// The versions of the client's location: 1, then 2. They are also its times.
type Version = u64;

/// Something that happened at a server.
#[derive(Debug, Clone, Copy)]
struct Event {
    at: Instant,
    server: usize,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// It heard a version: from which server, or from the client if none; and whether it took it.
    Heard(Option<usize>, Version, bool),
    /// It told a server a version.
    Told(usize, Version),
}

/// Writes down what happens at one server.
struct Recorder {
    server: usize,
    graph: Graph,
    members: Rc<RefCell<Vec<Rc<Member>>>>,
    events: Rc<RefCell<Vec<Event>>>,
}

impl Recorder {
    fn note(&self, what: What) {
        let server = self.members.borrow().get(self.server).and_then(|member| member.server());
        if let Some(server) = server {
            let at = server.reactor().now();
            self.events.borrow_mut().push(Event { at, server: self.server, what });
        }
    }

    fn neighbor(&self, id: NeighborId) -> usize {
        let pairs = self.graph.pairs.iter();
        let others = pairs.filter_map(|(one, other)| match self.server {
            server if server == *one => Some(*other),
            server if server == *other => Some(*one),
            _ => None,
        });
        let mut others: Vec<usize> = others.collect();
        others.sort_unstable();
        others[id]
    }
}

/// The last field of an AT.
fn version(line: &[u8]) -> Version {
    let last = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    std::str::from_utf8(last).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl Watch for Recorder {
    fn heard(&self, _at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let from = match from {
            HeardFrom::Neighbor(id) => Some(self.neighbor(id)),
            HeardFrom::Client | HeardFrom::Unnamed => None,
        };
        self.note(What::Heard(from, version(line), matches!(verdict, Verdict::Newer(_))));
    }

    fn told(&self, neighbor: NeighborId, line: &[u8]) {
        self.note(What::Told(self.neighbor(neighbor), version(line)));
    }
}

/// Lets two versions flood a ring of three, half a delay apart. Returns what happened.
fn flood(rule: Rule) -> Vec<Event> {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(Latency::Fixed(DELAY));
    let world = World::with_settings(1, settings);
    let Ok(graph) = Topology::Ring.graph(3, &mut Random::new(1)) else { return Vec::new() };
    let (members, events) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let (known, notes, ring) = (members.clone(), events.clone(), graph.clone());
    let observer: Observer = Rc::new(move |server| {
        let recorder = Recorder { server, graph: ring.clone(), members: known.clone(), events: notes.clone() };
        Rc::new(recorder)
    });
    let herd = Herd::new(world, &graph, rule, PlacesKind::Nobody, observer);
    *members.borrow_mut() = herd.servers.clone();
    let says = |at, place: &str, time| (at, 0, format!("IAMAT kiwi {place} {time}\n").into_bytes());
    feeder::add(&herd, &graph.names, vec![says(BEGIN, "+1+1", 1), says(BEGIN + DELAY / 2, "+2+2", 2)]);
    herd.world.run_for(BEGIN + WATCHED);
    drop(herd);
    events.take()
}

/// What the servers hold and what is on its way: everything that decides what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    held: [Version; 3],
    /// From, to, version, and the time until it arrives.
    flying: Vec<(usize, usize, Version, Duration)>,
}

/// The text: the storm under the paper's rule, and the same under the rule that ships.
pub(crate) fn lesson() -> String {
    let names = Topology::Ring.graph(3, &mut Random::new(1)).map(|graph| graph.names).unwrap_or_default();
    let [a, b, c] = [0, 1, 2].map(|server| names.get(server).cloned().unwrap_or_default());
    let mut text = format!(
        "THE STORM, smallest case. Three servers in a ring: {a}, {b} and {c}. Every message takes one\n\
         delay. One client tells {a} where it is (1), and half a delay later where it has moved to (2).\n\n\
         The paper's rule: a server that hears a location drops it if its time is that of the one it holds; else it\n\
         takes it, and tells its neighbors, but not the one that it came from.\n\n"
    );
    text += &story(&flood(Rule::Paper), &names);
    text += "\nThe rule that ships: what is newer is taken and passed on; what is the same is dropped; a server\n\
             that sends something older is sent the newer one. The same again:\n\n";
    text += &story(&flood(Rule::Newest), &names);
    text += "\nA server takes only newer versions, so each at most once, and passes each on at most once: every flood\n\
             ends.\n\n";
    text
}

/// Tells the events, up to where an earlier state comes back, or to the end.
fn story(events: &[Event], names: &[String]) -> String {
    let mut text = String::from("  delays  server    hears          holds    does\n");
    let Some(begin) = events.first().map(|event| event.at) else { return text };
    let mut state = Snapshot { held: [0; 3], flying: Vec::new() };
    let mut flying: VecDeque<(usize, usize, Version, Instant)> = VecDeque::new();
    let mut past: Vec<(Duration, Snapshot)> = Vec::new();
    let mut events = events.iter().copied().peekable();
    let mut told = 0;
    while let Some(Event { at, server, what }) = events.next() {
        // Writing to a String cannot fail.
        if let What::Heard(from, version, is_taken) = what {
            let mut others = Vec::new();
            while let Some(Event { what: What::Told(to, version), .. }) =
                events.next_if(|event| event.server == server && event.at == at && matches!(event.what, What::Told(..)))
            {
                flying.push_back((server, to, version, at + DELAY));
                others.push(format!("{} {version}", names[to]));
                told += 1;
            }
            if from.is_some() {
                let arrived = flying
                    .iter()
                    .position(|(one, to, heard, _)| Some(*one) == from && *to == server && *heard == version);
                arrived.and_then(|place| flying.remove(place));
            }
            let source = from.map_or("its client".to_owned(), |from| names[from].clone());
            let held = match state.held[server] {
                0 => "nothing".to_owned(),
                held => held.to_string(),
            };
            let does = match (is_taken, others.is_empty()) {
                (true, true) => "takes it".to_owned(),
                (true, false) => format!("takes it, tells {}", others.join(" and ")),
                (false, true) => "drops it".to_owned(),
                (false, false) => format!("drops it, and answers {}", others.join(" and ")),
            };
            let delays = (at - begin).as_secs_f64() / DELAY.as_secs_f64();
            let _ =
                writeln!(text, "  {delays:>6.1}  {:<9} {version} from {source:<11} {held:<8} {does}", names[server]);
            if is_taken {
                state.held[server] = version;
            }
        }
        if events.peek().is_some_and(|next| next.at == at) {
            continue;
        }
        let now = at - begin;
        state.flying = flying.iter().map(|(from, to, version, due)| (*from, *to, *version, *due - at)).collect();
        state.flying.sort_unstable();
        if let Some((before, _)) = past.iter().find(|(_, known)| *known == state) {
            text += &comes_back(*before, now, &state, names);
            return text;
        }
        past.push((now, state.clone()));
    }
    let is_same = state.held.iter().all(|held| *held == state.held[0]);
    let verdict = if is_same { "all hold the newest" } else { "but not all hold the same" };
    let _ = writeln!(text, "\nNothing is on its way any more: {told} messages, and {verdict}.");
    text
}

fn comes_back(before: Duration, now: Duration, state: &Snapshot, names: &[String]) -> String {
    let delays = |time: Duration| time.as_secs_f64() / DELAY.as_secs_f64();
    let held = names.iter().zip(state.held).map(|(name, held)| format!("{name} holds {held}"));
    let flying = state.flying.iter().map(|(from, to, version, left)| {
        format!("{version} from {} to {} with {} to go", names[*from], names[*to], delays(*left))
    });
    format!(
        "\nNow, at {}, everything is as it was at {}: {};\non the way: {}.\n\
         What follows from the same is the same. So this goes on for ever: the two chase each other round the\n\
         ring, each always different from what it meets.\n",
        delays(now),
        delays(before),
        held.collect::<Vec<_>>().join(", "),
        flying.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_rule_comes_back_to_where_it_was_and_the_rule_that_ships_ends() {
        let text = lesson();
        let (paper, newest) = text.split_once("The rule that ships").unwrap();
        assert!(paper.contains("everything is as it was at") && !paper.contains("Nothing is on its way"), "{text}");
        assert!(newest.contains("all hold the newest") && !newest.contains("everything is as it was"), "{text}");
        assert!(text.lines().count() < 60 && text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}
