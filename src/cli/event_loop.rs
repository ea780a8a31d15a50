//! The event loop of each command.
//!
//! Next: `cli/usage.rs`, what the command line may hold.

use reactor::{Reactor, Settings};
use std::io;
use std::time::Duration;

/// In a command that ends soon, nobody else waits for the loop. Its user needs no warning that one step took longer
/// than a server may take, but hears of a step that takes as long as this.
const SLOW: Duration = Duration::from_secs(5);

/// The loop of a server.
pub(super) fn event_loop() -> Result<Reactor, String> {
    Reactor::new().map_err(|error| cannot_create(&error))
}

/// The loop of a command that ends soon.
pub(super) fn short_lived_event_loop() -> Result<Reactor, String> {
    let mut settings = Settings::default();
    settings.slow_callback = SLOW;
    Reactor::with_settings(settings).map_err(|error| cannot_create(&error))
}

fn cannot_create(error: &io::Error) -> String {
    format!("cannot create an event loop: {error}")
}
