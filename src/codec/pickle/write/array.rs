//! Arrays as calls of NumPy's public names: `ndarray(shape, dtype, buffer)`, which takes the buffer as it lies.
//!
//! Fortran order, other orders of axes and repeated elements need all six arguments: `ndarray(shape, dtype, buffer, offset, strides, order)`. A
//! dtype is `dtype("<f8")`, a record `dtype({"names": ..., "formats": ..., "offsets": ..., "itemsize": ...})`, and comes
//! from the memo when it comes again.

use serde::Deserialize;
use serde::ser::{Error as _, Serialize};

use super::{Next, Writer};
use crate::array::{self, DType, Field, Kind, Order};
use crate::codec::unserializable::{Result, Unserializable};
use crate::handoff::{self, Place};
use crate::pickle::{Memoized, opcode as op};

/// What comes before the elements of an array.
pub(super) struct Parts {
    dtype: serde_json::Value,
    shape: Vec<usize>,
    lying: Lying,
    base: Option<Vec<usize>>,
    place: Place,
}

/// How elements lie, as an array has it on the wire.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lying {
    Order(Order),
    /// The axes from the slowest to the fastest.
    Axes(Vec<usize>),
}

/// A dtype that was written.
#[derive(Clone, Copy)]
pub(super) struct Element {
    entry: Memoized,
    len: usize,
    /// What it costs a reader to build it again.
    cost: usize,
}

impl Parts {
    pub(super) fn of_dtype<T: Serialize + ?Sized>(dtype: &T) -> Result<Self> {
        let (lying, place) = (Lying::Order(Order::C), handoff::place().map_or(Place::OutOfBand, Place::to_pickle));
        Ok(Self { dtype: read(dtype)?, shape: Vec::new(), lying, base: None, place })
    }

    /// An array of one axis, of so many bytes.
    #[cfg(feature = "arrow")]
    pub(super) fn of_line(dtype: &str, bytes: usize, place: Place) -> Result<Self> {
        let item = dtype.parse::<DType>().map_err(Unserializable::custom)?.item_len();
        let (shape, lying) = (vec![bytes / item.max(1)], Lying::Order(Order::C));
        Ok(Self { dtype: dtype.into(), shape, lying, base: None, place })
    }

    /// An array of two axes in Fortran order.
    #[cfg(feature = "arrow")]
    pub(super) fn of_columns(dtype: &str, [rows, columns]: [usize; 2], place: Place) -> Self {
        Self { dtype: dtype.into(), shape: vec![rows, columns], lying: Lying::Order(Order::F), base: None, place }
    }

    pub(super) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        match name {
            "shape" => self.shape = read(value)?,
            "order" => self.lying = read(value)?,
            "base" => self.base = Some(read(value)?),
            _ => return Err(Unserializable::custom(format_args!("an array with a field {name}"))),
        }
        Ok(())
    }
}

/// A small part as what it is.
fn read<T: Serialize + ?Sized, U: for<'de> Deserialize<'de>>(part: &T) -> Result<U> {
    let value = serde_json::to_value(part).map_err(Unserializable::custom)?;
    U::deserialize(value).map_err(Unserializable::custom)
}

