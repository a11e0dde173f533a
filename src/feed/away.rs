//! `Away`: blocks of a log that have left it while libzmq still has texts of theirs.

use std::collections::VecDeque;

use crate::frame::Page;

/// Blocks that somebody still reads, though their texts have left the cache. They are freed soon after nobody does.
///
/// What waits for a subscriber that does not read keeps whole blocks. Where that is much, texts are copied rather than lent.
#[derive(Debug, Default)]
pub(super) struct Away {
    pages: VecDeque<Page>,
    bytes: usize,
}

/// So many are looked at with each one that comes.
const LOOKS: usize = 2;

/// So many are looked at whenever the publisher's thread looks for what is too old, for a microsecond or so.
const MANY_LOOKS: usize = 256;

impl Away {
    /// Waits for who reads a block.
    pub(super) fn push(&mut self, page: Page) {
        self.look(LOOKS);
        self.bytes += page.capacity();
        self.pages.push_back(page);
    }

    /// Whether no more than so many bytes are away.
    #[inline]
    pub(super) fn is_within(&mut self, bytes: usize) -> bool {
        if self.bytes > bytes {
            self.look(LOOKS);
        }
        self.bytes <= bytes
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frees much of what nobody reads any more.
    pub(super) fn look_at_many(&mut self) {
        self.look(MANY_LOOKS.min(self.pages.len()));
    }

    fn look(&mut self, looks: usize) {
        for _ in 0..looks {
            let Some(page) = self.pages.pop_front() else { return };
            if page.is_alone() {
                self.bytes -= page.capacity();
            } else {
                self.pages.push_back(page);
            }
        }
    }
}
