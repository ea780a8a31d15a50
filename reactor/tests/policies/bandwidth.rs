//! The bytes a second: over any time, no more than the burst and the rate; and nothing is lost.

use super::*;
use reactor::policies::{Bandwidth, BandwidthCounts, Timeouts};
use reactor::sim::{Host, LinkSettings, World, WorldSettings};
use reactor::{Reactor, Settings, Transport};
use std::cell::{Cell, RefCell};

const RATE: u64 = 10_000;
const PORT: u16 = 8007;

/// What a connection has received, and when.
type Heard = Rc<RefCell<Vec<(Duration, usize)>>>;

/// Notes what it receives, and when.
struct Listener {
    begin: std::time::Instant,
    reactor: Reactor,
    heard: Heard,
    ended: Rc<Cell<Option<bool>>>,
}

impl Protocol for Listener {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.heard.borrow_mut().push((self.reactor.now() - self.begin, data.len()));
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.ended.set(Some(reason.is_clean()));
    }
}

/// Writes a number of bytes, and closes.
struct Talker(usize);

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'x'; self.0]);
        transport.lose_connection();
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// A link without latency, so that a test sees the policy alone.
fn world(seed: u64) -> World {
    let mut settings = WorldSettings::default();
    settings.link = LinkSettings::new(reactor::sim::Latency::Fixed(Duration::from_micros(10)));
    settings.lookup = reactor::sim::Latency::Fixed(Duration::from_micros(10));
    World::with_settings(seed, settings)
}

/// A server whose factory is made with the reactor.
fn serve<F: Factory + 'static>(world: &World, make: impl Fn(&Reactor) -> F + 'static) -> Host {
    world.host("server", move |reactor| {
        reactor.listen_tcp(format!("0.0.0.0:{PORT}").as_str(), make(reactor)).unwrap();
    })
}

struct Client {
    heard: Heard,
    ended: Rc<Cell<Option<bool>>>,
}

impl Client {
    fn total(&self) -> usize {
        self.heard.borrow().iter().map(|(_, count)| count).sum()
    }

    /// The greatest number of bytes in any window of this length.
    fn most_within(&self, window: Duration) -> usize {
        let heard = self.heard.borrow();
        let from = |begin: Duration| heard.iter().filter(move |(at, _)| *at >= begin && *at < begin + window);
        heard.iter().map(|(begin, _)| from(*begin).map(|(_, count)| count).sum()).max().unwrap_or(0)
    }
}

/// A client that listens.
fn listen(world: &World, name: &str) -> Client {
    let client = Client { heard: Rc::default(), ended: Rc::default() };
    let (heard, ended) = (client.heard.clone(), client.ended.clone());
    world.host(name, move |reactor| {
        let (own, heard, ended) = (reactor.clone(), heard.clone(), ended.clone());
        let build = move |_| Listener { begin: own.now(), reactor: own, heard, ended };
        reactor.connect(("server", PORT), build).detach();
    });
    client
}

#[test]
fn no_more_is_written_than_the_burst_and_the_rate_and_all_of_it_arrives() {
    let world = world(1);
    serve(&world, |reactor| Bandwidth::new(reactor).write_each(RATE).factory(|_peer| Talker(100_000)));
    let client = listen(&world, "client");
    world.run_for(SECOND / 2);
    assert!((10_000..=15_000).contains(&client.total()), "{}", client.total());
    world.run_for(SECOND * 8);
    assert_eq!(client.ended.get(), None, "100,000 bytes take 9 s beyond the burst");
    world.run_for(SECOND);
    assert_eq!((client.total(), client.ended.get()), (100_000, Some(true)));
    for seconds in 1..8 {
        let most = client.most_within(SECOND * seconds);
        // A millisecond more: the beginning of a window and the rounding to ticks.
        assert!(most <= (seconds as usize + 1) * 10_000 + 10, "{most} within {seconds} s");
    }
}

#[test]
fn what_is_not_read_stays_with_the_peer() {
    let world = world(3);
    let (events, bandwidth) = (Events::default(), Rc::new(RefCell::new(None)));
    let (noted, kept) = (events.clone(), bandwidth.clone());
    serve(&world, move |reactor| {
        let limits = Bandwidth::new(reactor).read_each(RATE).burst(Duration::ZERO);
        *kept.borrow_mut() = Some(limits.clone());
        limits.factory(noting(&noted))
    });
    world.host("client", |reactor| reactor.connect(("server", PORT), |_| Talker(50_000)).detach());
    let read = |bandwidth: &RefCell<Option<Bandwidth>>| bandwidth.borrow().as_ref().unwrap().counts().read;
    let mut before = 0;
    for tenth in 1..=40 {
        world.run_for(SECOND / 10);
        let now = read(&bandwidth);
        assert!(now <= 2000 + tenth * 1000 + 10, "{now} after {tenth} tenths");
        assert!(now > before, "it goes on, evenly");
        before = now;
    }
    world.run_for(SECOND);
    let all = events.all();
    assert_eq!((read(&bandwidth), all.len(), all[0].as_str()), (50_000, 4, "made"));
    assert_eq!((all[1].len(), &all[2..]), (50_005, &["end".to_owned(), "lost Done".to_owned()][..]));
}

