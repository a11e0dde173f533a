//! `BufferPool`: memory that comes back when a message is done with it.

use std::fmt;
use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::SegQueue;

use crate::buffer::Buffer;

/// Recycled, aligned memory: take a block, fill it, freeze it into a [`Buffer`], and it returns when the last clone and
/// the last frame made of it are dropped.
///
/// Fresh pages are dear: writing into 64 MiB of new memory is several times slower than into memory that was used
/// before. A pool is a handle: clones share the memory. Blocks return from any thread without a lock.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, BufferPool};
///
/// let pool = BufferPool::new();
/// let mut image = pool.take(640 * 480);
/// image.fill(128);
/// let image: Buffer = image.freeze();
/// let address = image.as_ptr();
/// assert_eq!(address.addr() % BufferPool::DEFAULT_ALIGN, 0);
///
/// drop(image); // or: sent, and released by libzmq
/// assert_eq!(pool.take(640 * 480).as_ptr(), address);
/// ```
#[derive(Clone)]
pub struct BufferPool(Arc<Shared>);

struct Shared {
    align: usize,
    /// The most bytes that idle blocks may hold.
    retain: usize,
    idle_bytes: AtomicUsize,
    /// Idle blocks by [`size_class`].
    idle: [SegQueue<Vec<u8>>; CLASSES],
}

impl Default for BufferPool {
    fn default() -> Self {
        Self::new()
    }
}

impl BufferPool {
    /// The alignment of a pool made by [`new`](Self::new): a cache line, and enough for any SIMD load.
    pub const DEFAULT_ALIGN: usize = 64;

    /// A pool of blocks aligned to 64 bytes that keeps at most 1 GiB of idle memory.
    pub fn new() -> Self {
        Self::with(Self::DEFAULT_ALIGN, 1 << 30)
    }

    /// A pool of blocks aligned to `align` bytes that keeps at most `retain` bytes of idle memory; what returns beyond
    /// that is freed.
    ///
    /// # Panics
    ///
    /// When `align` is not a power of two, or more than 2 MiB, which is a huge page and the most that anything asks for.
    pub fn with(align: usize, retain: usize) -> Self {
        assert!(align.is_power_of_two(), "an alignment is a power of two, and {align} is not");
        assert!(align <= MOST_ALIGN, "an alignment of {align} is more than the most, {MOST_ALIGN}");
        let idle = [const { SegQueue::new() }; CLASSES];
        Self(Arc::new(Shared { align, retain, idle_bytes: AtomicUsize::new(0), idle }))
    }

    /// Takes `len` bytes. A block that was used before still holds what was in it; a new one holds zeros.
    ///
    /// # Panics
    ///
    /// When a block for `len` bytes would be longer than `isize::MAX`, which no memory is.
    pub fn take(&self, len: usize) -> BufferMut {
        assert!(len <= isize::MAX as usize, "a block of {len} bytes is longer than any memory");
        // neither this sum nor the class overflows below twice that; what is too long after it, `vec!` refuses
        let (class, size) = size_class(len);
        let block = match self.0.idle[class].pop() {
            Some(block) => {
                self.0.idle_bytes.fetch_sub(block.len(), Ordering::Relaxed);
                block
            }
            None => vec![0; size + self.0.align - 1],
        };
        let start = block.as_ptr().align_offset(self.0.align);
        BufferMut { block, start, len, pool: self.clone() }
    }

    /// How many bytes idle blocks hold right now.
    pub fn idle_bytes(&self) -> usize {
        self.0.idle_bytes.load(Ordering::Relaxed)
    }

    fn give_back(&self, block: Vec<u8>) {
        if block.is_empty() {
            return;
        }
        let held = self.0.idle_bytes.fetch_add(block.len(), Ordering::Relaxed) + block.len();
        if held > self.0.retain {
            self.0.idle_bytes.fetch_sub(block.len(), Ordering::Relaxed);
            return;
        }
        let (class, _) = size_class(block.len() - (self.0.align - 1));
        self.0.idle[class].push(block);
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferPool(align {}, {} bytes idle)", self.0.align, self.idle_bytes())
    }
}