impl Writer<'_> {
    /// An array of these parts, whose elements serialize as a buffer.
    pub(super) fn array<T: Serialize + ?Sized>(&mut self, parts: &Parts, elements: &T) -> Result<()> {
        let is_plain = matches!(parts.lying, Lying::Order(Order::C)) && parts.base.is_none();
        self.global("numpy", "ndarray");
        if !is_plain {
            self.out.op(op::MARK);
        }
        self.axes(&parts.shape);
        let item = self.element(&parts.dtype)?;
        self.next = Next::Elements;
        handoff::placed(parts.place, || handoff::of_items(item, || elements.serialize(&mut *self)))?;
        self.plain("elements")?;
        if is_plain {
            self.out.op(op::TUPLE3);
        } else {
            self.out.int(0);
            match (&parts.base, &parts.lying) {
                (None, Lying::Order(_)) => self.out.op(op::NONE),
                (base, lying) => {
                    let base = base.as_ref().unwrap_or(&parts.shape);
                    let strides = match lying {
                        Lying::Order(order) => array::strides(base, *order, item),
                        Lying::Axes(axes) if array::are_all(axes, base.len()) => {
                            array::strides_along(base, axes.iter().copied(), item)
                        }
                        Lying::Axes(_) => {
                            return Err(Unserializable::custom("an array with axes that are not its own"));
                        }
                    };
                    let repeated = base.iter().zip(&parts.shape).map(|(held, axis)| held != axis);
                    let strides: Vec<_> =
                        strides.iter().zip(repeated).map(|(&step, is)| if is { 0 } else { step }).collect();
                    self.tuple(&strides, |writer, &stride| {
                        writer.out.int(stride as i64);
                        Ok(())
                    })?;
                }
            }
            self.out.text(if matches!(parts.lying, Lying::Order(Order::F)) { "F" } else { "C" });
            self.out.op(op::TUPLE);
        }
        self.out.op(op::REDUCE);
        Ok(())
    }

    pub(super) fn axes(&mut self, axes: &[usize]) {
        let write = |writer: &mut Self, &axis: &usize| {
            writer.out.unsigned(axis as u128);
            Ok(())
        };
        self.tuple(axes, write).expect("invariant: a number is always written");
    }

    fn tuple<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T) -> Result<()>) -> Result<()> {
        let end = match items.len() {
            0 => op::EMPTY_TUPLE,
            1 => op::TUPLE1,
            2 => op::TUPLE2,
            3 => op::TUPLE3,
            _ => {
                self.out.op(op::MARK);
                op::TUPLE
            }
        };
        items.iter().try_for_each(|item| write(self, item))?;
        self.out.op(end);
        Ok(())
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T) -> Result<()>) -> Result<()> {
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        items.iter().try_for_each(|item| write(self, item))?;
        self.out.op(op::APPENDS);
        Ok(())
    }

    /// The dtype of an array; returns the length of an element.
    pub(super) fn element(&mut self, described: &serde_json::Value) -> Result<usize> {
        let made;
        let key = match described.as_str() {
            Some(text) => text,
            None => {
                made = described.to_string();
                &made
            }
        };
        if let Some(&Element { entry, len, cost }) = self.dtypes.get(key) {
            self.repeat(cost);
            self.out.again(entry);
            return Ok(len);
        }
        let dtype = DType::deserialize(described).map_err(Unserializable::custom)?;
        let len = dtype.item_len();
        if len == 0 {
            return Err(Unserializable::custom(format_args!(
                "an array of dtype {dtype}, whose elements have no bytes: NumPy takes no buffer for such"
            )));
        }
        // a reader notes sixteen bytes for a field whose name and dtype may be shorter
        let cost = key.len().saturating_mul(4);
        self.repeat(cost);
        self.dtype(&dtype)?;
        self.dtypes.insert(key.to_owned(), Element { entry: self.out.memoize(), len, cost });
        Ok(len)
    }

    fn dtype(&mut self, dtype: &DType) -> Result<()> {
        self.global("numpy", "dtype");
        match dtype.kind() {
            Kind::Record(record) => self.record_dtype(record.fields(), record.item_len())?,
            // what NumPy has no name for has one in this package, which has to be there
            Kind::BF16 => self.global("ml_dtypes", "bfloat16"),
            _ => self.out.text(&dtype.to_string()),
        }
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        Ok(())
    }

    fn record_dtype(&mut self, fields: &[Field], item_len: usize) -> Result<()> {
        self.out.ops(&[op::EMPTY_DICT, op::MARK]);
        self.out.text("names");
        self.list(fields, |writer, field| {
            writer.out.text(field.name());
            Ok(())
        })?;
        self.out.text("formats");
        self.list(fields, |writer, field| {
            writer.dtype(field.dtype())?;
            if !field.shape().is_empty() {
                writer.axes(field.shape());
                writer.out.op(op::TUPLE2);
            }
            Ok(())
        })?;
        self.out.text("offsets");
        self.list(fields, |writer, field| {
            writer.out.unsigned(field.offset() as u128);
            Ok(())
        })?;
        if fields.iter().any(|field| field.title().is_some()) {
            self.out.text("titles");
            self.list(fields, |writer, field| {
                match field.title() {
                    Some(title) => writer.out.text(title),
                    None => writer.out.op(op::NONE),
                }
                Ok(())
            })?;
        }
        self.out.text("itemsize");
        self.out.unsigned(item_len as u128);
        self.out.op(op::SETITEMS);
        Ok(())
    }
}