#[test]
fn a_limit_in_all_is_shared_out_evenly_and_none_starves() {
    let world = world(4);
    serve(&world, |reactor| {
        Bandwidth::new(reactor).write_in_all(RATE).burst(Duration::ZERO).factory(|_| Talker(1_000_000))
    });
    let clients: Vec<Client> = (0..7).map(|n| listen(&world, &format!("client {n}"))).collect();
    world.run_for(SECOND * 21);
    let totals: Vec<usize> = clients.iter().map(Client::total).collect();
    let sum: usize = totals.iter().sum();
    assert!((210_000..=212_100).contains(&sum), "{totals:?}");
    let (least, most) = (totals.iter().min().unwrap(), totals.iter().max().unwrap());
    // The first has found the bucket full.
    assert!(most - least <= 2000 + 300, "{totals:?}");
}

/// Writes ten bytes again and again.
struct Dripper {
    reactor: Reactor,
    pause: Duration,
}

impl Protocol for Dripper {
    fn connection_made(&mut self, transport: &Transport) {
        fn drip(reactor: Reactor, transport: Transport, pause: Duration) {
            transport.write(&[b'.'; 10]);
            reactor.clone().call_later(pause, move || drip(reactor, transport, pause));
        }
        drip(self.reactor.clone(), transport.clone(), self.pause);
    }
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
}

/// What one that always has bytes has received after 10 s within one limit, and what `count` others have that are
/// written ten bytes again and again.
fn beside_drippers(count: u64, pause: Duration) -> (usize, usize) {
    let world = world(17);
    serve(&world, move |reactor| {
        let (own, is_first) = (reactor.clone(), Cell::new(true));
        let build = move |_| -> Box<dyn Protocol> {
            match is_first.replace(false) {
                true => Box::new(Talker(1_000_000)),
                false => Box::new(Dripper { reactor: own.clone(), pause }),
            }
        };
        Bandwidth::new(reactor).write_in_all(RATE).burst(Duration::ZERO).factory(build)
    });
    let greedy = listen(&world, "greedy");
    world.run_for(SECOND);
    let dripped = |n| {
        world.run_for(Duration::from_millis(1)); // They do not write at the same time.
        listen(&world, &format!("dripped {n}"))
    };
    let dripped: Vec<Client> = (0..count).map(dripped).collect();
    let before = greedy.total();
    world.run_for(SECOND * 10);
    (greedy.total() - before, dripped.iter().map(Client::total).sum())
}

#[test]
fn those_that_find_a_few_bytes_free_do_not_overtake_one_that_waits() {
    // Together they write as many as come in.
    let (greedy, dripped) = beside_drippers(10, Duration::from_millis(10));
    assert!((9_000..=12_000).contains(&greedy) && dripped >= 88_000, "{greedy}, {dripped}");
}

#[test]
fn a_part_that_was_not_used_is_for_the_others() {
    let (greedy, dripped) = beside_drippers(1, Duration::from_millis(50));
    assert!((1900..=2010).contains(&dripped), "{dripped}");
    assert!(greedy >= 97_000, "{greedy}");
}

#[test]
fn a_part_of_a_connection_that_has_gone_is_for_the_others() {
    let world = world(18);
    serve(&world, |reactor| {
        let is_first = Cell::new(true);
        let build = move |_| Talker(if is_first.replace(false) { 1_000_000 } else { 10 });
        Bandwidth::new(reactor).write_in_all(RATE).factory(build)
    });
    let greedy = listen(&world, "greedy");
    world.run_for(SECOND);
    world.host("brief", |reactor| {
        fn come_and_go(reactor: Reactor) {
            let begin = reactor.now();
            let build =
                move |own: Reactor| Listener { begin, reactor: own, heard: Rc::default(), ended: Rc::default() };
            let own = reactor.clone();
            reactor.connect(("server", PORT), move |_| build(own)).detach();
            reactor.clone().call_later(Duration::from_millis(50), move || come_and_go(reactor));
        }
        come_and_go(reactor.clone());
    });
    let before = greedy.total();
    world.run_for(SECOND * 10);
    assert!(greedy.total() - before >= 95_000, "{}", greedy.total() - before);
}

