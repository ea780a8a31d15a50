//! What a server does with a [`Store`]: it offers what clients and neighbors say, and asks for what it does not know.
//!
//! ```text
//!   IAMAT, or a neighbor's AT --> offered to the store --> it has it: an IAMAT is answered
//!                                        |
//!                                        '--> it does not: into the table, and to the neighbors, as without a store
//!                                                          (or refused, if `on_loss` says so and a client said it)
//!   the table --> offered again when the store is back, MAX_AGAIN at a time --> what the store has leaves the table
//! ```
//!
//! So the table has what the store has not, and everything else in a server is as it is without a store.
//!
//! Next: `owing.rs`, what a server owes to a store.

use super::owing::{MAX_FROM_NEIGHBORS, Storing};
use super::{NotTaken, Server};
use crate::address_group::AddressGroup;
use crate::config::OnLoss;
use crate::connections::Turns;
use crate::decimal::Time;
use crate::locations::{Change, ClientId, Forgotten, Known, NeighborId, Place, Stamp, Version, newness};
use crate::message::{self, At, Command, Forgot, Location, WhatsAt};
use crate::newcomers::Share;
use crate::store::{Offer, Offered, Stored, Trouble};
use reactor::{Deferred, DelayedCall, Failure, Transport, deferred};
use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

