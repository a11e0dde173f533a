//! `Shared`: bytes of any owner, shared by a count.
//!
//! The count stands before the owner, in the same block of memory, and one pointer to it is all that a user has besides the bytes. So a
//! frame that is sent needs no memory of its own to say who owns it: the pointer is what libzmq gives back.

#![allow(unsafe_code, reason = "owners of any type, each dropped by the last who shares its bytes")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::any::TypeId;
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::{self, ManuallyDrop};
use std::ops::{Bound, Deref, RangeBounds};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use bytes::Bytes;

/// Bytes of any owner, all or some of them: what a buffer is. Clones share the owner.
pub(crate) struct Shared {
    /// `len` bytes, valid until the owner is dropped; or empty, or static.
    data: NonNull<u8>,
    len: usize,
    /// Of the owner, of whose users this is one.
    count: Option<NonNull<Count>>,
}

// SAFETY: it shows bytes and nothing else of the owner, which is `Send` and is dropped by the last user, wherever that is.
unsafe impl Send for Shared {}
// SAFETY: as above; and the count of users is atomic.
unsafe impl Sync for Shared {}

/// Stands before an owner.
pub(super) struct Count {
    users: AtomicUsize,
    kind: &'static Kind,
}

/// What stands behind a count.
pub(super) struct Kind {
    /// Drops the owner when no user is left.
    end: unsafe fn(NonNull<Count>),
    /// The owner's type, where it is that of a [`Boxed`], which can be had back.
    owner: Option<TypeId>,
}

impl Kind {
    pub(super) const fn new(end: unsafe fn(NonNull<Count>)) -> Self {
        Self { end, owner: None }
    }

    const fn boxed<O: 'static>() -> Self {
        Self { end: end_boxed::<O>, owner: Some(TypeId::of::<O>()) }
    }
}

impl Count {
    /// Of an owner with one user.
    pub(super) const fn new(kind: &'static Kind) -> Self {
        Self { users: AtomicUsize::new(1), kind }
    }

    /// Counts more users, of which there is one at least.
    pub(super) fn add(&self, users: usize) {
        if self.users.fetch_add(users, Ordering::Relaxed) > isize::MAX as usize {
            // as an `Arc` does: that many are never dropped, and the count would go round
            process::abort();
        }
    }

    /// Counts so many users no more; `true` where none is left.
    #[inline]
    pub(super) fn remove(&self, users: usize) -> bool {
        let is_last = self.users.fetch_sub(users, Ordering::Release) == users;
        if is_last {
            fence(Ordering::Acquire);
        }
        is_last
    }

    /// Whether there are so many users, and all that others did is over.
    pub(super) fn is(&self, users: usize) -> bool {
        self.users.load(Ordering::Acquire) == users
    }
}

/// An owner in a box.
#[repr(C)]
struct Boxed<O> {
    count: Count,
    owner: O,
}

/// Copied bytes, which begin where this ends: at a multiple of 16.
#[repr(C, align(16))]
struct Block {
    count: Count,
    len: usize,
}

impl Block {
    fn layout(len: usize) -> Option<Layout> {
        let (layout, _) = Layout::new::<Self>().extend(Layout::array::<u8>(len).ok()?).ok()?;
        Some(layout)
    }
}

impl Shared {
    pub(crate) const fn new() -> Self {
        Self { data: NonNull::dangling(), len: 0, count: None }
    }

