//! The paper's herd, to be typed in: five servers that tell each other where their clients are, and ask a Places
//! service what is near. `cargo run --example tiny_herd` runs all five, `-- Alford Powell` these two. With `-- --paper`
//! they drop an AT by the paper's rule. `docs/tiny-herd.md` compares it with the real one.
use reactor::{Failure, LineProtocol, LineReceiver, LineTransport, Protocol, Reactor, Transport};
use reactor::{http::get_page, service::ClientService};
use std::{cell::RefCell, collections::BTreeMap, env, rc::Rc, time::SystemTime};

/// Name, port and neighbors of each server. The environment variable HERD replaces it, and PLACES what follows.
const HERD: &str = "Alford 12200 Parker Powell, Bolden 12201 Parker Powell, Hamilton 12202 Parker, \
    Parker 12203 Alford Bolden Hamilton, Powell 12204 Alford Bolden";
const PLACES: &str = "https://maps.googleapis.com/maps/api/place/nearbysearch/json?";
const NO_PLACES: &str = "{\"results\" : [], \"status\" : \"UNKNOWN_ERROR\", \"error_message\" : ";
/// Maximum number of clients that a server remembers.
const MAX_CLIENTS: usize = 100_000;
const BILLION: i128 = 1_000_000_000;
const DAY: i128 = 24 * 3600 * BILLION;

/// The time that a client gave, the server that heard it, and the AT line. The greatest is the newest.
type Version = (i128, String, String);

struct Server {
    name: &'static str,
    reactor: Reactor,
    is_papers: bool,
    known: RefCell<BTreeMap<String, Version>>,
    links: RefCell<BTreeMap<&'static str, Transport>>,
}

impl Server {
    /// Keeps what is new, and tells it to the neighbors. `None` if there is no room.
    fn learn_location(&self, client: &str, version: Version, from: Option<&str>) -> Option<()> {
        let (mut known, links) = (self.known.borrow_mut(), self.links.borrow());
        match known.get(client) {
            Some(old) if self.is_papers && old.0 == version.0 => {}
            Some(old) if !self.is_papers && *old >= version => {
                // A neighbor that sends an older one is behind, and could stay so.
                let link = from.and_then(|name| links.get(name)).filter(|_| *old > version);
                link.into_iter().for_each(|link| link.write(old.2.as_bytes()));
            }
            None if known.len() >= MAX_CLIENTS => return None,
            _ => {
                println!("{} learns: {}", self.name, version.2.trim_end().escape_debug());
                let told = links.iter().filter(|(name, _)| self.is_papers || Some(**name) != from);
                told.for_each(|(_, link)| link.write(version.2.as_bytes()));
                known.insert(client.to_owned(), version);
            }
        }
        Some(())
    }

    /// Does what a visitor says. `None` if it is not a command.
    fn obey_command(&self, transport: &LineTransport, fields: &[&str], neighbor: &mut Option<String>) -> Option<()> {
        let now = self.reactor.system_time().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos() as i128;
        match *fields {
            [] => {}
            ["PEER", name] => *neighbor = Some(name.to_owned()),
            ["IAMAT", client, place, time] => {
                let (_, stamp) = (location(place)?, billionths(time).filter(|stamp| *stamp <= now + DAY)?);
                let (sign, skew) = (if now < stamp { '-' } else { '+' }, (now - stamp).abs());
                let skew = format!("{sign}{}.{:09}", skew / BILLION, skew % BILLION);
                let at = format!("AT {} {skew} {client} {place} {time}\n", self.name);
                self.learn_location(client, (stamp, self.name.to_owned(), at.clone()), None)?;
                transport.write(at.as_bytes());
            }
            ["AT", name, skew, client, place, time] => {
                let (_, stamp, skew) = (location(place)?, billionths(time)?, billionths(skew)?);
                // Beyond this no server's clock can have shown it, and it would count for ever.
                (-DAY <= skew && stamp + skew <= now + 2 * DAY).then_some(())?;
                self.learn_location(client, (stamp, name.to_owned(), fields.join(" ") + "\n"), neighbor.as_deref())?;
            }
            ["WHATSAT", client, radius, bound] => {
                let (radius, bound) = (number(radius, 50.0)?, number(bound, 20.0).and(bound.parse().ok())?);
                let at = self.known.borrow().get(client)?.2.clone();
                let (latitude, longitude) = location(at.split(' ').nth(4)?)?;
                let places = env::var("PLACES").unwrap_or(PLACES.to_owned());
                let url = format!("{places}location={latitude},{longitude}&radius={}", radius * 1000.0);
                let asker = transport.clone();
                asker.pause_producing(); // So the next command waits until this one is answered.
                get_page(&self.reactor, &url)
                    .add_callback(move |page| shorten(str::from_utf8(&page)?, bound).ok_or(Failure::msg("no results")))
                    .add_errback(|failure| Ok(format!("{NO_PLACES}{:?}}}", failure.to_string())))
                    .add_callback(move |json| {
                        asker.write(format!("{at}{json}\n\n").as_bytes());
                        asker.resume_producing();
                    })
                    .detach();
            }
            _ => return None,
        }
        Some(())
    }
}

