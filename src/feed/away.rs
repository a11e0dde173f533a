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

/// So many are looked at a time: with each one that comes, and whenever the publisher's thread looks for what is too old.
const LOOKS: usize = 2;

impl Away {
    /// Waits for who reads a block.
    pub(super) fn push(&mut self, page: Page) {
        self.look();
        self.bytes += page.capacity();
        self.pages.push_back(page);
    }

    /// Whether no more than so many bytes are away.
    #[inline]
    pub(super) fn is_within(&mut self, bytes: usize) -> bool {
        if self.bytes > bytes {
            self.look();
        }
        self.bytes <= bytes
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frees some of what nobody reads any more.
    pub(super) fn look(&mut self) {
        for _ in 0..LOOKS {
            let Some(page) = self.pages.pop_front() else { return };
            if page.is_alone() {
                self.bytes -= page.capacity();
            } else {
                self.pages.push_back(page);
            }
        }
    }
}
