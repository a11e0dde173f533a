//! Forged tables end in an error that names the column, or in a batch that is valid: never in a panic, an abort or a large
//! allocation.
//!
//! Everything runs on a stack of 512 KiB and is measured by an allocator that counts.

#![cfg(feature = "arrow")]

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_empty_array};
use arrow_buffer::{Buffer as ArrowBuffer, OffsetBuffer};
use arrow_ipc::{
    DecimalBuilder, Endianness, FieldBuilder, FixedSizeBinaryBuilder, FixedSizeListBuilder, MessageBuilder,
    MessageHeader, MetadataVersion, NullBuilder, SchemaBuilder, Struct_Builder, Type, UnionBuilder,
};
use arrow_schema::{DataType, Field, Fields, Schema, UnionFields, UnionMode};
use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};
use outband::{
    Buffer, Decode, Encode, ErrorKind, Json, Limits, MsgPack, Multipart, Table, Value, from_multipart, memory,
    to_multipart,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::batches::{batch, types};
use crate::counting::measure;
use crate::forged::{Column, Wire};
use crate::random::Random;
use crate::stack::on_a_small_stack;

fn plain(len: u64, nulls: u64, buffers: Vec<Option<Buffer>>, children: Vec<Column>) -> Column {
    Column::Plain(len, nulls, buffers, children)
}

fn of<T: outband::Element>(elements: &[T]) -> Option<Buffer> {
    Some(Buffer::from_vec(elements.to_vec()))
}

fn schema_of(fields: Vec<Field>) -> ByteBuf {
    let schema = Arc::new(Schema::new(fields));
    let columns = schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(0));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options).unwrap();
    from_multipart::<Wire>(to_multipart(&Table::from(batch)).unwrap()).unwrap().schema
}

/// One column of a type, as somebody forged it.
fn forged(data_type: DataType, column: Column) -> Wire {
    forged_field(Field::new("it", data_type, true), column)
}

fn forged_field(field: Field, mut column: Column) -> Wire {
    Wire { schema: schema_of(vec![field]), rows: *column.len(), columns: vec![column] }
}

/// What a receiver does with a table that it has.
fn use_up(table: &Table) {
    for array in table.batch().columns() {
        array.to_data().validate_full().unwrap();
    }
    let _ = format!("{table} {table:?}");
    if table.rows() < 1000 {
        let again = to_multipart(table).unwrap();
        assert_eq!(&from_multipart::<Table>(again).unwrap(), table);
    }
}

fn refused(wire: &Wire, text: &str) {
    for codec in [MsgPack::new().out_of_band_from(1), MsgPack::new()] {
        refused_message(codec.encode(wire).unwrap(), text);
    }
}

fn refused_message(message: Multipart, text: &str) {
    let (result, usage) = measure(|| from_multipart::<Table>(message));
    let error = result.expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Peer, "{error}");
    assert!(error.to_string().contains(text), "{text:?} is not in: {error}");
    assert!(error.to_string().len() < 1024, "{error}");
    assert!(usage.peak < 1 << 20, "{text}: {usage:?}");
}

fn accepted(wire: &Wire) -> Table {
    let (result, usage) = measure(|| from_multipart::<Table>(to_multipart(wire).unwrap()));
    assert!(usage.peak < 1 << 20, "{usage:?}");
    let table = result.unwrap();
    use_up(&table);
    table
}

