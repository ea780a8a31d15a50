//! What the clients of a run do. The seed decides it, and it is unkind on purpose.
//!
//! A gentle test is blind: updates that are far apart never meet in the network, and almost any rule passes. So updates
//! come in bursts, with gaps that are fractions of a link's delay. The times in a burst rise, or are equal, or differ
//! by a nanosecond, or fall. The client roams from server to server, so that its updates meet on the way.
//!
//! Next: `faults/mod.rs`, what goes wrong meanwhile.

use crate::clients::{Ending, Say, Visit};
use reactor::sim::Random;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// The time of day at the beginning of a world, in POSIX seconds.
const MIDNIGHT: u64 = 1_704_067_200;

/// Maximum time from one burst to the next.
const REST: Duration = Duration::from_secs(16);

/// How many digits are added to a long location, so that its line stays below the limit. Other long locations fill the
/// line up to the limit.
const LONG: usize = 50_000;

/// Where the clients are: near these places, so that answers to WHATSATs are not empty.
const PLACES: [(i64, i64); 4] =
    [(34_068_930, -118_445_127), (48_856_600, 2_352_200), (-33_868_800, 151_209_300), (0, 0)];

/// Lines that are not valid commands. None of them is blank.
const NONSENSE: [&[u8]; 17] = [
    b"HELLO",
    b"IAMAT client-1 +34.068930-118.445127",
    b"IAMAT client-1 34.068930-118.445127 1704067200",
    b"WHATSAT client-1 51 5",
    b"WHATSAT client-1 50 21",
    b"WHATSAT  nobody.at.all \t 10 5",
    b"IAMAT client-1 +34.068930-118.445127 99999999999.5",
    b"IAMAT \xff\xfe\0 \xc3\x28 1704067200\r",
    b"\xe2\x28\xa1 \x80",
    b"iamat client-1 +34.068930-118.445127 1704067200",
    b"PEER",
    b"PEER nobody",
    b"AT Alford +0.500000000 client-1 +34.068930-118.445127",
    b"AT Alford 0,5 client-1 +34.068930-118.445127 1704067200 ",
    b"FORGET client-1",
    b"FORGOT Alford +0.500000000 client-1 1704153600",
    b"HORIZON 1704153600",
];

/// The maximum length of a line that a server takes.
const MAX_LINE: usize = 64 * 1024;

/// By how many bytes a far too long line exceeds the limit: enough that some are still on their way when the server
/// notices it.
const FAR_TOO_LONG: usize = 30_000;

/// One run in this number has a far too long line in its calm part.
const RUNS_A_CALM_LONG_LINE: u64 = 4;

/// How far ahead of its clock the time in a client's last words is. In the calm part of a run the client reports its
/// location again, with older times; the last words must win.
const FAR_AHEAD: Duration = Duration::from_secs(3600);

/// The length of the longest client name, without its number.
const LONG_NAME: usize = 200;

/// One visit in this number reads nothing for a while.
const VISITS_A_LATE_READER: u64 = 40;

/// A late reader begins to read within this time.
const READS_WITHIN: Duration = Duration::from_secs(5);

/// In a narrow run (see `run`), every client has this number of bursts within this time, so that much waits for a
/// neighbor.
const BURSTS: u32 = 3;
const BURSTS_WITHIN: Duration = Duration::from_secs(6);

/// The names of the clients. A name may hold any byte but white space: some names are not text, some look like another
/// field.
pub(crate) fn names(clients: usize) -> Vec<Vec<u8>> {
    (1..=clients).map(name).collect()
}

fn name(number: usize) -> Vec<u8> {
    let mut name = match number % 6 {
        2 => b"\xff\xa0\0\xe2\x28-".to_vec(),
        3 => b"AT+1.0?".to_vec(),
        5 => vec![b'\x80'; LONG_NAME],
        _ => b"client-".to_vec(),
    };
    name.extend_from_slice(number.to_string().as_bytes());
    name
}

