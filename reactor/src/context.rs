//! [`Context`]: values that follow a request through everything that is done for it.
//!
//! A server wants the number of the request in each line that it logs, down to the lines of libraries that know nothing
//! of requests. A program enters a context with that number, and asks for work inside: it adds callbacks, requests
//! calls, starts coroutines, opens connections. When that work runs, later and called by other code, the same context
//! is the current one again. **Code runs in the context of the code that asked for it.**
//!
//! ```
//! use log::{Log, Metadata, Record};
//! use reactor::{Context, Deferred, Failure, Reactor, task};
//! use std::sync::Mutex;
//! use std::time::Duration;
//!
//! struct RequestId(u32);
//!
//! /// Puts the number of the request in front of each line. A real one would wrap another logger.
//! struct WithRequestId(Mutex<Vec<String>>);
//!
//! impl Log for WithRequestId {
//!     fn enabled(&self, _: &Metadata<'_>) -> bool {
//!         true
//!     }
//!     fn log(&self, record: &Record<'_>) {
//!         let id = Context::current().get::<RequestId>().map_or("-".to_owned(), |id| id.0.to_string());
//!         self.0.lock().unwrap().push(format!("[{id}] {}", record.args()));
//!     }
//!     fn flush(&self) {}
//! }
//! static LOG: WithRequestId = WithRequestId(Mutex::new(Vec::new()));
//! log::set_logger(&LOG).unwrap();
//! log::set_max_level(log::LevelFilter::Info);
//!
//! /// It knows nothing of requests.
//! async fn look_up(reactor: Reactor, name: &'static str) -> Result<(), Failure> {
//!     log::info!("looking {name} up");
//!     task::sleep(&reactor, Duration::from_millis(1)).await?;
//!     log::info!("found {name}");
//!     Ok(())
//! }
//!
//! let reactor = Reactor::new()?;
//! let requests = [(1, "Ada"), (2, "Grace")].map(|(id, name)| {
//!     Context::current().with(RequestId(id)).run(|| Deferred::from_future(look_up(reactor.clone(), name)))
//! });
//! reactor.run_until(reactor::deferred::deferred_list(requests).add_callback(|_| log::info!("done")))?;
//! let lines = ["[1] looking Ada up", "[2] looking Grace up", "[1] found Ada", "[2] found Grace", "[-] done"];
//! assert_eq!(*LOG.0.lock().unwrap(), lines);
//! # Ok::<(), Failure>(())
//! ```
//!
//! # Which context is current where
//!
//! | Code | Its context |
//! |---|---|
//! | a callback, an errback, work for a lock | of the code that added it, which is the current one if it runs at once |
//! | a canceller | of the code that made the Deferred |
//! | a coroutine | of the code that started it, after each `await` too |
//! | a delayed call, a call when running, a trigger, the handler of SIGHUP | of the code that requested it |
//! | the body of a [`LoopingCall`](crate::task::LoopingCall), the steps of a task | of the code that started it |
//! | a call from another thread | of the code on that thread |
//! | work for a thread, as of [`defer_to_thread`](crate::Reactor::defer_to_thread) | of the code that requested it |
//! | a factory | of the code that listened or connected |
//! | a protocol | of its factory, until it sets another: [`Transport::set_context`](crate::Transport::set_context) |
//! | a producer, a protocol for the body of a response | of the code that registered it |
//! | the log line of a failure that nobody handled, or of a callback that panicked or held the loop | of the callback |
//! | anything else that the loop calls | none: the empty context |
//!
//! A firing carries nothing across: what a Deferred leads to runs in the contexts of those who wait for it, and not of
//! the code that fires.
//!
//! `docs/design/deferred.md` weighs this against what Twisted, asyncio, Node and tokio do.
//!
//! Next: [`event_loop/work_queue.rs`](../../src/reactor/event_loop/work_queue.rs.html), where work waits for the loop.

use crate::around;
use crate::foreign::Foreign;
use std::any::{Any, TypeId, type_name};
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Values that follow a request, at most one of each type. Cheap to clone; it never changes. See the
/// [module](mod@crate::context).
///
/// The values may travel to other threads with the work, so they are `Send` and `Sync`. They live as long as anything
/// that was asked for in the context can still run. Wrap a number or a text in a type of your own, so that it does not
/// meet that of a library.
///
/// Twisted's `twisted.python.context` and Python's `contextvars.Context`.
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Values>>);

