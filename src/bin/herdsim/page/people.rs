//! [`People`]: the clients of a run on a page. Each has a host of its own, says what a person has it say, and may move
//! on its own, as the seed decides.
//!
//! Next: `journal.rs`, what has happened.

use crate::book::Book;
use crate::clients::workload::degrees;
use crate::clients::{self, Ending, Say, Visit};
use crate::herd::ask;
use reactor::sim::{Host, Random, World};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// What stands before a client's name in the name of its host. No server's name has a colon.
pub(crate) const HOST: &str = "client:";

/// How often a client moves that is asked to, if those of the run do not.
const EVERY: Duration = Duration::from_secs(8);

/// When the first clients speak. All links are up by then, unless they are slow.
const BEGIN: Duration = Duration::from_secs(2);

/// How far a client moves at most, in millionths of a degree: some four kilometres.
const STEP: u64 = 40_000;

/// The latitude of the north pole, in millionths of a degree.
const POLE: i64 = 90_000_000;

/// The names of the first clients. Those after them have a number.
const NAMES: [&str; 24] = [
    "kiwi", "emu", "ibis", "heron", "puffin", "raven", "stork", "tern", "wren", "finch", "osprey", "plover", "robin",
    "swift", "lark", "gull", "crane", "egret", "owl", "jay", "dove", "rook", "teal", "auk",
];

/// Where they are at first, in millionths of a degree: in cities round the world.
const CITIES: [(i64, i64); 12] = [
    (34_068_930, -118_445_127),
    (48_856_600, 2_352_200),
    (-33_868_800, 151_209_300),
    (35_676_400, 139_650_000),
    (-23_550_500, -46_633_300),
    (28_613_900, 77_209_000),
    (40_712_800, -74_006_000),
    (-1_292_100, 36_821_900),
    (55_755_800, 37_617_300),
    (30_044_400, 31_235_700),
    (1_352_100, 103_819_800),
    (51_507_400, -127_800),
];

/// All clients of a run.
pub(crate) struct People {
    seed: u64,
    servers: Rc<Vec<String>>,
    book: Rc<Book>,
    every: Duration,
    /// How long a message takes on average.
    delay: Duration,
    all: RefCell<BTreeMap<String, Rc<Person>>>,
    /// Nobody says anything more on its own, not even the first word.
    is_over: Cell<bool>,
}

struct Person {
    name: Rc<[u8]>,
    host: Host,
    random: RefCell<Random>,
    /// Millionths of a degree.
    place: Cell<(i64, i64)>,
    home: Cell<usize>,
    /// Whether it moves on its own; the number grows with each change, so that a move that was planned before is not
    /// made.
    wanders: Cell<(bool, u64)>,
}

impl People {
    pub(crate) fn new(seed: u64, servers: &[String], book: &Rc<Book>, every: Duration, delay: Duration) -> Rc<People> {
        let (servers, book) = (Rc::new(servers.to_vec()), book.clone());
        Rc::new(People { seed, servers, book, every, delay, all: RefCell::default(), is_over: Cell::default() })
    }

    /// The clients that a run begins with. They say where they are, each at another time, and move on if `every` is not
    /// zero.
    pub(crate) fn invite(self: &Rc<Self>, world: &World, count: usize) {
        for number in 0..count {
            let name = match number / NAMES.len() {
                0 => NAMES[number].to_owned(),
                more => format!("{}-{}", NAMES[number % NAMES.len()], more + 1),
            };
            let person = self.person(world, &name);
            let city = CITIES[number % CITIES.len()];
            let random = &mut *person.random.borrow_mut();
            let place = moved(random, city, 20 * STEP);
            person.place.set(place);
            let spread = if self.every.is_zero() { EVERY } else { self.every };
            let (people, own) = (self.clone(), person.clone());
            world.call_later(BEGIN + random.between(Duration::ZERO, spread), move |world| {
                if people.is_over.get() {
                    return;
                }
                people.report(&own);
                if !people.every.is_zero() {
                    people.wander(world, &own, true);
                }
            });
        }
    }

    /// The client of this name, with a new host if there was none.
    fn person(&self, world: &World, name: &str) -> Rc<Person> {
        if let Some(person) = self.all.borrow().get(name) {
            return person.clone();
        }
        self.book.add_client(name.as_bytes());
        // The name decides what it does, not the order in which clients come.
        let hash = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let mut random = Random::new(self.seed ^ name.bytes().fold(0xcbf2_9ce4_8422_2325, hash));
        let home = random.below(self.servers.len() as u64) as usize;
        let person = Rc::new(Person {
            name: name.as_bytes().into(),
            host: world.host(&format!("{HOST}{name}"), |_| {}),
            random: RefCell::new(random),
            place: Cell::new(CITIES[0]),
            home: Cell::new(home),
            wanders: Cell::new((false, 0)),
        });
        self.all.borrow_mut().insert(name.to_owned(), person.clone());
        person
    }

    /// The hosts of all clients, in the order of their names.
    pub(crate) fn hosts(&self) -> Vec<Host> {
        self.all.borrow().values().map(|person| person.host.clone()).collect()
    }

    /// The names of those that move on their own.
    pub(crate) fn wanderers(&self) -> Vec<String> {
        let all = self.all.borrow();
        all.iter().filter(|(_, person)| person.wanders.get().0).map(|(name, _)| name.clone()).collect()
    }

