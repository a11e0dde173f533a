//! Where the elements of an array have to move: strides that are neither order, repeated elements, foreign byte order.
//!
//! Everything here copies once, and counts it.

use super::Array;
use super::dtype::{DType, Kind, misfit};
use super::layout::{self, MAX_DIMS, Order, Tuple};
use super::record::Field;
use super::scalar::Scalar;
use crate::buffer::Buffer;
use crate::element;
use crate::error::{Result, excerpt};
use crate::memory;

impl Array {
    /// An array whose elements lie in a buffer at any strides, in bytes; the first is at `offset`.
    ///
    /// C order, Fortran order, any other order of [`axes`](Self::axes) and repeated elements (stride 0) are taken **without copying**, as a
    /// slice of the buffer. Everything else (gaps, negative strides) is copied once into contiguous memory, and
    /// [counted](crate::memory::copied_bytes). The stride of an axis of length 1 does not matter.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when there is not one stride for each axis, when an element would lie outside the buffer, and as
    /// [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, DType, Order, memory};
    ///
    /// // an image of 4 rows, each padded to 16 bytes
    /// let image = Buffer::from_vec((0..64).collect::<Vec<u8>>());
    /// let before = memory::copied_bytes();
    /// let padded = Array::from_strided(DType::U8, [4, 10], &[16, 1], 0, &image)?;
    /// assert_eq!(padded.as_slice::<u8>()?[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17]);
    /// assert_eq!(memory::copied_bytes() - before, 40);
    ///
    /// // the whole of it, transposed, and the last rows: not copied
    /// let transposed = Array::from_strided(DType::U8, [16, 4], &[1, 16], 0, &image)?;
    /// assert_eq!((transposed.order(), transposed.data().as_ptr()), (Order::F, image.as_ptr()));
    /// let tail = Array::from_strided(DType::U8, [2, 16], &[16, 1], 32, &image)?;
    /// assert_eq!(tail.data().as_ptr(), image[32..].as_ptr());
    /// assert_eq!(memory::copied_bytes() - before, 40);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn from_strided(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        strides: &[isize],
        offset: usize,
        buffer: &Buffer,
    ) -> Result<Self> {
        let (shape, item) = (shape.into(), dtype.item_len());
        if strides.len() != shape.len() {
            let (strides, axes) = (strides.len(), shape.len());
            return Err(misfit(format!("there are {strides} strides for {axes} axes")));
        }
        layout::byte_len(&shape, item)?;
        if shape.contains(&0) {
            return Self::new(dtype, shape, Order::C, Buffer::new());
        }
        within(&shape, strides, offset, item, buffer.len())?;
        let held: Vec<_> = shape.iter().zip(strides).map(|(&axis, &step)| if step == 0 { 1 } else { axis }).collect();
        let len = layout::byte_len(&held, item)?;
        let all = || buffer.slice(offset..offset + len);
        if let Some(order) = layout::contiguous(&held, strides, item) {
            return Self::broadcast(dtype, held, shape, order, all());
        }
        match layout::axes_at(&held, strides, item) {
            Some(axes) => Self::broadcast(dtype, held, shape, Order::C, all())?.turned(&axes),
            None => {
                let order = layout::fastest(&held, strides);
                let data = gathered(buffer, offset, &held, strides, item, order)?;
                Self::broadcast(dtype, held, shape, order, data)
            }
        }
    }

    /// The array itself when its bytes lie at a multiple of `align`, else one **counted copy** that does.
    ///
    /// # Panics
    ///
    /// When `align` is not a power of two, or more than 2 MiB.
    pub fn to_aligned(&self, align: usize) -> Self {
        Self { data: self.data.to_aligned(align), ..self.clone() }
    }

    /// The array itself when its numbers are in this machine's byte order, else one **counted copy** that is, fields of
    /// records included.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when there is no memory for the copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, DType, Order};
    ///
    /// let big = Array::new(">u2".parse()?, [2], Order::C, Buffer::from(vec![0, 1, 0, 2]))?;
    /// assert_eq!(big.to_native()?.as_slice::<u16>()?, [1, 2]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn to_native(&self) -> Result<Self> {
        if self.dtype.is_native() {
            return Ok(self.clone());
        }
        let data = block(self.data.len(), |bytes| {
            bytes.copy_from_slice(&self.data);
            swap(&self.dtype, bytes);
        })?;
        Ok(Self { dtype: self.dtype.to_native(), data, ..self.clone() })
    }

    /// The array itself when no elements are repeated, else one **counted copy** with all of them.
    ///
    /// A broadcast array of a few bytes may say that it has any number of elements: look at
    /// [`byte_len`](Self::byte_len) first where the sender is a stranger.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when there is no memory for the copy.
    pub fn to_contiguous(&self) -> Result<Self> {
        if self.base.is_none() {
            return Ok(self.clone());
        }
        self.in_order(self.order)
    }

    /// The array itself when its elements lie in this order without repetitions, else one **counted copy** where they do.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when there is no memory for the copy.
    pub fn to_order(&self, order: Order) -> Result<Self> {
        let already = self.order == order && self.turn.is_none()
            || self.is_empty()
            || layout::lies_in(order, &self.shape, &self.strides(), self.dtype.item_len());
        if self.base.is_none() && already {
            return Ok(Self { order: if self.ndim() < 2 { Order::C } else { order }, turn: None, ..self.clone() });
        }
        self.in_order(order)
    }

    fn in_order(&self, order: Order) -> Result<Self> {
        let data = gathered(&self.data, 0, &self.shape, &self.strides(), self.dtype.item_len(), order)?;
        Self::checked(self.dtype.clone(), self.shape.clone(), None, order, data)
    }

    /// **Copies** the elements into a vector, in C order, in this machine's byte order, repeated ones repeated; counted.
    ///
    /// # Errors
    ///
    /// Kind `Caller` when the elements are not `T` in either byte order, or when there is no memory for the vector (see
    /// [`to_contiguous`](Self::to_contiguous)).
    ///
    /// # Examples
    ///
    /// ```
    /// use outband::{Array, Buffer, Order};
    ///
    /// let columns = Array::new(">u2".parse()?, [2, 2], Order::F, Buffer::from(vec![0, 1, 0, 2, 0, 3, 0, 4]))?;
    /// assert_eq!(columns.to_vec::<u16>()?, [1, 3, 2, 4]);
    /// # Ok::<(), outband::Error>(())
    /// ```
    pub fn to_vec<T: Scalar>(&self) -> Result<Vec<T>> {
        let (wanted, native) = (super::scalar::dtype_of::<T>(), self.dtype.to_native());
        if native != wanted {
            return Err(misfit(format!("its elements are {}, not {}", excerpt(&self.dtype), excerpt(&wanted))));
        }
        let count = self.len();
        let mut elements = element::zeros(count).map_err(|_| no_memory(self.byte_len()))?;
        let bytes = element::as_bytes_mut(&mut elements);
        memory::count_copy(bytes.len());
        gather(&self.data, 0, &self.shape, &self.strides(), self.dtype.item_len(), bytes);
        if !self.dtype.is_native() {
            swap(&self.dtype, bytes);
        }
        Ok(elements)
    }
}