/// How many bytes are counted as copied when a table arrives in frames of its own.
fn copied(wire: &Wire) -> u64 {
    let message = MsgPack::new().out_of_band_from(1).encode(wire).unwrap();
    let before = memory::copied_bytes();
    from_multipart::<Table>(message).unwrap();
    memory::copied_bytes() - before
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

#[test]
fn the_forgeries_begin_as_good_tables() {
    on_a_small_stack(|| {
        accepted(&forged(DataType::Int32, plain(2, 0, vec![None, of(&[1, 2])], vec![])));
        accepted(&forged(DataType::Int32, plain(2, 1, vec![of(&[1_u8]), of(&[1, 2])], vec![])));
        accepted(&forged(DataType::Utf8, plain(2, 0, vec![None, of(&[0, 1, 3]), of("aø".as_bytes())], vec![])));
        // an empty array may lack its buffers, as pyarrow's do
        accepted(&forged(DataType::Utf8, plain(0, 0, vec![None, None, None], vec![])));
        accepted(&forged(DataType::Null, plain(1 << 40, 1 << 40, vec![None], vec![])));
        let values = plain(2, 0, vec![None, of(&[7_i64, 8])], vec![]);
        accepted(&forged(dictionary(), Column::Keyed(3, 0, vec![None, of(&[0_i8, 1, 1])], vec![], Box::new(values))));
    });
}

#[test]
fn lengths_and_counts_that_do_not_fit_are_refused() {
    on_a_small_stack(|| {
        let ints = |len, nulls, buffers| forged(DataType::Int32, plain(len, nulls, buffers, vec![]));
        let good = ints(2, 0, vec![None, of(&[1, 2])]);
        refused(&Wire { rows: 3, ..good.clone() }, "column it: 2 rows, and the table has 3");
        refused(&Wire { rows: u64::MAX, ..good.clone() }, "18446744073709551615 rows are more than");
        refused(&Wire { columns: vec![], ..good.clone() }, "1 fields and the table 0 columns");
        refused(&Wire { columns: vec![good.columns[0].clone(); 2], ..good }, "1 fields and the table 2 columns");
        refused(&ints(3, 0, vec![None, of(&[1, 2])]), "Need at least 12 bytes");
        refused(&ints(1 << 47, 0, vec![None, of(&[1, 2])]), "column it: ");
        refused(&ints(1 << 60, 0, vec![None, of(&[1, 2])]), "rows are more than the limit");
        refused(&ints(2, 0, vec![]), "no buffers");
        refused(&ints(2, 0, vec![None]), "column it: 1 buffers, and Int32 has 2");
        refused(&ints(2, 0, vec![None, None]), "Need at least 8 bytes");
        refused(&ints(2, 0, vec![None, of(&[1, 2]), of(&[1])]), "1 buffers more");
        refused(&ints(2, 1, vec![None, of(&[1, 2])]), "no bitmap that says which");
        refused(&ints(2, 2, vec![of(&[1_u8]), of(&[1, 2])]), "2 nulls announced, and 1 are there");
        refused(&ints(2, 0, vec![of(&[1_u8]), of(&[1, 2])]), "0 nulls announced, and 1 are there");
        refused(&ints(9, 0, vec![of(&[255_u8]), of(&[0; 9])]), "a validity bitmap of 1 bytes for 9 rows");
        refused(&forged(DataType::Boolean, plain(9, 0, vec![None, of(&[1_u8])], vec![])), "Need at least 2 bytes");
        refused(&forged(DataType::Null, plain(9, 0, vec![of(&[1_u8, 1])], vec![])), "a validity bitmap, which Null");
        refused(&forged(DataType::Null, plain(9, 3, vec![None], vec![])), "no bitmap");
        let strict = Field::new("it", DataType::Int32, false);
        refused(&forged_field(strict, plain(2, 1, vec![of(&[1_u8]), of(&[1, 2])], vec![])), "non-nullable");
        let mut with_child = ints(2, 0, vec![None, of(&[1, 2])]);
        with_child.columns[0].children().push(plain(0, 0, vec![None], vec![]));
        refused(&with_child, "1 children, and Int32 has 0");
    });
}

#[test]
fn offsets_and_text_that_do_not_fit_are_refused() {
    on_a_small_stack(|| {
        let texts = |offsets: &[i32], values: &[u8]| {
            let buffers = vec![None, of(offsets), of(values)];
            forged(DataType::Utf8, plain(offsets.len() as u64 - 1, 0, buffers, vec![]))
        };
        refused(&texts(&[0, 2, 1, 3], b"abc"), "column it: offsets that are negative or not in order");
        let short = plain(3, 0, vec![None, of(&[0, 1, 3]), of(b"abc")], vec![]);
        refused(&forged(DataType::Utf8, short), "column it: 12 bytes of offsets for 3 rows");
        let none = plain(1, 0, vec![None, None, of(b"abc")], vec![]);
        refused(&forged(DataType::LargeUtf8, none), "column it: 0 bytes of offsets for 1 rows");
        refused(&texts(&[0, 2, 4], b"abc"), "column it: ");
        refused(&texts(&[-1, 2, 3], b"abc"), "column it: ");
        refused(&texts(&[0, -2, 3], b"abc"), "column it: ");
        refused(&texts(&[3, 2, 3], b"abc"), "column it: ");
        refused(&texts(&[0, 1, 3], b"a\xff\xff"), "column it: ");
        refused(&texts(&[0, 2, 3], "aø".as_bytes()), "column it: ");
        refused(&texts(&[0, 5, 3], b"abc"), "column it: ");
        let large = |offsets: &[i64]| {
            let buffers = vec![None, of(offsets), of(b"abc")];
            forged(DataType::LargeBinary, plain(offsets.len() as u64 - 1, 0, buffers, vec![]))
        };
        refused(&large(&[0, i64::MAX, 3]), "column it: ");
        refused(&large(&[0, i64::MIN, 3]), "column it: ");
        let lists = |offsets: &[i32]| {
            let child = plain(3, 0, vec![None, of(&[1_i16, 2, 3])], vec![]);
            let buffers = vec![None, of(offsets)];
            forged(DataType::List(item(DataType::Int16)), plain(offsets.len() as u64 - 1, 0, buffers, vec![child]))
        };
        refused(&lists(&[0, 2, 4]), "column it: ");
        refused(&lists(&[0, 3, 2]), "column it: ");
        refused(&lists(&[0, -1, 2]), "column it: ");
        let views = |offsets: &[i64], sizes: &[i64]| {
            let child = plain(3, 0, vec![None, of(&[1_i16, 2, 3])], vec![]);
            let buffers = vec![None, of(offsets), of(sizes)];
            let data_type = DataType::LargeListView(item(DataType::Int16));
            forged(data_type, plain(offsets.len() as u64, 0, buffers, vec![child]))
        };
        accepted(&views(&[2, 0], &[1, 2]));
        refused(&views(&[2, 0], &[2, 2]), "column it: ");
        refused(&views(&[i64::MAX], &[i64::MAX]), "column it: ");
        refused(&views(&[-1], &[1]), "column it: ");
        refused(&views(&[0, 0], &[1]), "column it: ");
    });
}

#[test]
fn views_that_look_elsewhere_are_refused() {
    on_a_small_stack(|| {
        let text = b"a text of more than twelve bytes";
        let view = |len: u32, prefix: &[u8; 4], buffer: u32, offset: u32| {
            u128::from(len)
                | u128::from(u32::from_le_bytes(*prefix)) << 32
                | u128::from(buffer) << 64
                | u128::from(offset) << 96
        };
        let views = |view: u128, text: &[u8]| {
            forged(DataType::Utf8View, plain(1, 0, vec![None, of(&[view]), of(text)], vec![]))
        };
        accepted(&views(view(32, b"a te", 0, 0), text));
        refused(&views(view(33, b"a te", 0, 0), text), "column it: ");
        refused(&views(view(32, b"a te", 0, 1), text), "column it: ");
        refused(&views(view(32, b"a te", 0, u32::MAX), text), "column it: ");
        refused(&views(view(u32::MAX, b"a te", 0, u32::MAX), text), "column it: ");
        refused(&views(view(32, b"a te", 1, 0), text), "column it: ");
        refused(&views(view(32, b"b te", 0, 0), text), "column it: ");
        refused(&views(view(4, b"a te", 1, 0), text), "column it: ");
        refused(&views(view(4, b"\xff\xff\xff\xff", 0, 0), text), "column it: ");
        refused(&views(view(32, b"a te", 0, 0), b"a text of more \xff\xff\xff\xffthan twelve bytes"), "column it: ");
        let none = forged(DataType::Utf8View, plain(1, 0, vec![None, of(&[view(32, b"a te", 0, 0)])], vec![]));
        refused(&none, "column it: ");
    });
}

#[test]
fn null_rows_may_hold_anything() {
    on_a_small_stack(|| {
        let text = b"a text of more than twelve bytes";
        let view = |len: u32, rest: [u32; 3]| {
            [len, rest[0], rest[1], rest[2]].iter().rev().fold(0_u128, |view, &part| view << 32 | u128::from(part))
        };
        let prefix = u32::from_le_bytes(*b"a te");
        let good = view(32, [prefix, 0, 0]);
        let others = [
            view(4, [prefix, 1, 0]),               // something behind a short text
            view(2, [0xffff, 0, 0]),               // no UTF-8
            view(32, [prefix + 1, 0, 0]),          // another prefix
            view(32, [prefix, 7, 0]),              // a buffer that is not there
            view(32, [prefix, 0, u32::MAX]),       // a part that is not there
            view(u32::MAX, [prefix, 0, u32::MAX]), // of negative length
        ];
        for data_type in [DataType::Utf8View, DataType::BinaryView] {
            for other in others {
                let column = |valid: u8| {
                    let nulls = u64::from(3 - valid.count_ones());
                    let bits = Some(Buffer::from(vec![valid])).filter(|_| nulls > 0);
                    let views = of(&[other, good, other]);
                    forged(data_type.clone(), plain(3, nulls, vec![bits, views, of(text)], vec![]))
                };
                let table = accepted(&column(0b010));
                let array = table.batch().column(0);
                assert_eq!((array.null_count(), array.is_valid(1)), (2, true));
                // the views, which are made anew
                let is_any = other == view(2, [0xffff, 0, 0]) && data_type == DataType::BinaryView;
                assert_eq!(copied(&column(0b010)), if is_any { 0 } else { 48 });
                if other != view(2, [0xffff, 0, 0]) || data_type == DataType::Utf8View {
                    refused(&column(0b011), "column it: ");
                    refused(&column(0b111), "column it: ");
                }
            }
            // too few of them, and nulls behind
            let short = plain(4, 3, vec![of(&[0b0010_u8]), of(&[others[0], good]), of(text)], vec![]);
            refused(&forged(data_type, short), "column it: ");
        }
        for data_type in [DataType::Utf8, DataType::LargeUtf8] {
            let texts = |valid: u8, values: &[u8], ends: [i32; 3]| {
                let offsets = match data_type {
                    DataType::Utf8 => of(&[0, ends[0], ends[1], ends[2]]),
                    _ => of(&[0, ends[0].into(), ends[1].into(), i64::from(ends[2])]),
                };
                let nulls = u64::from(3 - valid.count_ones());
                forged(data_type.clone(), plain(3, nulls, vec![of(&[valid]), offsets, of(values)], vec![]))
            };
            let values = b"ab\xff\xf8\xc3\xb8\xc3";
            let table = accepted(&texts(0b010, values, [4, 6, 7]));
            let cells = table.batch().column(0).clone();
            assert_eq!(cells.to_data().buffers()[1].as_slice(), b"\0\0\0\0\xc3\xb8\0");
            assert_eq!(copied(&texts(0b010, values, [4, 6, 7])), 7, "the text");
            refused(&texts(0b011, values, [4, 6, 7]), "column it: ");
            refused(&texts(0b110, values, [4, 6, 7]), "column it: ");
            // what is valid begins and ends with a whole character
            refused(&texts(0b010, values, [4, 5, 7]), "column it: ");
            refused(&texts(0b010, values, [4, 3, 7]), "column it: offsets");
            refused(&texts(0b010, values, [4, 6, 8]), "column it: ");
        }
        for data_type in [DataType::ListView(item(DataType::Int16)), DataType::LargeListView(item(DataType::Int16))] {
            let wide = |parts: &[i32]| match data_type {
                DataType::ListView(_) => of(parts),
                _ => of(&parts.iter().map(|&part| i64::from(part)).collect::<Vec<_>>()),
            };
            for (start, size) in [(100, 1), (-1, 1), (1, -1), (1, 9), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN)] {
                let lists = |valid: u8| {
                    let nulls = u64::from(3 - valid.count_ones());
                    let child = plain(3, 0, vec![None, of(&[1_i16, 2, 3])], vec![]);
                    let bits = Some(Buffer::from(vec![valid])).filter(|_| nulls > 0);
                    let buffers = vec![bits, wide(&[start, 1, start]), wide(&[size, 2, size])];
                    forged(data_type.clone(), plain(3, nulls, buffers, vec![child]))
                };
                let cells = accepted(&lists(0b010)).batch().column(0).clone();
                let row = cells.to_data().buffers().iter().map(|buffer| buffer.len() / 3).collect::<Vec<_>>();
                assert_eq!((cells.null_count(), cells.is_valid(1), row[0]), (2, true, row[1]));
                assert_eq!(copied(&lists(0b010)), 6 * row[0] as u64, "the offsets and the sizes");
                refused(&lists(0b011), "column it: ");
                refused(&lists(0b111), "column it: ");
            }
            // too few of them
            let child = plain(1, 0, vec![None, of(&[1_i16])], vec![]);
            let short = plain(3, 3, vec![of(&[0_u8]), wide(&[9, 9, 9]), wide(&[9])], vec![child]);
            refused(&forged(data_type.clone(), short), "column it: ");
        }
    });
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64))
}

