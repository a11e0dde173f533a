//! pyarrow's types, fields and schemas: a type is pickled as a call of the function that makes it, or as its alias.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};

use super::super::form::Call;
use super::super::list::{Listed, PyArrow};
use super::super::mismatch::{Mismatch, Result};
use super::super::read::Reader;
use super::object::{called, count, elements, text};
use super::zone;
use crate::pickle::{Node, NodeId};
use crate::table::MAX_DEPTH;

/// A type, and of a dictionary-encoded one whether its values have an order: in Arrow's Rust a field says so.
pub(super) struct Kind {
    pub(super) data_type: DataType,
    pub(super) is_ordered: bool,
}

impl From<DataType> for Kind {
    fn from(data_type: DataType) -> Self {
        Self { data_type, is_ordered: false }
    }
}

impl Kind {
    pub(super) fn field(self, name: &str, is_nullable: bool) -> Field {
        Field::new(name, self.data_type, is_nullable).with_dict_is_ordered(self.is_ordered)
    }
}

pub(super) fn read(reader: Reader<'_>, id: NodeId) -> Result<Kind> {
    within(reader, id, MAX_DEPTH)
}

/// A type that may have so many within each other.
fn within(reader: Reader<'_>, id: NodeId, depth: usize) -> Result<Kind> {
    reader.tree.spend(super::objects::PIECE)?;
    let depth = depth.checked_sub(1);
    let depth = depth
        .ok_or_else(|| Mismatch::because(format_args!("an Arrow type nested deeper than the limit of {MAX_DEPTH}")))?;
    let call = called(reader, id)?;
    let Listed::PyArrow(function) = call.listed else { return Err(call.odd()) };
    let below = |name: &str, id| item(reader, name, id, depth).map(Arc::new);
    Ok(match function {
        PyArrow::Alias => alias(text(reader, call, call.exactly::<1>()?[0])?)?.into(),
        PyArrow::Timestamp => {
            let [unit, zone] = call.exactly()?;
            let zone = match reader.tree.node(zone) {
                Node::None => None,
                _ => Some(zone::bounded(reader, text(reader, call, zone)?)?.into()),
            };
            DataType::Timestamp(time_unit(text(reader, call, unit)?).ok_or_else(|| call.odd())?, zone).into()
        }
        PyArrow::Decimal => decimal(reader, call)?.into(),
        PyArrow::Binary => DataType::FixedSizeBinary(width(reader, call, call.exactly::<1>()?[0])?).into(),
        PyArrow::List if call.arguments.len() == 2 => {
            let [item, len] = call.exactly()?;
            DataType::FixedSizeList(below("item", item)?, width(reader, call, len)?).into()
        }
        PyArrow::List => DataType::List(below("item", call.exactly::<1>()?[0])?).into(),
        PyArrow::LargeList => DataType::LargeList(below("item", call.exactly::<1>()?[0])?).into(),
        PyArrow::ListView => DataType::ListView(below("item", call.exactly::<1>()?[0])?).into(),
        PyArrow::LargeListView => DataType::LargeListView(below("item", call.exactly::<1>()?[0])?).into(),
        PyArrow::Struct => DataType::Struct(fields(reader, call, call.exactly::<1>()?[0], depth)?).into(),
        PyArrow::Map => {
            let [key, value] = call.between(3)?;
            let is_sorted = matches!(call.argument(2).map(|id| reader.tree.node(id)), Some(Node::Bool(true)));
            let key = below("key", key)?.as_ref().clone().with_nullable(false);
            let entries = DataType::Struct(Fields::from(vec![Arc::new(key), below("value", value)?]));
            DataType::Map(Arc::new(Field::new("entries", entries, false)), is_sorted).into()
        }
        PyArrow::Dictionary => {
            let [codes, values, is_ordered] = call.exactly()?;
            let codes = within(reader, codes, depth)?.data_type;
            if !codes.is_dictionary_key_type() {
                return Err(call.odd());
            }
            let data_type = DataType::Dictionary(Box::new(codes), Box::new(within(reader, values, depth)?.data_type));
            Kind { data_type, is_ordered: matches!(reader.tree.node(is_ordered), Node::Bool(true)) }
        }
        PyArrow::RunEndEncoded => {
            let [ends, values] = call.exactly()?;
            let ends = within(reader, ends, depth)?.data_type;
            if !ends.is_run_ends_type() {
                return Err(call.odd());
            }
            let ends = Arc::new(Field::new("run_ends", ends, false));
            DataType::RunEndEncoded(ends, below("values", values)?).into()
        }
        PyArrow::Union => union(reader, call, depth)?.into(),
        _ => return Err(call.odd()),
    })
}

/// The field of a list's items or the like: a field, or its type alone.
fn item(reader: Reader<'_>, name: &str, id: NodeId, depth: usize) -> Result<Field> {
    match called(reader, id)?.listed {
        Listed::PyArrow(PyArrow::Field) => field(reader, id, depth),
        _ => Ok(within(reader, id, depth)?.field(name, true)),
    }
}

/// `field(name, type, nullable, metadata)`.
fn field(reader: Reader<'_>, id: NodeId, depth: usize) -> Result<Field> {
    let call = called(reader, id)?;
    if call.listed != Listed::PyArrow(PyArrow::Field) {
        return Err(call.odd());
    }
    let [name, data_type, is_nullable, metadata] = call.exactly()?;
    let Node::Bool(is_nullable) = reader.tree.node(is_nullable) else { return Err(call.odd()) };
    let name = text(reader, call, name)?;
    reader.tree.spend(name.len())?;
    let field = within(reader, data_type, depth)?.field(name, is_nullable);
    Ok(field.with_metadata(self::metadata(reader, call, metadata)?))
}

