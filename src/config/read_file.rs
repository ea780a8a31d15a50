//! [`read_file`]: a whole file, in bounded time and memory.
//!
//! A file that a person names may be a pipe: `proxyherd Powell --config <(make-config)` is useful. But a pipe that
//! nobody writes to would hang the start without a word, and so would a file on a server that is away. We weighed three
//! shapes:
//!
//! * Refuse everything that is not a regular file. Then a secret can never come straight from another program.
//! * Open without blocking, and poll. A pipe that nobody has opened yet then looks like an empty file.
//! * **Read in a thread, and wait for it for a limited time.** It needs no look at what kind of file it is, so it holds
//!   for every kind. A thread that hangs is left behind: the program ends with an error, and the thread with it.
//!
//! Next: `log.rs`, the settings of the log.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// The maximum time for reading a file: the other end of a pipe may be a program that asks for a password.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a file.
///
/// # Errors
/// If it cannot be read, if it has more than `max_size` bytes, or if it does not come to its end within ten seconds.
pub(crate) fn read_file(path: &Path, max_size: usize) -> io::Result<Vec<u8>> {
    read_within(path, max_size, TIMEOUT)
}

fn read_within(path: &Path, max_size: usize, limit: Duration) -> io::Result<Vec<u8>> {
    let owned = path.to_owned();
    let (send, receive) = mpsc::sync_channel(1);
    let read = move || {
        let _ = send.send(read(&owned, max_size)); // Nobody takes it if it comes too late.
    };
    std::thread::Builder::new().name("read-file".to_owned()).spawn(read)?;
    receive.recv_timeout(limit).unwrap_or_else(|_| {
        let what = format!("it did not come to its end within {limit:?}; is it a pipe that nobody writes to?");
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    })
}

fn read(path: &Path, max_size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_size as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() <= max_size {
        true => Ok(bytes),
        false => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max_size} bytes"))),
    }
}

/// A warning if other users can read or change this file: `what` names it. The file is used nevertheless: container
/// systems often mount secrets that every user can read, in a container that has only one user.
#[cfg(unix)]
pub(crate) fn others_can_read(what: &str, path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o066 != 0).then(|| {
        let path = path.display();
        format!("other users can read or change {what} {path} (mode {mode:03o}): run chmod 600 {path}")
    })
}

/// Windows has access lists instead of a mode, and they are inherited: nothing short to warn of.
#[cfg(not(unix))]
pub(crate) fn others_can_read(_what: &str, _path: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_pipe_is_read_to_its_end_and_one_that_nobody_writes_to_is_given_up() {
        let directory = std::env::temp_dir().join(format!("proxyherd-pipe-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (silent, written) = (directory.join("silent"), directory.join("written"));
        assert!(Command::new("mkfifo").args([&silent, &written]).status().unwrap().success());

        let error = read_within(&silent, 100, Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().contains("a pipe that nobody writes to"), "{error}");

        let text = vec![b'x'; 200_000]; // More than a pipe holds at once.
        let (target, content) = (written.clone(), text.clone());
        let writer = std::thread::spawn(move || std::fs::write(target, content));
        assert_eq!(read_file(&written, text.len()).unwrap(), text);
        writer.join().unwrap().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn an_endless_file_is_too_large() {
        let error = read_file(Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
    }
}
