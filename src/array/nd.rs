//! `ndarray` arrays and views to and from [`Array`].

use ndarray::{ArcArray, ArrayD, ArrayView, ArrayView1, ArrayViewD, CowArray, Dimension, IxDyn, ShapeBuilder};

use super::Array;
use super::dtype::misfit;
use super::layout::{self, Order};
use super::scalar::{Scalar, dtype_of};
use crate::buffer::Buffer;
use crate::element::{self, Element};
use crate::error::{Error, Result};
use crate::memory;

/// **Without copying** where the elements lie in C or Fortran order or with their axes in any other one, also as a part of a larger
/// allocation: the array's memory moves into the [`Buffer`]. At any other strides they are copied once, and counted.
///
/// # Panics
///
/// When there are more than 64 axes.
impl<T: Scalar, D: Dimension> From<ndarray::Array<T, D>> for Array {
    fn from(array: ndarray::Array<T, D>) -> Self {
        let (shape, strides) = layout_of(&array.view());
        let (elements, first) = array.into_raw_vec_and_offset();
        let offset = first.unwrap_or(0) * size_of::<T>();
        valid(Self::from_strided(dtype_of::<T>(), shape, &strides, offset, &Buffer::from_vec(elements)))
    }
}

/// **Without copying** where the elements lie in C or Fortran order or with their axes in any other one: the buffer shares the memory,
/// and keeps it until the last frame of it is sent. At any other strides they are copied once, and counted.
///
/// # Panics
///
/// When there are more than 64 axes.
impl<T: Scalar, D: Dimension + 'static> From<ArcArray<T, D>> for Array {
    fn from(array: ArcArray<T, D>) -> Self {
        let (shape, strides) = layout_of(&array.view());
        if layout::axes_at(&shape, &strides, size_of::<T>()).is_none() || array.is_empty() {
            return Self::copy_from_view(array.view());
        }
        let memory = Buffer::from_owner(Memory { part: Shared(array) });
        valid(Self::from_strided(dtype_of::<T>(), shape, &strides, 0, &memory))
    }
}

/// **Without copying** where the elements lie in C or Fortran order or with their axes in any other one, or are repeated: the memory is
/// there for ever. At any other strides they are copied once, and counted.
///
/// # Panics
///
/// When there are more than 64 axes.
impl<T: Scalar, D: Dimension> From<ArrayView<'static, T, D>> for Array {
    fn from(view: ArrayView<'static, T, D>) -> Self {
        let (shape, strides) = layout_of(&view);
        let base = without_repetitions(view.into_dyn());
        let lies_close = layout::axes_at(base.shape(), &strides, size_of::<T>()).is_some();
        match base.to_slice_memory_order().filter(|elements| lies_close && !elements.is_empty()) {
            Some(elements) => {
                let memory = Buffer::from_owner(Memory { part: elements });
                valid(Self::from_strided(dtype_of::<T>(), shape, &strides, 0, &memory))
            }
            None => copied(base, shape),
        }
    }
}

impl Array {
    /// **Copies** the elements of a view; counted. Repeated ones are copied once, and Fortran order is kept.
    ///
    /// # Panics
    ///
    /// When there are more than 64 axes.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::{array, s};
    /// use outband::{Array, memory};
    ///
    /// let image = array![[1_u8, 2, 3], [4, 5, 6]];
    /// let before = memory::copied_bytes();
    /// let corner = Array::copy_from_view(image.slice(s![.., ..2]));
    /// assert_eq!(corner.as_slice::<u8>()?, [1, 2, 4, 5]);
    /// assert_eq!(memory::copied_bytes() - before, 4);
    ///
    /// let repeated = Array::copy_from_view(image.broadcast((1000, 2, 3)).expect("2 axes fit 3"));
    /// assert_eq!((repeated.len(), repeated.data().len()), (6000, 6));
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn copy_from_view<T: Scalar, D: Dimension>(view: ArrayView<'_, T, D>) -> Self {
        let shape = view.shape().to_vec();
        copied(without_repetitions(view.into_dyn()), shape)
    }

