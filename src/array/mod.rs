//! Arrays: an element type, a shape, an order, and the buffer that holds the elements.
//!
//! This room knows NumPy's names for all of these. It refuses to know codecs and sockets. [`Array`] is what objects hold;
//! [`DType`] says what an element is, and the names here are its parts.

mod cast;
mod copy;
mod descr;
mod dtype;
mod head;
mod layout;
mod literal;
#[cfg(feature = "ndarray")]
mod nd;
mod record;
mod scalar;
mod show;
mod text;
mod time;
mod wire;

use crate::buffer::Buffer;
use crate::error::{Error, Result, excerpt};
use crate::handoff::Place;
use dtype::misfit;
use layout::{Axes, Tuple, Turn};

pub use dtype::{ByteOrder, DType, Kind};
pub(crate) use head::{FIELDS, Head, hand_over, show};
pub use layout::Order;
pub(crate) use layout::{are_all, axes_at, strides, strides_along};
pub use record::{Field, Record};
pub use scalar::Scalar;
pub use time::{TimeStep, TimeUnit};
pub(crate) use wire::noting_place;

/// An n-dimensional array: dtype, shape, order, and one [`Buffer`] with the elements.
///
/// It describes itself on the wire, so that a reader without a schema rebuilds it, as `numpy.frombuffer` and `reshape` do:
/// see [`docs::wire`](crate::docs::wire). Its elements travel as one buffer, without copying. Cloning never copies. Any other
/// serializer whose format describes itself (JSON, CBOR, YAML ...) carries it as well, with the elements as plain bytes.
///
/// Elements lie without gaps in C order (the last axis is the fastest) or Fortran order, or with their [`axes`](Self::axes) in any other
/// order, as those of a transposed image do; and in either byte order. A **broadcast** array
/// repeats what it holds along some axes: its data has the shape [`base_shape`](Self::base_shape), where those axes are 1.
///
/// Two arrays are equal when dtype, shape, layout and bytes are; equal numbers in another byte order are another array.
///
/// # Examples
///
/// ```
/// use outband::{Array, Order};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Frame { camera: u32, depth: Array }
///
/// let frame = Frame { camera: 3, depth: Array::from_shape_vec([480, 640], vec![1.5_f32; 480 * 640])? };
/// assert_eq!(frame.depth.to_string(), "array(f4, (480, 640), C) [1.5, 1.5, 1.5, ..., 1.5, 1.5, 1.5]");
///
/// let message = outband::to_multipart(&frame)?;
/// assert_eq!(message.buffers()[0].as_ptr(), frame.depth.data().as_ptr()); // not copied
/// let back: Frame = outband::from_multipart(message)?;
/// assert_eq!((back.depth.shape(), back.depth.order()), (&[480, 640][..], Order::C));
/// assert_eq!(back.depth.as_slice::<f32>()?[0], 1.5);
/// # Ok::<(), outband::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    dtype: DType,
    shape: Axes,
    /// The shape of the data where it is broadcast to `shape`: as many axes, each equal or 1; never equal to `shape`.
    /// Few arrays have one, and those that have none are moved about.
    base: Option<Box<Axes>>,
    /// `C` where there are fewer than two axes, and where `turn` says more.
    order: Order,
    /// Where the axes lie in neither order. Of arrays that are equal it is the same.
    turn: Option<Turn>,
    /// Exactly the elements of `base` or `shape`.
    data: Buffer,
    /// Where they were in the message of a value that was decoded without a schema.
    came: Came,
}

/// Where the elements of an array were in a message: for who encodes it again, and no part of what it is.
#[derive(Clone, Default)]
struct Came {
    place: Option<Place>,
    /// The elements as they lay, where they were copied to lie better: other values of the message may have them too.
    lay: Option<Box<Buffer>>,
}

impl PartialEq for Came {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Came {}

impl Array {
    /// An array of elements that lie in this order in a buffer, **without copying**.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the buffer has not exactly the bytes of that many elements, when there are more than 64 axes,
    /// or when the number of bytes overflows.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, DType, Order};
    ///
    /// let mapped = Buffer::from_vec(vec![0_u8; 24]); // a mapped file, a frame of a camera ...
    /// let array = Array::new(">i2".parse()?, [3, 4], Order::F, mapped.clone())?;
    /// assert_eq!(array.data().as_ptr(), mapped.as_ptr());
    /// assert_eq!(array.strides(), [2, 6]);
    ///
    /// let error = Array::new(DType::F64, [2, 2], Order::C, mapped).unwrap_err();
    /// assert_eq!(error.to_string(), "the array does not fit: shape (2, 2) of <f8 takes 32 bytes, and there are 24");
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>, order: Order, data: Buffer) -> Result<Self> {
        Self::checked(dtype, Axes::from_vec(shape.into()), None, order, data)
    }

