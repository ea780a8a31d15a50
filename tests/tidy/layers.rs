//! The arrows between layers are those of DESIGN.md: its pictures are the table that these rules read.
//!
//! A picture's first line names a folder. A line at the margin begins a layer, and the indented lines below it name the
//! layer's modules. A module uses its own layer and the layers above it, nothing below. A line's last column may forbid
//! more: `no NAME`, a layer or a crate.

use crate::circles::crates;
use crate::imports::Imports;
use crate::repo::{document, lines_where, none, root};

/// Uses against the arrows: from, to, and why it must be.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("event_loop/mod", "driver/mio_driver", "`Reactor::new` puts the real driver under the loop")];

/// What a picture may forbid that another rule checks: `only_a_driver_...` in tests/tidy.rs.
const CHECKED_ELSEWHERE: [&str; 2] = ["sockets", "clock"];

/// What a picture may forbid that is a crate and no layer.
const CRATES: [&str; 2] = ["mio", "reactor"];

struct Layer {
    name: String,
    /// What this layer must not use, from the last column.
    forbidden: Vec<String>,
    modules: Vec<String>,
}

#[test]
fn no_module_of_the_library_uses_a_layer_below_its_own() {
    check("reactor/src");
}

#[test]
fn no_module_of_the_herd_uses_a_layer_below_its_own() {
    check("src");
}

#[test]
fn the_library_does_not_know_the_herd() {
    let words = ["proxyherd", "herd", "IAMAT"];
    let broken = lines_where(|source, line| {
        let code = line.split("//").next().unwrap_or("");
        source.is_in(&["reactor/src"]) && words.iter().any(|word| code.contains(word))
    });
    none("the library knows the herd", &broken);
}

#[test]
fn the_loop_knows_the_trace_as_a_trait_only() {
    let observers = ["TraceFile", "Ring", "to_json", "write_json", "trace::json", "trace::file", "trace::ring"];
    let folders = ["reactor/src/event_loop", "reactor/src/driver", "reactor/src/timers.rs", "reactor/src/deferred"];
    let broken = lines_where(|source, line| {
        let code = line.split("//").next().unwrap_or("");
        let mut words = code.split(|char: char| !char.is_alphanumeric() && !"_:".contains(char));
        source.is_in(&folders) && !source.is_test_code(line) && words.any(|word| observers.contains(&word))
    });
    none("the loop knows what becomes of its events", &broken);
}

#[test]
fn the_tracing_driver_passes_every_method_on() {
    // A method with a default is easily forgotten: the decorator would answer in the place of its driver.
    let read = |file: &str| std::fs::read_to_string(root().join("reactor/src/driver").join(file)).unwrap();
    let (contract, decorator) = (read("mod.rs"), read("tracing.rs"));
    let traits = contract.split("\npub trait ").skip(1).filter(|part| !part.starts_with("Wake"));
    let methods = traits.flat_map(|part| part.split("\n}").next().unwrap_or("").split("\n    fn ").skip(1));
    let names: Vec<_> = methods.filter_map(|method| method.split('(').next()).collect();
    assert!(names.len() > 30, "{names:?}");
    let lacking =
        names.iter().filter(|name| !decorator.contains(&format!("inner.{name}("))).map(|name| name.to_string());
    none("not passed on", &lacking.collect::<Vec<_>>());
}

#[test]
fn the_herd_does_not_know_its_simulation() {
    let broken = lines_where(|source, line| {
        let is_library = source.is_in(&["src"]) && !source.is_in(&["src/bin"]);
        is_library && !source.is_test_code(line) && line.split("//").next().unwrap_or("").contains("herdsim")
    });
    none("the herd's library knows herdsim", &broken);
}

fn check(folder: &str) {
    let imports = crates().iter().find(|imports| imports.folder == folder).expect("a crate");
    let layers = layers(&document("DESIGN.md").text, &imports.folder);
    let mut broken = Vec::new();
    let files = imports.files().map(|file| file.path.as_str()).filter(|path| *path != format!("{folder}/lib.rs"));
    for file in files {
        let module = module(folder, file);
        let Some(own) = layer_of(&layers, module) else {
            broken.push(format!("{file} stands in no layer of the picture in DESIGN.md"));
            continue;
        };
        for name in &layers[own].forbidden {
            if CRATES.contains(&name.as_str()) && uses_crate(imports, file, name) {
                broken.push(format!("{file} uses {name}, and the picture says \"no {name}\""));
            }
        }
        for (other, path) in imports.uses.get(file).into_iter().flatten() {
            let other = self::module(folder, other);
            if let Some(layer) = layer_of(&layers, other).filter(|layer| layers[own].forbids(&layers[*layer])) {
                let name = &layers[layer].name;
                broken.push(format!("{file} uses {path}, which is {other}, and the picture says \"no {name}\""));
            }
            let is_exception = EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (module, other));
            let below = layer_of(&layers, other).filter(|layer| *layer > own && !is_exception);
            if let Some(layer) = below {
                let (own, layer) = (&layers[own].name, &layers[layer].name);
                broken.push(format!("{file} ({own}) uses {path}, which is {other} ({layer})"));
            }
        }
    }
    none("against the arrows of DESIGN.md", &broken);
}

