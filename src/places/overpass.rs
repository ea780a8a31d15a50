//! [`Overpass`]: OpenStreetMap's places from the Overpass API, in the form of the Nearby Search.
//!
//! There is no default address, because the public instances are meant for mappers: an operator runs an instance, or
//! chooses one. It gets one question at a time with a pause after each ([`super::Limiter`]), and hears our name in the
//! header `User-Agent`.
//!
//! The service does not sort by distance. So more places are fetched than are wanted, and they are sorted here. In a
//! dense city the radius can hold more places than are fetched; then the nearest of the fetched ones are the answer.
//!
//! Next: `offline.rs`, places without a network.

use super::answer::AnswerError;
use super::json;
use super::key::percent_encode;
use super::service::{Access, Service, ServiceError};
use super::style::{self, Json};
use super::table::distance_between;
use super::{MAX_PLACES, Nearby, Places, refusal};
use crate::address_group::AddressGroup;
use crate::config::ConfigError;
use reactor::http::Request;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;
use std::time::Duration;

/// The path of the query interpreter below the base URL, unless the URL names the interpreter itself.
const PATH: &str = "/api/interpreter";

/// The maximum number of places that are fetched.
const MAX_FETCHED: usize = 500;

/// The maximum length of an answer in bytes. Some places have hundreds of tags.
const MAX_ANSWER: u64 = 4 << 20;

/// How long an answer is kept. The map changes all the time, but no client notices ten minutes.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The tags that make an object of the map a place. If it has several, the first one here decides its type.
const KINDS: [&str; 5] = ["amenity", "tourism", "shop", "leisure", "historic"];

/// Stands in every answer, as the license of the data demands.
const ATTRIBUTION: &str =
    "\u{a9} <a href=\"https://www.openstreetmap.org/copyright\">OpenStreetMap contributors</a> (ODbL 1.0)";

/// An instance of the Overpass API.
pub struct Overpass {
    service: Service,
    /// The maximum time that the instance may work on a question, in seconds.
    seconds: u64,
}

impl Overpass {
    /// The instance that `access` leads to.
    ///
    /// # Errors
    /// If TLS cannot use the trusted roots.
    pub fn new(reactor: &Reactor, access: Access) -> Result<Overpass, ConfigError> {
        // The instance need not work on a question that we have given up.
        let seconds = access.timeout.max(Duration::from_secs(1)).as_secs();
        Ok(Overpass { service: Service::with_max_answer(reactor, access, MAX_ANSWER)?, seconds })
    }

    fn request(&self, question: &Nearby) -> Result<Request, Failure> {
        let Nearby { latitude, longitude, radius, .. } = question;
        let query = format!(
            "[out:json][timeout:{}];nwr(around:{radius},{latitude},{longitude})[name][~\"^({})$\"~\".\"];\
             out center {MAX_FETCHED};",
            self.seconds,
            KINDS.join("|")
        );
        let is_whole = self.service.base().target().ends_with("/interpreter");
        let url = if is_whole { self.service.base().clone() } else { self.service.url(PATH)? };
        let request = Request::post(url, format!("data={}", percent_encode(&query))).idempotent(); // A search.
        Ok(request.header("Content-Type", "application/x-www-form-urlencoded")?)
    }
}

impl Places for Overpass {
    fn nearby(&self, question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        let request = self.request(question);
        let question = question.clone();
        self.service.ask(request).add_callback(move |reply| match reply.status {
            200 => match legacy_form(&reply.body, &question) {
                Ok(answer) => Ok(answer.into_bytes()),
                Err(Unusable::Remark(remark)) => Err(Failure::new(ServiceError::Remark(remark))),
                Err(Unusable::Answer(error)) => Err(Failure::new(reply.not_an_answer(error))),
            },
            // Such as 429, when all its slots are taken.
            status => refusal::of_status(status),
        })
    }

    /// This service is free and shared by many, so it is not asked for places that nobody will see.
    fn without_asking(&self, question: &Nearby) -> Option<Vec<u8>> {
        (question.bound == 0).then(style::answer_to_none)
    }

    /// All bounds fetch the same places, except 0, which fetches none.
    fn as_asked(&self, question: &Nearby) -> Nearby {
        let bound = if question.bound == 0 { 0 } else { MAX_PLACES };
        Nearby { bound, ..question.clone() }
    }

    /// The data's license (ODbL) allows it, and the service has less to do.
    fn kept_for(&self) -> Duration {
        KEPT_FOR
    }

    fn describe(&self) -> String {
        format!("overpass ({})", self.service.base().authority())
    }
}

impl fmt::Debug for Overpass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overpass({})", self.service.base().authority())
    }
}

/// Why an answer cannot be used.
#[derive(Debug, PartialEq)]
pub(super) enum Unusable {
    Answer(AnswerError),
    /// The query failed. The service answers that with the status 200 and this remark.
    Remark(String),
}

impl<E: Into<AnswerError>> From<E> for Unusable {
    fn from(error: E) -> Unusable {
        Unusable::Answer(error.into())
    }
}

/// An object of the map that may become a place, with its distance from the point of the question.
struct Element<'a> {
    distance: f64,
    kind: String,
    id: &'a str,
    latitude: &'a str,
    longitude: &'a str,
    tags: &'a str,
}

