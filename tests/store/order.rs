//! The function in the store decides as the table of a server does: on a real server, under a locale that sorts text
//! otherwise than bytes.

use super::util::Directory;
use super::*;
use proxyherd::config::TlsConfig;
use proxyherd::locations::{Locations, Stamp, Verdict, Version};
use proxyherd::message::{self, Command};
use proxyherd::store::{Access, Offer, Offered, Store, Stored};
use reactor::sim::Random;
use std::cell::RefCell;
use std::time::Duration;

/// A locale of this machine that sorts "a" before "B": made here, because most machines have none.
fn other_locale(directory: &Directory) -> Option<[(String, String); 2]> {
    let made = directory.path().join("en_US.UTF-8");
    let localedef = std::process::Command::new("localedef").args(["-i", "en_US", "-f", "UTF-8"]).arg(&made).output();
    let is_made = localedef.is_ok_and(|output| output.status.success()) && made.exists();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    is_made.then(|| [("LOCPATH".into(), text(directory.path())), ("LC_ALL".into(), "en_US.UTF-8".into())])
}

/// Parts that often meet: versions with the same time, or the same server, or nearly the same text.
fn any_line(random: &mut Random) -> Vec<u8> {
    fn one<'a>(random: &mut Random, all: &[&'a [u8]]) -> &'a [u8] {
        all[random.below(all.len() as u64) as usize]
    }
    let times: [&[u8]; 14] = [
        b"1400794645.392014450",
        b"1400794645.392014451",
        b"1400794645",
        b"1400794645.0",
        b"+1400794645",
        b"1400794646",
        b"0",
        b"-0",
        b"-1.5",
        b"-1.500000001",
        b"999999999999.999999999",
        b"-999999999999.999999999",
        b"9",
        b"10",
    ];
    let servers: [&[u8]; 12] =
        [b"Alford", b"alford", b"Alfor", b"Alford-2", b"B", b"a", b"Z", b"z", b"\xc3\xa4", b"\xff", b"_", b"\x01"];
    let differences: [&[u8]; 3] = [b"+0.000000000", b"-0.000000001", b"+12.500000000"];
    let places: [&[u8]; 4] = [b"+34.068930-118.445127", b"+34.0-118", b"-89.5+0", b"+90-180"];
    let (time, server) = (one(random, &times), one(random, &servers));
    let difference = one(random, &differences);
    match random.chance(1, 8) {
        true => [b"FORGOT ", server, b" ", difference, b" c ", time].concat(),
        false => [b"AT ", server, b" ", difference, b" c ", one(random, &places), b" ", time].concat(),
    }
}

/// What the store says of a line that it has.
fn stored(line: &[u8]) -> Stored {
    let (time, clock) = match message::parse(line) {
        Ok(Command::At(at)) => (at.iamat.time, at.clock()),
        Ok(Command::Forgot(forgot)) => (forgot.time, forgot.clock()),
        other => panic!("{other:?}"),
    };
    Stored { line: line.to_vec(), time, heard: Stamp::from(clock.unwrap()) }
}

/// The same line for this client.
fn of_client(line: &[u8], client: &[u8]) -> Vec<u8> {
    let at = line.windows(3).position(|part| part == b" c ").unwrap();
    [&line[..=at], client, &line[at + 2..]].concat()
}

fn versions<T>(line: &[u8], take: impl FnOnce(Offer<'_>) -> T) -> T {
    let (client, time, location) = match message::parse(line) {
        Ok(Command::At(at)) => (at.iamat.client, at.iamat.time, Some(at.iamat.location)),
        Ok(Command::Forgot(forgot)) => (forgot.client, forgot.time, None),
        other => panic!("{other:?}"),
    };
    // The times are of all centuries: none of them shall expire meanwhile.
    let version = Version { client, time, heard: Stamp::from_nanoseconds(i64::MAX), line };
    take(Offer { version, location, forget: Duration::MAX, may_be_new: true })
}

fn compare_on(redis: &Redis, pairs: usize) {
    let harness = Harness::new();
    let config = StoreConfig::of(vec![HostPort { host: "127.0.0.1".to_owned(), port: redis.port }]);
    let access = Access::read(&harness.reactor, &config, &TlsConfig::default()).unwrap();
    let store = Store::new(&harness.reactor, &config, &access, "test", 1 << 20);
    store.begin(|| ());
    harness.turn_until("the functions are there", || redis.ask(&["FCALL", "proxyherd_version", "0"]).trim() == "1");
    let (mut random, mut table) = (Random::new(redis.port.into()), Locations::new(1 << 30));
    let wrong: Rc<RefCell<Vec<String>>> = Rc::default();
    let (mut seen, mut left) = ([0; 3], pairs);
    while left > 0 {
        let mut offered = Vec::new();
        for number in 0..left.min(1000) {
            let client = format!("client-{left}-{number}");
            let first = any_line(&mut random);
            let second = if random.chance(1, 50) { first.clone() } else { any_line(&mut random) };
            for line in [first, second] {
                let line = of_client(&line, client.as_bytes());
                versions(&line, |offer| {
                    let verdict = table.offer_version(&offer.version, None, || Ok(()));
                    let expected = match &verdict {
                        Verdict::Newer(change) => Offered::Stored { is_new: change.before.is_none() },
                        Verdict::Same => Offered::Same,
                        Verdict::Older(client) => {
                            let known = table.of(*client);
                            Offered::Older(stored(&known.line))
                        }
                        other => panic!("{other:?}"),
                    };
                    seen[match expected {
                        Offered::Stored { .. } => 0,
                        Offered::Same => 1,
                        _ => 2,
                    }] += 1;
                    let (wrong, shown) = (wrong.clone(), line.escape_ascii().to_string());
                    offered.push(store.offer(&offer).add_both(move |found| {
                        if found.as_ref().ok() != Some(&expected) {
                            wrong.borrow_mut().push(format!("{shown}: {found:?}, and not {expected:?}"));
                        }
                    }));
                });
            }
        }
        harness.turn_until("the store answers", || offered.iter().all(Deferred::has_fired));
        left -= left.min(1000);
    }
    assert_eq!(wrong.borrow().first(), None, "and {} more", wrong.borrow().len());
    assert!(seen[0] > pairs && seen[1] > pairs / 100 && seen[2] > pairs / 4, "{seen:?}");
}

#[test]
fn the_function_and_the_table_agree_on_ten_thousand_pairs() {
    let Some(redis) = started_redis() else { return };
    compare_on(&redis, 10_000);
}

#[test]
fn they_agree_where_the_store_sorts_text_otherwise_than_bytes() {
    let directory = Directory::new();
    let Some(variables) = other_locale(&directory) else {
        return crate::skip::skipped("there is no localedef with en_US here");
    };
    let variables = variables.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let Some(redis) = Redis::start_with(&[], &variables) else { return };
    let ask = "return tostring('a' < 'B')";
    wait_until_it_answers(&redis);
    assert_eq!(redis.ask(&["EVAL", ask, "0"]).trim(), "true", "its Lua does not follow this locale");
    compare_on(&redis, 10_000);
}
