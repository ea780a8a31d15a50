//! [`Table`]: the places that ship with the program, and a search for those near a point.
//!
//! The table is text, one place a line, sorted by latitude (`data/`). Beside the text it keeps for each line only its
//! coordinates and where it begins. All places near a point lie in a band of latitudes, which two binary searches find;
//! the distance is computed for each place in the band. (A bigger table would want a spatial index.)
//!
//! Next: `coalescer.rs` and `limiter.rs`, which stand before a provider.

use flate2::read::GzDecoder;
use std::io::{self, Read};
use std::sync::OnceLock;

/// The data, made by `data/convert.py`. `data/NOTICE` names its sources and their terms.
const DATA: &[u8] = include_bytes!("data/places.tsv.gz");

/// The mean radius of the Earth (IUGG), in metres.
const EARTH: f64 = 6_371_008.8;

/// The number of parts of a degree in which coordinates are kept: the table has five digits after the point. A part is
/// about a metre.
const PARTS: f64 = 100_000.0;

/// All places, in order of latitude.
#[derive(Debug)]
pub(super) struct Table {
    text: String,
    places: Vec<TableRow>,
}

/// A line of the table: its coordinates in [`PARTS`] of a degree, and where it begins in the text.
#[derive(Debug, Clone, Copy)]
struct TableRow {
    latitude: i32,
    longitude: i32,
    start: u32,
}

/// A place that a search has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NearbyPlace<'a> {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) vicinity: &'a str,
    /// The distance from the point of the search.
    pub(super) centimetres: i64,
}

impl Table {
    /// The table, unpacked by the first call. All servers of a process share it: a simulation has many.
    pub(super) fn shared() -> io::Result<&'static Table> {
        static TABLE: OnceLock<Result<Table, String>> = OnceLock::new();
        let table = TABLE.get_or_init(|| Table::load().map_err(|error| error.to_string()));
        table.as_ref().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.clone()))
    }

    /// Unpacks the data. This takes so long that it must not be done on the loop.
    pub(super) fn load() -> io::Result<Table> {
        let mut text = String::new();
        GzDecoder::new(DATA).read_to_string(&mut text)?;
        text.shrink_to_fit();
        Table::parse(text)
    }

    fn parse(text: String) -> io::Result<Table> {
        let mut places = Vec::with_capacity(text.len() / 75);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let entry = parse_line(line).map(|(latitude, longitude)| TableRow { latitude, longitude, start });
            places.push(entry.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a bad line in the table"))?);
            start += u32::try_from(line.len()).unwrap_or(u32::MAX);
        }
        places.shrink_to_fit();
        debug_assert!(places.is_sorted_by_key(|entry| entry.latitude));
        Ok(Table { text, places })
    }

    /// The nearest `most` places within `radius` metres, nearest first; places at the same distance stay in the table's
    /// order. Distances are compared in whole centimetres, because the last digits of a sine differ between machines
    /// and would otherwise decide the order.
    pub(super) fn nearby(&self, latitude: f64, longitude: f64, radius: f64, most: usize) -> Vec<NearbyPlace<'_>> {
        // A little more than the radius, because the coordinates are rounded.
        let band = (radius / EARTH).to_degrees() + 2.0 / PARTS;
        let parts = |degrees: f64| (degrees * PARTS) as i32; // Saturates beyond all latitudes.
        let from = self.places.partition_point(|entry| entry.latitude < parts(latitude - band));
        let to = self.places.partition_point(|entry| entry.latitude <= parts(latitude + band));
        let most_away = centimetres(radius);
        let mut found: Vec<(i64, &TableRow)> = self.places[from..to]
            .iter()
            .map(|entry| (centimetres(distance(latitude, longitude, entry)), entry))
            .filter(|(away, _)| *away <= most_away)
            .collect();
        found.sort_by_key(|(away, _)| *away);
        found.truncate(most);
        found.into_iter().filter_map(|(away, entry)| self.place(entry, away)).collect()
    }

    fn place(&self, entry: &TableRow, centimetres: i64) -> Option<NearbyPlace<'_>> {
        let line = self.text.get(entry.start as usize..)?.split('\n').next()?;
        let mut fields = line.split('\t').skip(2);
        Some(NearbyPlace {
            latitude: f64::from(entry.latitude) / PARTS,
            longitude: f64::from(entry.longitude) / PARTS,
            kind: fields.next()?,
            id: fields.next()?,
            name: fields.next()?,
            vicinity: fields.next()?,
            centimetres,
        })
    }
}