#[test]
fn dictionaries_unions_and_runs_that_do_not_fit_are_refused() {
    on_a_small_stack(|| {
        let values = || plain(2, 0, vec![None, of(&[7_i64, 8])], vec![]);
        let keyed = |keys: &[i8]| {
            let buffers = vec![None, of(keys)];
            forged(dictionary(), Column::Keyed(keys.len() as u64, 0, buffers, vec![], Box::new(values())))
        };
        refused(&keyed(&[0, 2]), "column it: ");
        refused(&keyed(&[0, -1]), "column it: ");
        refused(&forged(dictionary(), plain(1, 0, vec![None, of(&[0_i8])], vec![])), "needs a dictionary alone");
        refused(
            &forged(dictionary(), plain(1, 0, vec![None, of(&[0_i8])], vec![values()])),
            "needs a dictionary alone",
        );
        let stray = Column::Keyed(1, 0, vec![None, of(&[0])], vec![], Box::new(values()));
        refused(&forged(DataType::Int32, stray), "a dictionary, which Int32 does not have");
        let bad = Column::Keyed(1, 0, vec![None, of(&[0_i8])], vec![], Box::new(plain(2, 0, vec![None, None], vec![])));
        refused(&forged(dictionary(), bad), "column it.dictionary: ");

        let members = UnionFields::try_new([3, 5], [item(DataType::Int64), item(DataType::Boolean)]).unwrap();
        let union = |mode, buffers: Vec<Option<Buffer>>, flags: u64| {
            let children = vec![values(), plain(flags, 0, vec![None, of(&[1_u8])], vec![])];
            forged(DataType::Union(members.clone(), mode), plain(2, 0, buffers, children))
        };
        accepted(&union(UnionMode::Dense, vec![None, of(&[3_i8, 5]), of(&[1, 0])], 1));
        refused(&union(UnionMode::Dense, vec![None, of(&[3_i8, 4]), of(&[1, 0])], 1), "column it: ");
        refused(&union(UnionMode::Dense, vec![None, of(&[3_i8, -5]), of(&[1, 0])], 1), "column it: ");
        refused(&union(UnionMode::Dense, vec![None, of(&[3_i8, 5]), of(&[1, 1])], 1), "column it: ");
        refused(&union(UnionMode::Dense, vec![None, of(&[3_i8, 5]), of(&[-1, 0])], 1), "column it: ");
        refused(&union(UnionMode::Dense, vec![of(&[3_u8]), of(&[3_i8, 5]), of(&[1, 0])], 1), "a validity bitmap");
        accepted(&union(UnionMode::Sparse, vec![None, of(&[3_i8, 5])], 2));
        refused(&union(UnionMode::Sparse, vec![None, of(&[3_i8, 5])], 1), "column it: ");

        let runs = |ends: &[i32], nulls: Option<Buffer>, len: u64| {
            let fields = [Arc::new(Field::new("run_ends", DataType::Int32, false)), item(DataType::Int64)];
            let [ends_field, values_field] = fields;
            let count = u64::from(nulls.is_some());
            let ends = plain(ends.len() as u64, count, vec![nulls, of(ends)], vec![]);
            let data_type = DataType::RunEndEncoded(ends_field, values_field);
            forged(data_type, plain(len, 0, vec![None], vec![ends, values()]))
        };
        accepted(&runs(&[2, 5], None, 5));
        refused(&runs(&[2, 5], None, 6), "column it: ");
        refused(&runs(&[2, 2], None, 2), "column it: ");
        refused(&runs(&[0, 2], None, 2), "column it: ");
        refused(&runs(&[-2, 2], None, 2), "column it: ");
        refused(&runs(&[2], None, 2), "column it: ");
        refused(&runs(&[2, 5], of(&[1_u8]), 5), "column it: ");
        refused(&runs(&[], None, 1), "column it: ");
    });
}

