//! TLS and HTTPS over the simulated network, with certificates judged by each host's clock.

use super::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber, date_time_ymd};
use reactor::Deferred;
use reactor::http::PageGetter;
use reactor::policies::Bandwidth;
use reactor::tls::{TlsClient, TlsServer, TrustRoots};
use std::time::SystemTime;

/// A certificate for `server`, valid from 2020 to 2030, and its key.
///
/// Each call makes another one, but its length and that of each signature by its key are always the same.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new() -> Identity {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::new(vec!["server".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
        params.serial_number = Some(SerialNumber::from(1));
        let certificate = params.self_signed(&key).unwrap();
        Identity { certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        let mut roots = TrustRoots::none();
        roots.add_der(&self.certificate).unwrap();
        roots
    }

    /// A server with this certificate, which notes what its connections meet in `events`.
    fn serve(&self, world: &World, events: &Events, shape: fn(Noting) -> Noting) -> Host {
        let (me, events) = (self.clone(), events.clone());
        world.host("server", move |reactor| {
            let tls = TlsServer::new(reactor, &[&me.certificate], &me.key, &["http/1.1"]).unwrap();
            let events = events.clone();
            reactor.listen_tcp("0.0.0.0:443", tls.factory(move |_| shape(Noting::new(&events)))).unwrap();
        })
    }

    /// A client that trusts this certificate.
    fn connect(&self, world: &World, events: &Events, shape: fn(Noting) -> Noting) -> Host {
        let (me, events) = (self.clone(), events.clone());
        world.host("client", move |reactor| {
            let tls = TlsClient::new(reactor, &me.roots(), &["http/1.1"]).unwrap();
            let once = Once { events: events.clone(), shape };
            reactor.connect_tcp(("server", 443), tls.factory("server", once));
        })
    }
}

/// Closes as soon as it is connected, before the handshake, and again when the connection is lost.
fn closes_at_once(noting: Noting) -> Noting {
    let kept = LastTransport::default();
    let line = kept.clone();
    let noting = Noting { made: Box::new(|transport| transport.lose_connection()), ..noting };
    Noting { lost: Box::new(move |_| line.transport().lose_connection()), ..kept.of(noting) }
}

#[test]
fn an_end_that_closes_before_the_handshake_is_done_hears_nothing_but_the_loss_and_leaves_no_timer() {
    let (world, identity) = (world(1), Identity::new());
    let (ours, theirs) = (Events::default(), Events::default());
    let hosts = [identity.serve(&world, &ours, closes_at_once), identity.connect(&world, &theirs, closes_at_once)];
    world.run_for(SECOND);
    assert_eq!(ours.all(), ["made", "lost Done"]);
    assert_eq!(theirs.all(), ["made", "lost Done", "client lost"]);
    for host in hosts {
        assert_eq!(host.reactor().unwrap().delayed_call_count(), 0);
    }
}

#[test]
fn a_close_of_a_connection_that_broke_during_the_handshake_sets_no_timer() {
    let (world, identity, line) = (world(1), Identity::new(), LastTransport::default());
    let events = Events::default();
    let server = server(&world, &events, plain); // It never answers a handshake.
    let keep = line.clone();
    let client = world.host("client", move |reactor| {
        let (keep, tls) = (keep.clone(), TlsClient::new(reactor, &identity.roots(), &[]).unwrap());
        let once = Once { events: Events::default(), shape: move |noting| keep.of(noting) };
        reactor.connect_tcp(("server", PORT), tls.factory("server", once));
    });
    world.run_for(SECOND);
    world.reset_connections(&server, &client);
    world.run_for(SECOND);
    line.transport().lose_connection();
    assert_eq!(client.reactor().unwrap().delayed_call_count(), 0);
}

