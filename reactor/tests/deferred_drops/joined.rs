//! Lists, gatherings, races and shared results.

use super::{Drops, Guard, guarded, leaves_nothing};
use reactor::deferred::{Others, deferred_list, gather_results, race};
use reactor::{Deferred, Failure, Firer};

/// The guard stays in the closure that drops the output.
fn kept<T: 'static>(joined: Deferred<T>, drops: &Drops) -> Deferred<()> {
    let guard = drops.guard();
    joined.add_both(move |result| {
        drop(guard);
        result.map(drop)
    })
}

type Join = fn(Vec<Deferred<Guard>>, &Drops) -> Deferred<()>;

const JOINS: [(&str, Join); 5] = [
    ("list", |inputs, drops| kept(deferred_list(inputs), drops)),
    ("gathering that cancels", |inputs, drops| kept(gather_results(inputs, Others::Cancel), drops)),
    ("gathering that leaves running", |inputs, drops| kept(gather_results(inputs, Others::LeaveRunning), drops)),
    ("race that cancels", |inputs, drops| kept(race(inputs, Others::Cancel), drops)),
    ("race that leaves running", |inputs, drops| kept(race(inputs, Others::LeaveRunning), drops)),
];

type Way = (&'static str, fn(Deferred<()>, Vec<Firer<Guard>>, &Drops));

const WAYS: [Way; 9] = [
    ("all fired", |joined, firers, drops| {
        for firer in &firers {
            let _ = firer.callback(drops.guard());
        }
        drop((joined, firers));
    }),
    ("all failed", |joined, firers, _| {
        for firer in &firers {
            let _ = firer.errback(Failure::msg("no"));
        }
        drop((firers, joined));
    }),
    ("one value, the rest lost", |joined, firers, drops| {
        firers[1].callback(drops.guard()).unwrap();
        drop(firers);
        drop(joined);
    }),
    ("one failure, the rest lost", |joined, firers, _| {
        firers[1].errback(Failure::msg("no")).unwrap();
        drop(firers);
        drop(joined);
    }),
    ("one failure, the rest late", |joined, firers, drops| {
        firers[1].errback(Failure::msg("no")).unwrap();
        for firer in &firers {
            let _ = firer.callback(drops.guard());
        }
        drop((joined, firers));
    }),
    ("cancelled", |joined, firers, _| {
        joined.cancel();
        drop((joined, firers));
    }),
    ("cancelled with all Firers lost", |joined, firers, _| {
        drop(firers);
        joined.cancel();
        drop(joined);
    }),
    ("lost, the Deferred first", |joined, firers, _| {
        drop(joined);
        drop(firers);
    }),
    ("lost, the Firers first", |joined, firers, _| {
        drop(firers);
        drop(joined);
    }),
];

/// With `Others::Cancel` the inputs stay in memory if nothing has decided the result and nobody can any more: the
/// documentation says so.
fn stays(join: &str, way: &str) -> bool {
    match join {
        "gathering that cancels" => way.starts_with("lost") || way.starts_with("one value"),
        "race that cancels" => way.starts_with("lost") || way == "one failure, the rest lost",
        _ => false,
    }
}

#[test]
fn what_is_joined_is_gone_with_its_ends_whatever_happened_to_it() {
    for (join_name, join) in JOINS {
        for (way_name, way) in WAYS {
            if stays(join_name, way_name) {
                continue;
            }
            leaves_nothing(&format!("{join_name}, {way_name}"), |drops| {
                let (inputs, firers): (Vec<_>, Vec<_>) = (0..3)
                    .map(|_| {
                        let guard = drops.guard();
                        let (input, firer) = Deferred::with_canceller(move |_| drop(guard));
                        (guarded(input, drops), firer)
                    })
                    .unzip();
                way(join(inputs, drops), firers, drops);
            });
        }
    }
}

#[test]
fn lost_inputs_of_a_list_that_cancels_stay_until_one_of_them_decides() {
    for (join_name, join) in JOINS {
        leaves_nothing(join_name, |drops| {
            let (inputs, firers): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::<Guard>::new()).unzip();
            let inputs = inputs.into_iter().map(|input| guarded(input, drops)).collect();
            let mut firers = firers.into_iter();
            let first = firers.next().unwrap();
            drop((join(inputs, drops), firers));
            if join_name.starts_with("gathering") {
                first.errback(Failure::msg("no")).unwrap();
            } else {
                first.callback(drops.guard()).unwrap();
            }
        });
    }
}

#[test]
fn a_shared_result_is_gone_with_its_handles_and_waiters_whatever_happened_to_it() {
    use std::rc::Rc;
    type Way = fn(reactor::deferred::Shared<Rc<Guard>>, Vec<Deferred<Rc<Guard>>>, Firer<Rc<Guard>>, &Drops);
    const WAYS: [(&str, Way); 8] = [
        ("fired", |shared, waiters, firer, drops| {
            firer.callback(Rc::new(drops.guard())).unwrap();
            drop((shared, waiters, firer));
        }),
        ("failed", |shared, waiters, firer, _| {
            firer.errback(Failure::msg("no")).unwrap();
            drop((firer, waiters, shared));
        }),
        ("waiters gone, then fired", |shared, waiters, firer, drops| {
            drop(waiters);
            firer.callback(Rc::new(drops.guard())).unwrap();
            drop((firer, shared));
        }),
        ("handle gone, then fired", |shared, waiters, firer, drops| {
            drop(shared);
            firer.callback(Rc::new(drops.guard())).unwrap();
            drop((firer, waiters));
        }),
        ("one cancelled, then fired", |shared, waiters, firer, drops| {
            waiters[0].cancel();
            firer.callback(Rc::new(drops.guard())).unwrap();
            drop((firer, waiters, shared));
        }),
        ("all cancelled", |shared, waiters, firer, _| {
            waiters.iter().for_each(Deferred::cancel);
            drop((firer, waiters, shared));
        }),
        ("all lost, the Firer first", |shared, waiters, firer, _| {
            drop(firer);
            drop(shared);
            drop(waiters);
        }),
        ("all lost, the Firer last", |shared, waiters, firer, _| {
            drop(waiters);
            drop(shared);
            drop(firer);
        }),
    ];
    for (name, way) in WAYS {
        leaves_nothing(name, |drops| {
            let guard = drops.guard();
            let (source, firer) = Deferred::<Rc<Guard>>::with_canceller(move |_| drop(guard));
            let shared = source.share();
            let waiters = (0..3)
                .map(|_| {
                    let kept = drops.guard();
                    shared.wait().add_both(move |result| {
                        drop(kept);
                        result
                    })
                })
                .collect();
            way(shared, waiters, firer, drops);
        });
    }
}
