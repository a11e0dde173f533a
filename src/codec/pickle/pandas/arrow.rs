//! pyarrow's arrays, chunked arrays, record batches and tables: buffers as they lie in Arrow, with a place to begin.
//!
//! An array is `_restore_array((type, rows, nulls, offset, buffers, children, dictionary))`, its children and its dictionary
//! tuples of the same seven: `_reduce_array_data` in pyarrow's `array.pxi`.

use arrow_schema::{DataType, Schema, TimeUnit};

use super::super::form::Call;
use super::super::list::{Listed, PyArrow};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::kind::{self, Kind};
use super::metadata;
use super::object::{buffer_of, called, count, elements, exactly};
use super::piece::{Piece, named};
use super::shown::Shown;
use crate::pickle::{Node, NodeId};
use crate::table::{Column, MAX_DEPTH, MAX_PARTS, Slot, fields_below, joined, window};

/// An array or a chunked array by itself: a table of one column, `values`.
pub(super) fn alone<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let (kind, column) = array(reader, reader.id)?;
    let origin = if call.listed == Listed::PyArrow(PyArrow::Array) { "pyarrow.Array" } else { "pyarrow.ChunkedArray" };
    let rows = column.len;
    let schema = Schema::new(vec![kind.field("values", true)]).with_metadata(metadata::origin(origin));
    Shown::new(reader, &schema, rows, vec![column])
}

/// `_reconstruct_record_batch(arrays, schema)` and `_reconstruct_table(chunked arrays, schema)`.
pub(super) fn table<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let [arrays, schema] = call.exactly()?;
    let schema = kind::schema(reader, schema)?;
    let arrays = elements(reader, call, arrays)?;
    if arrays.len() != schema.fields().len() {
        let (arrays, fields) = (arrays.len(), schema.fields().len());
        return Err(Mismatch::because(format_args!("a schema of {fields} fields for {arrays} columns")));
    }
    let column =
        |(id, name): (NodeId, &String)| array(reader, id).map(|(_, column)| column).map_err(|why| named(name, why));
    let names = schema.fields().iter().map(|field| field.name());
    let columns = arrays.zip(names).map(column).collect::<Result<Vec<_>>>()?;
    let rows = columns.first().map_or(0, |column| column.len);
    Shown::new(reader, &schema, rows, columns)
}

/// A schema by itself: a table without rows.
pub(super) fn empty(reader: Reader<'_>) -> Result<Shown> {
    let mut schema = kind::schema(reader, reader.id)?;
    schema.metadata.extend(metadata::origin("pyarrow.Schema"));
    let empty = |data_type: &DataType| joined(Vec::new(), data_type).map_err(Mismatch::because);
    let columns = schema.fields().iter().map(|field| empty(field.data_type())).collect::<Result<_>>()?;
    Shown::new(reader, &schema, 0, columns)
}

/// The column of an array or of a chunked array.
pub(super) fn values(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    let (kind, column) = array(reader, id)?;
    let mut piece = Piece::new(kind.data_type, 0, Vec::new());
    piece.column = column;
    Ok(piece)
}

fn array(reader: Reader<'_>, id: NodeId) -> Result<(Kind, Column)> {
    let call = called(reader, id)?;
    match call.listed {
        Listed::PyArrow(PyArrow::Array) => {
            let [parts] = call.exactly()?;
            let [kind, ..] = exactly::<7>(reader, call, parts)?;
            let kind = kind::read(reader, kind)?;
            let column = restored(reader, call, parts, &kind.data_type, MAX_DEPTH)?;
            Ok((kind, column))
        }
        Listed::PyArrow(PyArrow::Chunked) => {
            let [chunks, kind] = call.exactly()?;
            let kind = kind::read(reader, kind)?;
            let chunk = |id| {
                let (own, column) = array(reader, id)?;
                if own.data_type != kind.data_type {
                    let (own, whole) = (own.data_type, &kind.data_type);
                    return Err(Mismatch::because(format_args!("a chunk of {own} in an array of {whole}")));
                }
                Ok(column)
            };
            let chunks = elements(reader, call, chunks)?;
            // one chunk is not looked into, so that arrays of arrays are no deeper than this
            let chunks = chunks.map(|id| match called(reader, id)?.listed {
                Listed::PyArrow(PyArrow::Array) => chunk(id),
                _ => Err(call.odd()),
            });
            let column = joined(chunks.collect::<Result<_>>()?, &kind.data_type).map_err(Mismatch::because)?;
            Ok((kind, column))
        }
        _ => Err(call.odd()),
    }
}