#[test]
fn a_half_close_of_a_lost_connection_sets_no_timer() {
    struct Silent;
    impl reactor::Producer for Silent {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
        fn stop_producing(&self) {}
    }
    let (world, identity, line) = (world(1), Identity::new(), LastTransport::default());
    let server = identity.serve(&world, &Events::default(), plain);
    let keep = line.clone();
    let client = world.host("client", move |reactor| {
        let (keep, tls) = (keep.clone(), TlsClient::new(reactor, &identity.roots(), &[]).unwrap());
        let once = Once { events: Events::default(), shape: move |noting| keep.of(noting) };
        reactor.connect_tcp(("server", 443), tls.factory("server", once));
    });
    world.run_for(SECOND);
    world.reset_connections(&server, &client);
    world.run_for(SECOND);
    line.transport().register_producer(Silent);
    line.transport().lose_write_connection();
    assert_eq!(client.reactor().unwrap().delayed_call_count(), 0);
}

#[test]
fn a_producer_that_closes_its_lost_connection_is_told_to_stop_once() {
    struct Closing(Transport, Events);
    impl reactor::Producer for Closing {
        fn pause_producing(&self) {}
        fn resume_producing(&self) {}
        fn stop_producing(&self) {
            self.1.note("stop");
            self.0.lose_connection();
        }
    }
    fn registers(noting: Noting) -> Noting {
        let events = noting.events.clone();
        let made = move |transport: &Transport| {
            transport.register_producer(Closing(transport.clone(), events.clone()));
        };
        Noting { made: Box::new(made), ..noting }
    }
    let (world, identity, events) = (world(1), Identity::new(), Events::default());
    let server = identity.serve(&world, &Events::default(), plain);
    let client = identity.connect(&world, &events, registers);
    world.run_for(SECOND);
    world.reset_connections(&server, &client);
    world.run_for(SECOND);
    assert_eq!(events.all(), ["made", "lost Lost", "stop", "client lost"]);
}

fn hello(noting: Noting) -> Noting {
    saying("hello")(noting)
}

/// Runs a TLS echo over a rough link. Returns what each end noted, and the hash.
fn converse(seed: u64) -> (Vec<String>, Vec<String>, u64) {
    let (world, events, answers) = (World::new(seed), Events::default(), Events::default());
    world.set_links(LinkSettings::new(Latency::Uniform(MS, 30 * MS)).split(50).max_segment(300));
    let identity = Identity::new();
    identity.serve(&world, &events, echoing);
    identity.connect(&world, &answers, |noting| Noting {
        data: Box::new(|transport, _| transport.lose_connection()),
        ..hello(noting)
    });
    world.run_for(SECOND);
    assert_eq!(world.connection_count(), 0);
    (events.all(), answers.all(), world.trace_hash())
}

#[test]
fn bytes_over_tls_arrive_and_the_close_is_clean() {
    let (events, answers, _) = converse(1);
    assert_eq!(events, ["made", "data hello", "end", "lost Done"]);
    assert_eq!(answers, ["made", "data hello", "lost Done", "client lost"]);
}

#[test]
fn with_signatures_of_a_fixed_length_the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        assert_eq!(converse(seed), converse(seed), "with other keys and another certificate");
    }
    assert_ne!(converse(0).2, converse(1).2);
}

#[test]
fn a_killed_server_is_not_a_clean_close() {
    let (world, answers, identity) = (world(1), Events::default(), Identity::new());
    let server = identity.serve(&world, &Events::default(), plain);
    identity.connect(&world, &answers, hello);
    world.run_for(SECOND);
    server.kill();
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "lost Truncated", "client lost"]);
}

#[test]
fn a_certificate_is_judged_by_the_hosts_own_clock() {
    let year = 365 * 86_400 * SECOND;
    for (years, expected) in [(0, "made"), (5, "made"), (9, "lost Tls")] {
        let (world, answers, identity) = (world(1), Events::default(), Identity::new());
        identity.serve(&world, &Events::default(), plain);
        let host = identity.connect(&world, &answers, plain);
        host.set_clock(host.clock() + years * year);
        world.run_for(SECOND);
        assert_eq!(answers.all()[0], "made", "bytes written before the handshake wait");
        assert_eq!(answers.all().get(1).map_or("made", |event| event), expected, "{years} years on");
        assert!(host.clock() > SystemTime::UNIX_EPOCH + year);
    }
}

#[test]
fn https_downloads_run_the_same_way_each_time() {
    assert_eq!(get_pages(), get_pages(), "the later ones resume the session of the first");
}

