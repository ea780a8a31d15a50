//! The pictures in docs/pictures are what the programs do: each is run, and drawn again. With `REDRAW=1` this writes them
//! instead, which is what `docs/pictures/make` does.

#[expect(dead_code, reason = "other tests write lines")]
mod util;

use lens::Model;
use lens::views::ladder::Ladders;
use lens::views::wire::Wire;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use util::model;

const EXAMPLES: [&str; 5] =
    ["deferred_chain", "deferred_errors", "deferred_waiting", "deferred_lists", "deferred_cancel"];

/// Cargo puts the programs beside the folder of this test's own program.
fn program(folder: &str, name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let profile = own.ancestors().nth(2).expect("a test lies in <profile>/deps");
    let program = profile.join(folder).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{name} is not built: run `cargo build --workspace --examples --bins` first");
    program
}

/// Where a program is to write its trace.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lens-{name}-{}", std::process::id()))
}

fn traced(program: &Path, file: &Path) -> Command {
    let mut command = Command::new(program);
    // As many bytes as the words of a simulated network have at most: a message of the herd is in the picture whole.
    command.env("REACTOR_TRACE", file).env("REACTOR_TRACE_VALUES", "1").env("REACTOR_TRACE_BYTES", "100");
    command
}

fn read(file: &Path) -> Model {
    let text = fs::read_to_string(file).expect("it has written a trace");
    fs::remove_file(file).expect("it is ours");
    model(&text)
}

fn example(name: &str) -> Model {
    let file = file(name);
    let output = traced(&program("examples", name), &file).output().expect("an example can be run");
    assert!(output.status.success(), "{name}: {output:?}");
    read(&file)
}

/// Compares a picture with the one in the documents; or writes that.
fn compare(name: &str, drawn: &str, masked: fn(&str) -> String) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures").join(name);
    if std::env::var_os("REDRAW").is_some() {
        fs::write(kept, drawn).expect("docs/pictures can be written");
        return;
    }
    let old = fs::read_to_string(kept).unwrap_or_default();
    assert!(masked(&old) == masked(drawn), "docs/pictures/{name} is old: run docs/pictures/make; now it is\n{drawn}");
}

fn exact(picture: &str) -> String {
    picture.to_owned()
}

/// Without the lines of places: a picture of the herd would be old whenever somebody adds a line to it.
fn without_lines(picture: &str) -> String {
    let mut parts = picture.split(".rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + ".rs:" + part.trim_start_matches(|char: char| char.is_ascii_digit() || char == ':')
    })
}

#[test]
fn the_ladders_of_the_examples_are_what_they_do() {
    for name in EXAMPLES {
        let ladders = Ladders::new(&example(name));
        compare(&format!("{name}.txt"), &ladders.to_text(), exact);
        compare(&format!("{name}.svg"), &ladders.to_svg(), exact);
    }
}

#[test]
fn the_race_is_the_one_of_the_example() {
    let model = example("deferred_lists");
    let races = model.chains.chains.values().filter(|chain| chain.what == "race");
    let last = races.map(|chain| chain.number).max().expect("the example has races");
    compare("race.svg", &Ladders::of(&model, |chain| chain.number == last).to_svg(), exact);
}

#[test]
fn the_storm_is_the_smallest_one_of_the_simulated_herd() {
    let file = file("storm");
    let mut herdsim = traced(&program("", "herdsim"), &file)
        .args(["--rule", "paper"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("herdsim can be run");
    // The lesson is told when its world is over. What comes then takes long.
    let mut first = String::new();
    BufReader::new(herdsim.stdout.take().expect("it is piped")).read_line(&mut first).expect("herdsim speaks");
    herdsim.kill().expect("herdsim can be ended");
    herdsim.wait().expect("herdsim ends");
    assert!(first.contains("THE STORM"), "{first}");
    let model = read(&file);
    for later in 2..=16 {
        let _ = fs::remove_file(file.with_extension(later.to_string()));
    }
    let hosts = ["feeder", "Alford", "Bolden", "Hamilton"];
    let storm = Wire::of_world(&model, &hosts).only_arrows().only_with("AT ").from("IAMAT");
    compare("storm.svg", &storm.to_svg(), exact);
}

#[test]
fn the_whatsat_and_its_tls_are_those_of_the_example() {
    let model = example("whatsat");
    compare("whatsat.svg", &Wire::of_world(&model, &[]).from("connects").to_svg(), exact);
    // The Deferred of the answer from the Places service, and all that has to do with it.
    let chains = model.chains.chains.values().filter(|chain| chain.host == "Alford");
    let answer = chains.filter(|chain| chain.place.contains("google.rs") || chain.place.contains("service.rs"));
    let answer = answer.map(|chain| chain.number).next().expect("the service was asked");
    compare("whatsat_ladder.svg", &Ladders::of_request(&model, answer).to_svg(), without_lines);
}
