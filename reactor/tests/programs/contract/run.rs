//! What is promised about a run: how it stops, and in which order.

use super::{Contract, Limits};
use crate::program::Kind;
use reactor::sim::HostState;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// The reactor does not run yet, or not again yet.
    #[default]
    Between,
    Running,
    /// The triggers of the phase "before" are called, and their Deferreds waited for.
    Before,
    /// Everything is being closed.
    During,
    After,
    /// The program has ended.
    Dead,
}

/// The runs of one host's reactor.
#[derive(Debug, Default)]
pub(crate) struct RunBook {
    pub(crate) phase: Phase,
    pub(crate) run: u32,
    /// When the program asked for the stop.
    pub(crate) stop_asked: Option<Duration>,
    pub(crate) closing_since: Option<Duration>,
    /// The triggers that have not been called or removed, in the order in which they were added.
    pub(crate) triggers: BTreeMap<usize, reactor::Phase>,
    /// The triggers that must be called in this phase.
    pub(crate) due: Vec<usize>,
    /// The Deferreds that the triggers of the phase "before" returned.
    pub(crate) waits_for: Vec<usize>,
    pub(crate) trigger_count: usize,
}

impl RunBook {
    /// Whether nothing new may begin.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::During | Phase::After)
    }

    pub(crate) fn is_in_during(&self) -> bool {
        self.phase == Phase::During
    }

    /// Whether connections may be aborted, because the stop has taken its time.
    pub(super) fn is_hurried(&self, now: Duration, limits: Limits) -> bool {
        self.closing_since.is_some_and(|since| now >= since + limits.stop)
    }

    /// Whether `running()` must be true.
    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running && self.stop_asked.is_none()
    }
}

impl Contract {
    /// The reactor is about to run, for the first time or again.
    pub(crate) fn boots(&mut self, host: usize) {
        self.note(|| format!("host {host} boots"));
        let run = &self.runs[host];
        let holds = run.phase == Phase::After || (run.phase == Phase::Between && run.run == 0);
        self.expect(holds, format_args!("host {host} runs again, but its stop has not ended"));
        let run = &mut self.runs[host];
        run.phase = Phase::Between;
        run.run += 1;
        (run.stop_asked, run.closing_since) = (None, None);
        run.due.clear();
        run.waits_for.clear();
    }

    /// The first turn is about to come.
    pub(crate) fn runs(&mut self, host: usize) {
        self.runs[host].phase = Phase::Running;
    }

    pub(crate) fn stop(&mut self, host: usize) {
        let now = self.now;
        let run = &mut self.runs[host];
        if matches!(run.phase, Phase::Between | Phase::Running) {
            run.stop_asked.get_or_insert(now);
        }
    }

    /// The program of the host has ended, or is ending: its handles are dead.
    pub(crate) fn sees_state(&mut self, host: usize, state: HostState) {
        if state == HostState::Running || self.is_dead(host) {
            return;
        }
        let phase = self.runs[host].phase;
        self.expect(phase == Phase::After, format_args!("host {host} ends in the phase {phase:?}"));
        self.runs[host].phase = Phase::Dead;
    }

    /// A trigger of this phase is called: if it is the first, the phase begins.
    pub(crate) fn reach_phase(&mut self, host: usize, phase: reactor::Phase) {
        let has_begun = match phase {
            reactor::Phase::Before => self.runs[host].phase == Phase::Before,
            reactor::Phase::During => self.runs[host].phase == Phase::During,
            reactor::Phase::After => self.runs[host].phase == Phase::After,
        };
        if !has_begun && !self.is_dead(host) {
            self.begin_phase(host, phase);
        }
    }

    fn begin_phase(&mut self, host: usize, phase: reactor::Phase) {
        let (now, limits) = (self.now, self.limits);
        self.note(|| format!("host {host}: the phase {phase:?} of the stop"));
        let leftover = std::mem::take(&mut self.runs[host].due);
        self.expect(leftover.is_empty(), format_args!("host {host}: triggers {leftover:?} are left out"));
        let pending: Vec<usize> =
            self.runs[host].waits_for.iter().copied().filter(|id| !self.deferreds[*id].is_over()).collect();
        let run = &mut self.runs[host];
        run.due = run.triggers.iter().filter(|(_, its)| **its == phase).map(|(id, _)| *id).collect();
        let before = run.phase;
        let asked = run.stop_asked;
        let (expected, next) = match phase {
            reactor::Phase::Before => (Phase::Running, Phase::Before),
            reactor::Phase::During => (Phase::Before, Phase::During),
            reactor::Phase::After => (Phase::During, Phase::After),
        };
        run.phase = next;
        if phase == reactor::Phase::During {
            run.closing_since = Some(now);
        }
        self.expect(before == expected, format_args!("host {host}: {phase:?} begins in the phase {before:?}"));
        let Some(asked) = asked else {
            return self.differ(format_args!("host {host} stops, and nobody has asked"));
        };
        match phase {
            reactor::Phase::Before => self.expect(now == asked, format_args!("host {host} stops too late")),
            reactor::Phase::During => {
                // With nothing to wait for, it begins at once; else no later than its limit.
                let waited = now - asked;
                let holds = if pending.is_empty() { waited <= limits.trigger } else { waited == limits.trigger };
                self.expect(holds, format_args!("host {host} closes after {waited:?}; {pending:?} are not over"));
                self.close_places(host);
            }
            reactor::Phase::After => {
                let took = now - self.runs[host].closing_since.unwrap_or_default();
                let most = limits.stop.max(limits.thread) + Duration::from_millis(1);
                self.expect(took <= most, format_args!("host {host} closes for {took:?}"));
                self.check_stopped(host);
            }
        }
    }

    /// The reactor closes its ports, and gives attempts up.
    fn close_places(&mut self, host: usize) {
        for port in self.ports.iter_mut().filter(|port| port.host == host) {
            port.is_closed = true;
        }
        for port in self.udp.iter_mut().filter(|port| port.host == host) {
            port.is_closed = true;
        }
    }

    pub(crate) fn add_trigger(&mut self, host: usize, phase: reactor::Phase) -> usize {
        let run = &mut self.runs[host];
        let id = run.trigger_count;
        run.trigger_count += 1;
        run.triggers.insert(id, phase);
        id
    }

    /// Whether there is something to remove.
    pub(crate) fn remove_trigger(&mut self, host: usize, id: usize) -> bool {
        let run = &mut self.runs[host];
        run.due.retain(|other| *other != id);
        run.triggers.remove(&id).is_some()
    }

    pub(super) fn begin_trigger(&mut self, host: usize, id: usize, kind: Kind) {
        self.reach_phase(
            host,
            match kind {
                Kind::Before => reactor::Phase::Before,
                Kind::During => reactor::Phase::During,
                _ => reactor::Phase::After,
            },
        );
        let run = &mut self.runs[host];
        let is_next = run.due.first() == Some(&id);
        run.due.retain(|other| *other != id);
        let was_there = run.triggers.remove(&id).is_some();
        let text = format!("host {host}: the trigger {id} of {kind:?} is called: {:?}", self.runs[host]);
        self.expect(is_next && was_there, text);
    }

    /// A trigger of the phase "before" returns a Deferred.
    pub(crate) fn waits_for(&mut self, host: usize, deferred: usize) {
        self.runs[host].waits_for.push(deferred);
    }
}