fn get_pages() -> u64 {
    let (world, identity, pages) = (World::new(1), Identity::new(), Events::default());
    identity.serve(&world, &Events::default(), |noting| Noting {
        data: Box::new(|transport, request| {
            if request.ends_with(b"\r\n\r\n") {
                transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world");
            }
        }),
        ..noting
    });
    let (noted, roots) = (pages.clone(), identity.roots());
    world.host("client", move |reactor| {
        let getter = PageGetter::new(reactor, &roots).unwrap();
        for second in 0..3 {
            let (noted, getter) = (noted.clone(), getter.clone());
            reactor.call_later(second * SECOND, move || {
                let page: Deferred<_> = getter.get("https://server/page");
                page.add_callback(move |page| noted.note(String::from_utf8(page.body).unwrap())).detach();
            });
        }
    });
    world.run_for(5 * SECOND);
    assert_eq!(pages.all(), ["hello, world"; 3]);
    assert_eq!(world.connection_count(), 0);
    world.trace_hash()
}

/// Notes what it meets, says hello, and pauses when it is made or when the handshake is done.
struct Pausing {
    events: Events,
    line: LastTransport,
    pauses_first: bool,
}

impl Pausing {
    fn pause(&self, transport: &Transport) {
        transport.pause_producing();
        assert!(transport.is_paused());
        *self.line.0.borrow_mut() = Some(transport.clone());
    }
}

impl Protocol for Pausing {
    fn connection_made(&mut self, transport: &Transport) {
        self.events.note("made");
        transport.write(b"hello");
        if self.pauses_first {
            self.pause(transport);
        }
    }
    fn handshake_completed(&mut self, transport: &Transport) {
        self.events.note("handshake");
        if !self.pauses_first {
            self.pause(transport);
        }
    }
    fn reading_resumed(&mut self, _transport: &Transport) {
        self.events.note("resumed");
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.events.note(String::from_utf8_lossy(data));
    }
    fn connection_lost(&mut self, reason: &Reason) {
        self.events.note(reason.to_string());
    }
}

/// Both ends pause as [`Pausing`] does, for a minute, and then go on.
fn both_pause(client_pauses_first: bool, server_pauses_first: bool) -> [Vec<String>; 4] {
    let (world, identity) = (world(1), Identity::new());
    let ends = [Events::default(), Events::default()];
    let lines = [LastTransport::default(), LastTransport::default()];
    let (me, events, line) = (identity.clone(), ends[0].clone(), lines[0].clone());
    world.host("server", move |reactor| {
        let tls = TlsServer::new(reactor, &[&me.certificate], &me.key, &[]).unwrap();
        let (events, line) = (events.clone(), line.clone());
        let build =
            move |_: Address| Pausing { events: events.clone(), line: line.clone(), pauses_first: server_pauses_first };
        reactor.listen_tcp("0.0.0.0:443", tls.factory(build)).unwrap();
    });
    let (events, line) = (ends[1].clone(), lines[1].clone());
    world.host("client", move |reactor| {
        let tls = TlsClient::new(reactor, &identity.roots(), &[]).unwrap();
        let (events, line) = (events.clone(), line.clone());
        let build =
            move |_: Address| Pausing { events: events.clone(), line: line.clone(), pauses_first: client_pauses_first };
        reactor.connect_tcp(("server", 443), tls.factory("server", build));
    });
    world.run_for(60 * SECOND);
    let paused = ends.each_ref().map(Events::all);
    lines.iter().for_each(|line| line.transport().resume_producing());
    world.run_for(SECOND);
    let [server, client] = paused;
    let [server_later, client_later] = ends.map(|events| events.all());
    [server, client, server_later, client_later]
}

#[test]
fn a_pause_before_or_at_the_end_of_the_handshake_holds_back_data_and_not_the_handshake() {
    for (client_first, server_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let [server, client, server_later, client_later] = both_pause(client_first, server_first);
        assert_eq!([server, client], [["made", "handshake"]; 2], "{client_first} {server_first}");
        assert_eq!([server_later, client_later], [["made", "handshake", "resumed", "hello"]; 2]);
    }
}

