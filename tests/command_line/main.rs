//! The program from outside: what it says, how it refuses, how it ends, and what it leaves in its log.

mod arguments;
mod certificates;
mod check;
mod keys;
mod log;
#[cfg(unix)]
mod packaging;
mod places;
mod reload;
mod server;
#[path = "../../reactor/tests/util/skip.rs"]
mod skip;
mod status;
mod talk;
mod talk_tls;
mod usage;

mod pem;
#[path = "../util/mod.rs"]
mod util;

use std::path::{Path, PathBuf};
use util::{Directory, free_port};

/// The environment variable with a key for Google.
const KEY: (&str, &str) = ("GOOGLE_PLACES_API_KEY", "SecretKey");

/// A herd of one, on a free port.
fn alone(directory: &Directory, more: &str) -> (String, u16) {
    let port = free_port();
    let text = format!("[servers.Alford]\naddress = \"127.0.0.1:{port}\"\n{more}");
    (directory.write("herd.toml", text), port)
}

/// The log files in a directory.
fn log_files(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ext| ext == "log")).collect()
}