    /// The elements as an `ndarray` view **without copying**, in whatever order their axes lie, repeated ones with stride 0.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the dtype is not that of `T` in this machine's byte order, or when the elements are not
    /// aligned for `T`; the text says what helps, and [`view_or_copy`](Self::view_or_copy) does it. A received frame of
    /// more than 8 KiB is aligned for elements of up to 8 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::Array;
    ///
    /// let array = Array::from(ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
    /// let view = array.view::<f64>()?;
    /// assert_eq!(view[[1, 0]], 3.0);
    /// assert_eq!(view.as_ptr().cast(), array.data().as_ptr());
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn view<T: Scalar>(&self) -> Result<ArrayViewD<'_, T>> {
        self.expect_native::<T>()?;
        let elements = element::try_cast(&self.data)?;
        let shape = IxDyn(&self.shape);
        if self.is_empty() {
            // no strides lead anywhere
            return ArrayView::from_shape(shape, &elements[..0]).map_err(refused);
        }
        let strides: Vec<_> = self.strides().iter().map(|&stride| stride as usize / size_of::<T>()).collect();
        ArrayView::from_shape(shape.strides(IxDyn(&strides)), elements).map_err(refused)
    }

    /// The elements as an `ndarray` array: a view **without copying** where [`view`](Self::view) gives one, else one
    /// **counted copy** in C order, with the bytes in this machine's order.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the elements are not `T` in either byte order, or when there is no memory for the copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, Order};
    ///
    /// let big = Array::new(">u2".parse()?, [2, 2], Order::C, Buffer::from(vec![0, 1, 0, 2, 0, 3, 0, 4]))?;
    /// assert!(big.view::<u16>().is_err());
    /// assert_eq!(big.view_or_copy::<u16>()?, ndarray::array![[1, 2], [3, 4]].into_dyn());
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn view_or_copy<T: Scalar>(&self) -> Result<CowArray<'_, T, IxDyn>> {
        match self.view() {
            Ok(view) => Ok(view.into()),
            Err(_) => self.to_ndarray().map(CowArray::from),
        }
    }

    /// **Copies** the elements into an `ndarray` array of its own, in C order and this machine's byte order; counted.
    ///
    /// # Errors
    ///
    /// As [`to_vec`](Self::to_vec).
    pub fn to_ndarray<T: Scalar>(&self) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), self.to_vec()?).map_err(refused)
    }
}

/// Elements that something keeps alive, as an owner of bytes.
struct Memory<P> {
    part: P,
}

/// An array whose elements lie without gaps.
struct Shared<T, D>(ArcArray<T, D>);

impl<T: Element, D: Dimension> AsRef<[u8]> for Memory<Shared<T, D>> {
    fn as_ref(&self) -> &[u8] {
        element::as_bytes(self.part.0.as_slice_memory_order().expect("invariant: only contiguous arrays are shared"))
    }
}

impl<T: Element> AsRef<[u8]> for Memory<&'static [T]> {
    fn as_ref(&self) -> &[u8] {
        element::as_bytes(self.part)
    }
}

/// Shape, and strides in bytes.
fn layout_of<T, D: Dimension>(view: &ArrayView<'_, T, D>) -> (Vec<usize>, Vec<isize>) {
    let strides = view.strides().iter().map(|stride| stride * size_of::<T>() as isize);
    (view.shape().to_vec(), strides.collect())
}

/// The same without the elements that are repeated.
fn without_repetitions<T>(mut view: ArrayViewD<'_, T>) -> ArrayViewD<'_, T> {
    if view.is_empty() {
        return view; // its strides are all 0 and mean nothing
    }
    for axis in 0..view.ndim() {
        if view.strides()[axis] == 0 && view.shape()[axis] > 1 {
            view.collapse_axis(ndarray::Axis(axis), 0);
        }
    }
    view
}

/// A copy of a view of which the elements are then repeated to a shape.
fn copied<T: Scalar>(base: ArrayViewD<'_, T>, shape: Vec<usize>) -> Array {
    let held = base.shape().to_vec();
    let order = layout::fastest(&held, base.strides());
    let turned = match order {
        Order::C => base,
        Order::F => base.reversed_axes(),
    };
    let mut elements = Vec::with_capacity(turned.len());
    match turned.as_slice() {
        Some(all) => elements.extend_from_slice(all),
        None => turned.rows().into_iter().for_each(|row| append(&mut elements, row)),
    }
    memory::count_copy(size_of_val(&elements[..]));
    valid(Array::broadcast(dtype_of::<T>(), held, shape, order, Buffer::from_vec(elements)))
}

fn append<T: Copy>(elements: &mut Vec<T>, row: ArrayView1<'_, T>) {
    match row.to_slice() {
        Some(row) => elements.extend_from_slice(row),
        None => elements.extend(row.iter().copied()),
    }
}

fn refused(error: ndarray::ShapeError) -> Error {
    misfit(format!("ndarray refuses it: {error}"))
}

/// An array of shape, strides and memory that `ndarray` vouches for.
fn valid(array: Result<Array>) -> Array {
    array.unwrap_or_else(|error| panic!("an ndarray array became none: {error}"))
}
