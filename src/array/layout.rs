//! Shapes, orders and strides.

use std::fmt;

use smallvec::SmallVec;

use super::dtype::misfit;
use crate::error::Result;

/// The most axes that an array may have: NumPy's limit.
pub(super) const MAX_DIMS: usize = 64;

/// The most elements without any bytes (`|V0`, `|S0`, `<U0`) that an array, or a field, may have: no buffer vouches for them.
pub(super) const MOST_EMPTY: usize = 1 << 24;

/// The lengths of axes. Few have no memory of their own: a small block that lives as long as an array of megabytes and lies
/// behind it on the heap keeps the array's pages from being used again.
pub(super) type Axes = SmallVec<[usize; 4]>;

/// In which order the elements of an array lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last axis is the fastest: C, NumPy's default, row-major.
    #[default]
    C,
    /// The first axis is the fastest: Fortran, column-major.
    F,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "C",
            Self::F => "F",
        })
    }
}

/// A shape as Python writes it: `()`, `(5,)`, `(480, 640)`.
pub(super) struct Tuple<'s>(pub(super) &'s [usize]);

impl fmt::Display for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (at, axis) in self.0.iter().enumerate() {
            write!(f, "{}{axis}", if at > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

/// The number of elements; `None` when the product of the axes that are not 0 overflows.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().filter(|&&axis| axis != 0).try_fold(1_usize, |sum, &axis| sum.checked_mul(axis))?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// The number of bytes of an array, checked as NumPy and ndarray do: also an empty one may not have axes whose product
/// is no size. Elements without bytes are counted.
pub(super) fn byte_len(shape: &[usize], item: usize) -> Result<usize> {
    if shape.len() > MAX_DIMS {
        return Err(misfit(format!("it has {} axes, the limit is {MAX_DIMS}", shape.len())));
    }
    let full = shape.iter().filter(|&&axis| axis != 0).try_fold(item.max(1), |sum, &axis| sum.checked_mul(axis));
    if item == 0
        && let Some(count) = count(shape).filter(|count| *count > MOST_EMPTY && full.is_some())
    {
        return Err(misfit(format!(
            "shape {} has {count} elements without bytes, the limit is {MOST_EMPTY}",
            Tuple(shape)
        )));
    }
    match full {
        Some(full) if isize::try_from(full).is_ok() => Ok(if item == 0 || shape.contains(&0) { 0 } else { full }),
        _ => Err(misfit(format!("shape {} of {item} bytes each overflows", Tuple(shape)))),
    }
}

/// The strides in bytes of contiguous elements.
pub(crate) fn strides(shape: &[usize], order: Order, item: usize) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut step = item as isize;
    let mut set = |axis: usize| {
        strides[axis] = step;
        step = step.saturating_mul(shape[axis].max(1) as isize);
    };
    match order {
        Order::C => (0..shape.len()).rev().for_each(&mut set),
        Order::F => (0..shape.len()).for_each(&mut set),
    }
    strides
}

/// The axes of an array in the order in which they lie, the slowest first. Only for an order that is neither C's nor Fortran's: most
/// arrays have none, so it is no part of them but a pointer.
pub(super) type Turn = Box<[u8]>;

/// The strides in bytes of elements without gaps whose axes lie in this order, the slowest first.
pub(crate) fn strides_along(shape: &[usize], axes: impl DoubleEndedIterator<Item = usize>, item: usize) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut step = item as isize;
    for axis in axes.rev() {
        strides[axis] = step;
        step = step.saturating_mul(shape[axis].max(1) as isize);
    }
    strides
}

/// The order in which the axes of elements at these strides lie without gaps; `None` where there are gaps or steps back. Axes of
/// one element, whose strides say nothing, are the slowest.
pub(crate) fn axes_at(shape: &[usize], strides: &[isize], item: usize) -> Option<Vec<usize>> {
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.sort_by_key(|&axis| (shape[axis] != 1, std::cmp::Reverse(if shape[axis] == 1 { 0 } else { strides[axis] })));
    let wanted = strides_along(shape, axes.iter().copied(), item);
    let fits = (0..shape.len()).all(|axis| shape[axis] == 1 || strides[axis] == wanted[axis]);
    fits.then_some(axes)
}

/// Whether these are all axes of so many, each once.
pub(crate) fn are_all(axes: &[usize], count: usize) -> bool {
    let mut seen = [false; MAX_DIMS];
    let is_new = |&axis: &usize| seen.get_mut(axis).is_some_and(|seen| !std::mem::replace(seen, true));
    axes.len() == count && count <= MAX_DIMS && axes.iter().all(|&axis| axis < count) && axes.iter().all(is_new)
}

/// Where the element with this index in C order lies, in bytes from the first.
pub(super) fn offset(shape: &[usize], strides: &[isize], index: usize) -> usize {
    let mut left = index;
    let mut offset = 0;
    for (&axis, &stride) in shape.iter().zip(strides).rev() {
        offset += (left % axis) * stride as usize;
        left /= axis;
    }
    offset
}

/// The order in which elements at these strides lie without gaps, C where it is both; `None` where it is neither.
pub(super) fn contiguous(shape: &[usize], strides: &[isize], item: usize) -> Option<Order> {
    [Order::C, Order::F].into_iter().find(|&order| lies_in(order, shape, strides, item))
}

/// Whether elements at these strides lie in this order without gaps.
pub(super) fn lies_in(order: Order, shape: &[usize], strides: &[isize], item: usize) -> bool {
    let wanted = self::strides(shape, order, item);
    shape.iter().zip(strides).zip(&wanted).all(|((&axis, stride), wanted)| axis == 1 || stride == wanted)
}

/// The order that keeps neighbours together when elements at these strides are copied.
pub(super) fn fastest(shape: &[usize], strides: &[isize]) -> Order {
    let mut axes = shape.iter().zip(strides).filter(|&(&axis, _)| axis > 1).map(|(_, stride)| stride.unsigned_abs());
    match (axes.next(), axes.next_back()) {
        (Some(first), Some(last)) if first < last => Order::F,
        _ => Order::C,
    }
}
