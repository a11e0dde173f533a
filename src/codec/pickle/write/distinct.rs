//! Categories as pandas takes them: each once, and none that is missing.
//!
//! A dictionary of Arrow's may have a value twice, as one that was put together of others has, and null among its values; one of pandas'
//! may not, and `pickle.loads` fails.

use std::collections::HashMap;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;
use serde::ser::Error as _;

use crate::buffer::Buffer;
use crate::codec::unserializable::{Result, Unserializable};
use crate::memory;

/// The values of a dictionary that has one twice or null among them.
pub(super) struct Distinct {
    /// Each of them at its first place: a copy.
    pub(super) values: ArrayRef,
    /// Of each value of the dictionary the number that it has here; `None` where it is missing.
    numbers: Vec<Option<usize>>,
}

impl Distinct {
    /// `None` where they are so already.
    pub(super) fn of(values: &ArrayRef) -> Result<Option<Self>> {
        let numbers = numbers_of(values);
        if numbers.iter().copied().eq((0..values.len()).map(Some)) {
            return Ok(None);
        }
        let data = values.to_data();
        let mut picked = MutableArrayData::try_new(vec![&data], false, 0).map_err(Unserializable::custom)?;
        let mut next = 0;
        for (at, number) in numbers.iter().enumerate() {
            if *number == Some(next) {
                picked.try_extend(0, at, at + 1).map_err(Unserializable::custom)?;
                next += 1;
            }
        }
        let values = make_array(picked.freeze());
        memory::count_copy(values.get_buffer_memory_size());
        Ok(Some(Self { values, numbers }))
    }

    /// The codes of the rows, of so many bytes each: -1 where there is no value.
    pub(super) fn codes(&self, dictionary: &dyn AnyDictionaryArray, width: usize) -> Buffer {
        let mut codes = Vec::with_capacity(dictionary.len() * width);
        for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
            let number = self.numbers[key].filter(|_| dictionary.keys().is_valid(row));
            let code = number.map_or(-1, |number| number as i64);
            codes.extend_from_slice(&code.to_le_bytes()[..width]);
        }
        memory::count_copy(codes.len());
        Buffer::from(codes)
    }
}

/// The numbers of values, of which two that are one in Python have one.
fn numbers_of(values: &ArrayRef) -> Vec<Option<usize>> {
    // zero has one hash in Python, with a sign or without
    let float = |value: f64| (!value.is_nan()).then_some((value + 0.0).to_bits());
    let fixed = |width| {
        let data = values.to_data();
        let bytes = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
        let is_time = matches!(values.data_type(), DataType::Timestamp(..) | DataType::Duration(_));
        let is_missing = |at: usize, value: &[u8]| values.is_null(at) || is_time && *value == i64::MIN.to_le_bytes();
        numbered(bytes.chunks_exact(width).enumerate().map(|(at, value)| (!is_missing(at, value)).then_some(value)))
    };
    match values.data_type() {
        DataType::Boolean => numbered(values.as_boolean().iter()),
        DataType::Utf8 => numbered(values.as_string::<i32>().iter()),
        DataType::LargeUtf8 => numbered(values.as_string::<i64>().iter()),
        DataType::Utf8View => numbered(values.as_string_view().iter()),
        DataType::Binary => numbered(values.as_binary::<i32>().iter()),
        DataType::LargeBinary => numbered(values.as_binary::<i64>().iter()),
        DataType::BinaryView => numbered(values.as_binary_view().iter()),
        DataType::FixedSizeBinary(_) => numbered(values.as_fixed_size_binary().iter()),
        DataType::Float16 => {
            numbered(values.as_primitive::<Float16Type>().iter().map(|value| value.and_then(|it| float(it.into()))))
        }
        DataType::Float32 => {
            numbered(values.as_primitive::<Float32Type>().iter().map(|value| value.and_then(|it| float(it.into()))))
        }
        DataType::Float64 => numbered(values.as_primitive::<Float64Type>().iter().map(|value| value.and_then(float))),
        other => match other.primitive_width() {
            Some(width) => fixed(width),
            // of lists and the like only null is looked for
            None => {
                let nulls = values.logical_nulls();
                let is_null = |at| nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
                numbered((0..values.len()).map(|at| (!is_null(at)).then_some(at)))
            }
        },
    }
}

fn numbered<T: Hash + Eq>(values: impl Iterator<Item = Option<T>>) -> Vec<Option<usize>> {
    let mut known = HashMap::new();
    let mut number = |value| {
        let next = known.len();
        *known.entry(value).or_insert(next)
    };
    values.map(|value| value.map(&mut number)).collect()
}
