//! Nothing leaks and nothing is dropped twice: every closure, value, future and canceller goes exactly once, whatever
//! path it takes, and the memory with it.

mod chains;
mod coroutines;
mod joined;
mod panics;
mod waiters;

use reactor::Deferred;
use reactor::testing::collect_unhandled;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Hands out guards, and knows which of them have been dropped how often.
#[derive(Clone, Default)]
struct Drops(Rc<RefCell<Vec<u32>>>);

struct Guard {
    number: usize,
    drops: Drops,
}

impl Drops {
    fn guard(&self) -> Guard {
        let mut counts = self.0.borrow_mut();
        counts.push(0);
        Guard { number: counts.len() - 1, drops: self.clone() }
    }

    /// How many have been dropped.
    fn count(&self) -> usize {
        self.0.borrow().iter().filter(|count| **count > 0).count()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.drops.0.borrow_mut()[self.number] += 1;
    }
}

/// Does `work`, which is to use up all that it makes; then every guard has been dropped once, and no memory is left.
#[track_caller]
fn leaves_nothing(name: &str, work: impl Fn(&Drops)) {
    // Once for what is allocated only once: lists of this thread, and of the tests.
    for round in ["first", "second"] {
        let left = Rc::new(Cell::new(0));
        let (noted, work) = (left.clone(), &work);
        let info = allocation_counter::measure(move || {
            let drops = Drops::default();
            drop(collect_unhandled(|| work(&drops)));
            let counts = drops.0.borrow();
            assert!(!counts.is_empty(), "{name}: there were guards");
            noted.set(counts.iter().filter(|count| **count != 1).count());
        });
        assert_eq!(left.get(), 0, "{name}: guards that were not dropped exactly once");
        if round == "second" {
            assert_eq!((info.count_current, info.bytes_current), (0, 0), "{name}: memory is left");
        }
    }
}

/// A chain with a guard in each of its closures.
fn guarded(chain: Deferred<Guard>, drops: &Drops) -> Deferred<Guard> {
    let (a, b, c, d, e) = (drops.guard(), drops.guard(), drops.guard(), drops.guard(), drops.guard());
    chain
        .add_callback(move |value| {
            drop(a);
            Ok(value)
        })
        .add_errback(move |failure| {
            drop(b);
            Err(failure)
        })
        .add_both(move |result| {
            drop(c);
            result
        })
        .add_callbacks(
            move |value| {
                drop(d);
                Ok(value)
            },
            move |failure| {
                drop(e);
                Err(failure)
            },
        )
}
