//! The ladders: which lane the path takes, where it stops, and what a ladder says of itself.

#[expect(dead_code, reason = "other tests look into the lines")]
mod util;

use lens::views::ladder::{Ladders, Lane, RungKind};
use lens::views::page::page;
use reactor::deferred::{Others, deferred_list, fail, gather_results, race, succeed};
use reactor::{Deferred, Failure};
use std::cell::Cell;
use std::rc::Rc;
use util::Lines;

#[test]
fn a_ladder_is_interrupted_while_the_chain_waits_and_numbers_each_event_once() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (inner, firer) = Deferred::<u32>::new();
        let outer = succeed(1).add_callback(move |_| inner);
        firer.callback(2).unwrap();
        drop(outer);
    });
    let ladders = Ladders::new(&lines.model());
    let rungs = &ladders.0[0].rungs;
    let ran = rungs.iter().position(|rung| matches!(rung.kind, RungKind::Ran { .. })).expect("a callback ran");
    let path: Vec<_> = rungs[ran - 1..].iter().map(|rung| (rung.order, rung.lane, rung.after)).collect();
    use Lane::{Neither, Value};
    let [has, callback, inside, goes_on] = path[..] else { panic!("{rungs:#?}") };
    assert_eq!((has, callback), ((0, Neither, Value), (1, Value, Neither)));
    assert_eq!((inside, goes_on), ((0, Neither, Neither), (3, Value, Value)));
}

#[test]
fn an_input_decides_a_list_only_if_the_others_do_not_count() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let no = || fail::<u32>(Failure::msg("no"));
        assert!(deferred_list([succeed(1), no()]).result().is_some());
        assert_eq!(gather_results([succeed(1), succeed(2)], Others::Cancel).result(), Some(vec![1, 2]));
        drop(gather_results([succeed(1), no()], Others::Cancel).add_errback(|_| Ok(Vec::new())));
        assert_eq!(race([no(), succeed(2)], Others::Cancel).result(), Some((1, 2)));
        drop(race([no(), no()], Others::Cancel).add_errback(|_| Ok((0, 0))));
    });
    let model = lines.model();
    let ladders = Ladders::new(&model);
    let rungs = ladders.0.iter().flat_map(|ladder| &ladder.rungs).map(|rung| &*rung.detail);
    let words = |text: &&str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let decided: Vec<_> = rungs.filter(|text| text.contains(" input 1")).map(|text| words(&text)).collect();
    assert_eq!(
        decided,
        ["complete with", "complete with", "decided by", "decided by", "complete with"],
        "{ladders:#?}"
    );
    let page = page(&model, "lists", |_| None);
    assert_eq!((page.matches(" decides ").count(), page.matches(" is complete with input ").count()), (2, 3));
}

#[test]
fn a_ladder_that_stands_alone_says_which_callback_made_it() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        let chain = number.add_callback(|n| {
            let (note, noted) = Deferred::<u32>::new();
            noted.callback(n).unwrap();
            assert_eq!(note.add_callback(|n| Ok(n + 1)).result(), Some(n + 1));
            Ok(n)
        });
        firer.callback(1).unwrap();
        drop(chain);
    });
    let model = lines.model();
    let ladders = Ladders::new(&model);
    let [outer, note] = &ladders.0[..] else { panic!("{ladders:#?}") };
    let step = model.chains.chains[&outer.chain].steps[0];
    assert_eq!([&*outer.maker, &*note.maker], ["", &*format!("callback {step} of Deferred {}", outer.chain)]);
    let head = format!("made in callback {step} of Deferred {} at ladders.rs:", outer.chain);
    for form in [ladders.to_text(), ladders.to_svg(), page(&model, "alone", |_| None)] {
        assert!(form.contains(&head), "{form}");
    }
    let alone = Ladders::of(&model, |chain| chain.number == note.chain);
    assert_eq!(alone.0[0].maker, "", "its maker is not in the picture");
}

#[test]
fn a_pause_interrupts_the_path_until_it_ends_and_one_that_never_ends_is_marked() {
    let lines = Lines::default();
    lines.stream().during(|| {
        let (mut number, firer) = Deferred::<u32>::new();
        let (pause, other) = (number.pause(), number.pause());
        let chain = number.add_errback(|_| Ok(0)).add_callback(|n| Ok(n + 1));
        firer.errback(std::fmt::Error).unwrap();
        drop((pause, other));
        assert_eq!(chain.result(), Some(1));
        let (mut held, firer) = Deferred::<u32>::new();
        let pause = held.pause();
        firer.callback(1).unwrap();
        std::mem::forget((held.add_callback(|n| Ok(n + 1)), pause));
    });
    let ladders = Ladders::new(&lines.model());
    use Lane::{Failure, Neither, Value};
    let lanes = |ladder: usize| ladders.0[ladder].rungs.iter().map(|rung| (rung.lane, rung.after)).collect::<Vec<_>>();
    let (fired, goes_on) = ((Failure, Neither), [(Neither, Failure), (Failure, Value), (Value, Value)]);
    assert_eq!(lanes(0)[..4], [(Neither, Neither), (Neither, Neither), fired, (Neither, Neither)], "{ladders:#?}");
    assert_eq!(lanes(0)[4..], goes_on, "{ladders:#?}");
    let [.., not_reached, alarm] = &ladders.0[1].rungs[..] else { panic!("{ladders:#?}") };
    assert!(matches!(not_reached.kind, RungKind::NotReached { .. }) && alarm.kind == RungKind::Alarm, "{ladders:#?}");
    assert_eq!(alarm.detail, "is still paused when the trace ends");
    assert_eq!(lanes(1), [(Neither, Neither), (Value, Neither), (Neither, Neither), (Neither, Neither)]);
    let held = Ladders(vec![ladders.0[1].clone()]).to_svg();
    assert_eq!(held.matches("class=\"ok\"").count(), 0, "{held}");
    assert!(held.contains("class=\"okbox\"") && ladders.to_text().contains(" ┆   ┆  !    is still"), "{held}");
}

#[test]
fn a_line_does_not_run_through_a_callback_that_was_not_reached() {
    let lines = Lines::default();
    let running = Rc::new(Cell::new(None));
    lines.stream().during(|| {
        let (number, firer) = Deferred::<u32>::new();
        let (seen, trace) = (running.clone(), lines.clone());
        let chain = number.add_callback(move |n| {
            seen.set(Some(trace.model()));
            Ok(n)
        });
        let chain = chain.add_callback(|n| Ok(n + 1));
        firer.callback(1).unwrap();
        drop(chain);
    });
    let ladders = Ladders::new(&running.take().expect("the callback ran"));
    let last = ladders.0[0].rungs.last().expect("a row");
    assert!(matches!(last.kind, RungKind::NotReached { .. }), "{ladders:#?}");
    assert_eq!((last.lane, last.after), (Lane::Neither, Lane::Neither));
}

#[test]
fn a_picture_without_deferreds_says_so_and_has_no_legend() {
    let svg = Ladders::default().to_svg();
    assert!(svg.contains(">No Deferred is told in this trace.</text>") && !svg.contains("Down:"), "{svg}");
}
