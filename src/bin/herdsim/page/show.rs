//! [`Show`]: one run on a page: a herd in its world, its clients, and the acts that were done to it, each at its place.
//!
//! ```text
//!   settings --> the world begins ---> act ---> act ---> now . . . . act (comes again when the run goes on)
//!                      |________________________________|
//!                        advance: the same acts at the same places make the same run
//! ```
//!
//! A world cannot be saved. To go back, a new one is made of the same settings and acts, and runs to there.
//!
//! Next: `hands.rs`, how acts are done.

use super::address::{Click, MAX_TIME, MAX_VERSIONS, Place, Settings};
use super::journal::{Journal, WINDOW};
use super::people::People;
use crate::book::invariants::{CONVERGES_WITHIN, DELAYS_A_LINK};
use crate::book::{Book, panics};
use crate::faults::Victims;
use crate::herd::rules::{self, Rule};
use crate::herd::topology::Graph;
use crate::herd::{Herd, Member, PlacesKind, remembering};
use crate::machine::clock::Stopwatch;
use crate::run::Simulation;
use proxyherd::page::Reporter;
use proxyherd::watch::{Observers, Watch};
use reactor::sim::{HostSettings, Latency, LinkSettings, Random, World, WorldSettings};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The minimum for [`Book::set_storm_patience`].
const STORM_PATIENCE: Duration = Duration::from_millis(300);

/// The clock of the real machine is looked at once for this number of events.
const EVENTS_A_LOOK: u32 = 16;

/// What is wrong with the link from one server to another, besides being cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Quality {
    #[default]
    Good,
    Slow,
    Lossy,
}

/// How a link is by what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LinkState {
    pub(crate) is_cut: bool,
    pub(crate) quality: Quality,
}

/// One run.
pub(crate) struct Show {
    pub(crate) settings: Settings,
    pub(crate) herd: Herd,
    pub(crate) graph: Graph,
    pub(crate) book: Rc<Book>,
    pub(crate) journal: Rc<Journal>,
    pub(crate) people: Rc<People>,
    pub(crate) rule: Rc<Cell<Rule>>,
    pub(super) victims: Rc<Victims>,
    /// What was done to links, by the numbers of their servers.
    pub(super) links: RefCell<BTreeMap<(usize, usize), LinkState>>,
    reporters: Reporters,
    clicks: Vec<Click>,
    /// How many of the acts were done.
    done: usize,
    /// When the last act was done.
    last_act: Duration,
    /// What the reactors said of the time when the world began.
    begin: Instant,
    panics_before: u64,
}

/// Who notes what the servers do, while somebody wants to know.
struct Reporters {
    /// The observers of each server's current life.
    observers: Rc<RefCell<Vec<Rc<Observers>>>>,
    all: Vec<Rc<dyn Watch>>,
    are_there: Rc<Cell<bool>>,
}

