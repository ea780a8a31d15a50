//! [`GoogleNew`]: the Places API (New), `places:searchNearby`, with its answers in the form of the old Nearby Search.
//!
//! Google's new customers get only this API. A field that the old answer has and the new one has not is left out, not
//! invented. Numbers keep the text in which they came.
//!
//! Next: `overpass.rs`, places without a key.

use super::answer::AnswerError;
use super::json;
use super::service::{Access, Service};
use super::style::{self, Json, json_string};
use super::{MAX_PLACES, Nearby, Places, refusal};
use crate::address_group::AddressGroup;
use crate::config::{ConfigError, ExtraField};
use crate::decimal;
use reactor::http::Request;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;

/// Google's address for this API.
pub(super) const BASE_URL: &str = "https://places.googleapis.com";

/// The path of the search below the base URL.
const PATH: &str = "/v1/places:searchNearby";

/// The maximum radius in metres: Google refuses a request for more.
const MAX_RADIUS_M: u32 = 50_000;

/// The maximum number of items that are taken from a list inside a place: its types, its photos, its sources to be
/// named. Google sends ten photos. Our answer is longer than the one that it is made of: without a limit, a megabyte of
/// `{}` would become a hundred megabytes.
const MAX_ITEMS: usize = 100;

/// The fields that are asked for. They decide what Google bills for a request.
const MASK: &str = "places.id,places.displayName,places.location,places.viewport,places.types,\
                    places.shortFormattedAddress,places.formattedAddress,places.businessStatus,places.plusCode,\
                    places.iconMaskBaseUri,places.iconBackgroundColor,places.photos,places.attributions";

/// Google's Places API (New).
pub struct GoogleNew {
    service: Service,
    mask: String,
}

impl GoogleNew {
    /// The service that `access` leads to. It is asked for `extras` as well.
    ///
    /// # Errors
    /// If TLS cannot use the trusted roots.
    pub fn new(reactor: &Reactor, access: Access, extras: &[ExtraField]) -> Result<GoogleNew, ConfigError> {
        let mut mask = MASK.to_owned();
        for extra in extras {
            mask.push_str(match extra {
                ExtraField::Rating => ",places.rating,places.userRatingCount",
                ExtraField::Price => ",places.priceLevel",
                ExtraField::Opening => ",places.currentOpeningHours.openNow",
            });
        }
        Ok(GoogleNew { service: Service::new(reactor, access)?, mask })
    }

    fn request(&self, question: &Nearby) -> Result<Request, Failure> {
        let Nearby { latitude, longitude, radius, bound } = question;
        let is_within = decimal::is_at_most(radius.as_bytes(), MAX_RADIUS_M);
        let radius = if is_within { radius.clone() } else { MAX_RADIUS_M.to_string() };
        let most = (*bound).min(MAX_PLACES);
        let body = format!(
            "{{\"maxResultCount\":{most},\"locationRestriction\":{{\"circle\":{{\"center\":{{\"latitude\":{latitude},\
             \"longitude\":{longitude}}},\"radius\":{radius}}}}}}}"
        );
        let request = Request::post(self.service.url(PATH)?, body)
            .idempotent() // A search.
            .header("Content-Type", "application/json")?
            .header("X-Goog-FieldMask", &self.mask)?;
        match &self.service.key {
            Some(key) => Ok(request.secret_header("X-Goog-Api-Key", key.text())?),
            None => Ok(request),
        }
    }
}