#[test]
fn children_that_do_not_fit_are_refused() {
    on_a_small_stack(|| {
        let child = |len| plain(len, 0, vec![None, of(&[1_i64, 2, 3, 4])], vec![]);
        let triples = |child| forged(DataType::FixedSizeList(item(DataType::Int64), 3), plain(2, 0, vec![None], child));
        refused(&triples(vec![child(4)]), "column it: ");
        refused(&triples(vec![]), "0 children");
        refused(&triples(vec![child(5)]), "column it.item: Invalid argument error: Need at least 40 bytes");
        let fields = Fields::from(vec![item(DataType::Int64), item(DataType::Int64)]);
        let pair = |children| forged(DataType::Struct(fields.clone()), plain(4, 0, vec![None], children));
        accepted(&pair(vec![child(4), child(4)]));
        refused(&pair(vec![child(4), child(3)]), "column it: ");
        refused(&pair(vec![child(4)]), "1 children");
        refused(&pair(vec![child(4), child(4), child(4)]), "3 children");

        // lengths that only Arrow's arithmetic sees
        let nothing = |len| vec![plain(len, len, vec![None], vec![])];
        let lists = |size, nullable, len, nulls, buffers, child| {
            let item = Arc::new(Field::new("item", DataType::Null, nullable));
            forged(DataType::FixedSizeList(item, size), plain(len, nulls, buffers, child))
        };
        refused(&lists(i32::MAX, true, 1 << 40, 0, vec![None], nothing(1 << 47)), "lists of 2147483647 values");
        let bitmap = vec![of(&[1_u8])];
        refused(&lists(1 << 30, false, 8, 7, bitmap.clone(), nothing(1 << 33)), "which have 0 bytes");
        accepted(&lists(1 << 30, true, 8, 7, bitmap, nothing(1 << 33)));

        let pairs =
            Fields::from(vec![Field::new("key", DataType::Int64, false), Field::new("value", DataType::Int64, true)]);
        let entries = Arc::new(Field::new("entries", DataType::Struct(pairs), false));
        let map = |key| {
            let entries_column = plain(4, 0, vec![None], vec![key, child(4)]);
            forged(DataType::Map(entries.clone(), false), plain(1, 0, vec![None, of(&[0, 4])], vec![entries_column]))
        };
        accepted(&map(child(4)));
        let with_null = plain(4, 1, vec![of(&[7_u8]), of(&[1_i64, 2, 3, 4])], vec![]);
        refused(&map(with_null), "column it.entries: ");
    });
}

