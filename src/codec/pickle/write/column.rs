//! Columns as pandas has them: NumPy's arrays on the frames, masked arrays, categories, lists of text.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use serde::ser::Error as _;

use super::Writer;
use super::array::Parts;
use super::arrow::Storage;
use super::distinct::Distinct;
use crate::buffer::Buffer;
use crate::codec::pickle::pandas::{Mask, Missing, Part};
use crate::codec::unserializable::{Result, Unserializable};
use crate::handoff::Place;
use crate::memory;
use crate::pickle::opcode as op;

impl Writer<'_> {
    /// A column of this dtype in NumPy's or pandas' words, empty where nobody said.
    pub(super) fn column(&mut self, array: &ArrayRef, dtype: &str, part: &Part) -> Result<()> {
        let place = part.place();
        // Int64, UInt8, Float32, boolean
        let is_masked = dtype.starts_with(['I', 'U', 'F']) || dtype == "boolean";
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let (code, masked) = match array.data_type() {
            DataType::Boolean if dtype == "object" => {
                return self.objects(array.as_boolean().iter(), part, |writer, value| writer.out.bool(value));
            }
            DataType::Boolean => ("|b1", "BooleanArray"),
            DataType::Int8 => ("|i1", "IntegerArray"),
            DataType::Int16 => ("<i2", "IntegerArray"),
            DataType::Int32 => ("<i4", "IntegerArray"),
            DataType::Int64 => ("<i8", "IntegerArray"),
            DataType::UInt8 => ("|u1", "IntegerArray"),
            DataType::UInt16 => ("<u2", "IntegerArray"),
            DataType::UInt32 => ("<u4", "IntegerArray"),
            DataType::UInt64 => ("<u8", "IntegerArray"),
            DataType::Float16 => return self.filled("<f2", array, &0x7e00_u16.to_le_bytes(), place),
            DataType::Float32 if !is_masked => return self.filled("<f4", array, &f32::NAN.to_le_bytes(), place),
            DataType::Float64 if !is_masked => return self.filled("<f8", array, &f64::NAN.to_le_bytes(), place),
            DataType::Float32 => ("<f4", "FloatingArray"),
            DataType::Float64 => ("<f8", "FloatingArray"),
            DataType::Timestamp(unit, zone) => return self.instants(array, *unit, zone.as_deref(), place),
            DataType::Duration(unit) => {
                return self.filled(&format!("<m8[{}]", short(*unit)), array, &i64::MIN.to_le_bytes(), place);
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => return self.texts(array, dtype, part),
            DataType::Binary => return self.objects(array.as_binary::<i32>().iter(), part, Self::object_of_bytes),
            DataType::LargeBinary => return self.objects(array.as_binary::<i64>().iter(), part, Self::object_of_bytes),
            DataType::BinaryView => return self.objects(array.as_binary_view().iter(), part, Self::object_of_bytes),
            DataType::FixedSizeBinary(_) => {
                return self.objects(array.as_fixed_size_binary().iter(), part, Self::object_of_bytes);
            }
            DataType::Null => return self.objects((0..array.len()).map(|_| None), part, Self::object_of_bytes),
            other => {
                return Err(Unserializable::custom(format_args!(
                    "{other} has no form in pandas that needs no pyarrow: send the table in the default format"
                )));
            }
        };
        let values = match array.data_type() {
            DataType::Boolean => match &part.truths {
                Some(bytes) => bytes.of_rows(array.len()),
                None => bytes_of(array.as_boolean().values(), false),
            },
            _ => values(array),
        };
        if nulls.is_none() && !is_masked {
            return self.ndarray(code, values, place);
        }
        self.global("pandas.arrays", masked);
        self.ndarray(code, values, place)?;
        let made = || match nulls {
            Some(nulls) => bytes_of(nulls.inner(), true),
            None => Buffer::from(vec![0; array.len()]),
        };
        let (mask, place) = match &part.mask {
            Mask::Bytes(bytes) => (bytes.clone(), Place::OutOfBand),
            Mask::InBand => (made(), Place::InBand),
            Mask::Unknown => (made(), Place::OutOfBand),
        };
        self.ndarray("|b1", mask, place)?;
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Ok(())
    }

    /// A NumPy array of one axis.
    pub(super) fn ndarray(&mut self, dtype: &str, values: Buffer, place: Place) -> Result<()> {
        self.array(&Parts::of_line(dtype, values.len(), place)?, &values)
    }

    /// A NumPy array in which nulls are this value: **without copying** where they are already.
    fn filled(&mut self, dtype: &str, array: &ArrayRef, null: &[u8], place: Place) -> Result<()> {
        self.ndarray(dtype, fill(values(array), array.nulls(), null), place)
    }

    /// Points in time; in a zone they are a `DatetimeIndex`.
    fn instants(&mut self, array: &ArrayRef, unit: TimeUnit, zone: Option<&str>, place: Place) -> Result<()> {
        let dtype = format!("<M8[{}]", short(unit));
        let null = i64::MIN.to_le_bytes();
        let Some(zone) = zone else { return self.filled(&dtype, array, &null, place) };
        self.global("pandas", "DatetimeIndex.tz_convert");
        self.global("pandas", "DatetimeIndex.tz_localize");
        self.global("pandas", "DatetimeIndex");
        self.filled(&dtype, array, &null, place)?;
        self.out.ops(&[op::TUPLE1, op::REDUCE]);
        self.out.text("UTC");
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        self.out.text(zone);
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Ok(())
    }

    /// `Categorical.from_codes(codes, Index(categories), ordered)`, where the code of a null is -1. Values that come twice are one
    /// category, and those that are missing none: then codes and categories are copied.
    pub(super) fn categories(
        &mut self,
        array: &ArrayRef,
        is_ordered: bool,
        storage: Storage,
        part: &Part,
    ) -> Result<()> {
        let dictionary = array.as_any_dictionary();
        let (code, null): (_, &[u8]) = match dictionary.keys().data_type() {
            DataType::Int8 => ("|i1", &[0xff]),
            DataType::Int16 => ("<i2", &[0xff; 2]),
            DataType::Int32 => ("<i4", &[0xff; 4]),
            DataType::Int64 => ("<i8", &[0xff; 8]),
            other => {
                return Err(Unserializable::custom(format_args!("codes of type {other}, which pandas does not have")));
            }
        };
        self.global("pandas", "Categorical.from_codes");
        let keys = dictionary.keys();
        let distinct = Distinct::of(dictionary.values())?;
        let codes = match &distinct {
            Some(distinct) => distinct.codes(dictionary, null.len()),
            None => fill(values_of(keys), keys.nulls(), null),
        };
        self.ndarray(code, codes, part.place())?;
        let (values, categories) = match &distinct {
            Some(distinct) => (&distinct.values, Part::UNKNOWN),
            None => (dictionary.values(), part.of_categories()),
        };
        let dtype = part.categories_dtype.as_deref().unwrap_or_default();
        let is_text = matches!(values.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        match storage {
            _ if dtype.ends_with("[pyarrow]") => self.in_arrow(values, dtype, false, categories)?,
            Storage::Arrow if is_text => self.in_arrow(values, dtype, false, categories)?,
            _ => {
                self.global("pandas", "Index");
                self.column(values, dtype, categories)?;
                self.out.ops(&[op::TUPLE1, op::REDUCE]);
            }
        }
        self.out.bool(is_ordered);
        self.out.ops(&[op::TUPLE3, op::REDUCE]);
        Ok(())
    }

    fn texts(&mut self, array: &ArrayRef, dtype: &str, part: &Part) -> Result<()> {
        let texts: Box<dyn Iterator<Item = Option<&str>>> = match array.data_type() {
            DataType::Utf8 => Box::new(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => Box::new(array.as_string::<i64>().iter()),
            _ => Box::new(array.as_string_view().iter()),
        };
        let dtype = Some(dtype).filter(|dtype| matches!(*dtype, "object" | "str") || dtype.contains("string"));
        match dtype {
            // an index of objects is the one thing that pandas 3 does not take for its own text, and to pandas 2 one of `str`
            // is one of objects
            Some("object" | "str") => self.global("pandas", "Index"),
            Some(_) => self.global("pandas", "array"),
            None => {}
        }
        let missing = if dtype == Some("object") { part.missing } else { Missing::None };
        self.many(texts, |writer, text| match text {
            Some(text) => {
                memory::count_copy(text.len());
                writer.out.text(text);
            }
            None => writer.missing(missing),
        })?;
        if let Some(dtype) = dtype {
            self.out.text(dtype);
            self.out.ops(&[op::TUPLE2, op::REDUCE]);
        }
        Ok(())
    }

    /// Python objects, and what stood where there were none.
    fn objects<T>(
        &mut self,
        values: impl Iterator<Item = Option<T>>,
        part: &Part,
        mut write: impl FnMut(&mut Self, T),
    ) -> Result<()> {
        self.global("pandas", "Index");
        self.many(values, |writer, value| match value {
            Some(value) => write(writer, value),
            None => writer.missing(part.missing),
        })?;
        self.out.text("object");
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Ok(())
    }

    fn missing(&mut self, missing: Missing) {
        match missing {
            Missing::None => self.out.op(op::NONE),
            Missing::NaN => self.out.float(f64::NAN),
            Missing::NA => self.global("pandas", "NA"),
        }
    }

    fn object_of_bytes(&mut self, bytes: &[u8]) {
        memory::count_copy(bytes.len());
        self.out.bytes(bytes);
    }
}

/// The values of a column of plain numbers **without copying**.
fn values(array: &ArrayRef) -> Buffer {
    values_of(array.as_ref())
}

fn values_of(array: &dyn Array) -> Buffer {
    let data = array.to_data();
    let width = data.data_type().primitive_width().unwrap_or(0);
    let bytes = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
    Buffer::from_owner(bytes)
}

/// The same with this value for each null: copied where one of them is another.
fn fill(values: Buffer, nulls: Option<&NullBuffer>, null: &[u8]) -> Buffer {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return values };
    let at = |row: usize| row * null.len()..(row + 1) * null.len();
    let rows = || (0..nulls.len()).filter(|&row| nulls.is_null(row));
    if rows().all(|row| values[at(row)] == *null) {
        return values;
    }
    memory::count_copy(values.len());
    let mut filled = values.to_vec();
    rows().for_each(|row| filled[at(row)].copy_from_slice(null));
    Buffer::from(filled)
}

/// A byte for each bit, or for its opposite.
fn bytes_of(bits: &BooleanBuffer, is_opposite: bool) -> Buffer {
    memory::count_copy(bits.len());
    Buffer::from(bits.iter().map(|bit| u8::from(bit != is_opposite)).collect::<Vec<_>>())
}

/// NumPy's and pyarrow's name of a unit.
pub(super) fn short(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
