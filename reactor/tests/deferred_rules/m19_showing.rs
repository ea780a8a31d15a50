//! M19: a Deferred shows its state, and says what it waits for.

use crate::labels::labelled;
use crate::*;
use reactor::deferred::{self, Others, deferred_list, gather_results};
use std::future::{Future, pending as never};
use std::pin::Pin;
use std::task::{Context, Waker};

fn debug(deferred: &impl fmt::Debug) -> String {
    labelled(&format!("{deferred:?}"))
}

/// What it waits for, and that the lines name these places in this order, each in a line below the one before.
#[track_caller]
fn waits<T>(deferred: &Deferred<T>, places: &[&str]) -> String {
    let text = labelled(&deferred.waiting().to_string());
    let mut lines = text.lines();
    for place in places {
        assert!(
            lines.any(|line| line.contains(&format!("<{place}>"))),
            "{place} is missing or out of order in:\n{text}"
        );
    }
    text
}

/// How deep the line stands that names the place.
fn depth(text: &str, place: &str) -> usize {
    let line = text.lines().find(|line| line.contains(&format!("<{place}>"))).expect("it is named");
    line.len() - line.trim_start().len()
}

#[test]
fn debug_shows_where_a_deferred_was_made_and_whether_it_has_fired() {
    let (deferred, firer) = Deferred::<u32>::new(); // made
    assert!(debug(&deferred).contains("pending") && debug(&deferred).contains("<made>"), "{deferred:?}");
    assert!(debug(&firer).contains("not called") && debug(&firer).contains("<made>"), "{firer:?}");
    let chain = deferred.add_callback(Ok);
    assert!(debug(&chain).contains("pending") && debug(&chain).contains("<made>"), "{chain:?}");
    firer.callback(1).unwrap();
    assert!(debug(&chain).contains("fired") && debug(&chain).contains("<made>"), "{chain:?}");
    assert!(!debug(&firer).contains("not called"), "{firer:?}");
    let fired = deferred::succeed(1); // succeeded
    assert!(debug(&fired).contains("fired") && debug(&fired).contains("<succeeded>"), "{fired:?}");
    let failed = deferred::fail::<u32>(boom()); // failed
    assert!(debug(&failed).contains("fired") && debug(&failed).contains("<failed>"), "{failed:?}");
    assert_eq!(outcome(failed), "failed: boom");
}

#[test]
fn debug_does_not_need_debug_of_the_value() {
    struct Opaque;
    let fired = deferred::succeed(Opaque); // opaque
    assert!(debug(&fired).contains("<opaque>"));
}

