//! What the tests of this folder share.

#[path = "../../tests/util/held_places.rs"]
mod held_places;

use super::{Nearby, Places};
use crate::address_group::AddressGroup;
pub(super) use held_places::HeldPlaces;

/// A question; two with another radius or bound are different questions.
pub(super) fn ask(radius: &str, bound: usize) -> Nearby {
    Nearby { latitude: "34.5".to_owned(), longitude: "-118.25".to_owned(), radius: radius.to_owned(), bound }
}

/// For tests in which it does not matter where a question comes from.
pub(super) const SOMEBODY: AddressGroup = AddressGroup::OPERATOR;