fn no_memory(bytes: usize) -> crate::error::Error {
    misfit(format!("there is no memory for the {bytes} bytes of a copy"))
}

/// New memory, aligned to 16 bytes, that `fill` writes; counted.
fn block(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Buffer> {
    let mut words = element::zeros::<u128>(len.div_ceil(size_of::<u128>())).map_err(|_| no_memory(len))?;
    fill(&mut element::as_bytes_mut(&mut words)[..len]);
    memory::count_copy(len);
    Ok(Buffer::from_vec(words).slice(..len))
}

/// A copy of elements at any strides, without gaps and in this order.
fn gathered(
    source: &[u8],
    offset: usize,
    shape: &[usize],
    strides: &[isize],
    item: usize,
    order: Order,
) -> Result<Buffer> {
    block(layout::byte_len(shape, item)?, |bytes| match order {
        Order::C => gather(source, offset, shape, strides, item, bytes),
        Order::F => {
            // Fortran order is C order with the axes turned around
            let shape: Vec<_> = shape.iter().rev().copied().collect();
            let strides: Vec<_> = strides.iter().rev().copied().collect();
            gather(source, offset, &shape, &strides, item, bytes);
        }
    })
}

/// Refuses strides that lead out of the buffer.
fn within(shape: &[usize], strides: &[isize], offset: usize, item: usize, len: usize) -> Result<()> {
    // 64 products of numbers below 2^64 fit
    let (mut first, mut last) = (offset as i128, offset as i128);
    for (&axis, &stride) in shape.iter().zip(strides) {
        let reach = (axis as i128 - 1) * stride as i128;
        if reach < 0 { first += reach } else { last += reach }
    }
    if first < 0 || last + item as i128 > len as i128 {
        let (shape, end) = (Tuple(shape), last + item as i128);
        return Err(misfit(format!(
            "shape {shape} at strides {strides:?} reaches from byte {first} to {end} of a buffer of {len} bytes"
        )));
    }
    Ok(())
}

/// One axis of a copy.
#[derive(Clone, Copy)]
struct Axis {
    len: usize,
    stride: isize,
}

/// Copies elements to `target`, in C order of `shape`. The strides are known to stay within `source`.
fn gather(source: &[u8], offset: usize, shape: &[usize], strides: &[isize], item: usize, mut target: &mut [u8]) {
    if target.is_empty() {
        return;
    }
    let axes = joined(shape, strides);
    let (inner, outer) =
        axes.split_last().map_or((Axis { len: 1, stride: item as isize }, &[][..]), |(last, rest)| (*last, rest));
    let row = inner.len * item;
    let mut indexes = [0; MAX_DIMS];
    let mut at = offset as isize;
    loop {
        let (now, rest) = target.split_at_mut(row);
        copy_row(source, at, inner, item, now);
        target = rest;
        // the next row: as an odometer turns
        let mut axis = outer.len();
        loop {
            let Some(before) = axis.checked_sub(1) else { return };
            axis = before;
            let Axis { len, stride } = outer[axis];
            indexes[axis] += 1;
            at += stride;
            if indexes[axis] < len {
                break;
            }
            at -= stride * len as isize;
            indexes[axis] = 0;
        }
    }
}

/// The axes of more than one element, those joined that are one in memory.
fn joined(shape: &[usize], strides: &[isize]) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
    for (&len, &stride) in shape.iter().zip(strides).filter(|&(&len, _)| len != 1) {
        match axes.last_mut() {
            Some(before) if Some(before.stride) == stride.checked_mul(len as isize) => {
                *before = Axis { len: before.len * len, stride };
            }
            _ => axes.push(Axis { len, stride }),
        }
    }
    axes
}

