//! What a write does when the system does not take its datagram.

use crate::driver::{Hooks, edited};
use crate::events::Events;
use crate::util::until;
use crate::{Noting, other};
use reactor::error::DatagramError;
use reactor::{DatagramTransport, Reactor, Settings};
use std::io::ErrorKind;

/// A port whose next sends fail with `errors`.
fn failing(errors: &[ErrorKind]) -> (Reactor, DatagramTransport, Events, Hooks) {
    let (hooks, events) = (Hooks::default(), Events::default());
    let reactor = edited(&hooks, Settings::default());
    let port = reactor.listen_udp("127.0.0.1:0", Noting::new(&events)).unwrap();
    hooks.send_errors.borrow_mut().extend(errors);
    (reactor, port, events, hooks)
}

#[test]
fn a_write_that_meets_the_refusal_of_an_earlier_datagram_is_sent_all_the_same() {
    for is_connected in [false, true] {
        let (reactor, port, events, hooks) = failing(&[ErrorKind::ConnectionRefused]);
        let (peer, address) = other();
        if is_connected {
            port.connect(address).unwrap();
            port.write(b"to you").unwrap();
        } else {
            port.write_to(b"to you", address).unwrap();
        }
        assert_eq!(*hooks.datagrams.borrow(), [b"to you", b"to you"], "once refused, and once sent");
        let mut buffer = [0; 10];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 6, "it has arrived");
        let expected: &[&str] = if is_connected { &["start", "refused"] } else { &["start"] };
        until(&reactor, "the protocol has heard", || events.all() == expected);
    }
}

#[test]
fn a_write_that_fails_after_the_refusal_of_an_earlier_one_reports_its_own_error() {
    let (_reactor, port, _, hooks) = failing(&[ErrorKind::ConnectionRefused, ErrorKind::WouldBlock]);
    let result = port.write_to(b"to you", other().1);
    assert!(matches!(result, Err(DatagramError::Full)), "{result:?}");
    assert_eq!((port.dropped_count(), hooks.datagrams.borrow().len()), (1, 2));

    // The system may have a second refusal. It is not tried for ever.
    let (_reactor, port, _, hooks) = failing(&[ErrorKind::ConnectionRefused, ErrorKind::ConnectionRefused]);
    let result = port.write_to(b"to you", other().1);
    assert!(matches!(&result, Err(DatagramError::System(error)) if error.kind() == ErrorKind::ConnectionRefused));
    assert_eq!((port.dropped_count(), hooks.datagrams.borrow().len()), (0, 2));
}

#[test]
fn a_datagram_without_room_is_counted_and_the_next_one_goes_out() {
    let (_reactor, port, _, hooks) = failing(&[ErrorKind::WouldBlock]);
    let (peer, address) = other();
    let result = port.write_to(b"lost", address);
    assert!(matches!(result, Err(DatagramError::Full)), "{result:?}");
    port.write_to(b"next", address).unwrap();
    assert_eq!(port.dropped_count(), 1);
    let mut buffer = [0; 10];
    let count = peer.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"next");
    assert_eq!(*hooks.datagrams.borrow(), [b"lost", b"next"], "no second queue");
}
