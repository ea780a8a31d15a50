//! [`Sink`]: where the writer writes: to the files of a run, or to standard error.
//!
//! The next file follows one that has reached its size. It is named after the time when it begins. When all files of
//! this server together, with those of earlier runs, would exceed the total, the oldest are removed. An operator may
//! move a file away (logrotate does) and ask for a new one under the same name: [`Sink::reopen`].
//!
//! Next: `writer.rs`, the thread that writes into them.

use crate::config::LogConfig;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// After this many names that exist already, a random number is part of the name: nobody can make all of those first.
const MAX_COUNTED: u64 = 100;

/// The maximum number of names to try.
const MAX_NAMES: u64 = 200;

#[derive(Debug)]
pub(super) enum Sink {
    Files(Files),
    /// The program that reads standard error, such as journald, looks after rotation.
    StandardError,
}

/// The files of one run.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// The server's name, with which the names of its files begin.
    name: String,
    /// The maximum size of all files together, and of each.
    total: u64,
    file: u64,
    path: PathBuf,
    current: File,
    size: u64,
}

impl Files {
    /// Creates the first file of a run. Never opens a file that exists.
    pub(super) fn create(directory: &Path, name: &str, config: &LogConfig, now: SystemTime) -> io::Result<Files> {
        let (path, current) = create_new(directory, name, now)?;
        let (total, file) = (config.total as u64, config.file as u64);
        let files =
            Files { directory: directory.to_owned(), name: name.to_owned(), total, file, path, current, size: 0 };
        files.make_room();
        Ok(files)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes as much of `text` as the current file takes; a file that is full is followed by the next one first.
    /// Returns how much was written.
    fn write(&mut self, text: &[u8], now: SystemTime) -> io::Result<usize> {
        let mut room = usize::try_from(self.file.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let first = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
        if room < first && self.size > 0 && self.begin_next(now).is_ok() {
            room = usize::try_from(self.file).unwrap_or(usize::MAX);
        }
        // A file ends with a whole line. If there cannot be another file, this one grows: a log that is too long is
        // better than none.
        let end = match text.len() <= room {
            true => text.len(),
            false => memchr::memrchr(b'\n', &text[..room]).map_or(first, |end| end + 1),
        };
        let written = self.current.write(&text[..end])?;
        self.size += written as u64;
        Ok(written)
    }

    fn begin_next(&mut self, now: SystemTime) -> io::Result<()> {
        (self.path, self.current) = create_new(&self.directory, &self.name, now)?;
        self.size = 0;
        self.make_room();
        Ok(())
    }

    /// Opens the file again, under the same name: it may have been moved away.
    fn reopen(&mut self) -> io::Result<()> {
        // Not through a link that somebody has put there, and without waiting for the reader of a pipe.
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let file = system::refuse_links(system::make_private(&mut options)).open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        (self.current, self.size) = (file, metadata.len());
        Ok(())
    }

    /// Removes the oldest files until there is room for the current one to become full. What cannot be removed stays:
    /// the log goes on.
    fn make_room(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        let mut others: Vec<(String, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let order = file_name.to_str().and_then(|file_name| place_in_time(&self.name, file_name));
            // `metadata` does not follow links here.
            let file = entry.metadata().ok().filter(fs::Metadata::is_file);
            if let (Some(order), Some(file)) = (order, file)
                && entry.path() != self.path
            {
                others.push((order, file.len(), entry.path()));
            }
        }
        others.sort();
        let mut sum = self.file + others.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in others {
            if sum <= self.total {
                return;
            }
            if fs::remove_file(&path).is_ok() {
                sum -= size;
            }
        }
    }
}

impl Sink {
    /// Writes all of `text`. If that fails, the error comes with the number of bytes that were written before.
    pub(super) fn write_all(&mut self, text: &[u8], now: SystemTime) -> Result<(), (io::Error, usize)> {
        let mut done = 0;
        while done < text.len() {
            let result = match self {
                Sink::Files(files) => files.write(&text[done..], now),
                Sink::StandardError => io::stderr().write(&text[done..]),
            };
            match result {
                Ok(0) => return Err((io::ErrorKind::WriteZero.into(), done)),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((error, done)),
            }
        }
        Ok(())
    }

    /// Opens the file again. After an error the old one goes on.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.reopen(),
            Sink::StandardError => Ok(()),
        }
    }

    /// Whether this is a file of the superuser's: then the program runs with all of its rights.
    pub(super) fn is_roots(&self) -> bool {
        match self {
            Sink::Files(files) => files.current.metadata().is_ok_and(|metadata| system::is_of_root(&metadata)),
            Sink::StandardError => false,
        }
    }
}

/// Creates `NAME-2026-11-22-142700.log` (date and time in UTC). If there is one, the names get numbers.
fn create_new(directory: &Path, name: &str, now: SystemTime) -> io::Result<(PathBuf, File)> {
    let stamp = file_stamp(now);
    let random = RandomState::new();
    for number in 1..MAX_NAMES {
        let number = match number {
            1 => String::new(),
            2..MAX_COUNTED => format!("-{number}"),
            _ => format!("-{}", random.hash_one(number)),
        };
        let path = directory.join(format!("{name}-{stamp}{number}.log"));
        // `append`: a program that empties the file while we write leaves no hole in it.
        match system::make_private(OpenOptions::new().append(true).create_new(true)).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (path, file)),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "the names of all log files are taken"))
}

/// `2026-11-22-142700`.
fn file_stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string(); // 2026-11-22T14:27:00Z
    text.replace('T', "-").chars().filter(|c| !matches!(c, ':' | 'Z')).collect()
}

/// If `file_name` is a name that [`create_new`] gives for this server: a text by which the files sort in time.
fn place_in_time(name: &str, file_name: &str) -> Option<String> {
    let rest = file_name.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".log")?;
    let (stamp, number) = rest.split_at_checked("2026-11-22-142700".len())?;
    let has_shape = stamp.bytes().zip(b"0000-00-00-000000").all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *shape,
    });
    let number = match number.strip_prefix('-') {
        None if number.is_empty() => 1,
        None => return None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<u64>().ok()?,
        Some(_) => return None,
    };
    has_shape.then(|| format!("{stamp}-{number:020}"))
}

/// What a system has beyond the standard library.
#[cfg(unix)]
mod system {
    use std::fs::{Metadata, OpenOptions};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    /// Only the owner can read a log: it has the clients' locations.
    const MODE: u32 = 0o600;

    pub(super) fn make_private(options: &mut OpenOptions) -> &mut OpenOptions {
        options.mode(MODE)
    }

    /// Also does not wait for the reader of a pipe.
    pub(super) fn refuse_links(options: &mut OpenOptions) -> &mut OpenOptions {
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
    }

    pub(super) fn is_of_root(metadata: &Metadata) -> bool {
        metadata.uid() == 0
    }
}

/// Windows: a file has the access list of its directory, only an administrator makes links, and there is no root.
#[cfg(not(unix))]
mod system {
    use std::fs::{Metadata, OpenOptions};

    pub(super) fn make_private(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(super) fn refuse_links(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(super) fn is_of_root(_metadata: &Metadata) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
