//! The program: its exit codes, where it writes, and what it does when nobody reads.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use reactor::Deferred;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use util::Lines;

const CASES: &str = include_str!("../../reactor/oracle/cases.jsonl");

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("lens-program-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A file with the trace of what `work` does with Deferreds.
    fn trace(&self, work: impl FnOnce()) -> PathBuf {
        let lines = Lines::default();
        lines.stream().during(work);
        self.file("trace.jsonl", &lines.text())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lens(file: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lens")).arg(file).args(arguments).output().unwrap()
}

/// The exit code, and what it wrote.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn fires() {
    let (number, firer) = Deferred::<u32>::new();
    let chain = number.add_callback(|n| Ok(n + 1));
    firer.callback(1).unwrap();
    drop(chain);
}

fn never_fires() {
    let (number, firer) = Deferred::<u32>::new();
    drop(firer);
    std::mem::forget(number.add_callback(|n| Ok(n + 1)));
}

#[test]
fn the_exit_code_is_that_of_the_verdict() {
    let folder = Folder::new("verdict");
    let (code, text, errors) = said(&lens(&folder.trace(fires), &[]));
    assert!(
        code == Some(0) && text.contains("Nothing is wrong in it.") && errors.is_empty(),
        "{code:?} {text} {errors}"
    );
    let (code, text, errors) = said(&lens(&folder.trace(never_fires), &[]));
    assert!(code == Some(1) && text.contains("can never fire") && errors.is_empty(), "{code:?} {text} {errors}");
    // A picture says nothing about right and wrong.
    assert_eq!(said(&lens(&folder.trace(never_fires), &["--ladder"])).0, Some(0));
}

#[test]
fn what_cannot_be_carried_out_is_refused_with_the_reason() {
    let folder = Folder::new("refused");
    let trace = folder.trace(fires);
    let (missing, other) = (folder.0.join("missing"), folder.file("other", "hello\nworld\n"));
    for (file, arguments, reason) in [
        (&missing, &[][..], "missing: "),
        (&other, &[], "other: line 1: "),
        (&trace, &["--hue"], "unknown option --hue"),
        (&trace, &["--ladder", "--deferred", "9"], "there is no Deferred 9 in this trace"),
        (&trace, &["--loop"], "no such turn of a loop"),
        (&trace, &["--waits", "--at", "999"], "there is no moment after 999 events"),
        (&trace, &["-o", "/no/such/folder/file"], "/no/such/folder/file: "),
    ] {
        let (code, text, errors) = said(&lens(file, arguments));
        assert_eq!((code, &*text), (Some(2), ""), "{arguments:?}");
        assert!(errors.starts_with("lens: ") && errors.contains(reason), "{arguments:?}: {errors}");
    }
    let (code, text, errors) = said(&lens(&trace, &["--help"]));
    assert!(code == Some(0) && text.starts_with("lens TRACE [VIEW]") && errors.is_empty(), "{text}{errors}");
}

#[test]
fn a_file_has_what_standard_output_would_have() {
    let folder = Folder::new("output");
    let (trace, file) = (folder.trace(never_fires), folder.0.join("written"));
    for arguments in
        [&[][..], &["--ladder"], &["--ladder", "--svg"], &["--ladder", "--path"], &["--waits"], &["--html"]]
    {
        let (code, text, _) = said(&lens(&trace, arguments));
        let with_file = [arguments, &["-o", file.to_str().unwrap()]].concat();
        assert_eq!(said(&lens(&trace, &with_file)), (code, String::new(), String::new()), "{arguments:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_may_close_the_pipe() {
    let folder = Folder::new("pipe");
    let trace = folder.trace(|| (0..500).for_each(|_| fires()));
    let whole = lens(&trace, &["--ladder"]).stdout.len();
    assert!(whole > 2 * 65_536, "more than a pipe holds: {whole}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lens"));
    command.arg(&trace).arg("--ladder").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut reader = child.stdout.take().unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
}

/// A program's own names and values go to a terminal in each of these.
#[test]
fn no_control_character_of_a_trace_reaches_a_terminal() {
    let folder = Folder::new("control");
    let trace = folder.trace(|| {
        let (text, firer) = Deferred::<String>::new();
        reactor::trace::name_next("\u{1b}[2Jgone");
        let text = text.add_callback(Ok);
        firer.callback("\u{9b}1m".to_owned()).unwrap();
        drop(text);
    });
    let (_, path, _) = said(&lens(&trace, &["--ladder", "--path"]));
    assert!(path.contains("[2Jgone ok ") && !path.trim_end().contains(char::is_control), "{path:?}");
    let hosts = folder.file("hosts", "{\"seq\":1,\"host\":\"\u{9b}2J\",\"kind\":\"turn\",\"turn\":1}\n");
    let (code, _, errors) = said(&lens(&hosts, &["--loop", "--host", "other"]));
    assert!(code == Some(2) && errors.contains("there is no host other in this trace: "), "{errors:?}");
    assert!(!errors.trim_end().contains(char::is_control), "{errors:?}");
}

#[test]
fn the_path_of_a_replayed_program_is_the_run_of_twisted() {
    let own = std::env::current_exe().unwrap();
    let replay = own.ancestors().nth(2).unwrap().join("examples").join("deferred_replay");
    let replay = replay.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(replay.exists(), "it is not built: run `cargo build --workspace --examples --bins` first");
    let folder = Folder::new("replay");
    let file = folder.0.join("replayed.jsonl");
    let mut count = 0;
    for case in CASES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).step_by(300) {
        let program = fs::File::open(folder.file("program", &case["program"].to_string())).unwrap();
        let output = Command::new(&replay).arg("--trace").arg(&file).stdin(program).output().unwrap();
        let (code, happened, _) = said(&output); // The library may warn of what the program does.
        assert_eq!(code, Some(0));
        assert_eq!(serde_json::from_str::<Value>(&happened).unwrap(), case["trace"]);
        let runs = case["trace"].as_array().unwrap().iter().filter(|event| event[0] == "run");
        let runs = runs.map(|run| format!("{} {} {}\n", run[1], run[2].as_str().unwrap(), run[3]).replace('"', ""));
        let path = said(&lens(&file, &["--ladder", "--path"]));
        assert_eq!(path, (Some(0), runs.collect::<String>(), String::new()), "{}", case["program"]);
        count += 1;
    }
    assert!(count >= 10, "{count}");
}