/// Memory of a [`BufferPool`] while it is filled: it derefs to `&mut [u8]`, and `&mut block[..]` is an [`io::Write`] from the front.
pub struct BufferMut {
    block: Vec<u8>,
    start: usize,
    len: usize,
    pool: BufferPool,
}

impl BufferMut {
    /// Shortens to `len` bytes; does nothing when that is more than there are.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes it immutable and shareable, **without copying**. The memory returns to the pool when the last clone is
    /// dropped.
    pub fn freeze(self) -> Buffer {
        Buffer::from_owner(self)
    }

    /// Reads exactly as many bytes as there are from a file, a socket or any other [`io::Read`].
    ///
    /// # Errors
    ///
    /// Whatever the reader returns; `UnexpectedEof` when it ends early.
    pub fn fill_from<R: io::Read + ?Sized>(&mut self, reader: &mut R) -> io::Result<()> {
        reader.read_exact(self)
    }
}

impl Deref for BufferMut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.block[self.start..self.start + self.len]
    }
}

impl DerefMut for BufferMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.start + self.len]
    }
}

impl AsRef<[u8]> for BufferMut {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for BufferMut {
    fn drop(&mut self) {
        self.pool.give_back(mem::take(&mut self.block));
    }
}

impl fmt::Debug for BufferMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferMut({} bytes)", self.len)
    }
}

/// The widest alignment of a block: as much memory more is taken for each.
const MOST_ALIGN: usize = 2 << 20;
/// Four classes per doubling: a block is at most a quarter longer than what was asked for.
const STEPS: usize = 4;
/// The shortest block, as a power of two.
const MIN_LOG2: usize = 12;
/// Enough for every length up to 2^48 bytes.
const CLASSES: usize = (48 - MIN_LOG2) * STEPS + 1;

/// The class of a length, and the length of that class's blocks.
fn size_class(len: usize) -> (usize, usize) {
    let mut size = 1 << MIN_LOG2;
    if len <= size {
        return (0, size);
    }
    // the power of two below, then in quarters of it
    let log2 = (len - 1).ilog2() as usize;
    size = 1 << log2;
    let quarter = size / STEPS;
    let steps = (len - size).div_ceil(quarter);
    let class = ((log2 - MIN_LOG2) * STEPS + steps).min(CLASSES - 1);
    (class, size + steps * quarter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_no_memory_has_is_refused_and_leaves_the_pool_as_it_was() {
        let panics = |pool: &BufferPool, len| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.take(len))).map(drop).is_err()
        };
        for align in [1, 64, MOST_ALIGN] {
            let pool = BufferPool::with(align, 1 << 30);
            for len in [usize::MAX, usize::MAX - 5, usize::MAX - 4096, 1 << 63, isize::MAX as usize] {
                assert!(panics(&pool, len), "{len} aligned to {align}");
            }
            assert_eq!(pool.idle_bytes(), 0);
        }
        assert_eq!(BufferPool::new().take(10).len(), 10);
    }

    #[test]
    fn an_alignment_is_a_power_of_two_that_a_page_has() {
        for align in [0, 3, 2 * MOST_ALIGN, 1 << 40, 1 << 63] {
            assert!(std::panic::catch_unwind(|| BufferPool::with(align, 0)).is_err(), "{align}");
        }
        assert_eq!(BufferPool::with(MOST_ALIGN, 0).take(1).as_ptr().addr() % MOST_ALIGN, 0);
    }

    #[test]
    fn every_length_fits_its_class_and_a_class_has_one_size() {
        let mut sizes = std::collections::HashMap::new();
        let dense = if cfg!(miri) { 1000 } else { 100_000 };
        for len in (0..dense).chain((12..44).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            let (class, size) = size_class(len);
            assert!(size >= len && (size <= 4096 || size - len <= len / STEPS + 1), "{len} -> {size}");
            assert_eq!(*sizes.entry(class).or_insert(size), size, "class {class} of {len}");
            assert_eq!(size_class(size), (class, size), "a block returns to the class it came from");
        }
    }
}
