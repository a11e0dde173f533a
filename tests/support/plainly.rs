//! A table as it is after it was a data frame of pandas', which has one type of text, one of bytes, and floats without nulls.

#![allow(dead_code, reason = "each test uses a part")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema};
use outband::Table;

/// The same rows in the types that pandas tells apart.
pub(crate) fn of_few_types(table: &Table) -> Table {
    each_column(table, |column| cast(column, &plain_type(column.data_type())).unwrap())
}

/// The same, and what is missing among floats is not a number: they have no nulls where nobody said that they are masked. Of
/// bytes that are all missing nobody knows that they are bytes.
pub(crate) fn plainly(table: &Table) -> Table {
    each_column(&of_few_types(table), |column| match column.data_type() {
        DataType::Float16 => {
            filled::<Float16Type>(column, <Float16Type as ArrowPrimitiveType>::Native::from_bits(0x7e00))
        }
        DataType::Float32 => filled::<Float32Type>(column, f32::NAN),
        DataType::Float64 => filled::<Float64Type>(column, f64::NAN),
        DataType::Binary if column.null_count() == column.len() => Arc::new(NullArray::new(column.len())),
        _ => column.clone(),
    })
}

fn each_column(table: &Table, change: impl Fn(&ArrayRef) -> ArrayRef) -> Table {
    let (schema, columns) = (table.batch().schema(), table.batch().columns());
    let columns: Vec<_> = columns.iter().map(change).collect();
    let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
        field.as_ref().clone().with_data_type(column.data_type().clone()).with_nullable(true)
    };
    let fields: Vec<_> = schema.fields().iter().zip(&columns).map(field).collect();
    let schema = Schema::new(fields).with_metadata(schema.metadata().clone());
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).unwrap().into()
}

fn filled<T: ArrowPrimitiveType>(column: &ArrayRef, nan: T::Native) -> ArrayRef {
    let values = column.as_primitive::<T>();
    Arc::new(PrimitiveArray::<T>::from_iter_values(values.iter().map(|value| value.unwrap_or(nan))))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(codes, values) => DataType::Dictionary(codes.clone(), Box::new(plain_type(values))),
        other => other.clone(),
    }
}
