//! `proxyherd places LAT LON RADIUS_KM BOUND`: asks the configured Places service once, and prints the answer, or says
//! in plain words why there is none. An operator runs it before starting a herd.
//!
//! Next: `main.rs`, and then the herd in a simulated world, `bin/herdsim/`.

use super::event_loop::short_lived_event_loop;
use super::outcome::print;
use crate::address_group::AddressGroup;
use crate::config::Config;
use crate::decimal;
use crate::message::{Location, MAX_BOUND, MAX_LATITUDE, MAX_LONGITUDE, MAX_RADIUS_KM};
use crate::places::{self, Nearby, Places};
use crate::terminal;
use reactor::{Failure, Phase, Reactor, SystemEvent};
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

/// What to ask, and with which configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacesOptions {
    /// The question.
    pub nearby: Nearby,
    /// The configuration file.
    pub config: Option<PathBuf>,
}

/// Reads the four arguments; `None` if their number is another. The limits are those of WHATSAT.
pub(super) fn parse(values: &[String], config: Option<PathBuf>) -> Result<Option<PlacesOptions>, String> {
    let [latitude, longitude, radius, bound] = values else { return Ok(None) };
    let signed = |text: &str| if text.starts_with(['+', '-']) { text.to_owned() } else { format!("+{text}") };
    let (latitude_text, longitude_text) = (signed(latitude), signed(longitude));
    let degrees =
        |text: &str, name: &str, signed: &str, most: u32| match decimal::is_at_most(&signed.as_bytes()[1..], most) {
            true => Ok(()),
            false => Err(format!("{text:?} is not a {name}: it must be a number of degrees from -{most} to {most}")),
        };
    degrees(latitude, "latitude", &latitude_text, MAX_LATITUDE)?;
    degrees(longitude, "longitude", &longitude_text, MAX_LONGITUDE)?;
    let text = format!("{latitude_text}{longitude_text}");
    let location = Location::parse(text.as_bytes()).map_err(|_| format!("{text} is not a location"))?;
    let metres =
        decimal::times_thousand(radius.as_bytes()).filter(|_| decimal::is_at_most(radius.as_bytes(), MAX_RADIUS_KM));
    let metres = metres.ok_or_else(|| {
        format!("{radius:?} is not a radius: it must be a number of kilometres from 0 to {MAX_RADIUS_KM}")
    })?;
    let most = decimal::whole_at_most(bound.as_bytes(), MAX_BOUND);
    let most =
        most.ok_or_else(|| format!("{bound:?} is not a bound: it must be a whole number from 0 to {MAX_BOUND}"))?;
    let (latitude, longitude) = (location.latitude(), location.longitude());
    let nearby = Nearby { latitude, longitude, radius: metres, bound: most as usize };
    Ok(Some(PlacesOptions { nearby, config }))
}

/// Asks, waits, and prints.
pub(super) fn run(question: &PlacesOptions) -> Result<(), String> {
    // It asks a service, and no server: the file need not name any.
    let config = question.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read_without_servers);
    let config = config.map_err(|error| error.to_string())?;
    let reactor = short_lived_event_loop()?;
    let key = places::find_key(&config.places, places::key_variable()?).map_err(|error| error.to_string())?;
    let places = places::open(&reactor, &config.places, key).map_err(|error| error.to_string())?;
    for warning in places::warnings(&config.places) {
        let _ = writeln!(std::io::stderr(), "proxyherd: warning: {warning}"); // Standard error may be closed.
    }
    let answer = wait_for(&reactor, places.as_ref(), &question.nearby)?;
    match answer {
        Ok(text) => show(&text, question.nearby.bound, &config, &places.describe()),
        Err(failure) => Err(format!("no answer from {}: {}", places.describe(), places::explain(&failure))),
    }
}

type Answer = Result<Vec<u8>, Failure>;

/// Runs the loop until there is an answer, or the user ends the program.
fn wait_for(reactor: &Reactor, places: &dyn Places, nearby: &Nearby) -> Result<Answer, String> {
    let ended = || "ended before there was an answer".to_owned();
    let outcome: Rc<RefCell<Option<Answer>>> = Rc::default();
    let (seen, stopper) = (outcome.clone(), reactor.clone());
    let chain = places.nearby(nearby, AddressGroup::OPERATOR).add_both(move |answer| {
        *seen.borrow_mut() = Some(answer);
        stopper.stop();
        Ok(())
    });
    if outcome.borrow().is_none() {
        // When the loop ends, it closes all connections, and the question fails because of that. So note before then
        // whether the user ended the program: that is the reason to report.
        let (interrupted, waits) = (Rc::new(Cell::new(false)), outcome.clone());
        let seen = interrupted.clone();
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            seen.set(waits.borrow().is_none());
        });
        reactor.run().map_err(|error| error.to_string())?;
        if interrupted.get() {
            chain.cancel();
            return Err(ended());
        }
    }
    outcome.take().ok_or_else(ended)
}

fn show(text: &[u8], bound: usize, config: &Config, service: &str) -> Result<(), String> {
    let no_answer = |error: places::AnswerError| format!("no answer from {service}: {error}");
    let status = places::read_status(text).map_err(no_answer)?;
    if !status.is_success() {
        return Err(format!("{service} says {}", places::explain_status(&status, config.places.provider)));
    }
    let json = places::cut(text, bound).map_err(no_answer)?;
    let json = String::from_utf8_lossy(&json);
    print(format!("{}\n", terminal::in_json(&json)).as_bytes());
    Ok(())
}