/// After a version was not taken again, the next one is offered after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Server {
    /// The store beside the herd, if there is one.
    pub fn storing(&self) -> Option<&Storing> {
        self.storing.as_ref()
    }

    pub(super) fn begin_storing(self: &Rc<Self>) {
        if let Some(storing) = &self.storing {
            let this = Rc::downgrade(self);
            storing.store.begin(move || this.upgrade().into_iter().for_each(|server| server.offer_again()));
        }
    }

    /// Fires when nothing waits for the store any more: what it has not taken is in the table, and on its way to the
    /// neighbors.
    pub(super) fn stop_storing(&self) -> Deferred<()> {
        self.storing.as_ref().map_or_else(|| deferred::succeed(()), Storing::stop)
    }

    // ---- What is said.

    /// Offers what a client at `from` said, as an AT, to the store, when it is the client's turn; `line` is the same AT
    /// as a line, `now` what [`time`](Server::time) has returned. Fires when the client may have its reply, or with the
    /// reason why it must not. It does not fail.
    pub fn offer_iamat(
        self: &Rc<Self>,
        turns: &Turns,
        at: &At<'_>,
        line: &[u8],
        now: Time,
        from: AddressGroup,
    ) -> Deferred<Result<(), NotTaken>> {
        self.watch.offered(at, line);
        let (limits, now_here) = (self.limits(), self.reactor.now());
        let may_be_new = self.forgetting.newcomers.borrow().has_room(from, Share::of(&limits), now_here);
        let (server, said) = (self.clone(), line.to_vec());
        let offered = self.in_turn(turns, move || server.offer_to_store(&said, may_be_new));
        let (server, line) = (self.clone(), line.to_vec());
        offered.add_both(move |offered| Ok(server.iamat_offered(offered, &line, now, from)))
    }

    fn iamat_offered(
        &self,
        offered: Result<Offered, Failure>,
        line: &[u8],
        now: Time,
        from: AddressGroup,
    ) -> Result<(), NotTaken> {
        let (Ok(Command::At(at)), Some(storing)) = (message::parse(line), &self.storing) else { return Ok(()) };
        match offered {
            Ok(Offered::NotAdmitted) => return Err(NotTaken::BeyondShare),
            Ok(Offered::Stored { is_new }) => {
                if is_new {
                    let (share, now) = (Share::of(&self.limits()), self.reactor.now());
                    // Its share was looked at before: it may be exceeded by what was on its way.
                    self.forgetting.newcomers.borrow_mut().admit(from, share, now);
                }
                self.watch.stored(&at, line, true);
            }
            Ok(Offered::Same | Offered::Older(_)) => self.watch.stored(&at, line, false),
            Err(_) if storing.on_loss.get() == OnLoss::Refuse => {
                storing.counters.refused.add();
                return Err(NotTaken::NoStore);
            }
            Err(_) => {
                storing.counters.flooded.add();
                return self.take_iamat(&at, line, now, || from);
            }
        }
        self.watch.done();
        Ok(())
    }

    /// Offers a neighbor's AT to the store. If the store does not take it, it is taken as without a store. `transport`
    /// is the neighbor's connection: if too many wait, it is not read from for a while.
    pub fn offer_at(self: &Rc<Self>, storing: &Storing, at: &At<'_>, from: Option<NeighborId>, transport: &Transport) {
        let mut line = Vec::new();
        at.write_to(&mut line);
        self.offer_line(storing, line, transport, move |server, line| {
            if let Ok(Command::At(at)) = message::parse(line) {
                server.take_at(&at, from);
            }
        });
    }

    /// The same for a FORGOT.
    pub fn offer_forgot(
        self: &Rc<Self>,
        storing: &Storing,
        forgot: &Forgot<'_>,
        from: Option<NeighborId>,
        transport: &Transport,
    ) {
        let mut line = Vec::new();
        forgot.write_to(&mut line);
        self.offer_line(storing, line, transport, move |server, line| {
            if let Ok(Command::Forgot(forgot)) = message::parse(line) {
                server.take_forgot(&forgot, from);
            }
        });
    }

    fn offer_line(
        self: &Rc<Self>,
        storing: &Storing,
        line: Vec<u8>,
        transport: &Transport,
        or_else: impl FnOnce(&Server, &[u8]) + 'static,
    ) {
        // It would take the place of something that was heard later, and then expire at once.
        if version_of(&line).is_some_and(|(version, _)| version.heard < self.oldest_for_store()) {
            return or_else(self, &line);
        }
        storing.from_neighbors.set(storing.from_neighbors.get() + 1);
        let offered = self.offer_to_store(&line, true);
        let server = self.clone();
        offered
            .add_both(move |offered| {
                match offered {
                    Ok(Offered::Stored { .. }) => server.counters.at_news.add(),
                    Ok(_) => server.counters.at_known.add(),
                    Err(_) => or_else(&server, &line),
                }
                if let Some(storing) = &server.storing {
                    storing.from_neighbors.set(storing.from_neighbors.get() - 1);
                    storing.let_neighbors_go_on();
                }
            })
            .detach();
        if storing.from_neighbors.get() >= MAX_FROM_NEIGHBORS {
            transport.pause_producing();
            storing.held_back.borrow_mut().push(transport.clone());
        }
    }

    /// Has the store do `work` when it is the turn of the address that asks.
    fn in_turn<T: 'static>(&self, turns: &Turns, work: impl FnOnce() -> Deferred<T> + 'static) -> Deferred<T> {
        let timeout = self.storing.as_ref().map_or(Duration::ZERO, |storing| storing.store.config().timeout);
        turns.run(&self.reactor, timeout, work)
    }

    /// Offers a version that a server has heard. Unless its client `may_be_new`, the store must know the client.
    fn offer_to_store(&self, line: &[u8], may_be_new: bool) -> Deferred<Offered> {
        let (Some(storing), Some((version, location))) = (&self.storing, version_of(line)) else {
            return deferred::fail(Failure::msg("it is neither an AT nor a FORGOT, or there is no store"));
        };
        storing.store.offer(&Offer { version, location, forget: self.limits().forget, may_be_new })
    }

    /// What was heard before this has expired in the store.
    fn oldest_for_store(&self) -> Stamp {
        Stamp::from(self.time()).earlier_by(self.limits().forget)
    }

    // ---- What the store has not taken.

    /// A version is in the table: the store lacks it.
    pub(super) fn owe(&self, change: &Change) {
        let Some(storing) = &self.storing else { return };
        let client = change.place.client;
        storing.owe(client, &self.locations.borrow().of(client).client);
        self.offer_again_within(AGAIN_AFTER);
    }

    /// A client has left the table: no link tells of it, and the store is owed nothing.
    pub(super) fn drop_from_links(&self, forgotten: &Forgotten) {
        self.links().iter().for_each(|link| link.forget(forgotten));
        if let Some(storing) = &self.storing {
            storing.owe_no_more(forgotten);
        }
    }

    fn offer_again_within(&self, delay: Duration) {
        let Some(storing) = &self.storing else { return };
        // What a stop makes fail goes into the table, and waits for nothing there.
        if !storing.store.is_running() {
            return;
        }
        if storing.next_call.borrow().as_ref().is_some_and(DelayedCall::active) {
            return;
        }
        let this = self.this.clone();
        let call = self.reactor.call_later(delay, move || {
            let Some(server) = this.upgrade() else { return };
            if let Some(storing) = &server.storing {
                for number in storing.take_waiting(server.reactor.now()) {
                    let client = ClientId::from_index(number as usize);
                    if let Some((_, known)) = server.locations.borrow().known_at(client) {
                        storing.owe(client, &known.client);
                    }
                }
            }
            server.offer_again();
            if server.storing.as_ref().is_some_and(Storing::has_waiting_keys) {
                server.offer_again_within(AGAIN_AFTER);
            }
        });
        storing.next_call.replace(Some(call));
    }

    /// Offers what the table has to the store, if the store takes it.
    fn offer_again(&self) {
        let Some(storing) = &self.storing else { return };
        while let Some(client) = storing.next_owed() {
            let found = {
                let (locations, oldest) = (self.locations.borrow(), self.oldest_for_store());
                let found = locations.known_at(client).filter(|(_, known)| known.heard >= oldest);
                found.map(|(place, known)| (place, known.line.to_vec()))
            };
            // What is gone, or will be swept out of the table soon, is not owed.
            let Some((place, line)) = found else { continue };
            storing.again.set(storing.again.get() + 1);
            let this = self.this.clone();
            self.offer_to_store(&line, true)
                .add_both(move |offered| {
                    if let Some(server) = this.upgrade() {
                        let outcome = offered.map(drop).map_err(|failure| Trouble::of(&failure));
                        server.offered_again(place, outcome);
                    }
                })
                .detach();
        }
    }

    fn offered_again(&self, place: Place, outcome: Result<(), Trouble>) {
        let Some(storing) = &self.storing else { return };
        storing.answered_again(place.client, outcome, self.reactor.now());
        if let Err(trouble) = outcome {
            self.offer_again_within(AGAIN_AFTER);
            // The key of one client says nothing about the others.
            if trouble == Trouble::ForeignKey {
                self.offer_again();
            }
            return;
        }
        // If it has changed meanwhile, it was noted once more.
        let gone = self.locations.borrow_mut().take_out(place);
        if let Some(gone) = gone {
            storing.counters.caught_up.add();
            self.drop_from_links(&gone);
            self.watch.moved(&gone.known);
            self.watch.done();
        }
        self.offer_again();
    }

    // ---- What is asked.

    /// Whether the store would say nothing about this client now.
    pub fn lacks_store_for(&self, client: &[u8]) -> bool {
        self.storing.as_ref().is_some_and(|storing| storing.store.cannot_read(storing.store.bucket_of(client)))
    }

    /// What is known of a client, here or in the store: the newer one. Does not fail: what the store does not say
    /// counts as nothing.
    fn look_up(self: &Rc<Self>, storing: &Storing, turns: &Turns, client: &[u8]) -> Deferred<Option<Stored>> {
        let (store, asked) = (storing.store.clone(), client.to_vec());
        let (server, client) = (self.clone(), client.to_vec());
        self.in_turn(turns, move || store.look_up(&asked)).add_both(move |found| {
            if let Ok(stored) = &found {
                server.watch.looked_up(&client, stored.as_ref().map(|stored| &stored.line[..]));
            }
            let locations = server.locations.borrow();
            let here = locations.get(&client);
            let is_young = |stored: &Stored| stored.heard >= server.oldest_for_store();
            Ok(newest(found.ok().flatten(), here).filter(is_young))
        })
    }

    /// As [`whats_at`](Server::whats_at), where the store may know the client. Fires with `None` if nobody knows it.
    pub fn whats_at_with_store(
        self: &Rc<Self>,
        storing: &Storing,
        turns: &Turns,
        asked: &WhatsAt<'_>,
        from: AddressGroup,
    ) -> Deferred<Option<Vec<u8>>> {
        let server = self.clone();
        let (client, radius, bound) = (asked.client.to_vec(), asked.radius.to_vec(), asked.bound);
        self.look_up(storing, turns, asked.client).add_callback(move |found| {
            let asked = WhatsAt { client: &client, radius: &radius, bound };
            match found.and_then(|stored| server.answer(stored.line, &asked, from)) {
                Some(answer) => answer.add_callback(|reply| Ok(Some(reply))),
                None => deferred::succeed(None),
            }
        })
    }

    /// As [`forget`](Server::forget), where the store may know the client. It goes into the table, from there to the
    /// store, and to the neighbors. Does not fail.
    pub fn forget_with_store(
        self: &Rc<Self>,
        storing: &Storing,
        turns: &Turns,
        client: &[u8],
    ) -> Deferred<Result<Vec<u8>, NotTaken>> {
        let (server, client) = (self.clone(), client.to_vec());
        self.look_up(storing, turns, &client).add_callback(move |found| {
            let found = found.filter(Stored::has_location);
            let forgotten = found.ok_or(NotTaken::Unknown);
            let forgotten = forgotten.and_then(|found| server.forget_known(&client, found.time, found.heard));
            server.offer_again();
            Ok(forgotten)
        })
    }
}

/// The version that an AT or a FORGOT tells of, and its location, if it has one.
fn version_of(line: &[u8]) -> Option<(Version<'_>, Option<Location<'_>>)> {
    let (client, time, clock, location) = match message::parse(line) {
        Ok(Command::At(at)) => (at.iamat.client, at.iamat.time, at.clock(), Some(at.iamat.location)),
        Ok(Command::Forgot(forgot)) => (forgot.client, forgot.time, forgot.clock(), None),
        _ => return None,
    };
    Some((Version { client, time, heard: Stamp::from(clock.unwrap_or(time)), line }, location))
}

/// The newer one of what the store has and of what the table has.
fn newest(stored: Option<Stored>, here: Option<&Known>) -> Option<Stored> {
    let Some(known) = here else { return stored };
    match stored {
        Some(stored) if newness(stored.time, &stored.line, known) != Ordering::Less => Some(stored),
        _ => Some(Stored { line: known.line.to_vec(), time: known.time, heard: known.heard }),
    }
}
