//! `Page`: memory that short texts are written into, one after the other, and lent from.

#![allow(unsafe_code, reason = "memory that is written beside what was lent of it, freed by the last of its users")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

use super::shared::{Count, Kind, Shared};

/// Memory that texts are written into from front to back. Each may be shared, and stays where it is for as long as anybody does.
pub(crate) struct Page {
    /// With this as one of its users, and with those that may yet come.
    block: NonNull<Block>,
    /// The bytes that were written.
    len: usize,
    /// Users that were counted before they are there.
    to_come: usize,
}

/// The bytes begin where this ends.
#[repr(C, align(16))]
struct Block {
    count: Count,
    capacity: usize,
}

/// So many users are counted at a time: who lends does not meet, text by text, those who let go.
const COUNTED: usize = 1 << 20;

// SAFETY: it owns its memory together with those who share it, who only read what was written before they did; the count is atomic.
unsafe impl Send for Page {}

impl Block {
    fn layout(capacity: usize) -> Option<Layout> {
        let (layout, _) = Layout::new::<Self>().extend(Layout::array::<u8>(capacity).ok()?).ok()?;
        Some(layout)
    }
}

impl Page {
    /// An empty one with room for so many bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let layout = Block::layout(capacity).unwrap_or_else(|| panic!("{capacity} bytes are too many"));
        // SAFETY: a block has a header, so its layout is not empty.
        let Some(block) = NonNull::new(unsafe { alloc(layout) }.cast::<Block>()) else { handle_alloc_error(layout) };
        // SAFETY: just allocated, by a layout that begins with this header.
        unsafe { block.write(Block { count: Count::new(&PAGE), capacity }) };
        Self { block, len: 0, to_come: 0 }
    }

    pub(crate) fn capacity(&self) -> usize {
        // SAFETY: this is one of its users, and the header is never changed but for its count.
        unsafe { (*self.block.as_ptr()).capacity }
    }

    /// How much room is left.
    pub(crate) fn room(&self) -> usize {
        self.capacity() - self.len
    }

    /// Copies a text in; returns where it lies. `None` where there is no room for it.
    #[inline]
    pub(crate) fn write(&mut self, text: &[u8]) -> Option<usize> {
        if text.len() > self.room() {
            return None;
        }
        let at = self.len;
        // SAFETY: `at` is within the block.
        let free = unsafe { self.data().add(at) };
        // SAFETY: there is room for the text, as was just seen, and nobody else reads or writes beyond `len`.
        unsafe { free.as_ptr().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.len += text.len();
        Some(at)
    }

    /// What was written there.
    #[inline]
    pub(crate) fn text(&self, at: usize, len: usize) -> Option<&[u8]> {
        if at.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: `at` is within the block.
        let text = unsafe { self.data().add(at) };
        // SAFETY: so much was written, and is not written again while `self` is borrowed.
        Some(unsafe { std::slice::from_raw_parts(text.as_ptr(), len) })
    }

    /// Shares what was written there.
    #[inline]
    pub(crate) fn share(&mut self, at: usize, len: usize) -> Option<Shared> {
        if self.to_come == 0 {
            self.count().add(COUNTED);
            self.to_come = COUNTED;
        }
        let text = self.text(at, len)?;
        // SAFETY: the text is not written again while it has users, of whom this was counted; `end` frees the block.
        let shared = unsafe { Shared::counted(text, self.block.cast()) };
        self.to_come -= 1;
        Some(shared)
    }

    /// Whether nobody shares any of it.
    pub(crate) fn is_alone(&self) -> bool {
        self.count().is(1 + self.to_come)
    }

    /// Forgets all that was written; `false` where somebody shares some of it, and it stays.
    pub(crate) fn clear(&mut self) -> bool {
        let is_alone = self.is_alone();
        if is_alone {
            self.len = 0;
        }
        is_alone
    }

    fn count(&self) -> &Count {
        // SAFETY: this is one of its users, and it stays until all of them are gone.
        unsafe { &(*self.block.as_ptr()).count }
    }

    fn data(&self) -> NonNull<u8> {
        // SAFETY: within the block, where the header ends.
        unsafe { self.block.add(1) }.cast()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.count().remove(1 + self.to_come) {
            // SAFETY: it is that of a block, no user was left, and so this is the only call.
            unsafe { end(self.block.cast()) };
        }
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("len", &self.len).field("capacity", &self.capacity()).finish()
    }
}

static PAGE: Kind = Kind::new(end);

/// # Safety
///
/// `count` is that of a [`Block`], no user is left, and this is the only call.
unsafe fn end(count: NonNull<Count>) {
    let block = count.cast::<Block>();
    // SAFETY: `Page::with_capacity` wrote it.
    let capacity = unsafe { (*block.as_ptr()).capacity };
    if let Some(layout) = Block::layout(capacity) {
        // SAFETY: the layout by which it was allocated.
        unsafe { dealloc(block.cast().as_ptr(), layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, Page};
    use std::thread;

    #[test]
    fn texts_lie_one_after_the_other_as_far_as_there_is_room() {
        let mut page = Page::with_capacity(10);
        assert_eq!((page.write(b"abc"), page.write(b"defghijk"), page.write(b"defghij")), (Some(0), None, Some(3)));
        assert_eq!((page.room(), page.write(b"k"), page.write(b"")), (0, None, Some(10)));
        assert_eq!((page.text(2, 2), page.text(0, 10)), (Some(&b"cd"[..]), Some(&b"abcdefghij"[..])));
        assert_eq!((page.text(3, 8), page.text(11, 0), page.text(1, usize::MAX)), (None, None, None));
        assert!(page.share(3, 8).is_none() && page.clear());
        assert_eq!((page.room(), page.text(0, 1)), (10, None));
    }

    #[test]
    fn what_is_shared_stays_where_it_is_until_its_last_user_is_gone() {
        for users in [1, 2, 7] {
            let mut page = Page::with_capacity(3 * users);
            let shared: Vec<_> = (0..users)
                .map(|nth| {
                    let at = page.write(&[nth as u8; 3]).unwrap();
                    page.share(at, 3).unwrap()
                })
                .collect();
            assert!(!page.clear() && page.room() == 0, "it would be written again");
            let part = shared[0].slice(1..);
            let threads: Vec<_> = shared
                .into_iter()
                .enumerate()
                .map(|(nth, text)| thread::spawn(move || assert_eq!(text[..], [nth as u8; 3])))
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(!page.clear(), "a part of a text is shared");
            assert_eq!(part[..], [0; 2]);
            if users == 2 {
                drop(page);
                assert_eq!(part[..], [0; 2]);
                continue;
            }
            drop(part);
            assert!(page.clear());
            assert_eq!(page.write(b"new"), Some(0));
        }
    }

    #[test]
    fn users_are_counted_anew_when_those_that_were_counted_are_there() {
        let mut page = Page::with_capacity(1);
        page.write(b"x").unwrap();
        let first = page.share(0, 1).unwrap();
        page.to_come = 1;
        page.count().remove(COUNTED - 2);
        let more = [(); 3].map(|()| page.share(0, 1).unwrap());
        assert_eq!((page.to_come, page.is_alone()), (COUNTED - 2, false));
        drop(more);
        assert!(!page.is_alone());
        drop(first);
        assert!(page.is_alone());
    }
}
