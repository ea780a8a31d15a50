use super::act::Act;
use super::address::{Address, Place};
use super::film::{Film, Wish};
use super::lessons::LESSONS;
use super::picture;
use super::show::Show;
use reactor::sim::Random;
use serde_json::Value;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn film(text: &str) -> Film {
    let mut film = Film::new(address(text), 1.0).unwrap();
    travel(&mut film);
    film
}

/// Lets a film that is on its way come to where it goes.
fn travel(film: &mut Film) {
    while film.is_travelling() {
        film.tick(Instant::now(), SECOND);
    }
}

fn wish(film: &mut Film, text: &str) {
    film.wish(Wish::parse(text).unwrap(), Instant::now()).unwrap_or_else(|error| panic!("{text}: {error}"));
    travel(film);
}

/// The picture of a film that stands still, and how far it has been seen, which is not part of the run.
fn hello(film: &Film) -> String {
    let seen = format!("\"seen_until\":{:?}", film.seen_until.as_secs_f64());
    let hello = picture::hello(film, "p");
    assert!(hello.contains(&seen), "{seen}");
    hello.replace(&seen, "")
}

fn world(film: &Film) -> Value {
    picture::world(film)
}

/// A run of an address in one piece: its hash at the end.
fn hash_of(text: &str) -> u64 {
    let Address { settings, clicks, at } = address(text);
    let mut show = Show::new(&settings, clicks).unwrap();
    assert!(show.advance(at.unwrap(), Duration::MAX));
    show.world().trace_hash()
}

/// Plays with the herd of this address as a person does, and returns the film.
fn played_with(text: &str) -> Film {
    let mut film = film(text);
    let mut random = Random::new(7);
    let mut now = Instant::now();
    let acts = [
        "kill Parker",
        "iamat kiwi Alford +1+1",
        "event",
        "cut Alford Powell",
        "turn",
        "restart Parker",
        "event",
        "event",
        "twice guest Bolden +2+2 +3+3",
        "freeze Hamilton",
        "slow Bolden Parker",
        "rule paper",
        "clock Powell -60",
        "lossy Alford Parker",
        "whatsat kiwi Alford 10 5",
        "wander guest",
        "thaw Hamilton",
        "crash Powell",
        "split Alford Bolden",
        "rest kiwi",
        "heal",
        "mend Alford Powell",
        "cut-one-way Bolden Powell",
        "restart Powell",
        "rule newest",
    ];
    for act in acts {
        if random.chance(2, 3) {
            film.wish(Wish::Play, now).unwrap();
            for _ in 0..random.below(12) {
                now += random.between(Duration::ZERO, SECOND / 6);
                film.tick(now, SECOND);
            }
        }
        film.wish(Wish::parse(act).unwrap(), now).unwrap_or_else(|error| panic!("{act}: {error}"));
        // Another act at once, in the middle of what the first one has begun.
        film.wish(Wish::parse("iamat emu Powell +5+5").unwrap(), now).unwrap();
    }
    wish(&mut film, "event");
    film
}

#[test]
fn what_a_mouse_does_is_the_same_run_when_its_address_is_run_in_one_piece() {
    let film = played_with("#seed=3&clients=5&every=2&at=2");
    let text = film.address().to_string();
    assert!(text.matches(';').count() > 30, "{text}");
    assert_eq!(hash_of(&text), film.show.world().trace_hash(), "{text}");
}

#[test]
fn after_a_split_every_link_can_be_mended_by_itself() {
    let mut film = film("#clients=0&every=0&at=5");
    wish(&mut film, "split Alford Bolden");
    let cut = |film: &Film| world(film)["links"].as_array().unwrap().len();
    // Of the paper's links, these join the two sides; each is cut in both directions.
    let crossing = [("Alford", "Parker"), ("Alford", "Powell"), ("Bolden", "Parker"), ("Bolden", "Powell")];
    assert_eq!(cut(&film), 2 * crossing.len());
    for (one, other) in crossing {
        wish(&mut film, &format!("mend {one} {other}"));
    }
    assert_eq!(cut(&film), 0);
    wish(&mut film, "go 60");
    let world = world(&film);
    let is_open = |invariant: &&Value| invariant["state"] == "open";
    let open: Vec<_> = world["invariants"].as_array().unwrap().iter().filter(is_open).collect();
    assert!(open.is_empty(), "nothing is broken any more: {open:?}");
}

#[test]
fn an_act_between_two_events_of_the_same_moment_is_done_there_again() {
    let mut film = film("#seed=1&clients=0&jitter=0&at=5&do=5:iamat,kiwi,Alford,+1+1");
    while film.show.place().events.is_none() {
        wish(&mut film, "event");
    }
    wish(&mut film, "kill Alford");
    wish(&mut film, "go 9");
    let text = film.address().to_string();
    assert!(text.contains('@'), "{text}");
    assert_eq!(hash_of(&text), film.show.world().trace_hash(), "{text}");
}

