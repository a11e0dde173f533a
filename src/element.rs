//! Plain elements: which types are nothing but their bytes, and the two casts that rest on it.

#![allow(unsafe_code, reason = "a vector of plain elements is viewed as bytes, and bytes as plain elements")]

use std::collections::TryReserveError;
use std::mem::{align_of, size_of, zeroed};
use std::slice;

use crate::error::{Detail, Result};
use crate::memory;

#[cfg(target_endian = "big")]
compile_error!("outband's typed buffers are little-endian on the wire, and this target is big-endian");

/// A type that is nothing but its bytes: every bit pattern is valid and none is padding.
///
/// Integers, floats and arrays of them are elements. On the wire they are little-endian, which is what every
/// supported target uses in memory.
///
/// # Safety
///
/// The type has no padding, no pointers, no interior mutability, and any sequence of `size_of::<Self>()` bytes is a
/// valid value of it. `#[repr(C)]` structs of elements without padding qualify.
///
/// # Examples
///
/// ```
/// use outband::{Buffer, Element};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// #[repr(C)]
/// struct Rgb { r: u8, g: u8, b: u8 }
/// // SAFETY: three bytes, no padding, every value is valid
/// unsafe impl Element for Rgb {}
///
/// let pixels = Buffer::from_vec(vec![Rgb { r: 1, g: 2, b: 3 }; 2]);
/// assert_eq!(pixels.as_slice(), [1, 2, 3, 1, 2, 3]);
/// # Ok::<(), outband::Error>(())
/// ```
pub unsafe trait Element: Copy + Send + Sync + 'static {}

/// Implements [`Element`] for primitive types, each of which the reference defines as its bytes.
macro_rules! elements {
    ($($name:ty),*) => { $(
        // SAFETY: integers and IEEE 754 floats have no padding and every bit pattern is a value (Rust reference,
        // "Type layout" and "Numeric types"); those of the crate half are `#[repr(transparent)]` around a u16
        unsafe impl Element for $name {}
    )* };
}
elements!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);

#[cfg(feature = "half")]
elements!(half::f16, half::bf16);

// SAFETY: `#[repr(C)]` with two fields of one type, which leaves no padding (num-complex, "Representation and Foreign
// Function Interface Compatibility")
#[cfg(feature = "complex")]
unsafe impl<T: Element> Element for num_complex::Complex<T> {}

// SAFETY: an array has no padding between or after its elements (Rust reference, "Array layout")
unsafe impl<T: Element, const N: usize> Element for [T; N] {}

/// Views elements as their bytes without copying.
pub(crate) fn as_bytes<T: Element>(elements: &[T]) -> &[u8] {
    let data = elements.as_ptr().cast::<u8>();
    // SAFETY: the slice's memory is `size_of_val` initialised bytes (an `Element` has no padding), and u8 needs no
    // alignment; the lifetime is the slice's.
    unsafe { slice::from_raw_parts(data, size_of_val(elements)) }
}

/// Views elements as their bytes without copying, to be written.
pub(crate) fn as_bytes_mut<T: Element>(elements: &mut [T]) -> &mut [u8] {
    let (data, len) = (elements.as_mut_ptr().cast::<u8>(), size_of_val(elements));
    // SAFETY: the slice's memory is `len` initialised bytes (an `Element` has no padding), u8 needs no alignment, whatever
    // is written is a valid `T` (`Element`), and the borrow is the slice's.
    unsafe { slice::from_raw_parts_mut(data, len) }
}

/// So many elements of zero bytes.
///
/// # Errors
///
/// When there is no memory for them.
pub(crate) fn zeros<T: Element>(count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut elements = Vec::new();
    elements.try_reserve_exact(count)?;
    // SAFETY: every bit pattern is a valid `T` (`Element`), so zeros are.
    elements.resize(count, unsafe { zeroed() });
    Ok(elements)
}

/// Views bytes as elements without copying.
///
/// # Errors
///
/// Kind `Caller` when the length is no multiple of the element's size, or the address is not aligned for it.
pub(crate) fn try_cast<T: Element>(bytes: &[u8]) -> Result<&[T]> {
    let element = size_of::<T>();
    if element == 0 || !bytes.len().is_multiple_of(element) {
        return Err(Detail::CastLength { bytes: bytes.len(), element }.into());
    }
    if bytes.is_empty() {
        return Ok(&[]);
    }
    let address = bytes.as_ptr().addr();
    if !address.is_multiple_of(align_of::<T>()) {
        return Err(Detail::CastAlignment { address, align: align_of::<T>() }.into());
    }
    let data = bytes.as_ptr().cast::<T>();
    // SAFETY: length and alignment were checked above, every bit pattern is a valid `T` (`Element`), and the lifetime
    // is the bytes'.
    Ok(unsafe { slice::from_raw_parts(data, bytes.len() / element) })
}

/// **Copies** bytes into a vector of elements, whatever their alignment; counted.
///
/// # Errors
///
/// Kind `Caller` when the length is no multiple of the element's size.
pub(crate) fn to_vec<T: Element>(bytes: &[u8]) -> Result<Vec<T>> {
    let element = size_of::<T>();
    if element == 0 || !bytes.len().is_multiple_of(element) {
        return Err(Detail::CastLength { bytes: bytes.len(), element }.into());
    }
    memory::count_copy(bytes.len());
    let count = bytes.len() / element;
    let mut elements = Vec::<T>::with_capacity(count);
    let target = elements.as_mut_ptr().cast::<u8>();
    // SAFETY: the vector has room for `count` elements, which is `bytes.len()` bytes; the two do not overlap because the
    // vector was just allocated.
    unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: the first `count` elements were just written, and every bit pattern is a valid `T` (`Element`).
    unsafe { elements.set_len(count) };
    Ok(elements)
}