/// A type, its name for a person, and the value of this type. The value's drop is code of the program, and happens
/// wherever the last piece of work goes.
struct Value {
    kind: TypeId,
    name: &'static str,
    value: Foreign<Arc<dyn Any + Send + Sync>>,
}

type Values = Vec<Value>;

thread_local! {
    static CURRENT: Cell<Context> = const { Cell::new(Context::empty()) };
}

/// Whether the current context has values. Every piece of work that is asked for looks at this, and at nothing else if
/// it is false.
#[inline(always)]
pub(crate) fn is_set() -> bool {
    around::has_context()
}

impl Context {
    /// The context without values, in which a program begins.
    pub const fn empty() -> Context {
        Context(None)
    }

    /// The context of the code that runs now, on this thread.
    #[inline]
    pub fn current() -> Context {
        if is_set() { copy_of_current() } else { Context::empty() }
    }

    /// This context with one value more, or with this value in place of another of its type.
    pub fn with<T: Send + Sync + 'static>(&self, value: T) -> Context {
        let kind = TypeId::of::<T>();
        let others = self.values().iter().filter(|value| value.kind != kind).map(Value::share);
        let new = Value { kind, name: type_name::<T>(), value: Foreign::new(Arc::new(value)) };
        Context(Some(Arc::new(others.chain([new]).collect())))
    }

    /// Its value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let kind = TypeId::of::<T>();
        let found = self.values().iter().find(|value| value.kind == kind)?;
        found.value.clone().into_inner().downcast().ok()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Calls `f` with this as the current context. What `f` asks for runs in it later. The context that is current now
    /// is so again when `f` returns, or panics.
    ///
    /// ```
    /// use reactor::{Context, Deferred};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct RequestId(u32);
    ///
    /// let (answer, firer) = Deferred::<()>::new();
    /// let seen = Context::empty().with(RequestId(7)).run(|| {
    ///     answer.add_callback(|()| Ok(Context::current().get::<RequestId>()))
    /// });
    /// assert_eq!(Context::current().get::<RequestId>(), None);
    /// firer.callback(())?;
    /// assert_eq!(*seen.result().unwrap().unwrap(), RequestId(7));
    /// # Ok::<(), reactor::error::AlreadyCalledError>(())
    /// ```
    #[inline]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = (!self.is_empty() || is_set()).then(|| Entered::new(self.clone()));
        f()
    }

    fn values(&self) -> &[Value] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl Value {
    fn share(&self) -> Value {
        Value { kind: self.kind, name: self.name, value: self.value.clone() }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values().iter().map(|value| value.name).collect();
        write!(f, "Context({})", names.join(", "))
    }
}

#[cold]
fn copy_of_current() -> Context {
    let copy = CURRENT.try_with(|current| {
        let context = current.take();
        current.set(context.clone());
        context
    });
    copy.unwrap_or_default() // While the thread ends there are no contexts.
}

/// Puts `context` in the place of the current one, which it returns.
#[inline(never)]
fn exchange(context: Context) -> Context {
    let has_values = !context.is_empty();
    match CURRENT.try_with(|current| current.replace(context)) {
        Ok(before) => {
            around::set_context(has_values);
            before
        }
        Err(_) => Context::empty(),
    }
}

/// While it lives, a context is current. It holds the one before.
struct Entered(Context);

impl Entered {
    fn new(context: Context) -> Entered {
        Entered(exchange(context))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(exchange(std::mem::take(&mut self.0)));
    }
}

/// On whose behalf something is done: where in the source it was asked for, and in which context.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: &'static Location<'static>,
    pub(crate) context: Context,
}

impl Asked {
    /// By the caller, now.
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Asked {
        Asked::at(Location::caller())
    }

    /// Now, by the code at `place`.
    #[inline]
    pub(crate) fn at(place: &'static Location<'static>) -> Asked {
        Asked { place, context: Context::current() }
    }

    /// By the library, in no context. It does this for the code at `place`, and perhaps for other code too.
    #[inline]
    pub(crate) fn for_code_at(place: &'static Location<'static>) -> Asked {
        Asked { place, context: Context::empty() }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
