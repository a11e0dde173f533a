//! `Scalar`: which Rust types are elements of which dtype.

use super::dtype::DType;
use crate::element::Element;

/// A type that is an element of arrays: an [`Element`] that knows its dtype.
///
/// Integers and floats are, with the features `half` and `complex` also `half::f16`, `half::bf16` and
/// `num_complex::Complex`. For a `#[repr(C)]` struct of one's own, name its fields in order:
///
/// # Examples
///
/// ```
/// use outband::{Array, DType, Element, Scalar};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// #[repr(C)]
/// struct Hit { energy: f64, channel: u32, count: u32 }
/// // SAFETY: no padding, and every bit pattern is a value
/// unsafe impl Element for Hit {}
/// impl Scalar for Hit {
///     fn dtype() -> DType {
///         DType::record([("energy", DType::F64), ("channel", DType::U32), ("count", DType::U32)])
///             .expect("the names differ")
///     }
/// }
///
/// let hits = Array::from_vec(vec![Hit { energy: 0.5, channel: 3, count: 1 }]);
/// assert_eq!(hits.to_string(), "array([('energy', '<f8'), ('channel', '<u4'), ('count', '<u4')], (1,), C) [(0.5, 3, 1)]");
/// assert_eq!(hits.as_slice::<Hit>()?[0].channel, 3);
/// # Ok::<(), outband::Error>(())
/// ```
pub trait Scalar: Element {
    /// The dtype of the type as it lies in memory: as long as the type, in this machine's byte order.
    fn dtype() -> DType;
}

/// The dtype of a type.
///
/// # Panics
///
/// When it is not as long as the type.
pub(super) fn dtype_of<T: Scalar>() -> DType {
    let dtype = T::dtype();
    let (said, is) = (dtype.item_len(), size_of::<T>());
    assert!(said == is, "Scalar::dtype of a type of {is} bytes is {dtype:?}, which has {said}");
    dtype
}

/// Implements [`Scalar`] for types that have a constant in [`DType`].
macro_rules! scalars {
    ($($name:ty => $dtype:ident),* $(,)?) => { $(
        impl Scalar for $name {
            fn dtype() -> DType {
                DType::$dtype
            }
        }
    )* };
}
scalars! {
    u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    f32 => F32, f64 => F64,
}
#[cfg(target_pointer_width = "64")]
scalars! { usize => U64, isize => I64 }
#[cfg(target_pointer_width = "32")]
scalars! { usize => U32, isize => I32 }
#[cfg(feature = "half")]
scalars! { half::f16 => F16, half::bf16 => BF16 }
#[cfg(feature = "complex")]
scalars! { num_complex::Complex<f32> => COMPLEX64, num_complex::Complex<f64> => COMPLEX128 }