/// Copies one axis.
fn copy_row(source: &[u8], at: isize, axis: Axis, item: usize, target: &mut [u8]) {
    if axis.stride == item as isize {
        let start = at as usize;
        target.copy_from_slice(&source[start..start + target.len()]);
        return;
    }
    match item {
        1 => copy_items::<1>(source, at, axis.stride, target),
        2 => copy_items::<2>(source, at, axis.stride, target),
        4 => copy_items::<4>(source, at, axis.stride, target),
        8 => copy_items::<8>(source, at, axis.stride, target),
        16 => copy_items::<16>(source, at, axis.stride, target),
        _ => {
            let mut start = at;
            for target in target.chunks_exact_mut(item) {
                target.copy_from_slice(&source[start as usize..start as usize + item]);
                start += axis.stride;
            }
        }
    }
}

/// Copies elements of a length that the compiler knows.
fn copy_items<const N: usize>(source: &[u8], mut at: isize, stride: isize, target: &mut [u8]) {
    let (targets, _) = target.as_chunks_mut::<N>();
    for target in targets {
        *target = *source[at as usize..].first_chunk().expect("invariant: strides were checked against the buffer");
        at += stride;
    }
}

/// Turns every number around whose bytes are in foreign order.
fn swap(dtype: &DType, bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    if let Some(swaps) = Swaps::of(dtype) {
        swaps.apply(bytes);
    }
}

/// What of an element has to be turned around. It is found once and not again for each element: a record may have very
/// many fields of no length, and there may be very many records of one byte.
enum Swaps {
    /// Numbers of so many bytes, one after the other.
    Numbers(usize),
    /// Of records of this length, fields: each from its offset on, so many bytes, at least one.
    Records(usize, Vec<(usize, usize, Swaps)>),
}

impl Swaps {
    /// `None` where there is nothing to turn around.
    fn of(dtype: &DType) -> Option<Self> {
        let Kind::Record(record) = dtype.kind() else {
            return (!dtype.is_native()).then(|| Self::Numbers(dtype.unit_len()));
        };
        let field = |field: &Field| {
            let len = layout::count(field.shape())? * field.dtype().item_len();
            let swaps = Self::of(field.dtype()).filter(|_| len > 0)?;
            Some((field.offset(), len, swaps))
        };
        let fields: Vec<_> = record.fields().iter().filter_map(field).collect();
        (!fields.is_empty()).then(|| Self::Records(record.item_len(), fields))
    }

    /// Turns the numbers of one or more elements around.
    fn apply(&self, bytes: &mut [u8]) {
        match self {
            Self::Numbers(2) => swap_units::<2>(bytes),
            Self::Numbers(4) => swap_units::<4>(bytes),
            Self::Numbers(_) => swap_units::<8>(bytes),
            Self::Records(item, fields) => {
                for record in bytes.chunks_exact_mut(*item) {
                    fields.iter().for_each(|(at, len, swaps)| swaps.apply(&mut record[*at..*at + *len]));
                }
            }
        }
    }
}

fn swap_units<const N: usize>(bytes: &mut [u8]) {
    bytes.as_chunks_mut::<N>().0.iter_mut().for_each(|unit| unit.reverse());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_of_some_length_in_foreign_order_are_looked_at() {
        let inner: DType = "[('a', '>U0'), ('b', '|u1'), ('c', '>f8', (0,)), ('d', '>i2')]".parse().unwrap();
        let outer = DType::record([("x", DType::F64), ("y", inner)]).unwrap();
        let Some(Swaps::Records(11, fields)) = Swaps::of(&outer) else { panic!("d is to be turned around") };
        let [(8, 3, Swaps::Records(3, fields))] = &fields[..] else { panic!("y alone holds anything") };
        assert!(matches!(fields[..], [(1, 2, Swaps::Numbers(2))]));
        for nothing in ["<f8", "|S5", ">U0", "[('a', '>U0'), ('b', '>f8', (0,))]", "[('a', '<f8')]"] {
            let dtype: DType = nothing.parse().unwrap();
            let mut bytes = vec![7; dtype.item_len()];
            swap(&dtype, &mut bytes);
            assert_eq!(bytes, vec![7; dtype.item_len()], "{nothing}");
        }
    }
}
