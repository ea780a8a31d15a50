//! Configurations: an error is one line that names the source; what is accepted is consistent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proxyherd::config::Config;

fuzz_target!(|text: &str| {
    match Config::parse(text, "herd.toml") {
        Ok(config) => {
            assert!(!config.servers.is_empty());
            for (name, server) in &config.servers {
                assert!(server.places_to_listen().next().is_some());
                for neighbor in &server.neighbors {
                    let there = config.server(neighbor).expect("a neighbor is a server");
                    assert!(there.neighbors.contains(name) && neighbor != name);
                    assert!(server.link_with(there).is_some(), "{name} cannot reach {neighbor}");
                }
            }
            assert!(config.log.file <= config.log.total / 2);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("herd.toml, line "), "{text:?}");
        }
    }
});
