//! [`ServerOptions`]: how to run a server, as the command line says it.
//!
//! Next: `limits.rs`, how many connections it may have.

use crate::config::Config;
use log::LevelFilter;
use std::path::PathBuf;

/// How to run a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The server's name.
    pub server: String,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The directory for the log.
    pub log_dir: PathBuf,
    /// The lowest level that is logged, if it is not that of the configuration.
    pub log_level: Option<LevelFilter>,
}

impl ServerOptions {
    /// The level of the log: the command line's, or else the configuration's.
    pub(super) fn level(&self, config: &Config) -> LevelFilter {
        self.log_level.unwrap_or(config.log.level)
    }
}