/// A schema message of one field, made by hand: Arrow's own types would not have it.
fn raw_schema(endianness: Endianness, field: impl FnOnce(&mut FlatBufferBuilder<'static>) -> Raw) -> ByteBuf {
    let mut builder = FlatBufferBuilder::new();
    let field = field(&mut builder);
    let fields = builder.create_vector(&[field]);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_endianness(endianness);
    schema.add_fields(fields);
    let schema = schema.finish();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_header(schema.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    let message = builder.finished_data();
    let padded = message.len().next_multiple_of(8);
    let mut bytes = [&[0xff; 4][..], &(padded as u32).to_le_bytes(), message].concat();
    bytes.resize(8 + padded, 0);
    ByteBuf::from(bytes)
}

type Raw = WIPOffset<arrow_ipc::Field<'static>>;

fn raw_field(
    builder: &mut FlatBufferBuilder<'static>,
    kind: Type,
    of: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<UnionWIPOffset>,
    children: &[Raw],
) -> Raw {
    let (name, of, children) = (builder.create_string("it"), of(builder), builder.create_vector(children));
    let mut field = FieldBuilder::new(builder);
    field.add_name(name);
    field.add_nullable(true);
    field.add_type_type(kind);
    field.add_type_(of);
    field.add_children(children);
    field.finish()
}

fn null(builder: &mut FlatBufferBuilder<'static>) -> Raw {
    raw_field(builder, Type::Null, |builder| NullBuilder::new(builder).finish().as_union_value(), &[])
}

fn structure(builder: &mut FlatBufferBuilder<'static>, children: &[Raw]) -> Raw {
    raw_field(builder, Type::Struct_, |builder| Struct_Builder::new(builder).finish().as_union_value(), children)
}

fn union(builder: &mut FlatBufferBuilder<'static>, ids: Option<&[i32]>, children: &[Raw]) -> Raw {
    let of = |builder: &mut FlatBufferBuilder<'static>| {
        let ids = ids.map(|ids| builder.create_vector(ids));
        let mut union = UnionBuilder::new(builder);
        if let Some(ids) = ids {
            union.add_typeIds(ids);
        }
        union.finish().as_union_value()
    };
    raw_field(builder, Type::Union, of, children)
}

#[test]
fn schemas_that_no_arrow_program_writes_are_refused() {
    on_a_small_stack(|| {
        let refused_schema = |schema: ByteBuf, text: &str| {
            let columns = vec![plain(0, 0, vec![None], vec![])];
            refused(&Wire { schema, rows: 0, columns }, text);
        };
        let little = |field: fn(&mut FlatBufferBuilder<'static>) -> Raw| raw_schema(Endianness::Little, field);
        accepted(&Wire { schema: little(null), rows: 1, columns: vec![plain(1, 1, vec![None], vec![])] });
        refused_schema(raw_schema(Endianness::Big, null), "big-endian");
        refused_schema(
            little(|builder| {
                let of = |builder: &mut FlatBufferBuilder<'static>| {
                    let mut binary = FixedSizeBinaryBuilder::new(builder);
                    binary.add_byteWidth(-1);
                    binary.finish().as_union_value()
                };
                raw_field(builder, Type::FixedSizeBinary, of, &[])
            }),
            "values of negative length",
        );
        refused_schema(
            little(|builder| {
                let child = null(builder);
                let of = |builder: &mut FlatBufferBuilder<'static>| {
                    let mut list = FixedSizeListBuilder::new(builder);
                    list.add_listSize(-1);
                    list.finish().as_union_value()
                };
                raw_field(builder, Type::FixedSizeList, of, &[child])
            }),
            "lists of negative length",
        );
        for (precision, scale, bits) in
            [(0, 0, 128), (39, 0, 128), (10, 20, 64), (300, 0, 256), (5, 200, 128), (5, 0, 24)]
        {
            let schema = raw_schema(Endianness::Little, |builder| {
                let of = |builder: &mut FlatBufferBuilder<'static>| {
                    let mut decimal = DecimalBuilder::new(builder);
                    decimal.add_precision(precision);
                    decimal.add_scale(scale);
                    decimal.add_bitWidth(bits);
                    decimal.finish().as_union_value()
                };
                raw_field(builder, Type::Decimal, of, &[])
            });
            refused_schema(schema, "field \"it\" of the schema: ");
        }
        refused_schema(
            little(|builder| {
                let children: Vec<_> = (0..129).map(|_| null(builder)).collect();
                union(builder, None, &children)
            }),
            "union type ids",
        );
        for ids in [&[0, 256], &[-1, 0], &[128, 0], &[0, 0]] {
            let schema = raw_schema(Endianness::Little, |builder| {
                let children = [null(builder), null(builder)];
                union(builder, Some(ids), &children)
            });
            refused_schema(schema, "type id");
        }
        // 2 to the power of 40 fields in a few hundred bytes: every struct has the one below it twice
        refused_schema(
            little(|builder| (0..40).fold(null(builder), |below, _| structure(builder, &[below, below]))),
            "is no Arrow message",
        );
        // deeper than the verifier goes
        refused_schema(
            little(|builder| (0..500).fold(null(builder), |below, _| structure(builder, &[below]))),
            "is no Arrow message",
        );
        let good = little(null);
        refused_schema(ByteBuf::new(), "no Arrow schema message");
        refused_schema(ByteBuf::from(good[..good.len() - 1].to_vec()), "not what it announces");
        refused_schema(ByteBuf::from(good[4..].to_vec()), "does not begin as");
    });
}