#[test]
fn a_connection_below_its_limits_does_not_wait_for_one_that_is_at_its_own() {
    let world = world(5);
    let bandwidth: Rc<RefCell<Option<Bandwidth>>> = Rc::default();
    let kept = bandwidth.clone();
    serve(&world, move |reactor| {
        let limits = Bandwidth::new(reactor).write_each(RATE).write_in_all(RATE * 1000);
        *kept.borrow_mut() = Some(limits.clone());
        let mut first = true;
        limits.factory(move |_| Talker(if std::mem::take(&mut first) { 100_000 } else { 100 }))
    });
    let greedy = listen(&world, "greedy");
    world.run_for(SECOND * 2);
    let modest = listen(&world, "modest");
    world.run_for(Duration::from_millis(10));
    assert_eq!((modest.total(), modest.ended.get(), greedy.ended.get()), (100, Some(true), None));
    assert!(bandwidth.borrow().as_ref().unwrap().counts().waits > 0);
}

#[test]
fn a_few_bytes_a_second_are_shared_out_byte_by_byte() {
    let world = world(6);
    serve(&world, |reactor| Bandwidth::new(reactor).write_in_all(3).burst(Duration::ZERO).factory(|_| Talker(100)));
    let clients: Vec<Client> = (0..5).map(|n| listen(&world, &format!("client {n}"))).collect();
    world.run_for(SECOND * 20);
    let totals: Vec<usize> = clients.iter().map(Client::total).collect();
    let sum: usize = totals.iter().sum();
    assert!((60..=62).contains(&sum) && totals.iter().all(|total| (10..=14).contains(total)), "{totals:?}");
}

#[test]
fn a_pause_in_the_middle_gives_no_more_than_the_burst_afterwards() {
    let world = world(7);
    let (events, transport) = (Events::default(), Rc::new(RefCell::new(None::<Transport>)));
    let (noted, kept) = (events.clone(), transport.clone());
    let bandwidth: Rc<RefCell<Option<Bandwidth>>> = Rc::default();
    let limits_kept = bandwidth.clone();
    serve(&world, move |reactor| {
        let limits = Bandwidth::new(reactor).read_each(RATE);
        *limits_kept.borrow_mut() = Some(limits.clone());
        let (noted, kept) = (noted.clone(), kept.clone());
        limits.factory(move |_| {
            let kept = kept.clone();
            let made = move |transport: &Transport| *kept.borrow_mut() = Some(transport.clone());
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        })
    });
    world.host("client", |reactor| reactor.connect(("server", PORT), |_| Talker(200_000)).detach());
    let read = || bandwidth.borrow().as_ref().unwrap().counts().read;
    world.run_for(SECOND * 2);
    transport.borrow().as_ref().unwrap().pause_producing();
    let before = read();
    world.run_for(SECOND * 5);
    assert_eq!(read(), before, "the program's pause is its own");
    transport.borrow().as_ref().unwrap().resume_producing();
    world.run_for(SECOND / 100);
    assert!(read() - before <= RATE + 200, "{} at once", read() - before);
    assert!(!transport.borrow().as_ref().unwrap().is_paused(), "a limit is not a pause");
    world.run_for(SECOND * 20);
    assert_eq!((read(), events.all().last().unwrap().as_str()), (200_000, "lost Done"));
}

#[test]
fn a_half_close_and_a_slow_close_send_everything_first() {
    /// Half-closes, and closes when the peer has.
    struct HalfCloser;
    impl Protocol for HalfCloser {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(&[b'x'; 20_000]);
            transport.lose_write_connection();
        }
        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }
    let world = world(8);
    serve(&world, |reactor| Bandwidth::new(reactor).write_each(RATE).burst(Duration::ZERO).factory(|_| HalfCloser));
    let client = listen(&world, "client");
    world.run_for(SECOND * 3);
    assert_eq!((client.total(), client.ended.get()), (20_000, Some(true)));
}

#[test]
fn the_time_limit_of_a_close_does_not_count_while_we_hold_the_bytes_back() {
    // A byte each ten seconds, and three seconds for a close: each byte comes too late for that.
    let world = World::new(9);
    let mut settings = reactor::sim::HostSettings::default();
    settings.reactor.close_timeout = SECOND * 3;
    world.host_with("server", settings, |reactor| {
        let limits = Bandwidth::new(reactor).write_in_all(1).burst(Duration::ZERO);
        // Ten connections share one byte a second.
        reactor.listen_tcp("0.0.0.0:8007", limits.factory(|_| Talker(3))).unwrap();
    });
    let clients: Vec<Client> = (0..10).map(|n| listen(&world, &format!("client {n}"))).collect();
    world.run_for(SECOND * 40);
    for client in &clients {
        assert_eq!((client.total(), client.ended.get()), (3, Some(true)));
    }
}

