use super::*;
use crate::error::CancelledError;
use crate::task::sleep;
use crate::testing::{ManualClock, failure_result_of};
use std::iter;

const SECOND: Duration = Duration::from_secs(1);

/// A clock, a Cooperator on it, and the order of what happened.
struct Scene {
    clock: ManualClock,
    cooperator: Cooperator,
    order: Rc<RefCell<String>>,
}

impl Scene {
    fn new() -> Scene {
        let clock = ManualClock::new();
        Scene { cooperator: Cooperator::new(&clock), clock, order: Rc::default() }
    }

    /// `count` steps, each of which notes `name`.
    fn steps(&self, name: char, count: usize) -> impl Iterator<Item = ()> + 'static {
        let order = self.order.clone();
        (0..count).map(move |_| order.borrow_mut().push(name))
    }

    fn turn(&self) -> String {
        self.clock.advance(Duration::ZERO);
        self.order.take()
    }
}

#[test]
fn tasks_take_turns_step_by_step() {
    let scene = Scene::new();
    let (_, long) = scene.cooperator.cooperate(scene.steps('a', 4));
    let (_, short) = scene.cooperator.cooperate(scene.steps('b', 2));
    assert_eq!(*scene.order.borrow(), "", "the first step comes from the loop");
    assert_eq!(scene.turn(), "ababaa");
    assert_eq!((long.result(), short.result()), (Some(()), Some(())));
    assert!(scene.clock.pending().is_empty());
}

/// A clock that is ahead of another one by as much as a test says, without making calls.
#[derive(Clone)]
struct Ahead {
    clock: ManualClock,
    by: Rc<Cell<Duration>>,
}

impl Clock for Ahead {
    fn now(&self) -> std::time::Instant {
        self.clock.now() + self.by.get()
    }
    fn call_later_boxed(&self, after: Duration, call: Box<dyn FnOnce()>) -> crate::DelayedCall {
        self.clock.call_later(after, call)
    }
}

#[test]
fn a_slice_ends_after_ten_milliseconds_and_goes_on_behind_what_else_the_loop_has_to_do() {
    let scene = Scene::new();
    let (by, order) = (Rc::new(Cell::new(Duration::ZERO)), scene.order.clone());
    let cooperator = Cooperator::new(&Ahead { clock: scene.clock.clone(), by: by.clone() });
    let slow = scene.steps('a', 5).inspect(move |()| by.set(by.get() + Duration::from_millis(4)));
    let (_, done) = cooperator.cooperate(slow);
    scene.clock.call_later(Duration::ZERO, move || order.borrow_mut().push('|'));
    assert_eq!(scene.turn(), "aaa|aa");
    assert!(done.has_fired());
}

#[test]
fn on_a_clock_that_stands_still_a_turn_takes_a_bounded_number_of_steps() {
    let scene = Scene::new();
    let (task, _ended) = scene.cooperator.cooperate(iter::repeat(()));
    for _ in 0..3 {
        let call = scene.clock.pending();
        assert_eq!(call.len(), 1);
        call[0].cancel();
        scene.cooperator.scheduler.take_steps();
    }
    assert!(task.running());
    task.stop();
}

#[test]
fn a_task_that_waits_for_a_deferred_lets_others_go_on() {
    let scene = Scene::new();
    let (clock, mut noting) = (scene.clock.clone(), scene.steps('w', 2));
    let waiting = iter::from_fn(move || noting.next().map(|()| sleep(&clock, SECOND)));
    let (_, waited) = scene.cooperator.cooperate(waiting);
    let (_, other) = scene.cooperator.cooperate(scene.steps('b', 3));
    assert_eq!(scene.turn(), "wbbb");
    assert!(other.has_fired() && !waited.has_fired());
    scene.clock.advance(SECOND);
    assert_eq!(scene.turn(), "w");
    scene.clock.advance(SECOND);
    assert_eq!(waited.result(), Some(()));
}

#[test]
fn a_step_that_fails_ends_its_task_only() {
    let scene = Scene::new();
    let (task, failed) = scene.cooperator.cooperate([Ok(()), Err(Failure::msg("no")), Ok(())]);
    let (_, other) = scene.cooperator.cooperate(scene.steps('b', 3));
    assert_eq!(scene.turn(), "bbb");
    assert_eq!(failure_result_of(failed).to_string(), "no");
    assert!(!task.running() && other.has_fired());
}

#[test]
fn a_paused_task_takes_no_step_until_all_pauses_have_ended() {
    let scene = Scene::new();
    let (task, ended) = scene.cooperator.cooperate(scene.steps('a', 2));
    let (first, second) = (task.pause(), task.pause());
    assert_eq!(scene.turn(), "");
    drop(first);
    assert_eq!(scene.turn(), "");
    drop(second);
    assert_eq!(scene.turn(), "aa");
    assert!(ended.has_fired());
}

#[test]
fn a_pause_that_ends_while_the_task_waits_does_not_take_a_step_early() {
    let scene = Scene::new();
    let clock = scene.clock.clone();
    let mut noting = scene.steps('w', 2);
    let (task, _ended) =
        scene.cooperator.cooperate(iter::from_fn(move || noting.next().map(|()| sleep(&clock, SECOND))));
    assert_eq!(scene.turn(), "w");
    drop(task.pause());
    assert_eq!(scene.turn(), "");
    let pause = task.pause();
    scene.clock.advance(SECOND);
    assert_eq!(scene.turn(), "", "its Deferred has fired, but it is paused");
    drop(pause);
    assert_eq!(scene.turn(), "w");
}