/// A connection to a server, made by a client or by a neighbor, which says first who it is.
struct Visitor(Rc<Server>, Option<String>);

impl LineProtocol for Visitor {
    fn line_received(&mut self, transport: &LineTransport, line: &[u8]) {
        let fields: Vec<&str> = str::from_utf8(line).unwrap_or("not text").split_ascii_whitespace().collect();
        if self.0.obey_command(transport, &fields, &mut self.1).is_none() {
            transport.send_line(&[b"? ", line].concat());
        }
    }
}

/// The connection that a server has made to a neighbor. There only the server speaks.
struct Link;

impl Protocol for Link {
    fn data_received(&mut self, _transport: &Transport, _ping: &[u8]) {}
}

/// A number of seconds in billionths, exactly.
fn billionths(text: &str) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_time = text.contains(|c: char| c.is_ascii_digit()) && whole.len() <= 14 && part.len() <= 9;
    format!("{whole}{part:0<9}").parse().ok().filter(|_| is_time)
}

/// A number that has neither a sign nor an exponent.
fn number(text: &str, most: f64) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|number| is_plain && *number <= most)
}

/// Latitude and longitude, each with its sign.
fn location(text: &str) -> Option<(&str, &str)> {
    let (latitude, longitude) = text.split_at(text.get(1..)?.find(['+', '-'])? + 1);
    number(latitude.strip_prefix(['+', '-'])?, 90.0).and(number(&longitude[1..], 180.0))?;
    Some((latitude.trim_start_matches('+'), longitude.trim_start_matches('+')))
}

/// An answer with at most `bound` results, and without empty lines.
fn shorten(json: &str, bound: usize) -> Option<String> {
    let json = json.split(['\r', '\n']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let plain = json.replace("\\\\", "__").replace("\\\"", "__"); // Now each quote begins or ends a text.
    let list = plain.find("\"results\"").and_then(|key| Some(key + plain[key..].find('[')? + 1))?;
    let (mut ends, mut depth, mut is_text) = (vec![list], 0, false);
    for (at, byte) in plain.bytes().enumerate().skip(list) {
        is_text ^= byte == b'"';
        match byte {
            _ if is_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b']' => return Some(json[..*ends.get(bound).unwrap_or(&at)].to_owned() + &json[at..]),
            b',' if depth == 0 => ends.push(at),
            _ => {}
        }
    }
    None
}

fn main() -> Result<(), Failure> {
    let (reactor, mut herd) = (Reactor::new()?, BTreeMap::new());
    for server in env::var("HERD").unwrap_or(HERD.to_owned()).leak().split(',') {
        let mut words = server.split_whitespace();
        let (name, port) = words.next().zip(words.next()).ok_or(Failure::msg("HERD: NAME PORT NEIGHBOR ..., ..."))?;
        herd.insert(name, (port.parse::<u16>()?, words.collect::<Vec<_>>()));
    }
    let (options, names): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| argument == "--paper");
    let all = herd.keys().map(|name| name.to_string());
    for name in if names.is_empty() { all.collect() } else { names } {
        let (&name, (port, neighbors)) = herd.get_key_value(&*name).ok_or(Failure::msg("unknown server"))?;
        let (known, links, is_papers) = (Default::default(), Default::default(), !options.is_empty());
        let server = Rc::new(Server { name, reactor: reactor.clone(), is_papers, known, links });
        for &neighbor in neighbors {
            let (server, there) = (server.clone(), herd.get(neighbor).ok_or(Failure::msg("unknown neighbor"))?);
            let tell = move |link: &Transport| {
                link.write(format!("PEER {name}\n").as_bytes());
                server.known.borrow().values().for_each(|(_, _, at)| link.write(at.as_bytes()));
                server.links.borrow_mut().insert(neighbor, link.clone());
                Ok(())
            };
            ClientService::prepared(&reactor, ("127.0.0.1", there.0), |_peer| Link, tell).start();
        }
        let visitor = move |_peer| LineReceiver::new(Visitor(server.clone(), None)).with_delimiter(b"\n");
        println!("{name} listens on {}", reactor.listen_tcp(("127.0.0.1", *port), visitor)?.host());
    }
    Ok(reactor.run()?)
}

// Prints:
// Alford listens on 127.0.0.1:12200
// Bolden listens on 127.0.0.1:12201
// Hamilton listens on 127.0.0.1:12202
// Parker listens on 127.0.0.1:12203
// Powell listens on 127.0.0.1:12204
