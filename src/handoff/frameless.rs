//! Messages of one frame that are decoded where they lie: there is nothing to share, and hardly anything to know of one.

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};

use super::{OWNERS, Owners};

/// Whether it matters to a codec where in its message a buffer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// It puts it there again.
    Matter,
    Forgotten,
}

/// What is known of the message that is being decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has [`Owners`], and they know.
    Framed,
    /// It is one frame, or there is none.
    Frameless(Places),
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Frameless(Places::Forgotten)) };
    /// The owners of the messages within which messages of one frame are being decoded, the innermost last.
    /// Never dropped, as [`OWNERS`] is not.
    static ASIDE: ManuallyDrop<RefCell<Vec<Owners>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Runs `decode`, which decodes a message that is one frame, with the frames of no other message at hand.
#[inline]
pub(crate) fn without_frames<R>(places: Places, decode: impl FnOnce() -> R) -> R {
    struct Restore(State);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            if self.0 == State::Framed {
                put_back();
            }
            STATE.set(self.0);
        }
    }
    let outer = STATE.replace(State::Frameless(places));
    let _restore = Restore(outer);
    if outer == State::Framed {
        set_aside();
    }
    decode()
}

#[cold]
fn set_aside() {
    let owners = OWNERS.with(|place| place.borrow_mut().take());
    ASIDE.with(|aside| aside.borrow_mut().extend(owners));
}

#[cold]
fn put_back() {
    let owners = ASIDE.with(|aside| {
        let mut aside = aside.borrow_mut();
        let owners = aside.pop();
        if aside.is_empty() {
            *aside = Vec::new();
        }
        owners
    });
    let ours = OWNERS.with(|place| mem::replace(&mut *place.borrow_mut(), owners));
    // dropped after the borrow has ended: an owner's `Drop` may come back here
    drop(ours);
}

/// Notes what is known from here on; what was known before.
#[inline]
pub(super) fn turn_to(state: State) -> State {
    STATE.replace(state)
}

/// Whether the message that is being decoded has frames that may be shared.
#[inline]
pub(super) fn has_owners() -> bool {
    STATE.get() == State::Framed
}

/// Whether it matters where in a message without frames a buffer was.
#[inline]
pub(super) fn has_places() -> bool {
    STATE.get() == State::Frameless(Places::Matter)
}
