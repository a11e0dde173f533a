//! Arrays and dtypes through serde: the form on the wire, in every serializer.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};

use super::dtype::{DType, Kind};
use super::layout::{Axes, MAX_DIMS, Order};
use super::record::Field;
use super::text::{self, Dialect};
use super::{Array, Came, descr, head, literal};
use crate::buffer::Buffer;
use crate::frame::RECEIVE_ARENA;
use crate::handoff::{self, Place};
use crate::stored;

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 4 + usize::from(self.base.is_some());
        let mut array = serializer.serialize_struct("Array", fields)?;
        array.serialize_field("$array", &self.dtype)?;
        array.serialize_field("shape", &self.shape[..])?;
        match &self.turn {
            None => array.serialize_field("order", &self.order)?,
            Some(_) => array.serialize_field("order", &self.axes())?,
        }
        match &self.base {
            Some(base) => array.serialize_field("base", &base[..])?,
            None => array.skip_field("base")?,
        }
        array.serialize_field("data", &Data { buffer: &self.data, item: self.dtype.item_len() })?;
        array.end()
    }
}

/// The elements, whose length compression wants to know.
struct Data<'a> {
    buffer: &'a Buffer,
    item: usize,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        handoff::of_items(self.item, || self.buffer.serialize(serializer))
    }
}

/// What arrives, before it is known to be an array.
#[derive(serde::Deserialize)]
#[serde(rename = "Array")]
struct Claimed {
    #[serde(rename = "$array")]
    dtype: DType,
    shape: Shape,
    order: Lying,
    #[serde(default)]
    base: Option<Shape>,
    data: Buffer,
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;

        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = Array;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("struct Array")
            }

            fn visit_unit<E: Error>(self) -> Result<Array, E> {
                head::taken().ok_or_else(|| E::invalid_type(Unexpected::Unit, &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, fields: A) -> Result<Array, A::Error> {
                Claimed::deserialize(SeqAccessDeserializer::new(fields))?.check()
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Array, A::Error> {
                Claimed::deserialize(MapAccessDeserializer::new(fields))?.check()
            }
        }

        deserializer.deserialize_struct("Array", &head::FIELDS, ArrayVisitor)
    }
}

/// Deserializes an array from the entries of a map, and notes where in the message its elements were.
///
/// # Errors
///
/// What the map returns, or that this is no array.
pub(crate) fn noting_place<'de, A: MapAccess<'de>>(entries: A) -> Result<Array, A::Error> {
    let (claimed, place) = handoff::noting_place(|| Claimed::deserialize(MapAccessDeserializer::new(entries)));
    let claimed = claimed?;
    let claimed = Claimed { data: stored::as_it_came(claimed.data), ..claimed };
    let lay = claimed.data.clone();
    let array = claimed.check()?;
    let is_copied = matches!(place, Some(Place::Frame | Place::PickleFrame)) && array.data.as_ptr() != lay.as_ptr();
    Ok(Array { came: Came { place, lay: is_copied.then(|| Box::new(lay)) }, ..array })
}

impl Claimed {
    #[inline]
    fn check<E: Error>(self) -> Result<Array, E> {
        let Self { dtype, shape, order, base, data } = self;
        let (order, axes) = match order {
            Lying::Order(order) => (order, None),
            Lying::Axes(axes) => (Order::C, Some(axes)),
        };
        let array = match base {
            None => Array::checked(dtype, shape.0, None, order, data),
            Some(base) => Array::checked(dtype, shape.0, Some(base.0), order, data),
        };
        let array = match axes {
            None => array,
            Some(axes) => array.and_then(|array| array.turned(&axes)),
        };
        array.map(Array::settled).map_err(E::custom)
    }
}