/// What an impostor on a neighbor's machine says: a server must believe none of it. `own` is the name of the server
/// that belongs on that machine.
pub(crate) fn forged(random: &mut Random, own: &str, clients: usize) -> Vec<Say> {
    let about = name(1 + random.below(clients as u64) as usize);
    let mut lines = vec![
        b"HELLO".to_vec(),
        format!("PEER {own}").into_bytes(), // Too late: not the first line.
        [b"AT ", own.as_bytes(), b" +0.500000000 ", &about, b" +91.0-118.0 1704067200"].concat(),
        // No server has this name; no clock shows this year; no client is a year ahead of the server that it tells.
        [b"AT Evil +0.500000000 ", &about[..], b" +34.0-118.0 1704067200"].concat(),
        [b"AT ", own.as_bytes(), b" +0.500000000 ", &about, b" +34.0-118.0 999999999999"].concat(),
        [b"AT ", own.as_bytes(), b" -31536000.000000000 ", &about, b" +34.0-118.0 1735689600"].concat(),
        [b"AT ", own.as_bytes(), b" +0.500000000 ", &about, b" +34.0-118.0 1704067200 1"].concat(),
    ];
    // A PEER that is believed has no reply. So a line that has one must follow it, or the mistake would stay unseen.
    lines.truncate(3 + random.below(5) as usize);
    lines.into_iter().map(|line| Say::Nonsense(line.into())).collect()
}

/// The last words of a client before the calm part: newer than everything that it has said.
pub(crate) fn last_words(client: usize, now: Duration) -> Say {
    let stamp = Duration::from_secs(MIDNIGHT) + now + FAR_AHEAD;
    let time = format!("{}.{:09}", stamp.as_secs(), stamp.subsec_nanos());
    Say::IamAt { client: name(client + 1).into(), location: "+34.068930-118.445127".to_owned(), time }
}

/// What a plan depends on, besides the random numbers.
pub(crate) struct Workload {
    /// The names of the servers.
    pub(crate) servers: Vec<String>,
    pub(crate) clients: usize,
    /// The average delay of a link.
    pub(crate) delay: Duration,
    /// Half of the locations of this time have very many digits.
    pub(crate) long: Range<Duration>,
    /// From then on all clients report their locations, over and over for some seconds.
    pub(crate) crowded: Option<Duration>,
}

impl Workload {
    /// The visits of each client within `during`. Calm visits are for the part of a run without faults.
    pub(crate) fn plan(&self, random: &mut Random, during: Range<Duration>, is_calm: bool) -> Vec<Vec<Visit>> {
        let names: Vec<Rc<[u8]>> = names(self.clients).into_iter().map(Rc::from).collect();
        let mut plan = vec![Vec::new(); self.clients];
        let mut now = during.start;
        while now < during.end {
            // Often several clients at once.
            for _ in 0..1 + random.below(3) {
                let client = random.below(self.clients as u64) as usize;
                self.burst(random, now, &names, client, is_calm, &mut plan[client]);
            }
            now += random.between(REST / 16, REST);
        }
        if is_calm && random.chance(1, RUNS_A_CALM_LONG_LINE) {
            let (at, server) = (random.between(during.start, during.end), self.server(random));
            let says = vec![(Duration::ZERO, Say::TooLong(MAX_LINE + FAR_TOO_LONG))];
            // By the time the client reads, the system may have answered the bytes that the server discards with a
            // reset.
            let (ending, reads_after) = (Ending::WhenAnswered, READS_WITHIN);
            plan[0].push(Visit { at, server, says, ending, reads_after, is_calm });
        }
        if let Some(at) = self.crowded.filter(|at| during.contains(at)) {
            for number in 0..BURSTS {
                let now = at + number * (BURSTS_WITHIN / BURSTS);
                (0..self.clients)
                    .for_each(|client| self.burst(random, now, &names, client, is_calm, &mut plan[client]));
            }
        }
        for visits in &mut plan {
            visits.retain(|visit| visit.at < during.end);
        }
        plan
    }

