//! Arrow arrays of every type with random values, nulls and slices.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use arrow_array::builder::GenericByteViewBuilder;
use arrow_array::types::{ArrowDictionaryKeyType, BinaryViewType, ByteViewType, StringViewType};
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type, UInt16Type};
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, GenericBinaryArray, GenericByteViewArray,
    GenericListArray, GenericListViewArray, GenericStringArray, MapArray, NullArray, OffsetSizeTrait, PrimitiveArray,
    RecordBatch, RunArray, StructArray, UnionArray, make_array,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::{ArrayDataBuilder, BufferSpec, layout};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};

use crate::random::Random;

fn field(name: &str, data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(name, data_type, true))
}

/// Every type, nested ones around several others.
pub(crate) fn types() -> Vec<DataType> {
    use DataType::*;
    let mut types = vec![
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Date32,
        Date64,
        Time32(TimeUnit::Second),
        Time32(TimeUnit::Millisecond),
        Time64(TimeUnit::Microsecond),
        Time64(TimeUnit::Nanosecond),
        Timestamp(TimeUnit::Second, None),
        Timestamp(TimeUnit::Millisecond, Some("Europe/Oslo".into())),
        Timestamp(TimeUnit::Microsecond, Some("+05:30".into())),
        Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Duration(TimeUnit::Second),
        Duration(TimeUnit::Millisecond),
        Duration(TimeUnit::Microsecond),
        Duration(TimeUnit::Nanosecond),
        Interval(IntervalUnit::YearMonth),
        Interval(IntervalUnit::DayTime),
        Interval(IntervalUnit::MonthDayNano),
        Decimal32(9, 2),
        Decimal64(18, -3),
        Decimal128(38, 10),
        Decimal256(76, 0),
        FixedSizeBinary(0),
        FixedSizeBinary(7),
        FixedSizeBinary(16),
        Binary,
        LargeBinary,
        Utf8,
        LargeUtf8,
        BinaryView,
        Utf8View,
    ];
    for item in [Int16, Utf8, Boolean, Utf8View] {
        types.push(List(field("item", item.clone())));
        types.push(LargeList(field("item", item.clone())));
        types.push(ListView(field("item", item.clone())));
        types.push(LargeListView(field("item", item.clone())));
        types.push(FixedSizeList(field("item", item.clone()), 3));
        types.push(dictionary(Int16, item.clone()));
        types.push(run_ends(Int32, item));
    }
    for key in [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64] {
        types.push(dictionary(key, Utf8));
    }
    types.extend([run_ends(Int16, Float64), run_ends(Int64, Decimal128(20, 2))]);
    let fields = Fields::from(vec![field("a", Int64), field("b", Utf8), field("c", List(field("item", Boolean)))]);
    types.push(Struct(Fields::empty()));
    types.push(Struct(fields.clone()));
    types.push(FixedSizeList(field("item", Struct(fields.clone())), 2));
    types.push(List(field("item", List(field("item", dictionary(Int8, LargeUtf8))))));
    let entries = Fields::from(vec![Arc::new(Field::new("key", Utf8, false)), field("value", Float32)]);
    let entries = Arc::new(Field::new("entries", Struct(entries), false));
    types.extend([Map(entries.clone(), false), Map(entries, true)]);
    types.push(List(Arc::new(Field::clone(&field("item", dictionary(Int8, Int32))).with_dict_is_ordered(true))));
    let members = || vec![field("n", Int32), field("s", Utf8), field("f", Struct(fields.clone()))];
    for mode in [UnionMode::Sparse, UnionMode::Dense] {
        types.push(Union(UnionFields::try_new([5, 0, 100], members()).unwrap(), mode));
        types.push(List(field("item", Union(UnionFields::try_new([0, 1, 2], members()).unwrap(), mode))));
    }
    // nothing in something, and what nests where it seldom does
    types.push(FixedSizeList(field("item", Int16), 0));
    types.push(FixedSizeList(field("item", FixedSizeList(field("item", Decimal128(9, 1)), 2)), 2));
    for outer in [List, LargeListView] {
        for inner in [Null, ListView(field("item", Utf8View)), Struct(fields.clone()), run_ends(Int32, Binary)] {
            types.push(outer(field("item", inner)));
        }
    }
    for values in
        [Null, ListView(field("item", Int8)), Struct(fields.clone()), List(field("item", dictionary(Int8, Utf8View)))]
    {
        types.push(dictionary(Int16, values.clone()));
        types.push(run_ends(Int32, values));
    }
    types.push(run_ends(Int64, run_ends(Int32, Utf8)));
    let members =
        vec![field("v", ListView(field("item", Int64))), field("u", Utf8View), field("r", run_ends(Int32, Int8))];
    let members = UnionFields::try_new([1, 2, 3], members).unwrap();
    for mode in [UnionMode::Sparse, UnionMode::Dense] {
        types.push(ListView(field("item", Union(members.clone(), mode))));
        types.push(Struct(Fields::from(vec![field("u", Union(members.clone(), mode))])));
    }
    types.push(Struct(Fields::from(vec![field("d", dictionary(UInt8, Utf8)), field("r", run_ends(Int32, Utf8))])));
    types
}