fn uses_crate(imports: &Imports, file: &str, name: &str) -> bool {
    let source = imports.files().find(|source| source.path == file);
    let code = source.map(|source| source.product()).unwrap_or("");
    code.lines().any(|line| line.split("//").next().unwrap_or("").contains(&format!("{name}::")))
}

impl Layer {
    /// "no driver" forbids the layer "drivers".
    fn forbids(&self, other: &Layer) -> bool {
        self.forbidden.iter().any(|name| *name == other.name || format!("{name}s") == other.name)
    }
}

/// The names that the last column of a picture's line forbids.
fn forbidden(line: &str) -> Vec<String> {
    let column = line.rsplit("   ").next().unwrap_or("");
    column.split(',').filter_map(|part| part.trim().strip_prefix("no ")).map(str::to_owned).collect()
}

#[test]
fn whatever_a_picture_forbids_is_checked() {
    for folder in ["reactor/src", "src"] {
        let layers = layers(&document("DESIGN.md").text, folder);
        let all = layers.iter().flat_map(|layer| &layer.forbidden);
        let is_known = |name: &&String| {
            let is_layer = layers.iter().any(|layer| layer.name == **name || layer.name == format!("{name}s"));
            is_layer || CRATES.contains(&name.as_str()) || CHECKED_ELSEWHERE.contains(&name.as_str())
        };
        let unknown = all.filter(|name| !is_known(name)).map(|name| format!("no {name}"));
        none("no rule knows what the picture forbids", &unknown.collect::<Vec<_>>());
    }
}

#[test]
fn the_librarys_page_has_the_picture_of_the_design() {
    let text = std::fs::read_to_string(root().join("reactor/src/lib.rs")).unwrap();
    let section = text.split("//! # The layers").nth(1).and_then(|rest| rest.split("```text\n").nth(1)).unwrap();
    let own = section.split("//! ```").next().unwrap().lines().map(|line| line.trim_start_matches("//! "));
    let design = picture(&document("DESIGN.md").text, "reactor/src");
    let margin = design.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(own.collect::<Vec<_>>(), margin.collect::<Vec<_>>());
}

/// `reactor/src/http/mod.rs` is `http/mod`.
fn module<'a>(folder: &str, file: &'a str) -> &'a str {
    file[folder.len() + 1..].trim_end_matches(".rs")
}

/// The number of a module's layer: that of the longest name in the picture that fits.
fn layer_of(layers: &[Layer], module: &str) -> Option<usize> {
    let fits = |name: &String| module == name || module.starts_with(&format!("{name}/"));
    let length = |layer: &Layer| layer.modules.iter().filter(|name| fits(name)).map(String::len).max();
    let fitting = layers.iter().enumerate().filter_map(|(number, layer)| Some((length(layer)?, number)));
    fitting.max().map(|(_, number)| number)
}

/// The picture of a folder's layers.
fn layers(design: &str, folder: &str) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for line in picture(design, folder).lines() {
        match layers.last_mut() {
            Some(layer) if line.starts_with(' ') => {
                let names = line.split(',').map(str::trim).filter(|name| !name.is_empty());
                layer.modules.extend(names.map(str::to_owned));
            }
            _ => {
                let name = line.split_whitespace().next().unwrap_or("").to_owned();
                layers.push(Layer { name, forbidden: forbidden(line), modules: Vec::new() });
            }
        }
    }
    layers
}

/// The text of that picture, without the line that names the folder.
fn picture<'a>(design: &'a str, folder: &str) -> &'a str {
    let begin = format!("```text\n{folder}\n");
    let picture = design.split(&begin).nth(1).and_then(|rest| rest.split("```").next());
    picture.unwrap_or_else(|| panic!("DESIGN.md has no picture that begins with {folder:?}"))
}

#[test]
fn every_exception_is_needed() {
    let [reactor, ..] = crates();
    for (from, to, reason) in EXCEPTIONS {
        let uses = reactor.uses.get(&format!("reactor/src/{from}.rs"));
        let is_needed = uses.is_some_and(|uses| uses.contains_key(&format!("reactor/src/{to}.rs")));
        assert!(is_needed, "{from} no longer uses {to} ({reason})");
    }
}

#[test]
fn a_picture_is_read() {
    let design = "a\n```text\nx/src\npure   values    no clock, no mio\n       a, b,\n       c/d\nloop   the loop\n       c\n```\n";
    let layers = layers(design, "x/src");
    let read: Vec<String> = layers.iter().map(|layer| format!("{}: {}", layer.name, layer.modules.join(" "))).collect();
    assert_eq!(read, ["pure: a b c/d", "loop: c"]);
    assert_eq!(layers[0].forbidden, ["clock", "mio"]);
    let numbers = ["a", "a/tests", "c/d", "c/d/e", "c/x", "other"].map(|module| layer_of(&layers, module));
    assert_eq!(numbers, [Some(0), Some(0), Some(0), Some(0), Some(1), None]);
}