impl Show {
    /// A run before its beginning. The acts will be done when their time comes.
    ///
    /// # Errors
    /// One line that says why there is no such herd.
    pub(crate) fn new(settings: &Settings, clicks: Vec<Click>) -> Result<Show, String> {
        settings.check()?;
        panics::watch();
        let graph = settings.links.graph(settings.servers, &mut Random::new(settings.seed))?;
        for click in &clicks {
            click.act.check(&graph)?;
        }
        let mut world_settings = WorldSettings::default();
        world_settings.link = link(settings, 1);
        let world = World::with_settings(settings.seed, world_settings);
        let book = Book::new(&graph, Vec::new());
        book.set_storm_patience((delay(settings) * 3).max(STORM_PATIENCE));
        let journal = Rc::new(Journal::default());
        if let Some(clock) = world.host("clock", |_| {}).reactor() {
            journal.set_clock(clock);
        }
        let members: Rc<RefCell<Vec<Rc<Member>>>> = Rc::default();
        let reporter = |number: usize| -> Rc<dyn Watch> {
            let members = members.clone();
            Rc::new(Reporter::new(move || members.borrow().get(number)?.server(), &journal))
        };
        let reporters = Reporters {
            observers: Rc::new(RefCell::new((0..settings.servers).map(|_| Rc::default()).collect())),
            all: (0..settings.servers).map(reporter).collect(),
            are_there: Rc::default(),
        };
        let (observers, all) = (reporters.observers.clone(), reporters.all.clone());
        let (are_there, keeper) = (reporters.are_there.clone(), book.clone());
        let observer = move |number: usize| -> Rc<dyn Watch> {
            let own = Rc::new(Observers::default());
            own.add(keeper.began(number));
            if are_there.get() {
                own.add(all[number].clone());
            }
            observers.borrow_mut()[number] = own.clone();
            own
        };
        let onlooker = book.clone();
        let rule = Rc::new(Cell::new(settings.rule));
        let switch = rule.clone();
        let herd = Herd::on_hosts(
            world,
            &graph,
            Rc::new(move || rules::switchable(&switch)),
            PlacesKind::Offline,
            Rc::new(observer),
            &HostSettings::default(),
            remembering(),
            Rc::new(move |server, left| onlooker.stopped(server, left)),
        );
        *members.borrow_mut() = herd.servers.clone();
        book.set_members(&herd.servers);
        let every = Duration::from_secs(settings.every);
        let people = People::new(settings.seed, &graph.names, &book, every, delay(settings));
        people.invite(&herd.world, settings.clients);
        let victims = Victims::new(&herd.servers, &book, &graph, &[], link(settings, 1));
        let begin = herd.servers[0].server().map_or_else(|| unreachable!("it has just begun"), |s| s.reactor().now());
        Ok(Show {
            settings: settings.clone(),
            herd,
            graph,
            book,
            journal,
            people,
            rule,
            victims,
            links: RefCell::default(),
            reporters,
            clicks,
            done: 0,
            last_act: Duration::ZERO,
            begin,
            panics_before: panics::count(),
        })
    }

    pub(crate) fn world(&self) -> &World {
        &self.herd.world
    }

    /// Where the run is now.
    pub(crate) fn place(&self) -> Place {
        let world = self.world();
        let is_amid = world.next_event() == Some(world.now());
        Place { time: world.now(), events: is_amid.then(|| world.event_count()) }
    }