    /// The bytes of an owner, which is asked for them once, where it stays.
    pub(crate) fn from_owner<O: AsRef<[u8]> + Send + 'static>(owner: O) -> Self {
        let count = Count::new(const { &Kind::boxed::<O>() });
        let boxed = NonNull::from(Box::leak(Box::new(Boxed { count, owner })));
        // a user from here on: the owner is dropped also where `as_ref` panics
        let mut shared = Self { count: Some(boxed.cast()), ..Self::new() };
        // SAFETY: just allocated; from here on the owner does not move, and nobody changes it until its last user drops it.
        let bytes = unsafe { &(*boxed.as_ptr()).owner }.as_ref();
        (shared.data, shared.len) = (NonNull::from(bytes).cast(), bytes.len());
        shared
    }

    /// The bytes of an owner that stays where it is.
    ///
    /// # Safety
    ///
    /// The bytes are valid until the `end` of `count`, which stays where it is until then, and has one user: who is returned.
    pub(super) unsafe fn counted(bytes: &[u8], count: NonNull<Count>) -> Self {
        Self { data: NonNull::from(bytes).cast(), len: bytes.len(), count: Some(count) }
    }

    pub(crate) fn copied(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::new();
        }
        let layout = Block::layout(bytes.len()).unwrap_or_else(|| panic!("{} bytes are too many", bytes.len()));
        // SAFETY: a block has a header, so its layout is not empty.
        let Some(block) = NonNull::new(unsafe { alloc(layout) }.cast::<Block>()) else { handle_alloc_error(layout) };
        // SAFETY: just allocated, by a layout that begins with this header.
        unsafe { block.write(Block { count: Count::new(&BLOCK), len: bytes.len() }) };
        // SAFETY: within the block, where the header ends.
        let data = unsafe { block.add(1) }.cast::<u8>();
        // SAFETY: the block has room for so many bytes, and nobody else knows of it.
        unsafe { data.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Self { data, len: bytes.len(), count: Some(block.cast()) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// A part of the bytes; it panics as slicing does. An empty one keeps nobody.
    pub(crate) fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let range: (Bound<usize>, Bound<usize>) = (range.start_bound().cloned(), range.end_bound().cloned());
        let part = &self[range];
        if part.is_empty() {
            return Self::new();
        }
        let (data, len) = (NonNull::from(part).cast(), part.len());
        let mut slice = self.clone();
        (slice.data, slice.len) = (data, len);
        slice
    }

    /// The bytes as `Bytes`: the very ones that it was made of, where it was, so that there and back leads nowhere.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.owner::<Bytes>() {
            _ if self.count.is_none() => Bytes::new(),
            Some(bytes) => bytes.slice_ref(&self),
            None => Bytes::from_owner(self),
        }
    }

    /// The owner, if it is of this type.
    pub(crate) fn owner<O: Sync + 'static>(&self) -> Option<&O> {
        let count = self.count?;
        // SAFETY: this is one of its users, and it stays until all of them are gone.
        let kind = unsafe { (*count.as_ptr()).kind };
        if kind.owner != Some(TypeId::of::<O>()) {
            return None;
        }
        // SAFETY: as above; the count of such a kind begins a box with an `O` (`Shared::from_owner`), which nobody changes, and which may be
        // seen from several threads, as it is `Sync`.
        Some(unsafe { &(*count.cast::<Boxed<O>>().as_ptr()).owner })
    }

    /// Itself as a pointer, null where nobody owns the bytes. It stays a user until [`from_raw`](Self::from_raw) takes that.
    pub(super) fn into_raw(self) -> *mut c_void {
        let count = self.count;
        mem::forget(self);
        count.map_or(ptr::null_mut(), |count| count.as_ptr().cast())
    }

    /// The user that became a pointer; of no bytes any more.
    ///
    /// # Safety
    ///
    /// `raw` is what [`into_raw`](Self::into_raw) returned, and this is the only call for it.
    pub(super) unsafe fn from_raw(raw: *mut c_void) -> Self {
        Self { count: NonNull::new(raw.cast()), ..Self::new() }
    }
}

/// A place for bytes on their way, or for none. It is a thread's, and never dropped.
///
/// Word by word: what was written in words, and is read as one wide thing, has to wait until it got as far as the cache.
pub(crate) struct Slot {
    /// Null where there are none.
    data: Cell<*mut u8>,
    len: Cell<usize>,
    count: Cell<Option<NonNull<Count>>>,
}

impl Slot {
    pub(crate) const fn new() -> Self {
        Self { data: Cell::new(ptr::null_mut()), len: Cell::new(0), count: Cell::new(None) }
    }

    /// Puts bytes there, shared, in the place of those that nobody took.
    #[inline]
    pub(crate) fn put(&self, bytes: &Shared) {
        if !self.data.get().is_null() {
            self.clear();
        }
        let bytes = ManuallyDrop::new(bytes.clone());
        self.data.set(bytes.data.as_ptr());
        self.len.set(bytes.len);
        self.count.set(bytes.count);
    }

    #[cold]
    fn clear(&self) {
        drop(self.take());
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Shared> {
        let data = NonNull::new(self.data.replace(ptr::null_mut()))?;
        // what was put there is taken once
        Some(Shared { data, len: self.len.get(), count: self.count.get() })
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Shared {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(count) = self.count {
            // SAFETY: this is one of its users, and it stays until all of them are gone.
            let users = unsafe { &(*count.as_ptr()).users };
            if users.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
                // as an `Arc` does: that many are never dropped, and the count would go round
                process::abort();
            }
        }
        Self { ..*self }
    }
}

impl Drop for Shared {
    #[inline]
    fn drop(&mut self) {
        let Some(count) = self.count else { return };
        // SAFETY: this is one of its users, and it stays until all of them are gone.
        let users = unsafe { &(*count.as_ptr()).users };
        // who is the only user stays so: another one could come from no other. That is a look, and no turn with the lock of a line of memory
        if users.load(Ordering::Acquire) == 1 || users.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: as above: no user is left but this one, which ends here.
            let kind = unsafe { (*count.as_ptr()).kind };
            // SAFETY: it is that of this count, and this is the only call.
            unsafe { (kind.end)(count) };
        }
    }
}