#[test]
fn a_pause_that_ends_before_the_handshake_is_reported_like_any_other() {
    let (world, events, answers, identity) = (world(1), Events::default(), Events::default(), Identity::new());
    identity.serve(&world, &events, hello);
    identity.connect(&world, &answers, |noting| Noting {
        made: Box::new(|transport| {
            transport.pause_producing();
            transport.resume_producing();
            assert!(!transport.is_paused());
        }),
        ..noting
    });
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "resumed", "data hello"]);
}

#[test]
fn a_peer_that_never_reads_over_tls_delays_a_close_only_until_the_time_limit() {
    let (world, events, answers, identity) = (world(1), Events::default(), Events::default(), Identity::new());
    identity.serve(&world, &events, |noting| Noting {
        data: Box::new(|transport, _| {
            transport.write(&[b'x'; 1_000_000]);
            transport.lose_connection();
        }),
        ..noting
    });
    identity.connect(&world, &answers, |noting| Noting {
        made: Box::new(|transport| {
            transport.write(b"hello");
            transport.pause_producing(); // It begins when the handshake is done.
        }),
        ..noting
    });
    world.run_for(29 * SECOND);
    assert_eq!(events.all(), ["made", "data hello"], "its close waits for the peer");
    world.run_for(60 * SECOND);
    assert_eq!(events.all(), ["made", "data hello", "lost FlushTimeout"]);
    assert_eq!(world.connection_count(), 0);
}

#[test]
fn bytes_written_after_the_end_of_a_tls_connection_are_dropped() {
    let (world, answers, line, identity) = (world(1), Events::default(), LastTransport::default(), Identity::new());
    identity.serve(&world, &Events::default(), |noting| Noting {
        data: Box::new(|transport, _| transport.lose_connection()),
        ..noting
    });
    let (id, events, keep) = (identity.clone(), answers.clone(), line.clone());
    world.host("client", move |reactor| {
        let tls = TlsClient::new(reactor, &id.roots(), &["http/1.1"]).unwrap();
        let (events, keep) = (events.clone(), keep.clone());
        reactor.connect_tcp(
            ("server", 443),
            tls.factory("server", move |_: Address| keep.of(hello(Noting::new(&events)))),
        );
    });
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "end", "lost Done"]);
    let transport = line.transport();
    transport.write(b"too late");
    transport.write_vectored(&[b"much", b"too late"]);
    assert_eq!(transport.buffered(), 0);
    world.run_for(SECOND);
    assert_eq!(answers.all(), ["made", "end", "lost Done"]);
}

#[test]
fn a_limit_on_bandwidth_holds_whether_it_stands_outside_tls_or_inside() {
    let shape = |noting| Noting {
        made: Box::new(|transport| {
            transport.write(&[b'x'; 50_000]);
            transport.lose_connection();
        }),
        ..noting
    };
    for stands_outside in [true, false] {
        let (world, identity, events) = (world(1), Identity::new(), Events::default());
        let (me, kept) = (identity.clone(), Rc::new(RefCell::new(None)));
        let limits_kept = kept.clone();
        world.host("server", move |reactor| {
            let tls = TlsServer::new(reactor, &[&me.certificate], &me.key, &["http/1.1"]).unwrap();
            let limits = Bandwidth::new(reactor).write_each(10_000).read_each(10_000);
            *limits_kept.borrow_mut() = Some(limits.clone());
            let build = move |_: Address| shape(Noting::new(&Events::default()));
            match stands_outside {
                true => reactor.listen_tcp("0.0.0.0:443", limits.factory(tls.factory(build))).unwrap(),
                false => reactor.listen_tcp("0.0.0.0:443", tls.factory(limits.factory(build))).unwrap(),
            };
        });
        identity.connect(&world, &events, |noting| noting);
        let written = || kept.borrow().as_ref().unwrap().counts().written;
        world.run_for(SECOND * 3);
        assert!((30_000..=40_100).contains(&written()), "{} after 3 s", written());
        world.run_for(SECOND * 3);
        let all = events.all();
        assert_eq!(
            (all[0].as_str(), all[1].len(), &all[2..4]),
            ("made", 50_005, &["end".into(), "lost Done".into()][..])
        );
        assert!(written() > 50_000, "with all that TLS adds: {}", written());
    }
}
