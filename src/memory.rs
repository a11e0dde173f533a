//! The memory under the frames: what this crate copied, and the one tuning that matters for large messages.

#![allow(unsafe_code, reason = "glibc's allocator is tuned and probed through its C interface")]

use std::cell::Cell;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::hint::black_box;

thread_local! {
    static COPIED: Cell<u64> = const { Cell::new(0) };
}

/// How many bytes of buffers this crate has copied on this thread.
///
/// What counts: a buffer written in band or taken out of the metadata again, a received buffer frame of up to 8 KiB
/// moved out of libzmq's receive arena, a [`Buffer`](crate::Buffer) made by
/// [`copy_from_slice`](crate::Buffer::copy_from_slice) or [`to_aligned`](crate::Buffer::to_aligned), a field that goes
/// through [`serde_buffer`](crate::serde_buffer) as a `Vec`. What does not: the metadata frame itself, and what the
/// kernel and libzmq copy on the way through a socket.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, memory};
///
/// let before = memory::copied_bytes();
/// let buffer = Buffer::from_vec(vec![0.0_f64; 1000]);
/// assert_eq!(memory::copied_bytes() - before, 0);
/// let copy = Buffer::copy_from_slice(&buffer);
/// assert_eq!(memory::copied_bytes() - before, 8000);
/// ```
pub fn copied_bytes() -> u64 {
    COPIED.get()
}

#[inline]
pub(crate) fn count_copy(bytes: usize) {
    COPIED.set(COPIED.get().wrapping_add(bytes as u64));
}

/// What [`keep_freed_pages`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "where malloc is not glibc's nothing was done"]
pub enum Tuning {
    /// glibc's allocator keeps freed pages from now on.
    Applied,
    /// Nothing was done: `malloc` in this process is not glibc's.
    NotGlibc,
}

/// Tells glibc's allocator to keep freed pages for the next message instead of returning them to the kernel.
///
/// Fresh pages cost more than the wire: by default glibc maps every block of more than 32 MiB anew and unmaps it when
/// freed, so a receiver of 64 MiB frames spends most of its time in page faults. With kept pages the same receiver
/// reuses memory that is already mapped and warm; `cargo bench --bench throughput` prints what that gains.
///
/// The price: the process keeps the most memory it ever used, and all threads share one heap. That is a decision for
/// the program and not for a library, so nothing in this crate calls this function. Call it once, at the start of
/// `main`, **before the first context**: threads that already have an arena of their own keep it.
///
/// In glibc's terms (`mallopt(3)`): `M_MMAP_MAX=0`, `M_ARENA_MAX=1`, `M_TRIM_THRESHOLD` off, `M_TOP_PAD=256 MiB`.
///
/// # Examples
///
/// ```
/// use outband::memory::{self, Tuning};
///
/// match memory::keep_freed_pages() {
///     Tuning::Applied => println!("freed pages are kept"),
///     other => println!("nothing done: {other:?}"),
/// }
/// # assert_eq!(memory::keep_freed_pages(), memory::keep_freed_pages());
/// ```
pub fn keep_freed_pages() -> Tuning {
    keep_freed_pages_with(256 << 20)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_pages_with(top_pad: i32) -> Tuning {
    if !malloc_is_glibc() {
        return Tuning::NotGlibc;
    }
    let settings =
        [(libc::M_MMAP_MAX, 0), (libc::M_ARENA_MAX, 1), (libc::M_TRIM_THRESHOLD, -1), (libc::M_TOP_PAD, top_pad)];
    for (name, value) in settings {
        // SAFETY: mallopt takes two integers, is thread-safe, and returns 0 for what it does not know.
        if unsafe { libc::mallopt(name, value) } == 0 {
            return Tuning::NotGlibc;
        }
    }
    Tuning::Applied
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_pages_with(_top_pad: i32) -> Tuning {
    Tuning::NotGlibc
}

/// Whether `malloc` is glibc's: another allocator that was preloaded or linked in leaves glibc's accounts untouched.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn malloc_is_glibc() -> bool {
    // another thread may free as much between the two looks, hence more than one try
    (0..4).any(|_| a_block_shows_in_glibcs_accounts())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_block_shows_in_glibcs_accounts() -> bool {
    const PROBE: usize = 1 << 20;
    let before = glibc_bytes_in_use();
    // Through a black box: the optimizer knows what malloc and free are, and removes a pair whose block nobody sees.
    // SAFETY: malloc takes a size; the result is only passed to free.
    let probe = black_box(unsafe { libc::malloc(PROBE) });
    let after = glibc_bytes_in_use();
    // SAFETY: `probe` came from malloc (or is null, which free accepts) and is not used again.
    unsafe { libc::free(probe) };
    after >= before + PROBE
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn glibc_bytes_in_use() -> usize {
    // SAFETY: mallinfo2 takes no arguments and only reads glibc's own accounts.
    let accounts = unsafe { libc::mallinfo2() };
    accounts.uordblks + accounts.hblkhd
}