#[test]
fn back_in_time_the_picture_is_the_same_to_the_byte() {
    let mut film =
        film("#seed=5&clients=6&every=2&at=9&do=3:cut,Alford,Powell;5:whatsat,kiwi,Bolden,10,5;8:kill,Parker");
    let (first, hash) = (hello(&film), film.show.world().trace_hash());
    assert!(first.contains("\"kind\":\"answered\"") && first.contains("kill Parker"), "{first}");
    wish(&mut film, "go 75");
    assert_ne!(hello(&film), first);
    wish(&mut film, "go 9");
    assert_eq!((hello(&film), film.show.world().trace_hash()), (first.clone(), hash));
    // Also where it comes there in small steps, and by itself.
    wish(&mut film, "go 8.9");
    let mut now = Instant::now();
    film.wish(Wish::Play, now).unwrap();
    while film.show.world().now() < 9 * SECOND {
        now += SECOND / 1000;
        film.tick(now, SECOND);
    }
    film.wish(Wish::Pause, now).unwrap();
    assert_eq!(hello(&film), first);
    assert_eq!(film.failures(), [], "a run that is repeated is compared with how it was");
}

#[test]
fn a_world_at_rest_shows_the_same_picture_to_the_byte_and_is_used_both_ways() {
    let run = "#seed=5&clients=2&every=5&at=160&do=3:cut,Alford,Powell;50:heal;65:kill,Parker;120:restart,Parker";
    let other = |at: &str| hello(&film(&run.replace("at=160", &format!("at={at}"))));
    let mut film = film(run);
    film.prepare(SECOND * 60);
    let moments = |film: &Film| film.parked.at_rest.keys().map(Duration::as_secs).collect::<Vec<_>>();
    assert_eq!(moments(&film), [30, 60, 90], "the last minute is run again in any case");
    wish(&mut film, "go 130");
    assert_eq!((moments(&film), hello(&film)), (vec![30, 90], other("130")));
    wish(&mut film, "go 20");
    wish(&mut film, "go 155");
    assert_eq!((moments(&film), hello(&film)), (vec![30], other("155")));
    wish(&mut film, "go 70");
    film.prepare(SECOND * 60);
    assert_eq!((moments(&film), film.failures()), (vec![30, 60, 90], vec![]));
    // From here on it is another run, and no world of the old one is left.
    wish(&mut film, "kill Hamilton");
    assert_eq!(moments(&film), [30, 60]);
    wish(&mut film, "go 155");
    film.prepare(SECOND * 60);
    wish(&mut film, "go 151");
    assert_eq!(moments(&film), [30, 60], "the one at 90 was made again, and used");
    let text = film.address().to_string();
    assert_eq!(hash_of(&text), film.show.world().trace_hash(), "{text}");
    assert!(text.ends_with("65:kill,Parker;70:kill,Hamilton"), "{text}");
}

#[test]
fn one_event_back_and_on_again_comes_to_the_same_place() {
    let mut film = film("#seed=5&clients=6&every=1&at=5");
    for _ in 0..40 {
        wish(&mut film, "event");
    }
    let (there, events) = (hello(&film), film.show.world().event_count());
    wish(&mut film, "back");
    assert_eq!(film.show.world().event_count(), events - 1);
    wish(&mut film, "event");
    assert_eq!(hello(&film), there);
    let turns = film.show.world().turn_count();
    wish(&mut film, "turn");
    assert_eq!(film.show.world().turn_count(), turns + 1);
}

#[test]
fn an_act_in_the_past_begins_another_run_and_an_act_to_come_comes_again() {
    let mut film = film("#seed=5&clients=0&at=9&do=3:cut,Alford,Powell;8:kill,Parker");
    wish(&mut film, "go 5");
    assert_eq!(film.show.clicks().1, 1);
    wish(&mut film, "go 9");
    assert_eq!(world(&film)["hosts"][3]["state"], "ended");
    wish(&mut film, "go 5");
    wish(&mut film, "freeze Parker");
    wish(&mut film, "go 9");
    assert_eq!(world(&film)["hosts"][3]["state"], "frozen");
    assert_eq!(film.address().to_string().split("&do=").nth(1), Some("3:cut,Alford,Powell;5:freeze,Parker"));
}

#[test]
fn the_smallest_storm_goes_on_until_the_rule_is_newest() {
    let mut film = film(LESSONS[0].address);
    wish(&mut film, "go 8");
    let storm = world(&film);
    assert_eq!((&storm["storms"], &storm["storms_seen"]), (&Value::from(1), &Value::from(1)), "{storm}");
    assert!(storm["told"].as_u64() > storm["bound"].as_u64(), "{storm}");
    let state = |world: &Value, name: &str| -> String {
        let all = world["invariants"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state(&storm, "never backwards"), state(&storm, "determinism")), ("broken".into(), "holds".into()));
    wish(&mut film, "rule newest");
    wish(&mut film, "go 9");
    let over = world(&film);
    assert_eq!((&over["storms"], &over["stale"]), (&Value::from(0), &Value::from(0)), "{over}");
    assert_eq!(state(&over, "convergence"), "holds");
    let told = over["told"].clone();
    wish(&mut film, "go 30");
    assert_eq!(world(&film)["told"], told, "all is said");
}