    /// A time of the reactors as a time of the world.
    pub(crate) fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin)
    }

    /// What the reactors say of the time.
    pub(crate) fn instant(&self) -> Instant {
        self.begin + self.world().now()
    }

    /// Whether the run has come to its end: it takes time and memory, so each has one.
    pub(crate) fn is_over(&self) -> bool {
        self.world().now() >= MAX_TIME || self.book.count().versions >= MAX_VERSIONS
    }

    /// When something last changed by what a person did or a client said.
    pub(crate) fn last_change(&self) -> Duration {
        let news = self.book.last_news().map_or(Duration::ZERO, |at| self.since_begin(at));
        news.max(self.last_act)
    }

    /// All acts, and how many of them were done.
    pub(crate) fn clicks(&self) -> (&[Click], usize) {
        (&self.clicks, self.done)
    }

    /// Begins to note what happens, or stops.
    pub(crate) fn note(&self, is_on: bool) {
        let Reporters { observers, all, are_there } = &self.reporters;
        if are_there.replace(is_on) == is_on {
            return;
        }
        for (observers, reporter) in observers.borrow().iter().zip(all) {
            if is_on {
                observers.add(reporter.clone());
            } else {
                observers.remove(reporter);
            }
        }
        self.journal.clear();
    }

    /// Runs to a place, with the acts that come before it or there, for at most `budget` of real time. Returns whether
    /// it has come there. What happens is noted from a minute before the place on.
    pub(crate) fn advance(&mut self, to: Place, budget: Duration) -> bool {
        let watch = Stopwatch::start();
        let begins = to.time.saturating_sub(WINDOW);
        if self.world().now() < begins {
            self.note(false);
            let begins = Place { time: begins, events: None };
            if !self.advance_acts(begins, &|| watch.elapsed() >= budget) {
                return false;
            }
        }
        self.note(true);
        self.advance_acts(to, &|| watch.elapsed() >= budget)
    }

    /// The same up to a moment, without any note.
    pub(super) fn advance_unseen(&mut self, to: Duration, budget: Duration) -> bool {
        let watch = Stopwatch::start();
        self.note(false);
        self.advance_acts(Place { time: to, events: None }, &|| watch.elapsed() >= budget)
    }

    /// It stood still while the acts that are to come became others.
    pub(super) fn expect(&mut self, clicks: Vec<Click>) {
        self.clicks = clicks;
    }

    /// This many panics happened elsewhere.
    pub(super) fn overlook_panics(&mut self, count: u64) {
        self.panics_before += count;
    }

    /// The same, with the notes that are made now.
    fn advance_acts(&mut self, to: Place, is_over: &dyn Fn() -> bool) -> bool {
        while let Some(click) = self.clicks.get(self.done).cloned() {
            if click.place.time > to.time {
                break;
            }
            let events = click.place.events.into_iter().chain(to.events).min();
            if !self.run_to(Place { time: click.place.time, events }, is_over) {
                return false;
            }
            let has_come_to = to.events.is_some_and(|events| self.world().event_count() >= events);
            if has_come_to && !self.is_at(click.place) {
                return true; // The act comes later.
            }
            self.done += 1;
            self.last_act = self.world().now();
            self.perform(&click.act);
        }
        self.run_to(to, is_over)
    }

    /// Whether all has happened that happens before an act at this place.
    fn is_at(&self, place: Place) -> bool {
        let world = self.world();
        let is_over = world.now() == place.time && world.next_event() != Some(place.time);
        is_over || place.events.is_some_and(|events| world.event_count() >= events)
    }

    /// Runs to a place, for as long as nothing else says that it is time to stop. Returns whether it has come there.
    fn run_to(&self, to: Place, is_over: &dyn Fn() -> bool) -> bool {
        let world = self.world();
        let (mut countdown, mut is_late) = (EVENTS_A_LOOK, false);
        let has_come = |world: &World| to.events.is_some_and(|events| world.event_count() >= events);
        let stopped = world.run_until(to.time.saturating_sub(world.now()), || {
            countdown -= 1;
            if countdown == 0 {
                countdown = EVENTS_A_LOOK;
                is_late = is_over();
            }
            is_late || has_come(world)
        });
        !stopped || has_come(world)
    }

    /// Lets one event happen.
    pub(crate) fn step_event(&mut self) {
        self.note(true);
        let events = self.world().event_count() + 1;
        self.step(events);
    }

    /// Lets things happen until a server's loop, or a client's, has taken a turn.
    pub(crate) fn step_turn(&mut self) {
        self.note(true);
        let turns = self.world().turn_count();
        while self.world().turn_count() == turns && self.step(self.world().event_count() + 1) {}
    }

    fn step(&mut self, events: u64) -> bool {
        let Some(time) = self.world().next_event() else { return false };
        self.advance_acts(Place { time, events: Some(events) }, &|| false)
    }

    /// Does something here and now. Acts that were to come later are dropped: this is another run from here on.
    ///
    /// # Errors
    /// One line that says why it cannot be done.
    pub(crate) fn act(&mut self, click: Click) -> Result<(), String> {
        click.act.check(&self.graph)?;
        self.clicks.truncate(self.done);
        if self.clicks.len() >= super::address::MAX_ACTS {
            return Err(format!("a run has at most {} acts", super::address::MAX_ACTS));
        }
        let place = click.place;
        self.clicks.push(click);
        self.note(true);
        self.advance_acts(place, &|| false);
        Ok(())
    }

    /// How long a herd may need to agree after everything works again.
    pub(crate) fn converges_within(&self) -> Duration {
        let links = u32::try_from(self.graph.diameter()).unwrap_or(u32::MAX);
        CONVERGES_WITHIN + delay(&self.settings) * DELAYS_A_LINK * links
    }

    /// The judge of all seeds goes on from here: everything heals, and then all that must hold must hold.
    pub(crate) fn into_simulation(self) -> Simulation {
        self.people.rest();
        let (within, hosts) = (self.converges_within(), self.people.hosts());
        Simulation::of_run(self.herd, self.book, self.victims, hosts, within, self.panics_before)
    }

    pub(crate) fn panics_before(&self) -> u64 {
        self.panics_before
    }
}

/// How long a message takes on average.
pub(crate) fn delay(settings: &Settings) -> Duration {
    Duration::from_millis(settings.delay)
}

/// A link that is slower by this factor than the settings say.
pub(super) fn link(settings: &Settings, factor: u32) -> LinkSettings {
    let delay = delay(settings) * factor;
    let jitter = u32::try_from(settings.jitter).unwrap_or(0);
    LinkSettings::new(match jitter {
        0 => Latency::Fixed(delay),
        _ => Latency::Uniform(delay * (100 - jitter) / 100, delay * (100 + jitter) / 100),
    })
}