fn dictionary(key: DataType, value: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(value))
}

fn run_ends(ends: DataType, values: DataType) -> DataType {
    DataType::RunEndEncoded(Arc::new(Field::new("run_ends", ends, false)), field("values", values))
}

/// An array that is, three times of four, a slice of a longer one.
pub(crate) fn sliced(random: &mut Random, data_type: &DataType, len: usize) -> ArrayRef {
    let (before, after) = match random.below(4) {
        0 => (0, 0),
        1 => (8 * random.below(4), random.below(20)),
        _ => (random.below(40), random.below(20)),
    };
    array(random, data_type, before + len + after).slice(before, len)
}

fn nulls(random: &mut Random, len: usize) -> Option<NullBuffer> {
    let bits = |random: &mut Random| (0..len).map(|_| random.below(4) > 0).collect::<Vec<_>>();
    (random.below(3) > 0).then(|| NullBuffer::from(bits(random)))
}

fn text(random: &mut Random) -> String {
    const LETTERS: [char; 6] = ['a', 'Z', 'ø', '€', '𝄞', ' '];
    let len = [0, 3, 11, 40][random.below(4)];
    (0..random.below(len + 1)).map(|_| LETTERS[random.below(LETTERS.len())]).collect()
}

fn offsets(random: &mut Random, len: usize) -> OffsetBuffer<i64> {
    OffsetBuffer::from_lengths((0..len).map(|_| random.below(4)))
}

fn lists<O: OffsetSizeTrait>(random: &mut Random, item: &Arc<Field>, len: usize) -> ArrayRef {
    let offsets = offsets(random, len);
    let unused = random.below(3);
    let child = sliced(random, item.data_type(), offsets.last() as usize + unused);
    let offsets =
        OffsetBuffer::new(offsets.iter().map(|&offset| <O as ArrowNativeType>::usize_as(offset as usize)).collect());
    Arc::new(GenericListArray::<O>::try_new(item.clone(), offsets, child, nulls(random, len)).unwrap())
}

/// Lists near each other, in no order; some that are null have all values.
fn list_views<O: OffsetSizeTrait>(random: &mut Random, item: &Arc<Field>, len: usize) -> ArrayRef {
    let count = 30 + 2 * len;
    let child = sliced(random, item.data_type(), count);
    let nulls = nulls(random, len);
    let lists = (0..len).map(|row| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
        true if row % 2 == 0 => (0, count),
        _ => {
            let start = 2 * row + random.below(31);
            (start, random.below(count - start + 1).min(5))
        }
    });
    let of = <O as ArrowNativeType>::usize_as;
    let (starts, sizes): (Vec<_>, Vec<_>) = lists.map(|(start, size)| (of(start), of(size))).unzip();
    Arc::new(GenericListViewArray::<O>::try_new(item.clone(), starts.into(), sizes.into(), child, nulls).unwrap())
}

