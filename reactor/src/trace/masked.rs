//! [`with_masked`]: an event in which no text has a secret.
//!
//! Bytes, values and errors are masked where they are cut: see `scope.rs` and `seen.rs`. The rest are sentences and
//! names, whole ones, in which a program, its peer or a name service may have put a secret all the same.
//!
//! Next: `json.rs`, how an event is written down.

use super::secrets::Secrets;
use super::{Call, Callback, DeferredEvent, Event, Kind, Network};
use std::cell::RefCell;

/// The texts of an event, at most: the host, and three of its kind.
type Texts<'e, 'a> = [Option<&'e mut &'a str>; 4];

/// Hands `f` the event with the secrets masked in its texts.
pub(super) fn with_masked(event: &Event<'_>, secrets: &RefCell<Secrets>, f: impl FnOnce(&Event<'_>)) {
    if secrets.borrow().is_empty() {
        return f(event);
    }
    let (mut changed, mut callback) = (*event, Callback::default());
    if let Kind::CallbackBegin(begun) = event.kind {
        callback = *begun;
    }
    let masked = {
        let secrets = secrets.borrow();
        texts(&mut changed, &mut callback).map(|text| text.and_then(|text| secrets.mask_whole(text)))
    };
    if masked.iter().all(Option::is_none) {
        return f(event);
    }
    for (text, masked) in texts(&mut changed, &mut callback).into_iter().zip(&masked) {
        if let (Some(text), Some(masked)) = (text, masked) {
            *text = masked;
        }
    }
    if let Kind::CallbackBegin(begun) = &mut changed.kind {
        *begun = &callback;
    }
    f(&changed);
}

/// The texts that are not the library's own; if a callback begins, those of `callback`.
fn texts<'e, 'a>(event: &'e mut Event<'a>, callback: &'e mut Callback<'a>) -> Texts<'e, 'a> {
    let host = event.host.as_mut();
    let [first, second, third] = match &mut event.kind {
        Kind::CallbackBegin(_) => [Some(&mut callback.words), callback.method.as_mut(), None],
        Kind::Call { call, .. } => [text_of_call(call), None, None],
        Kind::Listening { address, .. } => [Some(address), None, None],
        Kind::Connected { peer, .. } => [Some(peer), None, None],
        Kind::Ended { reason, .. } => [Some(reason), None, None],
        Kind::Resolved { name, .. } => [Some(name), None, None],
        Kind::Deferred { event: DeferredEvent::Made { name, .. } | DeferredEvent::Added { name, .. }, .. } => {
            [name.as_mut(), None, None]
        }
        Kind::Network(Network { at, other, words, .. }) => [Some(at), other.as_mut(), Some(words)],
        // What a result shows is masked already, and so is the story of a failure.
        Kind::Deferred { .. } | Kind::Unhandled { .. } => [None, None, None],
        Kind::Trace { .. }
        | Kind::Turn { .. }
        | Kind::Phase
        | Kind::TurnEnd
        | Kind::End
        | Kind::CallbackEnd(_)
        | Kind::Ready { .. }
        | Kind::Signal(_)
        | Kind::TimerSet { .. }
        | Kind::TimerMoved { .. }
        | Kind::TimerCancelled { .. }
        | Kind::Written { .. }
        | Kind::ReadingPaused { .. }
        | Kind::ReadingResumed { .. }
        | Kind::Closing { .. }
        | Kind::PeerEnded { .. } => [None, None, None],
    };
    [host, first, second, third]
}

fn text_of_call<'e, 'a>(call: &'e mut Call<'a>) -> Option<&'e mut &'a str> {
    match call {
        Call::Listen { address, .. } | Call::Connect { address, .. } => Some(address),
        Call::Accept { peer, .. } | Call::Read { peer, .. } | Call::Write { peer, .. } => peer.as_mut(),
        Call::LocalAddress { address, .. } => address.as_mut(),
        Call::Resolve { name } => Some(name),
        Call::Poll { .. }
        | Call::FinishConnect { .. }
        | Call::Adopt { .. }
        | Call::Shutdown { .. }
        | Call::ResetOnClose { .. }
        | Call::Close { .. }
        | Call::SetOption { .. }
        | Call::Spawn
        | Call::CatchSignals { .. } => None,
    }
}
