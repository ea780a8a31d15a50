//! [`Parked`]: the same run again and again, at rest at earlier moments, so that a long way back is a short way on.
//!
//! ```text
//!   0 ........ 240 ........ 480 ........ 720 ....... now
//!              |            |            |
//!              parked       parked       parked
//! ```
//!
//! To go to 500, take the one at 240 and run on from there, because the last minute before 500 must be noted.
//!
//! Nothing of a world can be copied, but the same world can be made twice. They are made in time that nobody needs, the
//! latest first. A taken world is made again.
//!
//! Next: `film.rs`, how one looks at a run.

use super::address::{Click, Place};
use super::journal::WINDOW;
use super::show::Show;
use crate::book::panics;
use crate::machine::clock::Stopwatch;
use std::collections::BTreeMap;
use std::time::Duration;

/// The maximum number of worlds at rest: of one hour there is one for each four minutes, and to run for five minutes
/// takes the machine a fifth of a second.
const MAX_PARKED: u32 = 16;

/// The maximum number of hosts in all worlds at rest, for the memory.
const MAX_HOSTS: usize = 2000;

/// The shortest time from one to the next. It grows with the run, by doubling.
const LEAST_GAP: Duration = Duration::from_secs(30);

/// Worlds of one run at rest.
#[derive(Default)]
pub(crate) struct Parked {
    /// By their moments.
    pub(super) at_rest: BTreeMap<Duration, Asleep>,
    /// One that is on its way to its moment.
    coming: Option<(Duration, Asleep)>,
}

impl Parked {
    /// Uses at most about `budget` to make what is missing for a run that was seen until then.
    pub(crate) fn prepare(&mut self, show: &Show, seen_until: Duration, budget: Duration) {
        let watch = Stopwatch::start();
        let gap = gap(show, seen_until);
        let is_moment = |moment: &Duration| moment.as_nanos().is_multiple_of(gap.as_nanos());
        self.at_rest.retain(|moment, _| is_moment(moment));
        if self.coming.as_ref().is_some_and(|(moment, _)| !is_moment(moment)) {
            self.coming = None;
        }
        while watch.elapsed() < budget {
            let Some((moment, mut coming)) = self.coming.take().or_else(|| self.begin(show, seen_until, gap)) else {
                return;
            };
            if coming.run_to(moment, budget.saturating_sub(watch.elapsed())) {
                self.at_rest.insert(moment, coming);
            } else {
                self.coming = Some((moment, coming));
            }
        }
    }

    /// A new world for the latest moment that has none.
    fn begin(&self, show: &Show, seen_until: Duration, gap: Duration) -> Option<(Duration, Asleep)> {
        let last = seen_until.checked_sub(WINDOW)?;
        let count = u32::try_from(last.as_nanos() / gap.as_nanos()).ok()?;
        let moment = (1..=count).rev().map(|number| gap * number).find(|moment| !self.at_rest.contains_key(moment))?;
        let show = Show::new(&show.settings, show.clicks().0.to_vec()).ok()?;
        Some((moment, Asleep::new(show)))
    }

    /// The world from which it is shortest to a place, if that is shorter than from `here`.
    pub(crate) fn take(&mut self, to: Place, here: Option<Duration>, clicks: &[Click]) -> Option<Show> {
        let last = to.time.checked_sub(WINDOW)?;
        let (moment, _) = self.at_rest.range(..=last).next_back()?;
        let moment = *moment;
        if here.is_some_and(|here| here >= moment) {
            return None;
        }
        let mut show = self.at_rest.remove(&moment)?.wake();
        show.expect(clicks.to_vec());
        Some(show)
    }

    /// From this moment on it is another run.
    pub(crate) fn forget_from(&mut self, moment: Duration) {
        self.at_rest.split_off(&moment);
        self.coming.take_if(|(goal, _)| *goal >= moment);
    }
}

/// The time from one moment to the next.
fn gap(show: &Show, seen_until: Duration) -> Duration {
    let hosts = show.settings.servers + show.settings.clients;
    let most = u32::try_from(MAX_HOSTS / hosts.max(1)).map_or(MAX_PARKED, |most| most.clamp(1, MAX_PARKED));
    let mut gap = LEAST_GAP;
    while gap * most < seen_until {
        gap *= 2;
    }
    gap
}

/// A world while others run. What panics in them is not its own.
pub(super) struct Asleep {
    show: Show,
    panics: u64,
}

impl Asleep {
    fn new(show: Show) -> Asleep {
        Asleep { show, panics: panics::count() }
    }

    fn wake(self) -> Show {
        let Asleep { mut show, panics } = self;
        show.overlook_panics(panics::count() - panics);
        show
    }

    fn run_to(&mut self, moment: Duration, budget: Duration) -> bool {
        self.show.overlook_panics(panics::count() - self.panics);
        let has_come = self.show.advance_unseen(moment, budget);
        self.panics = panics::count();
        has_come
    }
}
