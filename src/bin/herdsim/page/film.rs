//! [`Film`]: how one looks at a run: it plays, slower or faster; it stands still; it goes on by one event or one turn;
//! it goes to another time, also back. None of this changes the run.
//!
//! To go back, a new world is made and runs to there, or a world that is at rest at an earlier moment goes on to there.
//! That takes some frames, in which nothing else is shown.
//!
//! Next: `feed.rs`, how viewers get to see it.

use super::act::Act;
use super::address::{Address, Click, MAX_TIME, MAX_VERSIONS, Place};
use super::parked::Parked;
use super::show::Show;
use crate::book::invariants::Invariant;
use crate::book::panics;
use std::time::{Duration, Instant};

/// The slowest and the fastest that a run is shown: times of the world for each of ours.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// The maximum number of places at which the hash of a run is remembered.
const MAX_MARKS: usize = 500;

/// A run that plays stops at whole milliseconds, so that addresses are short.
const MILLISECOND: Duration = Duration::from_millis(1);

/// What a viewer may ask for. It changes how a run is looked at; an act changes the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wish {
    Play,
    Pause,
    /// One event.
    Event,
    /// One turn of a loop.
    Turn,
    /// Back by one event.
    Back,
    Speed(f64),
    /// To this place in the run.
    Go(Place),
    /// Another run.
    Load(Box<Address>),
    Act(Act),
}

/// A run and how it is looked at.
pub(crate) struct Film {
    pub(crate) show: Show,
    pub(super) parked: Parked,
    pub(crate) is_playing: bool,
    pub(crate) speed: f64,
    /// Where it goes, if it is on its way to another time.
    goal: Option<Place>,
    /// The latest time that was seen of this run.
    pub(crate) seen_until: Duration,
    /// How fast it really goes, if the machine cannot keep up.
    pub(crate) real_speed: f64,
    /// The hash of the run at some places.
    marks: Vec<(Place, u64)>,
    /// Where a run that was repeated was another one.
    differs: Option<Place>,
    /// When the run was last brought up to date, if it plays.
    last: Option<Instant>,
    /// How much of the world's time is due, and was too little to show.
    due: Duration,
    /// Counts everything by which the picture becomes another one, besides time that goes by.
    pub(crate) cut: u64,
}

impl Wish {
    /// Reads a wish. Whatever is not one is an act.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Wish, String> {
        let text = text.trim();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match (verb, rest) {
            ("play", "") => Wish::Play,
            ("pause", "") => Wish::Pause,
            ("event", "") => Wish::Event,
            ("turn", "") => Wish::Turn,
            ("back", "") => Wish::Back,
            ("speed", speed) => {
                let speed = speed.parse().ok().filter(|speed| SPEEDS.contains(speed));
                let (least, most) = (SPEEDS.start(), SPEEDS.end());
                Wish::Speed(speed.ok_or_else(|| format!("a speed is a number from {least} to {most}"))?)
            }
            ("go", place) => Wish::Go(place.parse()?),
            ("load", address) => Wish::Load(Box::new(address.parse()?)),
            _ => Wish::Act(text.parse()?),
        })
    }
}

impl Film {
    /// A run that stands still at its beginning, or on its way to the place that the address names.
    ///
    /// # Errors
    /// One line that says why there is no such run.
    pub(crate) fn new(address: Address, speed: f64) -> Result<Film, String> {
        let Address { settings, clicks, at } = address;
        let last = clicks.last().map_or(Duration::ZERO, |click| click.place.time);
        Ok(Film {
            show: Show::new(&settings, clicks)?,
            parked: Parked::default(),
            is_playing: false,
            speed,
            real_speed: speed,
            goal: at,
            seen_until: last.max(at.map_or(Duration::ZERO, |at| at.time)),
            marks: Vec::new(),
            differs: None,
            last: None,
            due: Duration::ZERO,
            cut: 0,
        })
    }

    /// The address of what is shown now.
    pub(crate) fn address(&self) -> Address {
        let at = Some(self.goal.unwrap_or_else(|| self.show.place()));
        Address { settings: self.show.settings.clone(), clicks: self.show.clicks().0.to_vec(), at }
    }

    /// Whether it is on its way to another time. Then nothing of it should be shown.
    pub(crate) fn is_travelling(&self) -> bool {
        self.goal.is_some()
    }

    /// Does what a viewer asks for.
    ///
    /// # Errors
    /// One line that says why it cannot be done.
    pub(crate) fn wish(&mut self, wish: Wish, now: Instant) -> Result<(), String> {
        // What is due by now happens first, and an act finds a moment that is complete.
        self.stop(now);
        let was_playing = self.is_playing;
        match wish {
            Wish::Play => {
                if self.show.is_over() {
                    return Err(format!("a run on a page ends after a day, or with {MAX_VERSIONS} locations"));
                }
                self.is_playing = true;
                self.last = Some(now);
            }
            Wish::Pause => self.is_playing = false,
            Wish::Speed(speed) => (self.speed, self.real_speed) = (speed, speed),
            Wish::Load(address) if address.settings == self.show.settings && address.clicks == self.show.clicks().0 => {
                self.is_playing = false;
                self.go(address.at.unwrap_or(self.show.place()))?;
            }
            Wish::Load(address) => {
                let speed = self.speed;
                *self = Film { cut: self.cut + 1, ..Film::new(*address, speed)? };
            }
            Wish::Go(place) => self.go(place)?,
            _ if self.goal.is_some() => return Err("the run is on its way to another time".to_owned()),
            Wish::Event => {
                self.is_playing = false;
                self.show.step_event();
            }
            Wish::Turn => {
                self.is_playing = false;
                self.show.step_turn();
            }
            Wish::Back => {
                self.is_playing = false;
                let (time, events) = (self.show.world().now(), self.show.world().event_count());
                self.go(Place { time, events: Some(events.saturating_sub(1)) })?;
            }
            Wish::Act(act) => self.act(act)?,
        }
        // A run that goes on shows what becomes of it by itself.
        self.cut += u64::from(!self.is_playing || !was_playing);
        self.look();
        Ok(())
    }

