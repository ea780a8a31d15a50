//! The files of the page: HTML, CSS and JavaScript that were compiled in. No build step makes them, and they load
//! nothing from elsewhere.
//!
//! Next: [`watch.rs`](mod@crate::watch), how all of this, and a simulation, observes a server.

use reactor::http::server::{HeaderError, Routes, StaticFile};

/// What the page may load, run and ask: its own files and its own server, and nothing that stands in it as text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Each file with the path at which it is.
const FILES: &[(&str, &[u8])] = &[
    ("/", include_bytes!("files/index.html")),
    ("/style.css", include_bytes!("files/style.css")),
    ("/icon.svg", include_bytes!("files/icon.svg")),
    ("/coast.txt", include_bytes!("coast.svg.txt")),
    ("/main.js", include_bytes!("files/main.js")),
    ("/model.js", include_bytes!("files/model.js")),
    ("/draw.js", include_bytes!("files/draw.js")),
    ("/herd.js", include_bytes!("files/herd.js")),
    ("/world.js", include_bytes!("files/world.js")),
    ("/lists.js", include_bytes!("files/lists.js")),
    ("/forms.js", include_bytes!("files/forms.js")),
];

/// Routes to all files of the page.
///
/// # Errors
/// None with the headers that are set here.
pub fn routes() -> Result<Routes, HeaderError> {
    with_files(Routes::new(), FILES)
}

/// These routes, and others to more files: each with the path at which it is. They get the page's own policy, so they
/// may load, run and ask nothing but this server.
///
/// # Errors
/// None with the headers that are set here.
pub fn with_files(routes: Routes, files: &[(&str, &'static [u8])]) -> Result<Routes, HeaderError> {
    files.iter().try_fold(routes, |routes, (path, bytes)| {
        let name = if *path == "/" { "index.html" } else { path };
        let file = StaticFile::named(name, bytes)
            .header("Content-Security-Policy", POLICY)?
            .header("Referrer-Policy", "no-referrer")?
            .header("Cross-Origin-Resource-Policy", "same-origin")?
            .header("Cross-Origin-Opener-Policy", "same-origin")?;
        Ok(routes.on("GET", path, file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 300 * 1024, "{bytes} bytes");
    }

    #[test]
    fn the_page_names_nothing_elsewhere() {
        for (path, bytes) in FILES {
            let text = std::str::from_utf8(bytes).expect("text");
            // The name of SVG's elements is an address that nobody opens.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("//www."), "{path}");
        }
    }

    #[test]
    fn the_policy_lets_every_file_work() {
        for (path, bytes) in FILES {
            let text = String::from_utf8_lossy(bytes);
            // Neither is allowed by the policy, and a browser would only say so on its console.
            for word in [" style=\"", "<style", " onclick=", "javascript:", "eval("] {
                assert!(!text.contains(word), "{path}: {word}");
            }
        }
    }
}
