//! `/metrics`: a server's numbers, for Prometheus and other programs that collect them.
//!
//! Nothing is counted here: the numbers are those of [`Status`] and of the [`Counters`](crate::counters).
//!
//! Next: `exposition.rs`, the form of the text.

use super::exposition::{Exposition, Format};
use super::feed::Feed;
use crate::counters::{PlacesOutcome, Refused};
use crate::server::Server;
use crate::status::{Status, StoreStatus};
use reactor::http::server::{Request, Response};
use reactor::{Deferred, task};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

/// Answers a request, in the format that it asks for. It takes a turn of the loop, by which the loop is measured.
pub(super) fn answer(feed: &Rc<Feed>, request: &Request) -> Deferred<Response> {
    let accept = request.header("accept").next().unwrap_or_default();
    let (format, feed) = (Format::accepted(accept), feed.clone());
    let reactor = feed.server.reactor().clone();
    let asked = reactor.now();
    task::defer_later(&reactor.clone(), Duration::ZERO, move || {
        let turn = reactor.now().saturating_duration_since(asked);
        let text = text(&feed, format, turn);
        Ok(Response::bytes(format.content_type(), text.into_bytes())?.header("Cache-Control", "no-store")?)
    })
}

fn text(feed: &Feed, format: Format, turn: Duration) -> String {
    let server = &*feed.server;
    let (status, mut text) = (Status::of(server), Exposition::new(format));
    about(server, &status, &mut text);
    commands(server, &mut text);
    links(&status, &mut text);
    if let Some(store) = &status.store {
        self::store(store, &mut text);
    }
    places(server, &mut text);
    connections(server, &status, &mut text);
    event_loop(server, &status, turn, &mut text);
    page(feed, &mut text);
    text.finish()
}

