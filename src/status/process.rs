//! [`Process`]: the process as the system sees it. Linux tells; elsewhere nothing is known.
//!
//! Next: `store.rs`, the store as a server sees it.

use std::fs::{self, File};
use std::io::Read;

/// What the system says about a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// Its resident memory in bytes.
    pub memory: Option<u64>,
    /// How many descriptors it has open.
    pub descriptors: Option<u64>,
    /// How many it may have open.
    pub descriptors_allowed: Option<u64>,
}

impl Process {
    /// This process. It reads files that are not on any disk, so it does not wait.
    pub fn of_this() -> Process {
        Process {
            memory: number_in("/proc/self/status", "VmRSS:").map(|kibibytes| kibibytes * 1024),
            descriptors: open_descriptors(),
            descriptors_allowed: number_in("/proc/self/limits", "Max open files"),
        }
    }
}

/// The first number behind a word at the beginning of a line of a file.
fn number_in(path: &str, word: &str) -> Option<u64> {
    // More than these files usually have; Linux gives such a file in one read. On the stack, because the page and the
    // metrics ask again and again, and a `String` would grow through eight allocations.
    let mut text = [0; 16 * 1024];
    let len = File::open(path).ok()?.read(&mut text).ok().filter(|len| *len < text.len())?;
    number_after(str::from_utf8(&text[..len]).ok()?, word)
}

/// The first number behind a word at the beginning of a line.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Since Linux 6.2 the size of the directory is the number of its entries. Before, they have to be counted.
fn open_descriptors() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    match fs::metadata(DIRECTORY).ok()?.len() {
        0 => fs::read_dir(DIRECTORY).ok().map(|entries| entries.count() as u64),
        size => Some(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_behind_their_words() {
        let text = "VmPeak:\t  9 kB\nVmRSS:\t   1234 kB\nMax open files            1024     4096     files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(1234));
        assert_eq!(number_after(text, "Max open files"), Some(1024));
        assert_eq!(number_after("Max open files            unlimited", "Max open files"), None);
        assert_eq!(number_after(text, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there() {
        let process = Process::of_this();
        assert!(process.memory > Some(1 << 16) && process.descriptors > Some(2), "{process:?}");
        assert!(process.descriptors_allowed >= process.descriptors, "{process:?}");
    }
}