/// Arrow's own format has text there, of which pyarrow makes any bytes.
#[test]
fn metadata_of_a_schema_that_is_no_text_is_refused_by_name() {
    let field = Field::new("it", DataType::Int8, true);
    let of_field = field.clone().with_metadata([("the key".to_owned(), "its value".to_owned())]);
    let of_schema = Schema::new_with_metadata(vec![field], [("the key", "its value")]);
    for schema in [Schema::new(vec![of_field]), of_schema] {
        let batch = RecordBatch::new_empty(Arc::new(schema));
        let good: Wire = from_multipart(to_multipart(&Table::from(batch)).unwrap()).unwrap();
        for text in ["the key", "its value"] {
            let mut bad = good.clone();
            let at = good.schema.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
            bad.schema[at + 1] = 0xff;
            let seen =
                format!("a name or metadata with text that is no UTF-8: \"{}\u{fffd}{}\"", &text[..1], &text[2..]);
            refused(&bad, &seen);
        }
    }
}

#[test]
fn types_nest_sixteen_levels_on_a_small_stack_and_no_deeper() {
    let nested = |levels| {
        // the recursion of the test's own making takes more than the library's
        let make = thread::Builder::new().stack_size(64 << 20).spawn(move || {
            let data_type = (0..levels).fold(DataType::Int32, |below, _| DataType::List(item(below)));
            to_multipart(&Table::from(batch(&mut Random::seeded(13), &[data_type], 2)))
        });
        make.unwrap().join().unwrap()
    };
    let message = nested(15).unwrap();
    on_a_small_stack(move || {
        let table: Table = from_multipart(message.clone()).unwrap();
        assert_eq!(to_multipart(&table).unwrap(), message);
    });
    for levels in [16, 20] {
        let error = nested(levels).unwrap_err();
        assert!(error.to_string().contains("deeper than the limit of 16"), "{error}");
    }
    // columns deeper than their schema
    let deep = (0..16).fold(plain(0, 0, vec![None], vec![]), |below, _| plain(0, 0, vec![None], vec![below]));
    refused(&forged(DataType::Int32, deep), "columns are nested deeper than the limit of 16");
}

#[test]
fn a_million_columns_do_not_fill_memory() {
    on_a_small_stack(|| {
        let schema = schema_of(vec![Field::new("it", DataType::Int32, true)]);
        let many = |columns| Wire { schema: schema.clone(), rows: 0, columns };
        let empty = || plain(0, 0, vec![], vec![]);
        let attacks = [
            ("more columns than", many(vec![empty(); 300_000])),
            ("more columns than", many(vec![plain(0, 0, vec![], vec![empty(); 300_000])])),
            ("more buffers than", many(vec![plain(0, 0, vec![None; 1_000_000], vec![])])),
            ("rows, and the table", Wire { rows: 7, ..many(vec![empty()]) }),
        ];
        for (text, wire) in attacks {
            let message = to_multipart(&wire).unwrap();
            let (result, usage) = measure(|| from_multipart::<Table>(message));
            let error = result.unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert!(usage.peak < 16 << 20, "{text}: {usage:?}");
        }
    });
}

#[test]
fn one_frame_in_a_thousand_columns_is_not_copied_a_thousand_times() {
    on_a_small_stack(|| {
        let block = Buffer::from_vec(vec![0_u128; 6001]);
        let misaligned = block.slice(8..8 + 96_000);
        assert!(misaligned.try_cast::<u128>().is_err());
        let of = |kinds: Vec<DataType>| {
            let columns = vec![plain(6000, 0, vec![None, Some(misaligned.clone())], vec![]); kinds.len()];
            let named = kinds.into_iter().enumerate();
            let fields = named.map(|(index, kind)| Field::new(format!("column {index}"), kind, true)).collect();
            let message = to_multipart(&Wire { schema: schema_of(fields), rows: 6000, columns }).unwrap();
            assert_eq!(message.buffers().len(), 1);
            let codec = MsgPack::new().limits(Limits::new().total_bytes(1 << 20));
            let (result, usage) = measure(|| Decode::<Table>::decode(&codec, message));
            assert!(usage.peak < 4 << 20, "{usage:?}");
            result
        };
        // of one type they are one column
        let table = of(vec![DataType::Decimal128(20, 2); 1000]).unwrap();
        assert_eq!(table.batch().num_columns(), 1000);
        let kinds = (1..=38).flat_map(|precision| (0..precision).map(move |scale| (precision, scale)));
        let kinds = kinds.map(|(precision, scale)| DataType::Decimal128(precision, scale as i8)).collect();
        let error = of(kinds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limits, "{error}");
    });
}

