//! `Shelf`: places for the received frames of one message, in blocks of memory.
//!
//! A frame that is shared needs a count of who shares it. With a box for each count, those boxes are most of what it takes to
//! receive a message of many frames, beside what libzmq does.

#![allow(unsafe_code, reason = "values that are shared one by one, each dropped by the last who does")]

use std::ptr::NonNull;

use super::berths::{self, Berths};
use super::shared::{Count, Kind, Shared};

/// How many values lie in one block, which for frames is shorter than 1 KiB: for a longer one, glibc goes over all short ones that were
/// freed.
const IN_BLOCK: usize = 11;

const _: () = assert!(Shelf::<super::Received>::BLOCK < 1000);

/// Puts values side by side, each of which is shared by itself and dropped with the last who does.
pub(crate) struct Shelf<T: AsRef<[u8]> + Send>(Berths<Counted<T>, IN_BLOCK>);

/// The count comes first, so that who knows where it is knows where this is.
#[repr(C)]
struct Counted<T> {
    count: Count,
    value: T,
}

impl<T: AsRef<[u8]> + Send> Shelf<T> {
    /// The length of a block in bytes.
    pub(super) const BLOCK: usize = Berths::<Counted<T>, IN_BLOCK>::BLOCK;

    pub(crate) const fn new() -> Self {
        Self(Berths::new())
    }

    #[inline]
    pub(crate) fn put(&mut self, value: T) -> Shared {
        let counted = self.0.enter(Counted { count: Count::new(const { &Kind::new(end::<T>) }), value });
        // SAFETY: just entered, and left at the end of its count. From here on the value does not move, and nobody changes it.
        let bytes = unsafe { &(*counted.as_ptr()).value }.as_ref();
        // SAFETY: as above; and it was entered with one user.
        unsafe { Shared::counted(bytes, counted.cast()) }
    }
}

/// # Safety
///
/// `count` is that of a value on a [`Shelf`] of such values, no user is left, and this is the only call.
unsafe fn end<T: Send>(count: NonNull<Count>) {
    // SAFETY: `Shelf::put` entered it, and nobody uses it.
    drop(unsafe { berths::leave::<Counted<T>, IN_BLOCK>(count.cast()) });
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
}