/// Views into buffers that are short or long; some that are null look at something.
fn views<T: ByteViewType>(random: &mut Random, texts: Vec<Option<String>>) -> ArrayRef
where
    T::Native: AsRef<[u8]>,
    str: AsRef<T::Native>,
{
    let block = [200, 1 << 20][random.below(2)];
    let mut builder = GenericByteViewBuilder::<T>::new().with_fixed_block_size(block);
    texts.iter().for_each(|text| builder.append_option(text.as_deref()));
    let (views, buffers, own) = builder.finish().into_parts();
    let nulls = NullBuffer::union(own.as_ref(), nulls(random, views.len()).as_ref());
    Arc::new(GenericByteViewArray::<T>::try_new(views, buffers, nulls).unwrap())
}

fn keyed<K: ArrowDictionaryKeyType>(random: &mut Random, values: &DataType, len: usize) -> ArrayRef {
    let values = sliced(random, values, 10);
    let keys: ScalarBuffer<K::Native> = (0..len).map(|_| K::Native::usize_as(random.below(10))).collect();
    let keys = PrimitiveArray::<K>::new(keys, nulls(random, len));
    Arc::new(DictionaryArray::<K>::try_new(keys, values).unwrap())
}

fn runs<R: RunEndIndexType>(random: &mut Random, values: &DataType, len: usize) -> ArrayRef {
    let mut ends = Vec::new();
    while ends.last().is_none_or(|&last| last < len) {
        ends.push(ends.last().unwrap_or(&0) + 1 + random.below(5));
    }
    let values = sliced(random, values, ends.len());
    let ends = PrimitiveArray::<R>::from_iter_values(ends.into_iter().map(R::Native::usize_as));
    Arc::new(RunArray::<R>::try_new(&ends, &values).unwrap().slice(0, len))
}

fn union(random: &mut Random, fields: &UnionFields, mode: UnionMode, len: usize) -> ArrayRef {
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let type_ids: ScalarBuffer<i8> = (0..len).map(|_| ids[random.below(ids.len())]).collect();
    let (child_len, offsets) = match mode {
        UnionMode::Sparse => (len, None),
        UnionMode::Dense => {
            // in order, as the format wants them
            let mut offsets: Vec<_> = (0..len).map(|_| random.below(len + 3) as i32).collect();
            offsets.sort_unstable();
            (len + 3, Some(offsets.into()))
        }
    };
    let children = fields.iter().map(|(_, field)| sliced(random, field.data_type(), child_len)).collect();
    Arc::new(UnionArray::try_new(fields.clone(), type_ids, offsets, children).unwrap())
}

