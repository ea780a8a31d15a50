//! What a world, its hosts, its links and its names are like: [`WorldSettings`], [`HostSettings`], [`LinkSettings`],
//! [`Resolution`].
//!
//! Next: `latency.rs`, how long things take.

use super::Latency;
use super::trace::{excerpt, time_of_day};
use crate::Settings;
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What the link from one host to another is like. Each direction has its own, and all connections share it.
///
/// ```
/// use reactor::sim::{Latency, LinkSettings};
/// use std::time::Duration;
///
/// const MS: Duration = Duration::from_millis(1);
/// let latency = Latency::Uniform(80 * MS, 120 * MS);
/// let modem = LinkSettings::new(latency).bandwidth(7_000).max_segment(576).loss(20_000).split(30);
/// # let _ = modem;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    pub(super) latency: Latency,
    pub(super) bandwidth: Option<u64>,
    pub(super) max_segment: usize,
    pub(super) split: u32,
    pub(super) loss: u32,
    pub(super) duplication: u32,
}

impl LinkSettings {
    /// A link that only takes time: no limit to its bandwidth, no loss, segments of at most 1460 bytes.
    pub const fn new(latency: Latency) -> LinkSettings {
        LinkSettings { latency, bandwidth: None, max_segment: 1460, split: 0, loss: 0, duplication: 0 }
    }

    /// Sets the bandwidth in bytes a second, for all connections together. 0 counts as 1.
    pub const fn bandwidth(mut self, bytes: u64) -> LinkSettings {
        self.bandwidth = Some(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Sets the maximum number of bytes in a segment (default 1460, as on Ethernet). 0 counts as 1.
    pub const fn max_segment(mut self, bytes: usize) -> LinkSettings {
        self.max_segment = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how many segments of a hundred are split at a random place, so that bytes written together arrive apart.
    pub const fn split(mut self, of_a_hundred: u32) -> LinkSettings {
        self.split = of_a_hundred;
        self
    }

    /// Sets how many segments of a million are lost, at most 900,000. A lost segment is retransmitted after 200 ms,
    /// then after twice that and so on, and the segments behind it wait for it. So a loss costs a program nothing but
    /// time, unless so many retries are lost that the sender gives up. A lost datagram is lost.
    pub const fn loss(mut self, of_a_million: u32) -> LinkSettings {
        // Delays are drawn until a retry arrives: with a loss of all segments, that would never end.
        self.loss = if of_a_million < 900_000 { of_a_million } else { 900_000 };
        self
    }

    /// Sets how many datagrams of a million arrive twice. Segments are not doubled: TCP would hide it.
    pub const fn duplication(mut self, of_a_million: u32) -> LinkSettings {
        self.duplication = of_a_million;
        self
    }

    /// All settings in words. The trace's hash covers these words, so changing them makes another run of every seed.
    pub(super) fn words(&self) -> String {
        let LinkSettings { latency, bandwidth, max_segment, split, loss, duplication } = self;
        let bandwidth = bandwidth.map_or(String::new(), |bytes| format!(", {bytes} bytes a second"));
        let split = if *split == 0 { String::new() } else { format!(", cuts {split}") };
        let loss = if *loss == 0 { String::new() } else { format!(", loss {loss}") };
        let doubles = if *duplication == 0 { String::new() } else { format!(", doubles {duplication}") };
        format!("{}{bandwidth}, segments of {max_segment}{split}{loss}{doubles}", latency.words())
    }
}

impl Default for LinkSettings {
    /// A local network: 0.1 to 0.5 ms.
    fn default() -> LinkSettings {
        LinkSettings::new(Latency::Uniform(Duration::from_micros(100), Duration::from_micros(500)))
    }
}

/// What a world is like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorldSettings {
    /// The links between hosts, unless [`World::set_link`](super::World::set_link) sets one.
    pub link: LinkSettings,
    /// The link of a host to itself. Default 10 to 30 us, segments of 64 KiB.
    pub loopback: LinkSettings,
    /// How long a name look-up takes. Default 1 to 20 ms.
    pub lookup: Latency,
    /// How long a job takes that a program gives to another thread. Default no time at all.
    pub job: Latency,
    /// The time of day when the world begins, on all hosts. Default 2024-01-01, 00:00:00 UTC.
    pub start: SystemTime,
}

impl WorldSettings {
    /// All settings in words, one line each.
    pub(super) fn words(&self) -> [String; 4] {
        let WorldSettings { link, loopback, lookup, job, start } = self;
        [
            format!("links: {}", link.words()),
            format!("each host to itself: {}", loopback.words()),
            format!("look-ups take {}, jobs {}", lookup.words(), job.words()),
            format!("the time of day is {}", time_of_day(*start)),
        ]
    }
}

impl Default for WorldSettings {
    fn default() -> WorldSettings {
        let loopback = Latency::Uniform(Duration::from_micros(10), Duration::from_micros(30));
        WorldSettings {
            link: LinkSettings::default(),
            loopback: LinkSettings::new(loopback).max_segment(64 * 1024),
            lookup: Latency::Uniform(Duration::from_millis(1), Duration::from_millis(20)),
            job: Latency::Fixed(Duration::ZERO),
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200),
        }
    }
}

/// What a host is like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostSettings {
    /// Its addresses, besides the loopback ones. If there are none, it gets the next free address of 10.0.0.0/8.
    pub addresses: Vec<IpAddr>,
    /// What its clock shows when the host is added. `None`: the world's time of day.
    pub clock: Option<SystemTime>,
    /// The settings of its program's reactor.
    pub reactor: Settings,
    /// How many times its program runs its reactor, one run after the other, before it ends. The boot function is
    /// called before each run, with the same reactor. 0 counts as 1. Default 1.
    pub runs: u32,
    /// Maximum number of descriptors that its program may have open, including the five that every program has from the
    /// beginning, as on a real system. Default 65,536.
    ///
    /// Beyond it, opening fails with an error that says "Too many open files" but has no number: its
    /// [`raw_os_error`](std::io::Error::raw_os_error) is `None`, where a real system's is EMFILE. (The C library of
    /// each machine would put the number into words of its own, and the runs of a seed would differ.)
    pub max_descriptors: usize,
    /// Maximum number of bytes that wait on a connection to be sent and acknowledged. Default 256 KiB. 0 counts as 1.
    pub send_buffer: usize,
    /// Maximum number of bytes that have arrived on a connection and wait to be read. Default 256 KiB. 0 counts as 1.
    pub receive_buffer: usize,
}

