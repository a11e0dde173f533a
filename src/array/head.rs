//! The head of an array as the default codec writes it, recognised as a whole.
//!
//! Five fields, each with a name to be compared and a visitor to be asked, take longer to read than all the rest of a message with one
//! buffer. Whatever is written otherwise (fields in another order, a broadcast array, elements in band) goes the long way through
//! serde, and nothing is accepted here that would be refused there.
//!
//! ```text
//!   84                      a map of four entries
//!   a6 "$array"  a3 "<f8"   or any other type string
//!   a5 "shape"   92 ..      up to eight unsigned numbers
//!   a5 "order"   a1 "C"     or "F"
//!   a4 "data"               and the elements follow
//! ```

use std::cell::Cell;
use std::mem::ManuallyDrop;

use super::Array;
use super::dtype::DType;
use super::layout::{Axes, Order};
use super::text::{self, Dialect};
use crate::buffer::Buffer;
use crate::error::Result;

/// The names of an array's fields, in the order in which they are written. A reader that is asked for these very names, by their
/// address, is asked for an array.
pub(crate) static FIELDS: [&str; 5] = ["$array", "shape", "order", "base", "data"];

/// The most axes that are read here.
const FEW: usize = 8;

thread_local! {
    /// An array that was read whole and is being handed over. Never dropped: who decodes while the thread ends needs it still.
    static WHOLE: ManuallyDrop<Cell<Option<Array>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

/// Puts an array where its visitor [takes](taken) it when it is [shown](show) a unit: serde has no word for a value that is there
/// already.
#[inline]
pub(crate) fn hand_over(array: Array) {
    WHOLE.with(|whole| whole.set(Some(array)));
}

/// Runs `visit`, in which the visitor that asked for an array is shown a unit. Nothing is left behind for the next one.
#[inline]
pub(crate) fn show<R>(visit: impl FnOnce() -> R) -> R {
    struct Clear;
    impl Drop for Clear {
        #[inline]
        fn drop(&mut self) {
            WHOLE.with(|whole| whole.set(None));
        }
    }
    let _clear = Clear;
    visit()
}

/// The array that is being handed over; `None` where a unit is just that.
#[inline]
pub(super) fn taken() -> Option<Array> {
    WHOLE.with(|whole| whole.take())
}

/// All of an array but its elements.
pub(crate) struct Head {
    dtype: DType,
    shape: Axes,
    order: Order,
}

impl Head {
    /// Reads the head that the bytes begin with, if it is written as said above; and the bytes after it.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let rest = bytes.strip_prefix(b"\x84\xa6$array")?;
        let (&[marker @ 0xa0..=0xbf], rest) = rest.split_first_chunk()? else { return None };
        let (dtype, rest) = rest.split_at_checked(usize::from(marker & 0x1f))?;
        let dtype = match text::common(dtype) {
            Some(dtype) => dtype,
            None => text::parse(std::str::from_utf8(dtype).ok()?, Dialect::Wire).ok()?,
        };
        let (&[count], mut rest) = rest.strip_prefix(b"\xa5shape")?.split_first_chunk()?;
        let dims = usize::from(count ^ 0x90);
        let mut axes = [0; FEW];
        for axis in axes.get_mut(..dims)? {
            (*axis, rest) = number(rest)?;
        }
        let (&[letter], rest) = rest.strip_prefix(b"\xa5order\xa1")?.split_first_chunk()?;
        let order = match letter {
            b'C' => Order::C,
            b'F' => Order::F,
            _ => return None,
        };
        let rest = rest.strip_prefix(b"\xa4data")?;
        Some((Self { dtype, shape: Axes::from_slice(&axes[..dims]), order }, rest))
    }

    /// The array of these elements, where they can be borrowed.
    ///
    /// # Errors
    ///
    /// As [`Array::new`].
    #[inline]
    pub(crate) fn with_data(self, data: Buffer) -> Result<Array> {
        Array::checked(self.dtype, self.shape, None, self.order, data).map(Array::settled)
    }
}

/// An unsigned number of MessagePack.
#[inline]
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&[marker], rest) = bytes.split_first_chunk()?;
    Some(match marker {
        0..=0x7f => (marker.into(), rest),
        0xcc => rest.split_first_chunk().map(|(&[byte], rest)| (byte.into(), rest))?,
        0xcd => rest.split_first_chunk().map(|(&bytes, rest)| (u16::from_be_bytes(bytes).into(), rest))?,
        0xce => rest.split_first_chunk().map(|(&bytes, rest)| (u32::from_be_bytes(bytes) as usize, rest))?,
        0xcf => {
            let (&bytes, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(bytes)).ok()?, rest)
        }
        _ => return None,
    })
}
