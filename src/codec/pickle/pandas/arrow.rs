//! pyarrow's arrays, chunked arrays, record batches and tables: buffers as they lie in Arrow, with a place to begin.
//!
//! An array is `_restore_array((type, rows, nulls, offset, buffers, children, dictionary))`, its children and its dictionary
//! tuples of the same seven: `_reduce_array_data` in pyarrow's `array.pxi`.

use arrow_schema::{DataType, Schema, TimeUnit};

use super::super::form::Call;
use super::super::list::{Listed, PyArrow};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::came::{Came, Origin};
use super::given::Given;
use super::kind::{self, Kind};
use super::metadata;
use super::object::{buffer_of, called, count, elements, exactly};
use super::piece::{Piece, named};
use super::shown::Shown;
use crate::handoff::Place;
use crate::pickle::{Node, NodeId};
use crate::table::{Column, MAX_DEPTH, MAX_PARTS, Slot, fields_below, joined, window};

/// An array or a chunked array by itself: a table of one column, `values`.
pub(super) fn alone<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<Shown> {
    let Found { kind, column, chunks } = array(reader, reader.id)?;
    let origin = if call.listed == Listed::PyArrow(PyArrow::Array) { Origin::Array } else { Origin::Chunked };
    let rows = column.len;
    let schema = Schema::new(vec![kind.field("values", true)]).with_metadata(metadata::origin(origin.name()));
    Ok(Shown::new(reader, &schema, rows, vec![column])?.that_came(Came::of_pyarrow(origin, vec![chunks])))
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
    let column = |(id, name): (NodeId, &String)| {
        array(reader, id).map(|it| (it.column, it.chunks)).map_err(|why| named(name, why))
    };
    let names = schema.fields().iter().map(|field| field.name());
    let (columns, chunks): (Vec<_>, Vec<_>) =
        arrays.zip(names).map(column).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let rows = columns.first().map_or(0, |column| column.len);
    let origin = if call.listed == Listed::PyArrow(PyArrow::Batch) { Origin::Batch } else { Origin::Table };
    Ok(Shown::new(reader, &schema, rows, columns)?.that_came(Came::of_pyarrow(origin, chunks)))
}

/// A schema by itself: a table without rows.
pub(super) fn empty(reader: Reader<'_>) -> Result<Shown> {
    let mut schema = kind::schema(reader, reader.id)?;
    schema.metadata.extend(metadata::origin(Origin::Schema.name()));
    let empty =
        |data_type: &DataType| joined(Vec::new(), data_type).map(|(column, _)| column).map_err(Mismatch::because);
    let columns = schema.fields().iter().map(|field| empty(field.data_type())).collect::<Result<_>>()?;
    Ok(Shown::new(reader, &schema, 0, columns)?.that_came(Came::of_pyarrow(Origin::Schema, Vec::new())))
}

/// The column of an array or of a chunked array.
pub(super) fn values(reader: Reader<'_>, id: NodeId) -> Result<Piece> {
    let Found { kind, column, chunks } = array(reader, id)?;
    let mut piece = Piece::new(kind.data_type, 0, Vec::new());
    piece.categories = column.dictionary.as_ref().filter(|_| kind.is_ordered).map(|values| (values.len, true));
    piece.column = column;
    // pandas puts its chunks together before it pickles them
    if let Some(Ok([chunk])) = chunks.map(<[Given; 1]>::try_from) {
        piece.part.get_or_insert_default().arrow = Some(Box::new(chunk));
    }
    Ok(piece)
}

/// An array or a chunked array: as one column, and in the chunks in which it came, where they may be passed on.
struct Found {
    kind: Kind,
    column: Column,
    chunks: Option<Vec<Given>>,
}

