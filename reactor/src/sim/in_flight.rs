//! [`InFlight`]: what is on the links at one moment, for programs that show a world: see [`World::in_flight`].
//!
//! Next: `trace.rs`, what has happened, as text.

use super::World;
use super::connection::{Contents, SegmentKind};
use std::time::Duration;

/// A piece of a stream that is on its way from one host to another. Times are those of [`World::now`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The number of its connection. Connections are numbered in the order in which programs request them.
    pub connection: u32,
    /// Whether it goes from the end that requested the connection to the other, and not back.
    pub from_client: bool,
    /// Its number among all pieces that were sent in this direction. With the two above, it names this piece.
    pub number: u64,
    /// The name of the host that has sent it.
    pub from: String,
    /// The name of the host to which it goes.
    pub to: String,
    /// When it was sent.
    pub sent: Duration,
    /// When it arrives, unless its link is cut before or its receiver's machine fails.
    pub arrives: Duration,
    /// How many bytes it has.
    pub len: usize,
    /// These bytes; `None` from where the stream looks like TLS.
    pub bytes: Option<Vec<u8>>,
}

impl World {
    /// All bytes that are on their way from one host to another now. A host's traffic with itself, datagrams, and what
    /// has no bytes (requests to connect, the ends of streams) are left out. They stand in the order of the
    /// connections, and in each direction of one in the order in which they arrive.
    ///
    /// Asking changes nothing in the world, nor the [hash](World::trace_hash).
    pub fn in_flight(&self) -> Vec<InFlight> {
        let network = self.network();
        let mut all = Vec::new();
        for (_, connection) in &network.connections {
            for (side, pipe) in connection.pipes.iter().enumerate() {
                let link = &network.links[connection.links[side] as usize];
                if link.from == link.to || pipe.in_flight == 0 {
                    continue;
                }
                let name = |host: u32| network.host(host).name.clone();
                let mut at = pipe.unread;
                for segment in pipe.segments.iter().filter(|segment| segment.kind == SegmentKind::Data) {
                    let bytes = pipe.bytes.range(at..at + segment.len);
                    at += segment.len;
                    all.push(InFlight {
                        connection: connection.serial,
                        from_client: side == 0,
                        number: segment.number,
                        from: name(link.from),
                        to: name(link.to),
                        sent: Duration::from_nanos(segment.sent),
                        arrives: Duration::from_nanos(segment.arrives),
                        len: segment.len,
                        bytes: (pipe.contents != Contents::Tls).then(|| bytes.copied().collect()),
                    });
                }
            }
        }
        all.sort_by_key(|one| (one.connection, !one.from_client));
        all
    }

    /// When the next event happens; `None` if nothing will ever happen unless somebody asks for it.
    pub fn next_event(&self) -> Option<Duration> {
        self.network().queue.next_time().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Latency, LinkSettings, WorldSettings};
    use crate::{Protocol, Transport};

    const SECOND: Duration = Duration::from_secs(1);

    struct Talker;

    impl Protocol for Talker {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"abcdef");
        }

        fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    }

    struct Listener;

    impl Protocol for Listener {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            transport.write(data);
        }
    }

    fn world() -> World {
        let link = LinkSettings::new(Latency::Fixed(SECOND)).max_segment(4);
        let settings = WorldSettings { link, lookup: Latency::Fixed(Duration::ZERO), ..WorldSettings::default() };
        let world = World::with_settings(1, settings);
        world.host("server", |reactor| {
            reactor.listen_tcp("0.0.0.0:7", |_| Listener).unwrap();
        });
        world.host("client", |reactor| {
            reactor.connect_tcp(("server", 7), |_| Talker);
        });
        world
    }

    #[test]
    fn what_is_on_a_link_is_told_with_its_way_its_times_and_its_bytes() {
        let (world, blind) = (world(), world());
        world.run_for(SECOND);
        assert_eq!(world.in_flight(), [], "a request to connect has no bytes");
        world.run_for(SECOND * 3 / 2);
        let pieces = world.in_flight();
        let told = |piece: &InFlight| (piece.from.clone(), piece.to.clone(), piece.number, piece.bytes.clone());
        let to_server = |number, bytes: &[u8]| ("client".to_owned(), "server".to_owned(), number, Some(bytes.to_vec()));
        assert_eq!(pieces.iter().map(told).collect::<Vec<_>>(), [to_server(0, b"abcd"), to_server(1, b"ef")]);
        assert!(pieces.iter().all(|piece| (piece.sent, piece.arrives) == (SECOND * 2, SECOND * 3)), "{pieces:?}");
        assert_eq!(world.next_event(), Some(SECOND * 3));
        world.run_for(SECOND);
        let back = world.in_flight();
        assert_eq!((back.len(), &back[0].from[..], back[0].from_client), (2, "server", false), "{back:?}");
        blind.run_for(SECOND * 7 / 2);
        assert_eq!(world.trace_hash(), blind.trace_hash(), "looking changes nothing");
    }
}