impl Places for GoogleNew {
    fn nearby(&self, question: &Nearby, _from: AddressGroup) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        self.service.ask(self.request(question)).add_callback(|reply| match reply.status {
            200 => match legacy_form(&reply.body) {
                Ok(answer) => Ok(answer.into_bytes()),
                Err(error) => refusal::in_other_words(&reply).ok_or_else(|| Failure::new(reply.not_an_answer(error))),
            },
            _ => refusal::read(reply),
        })
    }

    /// Google refuses a request for no places, and would bill a request for one. So a client that wants no places does
    /// not learn whether the key is good.
    fn without_asking(&self, question: &Nearby) -> Option<Vec<u8>> {
        (question.bound == 0).then(style::answer_to_none)
    }

    /// The bound counts, as it does by default: Google does not promise that the five places that it sends for a bound
    /// of five are the first five of twenty.
    fn as_asked(&self, question: &Nearby) -> Nearby {
        question.clone()
    }
    fn describe(&self) -> String {
        format!("google-new ({})", self.service.base().authority())
    }
}

/// Without the key, so that no log can hold it.
impl fmt::Debug for GoogleNew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoogleNew({})", self.service.base().authority())
    }
}

/// An answer of the new API, translated into the form of the old one.
pub(super) fn legacy_form(body: &[u8]) -> Result<String, AnswerError> {
    let text = json::text(body)?;
    let [list] = json::pick(text, ["places"])?;
    let (mut places, mut attributions) = (Vec::new(), Vec::new());
    match list {
        None if json::is_empty_object(text) => {} // This is how it says that it found nothing.
        None => return Err(AnswerError::NotAnAnswer),
        Some(list) => {
            // `each` reads on after the last place that is wanted and after a bad one: an answer that is not JSON to
            // its end is an error, whatever its places are.
            let mut result = Ok(());
            json::each(list, |raw| {
                if places.len() == MAX_PLACES {
                    return; // No more were asked for.
                }
                match place(raw, &mut attributions) {
                    Ok(place) => places.push(place),
                    Err(error) => result = Err(error),
                }
            })?;
            result?;
        }
    }
    Ok(style::answer(&attributions, places))
}

/// One place. Adds the sources that must be named for it to `attributions`, each once.
fn place(raw: &str, attributions: &mut Vec<String>) -> Result<Json, AnswerError> {
    let [id, name, location, viewport, types, business_status, plus_code, icon_color, icon_mask] = json::pick(
        raw,
        [
            "id",
            "displayName",
            "location",
            "viewport",
            "types",
            "businessStatus",
            "plusCode",
            "iconBackgroundColor",
            "iconMaskBaseUri",
        ],
    )?;
    let [short, long, photos, credits, rating, ratings, price, hours] = json::pick(
        raw,
        [
            "shortFormattedAddress",
            "formattedAddress",
            "photos",
            "attributions",
            "rating",
            "userRatingCount",
            "priceLevel",
            "currentOpeningHours",
        ],
    )?;
    for credit in items(credits, |credit| link(credit, "providerUri", "provider")) {
        if !attributions.contains(&credit) {
            attributions.push(credit);
        }
    }
    let id = id.and_then(string);
    Ok(Json::some_fields([
        ("business_status", business_status.and_then(string)),
        ("geometry", geometry(location, viewport)),
        ("icon_background_color", icon_color.and_then(string)),
        ("icon_mask_base_uri", icon_mask.and_then(string)),
        ("name", inner(name, "text").and_then(string)),
        ("opening_hours", inner(hours, "openNow").and_then(word).map(|open| Json::Fields(vec![("open_now", open)]))),
        ("photos", photos.map(|_| Json::List(items(photos, photo)))),
        ("place_id", id.clone()),
        ("plus_code", plus_code.map(plus)),
        ("price_level", price.and_then(price_level)),
        ("rating", rating.and_then(number)),
        ("reference", id),
        ("scope", Some(Json::string("GOOGLE"))),
        ("types", types.map(|_| Json::List(items(types, string)))),
        ("user_ratings_total", ratings.and_then(number)),
        ("vicinity", short.and_then(string).or_else(|| long.and_then(string))),
    ]))
}

