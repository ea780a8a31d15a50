//! A Deferred, to be typed in: `cargo run --example tiny_deferred`. It has callbacks, errbacks, and callbacks that give
//! back Deferreds, in Twisted's order. `docs/tiny-deferred.md` compares it with the real one.
use std::{cell::RefCell, collections::VecDeque, error::Error, mem, rc::Rc};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;
/// Takes the result of a Deferred, and that Deferred. Gives back the one that can run next.
type Step<T> = Box<dyn FnOnce(Outcome<T>, Deferred<T>) -> Deferred<T>>;

/// A result that may not be there yet, and what is to be done with it. Clones are the same Deferred.
#[derive(Clone)]
pub(crate) struct Deferred<T>(Rc<RefCell<State<T>>>);

struct State<T> {
    has_fired: bool,
    /// Not there before it fires, while a callback has it, and while an inner Deferred is waited for.
    result: Option<Outcome<T>>,
    steps: VecDeque<Step<T>>,
}

impl<T: 'static> Deferred<T> {
    pub fn new() -> Self {
        Deferred(Rc::new(RefCell::new(State { has_fired: false, result: None, steps: VecDeque::new() })))
    }

    /// One that has fired already.
    pub fn fired(result: Outcome<T>) -> Self {
        let state = State { has_fired: true, result: Some(result), steps: VecDeque::new() };
        Deferred(Rc::new(RefCell::new(state)))
    }

    /// Gives the result back if it is the second one.
    pub fn fire(&self, result: Outcome<T>) -> Result<(), Outcome<T>> {
        if mem::replace(&mut self.0.borrow_mut().has_fired, true) {
            return Err(result);
        }
        self.0.borrow_mut().result = Some(result);
        self.run();
        Ok(())
    }

    /// Adds a callback for values and errors. Its own result is a Deferred, which may have to be waited for.
    pub fn add_both(&self, callback: impl FnOnce(Outcome<T>) -> Deferred<T> + 'static) -> &Self {
        let step = |result, outer: Deferred<T>| {
            let inner = callback(result);
            let resume_outer = |inner_result, _inner_deferred| {
                outer.0.borrow_mut().result = Some(inner_result);
                outer
            };
            inner.0.borrow_mut().steps.push_back(Box::new(resume_outer));
            inner
        };
        self.0.borrow_mut().steps.push_back(Box::new(step));
        self.run();
        self
    }

    pub fn add_callback(&self, callback: impl FnOnce(T) -> Deferred<T> + 'static) -> &Self {
        self.add_both(|result| result.map_or_else(|error| Deferred::fired(Err(error)), callback))
    }

    pub fn add_errback(&self, errback: impl FnOnce(Box<dyn Error>) -> Deferred<T> + 'static) -> &Self {
        self.add_both(|result| result.map_or_else(errback, |value| Deferred::fired(Ok(value))))
    }

    /// Takes steps as long as there is a result for them: here, in an inner Deferred, in the one that waits for it.
    fn run(&self) {
        let mut current = Deferred(self.0.clone());
        loop {
            let mut state = current.0.borrow_mut();
            let State { result, steps, .. } = &mut *state;
            let Some(result) = result.take_if(|_| !steps.is_empty()) else { return };
            let step = steps.pop_front().expect("it is not empty");
            drop(state); // A callback may fire and add: nothing is borrowed while it runs.
            current = step(result, current);
        }
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        if let Some(Err(error)) = &self.result {
            eprintln!("an error that nobody handled: {error}");
        }
    }
}

fn main() {
    for answer in [Ok("Ann".to_owned()), Err("nobody is there".into())] {
        let (question, asked) = (Deferred::new(), Deferred::new());
        let inner = asked.clone();
        question
            .add_callback(move |_text| inner) // From here on the question waits for what was asked.
            .add_callback(|name| Deferred::fired(Ok(format!("hello, {name}"))))
            .add_errback(|error| Deferred::fired(Ok(format!("a pity: {error}"))))
            .add_both(|line| Deferred::fired(line.inspect(|line| println!("{line}"))));
        question.fire(Ok("who is there?".to_owned())).expect("it fires once");
        println!("waiting for an answer");
        asked.fire(answer).expect("it fires once");
    }
    println!("next: docs/tiny-deferred.md");
}

// Prints:
// waiting for an answer
// hello, Ann
// waiting for an answer
// a pity: nobody is there
// next: docs/tiny-deferred.md
