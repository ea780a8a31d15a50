//! Chains of callbacks.

use super::{Drops, Guard, guarded, leaves_nothing};
use reactor::deferred::succeed;
use reactor::testing::ManualClock;
use reactor::{Deferred, Failure, Firer};
use std::time::Duration;

type Two = (Deferred<Guard>, Firer<Guard>);

/// One with a canceller that holds a guard, and does nothing.
fn with_canceller(drops: &Drops) -> Two {
    let guard = drops.guard();
    Deferred::with_canceller(move |_| {
        let _ = &guard;
    })
}

type Way = fn(Two, &Drops);

/// What may happen to the two ends.
const WAYS: [(&str, Way); 14] = [
    ("fired", |(chain, firer), drops| {
        firer.callback(drops.guard()).unwrap();
        drop((chain, firer));
    }),
    ("failed", |(chain, firer), _| {
        firer.errback(Failure::msg("no")).unwrap();
        drop((chain, firer));
    }),
    ("fired with the Deferred gone", |(chain, firer), drops| {
        drop(chain);
        firer.callback(drops.guard()).unwrap();
    }),
    ("fired twice", |(chain, firer), drops| {
        firer.callback(drops.guard()).unwrap();
        assert!(firer.callback(drops.guard()).is_err());
        drop((firer, chain));
    }),
    ("cancelled", |(chain, firer), _| {
        chain.cancel();
        drop((chain, firer));
    }),
    ("cancelled and fired late", |(chain, firer), drops| {
        chain.cancel();
        let _ = firer.callback(drops.guard());
        assert!(firer.callback(drops.guard()).is_err());
        drop((firer, chain));
    }),
    ("cancelled from elsewhere", |(chain, firer), drops| {
        let canceller = chain.canceller();
        let chain = guarded(chain, drops);
        drop(firer);
        canceller.cancel();
        drop(chain);
    }),
    ("both lost, the Firer first", |(chain, firer), _| {
        drop(firer);
        drop(chain);
    }),
    ("both lost, the Deferred first", |(chain, firer), _| {
        drop(chain);
        drop(firer);
    }),
    ("paused, fired and lost", |(mut chain, firer), drops| {
        let pause = chain.pause();
        firer.callback(drops.guard()).unwrap();
        drop((firer, chain));
        drop(pause);
    }),
    ("fired, paused and lost", |(chain, firer), drops| {
        firer.callback(drops.guard()).unwrap();
        let mut chain = guarded(chain, drops);
        let pause = chain.pause();
        let chain = guarded(chain, drops);
        drop((chain, pause, firer));
    }),
    ("paused and never fired", |(mut chain, firer), _| {
        let pause = chain.pause();
        drop(chain);
        drop(firer);
        drop(pause);
    }),
    ("paused, failed and gone on", |(mut chain, firer), drops| {
        let pause = chain.pause();
        firer.errback(Failure::msg("no")).unwrap();
        let chain = guarded(chain, drops);
        pause.unpause();
        drop((firer, chain));
    }),
    ("handed on", |(chain, firer), drops| {
        let (other, other_firer) = with_canceller(drops);
        let (other, chain) = (guarded(other, drops), chain.chain_deferred(other_firer));
        drop(other);
        firer.callback(drops.guard()).unwrap();
        drop((chain, firer));
    }),
];

#[test]
fn a_chain_is_gone_with_its_ends_whatever_happened_to_it() {
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| way(with_canceller(drops), drops));
        leaves_nothing(name, |drops| {
            let (chain, firer) = with_canceller(drops);
            way((guarded(chain, drops), firer), drops);
        });
        leaves_nothing(name, |drops| {
            let (chain, firer) = with_canceller(drops);
            way((guarded(guarded(chain, drops), drops), firer.clone()), drops);
        });
    }
}

#[test]
fn a_chain_that_waits_is_gone_with_the_ends_of_what_it_waits_for() {
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| {
            let (inner, firer) = with_canceller(drops);
            let inner = guarded(inner, drops);
            let (outer, fire_outer) = Deferred::<Guard>::new();
            let outer = guarded(guarded(outer, drops).add_callback(move |_| inner), drops);
            fire_outer.callback(drops.guard()).unwrap();
            drop(fire_outer);
            way((outer, firer), drops);
        });
        leaves_nothing(name, |drops| {
            let (inner, firer) = with_canceller(drops);
            let value = drops.guard();
            let outer = succeed(value).add_callback(move |_| inner);
            way((guarded(outer, drops), firer), drops);
        });
    }
}

#[test]
fn a_chain_that_never_ran_drops_the_deferred_that_it_would_have_waited_for() {
    leaves_nothing("never fired", |drops| {
        let (inner, fire_inner) = with_canceller(drops);
        let (outer, firer) = Deferred::<()>::new();
        let outer = guarded(outer.add_callback(move |()| inner), drops);
        drop(firer);
        drop(outer);
        fire_inner.callback(drops.guard()).unwrap();
    });
    leaves_nothing("failed before", |drops| {
        let (inner, fire_inner) = with_canceller(drops);
        let (outer, firer) = Deferred::<()>::new();
        let outer = guarded(outer.add_callback(move |()| inner), drops);
        firer.errback(Failure::msg("no")).unwrap();
        drop((outer, fire_inner));
    });
}

#[test]
fn a_canceller_goes_when_its_deferred_fires() {
    for cancelled in [true, false] {
        let drops = Drops::default();
        let (chain, firer) = with_canceller(&drops);
        if cancelled {
            chain.cancel();
        } else {
            firer.errback(Failure::msg("no")).unwrap();
        }
        assert_eq!(drops.count(), 1, "cancelled: {cancelled}");
        drop((chain.add_errback(|failure| failure.trap::<reactor::CancelledError>().map(|_| drops_none())), firer));
    }
}

/// A guard that nobody counts.
fn drops_none() -> Guard {
    Drops::default().guard()
}

#[test]
fn a_timeout_keeps_nothing_once_the_chain_has_passed_it_or_its_clock_is_gone() {
    let limit = Duration::from_secs(1);
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| {
            let clock = ManualClock::new();
            let (chain, firer) = with_canceller(drops);
            let chain = guarded(guarded(chain, drops).add_timeout(limit, &clock), drops);
            way((chain, firer), drops);
            clock.advance(limit);
        });
        leaves_nothing(name, |drops| {
            let clock = ManualClock::new();
            let (chain, firer) = with_canceller(drops);
            let kept = drops.guard();
            let chain = guarded(chain, drops).add_timeout_with(limit, &clock, move |result, _| {
                drop(kept);
                result
            });
            clock.advance(limit);
            way_after_the_end((chain, firer), drops);
        });
        leaves_nothing(name, |drops| {
            let clock = ManualClock::new();
            let (chain, firer) = with_canceller(drops);
            let chain = guarded(chain, drops).add_timeout(limit, &clock);
            drop(clock);
            way((guarded(chain, drops), firer), drops);
        });
    }
}

fn way_after_the_end((chain, firer): Two, drops: &Drops) {
    let _ = firer.callback(drops.guard());
    drop((chain, firer));
}
