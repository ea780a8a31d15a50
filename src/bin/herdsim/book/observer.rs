//! [`LifeWatch`]: the book's observer of one life of one server.
//!
//! Next: `storms.rs`, versions that come again and again.

use super::Book;
use proxyherd::locations::{Known, NeighborId, Verdict};
use proxyherd::message::{At, Forgot};
use proxyherd::watch::{HeardFrom, Watch};
use std::rc::Rc;

/// What an AT and a FORGOT have in common.
pub(super) struct Told<'a> {
    pub(super) server: &'a [u8],
    pub(super) difference: &'a [u8],
    pub(super) client: &'a [u8],
    pub(super) time: &'a [u8],
    pub(super) is_forgot: bool,
}

/// Observes one life of one server.
pub(super) struct LifeWatch {
    pub(super) book: Rc<Book>,
    pub(super) life: usize,
}

impl Watch for LifeWatch {
    fn heard(&self, at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let At { server, difference, iamat } = *at;
        let told = Told { server, difference, client: iamat.client, time: iamat.time_text, is_forgot: false };
        self.book.heard(self.life, &told, line, from, verdict);
    }

    fn heard_forgot(&self, forgot: &Forgot<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let Forgot { server, difference, client, time_text: time, .. } = *forgot;
        self.book.heard(self.life, &Told { server, difference, client, time, is_forgot: true }, line, from, verdict);
    }

    fn forgot(&self, known: &Known) {
        self.book.forgot(self.life, known);
    }

    fn told(&self, neighbor: NeighborId, line: &[u8]) {
        self.book.told(self.life, neighbor, line);
    }

    fn linked(&self, neighbor: NeighborId) {
        self.book.linked(self.life, neighbor);
    }

    fn told_back(&self, neighbor: NeighborId) {
        self.book.told_back(self.life, neighbor);
    }

    fn done(&self) {
        self.book.check_entries(self.life);
    }
}