    /// The same elements with the axes of their data in this order, the slowest first.
    fn turned(self, axes: &[usize]) -> Result<Self> {
        if !layout::are_all(axes, self.shape.len()) {
            return Err(misfit(format!("{} are not its {} axes, each once", Tuple(axes), self.shape.len())));
        }
        let (held, item) = (self.base_shape(), self.dtype.item_len());
        let strides = layout::strides_along(held, axes.iter().copied(), item);
        let found = match self.data.is_empty() {
            true => Some(Order::C),
            false => layout::contiguous(held, &strides, item),
        };
        Ok(match (found, layout::axes_at(held, &strides, item)) {
            (Some(order), _) => Self { order: if axes.len() < 2 { Order::C } else { order }, turn: None, ..self },
            (None, turn) => {
                let turn = turn.expect("invariant: these strides leave no gaps").into_iter().map(|axis| axis as u8);
                Self { order: Order::C, turn: Some(turn.collect()), ..self }
            }
        })
    }

    /// An array that repeats the elements of a smaller one, **without copying**: NumPy's `broadcast_to`.
    ///
    /// The buffer holds an array of shape `base`, which has as many axes as `shape`, each of them equal or 1.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when `base` does not broadcast to `shape`.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, DType, Order};
    ///
    /// let row = Buffer::from_vec(vec![1_u8, 2, 3]);
    /// let array = Array::broadcast(DType::U8, [1, 3], [1000, 3], Order::C, row)?;
    /// assert_eq!((array.len(), array.data().len()), (3000, 3));
    /// assert_eq!(array.strides(), [0, 1]);
    /// assert_eq!(array.to_vec::<u8>()?[..6], [1, 2, 3, 1, 2, 3]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn broadcast(
        dtype: DType,
        base: impl Into<Vec<usize>>,
        shape: impl Into<Vec<usize>>,
        order: Order,
        data: Buffer,
    ) -> Result<Self> {
        let (base, shape) = (Axes::from_vec(base.into()), Axes::from_vec(shape.into()));
        Self::checked(dtype, shape, Some(base), order, data)
    }

    #[inline]
    fn checked(dtype: DType, shape: Axes, base: Option<Axes>, order: Order, data: Buffer) -> Result<Self> {
        let item = dtype.item_len();
        let full = layout::byte_len(&shape, item)?;
        if let Some(base) = &base {
            let fits = |(&held, &axis): (&usize, &usize)| held == axis || held == 1;
            if base.len() != shape.len() || !base.iter().zip(&shape).all(fits) {
                return Err(misfit(format!("shape {} does not broadcast to {}", Tuple(base), Tuple(&shape))));
            }
        }
        let base = base.filter(|base| *base != shape).map(Box::new);
        let (held, needed) = match &base {
            None => (&shape, full),
            Some(base) => (&**base, layout::byte_len(base, item)?),
        };
        if needed != data.len() {
            return Err(ill_fitting(&dtype, held, needed, data.len()));
        }
        let order = if shape.len() < 2 { Order::C } else { order };
        Ok(Self { dtype, shape, base, order, turn: None, data, came: Came::default() })
    }

    /// A vector as an array of one axis, **without copying**, whatever its spare capacity.
    ///
    /// # Panics
    ///
    /// When `T::dtype()` is not as long as `T`, which is a mistake in that implementation of [`Scalar`].
    ///
    /// # Examples
    ///
    /// ```
    /// let array = outband::Array::from_vec(vec![0.5_f64, 1.0, 1.5]);
    /// assert_eq!(array.to_string(), "array(f8, (3,), C) [0.5, 1.0, 1.5]");
    /// ```
    pub fn from_vec<T: Scalar>(elements: Vec<T>) -> Self {
        let shape = Axes::from_slice(&[elements.len()]);
        let (dtype, data) = (scalar::dtype_of::<T>(), Buffer::from_vec(elements));
        Self { dtype, shape, base: None, order: Order::C, turn: None, data, came: Came::default() }
    }

    /// A vector in C order as an array of this shape, **without copying**; `[]` is the shape of a single number.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the shape has another number of elements.
    ///
    /// # Panics
    ///
    /// As [`from_vec`](Self::from_vec).
    pub fn from_shape_vec<T: Scalar>(shape: impl Into<Vec<usize>>, elements: Vec<T>) -> Result<Self> {
        Self::new(scalar::dtype_of::<T>(), shape, Order::C, Buffer::from_vec(elements))
    }

    /// The same bytes as elements of another dtype of the same length, **without copying**: integers as points in time,
    /// bytes as truth values, NumPy's `view`.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the elements have another length.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, DType};
    ///
    /// let times = Array::from_vec(vec![0_i64, 86_400_000]).with_dtype("<M8[ms]".parse()?)?;
    /// assert_eq!(times.to_string(), "array(M8[ms], (2,), C) [1970-01-01T00:00:00.000, 1970-01-02T00:00:00.000]");
    /// assert_eq!(times.with_dtype(DType::I64)?.as_slice::<i64>()?, [0, 86_400_000]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn with_dtype(self, dtype: DType) -> Result<Self> {
        let (own, other) = (self.dtype.item_len(), dtype.item_len());
        if own != other {
            return Err(misfit(format!(
                "elements of {own} bytes are not of dtype {}, which has {other}",
                excerpt(&dtype)
            )));
        }
        Ok(Self { dtype, ..self })
    }

    /// Where the elements were in the message that this was decoded from without a schema.
    pub(crate) fn came(&self) -> Option<Place> {
        self.came.place
    }

    /// The array with its elements where they lay in that message, if they were copied from there and are the same still.
    pub(crate) fn as_it_lay(&self) -> Option<Self> {
        let lay = self.came.lay.as_ref().filter(|lay| lay[..] == self.data[..])?;
        Some(Self { data: Buffer::clone(lay), ..self.clone() })
    }

    /// What the elements are.
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The lengths of the axes; none for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// In which order the elements lie; C where there are fewer than two axes, and also where they lie in
    /// [neither](Self::axes).
    pub fn order(&self) -> Order {
        self.order
    }

    /// The axes in the order in which they lie, the slowest first: 0, 1, 2 in C order, 2, 1, 0 in Fortran order.
    ///
    /// Any other order comes of axes that were exchanged without moving an element: by NumPy's `transpose`, or by
    /// [`from_strided`](Self::from_strided). [`to_order`](Self::to_order) copies the elements where one of the two is needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, DType, Order, memory};
    ///
    /// // an image of 480 rows of 640 pixels of 3 bytes, the colours first, as models want them
    /// let image = Buffer::from_vec(vec![0_u8; 480 * 640 * 3]);
    /// let before = memory::copied_bytes();
    /// let planes = Array::from_strided(DType::U8, [3, 480, 640], &[1, 1920, 3], 0, &image)?;
    /// assert_eq!((planes.axes(), memory::copied_bytes() - before), (vec![1, 2, 0], 0));
    /// assert_eq!(planes.to_order(Order::C)?.axes(), [0, 1, 2]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn axes(&self) -> Vec<usize> {
        match (&self.turn, self.order) {
            (Some(turn), _) => turn.iter().map(|&axis| usize::from(axis)).collect(),
            (None, Order::C) => (0..self.shape.len()).collect(),
            (None, Order::F) => (0..self.shape.len()).rev().collect(),
        }
    }

    /// The number of elements, repeated ones included.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The number of bytes of all elements, repeated ones included; what is sent is `data().len()`.
    pub fn byte_len(&self) -> usize {
        self.len() * self.dtype.item_len()
    }

    /// The bytes of the elements, without repetitions.
    pub fn data(&self) -> &Buffer {
        &self.data
    }

    /// The bytes of the elements **without copying**; what they are is forgotten.
    pub fn into_data(self) -> Buffer {
        self.data
    }

    /// The shape of what [`data`](Self::data) holds: for a broadcast array with 1 where elements are repeated, else the
    /// [`shape`](Self::shape).
    pub fn base_shape(&self) -> &[usize] {
        self.base.as_deref().map_or(&self.shape, |base| base)
    }

    /// Whether elements are repeated along an axis.
    pub fn is_broadcast(&self) -> bool {
        self.base.is_some()
    }

    /// How many bytes lie between neighbours along each axis; 0 where elements are repeated.
    pub fn strides(&self) -> Vec<isize> {
        let (held, item) = (self.base_shape(), self.dtype.item_len());
        let mut strides = match &self.turn {
            None => layout::strides(held, self.order, item),
            Some(turn) => layout::strides_along(held, turn.iter().map(|&axis| axis.into()), item),
        };
        for (stride, (held, axis)) in strides.iter_mut().zip(self.base_shape().iter().zip(&self.shape)) {
            if held != axis {
                *stride = 0;
            }
        }
        strides
    }
}

#[cold]
fn ill_fitting(dtype: &DType, shape: &[usize], needed: usize, there: usize) -> Error {
    let (dtype, shape) = (excerpt(dtype), Tuple(shape));
    misfit(format!("shape {shape} of {dtype} takes {needed} bytes, and there are {there}"))
}