    /// Sets out for another place. If that is earlier, with another world.
    fn go(&mut self, place: Place) -> Result<(), String> {
        let here = self.show.place();
        let is_earlier =
            place.time < here.time || place.events.is_some_and(|events| events < self.show.world().event_count());
        let parked = self.parked.take(place, (!is_earlier).then_some(here.time), self.show.clicks().0);
        if is_earlier || parked.is_some() {
            self.mark();
            self.show = match parked {
                Some(show) => show,
                None => Show::new(&self.show.settings, self.show.clicks().0.to_vec())?,
            };
        }
        self.goal = Some(place);
        Ok(())
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        self.show.act(Click { place: self.show.place(), act })?;
        // It is another run from here on.
        let now = self.show.world().now();
        self.marks.retain(|(place, _)| place.time < now);
        self.parked.forget_from(now);
        self.seen_until = now;
        Ok(())
    }

    /// Lets the run go on as far as it should be by `now`, for at most about `budget`.
    pub(crate) fn tick(&mut self, now: Instant, budget: Duration) {
        if let Some(goal) = self.goal {
            if self.show.advance(goal, budget) || self.show.is_over() {
                self.goal = None;
                self.cut += 1;
                self.last = self.is_playing.then_some(now);
                self.look();
            }
            return;
        }
        let Some(last) = self.last else { return };
        let passed = now.saturating_duration_since(last);
        self.last = Some(now);
        self.due += passed.mul_f64(self.speed);
        let before = self.show.world().now();
        let whole = |time: Duration| time - Duration::from_nanos(u64::from(time.subsec_nanos()) % 1_000_000);
        let target = whole(before + self.due).min(MAX_TIME);
        if target > before {
            self.show.advance(Place { time: target, events: None }, budget);
            let shown = self.show.world().now() - before;
            // A machine that cannot keep up shows the run slower, and does not try to catch up.
            self.due = if self.show.world().now() >= target {
                (before + self.due).saturating_sub(target)
            } else {
                Duration::ZERO
            };
            if !passed.is_zero() {
                let real = shown.as_secs_f64() / passed.as_secs_f64();
                self.real_speed = self.real_speed * 0.9 + real.min(self.speed) * 0.1;
            }
        }
        if self.show.is_over() {
            self.is_playing = false;
            self.last = None;
            self.cut += 1;
        }
        self.seen_until = self.seen_until.max(self.show.world().now());
    }

    /// Uses time that is left, at most about `budget`, so that it will not be far to any other time.
    pub(crate) fn prepare(&mut self, budget: Duration) {
        if !self.is_travelling() {
            let panics = panics::count();
            self.parked.prepare(&self.show, self.seen_until, budget);
            self.show.overlook_panics(panics::count() - panics);
        }
    }

    /// Nobody looks: no time is due until somebody does.
    pub(crate) fn rest(&mut self) {
        self.last = None;
    }

    /// Somebody looks again.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.last = self.is_playing.then_some(now);
    }

    /// Brings a run that plays to the end of a millisecond.
    fn stop(&mut self, now: Instant) {
        if self.goal.is_some() || self.last.is_none() {
            return;
        }
        let time = self.show.world().now();
        let rest = u64::from(time.subsec_nanos()) % 1_000_000;
        let time = if rest == 0 { time } else { time + MILLISECOND - Duration::from_nanos(rest) };
        self.show.advance(Place { time, events: None }, Duration::MAX);
        self.seen_until = self.seen_until.max(time);
        self.last = self.is_playing.then_some(now);
    }

    /// What is done when the run stands still, or a new part of it begins.
    fn look(&mut self) {
        if !self.is_playing {
            self.last = None;
            self.due = Duration::ZERO;
            self.real_speed = self.speed;
        }
        if self.goal.is_none() {
            self.seen_until = self.seen_until.max(self.show.world().now());
            self.mark();
        }
    }

    /// Remembers how the run is here, or compares it with how it was.
    fn mark(&mut self) {
        if self.goal.is_some() {
            return;
        }
        let (place, hash) = (self.show.place(), self.show.world().trace_hash());
        match self.marks.iter().find(|(other, _)| *other == place) {
            Some((_, before)) if *before != hash => self.differs = self.differs.or(Some(place)),
            Some(_) => {}
            None if self.marks.len() < MAX_MARKS => self.marks.push((place, hash)),
            None => {}
        }
    }

    /// What does not hold, by the book and by what was seen of repeated runs.
    pub(crate) fn failures(&self) -> Vec<(Invariant, String)> {
        let mut failures = self.show.failures();
        if let Some(place) = self.differs {
            failures.push((Invariant::SameAgain, format!("at {place} s the same run was another one")));
        }
        failures
    }
}
