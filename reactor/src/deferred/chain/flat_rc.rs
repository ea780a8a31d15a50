//! [`FlatRc`]: a strong link between nodes, dropped without recursion however long the chain is.
//!
//! A closure that waits may have captured a Deferred. The closures of that one may have captured others, and so on.
//! Dropping the first would drop the last a million calls deep. So a node that loses its last link while another node
//! is being dropped is not dropped there. It goes onto a list, and the outermost drop empties that list in a loop. If a
//! value panics in its own `Drop`, the rest is dropped all the same before the panic resumes.
//!
//! [`Deferred`](crate::Deferred) says what this means for programs.
//!
//! Next: `panics.rs`.

use super::panics::caught;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::rc::Rc;

/// Anything that a chain is made of.
pub(crate) trait Node {
    /// Called when the last link goes. Returns itself, to be dropped, if it has anything to drop.
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>>;

    /// Called when the last link has gone but the node is dropped later, after another one. Does what cannot wait.
    fn put_off(&self) {}
}

/// A node that needs nothing special when it is dropped.
pub(crate) trait Plain: 'static {}

impl<N: Plain> Node for N {
    fn remains(self: Rc<Self>) -> Option<Rc<dyn Node>> {
        Some(self)
    }
}

/// A strong link to a node, or none.
pub(crate) struct FlatRc<N: Node + ?Sized>(Option<Rc<N>>);

const FULL: &str = "only an Out has an empty FlatRc, and it asks first";

impl<N: Node + ?Sized> FlatRc<N> {
    #[inline(always)]
    pub(crate) fn new(node: Rc<N>) -> FlatRc<N> {
        FlatRc(Some(node))
    }

    /// No link. The variant is inside, because an `Option` around a `FlatRc` would take a third word.
    pub(crate) const fn none() -> FlatRc<N> {
        FlatRc(None)
    }

    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Takes the link out.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> FlatRc<N> {
        FlatRc(self.0.take())
    }

    #[inline(always)]
    pub(crate) fn into_option(mut self) -> Option<Rc<N>> {
        self.0.take()
    }

    #[inline(always)]
    pub(crate) fn into_rc(self) -> Rc<N> {
        self.into_option().expect(FULL)
    }
}

/// No link.
impl<N: Node + ?Sized> Default for FlatRc<N> {
    #[inline(always)]
    fn default() -> FlatRc<N> {
        FlatRc::none()
    }
}

impl<N: Node + ?Sized> Deref for FlatRc<N> {
    type Target = Rc<N>;
    #[inline(always)]
    fn deref(&self) -> &Rc<N> {
        self.0.as_ref().expect(FULL)
    }
}

impl<N: Node + ?Sized> Clone for FlatRc<N> {
    fn clone(&self) -> FlatRc<N> {
        FlatRc(self.0.clone())
    }
}

impl<N: Node + ?Sized> fmt::Debug for FlatRc<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlatRc")
    }
}

impl<N: Node + ?Sized> Drop for FlatRc<N> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(node) = self.0.take()
            && Rc::strong_count(&node) == 1
            && let Some(node) = node.remains()
        {
            let_go(node);
        }
    }
}

thread_local! {
    /// Whether a drop further out on the stack will empty the list of nodes that are put off.
    static IS_DROPPING: Cell<bool> = const { Cell::new(false) };
    /// Whether any node is put off. A flag of its own, because the list has a destructor, and so costs more to look at.
    static SOME_ARE_PUT_OFF: Cell<bool> = const { Cell::new(false) };
    /// The nodes without links that are still to be dropped.
    static PUT_OFF: RefCell<Vec<Rc<dyn Node>>> = const { RefCell::new(Vec::new()) };
}

/// Drops a node now, or later if it is inside the drop of another one.
#[inline(never)]
fn let_go(node: Rc<dyn Node>) {
    if IS_DROPPING.replace(true) {
        return put_off(node);
    }
    let unwinding = Unwinding;
    drop(node);
    while SOME_ARE_PUT_OFF.get() {
        drop(next_put_off());
    }
    mem::forget(unwinding);
    IS_DROPPING.set(false);
}

#[cold]
fn put_off(node: Rc<dyn Node>) {
    node.put_off();
    // While the thread ends there is no list any more: then the closure is dropped uncalled, and the node with it.
    let _ = PUT_OFF.try_with(|list| {
        SOME_ARE_PUT_OFF.set(true);
        list.borrow_mut().push(node);
    });
}

#[cold]
fn next_put_off() -> Option<Rc<dyn Node>> {
    let next = PUT_OFF.try_with(|list| list.borrow_mut().pop()).ok().flatten();
    SOME_ARE_PUT_OFF.set(next.is_some());
    next
}

/// Drops the nodes that are still put off if some value's `Drop` panicked. It is a guard, so that it costs nothing if
/// none does.
struct Unwinding;

impl Drop for Unwinding {
    #[cold]
    fn drop(&mut self) {
        while SOME_ARE_PUT_OFF.get() {
            // A second panic that got out of here would end the process: it is reported by the panic hook.
            drop(caught(|| drop(next_put_off())));
        }
        IS_DROPPING.set(false);
    }
}
