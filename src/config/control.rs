//! `[control]`: where the operator's programs reach a server.
//!
//! Next: `page.rs`, where a browser sees a server.

use super::reader::{ConfigError, Reader, Value};
use std::path::PathBuf;

/// `[control]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlConfig {
    /// `directory`: where each server has its control socket, `NAME.sock`. `None`: servers have none.
    pub directory: Option<PathBuf>,
}

impl Reader<'_> {
    pub(super) fn control(&self, value: &Value<'_>) -> Result<ControlConfig, ConfigError> {
        let mut control = ControlConfig::default();
        for (key, value) in self.table(value, "control")? {
            match key.get_ref().as_ref() {
                "directory" => control.directory = Some(self.path(value, "directory")?),
                _ => return Err(self.unknown(key, " of control", &["directory"])),
            }
        }
        Ok(control)
    }
}
