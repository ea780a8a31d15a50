//! [`Sources`]: the files of the program that a trace is of, below one folder.
//!
//! Next: `main.rs`, what each command does.

use lens::views::page::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with the sources of a program.
pub(crate) struct Sources(PathBuf);

impl Sources {
    /// The files in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Result<Sources, String> {
        fs::canonicalize(folder).map(Sources).map_err(|error| format!("{}: {error}", folder.display()))
    }

    /// A file, if it is there. A trace cannot lead out of the folder: it may come from somebody else.
    pub(crate) fn file(&self, name: &str) -> Option<Source> {
        let path = fs::canonicalize(self.0.join(name)).ok().filter(|path| path.starts_with(&self.0))?;
        Some(Source { text: fs::read_to_string(&path).ok()?, address: Some(address(&path)) })
    }
}

/// The address of a file. What has a meaning in an address is escaped.
fn address(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    let mut address = if path.starts_with('/') { "file://".to_owned() } else { "file:///".to_owned() };
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b':' => address.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => address.push(char::from(byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_escapes_what_has_a_meaning() {
        assert_eq!(address(Path::new("/a b/c#1?.rs")), "file:///a%20b/c%231%3F.rs");
    }

    #[test]
    fn a_trace_cannot_lead_out_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let sources = Sources::in_folder(&folder).unwrap();
        let found = sources.file("views/mod.rs").expect("it is there");
        assert!(found.text.starts_with("//!"));
        assert!(found.address.expect("it has one").ends_with("/lens/src/views/mod.rs"));
        for outside in ["../Cargo.toml", "/etc/hostname", "views/none.rs"] {
            assert_eq!(sources.file(outside), None, "{outside}");
        }
        assert!(Sources::in_folder(&folder.join("none")).is_err());
    }
}