    /// Some updates of one client that are in flight together, and perhaps questions.
    fn burst(
        &self,
        random: &mut Random,
        now: Duration,
        names: &[Rc<[u8]>],
        client: usize,
        is_calm: bool,
        visits: &mut Vec<Visit>,
    ) {
        let updates = 1 + random.below(5);
        let roams = random.chance(3, 4);
        let style = random.below(5);
        let home = self.server(random);
        let mut at = now;
        for number in 0..updates {
            let server = if roams { self.server(random) } else { home };
            let stamp = Duration::from_secs(MIDNIGHT) + stamp(style, now, at, number);
            let mut says = vec![(Duration::ZERO, self.update(random, &names[client], stamp))];
            self.season(random, names, client, stamp, &mut says);
            let ending = match random.below(16) {
                0 => Ending::EndsInLine,
                1..6 => Ending::HalfClose,
                6 | 7 if !is_calm => Ending::BreakOff(random.between(Duration::ZERO, 4 * self.delay)),
                _ => Ending::WhenAnswered,
            };
            let reads_after = if random.chance(1, VISITS_A_LATE_READER) {
                random.between(Duration::ZERO, READS_WITHIN)
            } else {
                Duration::ZERO
            };
            visits.push(Visit { at, server, says, ending, reads_after, is_calm });
            at += random.between(Duration::ZERO, self.delay);
        }
    }

    /// Puts more commands around an update, on the same connection.
    fn season(
        &self,
        random: &mut Random,
        names: &[Rc<[u8]>],
        client: usize,
        stamp: Duration,
        says: &mut Vec<(Duration, Say)>,
    ) {
        if random.chance(1, 20) {
            // Sometimes several at once: no reply may overtake another.
            let questions = if random.chance(1, 3) { 1 + random.below(3) } else { 1 };
            for _ in 0..questions {
                let about = if random.chance(1, 2) { client } else { random.below(self.clients as u64) as usize };
                let (radius, bound) = (random.below(21) as u32, random.below(21) as u32);
                let is_pipelined = questions > 1 || random.chance(1, 2);
                let wait = if is_pipelined { Duration::ZERO } else { random.between(Duration::ZERO, self.delay) };
                says.push((wait, Say::WhatsAt { client: names[about].clone(), radius, bound }));
            }
        }
        if random.chance(1, 6) {
            let place = random.below(says.len() as u64 + 1) as usize;
            let line = match random.below(2) {
                0 => NONSENSE[random.below(NONSENSE.len() as u64) as usize].to_vec(),
                _ => self.forged(random, &names[client], stamp),
            };
            says.insert(place, (Duration::ZERO, Say::Nonsense(line.into())));
        }
        if random.chance(1, 6) {
            // An older one after it, or the very same again.
            let older = stamp - Duration::from_secs(random.below(3));
            says.push((Duration::ZERO, self.update(random, &names[client], older)));
        }
        if random.chance(1, 400) {
            says.push((
                Duration::ZERO,
                match random.below(4) {
                    0 => Say::Nonsense(vec![b'y'; MAX_LINE].into()),
                    1 => Say::TooLong(MAX_LINE + 1),
                    2 => Say::TooLong(MAX_LINE + 4),
                    _ => Say::TooLong(MAX_LINE + FAR_TOO_LONG),
                },
            ));
        }
    }

    /// A line that only a neighbor may say, here said by a client.
    fn forged(&self, random: &mut Random, client: &[u8], stamp: Duration) -> Vec<u8> {
        let server = &self.servers[self.server(random)];
        match random.below(2) {
            0 => format!("PEER {server}").into_bytes(),
            _ => {
                let later = stamp + Duration::from_secs(random.below(1000));
                let end = format!(" +1.0+1.0 {}.{:09}", later.as_secs(), later.subsec_nanos());
                [format!("AT {server} +0.263873386 ").as_bytes(), client, end.as_bytes()].concat()
            }
        }
    }

    pub(crate) fn server(&self, random: &mut Random) -> usize {
        random.below(self.servers.len() as u64) as usize
    }

    /// A client reports where it is, with the time of day as it is then.
    pub(crate) fn report(&self, random: &mut Random, client: &Rc<[u8]>, at: Duration) -> Say {
        self.update(random, client, Duration::from_secs(MIDNIGHT) + at)
    }