/// An array of random values, some of them null.
pub(crate) fn array(random: &mut Random, data_type: &DataType, len: usize) -> ArrayRef {
    let texts = |random: &mut Random| -> Vec<Option<String>> {
        (0..len).map(|_| (random.below(5) > 0).then(|| text(random))).collect()
    };
    match data_type {
        DataType::Null => Arc::new(NullArray::new(len)),
        DataType::Boolean => {
            let bits: Vec<_> = (0..len).map(|_| random.below(2) == 0).collect();
            Arc::new(BooleanArray::new(bits.into(), nulls(random, len)))
        }
        DataType::Utf8 => Arc::new(GenericStringArray::<i32>::from(texts(random))),
        DataType::LargeUtf8 => Arc::new(GenericStringArray::<i64>::from(texts(random))),
        DataType::Binary => Arc::new(texts(random).iter().map(Option::as_ref).collect::<GenericBinaryArray<i32>>()),
        DataType::LargeBinary => {
            Arc::new(texts(random).iter().map(Option::as_ref).collect::<GenericBinaryArray<i64>>())
        }
        DataType::Utf8View => {
            let texts = texts(random);
            views::<StringViewType>(random, texts)
        }
        DataType::BinaryView => {
            let texts = texts(random);
            views::<BinaryViewType>(random, texts)
        }
        DataType::List(item) => lists::<i32>(random, item, len),
        DataType::LargeList(item) => lists::<i64>(random, item, len),
        DataType::ListView(item) => list_views::<i32>(random, item, len),
        DataType::LargeListView(item) => list_views::<i64>(random, item, len),
        DataType::FixedSizeList(item, size) => {
            let child = sliced(random, item.data_type(), len * *size as usize);
            let nulls = nulls(random, len);
            Arc::new(FixedSizeListArray::try_new_with_length(item.clone(), *size, child, nulls, len).unwrap())
        }
        DataType::Struct(fields) => {
            let children = fields.iter().map(|field| sliced(random, field.data_type(), len)).collect();
            let nulls = nulls(random, len);
            Arc::new(StructArray::try_new_with_length(fields.clone(), children, nulls, len).unwrap())
        }
        DataType::Map(entries, ordered) => {
            let DataType::Struct(fields) = entries.data_type() else { panic!("a map of {entries}") };
            let offsets = offsets(random, len);
            let count = offsets.last() as usize;
            let mut keys: Vec<_> = (0..count).map(|_| text(random)).collect();
            if *ordered {
                keys.sort_unstable();
            }
            let keys = GenericStringArray::<i32>::from(keys);
            let values = sliced(random, fields[1].data_type(), count);
            let pairs = StructArray::try_new(fields.clone(), vec![Arc::new(keys), values], None).unwrap();
            let offsets = OffsetBuffer::new(offsets.iter().map(|&offset| offset as i32).collect());
            Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls(random, len), *ordered).unwrap())
        }
        DataType::Union(fields, mode) => union(random, fields, *mode, len),
        DataType::Dictionary(key, values) => match **key {
            DataType::Int8 => keyed::<Int8Type>(random, values, len),
            DataType::Int16 => keyed::<Int16Type>(random, values, len),
            DataType::Int32 => keyed::<Int32Type>(random, values, len),
            DataType::Int64 => keyed::<Int64Type>(random, values, len),
            DataType::UInt8 => keyed::<UInt8Type>(random, values, len),
            DataType::UInt16 => keyed::<UInt16Type>(random, values, len),
            DataType::UInt32 => keyed::<UInt32Type>(random, values, len),
            _ => keyed::<UInt64Type>(random, values, len),
        },
        DataType::RunEndEncoded(ends, values) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(random, values.data_type(), len),
            DataType::Int32 => runs::<Int32Type>(random, values.data_type(), len),
            _ => runs::<Int64Type>(random, values.data_type(), len),
        },
        plain => {
            let [BufferSpec::FixedWidth { byte_width, .. }] = layout(plain).buffers[..] else {
                panic!("no values of {plain} here")
            };
            let values: Vec<u8> = (0..len).flat_map(|_| value(random, plain, byte_width)).collect();
            let builder = ArrayDataBuilder::new(plain.clone()).len(len).nulls(nulls(random, len));
            make_array(builder.add_buffer(Buffer::from_vec(values)).align_buffers(true).build().unwrap())
        }
    }
}

/// The bytes of one value: any bits, where the type does not say that only some are sensible.
fn value(random: &mut Random, data_type: &DataType, width: usize) -> Vec<u8> {
    const DAY: usize = 86_400;
    let number = match data_type {
        DataType::Date64 => (random.below(40_000) * DAY * 1000) as i64,
        DataType::Time32(TimeUnit::Second) => random.below(DAY) as i64,
        DataType::Time32(_) => random.below(DAY * 1000) as i64,
        DataType::Time64(TimeUnit::Microsecond) => random.below(DAY * 1_000_000) as i64,
        DataType::Time64(_) => random.below(DAY * 1_000_000_000) as i64,
        decimal if decimal.is_decimal() => random.below(2_000_000) as i64 - 1_000_000,
        _ => return (0..width).map(|_| random.next() as u8).collect(),
    };
    let sign = if number < 0 { 0xff } else { 0 };
    number.to_le_bytes().into_iter().chain([sign; 32]).take(width).collect()
}

/// A batch with a column of each of these types; every other dictionary is ordered.
pub(crate) fn batch(random: &mut Random, types: &[DataType], rows: usize) -> RecordBatch {
    let columns: Vec<_> = types.iter().map(|data_type| sliced(random, data_type, rows)).collect();
    let fields = types.iter().enumerate().map(|(index, data_type)| {
        let field = Field::new(format!("column {index}"), data_type.clone(), true).with_dict_is_ordered(index % 2 == 0);
        field.with_metadata([("ARROW:extension:name".to_owned(), format!("kind {index}"))])
    });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), [("origin", "a test")]);
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).unwrap()
}
