//! What a connection does when there is a store: its commands are the same, and their replies come when the store has
//! answered.
//!
//! Next: `refusal.rs`, why a command is refused.

use super::{HerdProtocol, Refusal};
use crate::connections::{Registration, Turns};
use crate::decimal::Time;
use crate::message::{At, WhatsAt};
use crate::replies::{Replies, Ticket};
use crate::server::Storing;
use reactor::Deferred;
use std::rc::Rc;

impl HerdProtocol {
    /// The IAMAT in `said` is answered with this AT when the store has it.
    pub(super) fn iamat_with_store(&self, said: &[u8], at: &At<'_>, mut reply: Vec<u8>, now: Time) {
        let offered = self.server.offer_iamat(&self.turns(), at, &reply, now, self.asker());
        let server = self.server.clone();
        let done = offered.add_callback(move |taken| {
            taken.map_err(Refusal::NotTaken)?;
            server.counters().iamat.add();
            reply.push(b'\n');
            Ok(reply)
        });
        // A client that goes away does not take its location with it.
        self.answer(said, Replies::reserve_short, done, |_, _, done| done.detach());
    }

    /// The WHATSAT in `said` is answered when the store has said where the client is.
    pub(super) fn whats_at_with_store(&self, storing: &Storing, said: &[u8], asked: &WhatsAt<'_>) {
        let answered = self.server.whats_at_with_store(storing, &self.turns(), asked, self.asker());
        let (server, registration) = (self.server.clone(), self.registration.clone());
        let client = asked.client.to_vec();
        let done = answered.add_callback(move |answer| {
            let unknown =
                || if server.lacks_store_for(&client) { Refusal::StoreIsAway } else { Refusal::UnknownClient };
            let reply = answer.ok_or_else(unknown)?;
            server.counters().whatsat.add();
            if let Some(registration) = &registration {
                registration.charge(reply.len());
            }
            Ok(reply)
        });
        self.answer(said, Replies::reserve, done, |replies, ticket, done| replies.attach(ticket, done));
    }

    /// The FORGET in `said` is answered when the store has said whether it knows the client.
    pub(super) fn forget_with_store(&self, storing: &Storing, said: &[u8], client: &[u8]) {
        let forgotten = self.server.forget_with_store(storing, &self.turns(), client);
        let done = forgotten.add_callback(|line| {
            let mut line = line.map_err(Refusal::NotTaken)?;
            line.push(b'\n');
            Ok(line)
        });
        self.answer(said, Replies::reserve_short, done, |_, _, done| done.detach());
    }

    /// How the commands of this connection take turns at the store.
    fn turns(&self) -> Rc<Turns> {
        self.registration.as_ref().map(Registration::turns).unwrap_or_default()
    }

    /// Reserves a reply, and fills it with what comes of a command; `keep` keeps the work until then.
    fn answer(
        &self,
        said: &[u8],
        reserve: impl FnOnce(&Replies) -> Ticket,
        done: Deferred<Vec<u8>>,
        keep: impl FnOnce(&Replies, Ticket, Deferred<()>),
    ) {
        let Some(replies) = &self.replies else { return done.add_both(|_| ()).detach() };
        if let Some(registration) = &self.registration {
            replies.set_max_under_way(registration.max_waiting());
        }
        let ticket = reserve(replies);
        let (filled, refusing, said) = (replies.clone(), self.refusing(), said.to_vec());
        let sent = done.add_both(move |reply| {
            let reply = reply.unwrap_or_else(|failure| match failure.check::<Refusal>() {
                Some(why) => refusing.refuse(&said, why),
                None => [b"? ", &said[..], b"\n"].concat(), // It was cancelled: nobody reads this.
            });
            filled.fill(ticket, reply);
        });
        keep(replies, ticket, sent);
    }
}