    fn update(&self, random: &mut Random, client: &Rc<[u8]>, stamp: Duration) -> Say {
        let (latitude, longitude) = PLACES[random.below(PLACES.len() as u64) as usize];
        let (latitude, longitude) = (latitude + random.below(3) as i64, longitude + random.below(3) as i64);
        let mut location = format!("{}{}", degrees(latitude), degrees(longitude));
        let mut time = format!("{}.{:09}", stamp.as_secs(), stamp.subsec_nanos());
        if random.chance(1, 3) {
            // The same number, written in another way.
            time.truncate(time.trim_end_matches('0').trim_end_matches('.').len());
        }
        if self.long.contains(&stamp.saturating_sub(Duration::from_secs(MIDNIGHT))) && random.chance(1, 2) {
            let others = "IAMAT   ".len() + client.len() + location.len() + time.len();
            let digits = if random.chance(1, 2) { LONG } else { MAX_LINE - others };
            location.extend(std::iter::repeat_n('0', digits));
        }
        Say::IamAt { client: client.clone(), location, time }
    }
}

/// The client's time in one update of a burst.
fn stamp(style: u64, begin: Duration, at: Duration, number: u64) -> Duration {
    match style {
        0 | 1 => at,
        2 => begin,
        3 => begin + Duration::from_nanos(number),
        _ => begin.saturating_sub(Duration::from_millis(number)),
    }
}

pub(crate) fn degrees(millionths: i64) -> String {
    let sign = if millionths < 0 { '-' } else { '+' };
    let size = millionths.unsigned_abs();
    format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_plan_overlaps_roams_asks_and_says_the_same_time_twice() {
        let servers = vec!["Alford".to_owned(), "Bolden".to_owned()];
        let workload = Workload { servers, clients: 6, delay: SECOND / 10, long: SECOND..SECOND, crowded: None };
        let plan = workload.plan(&mut Random::new(1), SECOND..300 * SECOND, false);
        let (mut close, mut moved, mut equal, mut asks, mut nonsense) = (0, 0, 0, 0, 0);
        let (mut pipelined, mut forged, mut long) = (0, 0, 0);
        for visits in &plan {
            for pair in visits.windows(2) {
                close += usize::from(pair[1].at.abs_diff(pair[0].at) < workload.delay);
                moved += usize::from(pair[0].server != pair[1].server);
            }
            let says: Vec<&Say> = visits.iter().flat_map(|visit| visit.says.iter().map(|(_, say)| say)).collect();
            let times: Vec<&str> = says
                .iter()
                .filter_map(|say| match say {
                    Say::IamAt { time, .. } => Some(&time[..]),
                    _ => None,
                })
                .collect();
            equal += times.windows(2).filter(|pair| pair[0] == pair[1]).count();
            asks += says.iter().filter(|say| matches!(say, Say::WhatsAt { .. })).count();
            let is_question = |say: &&Say| matches!(say, Say::WhatsAt { .. });
            pipelined += says.windows(2).filter(|pair| pair.iter().all(is_question)).count();
            long += says.iter().filter(|say| say.line().len() >= MAX_LINE).count();
            let is_forged = |line: &[u8]| line.starts_with(b"PEER Alford") || line.starts_with(b"AT Alford +0.2");
            forged += says.iter().filter(|say| matches!(say, Say::Nonsense(line) if is_forged(line))).count();
            nonsense += says.iter().filter(|say| matches!(say, Say::Nonsense(_))).count();
        }
        assert!(close > 50 && moved > 50 && equal > 5 && asks > 5 && nonsense > 5, "{plan:?}");
        assert!(pipelined > 0 && forged > 2, "{pipelined} {forged}");
        // Long lines cost much time, so there must be few.
        assert!(long < 5, "{long}");
    }

    #[test]
    fn names_are_all_different_and_hold_no_white_space() {
        let names = names(100);
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
        assert!(names.iter().any(|name| std::str::from_utf8(name).is_err()));
        assert!(names.iter().flatten().all(|byte| !b" \t\r\n\x0b\x0c".contains(byte)));
    }

    #[test]
    fn degrees_are_written_with_a_sign_and_six_places() {
        assert_eq!(degrees(-118_445_127), "-118.445127");
        assert_eq!(degrees(0), "+0.000000");
        assert_eq!(degrees(2_352_200), "+2.352200");
    }
}
