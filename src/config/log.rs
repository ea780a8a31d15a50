//! `[log]`: how large the log may become, and how much of it is for one peer.
//!
//! Next: `control.rs`, where the operator's programs reach a server.

use super::reader::{ConfigError, Reader, Value};
use log::LevelFilter;

/// The maximum number of bytes of a log that wait for the disk, and little beside a busy server's other memory. At the
/// limit, lines are dropped.
pub(crate) const MAX_LOG_BUFFER: usize = 16 << 20;

/// The minimum of `file`: smaller files would be gone before anybody reads them.
const MIN_FILE: usize = 64 * 1024;

/// The minimum of `share` and `burst`: less would not hold what one honest client does.
const MIN_SHARE: usize = 1024;

/// The maximum of `burst`. With a larger one, one peer alone could fill the buffer.
const MAX_BURST: usize = MAX_LOG_BUFFER / 2;

/// The settings of `[log]`.
const KEYS: [&str; 5] = ["level", "total", "file", "share", "burst"];

/// The levels of the log, from the quietest.
pub(crate) const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `level`: the lowest level that is logged, unless the command line says another one.
    pub level: LevelFilter,
    /// `total`: the maximum number of bytes of all log files of a server together, with those of earlier runs. Beyond
    /// it, the oldest are removed.
    pub total: usize,
    /// `file`: the maximum number of bytes of one file. The next one follows it.
    pub file: usize,
    /// `share`: the maximum number of bytes a second that the lines of one peer take. What is beyond it is counted.
    pub share: usize,
    /// `burst`: the number of bytes that a peer may be ahead of its share.
    pub burst: usize,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { level: LevelFilter::Info, total: 1 << 30, file: 64 << 20, share: 1 << 20, burst: 8 << 20 }
    }
}

/// The level of this name.
pub(crate) fn parse_level(name: &str) -> Option<LevelFilter> {
    LEVELS.contains(&name).then(|| name.parse().ok()).flatten()
}

impl LogConfig {
    /// Whether all settings but the level are the same.
    pub(crate) fn has_same_sizes(&self, other: &LogConfig) -> bool {
        LogConfig { level: other.level, ..self.clone() } == *other
    }
}

impl Reader<'_> {
    fn level(&self, value: &Value<'_>) -> Result<LevelFilter, ConfigError> {
        let level = parse_level(self.string(value, "level")?);
        let wrong = || format!("{} is not a level; there are {}", self.shown("level", value), LEVELS.join(", "));
        level.ok_or_else(|| self.error(value, wrong()))
    }

    pub(super) fn log(&self, value: &Value<'_>) -> Result<LogConfig, ConfigError> {
        let mut log = LogConfig::default();
        let mut file = None;
        for (key, value) in self.table(value, "log")? {
            match key.get_ref().as_ref() {
                "level" => log.level = self.level(value)?,
                "total" => log.total = self.number(value, "total", 2 * MIN_FILE)?,
                "file" => file = Some((value, self.number(value, "file", MIN_FILE)?)),
                "share" => log.share = self.number_to(value, "share", MIN_SHARE, 1 << 40)?,
                "burst" => log.burst = self.number_to(value, "burst", MIN_SHARE, MAX_BURST)?,
                _ => return Err(self.unknown(key, " of log", &KEYS)),
            }
        }
        // Two files at least: with one, a rotation would throw everything away.
        log.file = match file {
            Some((value, file)) if file > log.total / 2 => {
                let shown = self.shown("file", value);
                return Err(self.error(value, format!("{shown} is more than half of total, which is {}", log.total)));
            }
            Some((_, file)) => file,
            None => log.file.min(log.total / 2),
        };
        Ok(log)
    }
}
