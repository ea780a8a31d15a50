//! [`Answer`]: the places in the reply to a WHATSAT, compared with the table of the offline provider.
//!
//! Next: `panics.rs`, the last invariant.

use super::Book;
use proxyherd::counters::PlacesOutcome;
use proxyherd::places::{cut, offline_answer};
use proxyherd::server::Server;
use std::rc::Rc;

/// A text that each place of an answer holds once.
const PLACE: &[u8] = b"\"place_id\"";

/// The number of failures of the Places service after which a server leaves it alone for up to a minute.
const LEFT_ALONE_AFTER: u64 = 5;

/// The places of one reply, as far as they have arrived.
pub(crate) struct Answer {
    /// Latitude and longitude from the reply's AT.
    around: Option<(f64, f64)>,
    /// In kilometres.
    radius: u32,
    bound: usize,
    text: Vec<u8>,
}

impl Answer {
    /// Begins with the AT line, the first line of the reply.
    pub(crate) fn new(at: &[u8], radius: u32, bound: u32) -> Answer {
        Answer { around: around(at), radius, bound: bound as usize, text: Vec::new() }
    }

    pub(crate) fn add(&mut self, line: &[u8]) {
        if !self.text.is_empty() {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(line);
    }

    /// Checks the places; the error says what is wrong. In the calm part of a run they must be what the service says,
    /// byte for byte. While faults happen the service may fail: for instance, the server may have no descriptors left.
    pub(crate) fn check(&self, is_calm: bool) -> Result<(), String> {
        let count = self.text.windows(PLACE.len()).filter(|part| *part == PLACE).count();
        if count > self.bound {
            return Err(format!("{count} of them"));
        }
        if !is_calm {
            return Ok(()); // A search of the table costs as much as the whole run.
        }
        let (latitude, longitude) = self.around.ok_or("no location")?;
        let answer = offline_answer(latitude, longitude, f64::from(self.radius) * 1000.0);
        let answer = answer.map_err(|error| error.to_string())?;
        let expected = cut(answer.as_bytes(), self.bound).map_err(|error| error.to_string())?;
        if self.text == expected {
            return Ok(());
        }
        let place = self.text.iter().zip(&expected).take_while(|(one, other)| one == other).count();
        let from = |text: &[u8]| text[place.min(text.len())..].iter().take(80).copied().collect::<Vec<u8>>();
        let (is, should) = (from(&self.text), from(&expected));
        Err(format!("\"{}\", not \"{}\", from byte {place} on", is.escape_ascii(), should.escape_ascii()))
    }
}

impl Book {
    /// Whether a server may leave the Places service alone for a while although all is calm: it may, after as many
    /// failures in a row as [`LEFT_ALONE_AFTER`]. The book does not know which of them came in a row.
    pub(crate) fn leaves_places_alone(&self, server: usize) -> bool {
        let server = self.members.borrow().get(server).and_then(|member| member.server());
        let failed = |server: Rc<Server>| server.counters().places_times(PlacesOutcome::Failed).count();
        server.map_or(0, failed) >= LEFT_ALONE_AFTER
    }
}

/// The latitude and longitude in an AT.
fn around(at: &[u8]) -> Option<(f64, f64)> {
    let location = std::str::from_utf8(at.split(|byte| *byte == b' ').nth(4)?).ok()?;
    let split = location.rfind(['+', '-'])?;
    Some((location[..split].parse().ok()?, location[split..].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[u8], radius: u32, bound: u32) -> Answer {
        let mut answer = Answer::new(b"AT Alford +1.000000000 kiwi +34.068930-118.445127 1", radius, bound);
        lines.split(|byte| *byte == b'\n').for_each(|line| answer.add(line));
        answer
    }

    #[test]
    fn the_places_are_those_of_the_location_the_radius_and_the_bound() {
        let text = offline_answer(34.068_930, -118.445_127, 10_000.0).unwrap();
        let three = cut(text.as_bytes(), 3).unwrap();
        assert_eq!(answer(&three, 10, 3).check(true), Ok(()));
        assert!(answer(&three, 10, 2).check(false).unwrap_err().contains("3 of them"));
        assert!(answer(&three, 10, 4).check(true).is_err() && answer(&three, 0, 3).check(true).is_err());
        assert!(answer(&three[..three.len() - 1], 10, 3).check(true).is_err());
    }

    #[test]
    fn a_service_that_failed_is_an_answer_only_where_something_fails() {
        let text = proxyherd::places::error_answer("UNKNOWN_ERROR", "nobody is there");
        assert_eq!(answer(text.trim_ascii_end(), 10, 3).check(false), Ok(()));
        assert!(answer(text.trim_ascii_end(), 10, 3).check(true).is_err());
    }
}