/// Columns are told apart by their buffers, of which a short one is named by each child in ten bytes.
#[test]
fn one_short_frame_in_thousands_of_children_is_kept_once() {
    on_a_small_stack(|| {
        let child = plain(8, 0, vec![None, of(&[1_u8; 8192])], vec![]);
        let fields: Fields = (0..4000).map(|at| Field::new(at.to_string(), DataType::Boolean, true)).collect();
        let wire = forged(DataType::Struct(fields), plain(8, 0, vec![None], vec![child; 4000]));
        let message = MsgPack::new().out_of_band_from(1).encode(&wire).unwrap();
        assert!(message.total_len() < 300_000, "{}", message.total_len());
        let (table, usage) = measure(|| from_multipart::<Table>(message).unwrap());
        assert_eq!(table.rows(), 8);
        assert!(usage.peak < 8 << 20, "{usage:?}");
    });
}

/// Every byte of a message whose buffers are all in band, changed in two ways.
#[test]
fn every_changed_byte_is_an_error_or_a_valid_table() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(11);
        let in_band = MsgPack::new().out_of_band_from(usize::MAX);
        let (mut refused, mut accepted) = (0_usize, 0_usize);
        for data_type in types() {
            let table = Table::from(batch(&mut random, std::slice::from_ref(&data_type), 3));
            let good = in_band.encode(&table).unwrap().metadata().to_vec();
            for at in 0..good.len() {
                let (bit, extreme) = (1_u8 << random.below(8), [0, 0x7f, 0xff][random.below(3)]);
                let both = [good[at] ^ bit, extreme];
                // a debug build, which takes many times as long, has one of the two at each place
                let bytes = if cfg!(debug_assertions) { &both[at % 2..][..1] } else { &both };
                for &byte in bytes {
                    let mut bad = good.clone();
                    bad[at] = byte;
                    let (result, usage) = measure(|| from_multipart::<Table>(Multipart::new(bad, vec![])));
                    assert!(usage.peak < 1 << 20, "byte {at} of {data_type}: {usage:?}");
                    match result {
                        Ok(table) => {
                            accepted += 1;
                            use_up(&table);
                        }
                        Err(error) => {
                            refused += 1;
                            assert!(matches!(error.kind(), ErrorKind::Peer | ErrorKind::Limits), "{error:?}");
                            assert!(error.to_string().len() < 1024);
                        }
                    }
                }
            }
        }
        println!("{refused} refused, {accepted} accepted");
        let many = if cfg!(debug_assertions) { 5000 } else { 10_000 };
        assert!(refused > many && accepted > many);
    });
}

/// Many bytes at once, in the buffers alone.
#[test]
fn scrambled_buffers_are_an_error_or_a_valid_table() {
    on_a_small_stack(|| {
        let mut random = Random::seeded(12);
        for data_type in types() {
            for _ in 0..40 {
                let table = Table::from(batch(&mut random, std::slice::from_ref(&data_type), 20));
                let mut wire: Wire = from_multipart(to_multipart(&table).unwrap()).unwrap();
                wire.columns.iter_mut().for_each(|column| scramble(&mut random, column));
                let message = MsgPack::new().out_of_band_from(1).encode(&wire).unwrap();
                if let Ok(table) = Decode::<Table>::decode(&MsgPack::new(), message) {
                    use_up(&table);
                }
            }
        }
    });
}

fn scramble(random: &mut Random, column: &mut Column) {
    if random.below(10) == 0 {
        *column.len() = [0, 1, 19, 21, 1 << 20, 1 << 47, u64::MAX][random.below(7)];
    }
    if random.below(10) == 0 {
        *column.nulls() = random.below(30) as u64;
    }
    for buffer in column.buffers() {
        let Some(bytes) = buffer else { continue };
        let mut bytes = bytes.to_vec();
        match random.below(6) {
            0 => *buffer = None,
            1 => *buffer = Some(Buffer::copy_from_slice(&bytes[..random.below(bytes.len() + 1)])),
            2 if !bytes.is_empty() => {
                for _ in 0..1 + random.below(4) {
                    let at = random.below(bytes.len());
                    bytes[at] = [random.next() as u8, 0, 0xff, 0x80][random.below(4)];
                }
                *buffer = Some(bytes.into());
            }
            _ => {}
        }
    }
    if random.below(30) == 0 {
        column.buffers().push(None);
    }
    if random.below(30) == 0 {
        column.children().pop();
    }
    column.children().iter_mut().for_each(|child| scramble(random, child));
    if let Column::Keyed(_, _, _, _, values) = column {
        scramble(random, values);
    }
}