#[test]
fn a_stopped_task_takes_no_further_step_and_cancels_what_it_waits_for() {
    let scene = Scene::new();
    let clock = scene.clock.clone();
    let (task, ended) = scene.cooperator.cooperate(iter::from_fn(move || Some(sleep(&clock, SECOND))));
    scene.turn();
    assert!(task.stop() && !task.stop());
    assert_eq!(failure_result_of(ended).check::<TaskStopped>(), Some(&TaskStopped::Task));
    assert!(scene.clock.pending().is_empty(), "the sleep is cancelled");
}

#[test]
fn cancelling_the_deferred_stops_the_task() {
    let scene = Scene::new();
    let (task, ended) = scene.cooperator.cooperate(iter::repeat(()));
    ended.cancel();
    assert!(!task.running());
    let failure = failure_result_of(ended);
    assert!(failure.check::<TaskStopped>().is_some() || failure.check::<CancelledError>().is_some());
    assert_eq!(scene.turn(), "");
}

#[test]
fn a_task_may_stop_itself_in_a_step() {
    let scene = Scene::new();
    let own: Rc<RefCell<Option<CooperativeTask>>> = Rc::default();
    let inside = own.clone();
    let stops = move || {
        inside.borrow().as_ref().map(CooperativeTask::stop);
        Some(())
    };
    let (task, ended) = scene.cooperator.cooperate(iter::from_fn(stops));
    own.replace(Some(task));
    scene.turn();
    assert_eq!(failure_result_of(ended).check::<TaskStopped>(), Some(&TaskStopped::Task));
    assert!(scene.clock.pending().is_empty());
}

#[test]
fn a_stopped_cooperator_ends_all_tasks_and_takes_no_new_ones() {
    let scene = Scene::new();
    let (_, one) = scene.cooperator.cooperate(scene.steps('a', 9));
    let (two, ended) = scene.cooperator.cooperate(scene.steps('b', 9));
    let _pause = two.pause();
    scene.cooperator.stop();
    let (_, late) = scene.cooperator.cooperate(scene.steps('c', 9));
    for deferred in [one, ended, late] {
        assert_eq!(failure_result_of(deferred).check::<TaskStopped>(), Some(&TaskStopped::Cooperator));
    }
    assert_eq!(scene.turn(), "");
}

#[test]
fn a_panic_in_a_step_ends_that_task_and_the_others_go_on() {
    let scene = Scene::new();
    let (_, bad) = scene.cooperator.cooperate(iter::from_fn(|| -> Option<()> { panic!("in a step") }));
    let (_, good) = scene.cooperator.cooperate(scene.steps('b', 2));
    assert!(panic::catch_unwind(AssertUnwindSafe(|| scene.clock.advance(Duration::ZERO))).is_err());
    assert_eq!(scene.turn(), "bb");
    assert!(failure_result_of(bad).check::<PanicError>().is_some() && good.has_fired());
}

#[test]
fn a_task_whose_handles_are_gone_goes_on_and_leaves_nothing_behind() {
    let scene = Scene::new();
    let captured = Rc::new(());
    let held = captured.clone();
    let (task, ended) = Cooperator::new(&scene.clock).cooperate((0..5).map(move |_| drop(held.clone())));
    drop(task);
    scene.turn();
    assert!(ended.has_fired());
    assert_eq!(Rc::strong_count(&captured), 1);
}

#[test]
fn a_deferred_that_fails_ends_its_task_now_or_later() {
    let scene = Scene::new();
    let (_, now) = scene.cooperator.cooperate([crate::deferred::fail::<()>(Failure::msg("now"))]);
    let (later, firer) = Deferred::<()>::new();
    let (task, ended) = scene.cooperator.cooperate([later]);
    scene.turn();
    assert_eq!(failure_result_of(now).to_string(), "now");
    assert!(task.running());
    firer.errback(Failure::msg("later")).unwrap();
    assert_eq!(failure_result_of(ended).to_string(), "later");
    assert!(!task.running() && scene.clock.pending().is_empty());
}

#[test]
fn what_has_ended_cannot_be_stopped_and_does_not_go_on_after_a_pause() {
    let scene = Scene::new();
    let (done, _) = scene.cooperator.cooperate(scene.steps('a', 1));
    let (failed, failure) = scene.cooperator.cooperate([Err::<(), _>(Failure::msg("no"))]);
    let (stopped, ended) = scene.cooperator.cooperate(scene.steps('b', 1));
    let pause = stopped.pause();
    assert!(stopped.stop());
    assert_eq!(scene.turn(), "a");
    assert!(!done.stop() && !failed.stop() && !stopped.stop());
    drop(pause);
    assert_eq!(scene.turn(), "");
    assert_eq!(failure_result_of(failure).to_string(), "no");
    assert_eq!(failure_result_of(ended).check(), Some(&TaskStopped::Task));
}

#[test]
fn in_the_callback_of_a_task_that_ends_another_may_begin_and_the_cooperator_may_be_stopped() {
    let scene = Rc::new(Scene::new());
    let (inside, again) = (scene.clone(), scene.steps('b', 1));
    let (_, ended) = scene.cooperator.cooperate(scene.steps('a', 1));
    let next = ended.add_callback(move |()| inside.cooperator.cooperate(again).1);
    assert_eq!((scene.turn() + &scene.turn(), next.has_fired()), ("ab".to_owned(), true));
    let inside = scene.clone();
    let (_, ended) = scene.cooperator.cooperate(scene.steps('a', 1));
    let stops = ended.add_callback(move |()| inside.cooperator.stop());
    let (_, other) = scene.cooperator.cooperate(scene.steps('b', 9));
    assert_eq!(scene.turn().matches('a').count(), 1);
    assert!(stops.has_fired());
    assert_eq!(failure_result_of(other).check(), Some(&TaskStopped::Cooperator));
}
