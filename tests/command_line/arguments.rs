//! What the command line and the configuration may say: the help, and one clear line for each mistake.

use crate::util::{Directory, Process};
use crate::{KEY, alone, log_files};
use std::net::TcpListener;
use std::path::PathBuf;

/// Runs the program to its end. Returns its exit code, standard output and standard error.
#[track_caller]
fn run(directory: &Directory, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut process = Process::spawn(directory.path(), arguments, variables);
    (process.wait().code(), process.output(), process.errors())
}

/// The exit code when something that the command line names is wrong.
const FAILED: i32 = 1;

/// The exit code when the command line itself is wrong.
const USAGE: i32 = 2;

/// Expects that the program refuses to run: one line on standard error that holds all of `words`, and no log.
#[track_caller]
fn refuses(directory: &Directory, arguments: &[&str], words: &[&str]) {
    refuses_with(directory, arguments, &[], FAILED, words);
}

/// The same, because the command line is wrong.
#[track_caller]
fn misused(directory: &Directory, arguments: &[&str], words: &[&str]) {
    refuses_with(directory, arguments, &[], USAGE, words);
}

#[track_caller]
fn refuses_with(directory: &Directory, arguments: &[&str], variables: &[(&str, &str)], exit: i32, words: &[&str]) {
    let (code, output, errors) = run(directory, arguments, variables);
    assert_eq!(code, Some(exit), "{arguments:?}: {errors}");
    assert_eq!(output, "", "{arguments:?}");
    let line = errors.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: no line: {errors:?}"));
    assert!(line.starts_with("proxyherd: ") && !line.contains('\n'), "{arguments:?}: not one line: {errors}");
    for word in words {
        assert!(line.contains(word), "{arguments:?}: {word:?} is missing in: {line}");
    }
    assert_eq!(log_files(directory.path()), [] as [PathBuf; 0], "{arguments:?}: a run that never started left a log");
}

/// The same, with this configuration.
#[track_caller]
fn refuses_config(text: impl AsRef<[u8]>, words: &[&str]) {
    let directory = Directory::new();
    let config = directory.write("herd.toml", text);
    refuses(&directory, &["Alford", "--config", &config], words);
}