#[test]
fn every_lesson_comes_to_where_its_text_leads_and_holds_under_the_rule_that_ships() {
    for lesson in &LESSONS[1..] {
        let mut address = address(lesson.address);
        let until = address.clicks.last().map_or(Duration::from_secs(12), |last| last.place.time + 20 * SECOND);
        address.at = Some(Place { time: until, events: None });
        let mut film = Film::new(address, 1.0).unwrap();
        travel(&mut film);
        assert_eq!(film.failures(), [], "{}", lesson.title);
        if film.show.settings.every == 0 {
            assert_eq!(film.show.book.convergence(), Ok(()), "{}", lesson.title);
        }
        let outcome = film.show.into_simulation().play();
        assert_eq!(outcome.failure, None, "{}", lesson.title);
    }
}

#[test]
fn last_words_reach_the_successor() {
    let mut film = film(LESSONS[3].address);
    wish(&mut film, "go 5.6");
    assert_eq!(picture::known(&film.show).len(), 0, "those who hold it are dead");
    wish(&mut film, "go 12");
    let known = picture::known(&film.show);
    assert_eq!((known.len(), &known[0]["is_held"]), (1, &Value::from(true)));
    assert_eq!(world(&film)["stale"], 0);
}

#[test]
fn messages_on_their_way_have_their_times_and_bytes() {
    let film = film("#seed=1&clients=0&delay=200&jitter=0&every=0&at=5.7&do=5:iamat,kiwi,Alford,+1+1");
    let flights = picture::flights(&film.show);
    let is_at = |one: &&Value| one["to"] == "Parker" && one["text"].as_str().unwrap().starts_with("AT Alford +");
    let to_parker = flights["flights"].as_array().unwrap().iter().find(is_at).unwrap();
    let (sent, arrives) = (to_parker["sent"].as_f64().unwrap(), to_parker["arrives"].as_f64().unwrap());
    assert!((arrives - sent - 0.2).abs() < 1e-6 && sent < 5.7 && arrives > 5.7, "{to_parker}");
}

#[test]
fn a_wish_that_cannot_be_done_is_refused_with_a_reason() {
    let mut film = film("#clients=0&at=1");
    for (text, why) in [
        ("speed 0", "a speed is a number from 0.01 to 1000"),
        ("go -1", "\"-1\" is not a time in a run of at most a day, such as 12.25 or 12.25@4711"),
        ("kill Nobody", "there is no server \"Nobody\""),
        ("dance", "\"dance\" is not something that can be done"),
        ("load #servers=0", "servers is a whole number from 1 to 200, not \"0\""),
    ] {
        let done = Wish::parse(text).and_then(|wish| film.wish(wish, Instant::now()));
        assert_eq!(done, Err(why.to_owned()), "{text}");
    }
    assert_eq!(film.show.clicks().0.len(), 0);
    let act: Act = "heal".parse().unwrap();
    for _ in 0..super::address::MAX_ACTS {
        film.wish(Wish::Act(act.clone()), Instant::now()).unwrap();
    }
    let full = film.wish(Wish::Act(act), Instant::now());
    assert_eq!(full, Err("a run has at most 2000 acts".to_owned()));
}

#[test]
fn all_files_are_small_and_obey_the_policy() {
    let own: usize = super::FILES.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(own < 80 * 1024, "{own} bytes, besides those of a server's page");
    for (path, bytes) in super::FILES {
        let text = std::str::from_utf8(bytes).expect("text").replace("http://www.w3.org/2000/svg", "");
        for word in [" style=\"", "<style", " onclick=", "javascript:", "eval(", "http:", "https:", "//www."] {
            assert!(!text.contains(word), "{path}: {word}");
        }
    }
}

#[test]
fn what_the_papers_rule_takes_although_it_is_older_is_called_so() {
    let storm =
        "#servers=3&links=ring&clients=0&rule=paper&delay=200&jitter=0&every=0&at=7&do=5:twice,kiwi,Alford,+1+1,+2+2";
    let told = |text: &str| -> Vec<Value> {
        let all: Vec<Value> = serde_json::from_str(&picture::hello(&film(text), "p")).unwrap();
        all.into_iter().filter(|event| event["verdict"] == "older_taken").collect()
    };
    let taken = told(storm);
    assert!(!taken.is_empty());
    for event in taken {
        let time = |name: &str| event[name].as_str().unwrap().parse::<f64>().unwrap();
        assert!(time("time") < time("held"), "{event}");
    }
    assert_eq!(told(&storm.replace("paper", "newest")).len(), 0);
}

#[test]
fn a_client_that_moves_near_a_pole_breaks_nothing() {
    let film = film("#clients=0&every=1&at=60&do=3:iamat,guest,Alford,+89.99+179.99;3.5:wander,guest");
    assert_eq!(film.failures(), []);
    assert!(!picture::hello(&film, "p").contains("\"kind\":\"refused\""));
}