fn array(reader: Reader<'_>, id: NodeId) -> Result<Found> {
    let call = called(reader, id)?;
    match call.listed {
        Listed::PyArrow(PyArrow::Array) => {
            let [parts] = call.exactly()?;
            let [kind, ..] = exactly::<7>(reader, call, parts)?;
            let kind = kind::read(reader, kind)?;
            let Restored { column, given, is_masked } = restored(reader, call, parts, &kind.data_type, MAX_DEPTH)?;
            let chunks = (!is_masked).then(|| vec![given]);
            Ok(Found { kind, column, chunks })
        }
        Listed::PyArrow(PyArrow::Chunked) => {
            let [chunks, kind] = call.exactly()?;
            let kind = kind::read(reader, kind)?;
            let chunk = |id| {
                let chunk = array(reader, id)?;
                if chunk.kind.data_type != kind.data_type {
                    let (own, whole) = (chunk.kind.data_type, &kind.data_type);
                    return Err(Mismatch::because(format_args!("a chunk of {own} in an array of {whole}")));
                }
                Ok(chunk)
            };
            let chunks = elements(reader, call, chunks)?;
            // one chunk is not looked into, so that arrays of arrays are no deeper than this
            let chunks = chunks.map(|id| match called(reader, id)?.listed {
                Listed::PyArrow(PyArrow::Array) => chunk(id),
                _ => Err(call.odd()),
            });
            let (mut columns, mut given) = (Vec::new(), Some(Vec::new()));
            for chunk in chunks {
                let chunk = chunk?;
                columns.push(chunk.column);
                match (&mut given, chunk.chunks) {
                    (Some(given), Some(chunks)) => given.extend(chunks),
                    _ => given = None,
                }
            }
            let (column, is_masked) = joined(columns, &kind.data_type).map_err(Mismatch::because)?;
            let chunks = given.filter(|_| !is_masked);
            Ok(Found { kind, column, chunks })
        }
        _ => Err(call.odd()),
    }
}

/// An array as a column, and as it came.
struct Restored {
    column: Column,
    given: Given,
    /// Whether null rows had to become something else.
    is_masked: bool,
}

/// An array in seven parts. The type of one below another follows from the type of that.
fn restored<'g>(
    reader: Reader<'g>,
    call: Call<'g>,
    parts: NodeId,
    data_type: &DataType,
    depth: usize,
) -> Result<Restored> {
    reader.tree.spend(super::objects::PIECE)?;
    let depth = depth.checked_sub(1).ok_or_else(|| call.odd())?;
    let [_, rows, nulls, offset, buffers, children, dictionary] = exactly(reader, call, parts)?;
    let (rows, offset) = (count(reader, call, rows)?, count(reader, call, offset)?);
    let slot = |id| {
        Ok(match reader.tree.node(id) {
            Node::None => Slot::NONE,
            Node::Object(object) => {
                let made = reader.call(object)?;
                match made.listed {
                    Listed::PyArrow(PyArrow::Buffer) => {
                        let bytes = made.exactly::<1>()?[0];
                        let slot = Slot::of(buffer_of(reader, bytes)?, 1);
                        let is_chosen = reader.tree.has_frames() && !is_frame(reader, bytes);
                        if is_chosen { slot.that_was(Place::InBand) } else { slot }
                    }
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
    reader.tree.spend(super::objects::PIECE + buffers.len().saturating_mul(SLOT))?;
    let buffers = buffers.map(slot).collect::<Result<Vec<_>>>()?;
    let below = fields_below(data_type);
    let children = elements(reader, call, children)?;
    if children.len() != below.len() {
        let (fields, arrays) = (below.len(), children.len());
        return Err(Mismatch::because(format_args!("{arrays} arrays below one of {data_type}, which has {fields}")));
    }
    let (mut columns, mut given, mut is_masked) = (Vec::new(), Vec::new(), false);
    for (id, field) in children.zip(below) {
        let child = restored(reader, call, id, field.data_type(), depth)?;
        columns.push(child.column);
        given.push(child.given);
        is_masked |= child.is_masked;
    }
    let (values, given_values) = match (reader.tree.node(dictionary), data_type) {
        (Node::None, _) => (None, None),
        (_, DataType::Dictionary(_, values)) => {
            let values = restored(reader, call, dictionary, values, depth)?;
            is_masked |= values.is_masked;
            (Some(Box::new(values.column)), Some(Box::new(values.given)))
        }
        _ => return Err(call.odd()),
    };
    let column = Column { len: rows, nulls: 0, buffers: buffers.clone(), children: columns, dictionary: values };
    let (column, has_masked) = window(column, data_type, offset).map_err(Mismatch::because)?;
    // all of a null array is null
    let counted = if *data_type == DataType::Null { rows } else { column.nulls };
    // to pyarrow an array that has none has no bits of validity either
    let nulls = if matches!(reader.tree.node(nulls), Node::Int(-1)) { None } else { Some(counted) };
    let given = Given { rows, nulls, offset, buffers, children: given, dictionary: given_values };
    Ok(Restored { column, given, is_masked: is_masked || has_masked })
}

/// What a buffer of an array costs, wherever it lies.
const SLOT: usize = 32;

/// Whether a buffer is a frame.
fn is_frame(reader: Reader<'_>, id: NodeId) -> bool {
    matches!(reader.tree.shown(id), Node::Buffer { .. })
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