/// The coordinates of a line; `None` if they are wrong or the line has too few or too many fields.
fn parse_line(line: &str) -> Option<(i32, i32)> {
    let mut fields = line.split('\t');
    let coordinates = (parts(fields.next()?)?, parts(fields.next()?)?);
    (fields.count() == 4).then_some(coordinates)
}

/// Degrees as a whole number of parts; `None` if there are more than five digits after the point.
fn parts(text: &str) -> Option<i32> {
    let (negative, number) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value: i32 = whole.parse().ok().filter(|degrees| *degrees <= 180)?;
    for place in 0..5 {
        let digit = fraction.as_bytes().get(place).map_or(Some(0), |byte| (*byte as char).to_digit(10))?;
        value = value * 10 + digit as i32;
    }
    (fraction.len() <= 5).then_some(if negative { -value } else { value })
}

fn centimetres(metres: f64) -> i64 {
    (metres * 100.0).round() as i64 // Saturates, far beyond any distance on Earth.
}

/// The distance in metres from a point in degrees to a place.
fn distance(latitude: f64, longitude: f64, entry: &TableRow) -> f64 {
    distance_between((latitude, longitude), (f64::from(entry.latitude) / PARTS, f64::from(entry.longitude) / PARTS))
}

/// The distance in metres between two points in degrees, on a sphere, by the haversine formula.
pub(super) fn distance_between(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (here, there) = (one.0.to_radians(), other.0.to_radians());
    let across = (other.1 - one.1).to_radians();
    let half = ((there - here) / 2.0).sin().powi(2) + here.cos() * there.cos() * (across / 2.0).sin().powi(2);
    2.0 * EARTH * half.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    /// Unpacked once for all tests.
    fn table() -> &'static Table {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::load().unwrap());
        &TABLE
    }

    #[test]
    fn the_shipped_table_knows_the_world() {
        let table = table();
        let count = |latitude, longitude, radius| table.nearby(latitude, longitude, radius, usize::MAX).len();
        // These counts come from another program, not from this search.
        let ucla = (34.068_930, -118.445_127);
        assert_eq!((count(ucla.0, ucla.1, 10_000.0), count(ucla.0, ucla.1, 50_000.0)), (100, 581));
        assert_eq!((count(48.8566, 2.3522, 10_000.0), count(48.8566, 2.3522, 50_000.0)), (99, 292));
        assert_eq!(count(0.0, 0.0, 50_000.0), 0);
        let nearest = table.nearby(ucla.0, ucla.1, 10_000.0, 2);
        assert_eq!(nearest[0].name, "Ronald Reagan UCLA Medical Center Helistop");
        assert_eq!((nearest[0].centimetres, nearest[1].centimetres), (27_568, 47_891));
    }

    #[test]
    fn a_search_crosses_the_date_line_and_may_begin_at_a_pole() {
        let table = table();
        let near = |longitude| table.nearby(-16.8, longitude, 50_000.0, 20).iter().map(|p| p.id).collect::<Vec<_>>();
        assert_eq!(near(180.0), ["ourairports:NFNM", "ourairports:NFFR", "ourairports:NFNH"]);
        assert_eq!(near(180.0), near(-180.0));
        assert!(table.nearby(90.0, 0.0, 50_000.0, 20).len() <= 20);
    }

    #[test]
    fn a_search_finds_what_a_search_of_every_line_finds() {
        let table = table();
        for (latitude, longitude, radius) in
            [(51.5, -0.12, 7_000.0), (-33.86, 151.2, 20_000.0), (64.1, -21.9, 50_000.0)]
        {
            let all = table.places.iter().filter(|entry| distance(latitude, longitude, entry) <= radius).count();
            let found = table.nearby(latitude, longitude, radius, usize::MAX);
            assert_eq!(found.len(), all);
            assert!(found.is_sorted_by(|one, other| one.centimetres <= other.centimetres));
        }
    }

    #[test]
    fn a_broken_table_is_an_error() {
        for line in
            ["1\t2\theliport\tid\tname\n", "x\t2\ta\tb\tc\td\n", "1.123456\t2\ta\tb\tc\td\n", "181\t2\ta\tb\tc\td\n"]
        {
            assert!(Table::parse(line.to_owned()).is_err(), "{line}");
        }
    }
}
