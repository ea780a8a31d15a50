//! The limit of open files, and what it leaves for connections.
//!
//! Next: `supervisor.rs`, what a supervisor gives and wants to hear.

use crate::config::Limits;

/// More descriptors than this are not asked for: some systems have no limit of their own.
const MAX_DESCRIPTORS: u64 = 1 << 20;

/// The descriptors that are kept for everything but clients: two for each of a hundred neighbors, which connect and are
/// connected to, those under way to the Places service, the log, and the loop's own.
const RESERVED_DESCRIPTORS: usize = 300;

/// Raises the number of files that the process may open as far as the system allows, and takes care that clients never
/// have them all: links, the Places service and the log need some, most of all while a crowd of clients is there.
pub(super) fn within_descriptors(mut limits: Limits) -> Limits {
    let open = rlimit::increase_nofile_limit(MAX_DESCRIPTORS).unwrap_or(MAX_DESCRIPTORS);
    let room = usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(RESERVED_DESCRIPTORS).max(1);
    if limits.connections > room {
        log::info!("{open} open files are allowed: at most {room} connections are taken");
        limits.connections = room;
    }
    // One address never has more than a quarter of them.
    limits.connections_per_address = limits.connections_per_address.min((limits.connections / 4).max(1));
    limits
}