#[test]
fn columns_that_share_a_buffer_are_looked_through_within_a_limit() {
    const LEN: usize = 1 << 20;
    let of = |columns: Vec<ArrayRef>| {
        let named = columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column));
        to_multipart(&Table::from(RecordBatch::try_from_iter(named).unwrap())).unwrap()
    };
    // one column under four thousand names is looked through once
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(LEN)]));
    let message = of(vec![text; 4000]);
    assert!(message.total_len() < 2 * LEN, "{}", message.total_len());
    let table: Table = from_multipart(message).unwrap();
    assert_eq!(table.batch().num_columns(), 4000);
    // columns of which each has other rows in the same text, and views of the same text in each row
    let values = ArrowBuffer::from(vec![b'x'; LEN]);
    let text = |at: usize| -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths([at, LEN - at]);
        Arc::new(StringArray::new(offsets, values.clone(), None))
    };
    let texts = of((0..400).map(text).collect());
    let mut views = StringViewBuilder::new();
    let block = views.append_block(values.slice_with_length(0, LEN / 8));
    (0..10_000).for_each(|_| views.try_append_view(block, 0, LEN as u32 / 8).unwrap());
    let views = of(vec![Arc::new(views.finish())]);
    for message in [texts, views] {
        assert!(message.total_len() < 2 * LEN, "{}", message.total_len());
        let error = from_multipart::<Table>(message).unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("more than once"), "{error}");
    }
}

/// Codecs that share nothing of a message have no bound for one, and views may look at the same text there as well.
#[test]
fn a_table_that_came_by_itself_is_looked_through_within_a_limit() {
    const LEN: usize = 400_000;
    let mut views = StringViewBuilder::new();
    let block = views.append_block(ArrowBuffer::from(vec![b'x'; LEN]));
    (0..2000).for_each(|_| views.try_append_view(block, 0, LEN as u32).unwrap());
    let table = Table::from(RecordBatch::try_from_iter([("it", Arc::new(views.finish()) as _)]).unwrap());
    let in_band = MsgPack::new().out_of_band_from(usize::MAX).encode(&table).unwrap();
    let json = Json::new().buffers_in_band().encode(&table).unwrap();
    let errors = [
        Decode::<Value>::decode(&Json::new(), json.clone()).unwrap_err(),
        Decode::<Table>::decode(&Json::new(), json).unwrap_err(),
        Decode::<Table>::decode_frame(&MsgPack::new(), in_band.metadata()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Peer);
        assert!(error.to_string().contains("would be looked through to more than"), "{error}");
    }
}

/// Run ends lie in a child, and a bitmap is expanded over the values of fixed-size lists: each is read or made for every column.
#[test]
fn children_that_share_a_buffer_are_looked_through_within_a_limit() {
    let of_many = |data_type: DataType, column: Column, many: usize| {
        let fields: Fields = (0..many).map(|at| Field::new(at.to_string(), data_type.clone(), true)).collect();
        let len = 8;
        let wire = forged(DataType::Struct(fields), plain(len, 0, vec![None], vec![column; many]));
        let message = to_multipart(&wire).unwrap();
        let codec = MsgPack::new().limits(Limits::new().metadata_bytes(1 << 20));
        Decode::<Table>::decode(&codec, message).map(drop)
    };
    let ends: Vec<i32> = (8..8 + (1 << 18)).collect();
    let nothing = plain(ends.len() as u64, 0, vec![None], vec![]);
    let run_ends = plain(ends.len() as u64, 0, vec![None, of(&ends)], vec![]);
    let runs = plain(8, 0, vec![None], vec![run_ends, nothing]);
    let of_runs =
        DataType::RunEndEncoded(Arc::new(Field::new("run_ends", DataType::Int32, false)), item(DataType::Null));
    let values = plain(8 << 20, 0, vec![None, of(&vec![0_u8; 8 << 20])], vec![]);
    let lists = plain(8, 1, vec![of(&[0x7f_u8])], vec![values]);
    let of_lists = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::UInt8, false)), 1 << 20);
    for (data_type, column, few, many) in [(of_runs, runs, 200, 300), (of_lists, lists, 100, 200)] {
        of_many(data_type.clone(), column.clone(), few).unwrap();
        let error = of_many(data_type, column, many).unwrap_err();
        assert!(error.is_limit() && error.to_string().contains("looked through"), "{error}");
    }
}

/// A schema is always written in band, and read from a frame as well, which any number of tables may name.
#[test]
fn tables_that_share_a_schema_read_it_within_a_limit() {
    #[derive(Serialize)]
    struct Shared {
        #[serde(rename = "$table")]
        schema: Buffer,
        rows: u64,
        columns: Vec<Column>,
    }
    let note = HashMap::from([("note".to_owned(), "x".repeat(400_000))]);
    let schema = Arc::new(Schema::new(vec![Field::new("it", DataType::Null, true)]).with_metadata(note));
    let batch = RecordBatch::try_new(schema, vec![new_empty_array(&DataType::Null)]).unwrap();
    let own = to_multipart(&vec![Table::from(batch.clone()); 10]).unwrap();
    assert_eq!(from_multipart::<Vec<Table>>(own).unwrap().len(), 10);

    let wire: Wire = from_multipart(to_multipart(&Table::from(batch)).unwrap()).unwrap();
    let schema = Buffer::from(wire.schema.into_vec());
    let of = |many| {
        let one = || Shared { schema: schema.clone(), rows: 0, columns: wire.columns.clone() };
        to_multipart(&(0..many).map(|_| one()).collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(from_multipart::<Vec<Table>>(of(20)).unwrap().len(), 20);
    let message = of(300);
    assert!(message.total_len() < 1 << 20, "{}", message.total_len());
    let error = from_multipart::<Vec<Table>>(message).unwrap_err();
    assert!(error.is_limit() && error.to_string().contains("looked through"), "{error}");
}