#[test]
fn debug_shows_whether_a_deferred_is_paused_or_waits() {
    let (mut paused, firer) = Deferred::<u32>::new(); // paused
    firer.callback(1).unwrap();
    let pause = paused.pause();
    assert!(debug(&paused).contains("paused") && debug(&paused).contains("<paused>"));
    drop(pause);
    assert!(debug(&paused).contains("fired"));

    let (inner, _fire_inner) = Deferred::<u32>::new();
    let waiting = deferred::succeed(()); // waits
    let waiting = waiting.add_callback(move |()| inner);
    assert!(debug(&waiting).contains("waits,") && debug(&waiting).contains("<waits>"));

    let (mut awaited, firer) = Deferred::<u32>::new(); // awaited
    assert!(Pin::new(&mut awaited).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(debug(&awaited).contains("pending") && debug(&awaited).contains("<awaited>"));
    firer.callback(1).unwrap();
    assert!(debug(&awaited).contains("fired") && debug(&awaited).contains("<awaited>"));
}

#[test]
fn waiting_shows_unfired_fired_and_paused_deferreds() {
    let (deferred, firer) = Deferred::<u32>::new(); // alone
    let mut chain = deferred.add_callback(Ok);
    assert!(waits(&chain, &["alone"]).contains("not been fired"));
    assert_eq!(chain.waiting().unfired().count(), 1);
    let pauses = [chain.pause(), chain.pause()];
    assert!(waits(&chain, &["alone"]).contains("paused 2 times"));
    firer.callback(1).unwrap();
    assert!(waits(&chain, &["alone"]).contains("paused"));
    drop(pauses);
    assert!(waits(&chain, &["alone"]).contains("has its result"));
    assert_eq!(chain.waiting().unfired().count(), 0);
}

#[test]
fn waiting_follows_the_deferreds_that_callbacks_returned() {
    let (innermost, _firer) = Deferred::<u32>::new(); // innermost
    let (middle, fire_middle) = Deferred::<()>::new(); // middle
    let middle = middle.add_callback(move |()| innermost); // gives innermost
    fire_middle.callback(()).unwrap();
    let outer = deferred::succeed(()); // outer
    let outer = outer.add_callback(move |()| middle); // gives middle
    let chain = outer.add_callback(Ok);
    let text = waits(&chain, &["outer", "gives middle", "middle", "gives innermost", "innermost"]);
    let depths = ["outer", "middle", "innermost"].map(|place| depth(&text, place));
    assert!(depths[0] < depths[1] && depths[1] < depths[2], "{text}");
    assert!(text.ends_with("the Deferred made at <innermost> has not been fired"), "{text}");
    let unfired: Vec<_> = chain.waiting().unfired().map(|place| labelled(&place.to_string())).collect();
    assert_eq!(unfired, ["<innermost>"]);
}

#[test]
fn waiting_follows_what_the_last_callback_returned() {
    let (inner, _fire_inner) = Deferred::<u32>::new(); // given back
    let chain = deferred::succeed(()); // giver
    let chain = chain.add_callback(move |()| inner); // gives
    waits(&chain, &["giver", "gives", "given back"]);
}

#[test]
fn waiting_shows_the_inputs_of_lists() {
    let (first, fire_first) = Deferred::<u32>::new(); // first
    let (second, _fire_second) = Deferred::<u32>::new(); // second
    let inputs = [first, deferred::succeed(1), second];
    let list = gather_results(inputs, Others::Cancel); // list
    let outer = deferred_list([list]); // list of lists
    let text = waits(&outer, &["list of lists", "list", "first", "second"]);
    assert_eq!(depth(&text, "first"), depth(&text, "second"));
    assert!(depth(&text, "list") < depth(&text, "first"), "{text}");
    assert_eq!(outer.waiting().unfired().count(), 2);
    fire_first.callback(1).unwrap();
    let text = waits(&outer, &["list of lists", "list", "second"]);
    assert!(!text.contains("<first>"), "it is not waited for any more:\n{text}");
}

#[test]
fn waiting_shows_what_coroutines_await() {
    let (inner, _firer) = Deferred::<u32>::new(); // asked
    let asks = Deferred::from_future(async {
        let n = inner.await?; // asks
        Ok(n)
    });
    let body = async {
        let nested = asks.add_callback(Ok);
        nested.await // awaits
    };
    let coroutine = Deferred::from_future(body); // coroutine
    let chain = deferred::succeed(()).add_callback(move |()| coroutine); // gives coroutine
    let chain = chain.add_callback(Ok);
    let text = waits(&chain, &["gives coroutine", "coroutine", "awaits", "asks", "asked"]);
    assert!(text.ends_with("the Deferred made at <asked> has not been fired"), "{text}");
    let foreign = Deferred::<u32>::from_future(never()); // foreign
    waits(&foreign, &["foreign"]);
    assert_eq!(foreign.waiting().unfired().count(), 0, "what it waits for is not a Deferred");
}

#[test]
fn waiting_of_a_million_is_cut_short_and_says_so() {
    let (mut chain, _firer) = Deferred::<u32>::new();
    for _ in 0..LONG {
        let inner = chain;
        chain = deferred::succeed(()).add_callback(move |()| inner).add_callback(Ok);
    }
    let text = chain.waiting().to_string();
    assert!(text.lines().count() < 200 && text.lines().last().is_some_and(|line| line.contains("more")), "{text}");
}