fn about(server: &Server, status: &Status, text: &mut Exposition) {
    text.gauge("proxyherd_build_info", "The version that runs, and which server of the herd it is.");
    text.sample("", &[("server", server.name()), ("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("proxyherd_clients", "Clients whose location the server knows.");
    text.sample("", &[], status.clients);
}

/// Commands by kind and outcome. A command that is refused may not have a kind: it is not well formed.
fn commands(server: &Server, text: &mut Exposition) {
    let counters = server.counters();
    text.counter("proxyherd_commands", "Commands of clients and servers, by kind and outcome.");
    for (kind, outcome, count) in [
        ("IAMAT", "answered", counters.iamat.get()),
        ("WHATSAT", "answered", counters.whatsat.get()),
        ("AT", "news", counters.at_news.get()),
        ("AT", "known", counters.at_known.get()),
    ] {
        text.sample("_total", &[("kind", kind), ("outcome", outcome)], count);
    }
    for why in Refused::ALL {
        text.sample("_total", &[("kind", kind_of(why)), ("outcome", why.name())], counters.refused(why));
    }
    text.counter("proxyherd_at_lines_sent", "Lines with a location that were sent to neighbors: the flood.");
    text.sample("_total", &[], counters.told.get());
}

fn kind_of(why: Refused) -> &'static str {
    match why {
        Refused::TooFarAhead => "IAMAT",
        Refused::UnknownClient => "WHATSAT",
        Refused::Doubtful => "AT",
        Refused::NotAPeer => "PEER",
        Refused::Malformed | Refused::NotTaken | Refused::WrongAddress => "any",
    }
}

fn links(status: &Status, text: &mut Exposition) {
    text.gauge("proxyherd_link_up", "Whether the connection to a neighbor is up.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], u8::from(link.is_up));
    }
    text.gauge("proxyherd_link_state_seconds", "For how long the connection to a neighbor has been up, or down.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], link.lasts.as_secs_f64());
    }
    text.gauge("proxyherd_link_inbound_state_seconds", "For how long a neighbor has been connected, or has not been.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], link.inbound_lasts.as_secs_f64());
    }
    text.gauge("proxyherd_link_inbound_connections", "Connections from a neighbor; one if all is well.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], link.inbound);
    }
    text.gauge("proxyherd_link_waiting_clients", "Clients that a neighbor has still to be told about.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], link.waiting);
    }
    text.gauge("proxyherd_link_buffered_bytes", "Bytes for a neighbor that wait in the server's buffer.");
    for link in &status.links {
        text.sample("", &[("neighbor", &link.neighbor)], link.buffered);
    }
}

fn store(store: &StoreStatus, text: &mut Exposition) {
    text.counter("proxyherd_store_events", "What has become of offers to the store, and of questions to it.");
    for (name, count) in &store.counters {
        text.sample("_total", &[("event", name)], count);
    }
    let connected = usize::from(store.is_connected);
    for (name, help, value) in [
        ("proxyherd_store_connected", "Whether there is a connection to each server of the store.", connected),
        ("proxyherd_store_buckets", "Parts into which the clients are divided.", usize::from(store.buckets)),
        ("proxyherd_store_lost_buckets", "Parts that the store does not take; zero if all is well.", store.lost),
        ("proxyherd_store_owed_clients", "Clients whose location the store has not got.", store.owed),
        ("proxyherd_store_foreign_keys", "Clients of these whose keys have something else.", store.foreign_keys),
        ("proxyherd_store_remembered_clients", "Clients that are remembered from the store.", store.remembered),
        ("proxyherd_store_waiting_commands", "Commands that the store has not answered yet.", store.waiting),
    ] {
        text.gauge(name, help);
        text.sample("", &[], value);
    }
}

fn places(server: &Server, text: &mut Exposition) {
    text.histogram("proxyherd_places_seconds", "Time of a question to the Places service, by outcome.");
    for outcome in PlacesOutcome::ALL {
        let (times, outcome) = (server.counters().places_times(outcome), ("outcome", outcome.name()));
        for (bound, count) in times.within() {
            let bound = format!("{:?}", bound.as_secs_f64()); // With its point, as OpenMetrics wants it.
            text.sample("_bucket", &[outcome, ("le", &bound)], count);
        }
        text.sample("_bucket", &[outcome, ("le", "+Inf")], times.count());
        text.sample("_count", &[outcome], times.count());
        text.sample("_sum", &[outcome], times.sum().as_secs_f64());
    }
}

fn connections(server: &Server, status: &Status, text: &mut Exposition) {
    text.gauge("proxyherd_connections", "Connections of clients and neighbors that are open.");
    text.sample("", &[], status.connections);
    text.counter("proxyherd_connections_made", "Connections that clients and neighbors have made.");
    text.sample("_total", &[], server.counters().connections.get());
    text.counter("proxyherd_connections_cut_off", "Connections that were closed or cut off for a limit.");
    text.sample("_total", &[], server.counters().cut_off.get());
    text.counter("proxyherd_log_lines_lost", "Lines that are not in the log, by reason.");
    for (reason, count) in [
        ("disk_too_slow", status.log.dropped),
        ("disk_error", status.log.unwritten),
        ("beyond_share", status.log.beyond),
    ] {
        text.sample("_total", &[("reason", reason)], count);
    }
}

fn event_loop(server: &Server, status: &Status, turn: Duration, text: &mut Exposition) {
    text.counter("proxyherd_loop_turns", "Turns of the event loop.");
    text.sample("_total", &[], server.reactor().turn_count());
    text.gauge(
        "proxyherd_loop_turn_seconds",
        "How long a turn of the loop took: that in which these numbers were asked for.",
    );
    text.sample("", &[], turn.as_secs_f64());
    let help = "The longest time for which one callback has held the loop since the server began.";
    text.gauge("proxyherd_loop_longest_callback_seconds", help);
    text.sample("", &[], status.longest_callback.as_ref().map_or(0.0, |(took, _)| took.as_secs_f64()));
    let began = server.reactor().system_time().checked_sub(status.uptime).unwrap_or(UNIX_EPOCH);
    text.gauge("process_start_time_seconds", "When the server began, in seconds since 1970.");
    text.sample("", &[], began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory.", status.process.memory),
        ("process_open_fds", "Open descriptors.", status.process.descriptors),
        ("process_max_fds", "Descriptors that the system allows.", status.process.descriptors_allowed),
    ] {
        if let Some(value) = value {
            text.gauge(name, help);
            text.sample("", &[], value);
        }
    }
}

fn page(feed: &Feed, text: &mut Exposition) {
    text.gauge("proxyherd_page_viewers", "Browsers that look at the page.");
    text.sample("", &[], feed.viewer_count());
    let Some(http) = feed.http() else { return };
    let counts = http.counts();
    text.counter("proxyherd_page_requests", "Requests to the page, /metrics included.");
    text.sample("_total", &[], counts.requests);
    text.counter("proxyherd_page_viewers_dropped", "Viewers that were dropped because they did not read.");
    text.sample("_total", &[], counts.too_slow);
}