#[test]
fn help_explains_the_program_and_version_prints_the_version() {
    let directory = Directory::new();
    for argument in ["--help", "-h"] {
        let (code, output, errors) = run(&directory, &[argument], &[]);
        assert_eq!((code, &*errors), (Some(0), ""));
        for word in [
            "Usage: proxyherd SERVER",
            "--config FILE",
            "--log-dir DIR",
            "--log-level LEVEL",
            "GOOGLE_PLACES_API_KEY",
            "IAMAT ",
            "WHATSAT ",
            "nc 127.0.0.1 12204",
        ] {
            assert!(output.contains(word), "{word}");
        }
    }
    for argument in ["--version", "-V"] {
        let version = format!("proxyherd {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(run(&directory, &[argument], &[]), (Some(0), version, String::new()));
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = Directory::new();
    misused(&directory, &[], &["which server?", "proxyherd --help"]);
    misused(&directory, &["Alford", "Bolden"], &["one server at a time", "Bolden"]);
    misused(&directory, &["Alford", "--frob"], &["--frob", "proxyherd --help"]);
    misused(&directory, &["Alford", "-q"], &["-q", "proxyherd --help"]);
    misused(&directory, &["Alford", "--config"], &["--config"]);
    misused(&directory, &["Alford", "--config", "a", "--config", "b"], &["--config is given twice"]);
    misused(&directory, &["Alford", "--log-level", "loud"], &["loud", "error, warn, info and debug"]);
    misused(&directory, &["Alford", "--json"], &["Alford does not take --json"]);
    misused(&directory, &["check", "--log-dir", ".", "x"], &["check does not take --log-dir"]);
    misused(&directory, &["check"], &["check needs FILE"]);
    misused(&directory, &["man", "x"], &["man takes no arguments"]);
    misused(&directory, &["completions", "tcsh"], &["\"tcsh\"", "bash, zsh, fish"]);
    misused(&directory, &["iamat", "me"], &["iamat needs CLIENT LOCATION [TIME]"]);
    misused(&directory, &["iamat", "me", "34,118"], &["\"34,118\" is not a location"]);
    misused(&directory, &["iamat", "me", "-34.0+118.0", "noon"], &["\"noon\" is not a time"]);
    misused(&directory, &["iamat", "my phone", "+34.0+118.0"], &["\"my phone\" is not a client's name"]);
    misused(&directory, &["whatsat", "me", "51", "5"], &["\"51\" is not a radius"]);
    misused(&directory, &["whatsat", "me", "5", "21"], &["\"21\" is not a bound"]);
    misused(&directory, &["forget"], &["forget needs CLIENT"]);
    misused(&directory, &["forget", "my phone"], &["\"my phone\" is not a client's name"]);
    misused(&directory, &["whatsat", "me", "5", "2", "--server", "Nobody"], &["\"Nobody\"", "HOST:PORT"]);
}

#[test]
fn an_unknown_server_is_refused_with_a_list_of_the_known_ones() {
    let directory = Directory::new();
    misused(&directory, &["Nobody"], &["\"Nobody\"", "Alford, Bolden, Hamilton, Parker, Powell"]);
    misused(&directory, &["powell"], &["\"powell\"", "Powell"]);
    let (config, _) = alone(&directory, "");
    misused(&directory, &["Powell", "--config", &config], &["\"Powell\"", "the herd has Alford"]);
}

#[test]
fn a_missing_configuration_is_refused() {
    let directory = Directory::new();
    refuses(&directory, &["Alford", "--config", "missing.toml"], &["missing.toml"]);
    refuses(&directory, &["Alford", "--config", "."], &["configuration ."]);
}

#[test]
fn a_mistake_in_the_configuration_is_refused_with_its_line() {
    let server = "[servers.Alford]\naddress = \"127.0.0.1:12200\"\n";
    refuses_config(format!("{server}\n\nthis is = = not TOML\n"), &["herd.toml, line 5"]);
    refuses_config(b"[servers.Alford]\naddress = \"\xff\"\n", &["herd.toml"]);
    refuses_config("[servers.Alford]\nadress = \"127.0.0.1:1\"\n", &["line 2", "unknown key \"adress\"", "address"]);
}

#[test]
fn google_without_a_usable_key_or_ca_file_is_refused() {
    let directory = Directory::new();
    let google = "[places]\nprovider = \"google\"\n";
    let (config, _) = alone(&directory, google);
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 4: ", "needs a key", KEY.0]);
    refuses_with(&directory, &["Alford", "--config", &config], &[(KEY.0, "  ")], FAILED, &["needs a key"]);

    let (config, _) = alone(&directory, &format!("{google}key_file = \"missing.key\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 5: ", "missing.key"]);
    directory.write("empty.key", "\n");
    let (config, _) = alone(&directory, &format!("{google}key_file = \"empty.key\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &["herd.toml, line 5: ", "empty.key"]);

    directory.write("bad.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    directory.write("empty.pem", "");
    for file in ["missing.pem", "bad.pem", "empty.pem"] {
        let (config, _) = alone(&directory, &format!("{google}ca_file = \"{file}\"\n"));
        refuses_with(
            &directory,
            &["Alford", "--config", &config],
            &[KEY],
            FAILED,
            &["herd.toml, line 5: ca_file: ", file],
        );
    }
}

#[test]
fn an_address_in_use_is_refused() {
    let directory = Directory::new();
    let (config, port) = alone(&directory, "");
    let _somebody = TcpListener::bind(("127.0.0.1", port)).unwrap();
    refuses(&directory, &["Alford", "--config", &config], &[&format!("127.0.0.1:{port}"), "in use"]);
}

#[test]
fn an_unknown_host_name_is_refused() {
    let directory = Directory::new();
    // A part of a name has at most 63 letters: no system asks the network for this one.
    let name = "a".repeat(64);
    let config = directory.write("herd.toml", format!("[servers.Alford]\naddress = \"{name}.invalid:12200\"\n"));
    refuses(&directory, &["Alford", "--config", &config], &[&name]);
}

#[test]
fn a_log_directory_that_is_not_a_directory_is_refused() {
    let directory = Directory::new();
    let (config, _) = alone(&directory, "");
    directory.write("file", "");
    for wrong in ["missing", "file", "file/below"] {
        refuses(&directory, &["Alford", "--config", &config, "--log-dir", wrong], &["log", wrong]);
    }
}
