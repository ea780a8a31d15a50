//! [`Act`]: what a person does to the herd, as one line of text: `cut Alford Bolden`, `iamat kiwi Alford +34-118`.
//!
//! An act is part of a run: the address holds it, with the time at which it was done. The speed, for example, only
//! changes how one looks at a run: see `film.rs`.
//!
//! Next: `address.rs`, a whole run as text.

use crate::herd::rules::Rule;
use crate::herd::topology::Graph;
use proxyherd::message::{self, Command};
use std::fmt;
use std::str::FromStr;

/// The maximum length of a client's name, in bytes.
const MAX_NAME: usize = 100;

/// The maximum by which a clock is set, in seconds: less than the day by which a client may be ahead of a server.
const MAX_JUMP: i64 = 12 * 3600;

/// Something that a person does. Servers and clients are meant by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Does something to a server.
    Server(ServerAct, String),
    /// Sets a server's clock forth by this many seconds, or back.
    Clock(String, i64),
    /// Changes the link between two servers: in both directions, or only from the first to the second.
    Link(LinkAct, String, String),
    /// Cuts all links between these servers and all others.
    Split(Vec<String>),
    /// Makes everything work again.
    Heal,
    /// Another rule decides from now on.
    Rule(Rule),
    /// A client says where it is, to a server.
    IamAt { client: String, server: String, location: String },
    /// The same, and half a delay later that it is at the second place.
    Twice { client: String, server: String, locations: [String; 2] },
    /// A client asks a server what is near it: radius in km, and the maximum number of places.
    WhatsAt { client: String, server: String, radius: u32, bound: u32 },
    /// A client begins to move on its own, or stays where it is.
    Wander(String, bool),
}

/// What may be done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerAct {
    Kill,
    Crash,
    Restart,
    Freeze,
    Thaw,
}

/// What may be done to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkAct {
    /// Nothing gets through, in both directions.
    Cut,
    /// Nothing gets through from the first to the second.
    CutOneWay,
    /// It takes ten times as long.
    Slow,
    /// It loses a third of all segments, at random.
    Lossy,
    /// It is as the others.
    Mend,
}

const SERVER_ACTS: [(&str, ServerAct); 5] = [
    ("kill", ServerAct::Kill),
    ("crash", ServerAct::Crash),
    ("restart", ServerAct::Restart),
    ("freeze", ServerAct::Freeze),
    ("thaw", ServerAct::Thaw),
];

const LINK_ACTS: [(&str, LinkAct); 5] = [
    ("cut", LinkAct::Cut),
    ("cut-one-way", LinkAct::CutOneWay),
    ("slow", LinkAct::Slow),
    ("lossy", LinkAct::Lossy),
    ("mend", LinkAct::Mend),
];

/// The first words of all acts, for the page.
pub(crate) fn words() -> Vec<&'static str> {
    let names = SERVER_ACTS.iter().map(|(name, _)| *name).chain(LINK_ACTS.iter().map(|(name, _)| *name));
    names.chain(["clock", "split", "heal", "rule", "iamat", "twice", "whatsat", "wander", "rest"]).collect()
}

impl Act {
    /// Checks that this herd can do it.
    ///
    /// # Errors
    /// One line that says which server or link there is not.
    pub(crate) fn check(&self, herd: &Graph) -> Result<(), String> {
        let named: Vec<&String> = match self {
            Act::Server(_, server) | Act::Clock(server, _) => vec![server],
            Act::IamAt { server, .. } | Act::Twice { server, .. } | Act::WhatsAt { server, .. } => vec![server],
            Act::Link(_, one, other) => vec![one, other],
            Act::Split(names) => names.iter().collect(),
            Act::Heal | Act::Rule(_) | Act::Wander(..) => Vec::new(),
        };
        if let Some(name) = named.into_iter().find(|name| !herd.names.contains(name)) {
            return Err(format!("there is no server {name:?}"));
        }
        match self {
            Act::Link(_, one, other) if !herd.are_linked(one, other) => {
                Err(format!("there is no link between {one} and {other}"))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Act, String> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let Some((verb, rest)) = words.split_first() else { return Err("an act has a word".to_owned()) };
        let of_server = |server: &str| {
            let (_, act) = SERVER_ACTS.iter().find(|(name, _)| name == verb)?;
            Some(Act::Server(*act, server.to_owned()))
        };
        let of_link = |one: &str, other: &str| {
            let (_, act) = LINK_ACTS.iter().find(|(name, _)| name == verb)?;
            Some(Act::Link(*act, one.to_owned(), other.to_owned()))
        };
        let act = match (*verb, rest) {
            ("heal", []) => Some(Act::Heal),
            ("split", []) => return Err("a split needs the names of the servers on one side".to_owned()),
            ("split", _) => Some(Act::Split(rest.iter().map(|name| (*name).to_owned()).collect())),
            ("rule", [rule]) => Some(Act::Rule(rule.parse()?)),
            ("clock", [server, seconds]) => {
                let seconds = seconds.parse().ok().filter(|seconds: &i64| seconds.abs() <= MAX_JUMP);
                let seconds = seconds.ok_or_else(|| format!("a clock is set by at most {MAX_JUMP} seconds"))?;
                Some(Act::Clock((*server).to_owned(), seconds))
            }
            ("iamat", [client, server, location]) => {
                let (client, location) = (checked_client(client)?, checked_location(location)?);
                Some(Act::IamAt { client, server: (*server).to_owned(), location })
            }
            ("twice", [client, server, one, other]) => {
                let locations = [checked_location(one)?, checked_location(other)?];
                Some(Act::Twice { client: checked_client(client)?, server: (*server).to_owned(), locations })
            }
            ("whatsat", [client, server, radius, bound]) => {
                let client = checked_client(client)?;
                check(&format!("WHATSAT {client} {radius} {bound}"))?;
                let whole = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a whole number"));
                let (radius, bound) = (whole(radius)?, whole(bound)?);
                Some(Act::WhatsAt { client, server: (*server).to_owned(), radius, bound })
            }
            ("wander" | "rest", [client]) => Some(Act::Wander(checked_client(client)?, *verb == "wander")),
            (_, [server]) => of_server(server),
            (_, [one, other]) => of_link(one, other),
            _ => None,
        };
        act.ok_or_else(|| format!("{text:?} is not something that can be done"))
    }
}

fn checked_client(name: &str) -> Result<String, String> {
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!("a client's name has at most {MAX_NAME} bytes and no control characters"));
    }
    Ok(name.to_owned())
}