impl Deref for Shared {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are valid as long as there are users, of whom this is one; or they are none.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Bytes> for Shared {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::new();
        }
        Self::from_owner(bytes)
    }
}

/// Drops an owner, whose panic ends here: not even what it panicked with is dropped, for that may panic as well.
pub(super) fn drop_quietly<T>(held: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(held))) {
        mem::forget(payload);
    }
}

static BLOCK: Kind = Kind::new(end_block);

/// # Safety
///
/// `count` is that of a [`Boxed`] with such an owner, no user is left, and this is the only call.
unsafe fn end_boxed<O>(count: NonNull<Count>) {
    // SAFETY: `Shared::from_owner` leaked the box that begins with the count.
    drop(unsafe { Box::from_raw(count.cast::<Boxed<O>>().as_ptr()) });
}

/// # Safety
///
/// `count` is that of a [`Block`], no user is left, and this is the only call.
unsafe fn end_block(count: NonNull<Count>) {
    let block = count.cast::<Block>();
    // SAFETY: `Shared::copied` wrote it.
    let len = unsafe { (*block.as_ptr()).len };
    if let Some(layout) = Block::layout(len) {
        // SAFETY: the layout by which it was allocated.
        unsafe { dealloc(block.cast().as_ptr(), layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use bytes::Bytes;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::thread;

    /// The bytes lie in the owner itself, and so where it lies.
    struct Owner([u8; 3], #[expect(dead_code, reason = "counts who has it")] Arc<()>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            assert_ne!(self.0[0], 0, "asked");
            &self.0
        }
    }

    #[test]
    fn an_owner_is_dropped_once_with_the_last_user_on_whatever_thread() {
        let owner = Arc::new(());
        let shared = Shared::from_owner(Owner([1, 2, 3], owner.clone()));
        let users: Vec<_> = (0..4).map(|start| shared.slice(start..)).collect();
        assert!(users[3].is_empty());
        let raw = shared.clone().into_raw();
        drop(shared);
        let threads: Vec<_> = users
            .into_iter()
            .enumerate()
            .map(|(start, user)| thread::spawn(move || assert_eq!(user[..], [1, 2, 3][start..])))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(Arc::strong_count(&owner), 2);
        // SAFETY: `into_raw` returned it, and this is the only call.
        drop(unsafe { Shared::from_raw(raw) });
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn an_owner_that_panics_when_it_is_asked_is_dropped() {
        let owner = Arc::new(());
        let asked = catch_unwind(AssertUnwindSafe(|| Shared::from_owner(Owner([0; 3], owner.clone()))));
        assert!(asked.is_err());
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn copies_are_aligned_and_of_any_length() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let shared = Shared::copied(&bytes);
            assert_eq!((&shared[..], shared.len()), (&bytes[..], len));
            assert!(len == 0 || shared.as_ptr().addr().is_multiple_of(16));
            assert_eq!(shared.slice(len / 2..).into_bytes(), bytes[len / 2..]);
        }
    }

    #[test]
    fn bytes_stay_where_they_are() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let shared = Shared::from(bytes.clone());
        assert_eq!(shared.as_ptr(), bytes.as_ptr());
        assert_eq!(shared.into_bytes().as_ptr(), bytes.as_ptr());
        assert!(Shared::from(Bytes::new()).into_bytes().is_empty());
        // there and back as often as one likes, from either side
        let mut shared = Shared::copied(&[1, 2, 3]);
        let data = shared.as_ptr();
        for _ in 0..if cfg!(miri) { 100 } else { 1_000_000 } {
            let bytes = shared.into_bytes();
            shared = Shared::from(bytes);
        }
        assert_eq!((shared.as_ptr(), &shared.slice(1..).into_bytes()[..]), (data, &[2, 3][..]));
    }

    #[test]
    fn an_owner_is_found_by_its_type_and_by_no_other() {
        let shared = Shared::from_owner(Owner([1, 2, 3], Arc::default())).slice(1..);
        assert_eq!(shared.owner::<Owner>().unwrap().0, [1, 2, 3]);
        assert!(shared.owner::<Bytes>().is_none() && shared.owner::<[u8; 3]>().is_none());
        assert!(Shared::copied(&[1]).owner::<Owner>().is_none() && Shared::new().owner::<Owner>().is_none());
        assert_eq!(Shared::from(Bytes::from(vec![7])).owner::<Bytes>().unwrap()[..], [7]);
    }

    #[test]
    fn a_part_ends_where_the_bytes_do() {
        let shared = Shared::copied(&[1, 2]);
        let beyond = catch_unwind(AssertUnwindSafe(|| shared.slice(1..4)));
        assert!(beyond.is_err());
        assert_eq!(shared.slice(..)[..], [1, 2]);
    }
}
