//! A WHATSAT: the Places service is asked, and what it says becomes the reply.
//!
//! Next: `../next_turn.rs`, work that goes on in the next turn of the loop.

use super::Server;
use crate::address_group::AddressGroup;
use crate::counters::PlacesOutcome;
use crate::decimal;
use crate::locations::Stamp;
use crate::message::{self, Command, WhatsAt};
use crate::places::{self, Nearby, NotAsked};
use crate::watch::{Answered, Stages};
use reactor::http::{RequestStep, RequestTiming};
use reactor::{Context, Deferred};
use std::time::Instant;

impl Server {
    /// Asks the Places service what is near a client, for the peer at `from`, when it is its turn. The Deferred fires
    /// with the whole reply, and does not fail: if the service fails, the reply says so. `None` if the client is not
    /// known.
    pub fn whats_at(&self, asked: &WhatsAt<'_>, from: AddressGroup) -> Option<Deferred<Vec<u8>>> {
        let line = {
            let locations = self.locations.borrow();
            let known = locations.get(asked.client)?;
            // The sweep may not have come to it yet.
            if known.heard < Stamp::from(self.time()).earlier_by(self.limits().forget).max(locations.horizon()) {
                return None;
            }
            known.line.to_vec()
        };
        // Nothing of ours stays borrowed: the provider runs code of its own.
        self.answer(line, asked, from)
    }

    /// The same for a client of which this line says where it is. `None` if it is a FORGOT, which has no location.
    pub(super) fn answer(&self, line: Vec<u8>, asked: &WhatsAt<'_>, from: AddressGroup) -> Option<Deferred<Vec<u8>>> {
        let counters = self.counters.clone();
        // Parsed again for each question: keeping the fields of every client would cost more than these few questions.
        let Ok(Command::At(at)) = message::parse(&line) else { return None };
        let location = at.iamat.location;
        let question = Nearby {
            latitude: location.latitude(),
            longitude: location.longitude(),
            radius: decimal::times_thousand(asked.radius)?,
            bound: asked.bound,
        };
        let (mut reply, bound) = (line, asked.bound);
        let (client, reactor, watch) = (asked.client.to_vec(), self.reactor.clone(), self.watch.clone());
        let asked_at = reactor.now();
        let context = Context::current().with(RequestTiming::default());
        let places = self.places.borrow().clone(); // It, too, must not stay borrowed.
        let (turn, to_ask) = (self.pacing.turn_of(from), question.clone());
        let asked = context.run(|| turn.add_callback(move |()| places.nearby(&to_ask, from)));
        let answer = asked.add_both(move |answer| {
            reply.push(b'\n');
            let head = reply.len();
            let cut = answer.map(|text| places::cut_into(&mut reply, &text, bound));
            let took = reactor.now().saturating_duration_since(asked_at);
            let mut outcome = PlacesOutcome::Answered;
            match cut {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    outcome = PlacesOutcome::Failed;
                    log::warn!("no answer of the Places service that a client can have: {error}");
                    reply.extend(places::error_answer("UNKNOWN_ERROR", &error.to_string()));
                }
                Err(failure) => {
                    let status = match failure.check::<NotAsked>() {
                        // Not a warning for each: a crowd would fill the log. Its cause is logged where it begins.
                        Some(refused) => {
                            outcome = PlacesOutcome::NotAsked;
                            log::debug!("not asked: {refused}");
                            "OVER_QUERY_LIMIT"
                        }
                        None => {
                            outcome = PlacesOutcome::Failed;
                            log::warn!("no answer from the Places service: {failure}");
                            log::debug!("where that came from: {}", failure.report());
                            "UNKNOWN_ERROR"
                        }
                    };
                    reply.extend(places::error_answer(status, &failure.to_string()));
                }
            }
            counters.places(outcome, took);
            let Nearby { latitude, longitude, radius, bound } = &question;
            let (client, places, bound) = (&client[..], &reply[head..], *bound);
            let stages =
                context.get().map_or_else(Stages::default, |timing| stages(asked_at, &timing, asked_at + took));
            watch.answered(&Answered { client, latitude, longitude, radius, bound, took, outcome, stages, places });
            reply.extend_from_slice(b"\n\n");
            Ok(reply)
        });
        Some(answer)
    }
}

/// Where the time between these two moments went.
fn stages(asked: Instant, timing: &RequestTiming, answered: Instant) -> Stages {
    let [connecting, resolved, connected, ready, head] =
        [RequestStep::Connecting, RequestStep::Resolved, RequestStep::Connected, RequestStep::Ready, RequestStep::Head]
            .map(|step| timing.when(step));
    let between = |from: Option<Instant>, to: Option<Instant>| Some(to?.saturating_duration_since(from?));
    Stages {
        queue: between(Some(asked), connecting.or(ready)),
        name: between(connecting, resolved),
        connect: between(resolved.or(connecting), connected),
        tls: between(connected, ready),
        wait: between(ready, head),
        body: between(head, Some(answered)),
    }
}
