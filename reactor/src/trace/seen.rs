//! [`Seen`]: what a trace shows of a result, and of which types it shows the values.
//!
//! Next: `scope.rs`, which makes events of what the loop reports.

use super::Shown;
use crate::Failure;
use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt::{self, Debug, Write};
use std::panic::Location;

/// Maximum number of bytes of a value or an error that an event shows. What is cut off is shown as `…`.
pub const MAX_VALUE: usize = 120;

/// How the value of one type is written.
type Show = fn(&dyn Any, &mut Cut);

/// The types whose values are shown.
#[derive(Default)]
pub(super) struct Shows {
    types: HashMap<TypeId, Show>,
}

impl Shows {
    /// Shows `T`, and what lists and races make of it.
    pub(super) fn add<T: Debug + 'static>(&mut self) {
        self.add_one::<T>();
        self.add_one::<Option<T>>();
        self.add_one::<Vec<T>>();
        self.add_one::<(usize, T)>();
        self.types.insert(TypeId::of::<Vec<Result<T, Failure>>>(), |value, out| {
            let results = value.downcast_ref::<Vec<Result<T, Failure>>>().into_iter().flatten();
            let shown = results.map(|result| result.as_ref().map_err(|failure| Words(failure.to_string())));
            let _ = write!(out, "{:?}", shown.collect::<Vec<_>>());
        });
    }

    fn add_one<T: Debug + 'static>(&mut self) {
        self.types.insert(TypeId::of::<T>(), |value, out| {
            if let Some(value) = value.downcast_ref::<T>() {
                let _ = write!(out, "{value:?}"); // It fails when the text is long enough.
            }
        });
    }

    /// Shows the types of the standard library that programs pass around most.
    pub(super) fn add_usual(&mut self) {
        macro_rules! add {
            ($($type:ty),+) => { $(self.add::<$type>();)+ };
        }
        add!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
        add!(String, &'static str, Vec<u8>, std::time::Duration, std::net::SocketAddr, std::net::IpAddr);
    }

    fn show(&self, value: &dyn Any, ahead: usize, mask: impl Fn(&str) -> String) -> Option<String> {
        let show = self.types.get(&value.type_id())?;
        let mut cut = Cut::new(ahead);
        show(value, &mut cut);
        Some(cut.shown(mask))
    }
}

/// Shown without quotes.
struct Words(String);

impl Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first [`MAX_VALUE`] bytes of a text, and those behind them in which a secret may end that begins in the first
/// ones. It refuses more, so that the `Debug` of a large value ends early.
pub(super) struct Cut {
    text: String,
    max: usize,
    /// A `Debug` that ignores errors goes on writing.
    is_full: bool,
}

impl Cut {
    /// Takes `ahead` bytes behind those that are shown, too.
    fn new(ahead: usize) -> Cut {
        Cut { text: String::new(), max: MAX_VALUE.saturating_add(ahead), is_full: false }
    }

    /// What is shown of the text. It is masked before it is cut: a secret that is cut would still be a part of one.
    fn shown(self, mask: impl Fn(&str) -> String) -> String {
        let mut shown = mask(&self.text);
        if self.is_full || shown.len() > MAX_VALUE {
            shown.truncate(shown.floor_char_boundary_at(MAX_VALUE));
            shown.push('…');
        }
        shown
    }
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.max - self.text.len();
        if self.is_full || text.len() > room {
            let end = if self.is_full { 0 } else { text.floor_char_boundary_at(room) };
            self.text.push_str(&text[..end]);
            self.is_full = true;
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    /// The last border of a character that is not behind `index`.
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        (0..=index.min(self.len())).rev().find(|&at| self.is_char_boundary(at)).unwrap_or(0)
    }
}

/// What is shown of a result.
pub(crate) enum Seen {
    Value { type_name: &'static str, text: Option<String> },
    Failure { id: u64, type_name: &'static str, text: String, raised: &'static Location<'static> },
}

impl Seen {
    /// `mask` hides secrets in a text. `ahead` bytes more than are shown are looked at for that.
    pub(super) fn of<T: 'static>(
        result: &Result<T, Failure>,
        shows: &Shows,
        ahead: usize,
        mask: impl Fn(&str) -> String,
    ) -> Seen {
        match result {
            Ok(value) => Seen::Value { type_name: type_name::<T>(), text: shows.show(value, ahead, mask) },
            Err(failure) => Seen::of_failure(failure, ahead, mask),
        }
    }

    pub(super) fn of_failure(failure: &Failure, ahead: usize, mask: impl Fn(&str) -> String) -> Seen {
        let mut cut = Cut::new(ahead);
        let _ = write!(cut, "{failure}"); // It fails when the text is long enough.
        let (id, type_name, text) = (failure.id(), failure.type_name(), cut.shown(mask));
        Seen::Failure { id, type_name, text, raised: failure.raised() }
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        match self {
            Seen::Value { type_name, text } => Shown::Value { type_name, text: text.as_deref() },
            Seen::Failure { id, type_name, text, raised } => Shown::Failure { id: *id, type_name, text, raised },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shows: &Shows, value: &dyn Any) -> Option<String> {
        shows.show(value, 0, str::to_owned)
    }

    #[test]
    fn a_value_is_shown_only_if_its_type_is_known() {
        let mut shows = Shows::default();
        assert_eq!(shown(&shows, &7), None);
        shows.add::<i32>();
        assert_eq!(shown(&shows, &7).as_deref(), Some("7"));
        assert_eq!(shown(&shows, &(2_usize, 7)).as_deref(), Some("(2, 7)"));
        assert_eq!(shown(&shows, &"x"), None);
        let list = vec![Ok(7), Err(Failure::msg("it is down"))];
        assert_eq!(shown(&shows, &list).as_deref(), Some("[Ok(7), Err(it is down)]"));
    }

    #[test]
    fn a_long_value_is_cut_between_two_characters() {
        let mut shows = Shows::default();
        shows.add::<String>();
        let shown = shown(&shows, &"é".repeat(1000)).unwrap();
        assert!(shown.len() <= MAX_VALUE + '…'.len_utf8() && shown.ends_with("é…"), "{shown}");
    }

    /// Writes on, although nobody takes it.
    struct Chatty;

    impl Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for _ in 0..1000 {
                let _ = f.write_str("seven, ");
            }
            Ok(())
        }
    }

    #[test]
    fn a_debug_that_ignores_errors_cannot_make_a_value_longer() {
        let mut shows = Shows::default();
        shows.add::<Chatty>();
        let shown = shown(&shows, &Chatty).unwrap();
        assert_eq!(shown.matches('…').count(), 1, "{shown}");
        assert!(shown.len() <= MAX_VALUE + '…'.len_utf8() && shown.ends_with("…"), "{shown}");
    }
}
