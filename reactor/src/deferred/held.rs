//! [`Held`]: a strong link of a chain that is let go of without recursion.
//!
//! A closure that waits may have captured a Deferred, whose closures have captured others: dropping the first would
//! drop the last a million calls deep. So whoever holds the last link to a node does not drop it inside the drop of
//! another one, but leaves it to the outermost drop, which works the rest off in a loop.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// Whatever a chain is made of.
pub(super) trait Node {
    /// Itself, with its type forgotten.
    fn into_node(self: Rc<Self>) -> Rc<dyn Node>;
}

/// A strong link to a node.
pub(super) struct Held<N: Node + ?Sized>(Option<Rc<N>>);

impl<N: Node + ?Sized> Held<N> {
    #[inline(always)]
    pub(super) fn new(node: Rc<N>) -> Held<N> {
        Held(Some(node))
    }

    #[inline(always)]
    pub(super) fn into_rc(mut self) -> Rc<N> {
        self.0.take().expect("a Held is empty only while it is dropped")
    }
}

impl<N: Node + ?Sized> Deref for Held<N> {
    type Target = Rc<N>;
    #[inline(always)]
    fn deref(&self) -> &Rc<N> {
        self.0.as_ref().expect("a Held is empty only while it is dropped")
    }
}

impl<N: Node + ?Sized> Clone for Held<N> {
    fn clone(&self) -> Held<N> {
        Held(self.0.clone())
    }
}

impl<N: Node + ?Sized> fmt::Debug for Held<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl<N: Node + ?Sized> Drop for Held<N> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(node) = self.0.take()
            && Rc::strong_count(&node) == 1
        {
            let_go(node.into_node());
        }
    }
}

thread_local!(static LAST_LINKS: LastLinks = const { LastLinks::new() });

/// The nodes that nobody holds any more and that are still to be dropped.
struct LastLinks {
    /// Whether a drop further out on the stack will see to them.
    is_dropping: Cell<bool>,
    waiting: RefCell<Vec<Rc<dyn Node>>>,
}

impl LastLinks {
    const fn new() -> LastLinks {
        LastLinks { is_dropping: Cell::new(false), waiting: RefCell::new(Vec::new()) }
    }
}

/// Drops a node now, or later if it is inside the drop of another one.
fn let_go(node: Rc<dyn Node>) {
    // While the thread ends there is no list any more: then the closure is dropped uncalled, and the node with it.
    let _ = LAST_LINKS.try_with(|links| {
        if links.is_dropping.replace(true) {
            return links.waiting.borrow_mut().push(node);
        }
        let _end = Dropping(links);
        let mut next = Some(node);
        while let Some(node) = next {
            drop(node);
            next = links.waiting.borrow_mut().pop();
        }
    });
}

/// Ends the outermost drop, also if some value's own `Drop` panicked.
struct Dropping<'a>(&'a LastLinks);

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.0.is_dropping.set(false);
    }
}
