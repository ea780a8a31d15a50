//! [`LifeWatch`]: the book's observer of one life of one server.
//!
//! Next: `store.rs`, what a store beside the herd must have.

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

impl<'a> From<&At<'a>> for Told<'a> {
    fn from(at: &At<'a>) -> Told<'a> {
        let At { server, difference, iamat } = *at;
        Told { server, difference, client: iamat.client, time: iamat.time_text, is_forgot: false }
    }
}

impl Watch for LifeWatch {
    fn heard(&self, at: &At<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        self.book.heard(self.life, &at.into(), line, from, verdict);
        if from == HeardFrom::Client {
            self.book.check_wait(self.life, line);
        }
    }

    fn heard_forgot(&self, forgot: &Forgot<'_>, line: &[u8], from: HeardFrom, verdict: &Verdict) {
        let Forgot { server, difference, client, time_text: time, .. } = *forgot;
        self.book.heard(self.life, &Told { server, difference, client, time, is_forgot: true }, line, from, verdict);
    }

    fn offered(&self, at: &At<'_>, line: &[u8]) {
        self.book.offered(self.life, &at.into(), line);
    }

    fn looked_up(&self, _client: &[u8], line: Option<&[u8]>) {
        if let Some(line) = line {
            self.book.looked_up(self.life, line);
        }
    }

    fn stored(&self, _at: &At<'_>, line: &[u8], is_news: bool) {
        self.book.stored(self.life, line, is_news);
    }

    fn moved(&self, known: &Known) {
        self.book.moved(self.life, known);
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
