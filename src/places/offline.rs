//! [`Offline`]: real places without a key or a network: airports, helipads and cities, over real HTTPS.
//!
//! A small server on the same reactor answers Nearby Searches from the table that ships with the program. The provider
//! asks it as it would ask Google: a name, TCP, TLS and HTTP, all real. Only the address and the trusted root differ.
//! The server makes its certificate when it starts; the private key never leaves the process.
//!
//! Next: `table.rs`, the places themselves.

use super::google::{Google, PATH};
use super::service::Access;
use super::style::{self, Json};
use super::table::{NearbyPlace, Table};
use super::{MAX_PLACES, Nearby, Places, error_answer};
use crate::address_group::AddressGroup;
use crate::config::ConfigError;
use reactor::deferred::{Given, IntoDeferred};
use reactor::http::server::{HttpServer, Request, Response};
use reactor::tls::{TlsServer, TrustRoots};
use reactor::{Deferred, Failure, Firer, ListeningPort, Reactor};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// The maximum radius in metres, the same as Google's.
const MAX_RADIUS_M: f64 = 50_000.0;

/// Stands in every answer, as the license of the data demands.
const ATTRIBUTION: &str = "Offline data: OurAirports (public domain), GeoNames (CC BY 4.0)";

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Half the side of a place's viewport, in degrees.
const VIEWPORT: f64 = 0.00135;

/// The provider that ships with the program.
#[derive(Debug)]
pub struct Offline {
    client: Google,
    port: ListeningPort,
}

/// A server may change to another provider while it runs.
impl Drop for Offline {
    fn drop(&mut self) {
        self.port.stop_listening().detach();
    }
}

impl Offline {
    /// Starts the server on a free port of this machine, and a client for it. The first question makes another thread
    /// unpack the table, and waits for it.
    ///
    /// # Errors
    /// If no certificate can be made, or no port can be opened.
    pub fn start(reactor: &Reactor, timeout: Duration) -> Result<Offline, ConfigError> {
        let failed = |what: &str, error: &dyn std::error::Error| {
            ConfigError(format!("the offline Places service cannot start: {what}: {error}"))
        };
        // With Ed25519 and a fixed serial number, every certificate and every signature has the same length. With
        // random ones the lengths would differ from run to run, and a simulated herd with the same seed would run
        // differently. No other program trusts this certificate, so the serial number need not be unique.
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|error| failed("key", &error))?;
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .and_then(|mut params| {
                params.serial_number = Some(rcgen::SerialNumber::from(1_u64));
                params.self_signed(&key)
            })
            .map_err(|error| failed("certificate", &error))?;
        let tls = TlsServer::new(reactor, &[certificate.der()], key.serialized_der(), &["http/1.1"])
            .map_err(|error| failed("TLS", &error))?;

        let (library, unpacker) = (Rc::new(RefCell::new(Library::Unasked)), reactor.clone());
        let server = HttpServer::new(reactor, move |request: Request| answer(&library, &unpacker, &request));
        let port =
            reactor.listen_tcp("127.0.0.1:0", server.tls_factory(&tls)).map_err(|error| failed("port", &error))?;

        let mut roots = TrustRoots::none();
        roots.add_der(certificate.der()).map_err(|error| failed("certificate", &error))?;
        let base = format!("https://localhost:{}", port.host().port());
        let base = base.parse().map_err(|error| failed("URL", &error))?;
        Ok(Offline { client: Google::new(reactor, Access { timeout, ..Access::new(base, roots) })?, port })
    }
}

impl Places for Offline {
    fn nearby(&self, question: &Nearby, from: AddressGroup) -> Deferred<Vec<u8>> {
        self.client.nearby(question, from)
    }

    /// The table never changes while the program runs. An answer is kept for this long only so that the limit of the
    /// cache is not the only thing that makes room.
    fn kept_for(&self) -> Duration {
        KEPT_FOR
    }

    fn behind(&self) -> Option<&dyn Places> {
        Some(&self.client)
    }

    fn describe(&self) -> String {
        "offline (airports, helipads and cities that ship with the program)".to_owned()
    }
}

/// What the offline provider answers about the places within `radius` metres of a point, worked out at once: the JSON
/// text of its reply, with up to twenty places. For a test or a simulation that compares.
///
/// # Errors
/// If the table of places cannot be unpacked.
pub fn offline_answer(latitude: f64, longitude: f64, radius: f64) -> io::Result<String> {
    Ok(Search { latitude, longitude, radius }.answer(Table::shared()?))
}

