//! [`Order`]: what must hold for the events of every reactor, whatever the program does. A debug build checks each
//! event of each trace, so every test that makes a trace checks it, in the programs that it starts, too.
//!
//! Next: `secrets.rs`, what must not be seen.

use super::Phase;
use std::cell::Cell;
use std::time::Duration;

/// Where the events of one reactor have come to.
#[derive(Debug, Default)]
pub(super) struct Order {
    turn: Cell<u64>,
    step: Cell<u8>,
    time: Cell<Duration>,
}

impl Order {
    /// Takes the next event. Turns, the phases of a turn and the time never go back.
    ///
    /// # Panics
    /// If one does: the loop would be wrong, or what it reports.
    pub(super) fn check(&self, turn: u64, phase: Phase, time: Duration) {
        let step = step(phase);
        let (before, its_step) = (self.turn.replace(turn), self.step.replace(step));
        assert!(
            before < turn || (before == turn && its_step <= step),
            "the trace goes back: from step {its_step} of turn {before} to phase {} of turn {turn}",
            phase.name()
        );
        assert!(self.time.replace(time) <= time, "the time of the trace goes back, in turn {turn}");
    }
}

/// The place of a phase in its turn. What happens outside, after a turn and before the next one, has the number of the
/// turn that is over.
fn step(phase: Phase) -> u8 {
    match phase {
        Phase::Wait => 1,
        Phase::Events => 2,
        Phase::Calls => 3,
        Phase::Timers => 4,
        Phase::Flush => 5,
        Phase::Ends => 6,
        Phase::Outside => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn holds(events: &'static [(u64, Phase, u64)]) -> bool {
        let order = Order::default();
        let check = |(turn, phase, time): (u64, Phase, u64)| order.check(turn, phase, Duration::from_nanos(time));
        catch_unwind(std::panic::AssertUnwindSafe(|| events.iter().copied().for_each(check))).is_ok()
    }

    #[test]
    fn turns_phases_and_times_only_go_on() {
        use Phase::{Calls, Ends, Events, Outside, Timers, Wait};
        assert!(holds(&[(0, Outside, 0), (1, Wait, 1), (1, Events, 1), (1, Ends, 3), (1, Outside, 3), (2, Wait, 4)]));
        assert!(holds(&[(1, Wait, 0), (2, Wait, 0)]), "a turn that fails has no other phase");
        assert!(!holds(&[(1, Timers, 0), (1, Calls, 0)]), "a phase");
        assert!(!holds(&[(1, Outside, 0), (1, Wait, 0)]), "a turn that is over");
        assert!(!holds(&[(2, Wait, 0), (1, Ends, 0)]), "a turn");
        assert!(!holds(&[(1, Wait, 2), (1, Wait, 1)]), "the time");
    }
}
