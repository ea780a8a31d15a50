//! [`LESSONS`]: runs to begin with. Each is an address and what to look for.
//!
//! Next: `picture.rs`, how a run stands, as events.

use super::address::{Address, Settings};

/// A run to begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson {
    pub(crate) title: &'static str,
    /// What stands behind the `#` of the address, with the time at which one begins to look.
    pub(crate) address: &'static str,
    /// How fast it is shown at first.
    pub(crate) speed: f64,
    /// What to look for.
    pub(crate) text: &'static str,
}

/// All lessons, in the order in which they are best seen.
pub(crate) static LESSONS: [Lesson; 5] = [
    Lesson {
        title: "The smallest storm",
        address: "seed=1&servers=3&links=ring&clients=0&rule=paper&delay=200&jitter=0&every=0&at=4.9&\
                  do=5:twice,kiwi,Alford,+34.07-118.44,+40.71-74.01",
        speed: 0.5,
        text: "Three servers in a ring, and the paper's rule: a server takes every location whose time is another than \
               that of the one it holds. At 5 s kiwi tells Alford where it is, and half a delay later where it has \
               moved to. The two versions meet, and then chase each other round the ring for ever. Count the AT lines. \
               Then switch the rule to newest: each server takes only what is newer, and the storm is over at once.",
    },
    Lesson {
        title: "A split that heals",
        address: "seed=4&servers=5&links=paper&clients=6&rule=newest&delay=150&jitter=30&every=0&at=7.5&\
                  do=8:split,Bolden,Hamilton,Parker;12:iamat,kiwi,Alford,+51.51-0.13;\
                  12.5:iamat,emu,Bolden,+35.68+139.65;\
                  13:iamat,kiwi,Hamilton,+48.86+2.35;30:heal",
        speed: 1.0,
        text: "At 8 s the herd splits: Alford and Powell on one side, the others on the other. Clients go on to talk \
               to both sides, and each side knows things that the other does not: the servers that lack something \
               newer have an orange ring. After some seconds the servers notice that their links are dead. At 30 s \
               the network heals. Each link that comes up carries only what the other side lacks.",
    },
    Lesson {
        title: "A restart that catches up",
        address: "seed=2&servers=5&links=paper&clients=12&rule=newest&delay=150&jitter=30&every=6&at=11.5&\
                  do=12:kill,Parker;20:restart,Parker",
        speed: 1.0,
        text: "Parker is the only way to Hamilton. At 12 s its process is killed; it keeps nothing on disk. At 20 s it \
               starts again and knows nobody. Its neighbors notice, connect, and tell it what they know; Hamilton \
               hears through it what it has missed. See how the number in Parker's circle grows.",
    },
    Lesson {
        title: "A killed server's last words",
        address: "seed=3&servers=5&links=paper&clients=0&rule=newest&delay=100&jitter=0&every=0&at=4.9&\
                  do=4:slow,Powell,Alford;4:slow,Powell,Bolden;5:iamat,kiwi,Powell,+34.07-118.44;5.5:kill,Powell;\
                  5.7:restart,Powell",
        speed: 0.5,
        text: "Powell's links are slow. At 5 s kiwi tells Powell where it is, and has the answer at once: the location \
               is acknowledged. Half a second later Powell is killed, while what it has told its neighbors is still on \
               its way. Powell starts again and knows nothing. Then its own last words arrive at its neighbors, and \
               they must tell Powell, too, or an acknowledged location would be lost there.",
    },
    Lesson {
        title: "50 servers at random",
        address: "seed=5&servers=50&links=random:4&clients=100&rule=newest&delay=200&jitter=50&every=20&at=6",
        speed: 0.5,
        text: "Fifty servers with four links each, and a hundred clients that move on their own. Each location reaches \
               every server in a few delays, and crosses each link at most once in each direction but for those that \
               cross each other: the bound is two lines for each link, less one for each server but the first. Draw a \
               line through the herd to split it, and watch the counters.",
    },
];

/// The lesson that begins as a run with these settings does, whatever a person has done since.
pub(crate) fn of(settings: &Settings) -> Option<&'static Lesson> {
    let is_it = |lesson: &&Lesson| lesson.address.parse().is_ok_and(|own: Address| own.settings == *settings);
    LESSONS.iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_is_a_run() {
        for lesson in &LESSONS {
            let address: Address = lesson.address.parse().unwrap_or_else(|error| panic!("{}: {error}", lesson.title));
            assert!(address.at.is_some() && address.settings.check().is_ok(), "{}", lesson.title);
            assert_eq!(of(&address.settings).map(|own| own.title), Some(lesson.title), "each has settings of its own");
            assert_eq!(address.to_string()[1..].split('&').count(), address.to_string()[1..].matches('=').count());
        }
    }
}