/// The table, or the questions that wait for it.
enum Library {
    /// Still packed: most servers are never asked, and the table takes 9 MiB.
    Unasked,
    Loading(Vec<Firer<&'static Table>>),
    Ready(&'static Table),
    Broken,
}

impl Library {
    /// The table. The first call starts to unpack it, on the thread pool: that takes too long for the loop.
    fn table(this: &Rc<RefCell<Library>>, reactor: &Reactor) -> Deferred<&'static Table> {
        let (deferred, firer) = match &mut *this.borrow_mut() {
            Library::Ready(table) => return reactor::deferred::succeed(*table),
            Library::Broken => return reactor::deferred::fail(Failure::msg("the table is broken")),
            Library::Loading(waiting) => {
                let (deferred, firer) = Deferred::new();
                waiting.push(firer); // One for each connection at most.
                return deferred;
            }
            Library::Unasked => Deferred::new(),
        };
        this.replace(Library::Loading(vec![firer]));
        let later = this.clone();
        reactor.defer_to_thread(Table::shared).add_both(move |loaded| Library::loaded(&later, loaded)).detach();
        deferred
    }

    fn loaded(this: &RefCell<Library>, loaded: Result<&'static Table, Failure>) {
        let (state, table) = match loaded {
            Ok(table) => (Library::Ready(table), Some(table)),
            Err(failure) => {
                log::error!("the offline places cannot be unpacked: {failure}");
                (Library::Broken, None)
            }
        };
        // First: a callback of a question may ask for the table, and the borrow must have ended by then.
        let old = this.replace(state);
        let Library::Loading(waiting) = old else { return };
        for firer in waiting {
            let result = table.ok_or_else(|| Failure::msg("the table is broken"));
            let _ = firer.fire(result);
        }
    }
}

/// Answers a request. The client may keep the connection, as it would with Google.
fn answer(library: &Rc<RefCell<Library>>, reactor: &Reactor, request: &Request) -> Given<Response> {
    if request.method() != "GET" || request.path() != PATH {
        return Response::text("there is only the Nearby Search here\n").with_status(404).into_given();
    }
    let Some(search) = Search::parse(request.query().unwrap_or_default()) else {
        return json(error_answer("INVALID_REQUEST", "location or radius is missing or bad")).into_given();
    };
    let answered = Library::table(library, reactor).add_both(move |table| {
        json(match table {
            Ok(table) => search.answer(table).into_bytes(),
            Err(failure) => error_answer("UNKNOWN_ERROR", &failure.to_string()),
        })
    });
    answered.into_given()
}

fn json(body: Vec<u8>) -> Result<Response, Failure> {
    Ok(Response::bytes("application/json; charset=UTF-8", body)?)
}

/// The parameters of a Nearby Search that count here, in degrees and metres.
#[derive(Debug, PartialEq)]
struct Search {
    latitude: f64,
    longitude: f64,
    radius: f64,
}

impl Search {
    fn parse(query: &str) -> Option<Search> {
        let parameter = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
        };
        let location = parameter("location")?.replace("%2C", ",").replace("%2c", ",");
        let (latitude, longitude) = location.split_once(',')?;
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let (latitude, longitude) = (number(latitude)?, number(longitude)?);
        let radius = number(parameter("radius")?).filter(|radius| *radius >= 0.0)?.min(MAX_RADIUS_M);
        (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some(Search { latitude, longitude, radius })
    }

    /// The answer, printed in Google's form and style.
    fn answer(&self, table: &Table) -> String {
        let places = table.nearby(self.latitude, self.longitude, self.radius, MAX_PLACES);
        style::answer(&[ATTRIBUTION.to_owned()], places.iter().map(result).collect())
    }
}

/// One place with the fields that Google would give it.
fn result(place: &NearbyPlace<'_>) -> Json {
    let types: &[&str] = match place.kind {
        "city" => &["locality", "political"],
        "heliport" => &["heliport", "point_of_interest", "establishment"],
        "balloonport" => &["point_of_interest", "establishment"],
        _ => &["airport", "point_of_interest", "establishment"],
    };
    let id = Json::string(&format!("offline:{}", place.id));
    let viewport = vec![("northeast", corner(place, VIEWPORT)), ("southwest", corner(place, -VIEWPORT))];
    let location = point(place.latitude, place.longitude);
    Json::Fields(vec![
        ("business_status", Json::string("OPERATIONAL")),
        ("geometry", Json::Fields(vec![("location", location), ("viewport", Json::Fields(viewport))])),
        ("name", Json::string(place.name)),
        ("place_id", id.clone()),
        ("reference", id),
        ("scope", Json::string("APP")),
        ("types", Json::List(types.iter().map(|name| Json::string(name)).collect())),
        ("vicinity", Json::string(place.vicinity)),
    ])
}

fn point(latitude: f64, longitude: f64) -> Json {
    Json::Fields(vec![("lat", Json::Text(latitude.to_string())), ("lng", Json::Text(longitude.to_string()))])
}

fn corner(place: &NearbyPlace<'_>, away: f64) -> Json {
    let round = |degrees: f64| (degrees * 1e7).round() / 1e7;
    let latitude = round((place.latitude + away).clamp(-90.0, 90.0));
    let mut longitude = round(place.longitude + away);
    if longitude.abs() > 180.0 {
        longitude = round(longitude - 360.0 * longitude.signum()); // Beyond the date line.
    }
    point(latitude, longitude)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::cut;

    #[test]
    fn a_search_is_read_as_google_reads_it() {
        let search = Search::parse("location=34.5,-118&radius=500&key=x").unwrap();
        assert_eq!(search, Search { latitude: 34.5, longitude: -118.0, radius: 500.0 });
        assert!(Search::parse("radius=99999&location=-0%2C180").is_some_and(|search| search.radius == MAX_RADIUS_M));
        for bad in [
            "",
            "location=1,2",
            "radius=5",
            "location=1&radius=5",
            "location=91,0&radius=5",
            "location=0,inf&radius=5",
            "location=0,0&radius=-1",
            "location=nan,0&radius=5",
        ] {
            assert_eq!(Search::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_has_googles_form_nearest_first() {
        let table = Table::load().unwrap();
        let answer = Search::parse("location=34.068930,-118.445127&radius=10000").unwrap().answer(&table);
        assert!(answer.contains("\"results\" : \n   [\n      {\n         \"business_status\" : \"OPERATIONAL\",\n"));
        let cut = String::from_utf8(cut(answer.as_bytes(), 1).unwrap()).unwrap();
        let golden = include_str!("data/golden.json");
        assert_eq!(cut, golden.trim_end());
        assert_eq!(answer.matches("\"place_id\"").count(), 20);
        let nothing = Search::parse("location=0,0&radius=50000").unwrap().answer(&table);
        assert!(nothing.contains("\"results\" : [],\n   \"status\" : \"ZERO_RESULTS\""));
    }
}