/// An array in seven parts. The type of one below another follows from the type of that.
fn restored<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    parts: NodeId,
    data_type: &DataType,
    depth: usize,
) -> Result<Column> {
    reader.tree.spend(super::objects::PIECE)?;
    let depth = depth.checked_sub(1).ok_or_else(|| call.odd())?;
    let [_, rows, _, offset, buffers, children, dictionary] = exactly(reader, call, parts)?;
    let (rows, offset) = (count(reader, call, rows)?, count(reader, call, offset)?);
    let slot = |id| {
        Ok(match reader.tree.node(id) {
            Node::None => Slot::NONE,
            Node::Object(object) => {
                let made = reader.call(object)?;
                match made.listed {
                    Listed::PyArrow(PyArrow::Buffer) => Slot::of(buffer_of(reader, made.exactly::<1>()?[0])?, 1),
                    _ => return Err(call.odd()),
                }
            }
            _ => return Err(call.odd()),
        })
    };
    let buffers = elements(reader, call, buffers)?;
    if buffers.len() > MAX_PARTS {
        return Err(call.odd());
    }
    let buffers = buffers.map(slot).collect::<Result<_>>()?;
    let below = fields_below(data_type);
    let children = elements(reader, call, children)?;
    if children.len() != below.len() {
        let (fields, arrays) = (below.len(), children.len());
        return Err(Mismatch::because(format_args!("{arrays} arrays below one of {data_type}, which has {fields}")));
    }
    let child = |(id, field): (NodeId, &arrow_schema::Field)| restored(reader, call, id, field.data_type(), depth);
    let children = children.zip(below).map(child).collect::<Result<_>>()?;
    let dictionary = match (reader.tree.node(dictionary), data_type) {
        (Node::None, _) => None,
        (_, DataType::Dictionary(_, values)) => Some(Box::new(restored(reader, call, dictionary, values, depth)?)),
        _ => return Err(call.odd()),
    };
    let column = Column { len: rows, nulls: 0, buffers, children, dictionary };
    window(column, data_type, offset).map_err(Mismatch::because)
}

/// Whether a column of this type holds text.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The name of a type in pyarrow, which pandas reads again where the type has no parts.
pub(in crate::codec::pickle) fn name(data_type: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Float16 => "halffloat".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::LargeUtf8 => "large_string".to_owned(),
        DataType::Utf8View => "string_view".to_owned(),
        DataType::LargeBinary => "large_binary".to_owned(),
        DataType::BinaryView => "binary_view".to_owned(),
        DataType::Date32 => "date32[day]".to_owned(),
        DataType::Date64 => "date64[ms]".to_owned(),
        DataType::Time32(step) => format!("time32[{}]", unit(step)),
        DataType::Time64(step) => format!("time64[{}]", unit(step)),
        DataType::Duration(step) => format!("duration[{}]", unit(step)),
        DataType::Timestamp(step, None) => format!("timestamp[{}]", unit(step)),
        DataType::Timestamp(step, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit(step)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        DataType::List(field) => format!("list<{}: {}>", field.name(), name(field.data_type())),
        DataType::LargeList(field) => format!("large_list<{}: {}>", field.name(), name(field.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|field| format!("{}: {}", field.name(), name(field.data_type()))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Dictionary(codes, values) => {
            format!("dictionary<values={}, indices={}, ordered=0>", name(values), name(codes))
        }
        // int8 ... uint64, binary
        plain => plain.to_string().to_lowercase(),
    }
}