impl Array {
    /// The array with elements that can be borrowed. One that was in band lies anywhere in its frame, and a short frame anywhere in
    /// libzmq's receive arena or in a file; where that is no place for its elements they are **copied**, counted, up to the length
    /// of the longest such frame.
    #[inline]
    pub(crate) fn settled(self) -> Self {
        // a Rust type's size is a multiple of its alignment, and none that an array knows is aligned to more than 8
        let align = 1 << self.dtype.item_len().trailing_zeros().min(3);
        let len = self.data.len();
        if !(1..=RECEIVE_ARENA).contains(&len) || self.data.as_ptr().addr().is_multiple_of(align) {
            return self;
        }
        // one that is named so often that all of it would be too much stays as it lies
        if !handoff::may_copy(len) {
            return self;
        }
        Self { data: self.data.to_aligned(align), ..self }
    }
}

/// How elements lie: in an order, or with their axes from the slowest to the fastest.
enum Lying {
    Order(Order),
    Axes(Axes),
}

impl<'de> Deserialize<'de> for Lying {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LyingVisitor;

        impl<'de> Visitor<'de> for LyingVisitor {
            type Value = Lying;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an order, \"C\" or \"F\", or a list of axes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Lying, E> {
                Order::deserialize(StrDeserializer::new(text)).map(Lying::Order)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, axes: A) -> Result<Lying, A::Error> {
                Shape::deserialize(SeqAccessDeserializer::new(axes)).map(|axes| Lying::Axes(axes.0))
            }
        }

        deserializer.deserialize_any(LyingVisitor)
    }
}

/// `"C"` or `"F"`.
impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::C => "C",
            Self::F => "F",
        })
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderVisitor;

        impl Visitor<'_> for OrderVisitor {
            type Value = Order;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an order, \"C\" or \"F\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Order, E> {
                match text {
                    "C" => Ok(Order::C),
                    "F" => Ok(Order::F),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_str(OrderVisitor)
    }
}

/// A shape from the wire: no more axes than there may be.
struct Shape(Axes);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;

        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a shape: a list of up to {MAX_DIMS} unsigned numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
                // of one length from the first: no more than the limit, whatever the sequence says of itself
                let mut axes = Axes::with_capacity(sequence.size_hint().unwrap_or(0).min(MAX_DIMS));
                while let Some(axis) = sequence.next_element()? {
                    if axes.len() == MAX_DIMS {
                        return Err(A::Error::custom(format_args!("an array has more than {MAX_DIMS} axes")));
                    }
                    axes.push(axis);
                }
                Ok(Shape(axes))
            }
        }

        deserializer.deserialize_seq(ShapeVisitor)
    }
}

/// The type string, or for a record the list of its fields.
impl Serialize for DType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.fixed_text() {
            return serializer.serialize_str(text);
        }
        let Kind::Record(record) = self.kind() else {
            return serializer.collect_str(self);
        };
        let mut fields = serializer.serialize_seq(Some(record.padded().count()))?;
        for field in record.padded() {
            fields.serialize_element(&Entry(&field))?;
        }
        fields.end()
    }
}

/// `[name, dtype]` or `[name, dtype, shape]`.
struct Entry<'f>(&'f Field);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let field = self.0;
        if field.is_padding() {
            let len = field.len().map_err(serde::ser::Error::custom)?;
            return ("", format_args!("|V{len}")).serialize(serializer);
        }
        let mut entry = serializer.serialize_tuple(if field.shape().is_empty() { 2 } else { 3 })?;
        match field.title() {
            Some(title) => entry.serialize_element(&(title, field.name()))?,
            None => entry.serialize_element(field.name())?,
        }
        entry.serialize_element(field.dtype())?;
        if !field.shape().is_empty() {
            entry.serialize_element(field.shape())?;
        }
        entry.end()
    }
}

impl<'de> Deserialize<'de> for DType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DTypeVisitor;

        impl<'de> Visitor<'de> for DTypeVisitor {
            type Value = DType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dtype: a type string or a list of fields")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DType, E> {
                text::parse(text, Dialect::Wire).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<DType, A::Error> {
                descr::read(&literal::from_seq(sequence)?, Dialect::Wire).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(DTypeVisitor)
    }
}
