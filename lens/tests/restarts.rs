//! A host that is started again: its two programs have turns, sockets and delayed calls with the same numbers.

#[path = "util/peers.rs"]
mod peers;
#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::Model;
use lens::views::connections::Connections;
use lens::views::loop_view::LoopViews;
use lens::views::page::Part;
use peers::{add_talker, echo_world};
use std::fs;
use std::process::Command;
use std::time::Duration;
use util::{Lines, model};

const MS: Duration = Duration::from_millis(1);

/// The lines of a server that two clients talk to, one after the other; it is started again in between.
fn lines() -> String {
    let lines = Lines::default();
    let (world, server, address) = echo_world(lines.stream(), Some(Duration::from_secs(1)));
    for name in ["first", "second"] {
        add_talker(&world, name, &address);
        world.run_for(500 * MS);
        if name == "first" {
            server.restart();
        }
    }
    drop(world);
    lines.text()
}

fn restarted() -> Model {
    model(&lines())
}

#[test]
fn each_program_has_a_loop_of_its_own() {
    let model = restarted();
    let views = LoopViews::new(&model, &["server"], None, None).views;
    let names: Vec<_> = views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["server, run 1", "server, run 2"]);
    for view in &views {
        let turns: Vec<_> = view.columns.iter().map(|column| (column.first, column.last)).collect();
        assert!(turns[0].0 == 1 && turns.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{}: {turns:?}", view.name);
    }
    let second = LoopViews::new(&model, &["server"], None, Some(2)).views;
    assert_eq!(second[..], views[1..]);
}

#[test]
fn each_connection_can_be_told_from_that_of_the_program_before() {
    let model = restarted();
    let [first, second] = &model.sockets.with_number("server", 2).collect::<Vec<_>>()[..] else {
        panic!("two of them")
    };
    assert_eq!((first.run, second.run, first.read, second.read), (1, 2, 4000, 4000));
    assert_ne!(first.peer, second.peer);
    let text = Connections::new(&model).to_text();
    for (run, peer) in [(1, &first.peer), (2, &second.peer)] {
        let name = format!("server 2 (run {run})");
        assert!(text.lines().any(|line| line.contains(&name) && line.contains(peer)), "{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for event in model.events.iter().enumerate().filter(|(_, event)| event.number("socket") == Some(2)) {
        let (at, event) = event;
        let socket = model.sockets.get_at(&event.host, 2, at).unwrap();
        assert!(event.host != "server" || (at < second.at) == (socket.peer == first.peer), "{event:?}");
    }
}

#[test]
fn a_connection_of_two_programs_is_chosen_by_the_run() {
    let file = std::env::temp_dir().join(format!("lens-restarts-{}.jsonl", std::process::id()));
    fs::write(&file, lines()).unwrap();
    let wire = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lens"));
        command.arg(&file).args(["--wire", "--host", "server", "--socket", "2"]).args(arguments).output().unwrap()
    };
    let refused = wire(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--run chooses one"), "{refused:?}");
    let [first, second] = ["1", "2"].map(|run| wire(&["--run", run]));
    fs::remove_file(file).unwrap();
    assert!(first.status.success() && second.status.success() && first.stdout != second.stdout, "{first:?}");
}

#[test]
fn a_page_of_turns_ends_with_the_program() {
    let model = restarted();
    let part = Part::choose(&model, None, Some((1, 999)), None, &["server".to_owned()]).unwrap();
    let is_begin = |event: &lens::Event| event.kind == "trace" && event.host == "server";
    let again = model.events.iter().rposition(is_begin).unwrap();
    assert_eq!(part.events.end, again);
}

#[test]
fn a_delayed_call_of_a_program_that_has_ended_waits_no_longer() {
    let model = restarted();
    let timers: Vec<_> = model.timers.timers.iter().filter(|timer| timer.host == "server").collect();
    let [first, second] = timers[..] else { panic!("{timers:?}") };
    assert_eq!(first.number, second.number);
    assert!(first.cancelled.is_some() && first.cancelled <= Some(second.set), "{first:?}");
}

/// A thread that uses Deferreds before it makes a reactor is one program.
#[test]
fn a_reactor_in_a_trace_that_began_without_one_is_the_first_run() {
    let kinds = ["trace", "trace", "turn", "turn_end"];
    let line = |(seq, kind)| format!("{{\"seq\":{seq},\"turn\":1,\"schema\":1,\"kind\":\"{kind}\"}}\n");
    let model = model(&kinds.into_iter().enumerate().map(line).collect::<String>());
    assert_eq!(model.turns.turns[0].run, 1);
    assert_eq!(LoopViews::new(&model, &[""], None, None).views[0].name, "");
}
