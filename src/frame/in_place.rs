//! `InPlace`: a message that is made where it stays.

#![allow(
    unsafe_code,
    reason = "a message of libzmq's is not moved at once after it was made: the move waits for its small steps"
)]

use std::mem::MaybeUninit;

use super::Received;

/// Room for a message.
pub(crate) struct InPlace {
    message: MaybeUninit<Received>,
    is_made: bool,
}

impl InPlace {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { message: MaybeUninit::uninit(), is_made: false }
    }

    /// An empty message.
    #[inline]
    pub(crate) fn empty(&mut self) -> &mut zmq::Message {
        self.clear();
        Received::nothing(&mut self.message);
        self.is_made = true;
        // SAFETY: `nothing` makes one.
        let Received(message) = unsafe { self.message.assume_init_mut() };
        message
    }

    #[inline]
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_made) {
            // SAFETY: one was made, and this is said no more.
            unsafe { self.message.assume_init_drop() };
        }
    }
}

impl Drop for InPlace {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}