fn fields<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId, depth: usize) -> Result<Fields> {
    elements(reader, call, id)?.map(|id| field(reader, id, depth)).collect::<Result<Vec<_>>>().map(Fields::from)
}

/// `schema(fields, metadata)`.
pub(super) fn schema(reader: Reader<'_>, id: NodeId) -> Result<Schema> {
    let call = called(reader, id)?;
    if call.listed != Listed::PyArrow(PyArrow::Schema) {
        return Err(call.odd());
    }
    let [fields, metadata] = call.exactly()?;
    let fields = self::fields(reader, call, fields, MAX_DEPTH)?;
    Ok(Schema::new(fields).with_metadata(self::metadata(reader, call, metadata)?))
}

/// A dict of bytes, which in Rust are text.
fn metadata<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<HashMap<String, String>> {
    let text = |id| {
        let bytes = reader.bytes_in(id)?;
        reader.tree.spend(16 + bytes.len())?;
        let text = String::from_utf8(bytes.into_owned());
        text.map_err(|_| Mismatch::because("metadata of an Arrow schema that is no UTF-8"))
    };
    let mut entries = match reader.tree.node(id) {
        Node::None => return Ok(HashMap::new()),
        Node::Dict(entries) => entries,
        _ => return Err(call.odd()),
    };
    let mut metadata = HashMap::new();
    while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
        metadata.insert(text(key)?, text(value)?);
    }
    Ok(metadata)
}

fn width<'g>(reader: Reader<'g>, call: Call<'g>, id: NodeId) -> Result<i32> {
    i32::try_from(count(reader, call, id)?).map_err(|_| call.odd())
}

/// `decimal128(precision, scale)`.
fn decimal<'g>(reader: Reader<'g>, call: Call<'g>) -> Result<DataType> {
    let parts = call.exactly::<2>()?.map(|id| match reader.tree.node(id) {
        Node::Int(value) => Some(value),
        _ => None,
    });
    let [Some(precision), Some(scale)] = parts else { return Err(call.odd()) };
    let (Ok(precision), Ok(scale)) = (precision.try_into(), scale.try_into()) else { return Err(call.odd()) };
    Ok(match call.name {
        "decimal32" => DataType::Decimal32(precision, scale),
        "decimal64" => DataType::Decimal64(precision, scale),
        "decimal128" => DataType::Decimal128(precision, scale),
        _ => DataType::Decimal256(precision, scale),
    })
}

/// `union(fields, "dense", [type id, ...])`.
fn union<'g>(reader: Reader<'g>, call: Call<'g>, depth: usize) -> Result<DataType> {
    let [fields, mode, ids] = call.exactly()?;
    let fields = self::fields(reader, call, fields, depth)?;
    let mode = match text(reader, call, mode)? {
        "dense" => UnionMode::Dense,
        "sparse" => UnionMode::Sparse,
        _ => return Err(call.odd()),
    };
    let id = |id| i8::try_from(count(reader, call, id)?).map_err(|_| call.odd());
    let ids = elements(reader, call, ids)?;
    if ids.len() != fields.len() || ids.len() > 128 {
        return Err(call.odd());
    }
    let ids = ids.map(id).collect::<Result<Vec<_>>>()?;
    let fields = UnionFields::try_new(ids, fields.iter().cloned()).map_err(|_| call.odd())?;
    Ok(DataType::Union(fields, mode))
}

fn time_unit(name: &str) -> Option<TimeUnit> {
    Some(match name {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" => TimeUnit::Microsecond,
        "ns" => TimeUnit::Nanosecond,
        _ => return None,
    })
}

/// A type by the name that `str(type)` gives.
fn alias(name: &str) -> Result<DataType> {
    let unit = || time_unit(name.split_once('[')?.1.strip_suffix(']')?);
    let unknown =
        || Mismatch::because(format_args!("the Arrow type {:?}, which is not read", crate::error::excerpt(name)));
    Ok(match name {
        "null" => DataType::Null,
        "bool" | "boolean" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "halffloat" | "float16" => DataType::Float16,
        "float" | "float32" => DataType::Float32,
        "double" | "float64" => DataType::Float64,
        "string" | "utf8" => DataType::Utf8,
        "large_string" | "large_utf8" => DataType::LargeUtf8,
        "string_view" => DataType::Utf8View,
        "binary" => DataType::Binary,
        "large_binary" => DataType::LargeBinary,
        "binary_view" => DataType::BinaryView,
        "date32" | "date32[day]" => DataType::Date32,
        "date64" | "date64[ms]" => DataType::Date64,
        "time32[s]" => DataType::Time32(TimeUnit::Second),
        "time32[ms]" => DataType::Time32(TimeUnit::Millisecond),
        "time64[us]" => DataType::Time64(TimeUnit::Microsecond),
        "time64[ns]" => DataType::Time64(TimeUnit::Nanosecond),
        "month_day_nano_interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        _ if name.starts_with("duration[") => DataType::Duration(unit().ok_or_else(unknown)?),
        _ if name.starts_with("timestamp[") => DataType::Timestamp(unit().ok_or_else(unknown)?, None),
        _ => return Err(unknown()),
    })
}
