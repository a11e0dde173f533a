//! Arrow's types, fields and schemas as pyarrow pickles them: calls of the functions that make them.

use arrow_schema::{DataType, Field, Fields, IntervalUnit, Metadata, Schema, UnionMode};
use serde::ser::Error as _;

use super::Writer;
use super::column::short;
use crate::codec::pickle::pandas::name;
use crate::codec::unserializable::{Result, Unserializable};
use crate::pickle::opcode as op;

impl Writer<'_> {
    /// A type, whose values have an order where it is that of a dictionary.
    pub(super) fn arrow_type(&mut self, data_type: &DataType, is_ordered: bool) -> Result<()> {
        match data_type {
            DataType::Timestamp(unit, zone) => {
                self.global("pyarrow.lib", "timestamp");
                self.out.text(short(*unit));
                match zone {
                    Some(zone) => self.out.text(zone),
                    None => self.out.op(op::NONE),
                }
                self.out.op(op::TUPLE2);
            }
            DataType::Decimal32(precision, scale) => self.decimal("decimal32", *precision, *scale),
            DataType::Decimal64(precision, scale) => self.decimal("decimal64", *precision, *scale),
            DataType::Decimal128(precision, scale) => self.decimal("decimal128", *precision, *scale),
            DataType::Decimal256(precision, scale) => self.decimal("decimal256", *precision, *scale),
            DataType::FixedSizeBinary(len) => {
                self.global("pyarrow.lib", "binary");
                self.out.int((*len).into());
                self.out.op(op::TUPLE1);
            }
            DataType::List(item) => self.list_type("list_", item)?,
            DataType::LargeList(item) => self.list_type("large_list", item)?,
            DataType::ListView(item) => self.list_type("list_view", item)?,
            DataType::LargeListView(item) => self.list_type("large_list_view", item)?,
            DataType::FixedSizeList(item, len) => {
                self.global("pyarrow.lib", "list_");
                self.field(item)?;
                self.out.int((*len).into());
                self.out.op(op::TUPLE2);
            }
            DataType::Struct(fields) => {
                self.global("pyarrow.lib", "struct");
                self.fields(fields)?;
                self.out.op(op::TUPLE1);
            }
            DataType::Map(entries, is_sorted) => {
                let DataType::Struct(parts) = entries.data_type() else { return Err(without_form(data_type)) };
                let [key, value] = &parts[..] else { return Err(without_form(data_type)) };
                self.global("pyarrow.lib", "map_");
                self.field(key)?;
                self.field(value)?;
                match is_sorted {
                    true => self.out.ops(&[op::NEWTRUE, op::TUPLE3]),
                    false => self.out.op(op::TUPLE2),
                }
            }
            DataType::Dictionary(codes, values) => {
                self.global("pyarrow.lib", "dictionary");
                self.arrow_type(codes, false)?;
                self.arrow_type(values, false)?;
                self.out.bool(is_ordered);
                self.out.op(op::TUPLE3);
            }
            DataType::RunEndEncoded(ends, values) => {
                self.global("pyarrow.lib", "run_end_encoded");
                self.arrow_type(ends.data_type(), false)?;
                self.arrow_type(values.data_type(), values.dict_is_ordered().unwrap_or(false))?;
                self.out.op(op::TUPLE2);
            }
            DataType::Union(fields, mode) => {
                self.global("pyarrow.lib", "union");
                self.out.ops(&[op::EMPTY_LIST, op::MARK]);
                fields.iter().try_for_each(|(_, field)| self.field(field))?;
                self.out.op(op::APPENDS);
                self.out.text(if *mode == UnionMode::Dense { "dense" } else { "sparse" });
                self.out.ops(&[op::EMPTY_LIST, op::MARK]);
                fields.iter().for_each(|(id, _)| self.out.int(id.into()));
                self.out.ops(&[op::APPENDS, op::TUPLE3]);
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => self.alias("month_day_nano_interval"),
            DataType::Interval(_) => return Err(without_form(data_type)),
            plain => self.alias(&name(plain)),
        }
        self.out.op(op::REDUCE);
        Ok(())
    }

    fn alias(&mut self, name: &str) {
        self.global("pyarrow.lib", "type_for_alias");
        self.out.text(name);
        self.out.op(op::TUPLE1);
    }

    fn decimal(&mut self, function: &'static str, precision: u8, scale: i8) {
        self.global("pyarrow.lib", function);
        self.out.int(precision.into());
        self.out.int(scale.into());
        self.out.op(op::TUPLE2);
    }

    fn list_type(&mut self, function: &'static str, item: &Field) -> Result<()> {
        self.global("pyarrow.lib", function);
        self.field(item)?;
        self.out.op(op::TUPLE1);
        Ok(())
    }

    /// `field(name, type, nullable, metadata)`.
    fn field(&mut self, field: &Field) -> Result<()> {
        self.check_room(field.name().len())?;
        self.global("pyarrow.lib", "field");
        self.out.op(op::MARK);
        self.out.text(field.name());
        self.arrow_type(field.data_type(), field.dict_is_ordered().unwrap_or(false))?;
        self.out.bool(field.is_nullable());
        self.metadata(field.metadata())?;
        self.out.ops(&[op::TUPLE, op::REDUCE]);
        Ok(())
    }

    fn fields(&mut self, fields: &Fields) -> Result<()> {
        self.out.ops(&[op::EMPTY_LIST, op::MARK]);
        fields.iter().try_for_each(|field| self.field(field))?;
        self.out.op(op::APPENDS);
        Ok(())
    }

    /// `schema([field, ...], metadata)`, without what a table says of where it is from.
    pub(super) fn schema(&mut self, schema: &Schema, metadata: &Metadata) -> Result<()> {
        self.global("pyarrow.lib", "schema");
        self.fields(&schema.fields)?;
        self.metadata(metadata)?;
        self.out.ops(&[op::TUPLE2, op::REDUCE]);
        Ok(())
    }

    fn metadata(&mut self, metadata: &Metadata) -> Result<()> {
        if metadata.is_empty() {
            self.out.op(op::NONE);
            return Ok(());
        }
        let mut entries: Vec<_> = metadata.iter().collect();
        entries.sort();
        self.out.ops(&[op::EMPTY_DICT, op::MARK]);
        for (key, value) in entries {
            self.check_room(key.len().saturating_add(value.len()))?;
            self.out.bytes(key.as_bytes());
            self.out.bytes(value.as_bytes());
        }
        self.out.op(op::SETITEMS);
        Ok(())
    }
}

fn without_form(data_type: &DataType) -> Unserializable {
    Unserializable::custom(format_args!(
        "{data_type}, which pyarrow does not have: send the table in the default format"
    ))
}
