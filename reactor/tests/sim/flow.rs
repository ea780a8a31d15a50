//! Bytes: how long they take, how they are split into segments, and how flow control slows a fast sender.

use super::*;
use reactor::transport::HIGH_WATER;
use std::cell::Cell;

/// Sends bytes from a client to a server. Returns when the last one arrived, and the sizes in which they were read.
fn transfer(world: &World, bytes: usize) -> (Duration, Vec<usize>) {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let noted = sizes.clone();
    server(world, &Events::default(), move |noting| {
        let noted = noted.clone();
        Noting { data: Box::new(move |_, data| noted.borrow_mut().push(data.len())), ..noting }
    });
    client(world, &Events::default(), move |noting| Noting {
        made: Box::new(move |transport| transport.write(&vec![7; bytes])),
        ..noting
    });
    let all = || sizes.borrow().iter().sum::<usize>() == bytes;
    assert!(world.run_until(10_000 * SECOND, all), "{} arrived", sizes.borrow().iter().sum::<usize>());
    (world.now(), sizes.take())
}

#[test]
fn bytes_arrive_after_the_latency_of_the_link() {
    let (took, sizes) = transfer(&world(1), 100);
    assert_eq!((took, sizes), (35 * MS, vec![100]));
}

#[test]
fn many_bytes_take_as_long_as_the_bandwidth_says() {
    let world = world(1);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).bandwidth(100_000).max_segment(1000));
    let (took, sizes) = transfer(&world, 100_000);
    assert_eq!(took, 35 * MS + SECOND);
    assert_eq!(sizes, [1000; 100]);
}

#[test]
fn connections_share_the_bandwidth_of_their_link() {
    let world = world(1);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).bandwidth(100_000).max_segment(1000));
    let (events, done) = (Events::default(), Rc::new(Cell::new(0)));
    let count = done.clone();
    server(&world, &events, move |noting| {
        let count = count.clone();
        Noting { data: Box::new(move |_, data| count.set(count.get() + data.len())), ..noting }
    });
    world.host("client", |reactor| {
        for _ in 0..2 {
            reactor.connect_tcp(("server", PORT), |_| Burst(50_000));
        }
    });
    assert!(world.run_until(10 * SECOND, || done.get() == 100_000));
    assert_eq!(world.now(), 35 * MS + SECOND);
}

struct Burst(usize);

impl Protocol for Burst {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![7; self.0]);
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

#[test]
fn segments_split_anywhere_keep_their_order() {
    let world = world(1);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).split(100).max_segment(100).bandwidth(100_000));
    let (_, sizes) = transfer(&world, 3000);
    assert!(sizes.iter().any(|size| *size < 10) && sizes.len() > 50, "{sizes:?}");
    assert_in_order(&world);
}

/// Sends 100 numbered lines to an echo over the links of `world`, and checks that they come back whole and in order.
fn assert_in_order(world: &World) {
    let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let (events, said) = (Events::default(), text.clone());
    world.host("echo", |reactor| {
        reactor.listen_tcp("0.0.0.0:7", |_| Echo).unwrap();
    });
    let noted = events.clone();
    world.host("talker", move |reactor| {
        let (noted, said) = (noted.clone(), said.clone());
        reactor.connect_tcp(("echo", 7), move |_| {
            let said = said.clone();
            let made = move |transport: &Transport| {
                said.lines().for_each(|line| {
                    transport.write_vectored(&[line.as_bytes(), b"\n"]);
                })
            };
            Noting { made: Box::new(made), ..Noting::new(&noted) }
        });
    });
    world.run_for(60 * SECOND);
    assert_eq!(events.all(), ["made".to_owned(), format!("data {text}")]);
}

#[test]
fn loss_costs_time_and_nothing_else() {
    let world = world(1);
    world.set_links(LinkSettings::new(Latency::Fixed(10 * MS)).loss(100_000).max_segment(1000));
    let (took, _) = transfer(&world, 100_000);
    assert!(took > 200 * MS, "some segments were retransmitted: {took:?}");
    assert_in_order(&world);
}

#[test]
fn every_latency_distribution_keeps_the_order_of_a_stream() {
    let latencies = [
        Latency::Fixed(Duration::ZERO),
        Latency::Uniform(MS, 100 * MS),
        Latency::Exponential { least: MS, mean: 20 * MS },
        Latency::LogNormal { median: 20 * MS, sigma: 100 },
    ];
    for latency in latencies {
        let world = world(1);
        world.set_links(LinkSettings::new(latency).max_segment(7));
        assert_in_order(&world);
    }
}

/// A client that writes without end until it is told to pause, and counts what it has written.
struct Flood(Rc<Cell<usize>>);

