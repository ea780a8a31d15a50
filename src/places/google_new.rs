//! [`GoogleNew`]: the Places API (New), `places:searchNearby`, its answers put into the form of the old Nearby Search.
//!
//! Whoever takes a key today gets only this one. What the old answer has and the new one does not is left out, not
//! invented. Numbers keep the text in which they came.

use super::answer::AnswerError;
use super::json;
use super::service::{Access, Service};
use super::style::{self, Json, json_string};
use super::{MAX_PLACES, Nearby, Places, refusal};
use crate::config::{ConfigError, ExtraField};
use crate::decimal;
use reactor::http::Request;
use reactor::{Deferred, Failure, Reactor};
use std::fmt;

/// Where Google is.
pub(super) const BASE_URL: &str = "https://places.googleapis.com";

/// The path of the search below the base URL.
const PATH: &str = "/v1/places:searchNearby";

/// The farthest that may be searched, in metres: beyond it the request is refused.
const MAX_RADIUS_M: u32 = 50_000;

/// The most items of a list inside of a place (types, photos, those to be named) that are taken over: Google sends ten
/// photos. What comes of an answer is larger than the answer, so without a limit a megabyte of `{}` would become a
/// hundred.
const MAX_ITEMS: usize = 100;

/// What is asked for of each place. What is asked for decides what a request costs.
const MASK: &str = "places.id,places.displayName,places.location,places.viewport,places.types,\
                    places.shortFormattedAddress,places.formattedAddress,places.businessStatus,places.plusCode,\
                    places.iconMaskBaseUri,places.iconBackgroundColor,places.photos,places.attributions";

/// Google's Places API (New).
pub struct GoogleNew {
    service: Service,
    mask: String,
}

impl GoogleNew {
    /// The service that is reached in this way, asked for `extras` as well.
    ///
    /// # Errors
    /// If the roots are of no use.
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
    fn nearby(&self, question: &Nearby) -> Deferred<Vec<u8>> {
        if let Some(answer) = self.without_asking(question) {
            return reactor::deferred::succeed(answer);
        }
        self.service.ask(self.request(question)).add_callback(|reply| match reply.status {
            200 => match legacy_form(&reply.body) {
                Ok(answer) => Ok(answer.into_bytes()),
                Err(error) => refusal::in_other_words(&reply).ok_or_else(|| Failure::new(reply.is_no_answer(error))),
            },
            _ => refusal::read(reply),
        })
    }

    /// Fewer than one place cannot be asked for: Google refuses that. To ask for one, only to hear how the service is,
    /// would be billed; so whether the key is good is not told to who wants no places.
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

/// Without the key, wherever this is printed.
impl fmt::Debug for GoogleNew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoogleNew({})", self.service.base().authority())
    }
}

/// An answer of the new API in the form of the old one.
pub(super) fn legacy_form(body: &[u8]) -> Result<String, AnswerError> {
    let text = json::text(body)?;
    let [list] = json::pick(text, ["places"])?;
    let (mut places, mut attributions) = (Vec::new(), Vec::new());
    match list {
        None if json::is_empty_object(text) => {} // How it says that nothing was found.
        None => return Err(AnswerError::NotAnAnswer),
        Some(list) => {
            let mut result = Ok(());
            json::each(list, |raw| {
                if places.len() == MAX_PLACES {
                    return; // Nobody has asked for more.
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

/// One place. Who must be named for it is added to `attributions`, once.
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

/// A coordinate that is not there is 0: so does the format write it.
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

/// A name as a link, if there is where to.
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

/// A field of an object, if that is one.
fn inner<'a>(raw: Option<&'a str>, name: &'static str) -> Option<&'a str> {
    json::pick(raw?, [name]).ok()?[0]
}

/// What `read` makes of the first [`MAX_ITEMS`] items of a list; nothing if there is no list.
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

/// A string, escaped as the old API does it; or as it came, if it says what no text can say.
fn string(raw: &str) -> Option<Json> {
    let is_string = raw.starts_with('"');
    is_string.then(|| Json::Text(json::string(raw).map_or_else(|| raw.to_owned(), |text| json_string(&text))))
}

/// A number as it came.
fn number(raw: &str) -> Option<Json> {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| Json::Text(raw.to_owned()))
}

/// `true` or `false`.
fn word(raw: &str) -> Option<Json> {
    matches!(raw, "true" | "false").then(|| Json::Text(raw.to_owned()))
}

#[cfg(test)]
mod tests;
