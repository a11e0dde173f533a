//! `Shelf`: places for the received frames of one message, in blocks of memory.
//!
//! A frame that is shared needs a count of who shares it. With a box for each count, those boxes are most of what it takes to
//! receive a message of many frames, beside what libzmq does.

#![allow(unsafe_code, reason = "values that are shared one by one, each dropped by the last who does")]

use std::ops::{Bound, Deref, RangeBounds};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use super::berths::{self, Berth, Berths};

/// How many values lie in one block, which for frames is shorter than 1 KiB: for a longer one, glibc goes over all short ones that were
/// freed.
const IN_BLOCK: usize = 12;

/// Puts values side by side, each of which is shared by itself and dropped with the last who does.
pub(crate) struct Shelf<T: AsRef<[u8]> + Send>(Berths<Counted<T>, IN_BLOCK>);

struct Counted<T> {
    /// How many [`Kept`] share the value.
    users: AtomicUsize,
    value: T,
}

impl<T: AsRef<[u8]> + Send> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Self(Berths::new())
    }

    #[inline]
    pub(crate) fn put(&mut self, value: T) -> Kept<T> {
        let berth = self.0.enter(Counted { users: AtomicUsize::new(1), value });
        // SAFETY: just entered, and left when the last user is gone, of which there is one now.
        let counted = unsafe { berths::value(berth) };
        // SAFETY: as above. From here on the value does not move, and nobody changes it.
        let bytes = unsafe { &(*counted).value }.as_ref();
        Kept { data: NonNull::from(bytes).cast(), len: bytes.len(), berth }
    }
}

/// Bytes of a value on a [`Shelf`], all or some of them. Clones share the value.
pub(crate) struct Kept<T: AsRef<[u8]> + Send> {
    /// `len` bytes of the value's, valid until it is dropped.
    data: NonNull<u8>,
    len: usize,
    /// Of the value, of whose users this is one.
    berth: NonNull<Berth<Counted<T>, IN_BLOCK>>,
}

// SAFETY: it shows bytes and nothing else of the value, which is `Send` and is dropped by the last user, wherever that is.
unsafe impl<T: AsRef<[u8]> + Send> Send for Kept<T> {}
// SAFETY: as above; and the count of users is atomic.
unsafe impl<T: AsRef<[u8]> + Send> Sync for Kept<T> {}

impl<T: AsRef<[u8]> + Send> Kept<T> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// A part of the bytes; it panics as slicing does.
    pub(crate) fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let range: (Bound<usize>, Bound<usize>) = (range.start_bound().cloned(), range.end_bound().cloned());
        let part = &self[range];
        let (data, len) = (NonNull::from(part).cast(), part.len());
        let mut slice = self.clone();
        (slice.data, slice.len) = (data, len);
        slice
    }

    fn users(&self) -> &AtomicUsize {
        // SAFETY: this is one of the users, and the berth is left when all of them are gone.
        let counted = unsafe { berths::value(self.berth) };
        // SAFETY: as above.
        unsafe { &(*counted).users }
    }
}

impl<T: AsRef<[u8]> + Send> Deref for Kept<T> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `data` and `len` are of bytes that the value showed, or of a part of them, and this is one of its users.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T: AsRef<[u8]> + Send> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: AsRef<[u8]> + Send> Clone for Kept<T> {
    #[inline]
    fn clone(&self) -> Self {
        if self.users().fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            // as an `Arc` does: that many are never dropped, and the count would go round
            process::abort();
        }
        Self { ..*self }
    }
}

impl<T: AsRef<[u8]> + Send> Drop for Kept<T> {
    #[inline]
    fn drop(&mut self) {
        if self.users().fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: `Shelf::put` entered it, and no user is left but this one, which ends here.
            drop(unsafe { berths::leave(self.berth) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IN_BLOCK, Shelf};
    use std::sync::Arc;
    use std::thread;

    struct Counted(Vec<u8>, #[expect(dead_code, reason = "counts who has it")] Arc<()>);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn every_value_is_dropped_once_with_its_last_user_on_whatever_thread() {
        for count in [0, 1, IN_BLOCK - 1, IN_BLOCK, IN_BLOCK + 1, 3 * IN_BLOCK] {
            let owner = Arc::new(());
            let mut shelf = Shelf::new();
            let kept: Vec<_> = (0..count).map(|nth| shelf.put(Counted(vec![nth as u8; 3], owner.clone()))).collect();
            let parts: Vec<_> = kept.iter().step_by(2).map(|kept| kept.slice(1..)).collect();
            assert_eq!(Arc::strong_count(&owner), 1 + count);
            if count % 2 == 1 {
                drop(shelf);
            }
            let threads: Vec<_> = kept
                .into_iter()
                .enumerate()
                .map(|(nth, kept)| thread::spawn(move || assert_eq!((&kept[..], kept.len()), (&[nth as u8; 3][..], 3))))
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(Arc::strong_count(&owner), 1 + parts.len());
            for (half, part) in parts.iter().enumerate() {
                assert_eq!(
                    (&part[..], part.slice(1..2).as_ref(), part.slice(2..).len()),
                    (&[2 * half as u8; 2][..], &[2 * half as u8][..], 0)
                );
            }
            drop(parts);
            assert_eq!(Arc::strong_count(&owner), 1);
        }
    }

    #[test]
    fn a_part_ends_where_the_bytes_do() {
        let kept = Shelf::new().put(Counted(vec![1, 2], Arc::default()));
        let beyond = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kept.slice(1..4)));
        assert!(beyond.is_err());
        assert_eq!(kept.slice(..)[..], [1, 2]);
    }
}