/// An answer of the service, translated into the form of the Nearby Search: the nearest of the places that it sent.
pub(super) fn legacy_form(body: &[u8], question: &Nearby) -> Result<String, Unusable> {
    let text = json::text(body)?;
    let [elements, remark] = json::pick(text, ["elements", "remark"])?;
    if let Some(remark) = remark.and_then(json::string).filter(|remark| !remark.trim().is_empty()) {
        return Err(Unusable::Remark(remark));
    }
    let degrees = |text: &str| text.parse::<f64>().unwrap_or_default();
    let here = (degrees(&question.latitude), degrees(&question.longitude));
    let mut found = Vec::new();
    json::each(elements.ok_or(AnswerError::NotAnAnswer)?, |raw| found.extend(element(raw, here)))?;
    found.sort_by(|one: &Element<'_>, other| one.distance.total_cmp(&other.distance));
    let places = found.iter().filter_map(place).take(MAX_PLACES).collect();
    Ok(style::answer(&[ATTRIBUTION.to_owned()], places))
}

fn element<'a>(raw: &'a str, here: (f64, f64)) -> Option<Element<'a>> {
    let [kind, id, latitude, longitude, center, tags] =
        json::pick(raw, ["type", "id", "lat", "lon", "center", "tags"]).ok()?;
    let center = center.and_then(|center| json::pick(center, ["lat", "lon"]).ok()).unwrap_or_default();
    let (latitude, longitude) = (latitude.or(center[0])?, longitude.or(center[1])?);
    let within = |text: &str, most: f64| text.parse::<f64>().ok().filter(|degrees| degrees.abs() <= most);
    let there = (within(latitude, 90.0)?, within(longitude, 180.0)?);
    let (kind, tags) = (json::string(kind?)?, tags?);
    Some(Element { distance: distance_between(here, there), kind, id: id?, latitude, longitude, tags })
}

/// One place in the form of the Nearby Search; `None` if it has no name.
fn place(element: &Element<'_>) -> Option<Json> {
    let tag = |raw: Option<&str>| raw.and_then(json::string).filter(|value| !value.trim().is_empty());
    let [name, number, street, city] =
        json::pick(element.tags, ["name", "addr:housenumber", "addr:street", "addr:city"]).ok()?.map(tag);
    let kinds = json::pick(element.tags, KINDS).ok()?.map(tag);
    let kind = KINDS.iter().zip(&kinds).find_map(|(key, value)| type_of(key, value.as_deref()?));
    let types = kind.into_iter().chain(["point_of_interest", "establishment"]).map(Json::string).collect();
    let street = street.map(|street| number.map_or_else(|| street.clone(), |number| format!("{number} {street}")));
    let vicinity: Vec<String> = street.into_iter().chain(city).collect();
    let id = Json::string(&format!("osm:{}/{}", element.kind, element.id));
    let text = |text: &str| Json::Text(text.to_owned());
    let location = Json::Fields(vec![("lat", text(element.latitude)), ("lng", text(element.longitude))]);
    Some(Json::some_fields([
        ("geometry", Some(Json::Fields(vec![("location", location)]))),
        ("name", Some(Json::string(&name?))),
        ("place_id", Some(id.clone())),
        ("reference", Some(id)),
        ("scope", Some(Json::string("APP"))),
        ("types", Some(Json::List(types))),
        ("vicinity", (!vicinity.is_empty()).then(|| Json::string(&vicinity.join(", ")))),
    ]))
}

/// Google's type for a tag of the map; `None` if Google has none.
fn type_of(key: &str, value: &str) -> Option<&'static str> {
    Some(match (key, value) {
        ("amenity", "atm") => "atm",
        ("amenity", "bank") => "bank",
        ("amenity", "bar" | "pub") => "bar",
        ("amenity", "cafe") => "cafe",
        ("amenity", "car_rental") => "car_rental",
        ("amenity", "car_wash") => "car_wash",
        ("amenity", "casino") => "casino",
        ("amenity", "cinema") => "movie_theater",
        ("amenity", "courthouse") => "courthouse",
        ("amenity", "dentist") => "dentist",
        ("amenity", "doctors") => "doctor",
        ("amenity", "fire_station") => "fire_station",
        ("amenity", "fuel") => "gas_station",
        ("amenity", "hospital") => "hospital",
        ("amenity", "library") => "library",
        ("amenity", "nightclub") => "night_club",
        ("amenity", "parking") => "parking",
        ("amenity", "pharmacy") => "pharmacy",
        ("amenity", "place_of_worship") => "place_of_worship",
        ("amenity", "police") => "police",
        ("amenity", "post_office") => "post_office",
        ("amenity", "restaurant" | "fast_food") => "restaurant",
        ("amenity", "school") => "school",
        ("amenity", "townhall") => "city_hall",
        ("amenity", "university") => "university",
        ("amenity", "veterinary") => "veterinary_care",
        ("tourism", "aquarium") => "aquarium",
        ("tourism", "attraction" | "viewpoint") => "tourist_attraction",
        ("tourism", "camp_site") => "campground",
        ("tourism", "gallery") => "art_gallery",
        ("tourism", "guest_house" | "hostel" | "hotel" | "motel") => "lodging",
        ("tourism", "museum") => "museum",
        ("tourism", "theme_park") => "amusement_park",
        ("tourism", "zoo") => "zoo",
        ("shop", "bakery") => "bakery",
        ("shop", "books") => "book_store",
        ("shop", "clothes") => "clothing_store",
        ("shop", "convenience") => "convenience_store",
        ("shop", "department_store") => "department_store",
        ("shop", "electronics") => "electronics_store",
        ("shop", "florist") => "florist",
        ("shop", "mall") => "shopping_mall",
        ("shop", "supermarket") => "supermarket",
        ("shop", value) if value != "no" && value != "vacant" => "store",
        ("leisure", "bowling_alley") => "bowling_alley",
        ("leisure", "fitness_centre") => "gym",
        ("leisure", "park") => "park",
        ("leisure", "stadium") => "stadium",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