impl HostSettings {
    /// The default settings, with this one address.
    pub fn at(address: IpAddr) -> HostSettings {
        HostSettings { addresses: vec![address], ..HostSettings::default() }
    }
}

impl Default for HostSettings {
    fn default() -> HostSettings {
        HostSettings {
            addresses: Vec::new(),
            clock: None,
            reactor: Settings::default(),
            runs: 1,
            max_descriptors: 65_536,
            send_buffer: 256 * 1024,
            receive_buffer: 256 * 1024,
        }
    }
}

/// What a name look-up answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The name has these addresses.
    Addresses(Vec<IpAddr>),
    /// The look-up fails with an error of this kind.
    Fails(io::ErrorKind),
    /// No answer ever comes.
    Silent,
}

impl Resolution {
    /// In words, for `name`. The trace's hash covers them.
    pub(super) fn words(&self, name: &str) -> String {
        let mut text = excerpt(name.bytes()) + " means ";
        // Writing to a String cannot fail.
        let _ = match self {
            Resolution::Addresses(addresses) => addresses.iter().enumerate().try_for_each(|(at, address)| {
                let separator = if at == 0 { "" } else { ", " };
                write!(text, "{separator}{address}")
            }),
            Resolution::Fails(error) => write!(text, "{error:?}"),
            Resolution::Silent => write!(text, "silence"),
        };
        text
    }
}
