//! Links over TLS: which certificate may say what, and what a peer without one can do.

use crate::certificates::{Authority, Identity};
use crate::harness::Harness;
use crate::secure::{ENDED, GOOD, Peer, Secure};
use crate::util::free_port;
use std::net::SocketAddr;
use std::time::Duration;

/// An AT that a neighbor may send.
const AT: &str = "AT Bolden +0.000000000 kiwi +1+2 1400794645";

/// Longer than a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(11);

fn with_alford(test: impl FnOnce(&mut Secure<'_>)) {
    let harness = Harness::new();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    test(&mut Secure::start(&harness, nowhere, Authority::new()));
}

/// A certificate for a server of the herd.
fn of(alford: &Secure<'_>, name: &str) -> Option<Identity> {
    Some(alford.authority.issue(name, GOOD))
}

#[test]
fn a_neighbor_that_proves_its_name_is_believed() {
    with_alford(|alford| {
        let bolden = alford.connect(alford.link, of(alford, "Bolden"));
        bolden.send(&format!("PEER Bolden\n{AT}\nnonsense\n"));
        bolden.expect("? nonsense\n");
        assert_eq!(bolden.received(), "? nonsense\n");
        assert_eq!(alford.taken(), [AT]);
    });
}

#[test]
fn at_and_peer_count_at_the_link_alone() {
    with_alford(|alford| {
        // From the address of every neighbor, and of this machine.
        let mut plain = alford.harness.connect(alford.plain);
        assert_eq!(plain.ask("PEER Bolden"), "? PEER Bolden");
        let tls = alford.connect(alford.tls, of(alford, "Bolden"));
        tls.send(&format!("PEER Bolden\n{AT}\n"));
        tls.expect(&format!("? PEER Bolden\n? {AT}\n"));
        assert_eq!(alford.taken(), [""; 0]);
    });
}

#[test]
fn a_neighbor_without_a_link_is_still_recognized_by_its_address() {
    with_alford(|alford| {
        let mut parker = alford.harness.connect(alford.plain);
        parker.send(format!("PEER Parker\n{AT}\n"));
        assert_eq!(parker.ask("nonsense"), "? nonsense");
        let mut client = alford.harness.connect(alford.plain);
        // Parker is not told what it has told us.
        assert_eq!(alford.taken(), [""; 0]);
        assert_eq!(client.ask("IAMAT kiwi +1+2 1400794644").split(' ').next(), Some("AT"));
        assert_eq!(alford.taken(), [""; 0], "an older time changes nothing: Alford knows Parker's");
    });
}

#[test]
fn one_neighbor_cannot_speak_as_another_one() {
    with_alford(|alford| {
        let hamilton = alford.connect(alford.link, of(alford, "Hamilton"));
        hamilton.send(&format!("PEER Bolden\n{AT}\nPEER Hamilton\n"));
        hamilton.expect(&format!("? PEER Bolden\n? {AT}\n? PEER Hamilton\n"));
        // Nor may a neighbor that is recognized by its address use its certificate, or say an AT before its name.
        let bolden = alford.connect(alford.link, of(alford, "Bolden"));
        bolden.send(&format!("{AT}\n"));
        bolden.expect(&format!("? {AT}\n"));
        assert_eq!(alford.taken(), [""; 0]);
    });
}

#[test]
fn a_peer_without_a_good_certificate_of_a_neighbor_is_refused() {
    with_alford(|alford| {
        let other_authority = Authority::new();
        for (case, identity, why) in [
            ("none", None, "wants a certificate, and we have none"),
            ("ended", Some(alford.authority.issue("Bolden", ENDED)), "does not accept our certificate"),
            ("another authority's", Some(other_authority.issue("Bolden", GOOD)), "refused us"),
            ("a stranger's", of(alford, "Stranger"), "closed"),
            ("its own", of(alford, "Alford"), "closed"),
            ("a neighbor's without a link", of(alford, "Parker"), "closed"),
        ] {
            let peer = alford.connect(alford.link, identity);
            peer.send(&format!("PEER Bolden\n{AT}\n"));
            let end = peer.end();
            assert!(end.contains(why), "{case}: {end}");
            assert_eq!((peer.received(), alford.taken()), (String::new(), Vec::new()), "{case}");
        }
    });
}

#[test]
fn a_peer_that_does_not_speak_tls_at_the_link_is_cut_off() {
    with_alford(|alford| {
        let mut plain = alford.harness.connect(alford.link);
        plain.send(format!("PEER Bolden\n{AT}\n"));
        alford.harness.turn_until("it is cut off", || plain.has_ended());
        assert_eq!(alford.taken(), [""; 0]);
    });
}

#[test]
fn a_silent_handshake_ends_after_ten_seconds() {
    with_alford(|alford| {
        let mut silent = alford.harness.connect(alford.link);
        alford.harness.turn();
        assert!(!silent.has_ended());
        alford.harness.advance(HANDSHAKE);
        alford.harness.turn_until("it is cut off", || silent.has_ended());
    });
}

#[test]
fn clients_may_speak_tls() {
    with_alford(|alford| {
        let client = alford.connect(alford.tls, None);
        client.send("IAMAT kiwi +1+2 1400794645\n");
        client.expect(" kiwi +1+2 1400794645\n");
        assert!(client.received().starts_with("AT Alford +"));
        assert_eq!(alford.taken().len(), 1);
    });
}

/// Alford, and Bolden with the certificate that `identity` makes.
fn with_bolden(identity: impl FnOnce(&Authority) -> Identity, test: impl FnOnce(&mut Secure<'_>, &Peer<'_>)) {
    let (harness, authority) = (Harness::new(), Authority::new());
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let bolden = Secure::listen(&harness, at, &identity(&authority), &authority);
    let mut alford = Secure::start(&harness, at, authority);
    test(&mut alford, &bolden);
}

#[test]
fn news_goes_to_a_neighbor_that_proves_its_name() {
    with_bolden(
        |authority| authority.issue("Bolden", GOOD),
        |alford, bolden| {
            bolden.expect("PEER Alford\n");
            let at = alford.harness.connect(alford.plain).ask("IAMAT kiwi +1+2 1400794645");
            bolden.expect(&format!("{at}\n"));
        },
    );
}

#[test]
fn nothing_goes_to_a_neighbor_that_cannot_prove_its_name() {
    for issue in [
        (|authority: &Authority| authority.issue("Hamilton", GOOD)) as fn(&Authority) -> Identity,
        |authority| authority.issue("Bolden", ENDED),
        |_| Authority::new().issue("Bolden", GOOD),
    ] {
        with_bolden(issue, |alford, bolden| {
            alford.harness.connect(alford.plain).ask("IAMAT kiwi +1+2 1400794645");
            bolden.end();
            assert_eq!(bolden.received(), "");
        });
    }
}

#[test]
fn a_neighbor_that_answers_in_clear_text_hears_nothing() {
    let harness = Harness::new();
    let bolden = harness.listen();
    let alford = Secure::start(&harness, bolden.address(), Authority::new());
    alford.harness.connect(alford.plain).ask("IAMAT kiwi +1+2 1400794645");
    let mut link = bolden.accept();
    link.send("? nonsense\n");
    let mut received = Vec::new();
    harness.turn_until("Alford gives up", || {
        received.extend(link.received());
        link.has_ended()
    });
    let has = |word: &[u8]| received.windows(word.len()).any(|window| window == word);
    assert!(!has(b"PEER") && !has(b"kiwi"), "{received:?}");
}
