//! What a world, its hosts and its links are like: [`WorldSettings`], [`HostSettings`], [`LinkSettings`].

use super::Latency;
use super::trace::time_of_day;
use crate::Settings;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What the way from one host to another is like. Each direction has its own.
///
/// ```
/// use reactor::sim::{Latency, LinkSettings};
/// use std::time::Duration;
///
/// const MS: Duration = Duration::from_millis(1);
/// let modem = LinkSettings::new(Latency::Uniform(80 * MS, 120 * MS)).bandwidth(7_000).max_segment(576).loss(20_000).split(30);
/// # let _ = modem;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    pub(super) latency: Latency,
    pub(super) bandwidth: Option<u64>,
    pub(super) segment: usize,
    pub(super) cuts: u32,
    pub(super) loss: u32,
}

impl LinkSettings {
    /// A link that only takes time: any bandwidth, nothing lost, segments of 1460 bytes.
    pub const fn new(latency: Latency) -> LinkSettings {
        LinkSettings { latency, bandwidth: None, segment: 1460, cuts: 0, loss: 0 }
    }

    /// Sets how many bytes a second go through, for all connections together. None at all is taken for one.
    pub const fn bandwidth(mut self, bytes: u64) -> LinkSettings {
        self.bandwidth = Some(if bytes == 0 { 1 } else { bytes });
        self
    }

    /// Sets how many bytes travel together at most (default 1460, an Ethernet's). Zero is taken for one.
    pub const fn max_segment(mut self, bytes: usize) -> LinkSettings {
        self.segment = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how many of a hundred segments are cut at some place, so that what was written together comes apart.
    pub const fn split(mut self, of_a_hundred: u32) -> LinkSettings {
        self.cuts = of_a_hundred;
        self
    }

    /// Sets how many of a million segments are lost. What is lost is sent again after 200 ms, then twice that and so
    /// on, and what follows it waits for it: TCP loses nothing but time, unless so many tries are lost that its sender
    /// gives up.
    pub const fn loss(mut self, of_a_million: u32) -> LinkSettings {
        // With all of them lost, no number of times would be enough.
        self.loss = if of_a_million < 900_000 { of_a_million } else { 900_000 };
        self
    }

    /// All that it is like.
    pub(super) fn words(&self) -> String {
        let LinkSettings { latency, bandwidth, segment, cuts, loss } = self;
        let bandwidth = bandwidth.map_or(String::new(), |bytes| format!(", {bytes} bytes a second"));
        let cuts = if *cuts == 0 { String::new() } else { format!(", cuts {cuts}") };
        let loss = if *loss == 0 { String::new() } else { format!(", loss {loss}") };
        format!("{}{bandwidth}, segments of {segment}{cuts}{loss}", latency.words())
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
    /// The links between hosts that have none of their own.
    pub link: LinkSettings,
    /// The way of a host to itself. Default 10 to 30 us, segments of 64 KiB.
    pub loopback: LinkSettings,
    /// How long a name look-up takes. Default 1 to 20 ms.
    pub lookup: Latency,
    /// How long a job takes that is given to another thread. Default no time at all.
    pub job: Latency,
    /// The time of day at the beginning, on all hosts. Default 2024-01-01, 00:00:00 UTC.
    pub start: SystemTime,
}

impl WorldSettings {
    /// All of it, in words, a line each.
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
    /// Its addresses, beside those of its loopback. If there are none, it gets the next free one of 10.0.0.0/8.
    pub addresses: Vec<IpAddr>,
    /// What its clock says when it is added; the world's time of day if nothing is said.
    pub clock: Option<SystemTime>,
    /// The settings of its reactor.
    pub reactor: Settings,
    /// How many descriptors its program may have open; as on a real system, five are taken from the beginning. Default
    /// 65,536.
    ///
    /// What is refused for lack of one fails with an error that says "Too many open files" but has no number: its
    /// [`raw_os_error`](std::io::Error::raw_os_error) is `None`, where that of a real system is EMFILE. (Each machine's
    /// own C library would put a number into words of its own, and the runs of a seed would differ.)
    pub max_descriptors: usize,
    /// How many bytes written to a connection wait, at most, to be sent and acknowledged. Default 256 KiB.
    pub send_buffer: usize,
    /// How many bytes that have come on a connection wait, at most, to be read. Default 256 KiB.
    pub receive_buffer: usize,
}

impl HostSettings {
    /// The default ones, at `address`.
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
            max_descriptors: 65_536,
            send_buffer: 256 * 1024,
            receive_buffer: 256 * 1024,
        }
    }
}