fn checked_location(location: &str) -> Result<String, String> {
    check(&format!("IAMAT somebody {location} 1"))?;
    Ok(location.to_owned())
}

/// Checks a command as a server does.
fn check(line: &str) -> Result<(), String> {
    match message::parse(line.as_bytes()) {
        Ok(Command::IamAt(_) | Command::WhatsAt(_)) => Ok(()),
        Ok(_) => Err(format!("{line:?} is not a command of a client")),
        Err(wrong) => Err(wrong.to_string()),
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Server(act, server) => {
                let name = SERVER_ACTS.iter().find(|(_, own)| own == act).map_or("", |(name, _)| name);
                write!(f, "{name} {server}")
            }
            Act::Clock(server, seconds) => write!(f, "clock {server} {seconds}"),
            Act::Link(act, one, other) => {
                let name = LINK_ACTS.iter().find(|(_, own)| own == act).map_or("", |(name, _)| name);
                write!(f, "{name} {one} {other}")
            }
            Act::Split(names) => write!(f, "split {}", names.join(" ")),
            Act::Heal => f.write_str("heal"),
            Act::Rule(rule) => write!(f, "rule {rule}"),
            Act::IamAt { client, server, location } => write!(f, "iamat {client} {server} {location}"),
            Act::Twice { client, server, locations: [one, other] } => {
                write!(f, "twice {client} {server} {one} {other}")
            }
            Act::WhatsAt { client, server, radius, bound } => write!(f, "whatsat {client} {server} {radius} {bound}"),
            Act::Wander(client, true) => write!(f, "wander {client}"),
            Act::Wander(client, false) => write!(f, "rest {client}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herd::topology::Topology;
    use reactor::sim::Random;

    #[test]
    fn every_act_is_written_as_it_is_read() {
        for text in [
            "kill Alford",
            "crash Alford",
            "restart Alford",
            "freeze Alford",
            "thaw Alford",
            "clock Alford -3600",
            "cut Alford Bolden",
            "cut-one-way Alford Bolden",
            "slow Alford Bolden",
            "lossy Alford Bolden",
            "mend Alford Bolden",
            "split Alford Bolden",
            "heal",
            "rule paper",
            "iamat kiwi Alford +34.1-118",
            "twice kiwi Alford +1+1 +2+2",
            "whatsat kiwi Alford 10 5",
            "wander kiwi",
            "rest kiwi",
        ] {
            let act: Act = text.parse().unwrap();
            assert_eq!(act.to_string(), text);
            assert!(words().contains(&text.split(' ').next().unwrap()), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "an act has a word"),
            ("kill", "\"kill\" is not something that can be done"),
            ("kill A B", "\"kill A B\" is not something that can be done"),
            ("split", "a split needs the names of the servers on one side"),
            ("clock A 43201", "a clock is set by at most 43200 seconds"),
            ("rule best", "\"best\" is not a rule: newest, paper or seen"),
            ("iamat kiwi A 34-118", "the latitude has no sign before it"),
            ("whatsat kiwi A 2.5 5", "\"2.5\" is not a whole number"),
            ("whatsat kiwi A 51 5", "the radius is greater than 50"),
        ] {
            let refused = text.parse::<Act>().unwrap_err();
            assert!(refused == why || text.starts_with("whatsat"), "{text}: {refused}");
        }
        let long = format!("wander {}", "x".repeat(MAX_NAME + 1));
        assert!(long.parse::<Act>().is_err() && "wander a\u{7f}b".parse::<Act>().is_err());
    }

    #[test]
    fn an_act_names_servers_that_are_there() {
        let herd = Topology::Line.graph(3, &mut Random::new(1)).unwrap();
        let [first, second, third] = &herd.names[..] else { panic!("{:?}", herd.names) };
        let check = |text: &str| text.parse::<Act>().unwrap().check(&herd);
        assert_eq!(check(&format!("cut {second} {first}")), Ok(()));
        assert_eq!(check(&format!("cut {first} Nobody")), Err("there is no server \"Nobody\"".to_owned()));
        for other in [first, third] {
            let refused = Err(format!("there is no link between {first} and {other}"));
            assert_eq!(check(&format!("slow {first} {other}")), refused);
        }
        assert!(check(&format!("split {first} Nobody")).is_err() && check("iamat k Nobody +1+1").is_err());
    }
}
