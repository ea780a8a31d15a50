//! What is dropped by a panic: what the panicking code held, and nothing twice.

use super::{Drops, Guard, guarded, leaves_nothing};
use reactor::deferred::{Others, gather_results};
use reactor::{Deferred, Failure};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Without the message: the harness keeps those, and that would count as memory.
fn panic(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

#[test]
fn a_callback_that_panics_keeps_nothing_and_the_rest_runs() {
    for fire_first in [true, false] {
        leaves_nothing("callback", |drops| {
            let (kept, held) = (drops.guard(), drops.guard());
            let (chain, firer) = Deferred::new();
            let value = drops.guard();
            if fire_first {
                firer.callback(value).unwrap();
                let added = catch_unwind(AssertUnwindSafe(|| {
                    drop(chain.add_callback(move |value| -> Result<(), Failure> {
                        let _kept = (kept, value, held);
                        panic("in the callback")
                    }));
                }));
                assert!(added.is_err());
            } else {
                let chain = chain.add_callback(move |value| {
                    let _kept = (kept, held);
                    if std::hint::black_box(true) { panic("in the callback") } else { Ok(value) }
                });
                let chain = guarded(chain, drops);
                assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(value))).is_err());
                drop(chain);
            }
        });
    }
}

#[test]
fn a_canceller_that_panics_keeps_nothing() {
    leaves_nothing("canceller", |drops| {
        let kept = drops.guard();
        let (chain, firer) = Deferred::with_canceller(move |_| {
            let _kept = kept;
            panic("in the canceller")
        });
        let chain = guarded(chain, drops);
        assert!(catch_unwind(AssertUnwindSafe(|| chain.cancel())).is_err());
        drop((chain, firer));
    });
}

#[test]
fn a_canceller_of_an_input_that_panics_keeps_nothing() {
    leaves_nothing("input", |drops| {
        let (kept, other) = (drops.guard(), drops.guard());
        let (first, fire_first) = Deferred::with_canceller(move |_| {
            let _kept = kept;
            panic("in the canceller")
        });
        let (second, fire_second) = Deferred::with_canceller(move |_| drop(other));
        let all = gather_results([guarded(first, drops), guarded(second, drops)], Others::Cancel);
        assert!(catch_unwind(AssertUnwindSafe(|| all.cancel())).is_err());
        drop((all, fire_first, fire_second));
    });
}

#[test]
fn a_body_that_panics_keeps_nothing() {
    for at_once in [true, false] {
        leaves_nothing("body", |drops| {
            let kept = drops.guard();
            let (source, firer) = Deferred::new();
            let value = drops.guard();
            let start = move || {
                Deferred::from_future(async move {
                    let _kept = kept;
                    let _value = source.await?;
                    if std::hint::black_box(true) {
                        panic("in the body")
                    }
                    Ok(())
                })
            };
            if at_once {
                firer.callback(value).unwrap();
                assert!(catch_unwind(AssertUnwindSafe(|| drop(start()))).is_err());
            } else {
                let chain = start();
                assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(value))).is_err());
                drop(chain);
            }
        });
    }
}

#[test]
fn a_body_that_panics_among_others_keeps_nothing() {
    leaves_nothing("row", |drops| {
        let (source, firer) = Deferred::<u32>::new();
        let mut chain = source;
        for level in 0..10 {
            let (guard, inner): (_, Deferred<u32>) = (drops.guard(), chain);
            chain = Deferred::from_future(async move {
                let _guard = guard;
                let n = inner.await?;
                if level == 5 { panic("in the sixth") } else { Ok(n) }
            });
        }
        assert!(catch_unwind(AssertUnwindSafe(|| firer.callback(1))).is_err());
        drop(chain);
    });
}

#[test]
fn a_value_whose_drop_panics_is_dropped_once_and_the_others_after_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic("dropped");
        }
    }
    let drops = Drops::default();
    let (before, after) = (drops.guard(), drops.guard());
    let (deferred, firer) = Deferred::<()>::new();
    let bomb = Bomb;
    let chain = deferred
        .add_callback(move |()| drop(before))
        .add_callback(move |()| drop(bomb))
        .add_callback(move |()| drop(after));
    drop(firer);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(chain))).is_err());
    assert_eq!(drops.count(), 2);
}

#[test]
fn if_values_panic_in_drop_the_whole_chain_is_dropped_once_and_the_first_panic_resumes() {
    struct Bomb(&'static str, #[expect(dead_code, reason = "dropped after the panic")] Guard);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic(self.0);
        }
    }
    for firer_last in [true, false] {
        leaves_nothing("bombs", |drops| {
            let (chain, firer) = Deferred::<Guard>::new();
            let (first, second) = (Bomb("the first", drops.guard()), Bomb("the second", drops.guard()));
            let chain = guarded(chain, drops).add_callback(move |value| {
                let _first = first;
                Ok(value)
            });
            let chain = guarded(chain, drops).add_callback(move |value| {
                let _second = second;
                Ok(value)
            });
            // In a closure that is dropped: a chain of its own with one more.
            let (inner, third) = (guarded(chain, drops), Bomb("the third", drops.guard()));
            let (outer, outer_firer) = Deferred::<()>::new();
            let inner = inner.add_callback(move |_| {
                let _third = third;
                Ok(())
            });
            let outer = outer.add_callback(move |()| inner);
            let ended = catch_unwind(AssertUnwindSafe(|| {
                if firer_last {
                    drop(firer);
                    drop((outer, outer_firer));
                } else {
                    drop(outer);
                    drop(outer_firer);
                    drop(firer);
                }
            }));
            assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"the first"));
            assert_eq!(drops.count(), 18, "at once: nothing waits for the next drop");
        });
    }
}