impl Protocol for Flood {
    fn connection_made(&mut self, transport: &Transport) {
        let source = Rc::new(Source { transport: transport.clone(), runs: Cell::new(true), written: self.0.clone() });
        transport.register_producer(source.clone());
        reactor::Producer::resume_producing(&*source);
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

struct Source {
    transport: Transport,
    runs: Cell<bool>,
    written: Rc<Cell<usize>>,
}

impl reactor::Producer for Source {
    fn pause_producing(&self) {
        self.runs.set(false);
    }
    fn resume_producing(&self) {
        self.runs.set(true);
        // More than the high-water mark at once, so that the pause comes right after it.
        self.transport.write(&[7; 1 + HIGH_WATER]);
        self.written.set(self.written.get() + 1 + HIGH_WATER);
    }
}

#[test]
fn a_reader_that_pauses_stops_the_writer_until_it_reads_again() {
    let (world, line, written) = (world(1), LastTransport::default(), Rc::new(Cell::new(0)));
    let mut settings = HostSettings::default();
    (settings.send_buffer, settings.receive_buffer) = (100_000, 50_000);
    let keep = line.clone();
    let got = Rc::new(Cell::new(0));
    let count = got.clone();
    world.host_with("server", settings.clone(), move |reactor| {
        let (keep, count) = (keep.clone(), count.clone());
        reactor
            .listen_tcp("0.0.0.0:8007", move |_| {
                let count = count.clone();
                let data = move |_: &Transport, data: &[u8]| count.set(count.get() + data.len());
                let made = |transport: &Transport| transport.pause_producing();
                let noting = Noting { made: Box::new(made), ..Noting::new(&Events::default()) };
                keep.of(Noting { data: Box::new(data), ..noting })
            })
            .unwrap();
    });
    let count = written.clone();
    world.host_with("client", settings, move |reactor| {
        let count = count.clone();
        reactor.connect_tcp(("server", PORT), move |_| Flood(count.clone()));
    });
    world.run_for(100 * SECOND);
    let stopped_at = written.get();
    assert!(stopped_at <= 100_000 + 50_000 + 2 * (HIGH_WATER + 1), "no more than both buffers hold: {stopped_at}");
    assert!(stopped_at >= 150_000, "and no less: {stopped_at}");
    assert_eq!(got.get(), 0);
    line.transport().resume_producing();
    world.run_for(10 * SECOND);
    assert!(got.get() > 10 * stopped_at, "it flows: {}", got.get());
    assert!(written.get() - got.get() <= 150_000 + 2 * (HIGH_WATER + 1));
}

#[test]
fn a_small_window_lets_one_window_through_in_each_round_trip() {
    let world = world(1);
    let mut settings = HostSettings::default();
    settings.receive_buffer = 10_000;
    world.host_with("small", settings, |reactor| {
        reactor.listen_tcp("0.0.0.0:8007", |_| Echo).unwrap();
    });
    let got = Rc::new(Cell::new(0));
    let count = got.clone();
    world.host("client", move |reactor| {
        let count = count.clone();
        reactor.connect_tcp(("small", PORT), move |_| Noting {
            made: Box::new(|transport| transport.write(&[7; 100_000])),
            data: {
                let count = count.clone();
                Box::new(move |_, data| count.set(count.get() + data.len()))
            },
            ..Noting::new(&Events::default())
        });
    });
    assert!(world.run_until(SECOND, || got.get() == 100_000));
    // Ten windows, each of which takes a round trip to arrive and to open again; the last one only has to arrive.
    assert!(world.now() >= 35 * MS + 9 * 20 * MS + 10 * MS, "{:?}", world.now());
}

#[test]
fn a_half_closed_client_gets_its_replies() {
    let (world, events, answers) = (world(1), Events::default(), Events::default());
    server(&world, &events, |noting| Noting {
        end: Box::new(|transport| {
            transport.write(b"all heard");
            transport.lose_connection();
        }),
        ..noting
    });
    client(&world, &answers, |noting| Noting {
        made: Box::new(|transport| {
            transport.write(b"all I have");
            transport.lose_write_connection();
        }),
        ..noting
    });
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "data all I have", "end", "lost Done"]);
    assert_eq!(answers.all(), ["made", "data all heard", "end", "lost Done", "client lost"]);
    assert_eq!(world.connection_count(), 0, "no kernel keeps it");
}

#[test]
fn idle_hosts_cost_nothing() {
    let cost = |idle: usize| {
        let world = world(1);
        for number in 0..idle {
            world.host(&number.to_string(), echo);
        }
        server(&world, &Events::default(), echoing);
        client(&world, &Events::default(), saying("hello"));
        world.run_for(3600 * SECOND);
        (world.turn_count(), world.event_count())
    };
    let (turns, events) = cost(0);
    assert_eq!(cost(1000), (turns + 1000, events), "one turn for each, at its start");
}

#[test]
fn a_latency_without_end_never_delivers() {
    let (world, events) = (world(1), Events::default());
    world.set_links(LinkSettings::new(Latency::Fixed(Duration::MAX)));
    server(&world, &events, plain);
    client(&world, &events, saying("hello"));
    world.run_for(20 * SECOND);
    assert!(events.all().is_empty());
    world.run_for(Duration::MAX);
    world.run_for(Duration::MAX);
}
