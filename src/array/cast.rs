//! Elements as Rust has them: slices and vectors.

use super::Array;
use super::dtype::misfit;
use super::scalar::{Scalar, dtype_of};
use crate::element;
use crate::error::{Result, excerpt};

impl Array {
    /// The elements in the [order](Self::order) in which they lie, **without copying**.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the dtype is not that of `T` (which is in this machine's byte order), when elements are repeated or their
    /// [axes](Self::axes) lie in neither order, or when they are not aligned for `T`; the text says what helps.
    ///
    /// # Examples
    ///
    /// ```
    /// let array = outband::Array::from_vec(vec![1_u16, 2, 3]);
    /// assert_eq!(array.as_slice::<u16>()?, [1, 2, 3]);
    /// let error = array.as_slice::<i16>().unwrap_err();
    /// assert_eq!(error.to_string(), "the array does not fit: its elements are <u2, not <i2");
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn as_slice<T: Scalar>(&self) -> Result<&[T]> {
        self.expect_native::<T>()?;
        if self.is_broadcast() {
            return Err(misfit("its elements are repeated (to_contiguous copies them out)".to_owned()));
        }
        if self.turn.is_some() {
            return Err(misfit(
                "its axes lie in neither C nor Fortran order (to_order copies its elements)".to_owned(),
            ));
        }
        element::try_cast(&self.data)
    }

    /// Refuses any dtype but that of `T`.
    pub(super) fn expect_native<T: Scalar>(&self) -> Result<()> {
        let wanted = dtype_of::<T>();
        if self.dtype == wanted {
            return Ok(());
        }
        let is = excerpt(&self.dtype);
        if self.dtype.to_native() == wanted {
            return Err(misfit(format!("its elements are {is}, big-endian (to_native copies them)")));
        }
        Err(misfit(format!("its elements are {is}, not {}", excerpt(&wanted))))
    }
}
