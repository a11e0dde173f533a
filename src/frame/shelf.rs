//! `Shelf`: places for the received frames of one message, in blocks of memory.
//!
//! A frame that is shared needs a count of who shares it. With a box for each count, those boxes are most of what it takes to
//! receive a message of many frames, beside what libzmq does. A frame is received where it stays: a place is open until what is in it is shared.

#![allow(unsafe_code, reason = "values that are shared one by one, each dropped by the last who does")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::berths::{self, Berths};
use super::shared::{Count, Kind, Shared};

/// How many values lie in one block, which for frames is shorter than 1 KiB: for a longer one, glibc goes over all short ones that were
/// freed.
const IN_BLOCK: usize = 11;

const _: () = assert!(Shelf::<super::Received>::BLOCK < 1000);

/// Puts values side by side, each of which is shared by itself and dropped with the last who does.
pub(crate) struct Shelf<T: Send> {
    berths: Berths<Counted<T>, IN_BLOCK>,
    /// The place that is open: its value has one user, which is the shelf.
    open: Option<NonNull<Counted<T>>>,
}

/// The count comes first, so that who knows where it is knows where this is.
#[repr(C)]
struct Counted<T> {
    count: Count,
    value: T,
}

impl<T: Send> Shelf<T> {
    /// The length of a block in bytes.
    pub(super) const BLOCK: usize = Berths::<Counted<T>, IN_BLOCK>::BLOCK;

    pub(crate) const fn new() -> Self {
        Self { berths: Berths::new(), open: None }
    }

    /// The value in the place that is open; where none is, `make` makes one there.
    ///
    /// # Safety
    ///
    /// `make` leaves a value in the place that it is given.
    #[inline]
    pub(crate) unsafe fn value(&mut self, make: impl FnOnce(&mut MaybeUninit<T>)) -> &mut T {
        let counted = match self.open {
            Some(open) => open,
            None => {
                let counted = self.berths.vacant();
                // SAFETY: the berth is ours; nothing is read.
                let count = unsafe { &raw mut (*counted.as_ptr()).count };
                // SAFETY: as above.
                unsafe { count.write(Count::new(const { &Kind::new(end::<T>) })) };
                // SAFETY: as above.
                let value = unsafe { &raw mut (*counted.as_ptr()).value };
                // SAFETY: as above; and what is not initialised may be there.
                make(unsafe { &mut *value.cast::<MaybeUninit<T>>() });
                *self.open.insert(counted)
            }
        };
        // SAFETY: entered, and neither left nor shared as long as it is open: nobody else knows of it.
        unsafe { &mut (*counted.as_ptr()).value }
    }

    /// Shares the value in the place that is open, if one is, and closes it: the bytes that it shows.
    #[inline]
    pub(crate) fn share(&mut self, show: impl FnOnce(&T) -> &[u8]) -> Option<Shared> {
        let counted = self.open?;
        // SAFETY: as in `value`. Once it is closed the value does not move, and nobody changes it.
        let bytes = show(unsafe { &(*counted.as_ptr()).value });
        // SAFETY: it was entered with one user, who is no more the shelf; `end` leaves it.
        let shared = unsafe { Shared::counted(bytes, counted.cast()) };
        self.open = None;
        Some(shared)
    }
}

impl<T: Send> Drop for Shelf<T> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            // SAFETY: entered and not left, and nobody else knows of it.
            drop(unsafe { berths::leave::<Counted<T>, IN_BLOCK>(open) });
        }
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

    fn value(shelf: &mut Shelf<Counted>, make: impl FnOnce() -> Counted) -> &mut Counted {
        // SAFETY: it is written.
        unsafe {
            shelf.value(|place| {
                place.write(make());
            })
        }
    }

    #[test]
    fn every_value_is_dropped_once_with_its_last_user_on_whatever_thread() {
        for count in [0, 1, IN_BLOCK - 1, IN_BLOCK, IN_BLOCK + 1, 3 * IN_BLOCK] {
            let owner = Arc::new(());
            let mut shelf = Shelf::new();
            let kept: Vec<_> = (0..count)
                .map(|nth| {
                    // what was there before is nobody's
                    *value(&mut shelf, || Counted(vec![], owner.clone())) = Counted(vec![nth as u8; 3], owner.clone());
                    assert_eq!(value(&mut shelf, || unreachable!("a place is open")).0.len(), 3);
                    shelf.share(|value| &value.0).unwrap()
                })
                .collect();
            assert!(shelf.share(|value| &value.0).is_none());
            if count % 3 == 1 {
                // open, and never shared
                value(&mut shelf, || Counted(vec![], Arc::new(())));
            }
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