    /// A client says that it is there.
    pub(crate) fn say_where(&self, world: &World, client: &str, server: usize, location: &str) {
        let person = self.person(world, client);
        if let Some(place) = place_of(location) {
            person.place.set(place);
        }
        person.home.set(server);
        self.say_location(&person, server, location.to_owned());
    }

    /// A client says that it is there, and half a delay later that it is at the second place.
    pub(crate) fn say_twice(self: &Rc<Self>, world: &World, client: &str, server: usize, locations: &[String; 2]) {
        self.say_where(world, client, server, &locations[0]);
        let (people, client, second) = (self.clone(), client.to_owned(), locations[1].clone());
        world.call_later(self.delay / 2, move |world| people.say_where(world, &client, server, &second));
    }

    /// A client asks what is near it.
    pub(crate) fn ask_around(&self, world: &World, client: &str, server: usize, radius: u32, bound: u32) {
        let person = self.person(world, client);
        self.visit(&person, server, Say::WhatsAt { client: person.name.clone(), radius, bound });
    }

    /// A client begins to move on its own, or stays.
    pub(crate) fn set_wandering(self: &Rc<Self>, world: &World, client: &str, is_on: bool) {
        let person = self.person(world, client);
        self.wander(world, &person, is_on);
    }

    /// All stay where they are, from now on for ever.
    pub(crate) fn rest(&self) {
        self.is_over.set(true);
    }

    fn wander(self: &Rc<Self>, world: &World, person: &Rc<Person>, is_on: bool) {
        let number = person.wanders.get().1 + 1;
        person.wanders.set((is_on, number));
        if is_on {
            self.plan_move(world, person.clone(), number);
        }
    }

    fn plan_move(self: &Rc<Self>, world: &World, person: Rc<Person>, number: u64) {
        let every = if self.every.is_zero() { EVERY } else { self.every };
        let after = person.random.borrow_mut().between(every / 2, every * 3 / 2);
        let people = self.clone();
        world.call_later(after, move |world| {
            if person.wanders.get() != (true, number) || people.is_over.get() {
                return;
            }
            {
                let random = &mut *person.random.borrow_mut();
                person.place.set(moved(random, person.place.get(), STEP));
                if random.chance(1, 4) {
                    person.home.set(random.below(people.servers.len() as u64) as usize);
                }
            }
            people.report(&person);
            people.plan_move(world, person, number);
        });
    }

    fn report(&self, person: &Rc<Person>) {
        let (latitude, longitude) = person.place.get();
        self.say_location(person, person.home.get(), format!("{}{}", degrees(latitude), degrees(longitude)));
    }

    fn say_location(&self, person: &Person, server: usize, location: String) {
        let since = person.host.clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let time = time.trim_end_matches('0').trim_end_matches('.').to_owned();
        self.visit(person, server, Say::IamAt { client: person.name.clone(), location, time });
    }

    fn visit(&self, person: &Person, server: usize, say: Say) {
        let Some(reactor) = person.host.reactor() else { return };
        let (ending, says) = (Ending::WhenAnswered, vec![(Duration::ZERO, say)]);
        let visit = Visit { at: Duration::ZERO, server, says, ending, reads_after: Duration::ZERO, is_calm: false };
        let (names, book) = (self.servers.clone(), self.book.clone());
        ask(&reactor, move |reactor| clients::call_on(reactor, visit, &names, &book));
    }
}

/// A place in millionths of a degree, moved by at most `by` in each direction. It does not go beyond a pole, and goes
/// on round the earth.
fn moved(random: &mut Random, (latitude, longitude): (i64, i64), by: u64) -> (i64, i64) {
    let mut step = || random.below(2 * by + 1) as i64 - by as i64;
    let latitude = (latitude + step()).clamp(-POLE, POLE);
    let longitude = longitude + step();
    (latitude, (longitude + 2 * POLE).rem_euclid(4 * POLE) - 2 * POLE)
}

/// A location in millionths of a degree.
fn place_of(location: &str) -> Option<(i64, i64)> {
    let split = location.rfind(['+', '-']).filter(|split| *split > 0)?;
    let millionths = |text: &str| {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text.trim_start_matches('+')), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
        Some(sign * (whole.parse::<i64>().ok()? * 1_000_000 + fraction.parse::<i64>().ok()?))
    };
    Some((millionths(&location[..split])?, millionths(&location[split..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_moves_stays_on_the_earth() {
        let mut random = Random::new(1);
        for start in [(89_990_000, 179_900_000), (-89_990_000, -179_900_000), (0, 180_000_000), (POLE, -180_000_000)] {
            let mut place = start;
            let mut is_elsewhere = false;
            for _ in 0..1000 {
                place = moved(&mut random, place, STEP);
                assert!(place.0.abs() <= POLE && place.1.abs() <= 2 * POLE, "{place:?}");
                is_elsewhere |= place.1.signum() != start.1.signum();
            }
            assert!(is_elsewhere, "{start:?}: at the other end of the map it goes on");
        }
    }

    #[test]
    fn a_location_is_read_without_floating_point() {
        assert_eq!(place_of("+34.068930-118.445127"), Some((34_068_930, -118_445_127)));
        assert_eq!(place_of("-0.5+7"), Some((-500_000, 7_000_000)));
        assert_eq!(place_of("+1.123456789+2"), Some((1_123_456, 2_000_000)));
        assert_eq!(place_of("12"), None);
    }
}
