//! UDP of the simulated world: loss, doubles, overtaking, partitions, refusals.

use super::*;
use reactor::error::DatagramError;
use reactor::{DatagramProtocol, DatagramTransport};
use std::cell::Cell;
use std::net::SocketAddr;

const COUNT: usize = 200;

/// Notes what it hears.
struct Ear(Events);

impl DatagramProtocol for Ear {
    fn datagram_received(&mut self, _transport: &DatagramTransport, datagram: &[u8], _from: SocketAddr) {
        self.0.note(String::from_utf8_lossy(datagram));
    }
    fn connection_refused(&mut self, _transport: &DatagramTransport) {
        self.0.note("refused");
    }
    fn stop_protocol(&mut self) {
        self.0.note("stop");
    }
}

fn receiver(world: &World) -> (Host, Events) {
    let events = Events::default();
    let noted = events.clone();
    let host = world.host("receiver", move |reactor| {
        reactor.listen_udp("0.0.0.0:8007", Ear(noted.clone())).unwrap();
    });
    (host, events)
}

/// A host that sends the numbers up to `COUNT` to `to`, and notes what it hears. Returns how many it could send.
fn sender(world: &World, to: &Host) -> (Host, Events, Rc<Cell<usize>>) {
    let (events, sent) = (Events::default(), Rc::new(Cell::new(0)));
    let (noted, count, to) = (events.clone(), sent.clone(), SocketAddr::new(to.address(), PORT));
    let host = world.host("sender", move |reactor| {
        let port = reactor.listen_udp("0.0.0.0:0", Ear(noted.clone())).unwrap();
        port.connect(to).unwrap();
        for number in 0..COUNT {
            match port.write(number.to_string().as_bytes()) {
                Ok(()) => count.set(count.get() + 1),
                Err(error) => assert!(matches!(error, DatagramError::Full), "{error}"),
            }
        }
        assert_eq!(port.dropped_count() as usize, COUNT - count.get());
    });
    (host, events, sent)
}

/// The numbers that come over such a link, in the order in which they come.
fn over(seed: u64, link: LinkSettings) -> Vec<usize> {
    let world = world(seed);
    world.set_links(link);
    let (host, heard) = receiver(&world);
    sender(&world, &host);
    world.run_for(10 * SECOND);
    heard.all().iter().map(|text| text.parse().unwrap()).collect()
}

fn steady() -> LinkSettings {
    LinkSettings::new(Latency::Fixed(10 * MS))
}

#[test]
fn over_a_steady_link_all_come_in_order() {
    assert_eq!(over(1, steady()), (0..COUNT).collect::<Vec<_>>());
}

#[test]
fn a_link_with_loss_loses_some_for_good() {
    let came = over(1, steady().loss(500_000));
    assert!((COUNT / 4..COUNT * 3 / 4).contains(&came.len()), "{came:?}");
    assert!(came.is_sorted(), "{came:?}");
}

#[test]
fn a_link_that_doubles_brings_some_twice() {
    let came = over(1, steady().duplication(500_000));
    assert!((COUNT * 5 / 4..COUNT * 7 / 4).contains(&came.len()), "{came:?}");
    let mut once = came.clone();
    once.dedup();
    assert_eq!(once, (0..COUNT).collect::<Vec<_>>());
}

#[test]
fn where_the_latency_varies_a_datagram_may_overtake_another() {
    let came = over(1, LinkSettings::new(Latency::Uniform(10 * MS, 20 * MS)));
    assert!(!came.is_sorted(), "{came:?}");
    let mut sorted = came.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..COUNT).collect::<Vec<_>>());
}

#[test]
fn the_seed_decides_what_is_lost() {
    let lossy = steady().loss(500_000);
    assert_eq!(over(1, lossy), over(1, lossy));
    assert_ne!(over(1, lossy), over(2, lossy));
}

#[test]
fn a_full_buffer_is_told_to_the_sender() {
    let world = world(1);
    world.set_links(steady().bandwidth(1));
    let (host, _) = receiver(&world);
    let events = Events::default();
    let (noted, to) = (events.clone(), SocketAddr::new(host.address(), PORT));
    let mut settings = HostSettings::default();
    settings.send_buffer = 10;
    world.host_with("sender", settings, move |reactor| {
        let port = reactor.listen_udp("0.0.0.0:0", Ear(noted.clone())).unwrap();
        assert!(port.write_to(b"12345678", to).is_ok());
        assert!(matches!(port.write_to(b"12345678", to), Err(DatagramError::Full)));
        assert_eq!(port.dropped_count(), 1);
    });
    world.run_for(MS);
}

#[test]
fn nothing_passes_a_partition_and_nobody_is_told() {
    let world = world(1);
    let (host, heard) = receiver(&world);
    let other = world.host("other", |_| {});
    world.partition(std::slice::from_ref(&host), std::slice::from_ref(&other));
    let to = SocketAddr::new(host.address(), PORT);
    let events = Events::default();
    let port = other.reactor().unwrap().listen_udp("0.0.0.0:0", Ear(events.clone())).unwrap();
    port.connect(to).unwrap();
    port.write(b"lost").unwrap();
    world.run_for(SECOND);
    assert_eq!((heard.all(), events.all()), (vec![], vec![]));
}

#[test]
fn a_machine_without_that_port_refuses_and_one_that_is_down_is_silent() {
    for (is_down, expected) in [(false, vec!["refused"]), (true, vec![])] {
        let world = world(1);
        let nobody = world.host("nobody", |_| {});
        if is_down {
            nobody.crash();
        }
        let (_, events, sent) = sender(&world, &nobody);
        world.run_for(SECOND);
        assert_eq!(sent.get(), COUNT);
        let mut heard = events.all();
        heard.dedup();
        assert_eq!(heard, expected);
    }
}

#[test]
fn a_kill_closes_the_port_and_a_restart_opens_it_again() {
    let world = world(1);
    let (host, _) = receiver(&world);
    world.run_for(MS);
    assert_eq!(host.descriptor_count(), 6);
    host.kill();
    assert_eq!(host.descriptor_count(), 5);
    host.restart(); // Its listen would panic if the address were taken.
    world.run_for(MS);
    assert_eq!(host.descriptor_count(), 6);
}

#[test]
fn a_broadcast_reaches_every_host_that_listens() {
    let world = world(1);
    let everybody = Events::default();
    for name in ["one", "two", "three"] {
        let noted = everybody.clone();
        world.host(name, move |reactor| {
            reactor.listen_udp("0.0.0.0:8007", Ear(noted.clone())).unwrap();
        });
    }
    world.host("deaf", |_| {});
    world.host("sender", |reactor| {
        let port = reactor.listen_udp("0.0.0.0:0", Ear(Events::default())).unwrap();
        let to = SocketAddr::from(([255, 255, 255, 255], PORT));
        assert!(matches!(port.write_to(b"hello", to), Err(DatagramError::System(_))));
        port.set_broadcast_allowed(true).unwrap();
        port.write_to(b"hello", to).unwrap();
    });
    world.run_for(SECOND);
    assert_eq!(everybody.all(), ["hello"; 3]);
}