#[test]
fn a_stop_waits_for_no_bucket() {
    let world = World::new(10);
    let mut settings = reactor::sim::HostSettings::default();
    settings.reactor = Settings::default();
    settings.reactor.stop_timeout = SECOND;
    let host = world.host_with("server", settings, |reactor| {
        let limits = Bandwidth::new(reactor).write_each(1);
        reactor.listen_tcp("0.0.0.0:8007", limits.factory(|_| Talker(1_000_000))).unwrap();
    });
    let client = listen(&world, "client");
    world.run_for(SECOND);
    host.terminate();
    world.run_for(SECOND * 2);
    assert_eq!((host.state(), client.ended.get()), (reactor::sim::HostState::Idle, Some(false)));
    assert_eq!(host.delayed_calls_left(), 0, "no tick is left");
}

#[test]
fn nothing_ticks_while_nobody_waits() {
    let world = World::new(11);
    let host = serve(&world, |reactor| {
        Bandwidth::new(reactor).write_each(RATE).write_in_all(RATE).factory(|_| Talker(30_000))
    });
    let client = listen(&world, "client");
    world.run_for(SECOND * 4);
    assert_eq!((client.total(), client.ended.get()), (30_000, Some(true)));
    assert_eq!(host.reactor().unwrap().delayed_call_count(), 0);
}

#[test]
fn a_single_protocol_may_have_it_on_an_outgoing_connection() {
    let world = world(12);
    let heard = Client { heard: Rc::default(), ended: Rc::default() };
    let (noted, ended) = (heard.heard.clone(), heard.ended.clone());
    serve(&world, move |reactor| {
        let (reactor, noted, ended) = (reactor.clone(), noted.clone(), ended.clone());
        move |_| Listener { begin: reactor.now(), reactor: reactor.clone(), heard: noted.clone(), ended: ended.clone() }
    });
    world.host("client", |reactor| {
        let limits = Bandwidth::new(reactor).write_each(RATE).burst(Duration::ZERO);
        reactor.connect(("server", PORT), move |_| limits.wrap(Talker(20_000))).detach();
    });
    world.run_for(SECOND * 3 / 2);
    assert!(heard.ended.get().is_none() && heard.total() < 17_001, "{}", heard.total());
    world.run_for(SECOND);
    assert_eq!((heard.total(), heard.ended.get()), (20_000, Some(true)));
}

#[test]
fn a_policy_of_time_does_not_take_our_limit_for_a_peer_that_does_not_read() {
    let world = world(13);
    serve(&world, |reactor| {
        let timeouts = Timeouts::new(reactor).stalled(SECOND * 2).idle(SECOND * 2);
        timeouts.factory(Bandwidth::new(reactor).write_each(100).factory(|_peer| Talker(1000)))
    });
    let client = listen(&world, "client");
    world.run_for(SECOND * 10);
    assert_eq!((client.total(), client.ended.get()), (1000, Some(true)));
}

#[test]
#[should_panic(expected = "a bandwidth of 0 lets nothing through, ever")]
fn a_limit_of_zero_is_a_mistake() {
    let _ = Bandwidth::new(&reactor::testing::ManualClock::new()).read_in_all(0);
}

#[test]
fn without_a_limit_nothing_waits() {
    let world = world(14);
    let bandwidth: Rc<RefCell<Option<Bandwidth>>> = Rc::default();
    let kept = bandwidth.clone();
    serve(&world, move |reactor| {
        let limits = Bandwidth::new(reactor);
        *kept.borrow_mut() = Some(limits.clone());
        limits.factory(|_| Talker(1_000_000))
    });
    let client = listen(&world, "client");
    world.run_for(SECOND);
    let mut expected = BandwidthCounts::default();
    expected.written = 1_000_000;
    assert_eq!((client.total(), bandwidth.borrow().as_ref().unwrap().counts()), (1_000_000, expected));
}

#[test]
fn of_two_limits_around_each_other_the_stricter_holds_in_any_order() {
    for outer_is_stricter in [true, false] {
        let world = world(15);
        serve(&world, move |reactor| {
            let strict = Bandwidth::new(reactor).write_each(RATE).burst(Duration::ZERO);
            let loose = Bandwidth::new(reactor).write_in_all(RATE * 3);
            let factory: Box<dyn FnMut(Address) -> Box<dyn Protocol>> = match outer_is_stricter {
                true => boxed(strict.factory(loose.factory(|_| Talker(30_000)))),
                false => boxed(loose.factory(strict.factory(|_| Talker(30_000)))),
            };
            factory
        });
        let client = listen(&world, "client");
        world.run_for(SECOND * 2);
        assert!((20_000..=22_010).contains(&client.total()), "{}", client.total());
        world.run_for(SECOND);
        assert_eq!((client.total(), client.ended.get()), (30_000, Some(true)));
    }
}

fn boxed(mut factory: impl Factory + 'static) -> Box<dyn FnMut(Address) -> Box<dyn Protocol>> {
    Box::new(move |peer| factory.build_protocol(&peer).expect("nobody is refused"))
}
