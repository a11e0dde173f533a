//! A place for a buffer on its way, which is empty whenever nothing is on its way.

use super::Buffer;
use crate::frame;

/// A place of a thread's that is not dropped with the thread: one that is takes longer to reach, each time. So who puts a buffer there
/// sees to it that it is empty when they are done.
pub(crate) struct Slot(frame::Slot);

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(frame::Slot::new())
    }

    /// Puts a clone of a buffer there, in the place of one that nobody took.
    #[inline]
    pub(crate) fn put(&self, buffer: &Buffer) {
        self.0.put(&buffer.0);
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Buffer> {
        self.0.take().map(Buffer)
    }
}