fn geometry(location: Option<&str>, viewport: Option<&str>) -> Option<Json> {
    let corner = |name| inner(viewport, name).and_then(point);
    let viewport = corner("high").zip(corner("low"));
    let viewport = viewport.map(|(high, low)| Json::Fields(vec![("northeast", high), ("southwest", low)]));
    let location = location.and_then(point);
    if location.is_none() && viewport.is_none() {
        return None;
    }
    Some(Json::some_fields([("location", location), ("viewport", viewport)]))
}

/// A point. A coordinate that is missing is 0: Google's encoding leaves zeros out.
fn point(raw: &str) -> Option<Json> {
    let degrees = json::pick(raw, ["latitude", "longitude"]).ok()?;
    let [latitude, longitude] =
        degrees.map(|degrees| degrees.and_then(number).unwrap_or_else(|| Json::Text("0".to_owned())));
    Some(Json::Fields(vec![("lat", latitude), ("lng", longitude)]))
}

fn photo(raw: &str) -> Option<Json> {
    let [name, height, width, authors] = json::pick(raw, ["name", "heightPx", "widthPx", "authorAttributions"]).ok()?;
    let authors = items(authors, |author| link(author, "uri", "displayName"));
    let name = name.and_then(json::string);
    let reference = name.and_then(|name| name.rsplit('/').next().map(Json::string));
    Some(Json::some_fields([
        ("height", height.and_then(number)),
        ("html_attributions", Some(Json::List(authors.iter().map(|author| Json::string(author)).collect()))),
        ("photo_reference", reference),
        ("width", width.and_then(number)),
    ]))
}

fn plus(raw: &str) -> Json {
    let code = |name| inner(Some(raw), name).and_then(string);
    Json::some_fields([("compound_code", code("compoundCode")), ("global_code", code("globalCode"))])
}

fn price_level(raw: &str) -> Option<Json> {
    let level = match &*json::string(raw)? {
        "PRICE_LEVEL_FREE" => "0",
        "PRICE_LEVEL_INEXPENSIVE" => "1",
        "PRICE_LEVEL_MODERATE" => "2",
        "PRICE_LEVEL_EXPENSIVE" => "3",
        "PRICE_LEVEL_VERY_EXPENSIVE" => "4",
        _ => return None,
    };
    Some(Json::Text(level.to_owned()))
}

/// A source's name as HTML: a link if it has an address, else the name alone.
fn link(raw: &str, target: &'static str, name: &'static str) -> Option<String> {
    let field = |name| inner(Some(raw), name).and_then(json::string);
    let name = escape_html(&field(name)?);
    match field(target) {
        Some(target) => Some(format!("<a href=\"{}\">{name}</a>", escape_html(&target))),
        None => Some(name),
    }
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A field of an object; `None` if `raw` is not an object or has no such field.
fn inner<'a>(raw: Option<&'a str>, name: &'static str) -> Option<&'a str> {
    json::pick(raw?, [name]).ok()?[0]
}

/// The values that `read` finds in the first [`MAX_ITEMS`] items of a list; none if `raw` is not a list.
fn items<T>(raw: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    let mut seen = 0;
    let _ = raw.map(|raw| {
        json::each(raw, |item| {
            if seen < MAX_ITEMS {
                found.extend(read(item));
            }
            seen += 1;
        })
    });
    found
}

/// A string with the escapes of the old API. One that stands for no text (half of a surrogate pair) stays as it came.
fn string(raw: &str) -> Option<Json> {
    let is_string = raw.starts_with('"');
    is_string.then(|| Json::Text(json::string(raw).map_or_else(|| raw.to_owned(), |text| json_string(&text))))
}

/// A number, spelled as it came.
fn number(raw: &str) -> Option<Json> {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| Json::Text(raw.to_owned()))
}

/// `true` or `false`, as it came.
fn word(raw: &str) -> Option<Json> {
    matches!(raw, "true" | "false").then(|| Json::Text(raw.to_owned()))
}

#[cfg(test)]
mod tests;
