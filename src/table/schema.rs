//! The schema as Arrow's IPC schema message, and what is checked of one before Arrow's code builds it.
//!
//! Source: <https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format>.

use std::sync::Arc;

use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, validate_decimal_precision_and_scale,
};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow_ipc::{Endianness, Field as RawField, Schema as RawSchema, Type, convert, root_as_message_with_opts};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use flatbuffers::{InvalidFlatbuffer, VerifierOptions};

use super::arrive::fields_below;
use super::column::{MAX_DEPTH, MAX_PARTS};
use crate::error::excerpt;

/// What an encapsulated message begins with.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// How many times longer than the message the objects in it may be, taken one by one. Writers share no more than the
/// layouts of tables; a forger lets a million fields share one name.
const EXPANSION: usize = 8;

/// The encapsulated schema message, a multiple of 8 bytes long.
///
/// # Errors
///
/// A text: more fields than a receiver takes, or a type that the message has no form for.
pub(crate) fn to_bytes(schema: &Schema) -> Result<Vec<u8>, String> {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(false);
    let message =
        IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options).ipc_message;
    let padded = message.len().next_multiple_of(8);
    let announced = i32::try_from(padded).map_err(|_| format!("a schema of {padded} bytes is too long"))?;
    let mut bytes = Vec::with_capacity(8 + padded);
    bytes.extend_from_slice(&CONTINUATION);
    bytes.extend_from_slice(&announced.to_le_bytes());
    bytes.extend_from_slice(&message);
    bytes.resize(8 + padded, 0);
    // what no receiver accepts is not sent
    from_bytes(&bytes)?;
    schema.fields().iter().try_for_each(|field| check_dictionaries(field))?;
    Ok(bytes)
}

/// A field of the message has one dictionary at most: of one within another the inner one would be lost.
fn check_dictionaries(field: &Field) -> Result<(), String> {
    let values = match field.data_type() {
        DataType::Dictionary(_, values) => values,
        own => own,
    };
    if let (DataType::Dictionary(..), DataType::Dictionary(..)) = (field.data_type(), values) {
        let name = excerpt(field.name());
        return Err(format!("field {name:?} is a dictionary of dictionaries, which Arrow's format has no form for"));
    }
    fields_below(values).into_iter().try_for_each(check_dictionaries)
}

/// Reads the schema message.
///
/// # Errors
///
/// A text that says what is wrong with it.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<SchemaRef, String> {
    let Some((head, message)) = bytes.split_at_checked(8) else {
        return Err(format!("a schema of {} bytes is no Arrow schema message", bytes.len()));
    };
    let (start, len) = head.split_at(4);
    if start != CONTINUATION {
        return Err("the schema does not begin as an Arrow message does".to_owned());
    }
    if len.try_into().map(u32::from_le_bytes).is_ok_and(|len| len as usize != message.len()) {
        return Err(format!("the schema has {} bytes, which is not what it announces", message.len()));
    }
    let options = VerifierOptions {
        // a field and its type are a table each, and so is an entry of metadata
        max_tables: (message.len() / 4).min(16 * MAX_PARTS),
        max_apparent_size: message.len().saturating_mul(EXPANSION),
        ..VerifierOptions::default()
    };
    let message = root_as_message_with_opts(&options, message).map_err(|error| no_message(error, message))?;
    let schema = message.header_as_schema().ok_or("the schema is another kind of Arrow message")?;
    check(schema)?;
    let schema = convert::try_fb_to_schema(schema).map_err(said)?;
    Ok(Arc::new(schema))
}

/// Says why bytes are no message. Arrow's format has names and metadata in UTF-8, and of metadata not every library sees to that.
fn no_message(error: InvalidFlatbuffer, message: &[u8]) -> String {
    match error {
        InvalidFlatbuffer::Utf8Error { range, .. } => {
            let text = message.get(range).map(String::from_utf8_lossy).unwrap_or_default();
            format!("the schema has a name or metadata with text that is no UTF-8: {:?}", excerpt(text))
        }
        other => format!("the schema is no Arrow message: {}", excerpt(other)),
    }
}

pub(super) fn said(error: ArrowError) -> String {
    excerpt(error)
}

/// Checks what Arrow's conversion takes for granted.
fn check(schema: RawSchema<'_>) -> Result<(), String> {
    if schema.endianness() != Endianness::Little {
        return Err("the table is big-endian, which this version does not read".to_owned());
    }
    let mut left = MAX_PARTS;
    schema.fields().into_iter().flatten().try_for_each(|field| check_field(field, 1, &mut left))
}

/// Checks one field and those below it.
fn check_field(field: RawField<'_>, depth: usize, left: &mut usize) -> Result<(), String> {
    let name = || excerpt(format_args!("field {:?} of the schema", field.name().unwrap_or_default()));
    *left = left.checked_sub(1).ok_or_else(|| format!("the schema has more fields than the limit of {MAX_PARTS}"))?;
    // a dictionary is a column below the one of its indices
    if depth + usize::from(field.dictionary().is_some()) > MAX_DEPTH {
        return Err(format!("the schema nests deeper than the limit of {MAX_DEPTH}: {}", name()));
    }
    let children = field.children().map_or(0, |children| children.len());
    match field.type_type() {
        Type::FixedSizeBinary if field.type_as_fixed_size_binary().is_some_and(|ty| ty.byteWidth() < 0) => {
            return Err(format!("{} has values of negative length", name()));
        }
        Type::FixedSizeList if field.type_as_fixed_size_list().is_some_and(|ty| ty.listSize() < 0) => {
            return Err(format!("{} has lists of negative length", name()));
        }
        Type::Decimal => {
            let decimal = field.type_as_decimal().ok_or_else(|| format!("{} has no decimal type", name()))?;
            check_decimal(decimal).map_err(|why| format!("{}: {why}", name()))?;
        }
        Type::Union => {
            let union = field.type_as_union().ok_or_else(|| format!("{} has no union type", name()))?;
            let ids = union.typeIds();
            if ids.is_some_and(|ids| ids.iter().any(|id| !(0..=127).contains(&id))) || children > 128 {
                return Err(format!("{} has union type ids that are not from 0 to 127", name()));
            }
        }
        _ => {}
    }
    field.children().into_iter().flatten().try_for_each(|child| check_field(child, depth + 1, left))
}

fn check_decimal(decimal: arrow_ipc::Decimal<'_>) -> Result<(), String> {
    let (Ok(precision), Ok(scale)) = (u8::try_from(decimal.precision()), i8::try_from(decimal.scale())) else {
        return Err(format!("a decimal of precision {} and scale {}", decimal.precision(), decimal.scale()));
    };
    let check = match decimal.bitWidth() {
        32 => validate_decimal_precision_and_scale::<Decimal32Type>,
        64 => validate_decimal_precision_and_scale::<Decimal64Type>,
        128 => validate_decimal_precision_and_scale::<Decimal128Type>,
        256 => validate_decimal_precision_and_scale::<Decimal256Type>,
        bits => return Err(format!("a decimal of {bits} bits")),
    };
    check(precision, scale).map_err(said)
}
